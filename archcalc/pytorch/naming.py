"""What layers are called as submodules: as in the spec, unless a module needs the name itself."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TypeAlias

from archcalc.spec.graph import Graph

OURS = frozenset(("graph", "returns", "_paths", "_steps", "_returned", "self"))
"""What a network that is built from a graph has, beside what every module has; and what the code
that PyTorch generates calls one."""


def identifier(name: str) -> str:
    """A name of a spec as one of Python."""
    found = re.sub(r"\W", "_", name)
    if not found.isidentifier():
        found = f"_{found}"
    return f"{found}_" if keyword.iskeyword(found) else found


@cache
def is_reserved(name: str) -> bool:
    """Whether a module has something else of this name: a method, or what PyTorch keeps there."""
    return name in OURS or _is_kept(name)


def _is_kept(name: str) -> bool:
    from torch import nn

    return hasattr(nn.Module(), name) or name in nn.Module.__annotations__


@cache
def _attribute(name: str) -> str:
    if name.isdigit():
        return name
    # Two underscores have a meaning of their own in a class.
    plain = re.sub("^__+", "_", identifier(name))
    return f"{plain}_" if is_reserved(plain) else plain


@cache
def _author(name: str) -> str:
    return f"{name}_" if _is_kept(name) else name


def attributes(names: Iterable[str]) -> dict[str, str]:
    """What the layers of one block are called as attributes of its module, by their own names.

    ``conv2-1`` becomes ``conv2_1``; what is reserved, in Python or in a module, ends in ``_``:
    ``class_``, ``type_``, ``training_``; so does what would be called as another is. Numbers, which
    repetitions have, stay.
    """
    return _apart(names, _attribute)


def authors(names: Iterable[str]) -> dict[str, str]:
    """The same in a module that somebody else wrote, whose names are keys of its ``state_dict``.

    They are all that no module has itself: ``self``, ``class`` and ``conv1/norm`` too.
    """
    return _apart(names, _author)


def _apart(names: Iterable[str], called: Callable[[str], str]) -> dict[str, str]:
    known = list(dict.fromkeys(names))
    found = {name: name for name in known if called(name) == name}
    taken = set(found)
    for name in known:
        if name not in found:
            fresh = called(name)
            while fresh in taken:
                fresh += "_"
            found[name] = fresh
            taken.add(fresh)
    return found


Naming: TypeAlias = Callable[[Iterable[str]], Mapping[str, str]]
"""What layers are called as modules, of what they are called in a block."""


def paths(graph: Graph, naming: Naming = attributes) -> Mapping[str, str]:
    """The way to each layer's module, ``layer1.0.conv1``, by the layer's name."""
    names = [node.name for node in graph.nodes]
    inside: dict[str, dict[str, None]] = {}
    for name in names:
        around = ""
        for part in name.split("."):
            inside.setdefault(around, {})[part] = None
            around += f"{part}."
    told = {around: naming(inner) for around, inner in inside.items()}
    found = {}
    for name in names:
        around, way = "", []
        for part in name.split("."):
            way.append(told[around][part])
            around += f"{part}."
        found[name] = ".".join(way)
    return found
