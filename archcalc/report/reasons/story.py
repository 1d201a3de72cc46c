"""A network in sentences: where its parameters and its work are, and what is special about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from archcalc.analysis.counted import Analysis, Row
from archcalc.dims import Size
from archcalc.document.model import many, number
from archcalc.errors import ArchcalcError
from archcalc.operators import FAMILIES
from archcalc.report.layers.columns import print_shape
from archcalc.report.layers.lines import depth_of, lines

MOST_NAMES = 6
"""Of more than this, the first and the last are named."""


def has_positions(analysis: Analysis) -> bool:
    """Whether the first input has positions that windows slide over, not features alone."""
    rank = len(next(iter(analysis.graph.inputs.values())))
    windows = {*FAMILIES["conv"], *FAMILIES["pooling"]}
    return rank > 3 or (rank == 3 and any(row.op in windows for row in analysis.rows))


def columns(analysis: Analysis) -> tuple[str, ...]:
    """The columns of the table above the sentences."""
    seen = ("receptive_field",) if has_positions(analysis) else ()
    return ("layer", "output", *seen, "depth", "params", "params%", "macs", "macs%")


def story(analysis: Analysis) -> list[str]:
    """Sentences, each of facts that are computed. Raises :class:`ArchcalcError` for symbols."""
    if type(analysis.params) is not int or type(analysis.macs) is not int:
        raise ArchcalcError("explains numbers: give every variable and input a value")
    return [
        sentence
        for part in (_size, _params, _work, _extents, _fields, _special)
        for sentence in part(analysis)
    ]


def _size(analysis: Analysis) -> Iterator[str]:
    graph = analysis.graph
    given = ", ".join(print_shape((1, *shape[1:])) for shape in graph.inputs.values())
    rows = {row.name: row for row in analysis.rows}
    gives = ", ".join(
        print_shape((1, *rows[name].shape[1:])) for name in graph.outputs if name in rows
    )
    yield (
        f"It takes {given} and gives {gives}, in {many(len(analysis.rows), 'layer')}; "
        f"the longest path has {depth_of(analysis)} weight layers."
    )


def _params(analysis: Analysis) -> Iterator[str]:
    yield from _shares(analysis, "parameters", analysis.params, lambda row: row.params)


def _work(analysis: Analysis) -> Iterator[str]:
    yield from _shares(analysis, "MACs", analysis.macs, lambda row: row.macs)


def _shares(
    analysis: Analysis, what: str, whole: Size, value: Callable[[Row], Size]
) -> Iterator[str]:
    """How a total is shared out to kinds of operators, and which line holds most of it."""
    if not whole:
        yield f"It has no {what}."
        return
    kinds: Counter[str] = Counter()
    layers: Counter[str] = Counter()
    for row in analysis.rows:
        if value(row):
            kinds[row.op] += value(row)
            layers[row.op] += 1
    parts = [f"{_percent(count, whole)} in {layers[op]} {op}" for op, count in kinds.most_common(3)]
    shown, _ = lines(analysis, "stage")
    most = max(shown, key=lambda line: line.sum(value))
    alone = f"; {most.name} alone has {_percent(most.sum(value), whole)}" if len(shown) > 1 else ""
    yield f"Of its {number(whole)} {what}, {_listed(parts)}{alone}."


def _percent(part: Size, whole: Size) -> str:
    return f"{100 * part / whole:.1f}%"


def _extents(analysis: Analysis) -> Iterator[str]:
    """Where images become smaller, on the way to the outputs."""
    extents = next(iter(analysis.graph.inputs.values()))[2:]
    if not has_positions(analysis):
        return
    steps = []
    least = extents
    for row in analysis.rows:
        now = row.shape[2:]
        smaller = now != least and all(a <= b for a, b in zip(now, least, strict=False))
        if row.executed and len(now) == len(least) and smaller:
            steps.append(f"{'x'.join(map(str, now))} at {row.name}")
            least = now
    if steps:
        yield f"The extent falls from {'x'.join(map(str, extents))} to {_listed(steps)}."


def _fields(analysis: Analysis) -> Iterator[str]:
    """How much of the input is seen, and from which layer on all of it."""
    if not has_positions(analysis):
        return
    found = analysis.receptive_fields
    wide = [
        (name, fields)
        for name, fields in found.items()
        if fields and not all(field.whole for field in fields)
    ]
    whole = [name for name, fields in found.items() if fields and all(f.whole for f in fields)]
    if wide:
        name, fields = max(wide, key=lambda each: each[1][0].size)
        size = "x".join(str(field.size) for field in fields)
        rest = f", and {whole[0]} is the first to see all of it" if whole else ""
        yield f"A position of {name} sees {size} of the input{rest}."


def _special(analysis: Analysis) -> Iterator[str]:
    yield from _joins(analysis)
    grouped = [row for row in analysis.rows if _groups(row) > 1]
    if grouped:
        depthwise = [row for row in grouped if _groups(row) == row.node.input_shapes[0][1]]
        how = f", {len(depthwise)} of them depthwise" if depthwise else ""
        yield f"It has {many(len(grouped), 'convolution')} in groups{how}: {_names(grouped)}."
    normalized = [row for row in analysis.rows if row.op in FAMILIES["normalization"]]
    if normalized:
        stored = sum(row.buffers for row in normalized)
        kept = f", which store {number(stored)} numbers that are not trained" if stored else ""
        yield f"It has {many(len(normalized), 'normalization')}{kept}."
    sharing = [row for row in analysis.rows if row.node.share is not None and row.weights]
    if sharing:
        saved = sum(row.shared for row in sharing)
        yield (
            f"It has {many(len(sharing), 'layer')} with the tensors of another, which spares "
            f"{number(saved)} parameters: {_names(sharing)}."
        )
    spare = sum(row.params for row in analysis.rows if row.node.spare)
    if spare:
        yield (
            f"Of {number(analysis.params)} parameters {number(analysis.executed_params)} are "
            "active: the others are of experts that an input does not take."
        )
    idle = [
        row for row in analysis.rows if not row.executed and not (row.node.spare or row.node.idle)
    ]
    if idle:
        heads = list(dict.fromkeys(row.stage or row.name for row in idle))
        owned = sum(row.params for row in idle)
        yield (
            f"{_some(heads)} run{'s' if len(heads) == 1 else ''} in training only, and "
            f"own{'s' if len(heads) == 1 else ''} {number(owned)} parameters."
        )


def _joins(analysis: Analysis) -> Iterator[str]:
    """Branches that are concatenated, and shortcuts that are added."""
    concats = [row for row in analysis.rows if row.op == "Concat"]
    for count, times in Counter(len(row.node.inputs) for row in concats).items():
        found = [row for row in concats if len(row.node.inputs) == count]
        each = "" if times == 1 else " each"
        yield (f"It has {many(times, 'concatenation')} of {count} branches{each}: {_names(found)}.")
    adds = [row for row in analysis.rows if row.op == "Add"]
    if adds:
        same = [row for row in adds if _skips(analysis, row)]
        rest = len(adds) - len(same)
        how = [f"{len(same)} of a tensor as it was"] if same else []
        how += [f"{rest} of what other layers make of it"] if rest else []
        yield f"It has {many(len(adds), 'shortcut')} that {_verb(adds)} added: {_listed(how)}."


def _verb(rows: Sequence[Row]) -> str:
    return "is" if len(rows) == 1 else "are"


def _skips(analysis: Analysis, row: Row) -> bool:
    """Whether one of the inputs is what the others are computed from."""
    inputs = row.node.inputs
    return any(
        all(source in analysis.graph.leading_to(other) for other in inputs if other != source)
        for source in inputs
    )


def _groups(row: Row) -> Size:
    return getattr(row.node.op, "groups", 1) if row.op in FAMILIES["conv"] else 1


def _names(rows: Sequence[Row]) -> str:
    return _some([row.name for row in rows])


def _some(names: Sequence[str]) -> str:
    return _listed(names) if len(names) <= MOST_NAMES else f"{names[0]} to {names[-1]}"


def _listed(items: Sequence[str]) -> str:
    *head, last = items
    return f"{', '.join(head)} and {last}" if head else last
