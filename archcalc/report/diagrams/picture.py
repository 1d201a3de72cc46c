"""A network as a diagram: what its boxes are and what leads to what, before it has a form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from archcalc.analysis.analyze import analyze
from archcalc.analysis.counted import Analysis, Row
from archcalc.dims import Shape
from archcalc.operators import FAMILIES
from archcalc.operators.taps import Traced
from archcalc.pytorch.writer.blocks import Block, Child, Number, Unit, as_written, blocks
from archcalc.report.layers.windows import window
from archcalc.spec.graph import Graph, Node
from archcalc.spec.model import Spec

KINDS = {
    "input": "input",
    "conv": "convolution",
    "linear": "linear",
    "attention": "attention",
    "recurrent": "recurrent",
    "pooling": "pooling",
    "normalization": "normalization",
    "activation": "activation",
    "join": "join",
    "other": "other",
}
"""Kinds of boxes, and what a legend calls them. All but the first and last are families of
operators."""

_FAMILY = {name: family for family, names in FAMILIES.items() for name in names}

_JOINS = {"Add": "+", "Sub": "−", "Mul": "×", "MatMul": "@"}
"""Joins that are drawn as signs."""

_SHORT = {"BatchNorm": "BN", "LayerNorm": "LN", "GroupNorm": "GN", "InstanceNorm": "IN"}

FEWEST = 12
"""Boxes below which a diagram of stages shows what is in the largest block."""

MOST = 24
"""Boxes above which it shows no more."""

MOST_ABREAST = 6
"""Blocks side by side above which they are one box."""


@dataclass(eq=False)
class Box:
    """A box of a diagram."""

    name: str
    about: str
    """What it is, in a few words."""
    kind: str
    shape: Shape
    """Of the output, batch first."""
    params: int = 0
    macs: int = 0
    times: int = 1
    """How many there are in a row."""
    sign: str = ""
    """What is drawn instead of a box."""
    training: bool = False
    """Whether it is there in training only."""
    inside: Picture | None = None
    layer: str = ""
    """The full name of the layer or block that it begins with; ``""`` for an input."""


@dataclass(eq=False)
class Picture:
    """Boxes and what leads to what."""

    boxes: list[Box] = field(default_factory=list)
    edges: list[tuple[int, int]] = field(default_factory=list)
    """From box to box by number; -1 is what is around the picture, as the source and the end."""


def picture(graph: Graph, detail: str, spec: Spec | None = None) -> tuple[Picture, Analysis]:
    """The diagram of a graph: a box a block with ``detail`` ``stage``, else a box a layer.

    With ``layer`` blocks are frames, and equal blocks in a row are one.
    """
    analysis = analyze(graph)
    drawing = _Drawing(graph, analysis, detail)
    top = blocks(graph, spec, as_written)
    opened: set[str] = set()
    found = drawing.picture(top, opened)
    while detail == "stage" and _count(found) < FEWEST:
        candidates = [
            block
            for block in drawing.collapsed
            if _count(found) + drawing.size(block) <= MOST and drawing.size(block) > 2
        ]
        if not candidates:
            break
        opened.add(max(candidates, key=lambda block: len(block.nodes)).path)
        found = drawing.picture(top, opened)
    whole = Picture([], [])
    for name, shape in graph.inputs.items():
        whole.boxes.append(Box(name, "", "input", shape))
    offset = len(whole.boxes)
    ports = drawing.ports
    whole.boxes += found.boxes
    whole.edges += [(k, box + offset) for k, box in ports]
    whole.edges += [(a + offset, b + offset) for a, b in found.edges if a >= 0 and b >= 0]
    return whole, analysis


def _count(found: Picture) -> int:
    return sum(1 if box.inside is None else _count(box.inside) for box in found.boxes)


class _Drawing:
    """Makes pictures of the blocks of one network."""

    def __init__(self, graph: Graph, analysis: Analysis, detail: str) -> None:
        self.rows = {row.name: row for row in analysis.rows}
        self.detail = detail
        spare = (node.name for node in graph.nodes if node.spare)
        self.inference = graph.leading_to(*graph.outputs).union(spare)
        self.collapsed: list[Block] = []
        """Blocks that are one box and could be opened."""
        self.ports: list[tuple[int, int]] = []
        """Of the last picture: by input, the boxes that take it."""

    def size(self, block: Block) -> int:
        """How many boxes there are in a block."""
        return len(self._cells(block))

    def picture(self, block: Block, opened: set[str]) -> Picture:
        if not block.path:
            self.collapsed = []
        cells = self._cells(block)
        where: dict[Number, int] = {}
        for k, cell in enumerate(cells):
            for unit in cell:
                where.update(dict.fromkeys(range(unit.start, unit.start + unit.size), k))
        edges: dict[tuple[int, int], None] = {}
        ports: dict[tuple[int, int], None] = {}
        for k, cell in enumerate(cells):
            for unit in cell:
                for number in unit.takes if _computes_from(unit) else ():
                    source = where.get(number, -1)
                    if source != k:
                        edges[source, k] = None
                    if number < 0:
                        ports[-1 - number, k] = None
        for number in block.gives:
            if number >= 0:
                edges[where[number], -1] = None
        boxes = [self._box(cell, opened) for cell in cells]
        self.ports = list(ports)
        return Picture(boxes, list(edges))

    def _cells(self, block: Block) -> list[list[Unit]]:
        """The units of a block, those that are one box together."""
        users: dict[Number, int] = {}
        for unit in (unit for child in block.children for unit in child.units):
            for number in set(unit.takes):
                users[number] = users.get(number, 0) + 1
        cells: list[list[Unit]] = []
        by_end: dict[Number, list[Unit]] = {}
        for child in block.children:
            for group in self._groups(child):
                first, last = group[0], group[-1]
                before = by_end.get(first.takes[0]) if len(first.takes) == 1 else None
                if (
                    before is not None
                    and users.get(first.takes[0]) == 1
                    and first.takes[0] not in block.gives
                    and _follows(before[0], first)
                    and not self._framed(before[0])
                ):
                    before += group
                    cell = before
                else:
                    cell = list(group)
                    cells.append(cell)
                if len(last.gives) == 1:
                    by_end[last.gives[0]] = cell
        return cells

    def _framed(self, unit: Unit) -> bool:
        """Whether a block is shown as a frame, in which nothing that follows it can stand."""
        return self.detail == "layer" and unit.block is not None and self.size(unit.block) > 1

    def _groups(self, child: Child) -> list[list[Unit]]:
        """Repetitions that are one box: all of them, or those that are equal."""
        if not child.repeated:
            return [list(child.units)]
        in_a_row = all(
            b.takes[:1] == a.gives[:1] for a, b in zip(child.units, child.units[1:], strict=False)
        )
        if self.detail == "stage":
            return [list(child.units)]
        if not in_a_row:
            if len(child.units) > MOST_ABREAST:
                return [list(child.units)]
            return [[unit] for unit in child.units]
        groups: list[list[Unit]] = []
        for unit in child.units:
            if groups and _fingerprint(groups[-1][-1]) == _fingerprint(unit):
                groups[-1].append(unit)
            else:
                groups.append([unit])
        return groups

    def _box(self, cell: Sequence[Unit], opened: set[str]) -> Box:
        first = cell[0]
        nodes = [node for unit in cell for node in _nodes(unit)]
        rows = [self.rows[node.name] for node in nodes]
        last = cell[-1]
        node = last.node or (
            last.block.nodes[last.block.gives[-1]] if last.block and last.block.gives else nodes[-1]
        )
        training = not any(n.name in self.inference for n in nodes)
        box = Box(
            name=_label(cell),
            about="",
            kind=_kind(rows if first.block is not None else rows[:1]),
            shape=node.shape,
            params=sum(row.params for row in rows),
            macs=sum(row.macs for row in rows),
            training=training,
            layer=nodes[0].name if first.block is None else first.block.path,
        )
        if first.block is None:
            box.about = _about(nodes)
            name = type(first.node.op).__name__ if first.node is not None else ""
            if name in _JOINS:
                box.sign, box.about = _JOINS[name], " · ".join(map(_short, nodes[1:]))
            return box
        box.times = sum(unit.block is not None for unit in cell)
        followers = [unit.node for unit in cell if unit.node is not None]
        kind = "" if first.block.kind.startswith("=") else first.block.kind
        if not kind or kind == box.name:
            layers = len(first.block.nodes)
            kind = f"{layers} layers" if layers > 1 else _long(first.block.nodes[0])
        times = f"{box.times} × " if box.times > 1 else ""
        box.about = " · ".join([f"{times}{kind}", *map(_short, followers)])
        plain = not followers and self._all_alike(cell)
        shows = self.detail == "layer" or first.block.path in opened
        if plain and shows and (self.detail == "layer" or box.times == 1):
            inside = self.picture(first.block, opened)
            if len(inside.boxes) == 1 and box.times == 1:
                only = inside.boxes[0]
                only.name = box.name
                return only
            if len(inside.boxes) == 1 and inside.boxes[0].inside is None:
                box.about = inside.boxes[0].about
                return box
            box.inside = inside
        elif plain and box.times == 1:
            self.collapsed.append(first.block)
        return box

    def _all_alike(self, cell: Sequence[Unit]) -> bool:
        if len(cell) == 1:
            return True
        return self.detail == "layer" and len({_fingerprint(unit) for unit in cell}) == 1


def _computes_from(unit: Unit) -> bool:
    """Whether data of its inputs goes into it: a parameter is told how many samples there are."""
    if unit.node is None or not isinstance(unit.node.op, Traced):
        return True
    return bool(unit.node.op.taps(unit.node.shape, *unit.node.input_shapes))


def _follows(first: Unit, unit: Unit) -> bool:
    """Whether a layer is told in the box of the one before: it changes no shape."""
    node = unit.node
    if node is None or (first.node is None and first.block is None):
        return False
    if first.node is not None and len(first.node.inputs) > 1:
        return _FAMILY.get(type(node.op).__name__) == "activation"
    name = type(node.op).__name__
    return name == "Flatten" or _FAMILY.get(name) in ("activation", "normalization", "dropout")


def _fingerprint(unit: Unit) -> tuple[object, ...]:
    """What is equal for units that compute the same on the same shapes."""
    # Copies of a block hold the same objects.
    return tuple((id(node.op), node.input_shapes, node.shape) for node in _nodes(unit))


def _nodes(unit: Unit) -> Sequence[Node]:
    if unit.node is not None:
        return [unit.node]
    assert unit.block is not None
    return unit.block.nodes


def _label(cell: Sequence[Unit]) -> str:
    """The name of a box: the layer's, or that of repetitions without their numbers."""
    first = cell[0].name
    blocks = [unit for unit in cell if unit.block is not None or unit.name == first]
    name, dot, number = first.partition(".")
    if not dot:
        return first
    if len(blocks) == 1:
        return first
    last = blocks[-1].name.partition(".")[2]
    return name if number == "0" and len(blocks) > 1 else f"{name}.{number}–{last}"


