"""What completes the words of a command line, on which a network may stand already."""

import os
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from importlib import import_module
from typing import Any, TypeAlias

MOST_OFFERED = 1000
"""Copies of a layer."""

Completion: TypeAlias = Callable[[str], list[str]]
"""The words that begin as an incomplete one does."""


def line() -> list[str]:
    """The words on the command line that a shell wants completed; none where it runs."""
    for name in ("COMP_WORDS", "_TYPER_COMPLETE_ARGS"):
        if name in os.environ and "_ARCHCALC_COMPLETE" in os.environ:
            return os.environ[name].split()
    return []


def networks(incomplete: str) -> list[str]:
    """Names of networks, and files, that begin like this: read from the specs as plain text."""
    from glob import escape, glob

    from archcalc.spec.shelf import words as names

    ends = ("yaml", "yml", "json")
    files = [path for end in ends for path in glob(f"{escape(incomplete)}*.{end}")]
    return [name for name in (*sorted(names()), *sorted(files)) if name.startswith(incomplete)]


def machines(incomplete: str) -> list[str]:
    """Names of machines that begin like this."""
    from archcalc.spec.shelf import MACHINES, folder

    names = ["here", *sorted(path.stem for path in (folder() / MACHINES).glob("*.yaml"))]
    return [name for name in names if name.startswith(incomplete)]


def words(*known: str) -> Completion:
    """Completes one of some words."""
    return lambda incomplete: [word for word in known if word.startswith(incomplete)]


def known(*homes: str) -> Completion:
    """Completes one of the words that stand elsewhere, ``module:NAME``, or are given here."""

    def complete(incomplete: str) -> list[str]:
        found: list[str] = []
        for home in homes:
            module, colon, name = home.partition(":")
            found += getattr(import_module(f"archcalc.{module}"), name) if colon else [home]
        return [word for word in dict.fromkeys(found) if word.startswith(incomplete)]

    return complete


def several(complete: Completion) -> Completion:
    """Completes the last of some words with commas between them."""

    def last(incomplete: str) -> list[str]:
        before, comma, word = incomplete.rpartition(",")
        return [f"{before}{comma}{found}" for found in complete(word)]

    return last


def variables(*more: str, end: str = "") -> Completion:
    """Completes a variable of the network on the line, or one that any has, with an ``end``."""

    def complete(incomplete: str) -> list[str]:
        document = _document()
        found = dict.fromkeys([*_settings(document and document.data), *more])
        return [f"{name}{end}" for name in found if name.startswith(incomplete)]

    return complete


def layers(incomplete: str) -> list[str]:
    """Layers and blocks of the network on the line that begin like this, each part by its own."""
    from archcalc.errors import ArchcalcError

    network = _network()
    found: list[str] = []
    # Whoever runs it is told what is wrong.
    with suppress(ArchcalcError, OSError, LookupError, TypeError, RecursionError):
        found = _written(network, incomplete) or _expanded(network)
    depth = incomplete.count(".") + 1
    parts = (".".join(name.split(".")[:depth]) for name in found if name.startswith(incomplete))
    return list(dict.fromkeys(parts))


def _expanded(network: str | None) -> list[str]:
    """What a network is made of: not before shapes are known, or another program's file is read."""
    from archcalc.frontends.network import expand

    return [node.name for node in expand(network).nodes] if network else []


def _written(network: str | None, incomplete: str) -> list[str]:
    """The same as far as it is written down, which takes a fraction of the time to read; nothing
    where it rests on shapes. A layer of which only shapes say whether it is there, is there.
    """
    from archcalc.errors import ArchcalcError
    from archcalc.spec.sugar import written_out

    document = _document()
    try:
        data = written_out(document).data
        chosen = (data.get("variants") or {}).get((network or "").rpartition("::")[2]) or {}
        variables_ = _Variables({**(data.get("vars") or {}), **chosen})
        blocks = data.get("blocks") or {}
        return list(_layers(data["layers"], blocks, variables_, "", incomplete))
    except (ArchcalcError, AttributeError, LookupError, TypeError):
        return []


class _Variables(dict[str, Any]):
    """The variables of a spec, worked out as they are asked for."""

    def __init__(self, written: Mapping[str, Any]) -> None:
        self.written = written

    def __missing__(self, name: str) -> Any:
        return self.setdefault(name, _value(self.written[name], self))


def _value(written: Any, names: MutableMapping[str, Any]) -> Any:
    from archcalc.spec.expressions import is_expression, parse

    return parse(written[1:])(names) if is_expression(written) else written


def _layers(
    written: Mapping[str, Any],
    blocks: Mapping[str, Any],
    names: MutableMapping[str, Any],
    before: str,
    incomplete: str,
) -> Iterator[str]:
    from archcalc.errors import ExpressionError
    from archcalc.spec.sugar import in_full

    for name, layer in written.items():
        layer = in_full(layer)
        times = layer.get("repeat", layer.get("parallel"))
        count = None if times is None else min(_value(times, names), MOST_OFFERED)
        for i in (None,) if count is None else range(count):
            full = f"{before}{name}" if i is None else f"{before}{name}.{i}"
            if not full.startswith(incomplete) and not incomplete.startswith(f"{full}."):
                continue
            inner = names if i is None else ChainMap[str, Any]({"i": i}, names)
            with suppress(ExpressionError):  # what rests on shapes
                if not _value(layer.get("when", True), inner):
                    continue
            if "block" not in layer or full.count(".") >= incomplete.count("."):
                yield full
                continue
            block = blocks[_value(layer["block"], inner)]
            given = {key: layer.get(key, value) for key, value in (block.get("args") or {}).items()}
            for key, value in given.items():
                with suppress(ExpressionError):
                    given[key] = _value(value, inner)
            yield from _layers(
                block["layers"], blocks, ChainMap(given, names), f"{full}.", incomplete
            )


def _network() -> str | None:
    """The first word after the command that is a network."""
    from archcalc.spec.shelf import find

    for word in line()[2:]:
        name = word.partition("::")[0]
        if not word.startswith("-") and (os.path.isfile(name) or find(name) is not None):
            return word
    return None


def _document() -> Any:
    """The text of the network on the line as a document; None where there is none to be read."""
    from archcalc.errors import ArchcalcError
    from archcalc.spec.shelf import find
    from archcalc.spec.text import read

    network = _network()
    name = (network or "").partition("::")[0]
    try:
        return read(find(name) or name) if network else None
    except (ArchcalcError, OSError):
        return None


def _settings(data: Any) -> Iterator[str]:
    variables_: Iterable[Any] = (data or {}).get("vars") or {}
    yield from (str(name) for name in variables_)
