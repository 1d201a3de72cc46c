"""The networks that are shipped, as a list."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from typing import Any, NamedTuple

from archcalc.analysis.analyze import analyze
from archcalc.analysis.conventions import convention as by_name
from archcalc.dims import Shape
from archcalc.document import Document
from archcalc.document.data import FORMAT, dumps
from archcalc.document.model import Head, table
from archcalc.document.shown import shown
from archcalc.report.choice import choose
from archcalc.report.layers.columns import print_inputs
from archcalc.report.rendering import renderer
from archcalc.report.specs.index import entries, specs
from archcalc.spec.zoo import families

FORMATS = ("table", "markdown", "csv", "json")
"""The forms a list of networks takes."""


ORDERS = ("family", "year", "params", "macs")
"""What networks are ordered by."""


@shown
class Network(NamedTuple):
    """A network of the zoo, at the input it is shipped with.

    ::

        >>> import archcalc
        >>> [network] = archcalc.list("lenet5-1998")
        >>> network.year
        1998
    """

    name: str
    family: str
    title: str
    edition: str
    year: int | None
    feature: str
    input: Mapping[str, Shape]
    """Shapes by name, batch first."""
    params: int
    macs: int
    convention: str
    """The way of counting that was asked for."""
    work: int
    """The number it gives."""


def list(word: str = "", convention: str = "macs", by: str = "family") -> builtins.list[Network]:
    """The networks of the zoo whose name, family, title, edition, year or feature has ``word``.

    Case makes no difference; without a word, all of them. Numbers are for a batch of 1. They are
    in the order ``by``: ``family``, ``year``, ``params`` or ``macs``, the smallest first, where
    ``macs`` means the work as the convention counts it; a network without a year comes last.
    Raises :class:`ArchcalcError` for an unknown convention or order.

    ::

        >>> import archcalc
        >>> [network.name for network in archcalc.list("lenet5")]
        ['lenet5', 'lenet5-1998']
    """
    key = _KEYS[choose("order", by, ORDERS)]
    counted = by_name(convention)
    found = []
    for path in families():
        chosen = [entry for entry in entries(path) if _has(entry, word.lower())]
        works = {entry["name"]: entry["macs"] for entry in chosen}
        if counted.name != "macs":
            works = {s.label: counted.total(analyze(s)) for s in specs(path) if s.label in works}
        for entry in chosen:
            inputs = {name: tuple(shape) for name, shape in entry["input"].items()}
            said = {**entry, "input": inputs, "convention": counted.name}
            found.append(Network(**said, work=works[entry["name"]]))
    return sorted(found, key=key)


# Sorting is stable, so what is equal stays in the order of the families.
_KEYS: Mapping[str, Callable[[Network], float]] = {
    "family": lambda _: 0,
    "year": lambda network: network.year or inf,
    "params": lambda network: network.params,
    "macs": lambda network: network.work,
}


def _has(entry: Mapping[str, Any], word: str) -> bool:
    fields = ("name", "family", "title", "edition", "year", "feature")
    return any(word in str(entry[field] or "").lower() for field in fields)


def document(networks: Sequence[Network], brief: bool = True) -> Document:
    """The list as a table."""
    if not brief:
        rows = [each._replace(input=print_inputs(each.input)) for each in networks]  # type: ignore[arg-type]
        cells = [["" if field is None else field for field in row] for row in rows]
        return Document.of(table([Head(name, name) for name in Network._fields], cells))
    counted = by_name(networks[0].convention if networks else "macs").header
    heads = (
        Head("name", "name"),
        Head("year", "year"),
        Head("input", "input"),
        Head("params", "params", True),
        Head("macs", counted, True),
        Head("edition", "edition", wraps=True),
    )
    lines = [
        (n.name, str(n.year or ""), print_inputs(n.input), n.params, n.work, n.edition or n.title)
        for n in networks
    ]
    return Document.of(table(heads, lines, narrow=("edition", "input", "year")), wide=True)


def _json(networks: Sequence[Network]) -> str:
    entries = []
    for each in networks:
        shapes = {name: [*shape] for name, shape in each.input.items()}
        first = next(iter(shapes.values()))
        entries.append({**each._asdict(), "input": first if len(shapes) == 1 else shapes})
    lines = ",\n".join(f"  {dumps(entry)}" for entry in entries)
    return f'{{\n "archcalc": {FORMAT},\n "networks": [\n{lines}\n ]\n}}\n'


render = renderer(document, FORMATS, csv=partial(document, brief=False), json=_json)
"""A list of networks in one of ``FORMATS``.

Programs get every field, people what tells networks apart.
"""