def _kind(rows: Iterable[Row]) -> str:
    """The family of what does most of the work, or stores most, or comes first."""
    rows = list(rows)
    best = max(rows, key=lambda row: (row.macs, row.params, row.work.flops))
    family = _FAMILY.get(type(best.node.op).__name__, "other")
    return family if family in KINDS else "other"


def _about(nodes: Sequence[Node]) -> str:
    """What a layer is, with its window, and the names of those that follow it in its box."""
    return " · ".join([_long(nodes[0]), *map(_short, nodes[1:])])


def _long(node: Node) -> str:
    name = type(node.op).__name__
    found = window(node)
    parts = [name]
    if found is not None and found.kernel is not None and not name.startswith(("Adaptive", "Glo")):
        parts[0] += f" {'×'.join(map(str, found.kernel))}"
        stride = found.stride or ()
        if any(step != 1 for step in stride):
            even = len(set(stride)) == 1
            parts.append(f"stride {stride[0] if even else '×'.join(map(str, stride))}")
    groups = getattr(node.op, "groups", 1)
    if groups != 1:
        depthwise = groups == node.input_shapes[0][1]
        parts.append("depthwise" if depthwise else f"{groups} groups")
    heads = getattr(node.op, "num_heads", None)
    if heads is not None:
        parts.append(f"{heads} heads")
    return ", ".join(parts)


