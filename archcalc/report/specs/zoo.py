"""The networks that are shipped, as a list."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from typing import NamedTuple

from archcalc.analysis.analyze import analyze
from archcalc.analysis.conventions import Convention
from archcalc.analysis.conventions import convention as by_name
from archcalc.dims import Shape
from archcalc.report.choice import choose
from archcalc.report.layers.columns import print_shape
from archcalc.report.layers.contract import FORMAT
from archcalc.spec.model import Spec
from archcalc.spec.zoo import shipped

FORMATS = ("table", "markdown", "csv", "json")
"""The forms a list of networks takes."""


ORDERS = ("family", "year", "params", "macs")
"""What networks are ordered by."""


class Network(NamedTuple):
    """A network of the zoo, at the input it is shipped with."""

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
    """
    key = _KEYS[choose("order", by, ORDERS)]
    counted = by_name(convention)
    found = [_network(spec, counted) for spec in _specs() if _has(spec, word.lower())]
    return sorted(found, key=key)


# Sorting is stable, so what is equal stays in the order of the families.
_KEYS: Mapping[str, Callable[[Network], float]] = {
    "family": lambda _: 0,
    "year": lambda network: network.year or inf,
    "params": lambda network: network.params,
    "macs": lambda network: network.work,
}


def _specs() -> Iterator[Spec]:
    for spec in shipped():
        yield from map(spec.choose, spec.variants) if spec.variants else [spec]


def _has(spec: Spec, word: str) -> bool:
    texts = (spec.label, spec.name, spec.title, spec.edition, str(spec.year or ""), spec.feature)
    return any(word in text.lower() for text in texts)


def _network(spec: Spec, counted: Convention) -> Network:
    analysis = analyze(spec)
    return Network(
        spec.label,
        spec.name,
        spec.title,
        spec.edition,
        spec.year,
        spec.feature,
        analysis.graph.inputs,
        analysis.params,
        analysis.macs,
        counted.name,
        counted.total(analysis),
    )


def _headers(networks: Sequence[Network]) -> tuple[str, ...]:
    counted = by_name(networks[0].convention if networks else "macs").header
    return ("name", "year", "input", "params", counted, "edition")


def render(networks: Sequence[Network], format: str = "table") -> str:
    """A list of networks as text: ``table``, ``markdown``, ``csv`` or ``json``.

    Programs get every field, people what tells networks apart. Raises :class:`ArchcalcError` for
    another format.
    """
    return _RENDER[choose("format", format, FORMATS)](networks)


def _input(network: Network) -> str:
    if len(network.input) == 1:
        return print_shape(next(iter(network.input.values())))
    return ", ".join(f"{name} {print_shape(shape)}" for name, shape in network.input.items())


def _rows(networks: Sequence[Network]) -> Iterator[tuple[str, ...]]:
    for each in networks:
        numbers = (f"{each.params:,}", f"{each.work:,}")
        yield (each.name, str(each.year or ""), _input(each), *numbers, each.edition or each.title)


def _table(networks: Sequence[Network]) -> str:
    headers = _headers(networks)
    rows = [headers, *_rows(networks)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        padded = [
            text.rjust(width) if 3 <= k <= 4 else text.ljust(width)
            for k, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join(lines) + "\n"


def _markdown(networks: Sequence[Network]) -> str:
    from archcalc.report.layers.formats import escape_markdown

    marks = ("---",) * 3 + ("---:",) * 2 + ("---",)
    rows = [tuple(map(escape_markdown, row)) for row in _rows(networks)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (_headers(networks), marks, *rows))


def _csv(networks: Sequence[Network]) -> str:
    from csv import writer
    from io import StringIO

    buffer = StringIO()
    rows = writer(buffer, lineterminator="\n")
    rows.writerow(Network._fields)
    rows.writerows(each._replace(input=_input(each)) for each in networks)  # type: ignore[arg-type]
    return buffer.getvalue()


def _json(networks: Sequence[Network]) -> str:
    from json import dumps

    entries = []
    for each in networks:
        shapes = {name: [*shape] for name, shape in each.input.items()}
        first = next(iter(shapes.values()))
        entries.append({**each._asdict(), "input": first if len(shapes) == 1 else shapes})
    lines = ",\n".join(f"  {dumps(entry)}" for entry in entries)
    return f'{{\n "archcalc": {FORMAT},\n "networks": [\n{lines}\n ]\n}}\n'


_RENDER: Mapping[str, Callable[[Sequence[Network]], str]] = {
    "table": _table,
    "markdown": _markdown,
    "csv": _csv,
    "json": _json,
}
