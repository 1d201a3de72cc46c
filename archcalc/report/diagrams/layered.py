"""Where boxes stand in a picture: in rows, each below what leads to it.

The usual method (Sugiyama, Tagawa and Toda 1981): rows by the longest way, a point in each row
that a line passes, an order within the rows with few crossings, and places that make lines
straight. Pictures within boxes are laid out first and are boxes from then on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

GAP = 26
"""Between boxes that are side by side."""

ROW = 26
"""Between rows."""

SWEEPS = 12
TURNS = 48

Point = tuple[float, float]


@dataclass(eq=False)
class Cell:
    """A box, or a point that a line passes."""

    width: float
    height: float
    entry: float = 0
    """Where lines come in, from the left edge."""
    exit: float = 0
    """Where they go out."""
    x: float = 0
    """The left edge."""
    y: float = 0
    row: int = 0
    number: int = -1
    """Which box it is; -1 for a point."""

    @property
    def top(self) -> Point:
        return self.x + self.entry, self.y

    @property
    def bottom(self) -> Point:
        return self.x + self.exit, self.y + self.height


@dataclass
class Layout:
    """Places of boxes, lines between them, and the extent of all."""

    cells: list[Cell]
    lines: dict[tuple[int, int], list[Point]] = field(default_factory=dict)
    width: float = 0
    height: float = 0


def lay_out(cells: Sequence[Cell], edges: Sequence[tuple[int, int]]) -> Layout:
    """Give boxes their places. Edges lead from lower to higher numbers."""
    for number, cell in enumerate(cells):
        cell.number = number
    _rank(cells, edges)
    rows: list[list[Cell]] = [[] for _ in range(max(cell.row for cell in cells) + 1)]
    for cell in cells:
        rows[cell.row].append(cell)
    chains: dict[tuple[int, int], list[Cell]] = {}
    for a, b in edges:
        chain = [cells[a]]
        for k in range(cells[a].row + 1, cells[b].row):
            point = Cell(10, 0, 5, 5, row=k)
            rows[k].append(point)
            chain.append(point)
        chains[a, b] = [*chain, cells[b]]
    above: dict[int, list[Cell]] = {}
    below: dict[int, list[Cell]] = {}
    for chain in chains.values():
        for one, other in pairwise(chain):
            below.setdefault(id(one), []).append(other)
            above.setdefault(id(other), []).append(one)
    _order(rows, above, below)
    _place(rows, above, below, list(chains.values()))
    y = 0.0
    for row in rows:
        height = max(cell.height for cell in row)
        for cell in row:
            # Small things hang at the top of their row, so that lines to them are short.
            cell.y = y
            if cell.number < 0:
                cell.height = height
        y += height + ROW
    layout = Layout(list(cells), height=y - ROW, width=max(c.x + c.width for r in rows for c in r))
    for key, chain in chains.items():
        points = [chain[0].bottom]
        for cell in chain[1:-1]:
            points += [cell.top, cell.bottom]
        layout.lines[key] = [*points, chain[-1].top]
    return layout


def _rank(cells: Sequence[Cell], edges: Sequence[tuple[int, int]]) -> None:
    for cell in cells:
        cell.row = 0
    for a, b in sorted(edges, key=lambda edge: edge[1]):
        cells[b].row = max(cells[b].row, cells[a].row + 1)
    # What nothing leads to stands just above what it leads to.
    for number in range(len(cells) - 1, -1, -1):
        takers = [cells[b].row for a, b in edges if a == number]
        if takers and not any(b == number for _, b in edges):
            cells[number].row = min(takers) - 1


def _order(
    rows: list[list[Cell]], above: Mapping[int, list[Cell]], below: Mapping[int, list[Cell]]
) -> None:
    """Order within rows by the means of the neighbours' positions, down and up by turns."""
    best, fewest = [list(row) for row in rows], _crossings(rows, below)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        down = sweep % 2 == 0
        order = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for k in order:
            other = rows[k - 1] if down else rows[k + 1]
            positions = {id(cell): n for n, cell in enumerate(other)}
            neighbours = above if down else below
            keys = {}
            for n, cell in enumerate(rows[k]):
                near = [positions[id(c)] for c in neighbours.get(id(cell), ())]
                keys[id(cell)] = sum(near) / len(near) if near else float(n)
            rows[k].sort(key=lambda cell: keys[id(cell)])
        found = _crossings(rows, below)
        if found < fewest:
            best, fewest = [list(row) for row in rows], found
    rows[:] = best


