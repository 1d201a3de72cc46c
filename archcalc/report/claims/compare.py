"""A comparison of networks: their numbers side by side, or one number in every convention."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from archcalc.analysis.conventions import Difference
from archcalc.claims.check import VERDICTS, Finding
from archcalc.claims.compare import ACCURACY, ERROR, SORTED_BY, Comparison, Entry
from archcalc.claims.judged import show
from archcalc.dims import Size
from archcalc.document import Document
from archcalc.document.model import (
    Bars,
    Block,
    Cell,
    Head,
    Heading,
    Item,
    Items,
    Prose,
    Styled,
    number,
    table,
)
from archcalc.errors import ArchcalcError
from archcalc.report.choice import choose
from archcalc.report.claims.columns import (
    COLUMNS,
    DROPPED_FIRST,
    MEASURED,
    SENTENCES,
    Column,
    chosen,
    input_of,
    top5_of,
)
from archcalc.report.claims.findings import as_data
from archcalc.report.layers.lines import depth_of
from archcalc.report.rendering import renderer
from archcalc.report.runs import measured
from archcalc.report.units import print_time

FORMATS = ("table", "markdown", "csv", "json", "latex", "siunitx", "html")
"""The forms a comparison takes."""

BARS: Mapping[str, Callable[[Entry], Any]] = {
    name: key
    for name, key in SORTED_BY.items()
    if name in COLUMNS and name not in ("network", "year")
}
"""What bars can be drawn of."""


def document(
    comparison: Comparison,
    columns: str | Sequence[str] | None = None,
    bars: str | None = None,
    brief: bool = True,
) -> Document:
    """The tables of a comparison: one, or one for each network where all conventions are asked.

    With ``brief`` those go without the network's name, which stands above them.
    """
    ran = any(entry.measured for entry in comparison.entries)
    if comparison.convention is None:
        if columns is not None:
            raise ArchcalcError("every convention at once has columns of its own")
        blocks = [b for entry in comparison.entries for b in _in_every_convention(entry, brief)]
    else:
        if ran and columns is None:
            columns = ("network", "input", "params", "macs", *MEASURED)
        names = chosen(columns)
        if not ran and not set(MEASURED).isdisjoint(names):
            raise ArchcalcError(f"{', '.join(MEASURED)} are there if networks are run: --measure")
        blocks = list(_side_by_side(comparison, names))
    if bars is not None:
        blocks.append(drawn(comparison, bars))
    return Document.of(*blocks, name="Comparison")


def _side_by_side(comparison: Comparison, names: tuple[str, ...]) -> Iterator[Block]:
    counted = comparison.convention
    assert counted is not None
    notes = _notes(comparison, names)
    marks = {place: k for k, places in enumerate(notes.values(), 1) for place in places}
    heads, cells = [], list[Callable[[Entry], Cell]]()
    for name in names:
        column = COLUMNS[name]
        own = name == "macs" and counted.name != "macs"
        heads.append(
            Head(counted.name, counted.header, True)
            if own
            else Head(name, column.header, column.right, wraps=name in SENTENCES)
        )
        cells.append(_marked(name, column, marks))
        if comparison.baseline is not None and column.size is not None:
            heads.append(Head(f"{heads[-1].name}_ratio", "ratio", True))
            cells.append(_ratio(comparison.baseline, column.size))
    for k, bound in enumerate(comparison.entries[0].bounds if comparison.entries else ()):
        header = f"least on {bound.machine.name}"
        heads.append(Head(f"time_{bound.machine.name}", header, True))
        cells.append(partial(_least, k))
    about = f"{counted.header} are {counted.about}; of one input; sizes in float32"
    machines = dict.fromkeys(str(e.measured.machine) for e in comparison.entries if e.measured)
    if machines:
        about += f"; measured on {', '.join(machines)}: median time, memory allocated at the peak"
    if comparison.baseline is not None:
        about += f"; ratios to {comparison.baseline.name}"
    bounds = comparison.entries[0].bounds if comparison.entries else ()
    if bounds:
        about += f"; least times are bounds, of {bounds[0].dtype}"
    yield Prose(about, "about")
    rows = [[cell(entry) for cell in cells] for entry in comparison.entries]
    yield table(heads, rows, narrow=DROPPED_FIRST)
    yield Items(tuple(map(Item, notes)), numbered=True)
    changed = [entry.name for entry in comparison.entries if entry.documented is None]
    if changed:
        what = f"changed, so that nothing is documented of it: {', '.join(changed)}"
        yield Items.of([what])


def _least(number: int, entry: Entry) -> Cell:
    """The least time on one of the machines."""
    bound = entry.bounds[number]
    return f"{print_time(bound.seconds)} ({bound.binds})"


def _marked(
    name: str, column: Column, marks: Mapping[tuple[str, str], int]
) -> Callable[[Entry], Cell]:
    def cell(entry: Entry) -> Cell:
        mark = marks.get((entry.name, name))
        found = column.cell(entry)
        return Styled(found, mark=mark) if mark else found

    return cell


def _ratio(baseline: Entry, size: Callable[[Entry], Size | None]) -> Callable[[Entry], Cell]:
    def cell(entry: Entry) -> Cell:
        found = ratio(size(entry), size(baseline))
        return "" if found is None else print_ratio(found)

    return cell


def print_ratio(number: float) -> str:
    """A ratio with three digits that say something, never in powers of ten: ``0.0000269x``."""
    from decimal import Decimal

    return f"{number:,.0f}x" if number >= 100 else f"{Decimal(f'{number:.3g}'):f}x"


def ratio(size: Size | None, to: Size | None) -> float | None:
    """A number over another; None where one is unknown or there is nothing to divide by."""
    return size / to if type(size) is int and type(to) is int and to else None


def _notes(comparison: Comparison, names: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Footnotes, each with the cells that it is of: a network and a column."""
    notes: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        for entry in comparison.entries:
            for note in _said_of(entry, name):
                notes.setdefault(note, []).append((entry.name, name))
    return notes


