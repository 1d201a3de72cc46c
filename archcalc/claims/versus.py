"""A printed table against a computed network: which cells differ.

Rows are what takes the same in both, whatever they are called and in whichever order branches are
printed; where that finds less than the order does, they are aligned in order, as a diff aligns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple

from archcalc.analysis.analyze import answer
from archcalc.analysis.counted import Analysis, Row
from archcalc.claims.causes import number
from archcalc.claims.emitted import SIZES
from archcalc.claims.finding import Difference
from archcalc.claims.nested import MODULES
from archcalc.claims.readings import Reading
from archcalc.claims.tables.evidence import State, spread
from archcalc.claims.tables.kinds import kind_of
from archcalc.claims.tables.sheet import Entry, Number, Sheet
from archcalc.claims.tables.work import work_of
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike

MOST_PAIRS = 400_000
"""Pairs of rows that are held against each other."""

CELLS = (
    *("in_h", "in_w", "in_c", "channels_in", "out_h", "out_w", "out_c", "channels_out"),
    *("kernel_h", "kernel_w", "stride", "pad", "params", "ops"),
)


UNPRINTED = frozenset(
    ("flatten", "reshape", "same", "input", "gpool", "shuffle", "pad", "crop", "module", "")
)
"""Kinds without parameters that one prints as a row, and another calls as a function, or has in
the layer after them, as a convolution its padding.
"""


class _Ours(NamedTuple):
    name: str
    kind: str
    cells: Mapping[str, Number]
    takes: frozenset[str] = frozenset()
    """The nearest layers before it that the table lists, too."""
    shapes: Mapping[str, tuple[int, ...]] = {}
    """What it takes (``in``) and gives (``out``), without the batch."""


_Pairs = list[tuple[Entry | None, _Ours | None]]


def compare(
    sheet: Sheet, network: NetworkLike, told: Reading | None = None
) -> tuple[str, tuple[Difference, ...]]:
    """The network's name, and every difference, in the order of the table.

    Layers of a kind that the table never lists, such as activations, are left out. Raises
    :class:`ArchcalcError` for an unknown network or one whose sizes are no plain numbers.
    """
    analysis = answer(network)
    graph = analysis.graph
    if type(analysis.params) is not int:
        raise ArchcalcError(f"{graph.name}: has no plain numbers to compare a table with")
    listed = {"linear" if e.kind == "flatten" else _kind(e.kind) for e in sheet.layers}
    listed |= {"conv", "linear"} if "layer" in listed else set()
    if any(e.kind == "conv" and e.values.get("out_h") == 1 for e in sheet.layers):
        listed.add("linear")  # a 1x1 convolution of one position
    statistics = told is not None and told.found.manner.norm in (3, 4)
    ours = [_cells(row, statistics) for row in analysis.rows]
    if any(entry.kind == "separable" for entry in sheet.layers):
        ours = list(_separable(ours, analysis))
    modules, inner = _modules(sheet.layers, ours)
    ours = [each for each in ours if each.name not in inner]
    unlisted = sum(int(each.cells["params"]) for each in ours if each.kind not in listed)
    ours = _flowing([each for each in ours if each.kind in listed], analysis)
    if len(ours) * len(sheet.layers) > MOST_PAIRS:
        raise ArchcalcError(f"{sheet.name}: is too long to compare with {graph.name}")
    entries = [entry for entry in sheet.layers if entry.index not in modules]
    differences = tuple(_differences(sheet, entries, ours, analysis, told))
    # What a module has beside its rows, torchinfo prints of the module: class tokens, positions.
    beside = sum(int(e.values.get("params", 0)) for e in sheet.entries if e.container)
    if unlisted not in (0, beside):
        name = "layers of kinds that the table does not list"
        unseen = Difference(None, name, "", "no rows", number(unlisted), unlisted)
        differences = (*differences, unseen)
    return graph.variant or graph.family, differences


def _flowing(ours: list[_Ours], analysis: Analysis) -> list[_Ours]:
    """Layers with those that each takes from, through layers that the table does not list."""
    listed = {each.name for each in ours}
    before: dict[str, frozenset[str]] = {}
    for row in analysis.rows:
        taken: set[str] = set()
        for name in row.node.inputs:
            taken |= {name} if name in listed else before.get(name, frozenset())
        before[row.name] = frozenset(taken)
    return [each._replace(takes=before[each.name]) for each in ours]


def _modules(entries: Sequence[Entry], ours: Sequence[_Ours]) -> tuple[set[int], set[str]]:
    """Rows that stand for several layers, one after another, and those: by their parameters."""
    rows: set[int] = set()
    inner: set[str] = set()
    sums = list(accumulate((int(each.cells["params"]) for each in ours), initial=0))
    at = 0
    for entry in entries:
        params = int(entry.values.get("params", 0))
        if entry.kind not in MODULES or not params:
            continue
        ends = {total: k for k, total in reversed(list(enumerate(sums)))}
        for begin in range(at, len(ours)):
            end = ends.get(sums[begin] + params, 0)
            if sums[begin + 1] > sums[begin] and end > begin + 1:
                rows.add(entry.index)
                inner |= {each.name for each in ours[begin:end]}
                at = end
                break
    return rows, inner


def _reordered(pairs: _Pairs) -> _Pairs:
    """Rows and layers beside one another that agree in every number, wherever they stand.

    Those that stand beside another that they differ from, or beside none, are looked through.
    """
    loose = {
        k
        for k, (entry, layer) in enumerate(pairs)
        if entry is None or layer is None or not _same(entry, layer)
    }
    free = [own for k in sorted(loose) if (own := pairs[k][1]) is not None]
    found: dict[int, _Ours] = {}
    for k in sorted(loose):
        entry = pairs[k][0]
        alike = (each for each in free if entry and _likeness(entry, each) and _same(entry, each))
        if (own := next(alike, None)) is not None:
            found[k] = own
            free.remove(own)
    left = {layer.name for layer in free}
    ordered: _Pairs = []
    for k, (entry, layer) in enumerate(pairs):
        kept = layer if k not in loose or (layer and layer.name in left) else None
        if entry is None or k in found:
            ordered += [(None, kept)] if kept else []
        if entry is not None:
            ordered.append((entry, found.get(k, kept)))
    return ordered


def _same(entry: Entry, layer: _Ours) -> bool:
    """Whether a row and a layer agree in every number but work."""
    roles = [role for role in CELLS if role in entry.values and role != "ops"]
    same = all(entry.values[role] == layer.cells.get(role) for role in roles)
    return same or _shaped(entry, layer)


def _shaped(entry: Entry, layer: _Ours) -> bool:
    """Whether a row's parameters and whole shapes are a layer's."""
    if entry.values.get("params", 0) != layer.cells["params"]:
        return False
    ways = [way for way in ("in", "out") if way in entry.columns or f"{way}_c" in entry.values]
    return bool(ways) and all(_fits(entry, way, layer.shapes.get(way, ())) for way in ways)


def _separable(ours: list[_Ours], analysis: Analysis) -> Iterator[_Ours]:
    """Layers of which a depthwise convolution and the 1x1 that takes it are one."""
    before: _Ours | None = None
    for each, row in zip(ours, analysis.rows, strict=True):
        depthwise = each.kind == "conv" and getattr(row.node.op, "groups", 1) > 1
        point = before is not None and row.node.inputs == (before.name,) and each.kind == "conv"
        if before is not None and point and each.cells.get("kernel_h") == 1:
            kept = {role: n for role, n in before.cells.items() if not role.startswith("out_")}
            cells = {**each.cells, **kept}
            cells |= {role: each.cells[role] for role in ("channels_out",) if role in each.cells}
            cells |= {role: before.cells[role] + each.cells[role] for role in ("params", "ops")}
            shapes = {"in": before.shapes["in"], "out": each.shapes["out"]}
            yield each._replace(cells=cells, shapes=shapes)
            before = None
            continue
        if before is not None:
            yield before
        before = each if depthwise else None
        if before is None:
            yield each
    if before is not None:
        yield before


def _cells(row: Row, statistics: bool) -> _Ours:
    """A layer under the roles of a printed table, which may count what normalizations keep."""
    op, node = row.node.op, row.node
    kind = _kind(kind_of(row.op).kind)
    shapes = node.input_shapes
    cells: dict[str, Number] = {"params": row.params, "ops": row.macs}
    if statistics and kind == "norm":
        cells["params"] = 2 * row.params
    if shapes and kind == "linear":
        cells |= {"channels_in": shapes[0][-1], "channels_out": row.shape[-1]}
        cells |= {"in_c": shapes[0][-1], "out_c": row.shape[-1]}
    elif shapes:
        cin = sum(shape[1] for shape in shapes) if kind == "concat" else shapes[0][1]
        cells |= {"channels_in": cin, "in_c": cin}
        cells |= {"channels_out": row.shape[1], "out_c": row.shape[1]}
        if len(shapes[0]) == 4 and len(row.shape) == 4:
            cells |= {"in_h": shapes[0][2], "in_w": shapes[0][3]}
            cells |= {"out_h": row.shape[2], "out_w": row.shape[3]}
    kernel, stride = getattr(op, "kernel_size", None), getattr(op, "stride", None)
    if isinstance(kernel, tuple) and len(kernel) == 2:
        cells |= {"kernel_h": kernel[0], "kernel_w": kernel[1]}
        cells |= {"stride": stride[0]} if isinstance(stride, tuple) else {}
        cells |= _pad(getattr(op, "padding", None))
    taken = tuple(int(n) for n in shapes[0][1:]) if len(shapes) == 1 else ()
    given = tuple(int(n) for n in row.shape[1:])
    return _Ours(row.name, kind, cells, shapes={"in": taken, "out": given})


def _kind(kind: str) -> str:
    """Kinds that stand for one another when a table is held against a network."""
    return {
        "gpool": "pool",
        "depthwise": "conv",
        "separable": "conv",
        "prelu": "same",
        "merge": "add",
    }.get(kind, kind)


def _pad(padding: object) -> Mapping[str, Number]:
    """The padding of the first axis as tables print it: 0.5 for one at one end."""
    if not isinstance(padding, tuple) or not padding:
        return {}
    first = padding[0]
    total = sum(first) if isinstance(first, tuple) else 2 * first
    half = Fraction(total, 2)
    return {"pad": half.numerator if half.denominator == 1 else half}


def _differences(
    sheet: Sheet,
    entries: list[Entry],
    ours: list[_Ours],
    analysis: Analysis,
    told: Reading | None,
) -> Iterator[Difference]:
    tree = any(entry.container for entry in sheet.entries)
    modules = sheet.program == "pytorch" or tree
    pairs = list(_aligned(entries, ours))
    if told is not None:
        flow = _by_flow(entries, ours, told)
        pairs = flow if _agreement(flow) > _agreement(pairs) else pairs
    pairs = _reordered(pairs)
    for entry, layer in pairs:
        if layer is None and entry is not None:
            if entry.kind not in UNPRINTED or entry.values.get("params"):
                effect = -int(entry.values.get("params", 0))
                yield Difference(entry.index, entry.name, "", "a row", "no such layer", effect)
        elif entry is None and layer is not None:
            params = int(layer.cells["params"])
            # What PyTorch's networks call as a function, no program sees.
            overall = layer.kind == "pool" and (modules or layer.cells.get("out_h", 1) == 1)
            if params or not (overall or layer.kind in UNPRINTED):
                yield Difference(None, layer.name, "", "no row", number(params), params)
        elif entry is not None and layer is not None:
            yield from _row(sheet, entry, layer, told)
    totals = [e for e in sheet.entries if e.kind == "total" and "params" in e.printed]
    kept = sum(int(each.cells["params"]) for each in ours if each.kind == "norm") // 2
    counts = told is not None and told.found.manner.norm in (3, 4)
    stored = analysis.params + (kept if counts else 0)
    if totals and not totals[-1].printed["params"].verdict(stored).holds:
        total = totals[-1]
        column = sheet.headers[sheet.columns["params"]]
        printed = total.cells[sheet.columns["params"]]
        name = total.name or "total"
        yield Difference(total.index, name, column, printed, number(stored))


def _row(sheet: Sheet, entry: Entry, layer: _Ours, told: Reading | None) -> Iterator[Difference]:
    seen = set()
    fits = {way for way, shape in layer.shapes.items() if _fits(entry, way, shape)}
    for role in CELLS:
        printed, computed = entry.values.get(role), layer.cells.get(role)
        if printed is None or computed is None or printed == computed:
            continue
        if role.split("_")[0] in fits:
            continue
        if role == "ops" and told is not None:
            computed = _counted(entry, layer, told, computed)
        exact = entry.printed.get(role)
        if exact is not None and exact.verdict(computed).holds:
            continue
        if role == "ops" and not printed:
            continue  # printed by a pass that does not execute the layer
        column = entry.columns.get(role, sheet.columns[role])
        if column not in seen:
            seen.add(column)
            effect = int(computed - printed) if role == "params" else 0
            text = number(computed)
            if role in ("in_h", "in_w", "in_c", "out_h", "out_w", "out_c"):
                text = _whole(sheet, entry, layer, column) or text
            yield Difference(
                entry.index, layer.name, sheet.headers[column], entry.cells[column], text, effect
            )


def _fits(entry: Entry, way: str, shape: tuple[int, ...]) -> bool:
    """Whether a row prints a whole shape, with its features first or last."""
    if len(shape) < 2:
        return False
    for state in (State(shape[0], shape[1:]), State(shape[-1], shape[:-1])):
        sizes = spread(way, state, entry)
        own = [role for role in SIZES if role in entry.values and role.startswith(f"{way}_")]
        if len(own) == len(shape) and all(entry.values[role] == sizes.get(role) for role in own):
            return True
    return False


def _counted(entry: Entry, layer: _Ours, told: Reading, macs: Number) -> Number:
    """The work of a layer as the table counts work."""
    option, manner = told.found.options[entry.index], told.found.manner
    how = manner.work.get("ops", {}).get(option.layer.kind) if option is not None else None
    if option is None or not how:
        return macs
    own = option.layer._replace(macs=int(macs), params=int(layer.cells["params"]))
    found = work_of(own, how, manner.batch)
    return macs if found is None else found


def _whole(sheet: Sheet, entry: Entry, layer: _Ours, column: int) -> str:
    """The right text of a cell that holds a whole size."""
    roles = [r for r, at in sheet.columns.items() if at == column and r in entry.values]
    if len(roles) < 2:
        return ""
    order = {"h": 1, "w": 2, "c": 0 if sheet.channels_first else 3}
    roles.sort(key=lambda role: order.get(role[-1], 9))
    return "x".join(str(layer.cells.get(role, "?")) for role in roles)


def _aligned(
    entries: list[Entry], ours: list[_Ours]
) -> Iterator[tuple[Entry | None, _Ours | None]]:
    """Rows and layers side by side, in order: the pairing that agrees most, as of a diff."""
    n, m = len(entries), len(ours)
    best = [[0.0] * (m + 1) for _ in range(n + 1)]
    like = [[_likeness(entry, layer) for layer in ours] for entry in entries]
    for i in range(n - 1, -1, -1):
        for j in range(m - 1, -1, -1):
            paired = like[i][j] + best[i + 1][j + 1] if like[i][j] else 0.0
            best[i][j] = max(paired, best[i + 1][j], best[i][j + 1])
    i = j = 0
    while i < n or j < m:
        if i < n and j < m and like[i][j] and best[i][j] == like[i][j] + best[i + 1][j + 1]:
            yield entries[i], ours[j]
            i, j = i + 1, j + 1
        elif j == m or (i < n and best[i][j] == best[i + 1][j]):
            yield entries[i], None
            i += 1
        else:
            yield None, ours[j]
            j += 1


def _agreement(pairs: _Pairs) -> float:
    """How much all rows and layers that stand side by side agree."""
    return sum(_likeness(e, layer) for e, layer in pairs if e is not None and layer is not None)


def _by_flow(entries: list[Entry], ours: list[_Ours], told: Reading) -> _Pairs:
    """Rows beside the layers that take what they take; the rest in order."""
    found: dict[int, _Ours] = {}
    taken: set[str] = set()
    flows: dict[int, frozenset[str]] = {}
    waiting: dict[frozenset[str], list[_Ours]] = {}
    for layer in ours:
        waiting.setdefault(layer.takes, []).append(layer)
    before: int | None = None
    for entry in entries:
        sources = told.sources[entry.index]
        if sources is None:
            sources = () if before is None else (before,)
        given = [flows.get(row, frozenset()) for row in sources]
        takes = frozenset(name for names in given for name in names)
        free = [each for each in waiting.get(takes, ()) if each.name not in taken]
        best = max(free, key=lambda each: _likeness(entry, each), default=None)
        if best is not None and _likeness(entry, best):
            found[entry.index] = best
            taken.add(best.name)
            flows[entry.index] = frozenset((best.name,))
        else:
            flows[entry.index] = takes
        before = entry.index
    rest = [each for each in ours if each.name not in taken]
    lost = {
        e.index: layer
        for e, layer in _aligned([e for e in entries if e.index not in found], rest)
        if e is not None and layer is not None
    }
    pairs: _Pairs = [(e, found.get(e.index) or lost.get(e.index)) for e in entries]
    kept = taken | {layer.name for layer in lost.values()}
    return pairs + [(None, each) for each in ours if each.name not in kept]


def _likeness(entry: Entry, layer: _Ours) -> float:
    """How much a row and a layer agree; 0 for those that can't be each other's."""
    kinds = {_kind(entry.kind), layer.kind}
    if len(kinds) > 1 and not kinds <= {"layer", "conv", "linear"}:
        return 0
    alike = 1.0 + (entry.name == layer.name) * 2 + (_kind(entry.kind) == layer.kind) * 0.5
    if entry.kind == "gpool" and layer.kind == "pool" and layer.cells.get("out_h", 1) == 1:
        alike += 1
    for role in CELLS:
        if role in entry.values and role in layer.cells:
            alike += (entry.values[role] == layer.cells[role]) / 2
    return alike
