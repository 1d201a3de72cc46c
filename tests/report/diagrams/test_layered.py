"""Where boxes stand in a diagram."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from archcalc.report.diagrams.layered import Cell, Layout, lay_out


def cell(wide: float = 60, high: float = 30) -> Cell:
    return Cell(wide, high, wide / 2, wide / 2)


def arranged(count: int, edges: list[tuple[int, int]]) -> Layout:
    return lay_out([cell() for _ in range(count)], edges)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Cell], list[tuple[int, int]]]:
    """Boxes, and lines from earlier to later ones."""
    sizes = draw(st.lists(st.tuples(st.integers(10, 90), st.integers(5, 60)), max_size=12))
    cells = [cell(wide, high) for wide, high in [(40, 20), *sizes]]
    edges = {
        (draw(st.integers(0, b - 1)), b)
        for b in range(1, len(cells))
        for _ in range(draw(st.integers(0, 3)))
    }
    return cells, sorted(edges)


@given(graphs())
def test_no_two_boxes_overlap_and_all_lines_lead_down(
    graph: tuple[list[Cell], list[tuple[int, int]]],
) -> None:
    cells, edges = graph
    layout = lay_out(cells, edges)

    for a, b in combinations(layout.cells, 2):
        apart = a.x + a.width <= b.x or b.x + b.width <= a.x
        assert apart or a.y + a.height <= b.y or b.y + b.height <= a.y
    assert set(layout.lines) == set(edges)
    for points in layout.lines.values():
        assert all(upper[1] <= lower[1] for upper, lower in pairwise(points))
    assert all(c.x >= 0 and c.x + c.width <= layout.width + 1e-6 for c in layout.cells)
    assert all(c.y >= 0 and c.y + c.height <= layout.height + 1e-6 for c in layout.cells)


def test_a_chain_is_a_straight_line() -> None:
    layout = arranged(4, [(0, 1), (1, 2), (2, 3)])

    assert [points[0][0] for points in layout.lines.values()] == [30, 30, 30]
    assert [c.row for c in layout.cells] == [0, 1, 2, 3]


def test_a_shortcut_passes_beside_a_chain_that_stays_straight() -> None:
    layout = arranged(4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    chain = {c.top[0] for c in layout.cells}
    beside = {x for x, _ in layout.lines[0, 3][1:-1]}

    assert len(chain) == 1
    assert len(beside) == 1
    (x,) = beside
    assert not any(c.x <= x <= c.x + c.width for c in layout.cells)


def test_branches_are_spread_about_the_middle() -> None:
    layout = arranged(5, [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)])
    middles = sorted(c.top[0] for c in layout.cells[1:4])

    assert abs(layout.cells[0].top[0] - middles[1]) < 1
    assert abs(layout.cells[4].top[0] - middles[1]) < 1


def test_lines_do_not_cross_where_they_need_not() -> None:
    layout = arranged(6, [(0, 4), (1, 3), (2, 5)])
    order = {k: layout.cells[k].x for k in range(6)}

    assert (order[0] < order[1]) == (order[4] < order[3])
    assert (order[1] < order[2]) == (order[3] < order[5])