def _said_of(entry: Entry, name: str) -> Iterator[str]:
    if name == "macs" and entry.failure:
        yield f"{entry.name}: {entry.failure}"
    if COLUMNS[name].kind and (found := entry.said(COLUMNS[name].kind)) is not None:
        note = _note(entry, found)
        if note:
            yield note
    if name == "top5" and entry.top5 is not None:
        text = f"accuracy as printed, which can't be computed ({entry.top5.message})"
        if entry.top5.quantity == ERROR:
            text = f"{top5_of(entry)}: printed is an error of {entry.top5.printed}; {text}"
        yield text


def _note(entry: Entry, finding: Finding) -> str:
    """What is to say of a documented number beside its verdict."""
    other = finding.network != entry.spec.label
    if not other and not finding.message:
        return ""
    said = VERDICTS[finding.verdict]
    if other:
        said = f"of {finding.network}, where it is {show(finding.computed)} ({said})"
    elif finding.verdict == "convention":
        said += f", {show(finding.computed)}"
    remark = f"; {finding.message}" if finding.message else ""
    return f"{entry.name}, {finding.printed}: {said}{remark}"


def _in_every_convention(entry: Entry, brief: bool) -> Iterator[Block]:
    graph = entry.analysis.graph
    edition = " ".join(graph.edition.split())
    parts = [edition, f"input {input_of(entry)}", f"{show(entry.analysis.macs)} MACs"]
    heads = [
        Head("network", "network"),
        Head("convention", "convention"),
        Head("counts", "counts"),
        Head("number", "number", True),
        Head("meant", "against", True),
        Head("difference", "difference", True),
        Head("why", "of which"),
    ]
    rows = [
        (
            entry.name,
            each.convention.name,
            each.convention.header,
            "fails" if each.number is None else each.number,
            f"{each.convention.per_mac} x MACs",
            _more(difference_of(entry, each)) if brief else _plain(difference_of(entry, each)),
            why(each),
        )
        for each in entry.differences
    ]
    yield Heading(f"{entry.name}: {' '.join(graph.title.split())}" if graph.title else entry.name)
    yield Prose("; ".join(filter(None, parts)), "about")
    made = table(heads, rows, prose=True, narrow=("difference", "counts", "meant"))
    yield made.drop("network") if brief else made


def difference_of(entry: Entry, each: Difference) -> Size | None:
    """By how much a convention's number is more than what its multiply-accumulates make."""
    if each.number is None:
        return None
    return each.number - each.convention.per_mac * entry.analysis.macs