def _short(node: Node) -> str:
    name = type(node.op).__name__
    for long, short in _SHORT.items():
        if name.startswith(long):
            return short
    return name


def extents(shape: Shape) -> str:
    """A shape without the batch: ``64 × 56 × 56``."""
    return " × ".join(map(str, shape[1:])) or "1"


def count(number: int) -> str:
    """A number in three digits: ``23.5M``."""
    for scale, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= scale * 0.9995:
            return f"{number / scale:#.3g}".rstrip(".") + unit
    return str(number)


def numbers(box: Box) -> str:
    """What a box stores and computes, as far as it does."""
    parts = []
    if box.params:
        parts.append(f"{count(box.params)} params")
    if box.macs:
        parts.append(f"{count(box.macs)} MACs")
    return ", ".join(parts)


def frame_name(box: Box) -> str:
    """What a frame is called."""
    return f"{box.name} · {box.about}" if box.about and box.about != box.name else box.name


def title(graph: Graph) -> str:
    """The heading of a diagram."""
    words = " ".join(graph.title.split())
    year = f" ({graph.year})" if graph.year else ""
    return f"{graph.name}: {words}{year}" if words else graph.name


def kinds(found: Picture) -> list[str]:
    """The kinds of boxes in a picture, in the order of the legend."""

    def within(part: Picture) -> set[str]:
        inner = [within(box.inside) for box in part.boxes if box.inside is not None]
        return {b.kind for b in part.boxes if b.inside is None}.union(*inner)

    return [kind for kind in KINDS if kind in within(found) and kind != "input"]
