"""A document as text: no wider than it may be."""

from __future__ import annotations

from archcalc.document import Document, render
from archcalc.document.model import Group, Head, Label, Part, Row, Table, table
from archcalc.document.text import lines

HEADS = (
    Head("group", "group", completes=True),
    Head("name", "name"),
    Head("number", "number", True),
)


def repeated() -> Table:
    inner = tuple(Row(("b", Part(f"{k}.x", f"b.{k}.x"), 1)) for k in range(2))
    group = Group(Row((Label("b.0 ... b.1 (x2)"), "", 2)), inner)
    return Table(HEADS, (group,), sums=(Row((Label("total"), "", 2), "sums"),), narrow=("group",))


def test_a_group_has_a_line_and_its_rows_stand_below_it() -> None:
    assert render(Document.of(repeated()), "text").splitlines() == [
        "group       name  number",
        "------------------------",
        "b.0 ... b.1 (x2)       2",
        "  b         0.x        1",
        "  b         1.x        1",
        "------------------------",
        "total                  2",
    ]


def test_names_are_full_where_what_completes_them_is_left_out() -> None:
    text = "\n".join(line.text for line in lines(Document.of(repeated().drop("group"))))
    assert "  b.0.x" in text
    assert "b.0 ... b.1 (x2)" in text


def test_no_line_is_wider_than_the_terminal() -> None:
    long = table(
        [Head("name", "name"), Head("words", "words", wraps=True), Head("number", "number", True)],
        [("layer_with_a_very_long_name" * 2, "one two three " * 20, 1_000_000)],
    )
    for width in (40, 60, 80, 120):
        shown = list(lines(Document.of(long), width, narrow=True))
        assert all(len(line.text) <= width for line in shown)
        assert any("1,000,000" in line.text for line in shown)


def test_a_label_is_shortened_before_a_table_is_widened() -> None:
    label = Label("3 more", ("2 ReLU", "Softmax"))
    assert label.fitting() == "3 more: 2 ReLU, Softmax"
    assert label.fitting(20) == "3 more: 2 ReLU, ..."
    assert label.fitting(5) == "3 more"