def _crossings(rows: Sequence[Sequence[Cell]], below: Mapping[int, list[Cell]]) -> int:
    total = 0
    for upper, lower in pairwise(rows):
        positions = {id(cell): n for n, cell in enumerate(lower)}
        ends = [
            (n, positions[id(end)])
            for n, cell in enumerate(upper)
            for end in below.get(id(cell), ())
        ]
        if len(ends) > 400:
            continue
        total += sum(
            a < c and b > d for k, (a, b) in enumerate(ends) for c, d in ends[k + 1 :]
        ) + sum(a > c and b < d for k, (a, b) in enumerate(ends) for c, d in ends[k + 1 :])
    return total


def _place(
    rows: Sequence[list[Cell]],
    above: Mapping[int, list[Cell]],
    below: Mapping[int, list[Cell]],
    chains: Sequence[Sequence[Cell]],
) -> None:
    """Places within rows: near the neighbours, and no nearer to one another than a gap.

    The longest way from the first row to the last is straight, and so is each line that passes
    several rows, as far as there is room.
    """
    main = _longest(rows, below)
    for row in rows:
        # Many branches are spread evenly about the middle.
        if sum(cell.number >= 0 for cell in row) > 2:
            main -= {id(cell) for cell in row}
    for row in rows:
        x = 0.0
        for cell in row:
            cell.x = x
            x += cell.width + GAP
    points = {id(cell): chain[1:-1] for chain in chains for cell in chain[1:-1]}
    for turn in range(TURNS):
        down = turn % 2 == 0
        for row in rows if down else reversed(rows):
            wanted, weights = [], []
            for cell in row:
                up = [c.x + c.exit - cell.entry for c in above.get(id(cell), ())]
                low = [c.x + c.entry - cell.exit for c in below.get(id(cell), ())]
                near = [*up, *low] if turn > TURNS // 2 else (up if down and up else low or up)
                place = sum(near) / len(near) if near else cell.x
                weight = 1.0 if near else 0.05
                if id(cell) in main:
                    place, weight = -cell.entry, 1e6
                elif id(cell) in points:
                    line = points[id(cell)]
                    place = sum(point.x for point in line) / len(line)
                    if turn < TURNS // 3:
                        place = (place + sum(near) / len(near)) / 2
                    weight = 4.0
                wanted.append(place)
                weights.append(weight)
            _spread(row, wanted, weights)
    left = min(cell.x for row in rows for cell in row)
    for row in rows:
        for cell in row:
            cell.x -= left


def _longest(rows: Sequence[Sequence[Cell]], below: Mapping[int, list[Cell]]) -> set[int]:
    """The boxes on the longest way down."""
    length: dict[int, tuple[int, Cell | None]] = {}
    for row in reversed(rows):
        for cell in row:
            own = int(cell.number >= 0)
            ways = [(length[id(c)][0], c) for c in below.get(id(cell), ())]
            best = max(ways, key=lambda way: way[0], default=None)
            length[id(cell)] = (own, None) if best is None else (own + best[0], best[1])
    start = max((cell for row in rows for cell in row), key=lambda cell: length[id(cell)][0])
    found: set[int] = set()
    at: Cell | None = start
    while at is not None:
        found.add(id(at))
        at = length[id(at)][1]
    return found


def _spread(row: Sequence[Cell], wanted: Sequence[float], weights: Sequence[float]) -> None:
    """As near to the wanted places as can be, in the mean of squares, with gaps between."""
    offsets = [0.0]
    for cell in row[:-1]:
        gap = GAP if cell.number >= 0 else GAP / 2
        offsets.append(offsets[-1] + cell.width + gap)
    # Pooled neighbours move as one: isotonic regression.
    pools: list[list[float]] = []
    for place, weight, offset in zip(wanted, weights, offsets, strict=True):
        pools.append([place - offset, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            value, mass, size = pools.pop()
            other = pools[-1]
            other[0] = (other[0] * other[1] + value * mass) / (other[1] + mass)
            other[1] += mass
            other[2] += size
    k = 0
    for value, _, size in pools:
        for _ in range(int(size)):
            row[k].x = value + offsets[k]
            k += 1