def _plain(size: Size | None) -> Cell:
    return "" if size is None else size


def _more(size: Size | None) -> str:
    return "" if size is None else f"{size:+,}" if type(size) is int and size else show(size)


def why(each: Difference) -> str:
    """What a convention adds and leaves out, by operator, the most first; or why it fails."""
    if each.number is None:
        return " ".join(each.failure.split())
    known = sorted(each.amounts.items(), key=lambda item: (-abs(item[1]), item[0]))
    parts = [f"{op} {_more(amount)}" for op, amount in known]
    text = ", ".join(parts)
    if each.blind and each.convention.tool:
        text += f"{'; ' if text else ''}does not see {', '.join(each.blind)}"
    return text


def drawn(comparison: Comparison, quantity: str) -> Bars:
    """One number of every network as bars, from 0 to the largest.

    Raises :class:`ArchcalcError` for a quantity that is none of ``BARS``, and for the work where
    all conventions are asked at once.
    """
    name = choose("bars of", quantity, BARS)
    counted = comparison.convention
    if counted is None and name == "macs":
        raise ArchcalcError("bars of macs need one convention, not all of them")
    header = counted.header if counted and name == "macs" else COLUMNS[name].header
    entries = [(entry, BARS[name](entry)) for entry in comparison.entries]
    largest = max((value for _, value in entries if value is not None), default=0)
    return Bars(
        header,
        tuple(
            (
                entry.name,
                number(COLUMNS[name].cell(entry)) or "unknown",
                value / largest if value and largest else 0.0,
            )
            for entry, value in entries
        ),
    )


def _data(
    comparison: Comparison,
    columns: str | Sequence[str] | None = None,
    bars: str | None = None,
) -> dict[str, Any]:
    if columns is not None:
        raise ArchcalcError("JSON has fixed keys: columns are for the other formats")
    counted = comparison.convention
    return {
        "convention": "all" if counted is None else counted.name,
        "baseline": comparison.baseline.name if comparison.baseline else None,
        "networks": [_entry(entry, comparison) for entry in comparison.entries],
    }


def _entry(entry: Entry, comparison: Comparison) -> dict[str, Any]:
    graph, analysis = entry.analysis.graph, entry.analysis
    data: dict[str, Any] = {
        "name": entry.name,
        "title": graph.title,
        "edition": graph.edition,
        "year": graph.year,
        "feature": entry.spec.feature,
        "inputs": {name: list(shape) for name, shape in graph.inputs.items()},
        "params": analysis.params,
        "buffers": analysis.buffers,
        "macs": analysis.macs,
        "flops": analysis.flops,
        "weight_bytes": analysis.weight_bytes(),
        "depth": depth_of(entry.analysis),
    }
    if comparison.convention is None:
        data["conventions"] = [
            {
                "name": each.convention.name,
                "counts": each.convention.header,
                "about": each.convention.about,
                "tool": each.convention.tool or None,
                "number": each.number,
                "per_mac": each.convention.per_mac,
                "differences": dict(each.amounts),
                "blind": list(each.blind),
                "failure": each.failure or None,
            }
            for each in entry.differences
        ]
        return data
    data["work"] = entry.number
    if entry.measured is not None:
        data["measured"] = measured.as_data(entry.measured)
    if entry.bounds:
        data["least_seconds"] = {bound.machine.name: bound.seconds for bound in entry.bounds}
    data["failure"] = entry.failure or None
    for quantity in (ACCURACY, ERROR):
        stated = entry.top5 if entry.top5 and entry.top5.quantity == quantity else None
        data[quantity] = as_data(stated) if stated else None
    if entry.documented is None:
        data["documented"] = None
    else:
        data["documented"] = {
            kind: [as_data(finding) for finding in found]
            for kind, found in entry.documented.items()
        }
    if comparison.baseline is not None:
        base = comparison.baseline
        data["ratios"] = {
            name: ratio(column.size(entry), column.size(base))
            for name, column in COLUMNS.items()
            if column.size is not None
        }
    return data


render = renderer(document, FORMATS, csv=partial(document, brief=False), json=_data)
"""A comparison in one of ``FORMATS``, with ``columns`` out of ``COLUMNS``.

``bars`` draws one of ``BARS`` below the table. Raises :class:`ArchcalcError` for a word that is
none of the known ones.
"""
