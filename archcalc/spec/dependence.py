"""What a block depends on beside its arguments and the shapes of its inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archcalc.errors import ExpressionError
from archcalc.spec import expressions
from archcalc.spec.layer import Layer
from archcalc.spec.model import Spec


def variables_of(spec: Spec, block: str) -> frozenset[str]:
    """The names that the expressions of a block use, and of the blocks in it, whatever they are.

    All variables where an expression can't be understood: it is said elsewhere what is wrong.
    """
    found: set[str] = set()
    seen: set[str] = set()
    pending = [block]
    try:
        while pending:
            name = pending.pop()
            if name in seen or name not in spec.blocks:
                continue
            seen.add(name)
            inner = spec.blocks[name]
            for default in inner.args.values():
                found.update(_names(default))
            for layer in inner.layers.values():
                found.update(names_of(layer))
                chosen = layer.block
                if chosen is not None:
                    pending += spec.blocks if chosen.startswith("=") else [chosen]
    except ExpressionError:
        return frozenset(spec.vars)
    return frozenset(found & spec.vars.keys())


def names_of(layer: Layer) -> Iterator[str]:
    """The names that the expressions of a layer use. Raises :class:`ExpressionError`."""
    yield from _names(layer.written)
    for reference in filter(None, (*(layer.from_ or ()), layer.share)):
        for text in expressions.braced(reference):
            yield from expressions.parse(text).names


def _names(written: Any) -> Iterator[str]:
    for _, text in expressions.texts(written):
        if text.startswith("="):
            yield from expressions.parse(text[1:]).names
