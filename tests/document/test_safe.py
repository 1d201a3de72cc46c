"""A stranger's text is shown and not obeyed, in every format."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

import pytest

from archcalc.document import Document, render
from archcalc.document.data import Case, dumps, junit
from archcalc.document.model import (
    Bars,
    Formula,
    Formulas,
    Heading,
    Item,
    Items,
    Pairs,
    Prose,
    Styled,
    table,
)
from archcalc.document.model import Head as Column
from archcalc.document.safe import columns, harmless, inert, safe, visible

HOSTILE = (
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "\x9b2J",
    "a\u202eb\u2066c",
    "zero\u200bwidth",
    "::stop-commands::token",
    "a\n::error::title",
    "##[error]wrong",
    "a\n# heading",
    "a\r\n- item",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "[link](javascript:alert(1))",
    "`code` *bold* _it_ ~~gone~~ $x$",
    "&lt;b&gt;",
    "| cell | more |",
    r"\\input{/etc/passwd} \\write18{ls} % & # $ _ { } ~ ^",
    '=cmd|"/C calc"!A0',
    "@SUM(A1:A9)",
    "+1+cmd",
    "-2+3",
    "\t=1+1",
)


def document(words: str) -> Document:
    heads = [Column("name", words), Column("number", "number", True)]
    return Document.of(
        Heading(words),
        Prose(words, "about"),
        table(heads, [(words, 1), (Styled(words, "bad", 1), 2)]),
        Items((Item(words, (words,)),), numbered=True),
        Items.of([words]),
        Pairs(((words, words),)),
        Formulas((Formula(words, words, notes=(words,)),), ((words, "x", words),)),
        Bars(words, ((words, words, 0.5),)),
        Prose(words),
    )


CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("format", ["table", "markdown", "html", "latex", "siunitx", "csv"])
@pytest.mark.parametrize("words", HOSTILE)
def test_nothing_is_obeyed_by_a_terminal_or_the_log_of_a_build(words: str, format: str) -> None:
    text = render(document(words), format)
    assert not CONTROL.search(text)
    assert "##[" not in text
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())


@pytest.mark.parametrize("words", HOSTILE)
def test_markdown_finds_no_markup(words: str) -> None:
    text = render(document(words), "markdown")
    for line in text.splitlines():
        assert not line.startswith("#")
        bare = re.sub(r"`[^`]*`", "", re.sub(r"\\.", "", line))
        assert "<script" not in bare
        assert "<img" not in bare
        assert "](" not in bare
        if line.startswith("|"):
            assert bare.count("|") == 3  # around two cells


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)


@pytest.mark.parametrize("words", HOSTILE)
def test_html_has_no_tags_of_strangers(words: str) -> None:
    tags = Tags()
    tags.feed(render(document(words), "html"))
    assert not tags.found & {"script", "img", "b"}


@pytest.mark.parametrize("words", HOSTILE)
def test_latex_has_no_commands_of_strangers(words: str) -> None:
    text = render(document(words), "latex")
    assert r"\input" not in text
    assert r"\write" not in text
    body = "\n".join(text.splitlines()[1:])
    assert not re.search(r"(?<!\\)[%#]", body)


@pytest.mark.parametrize("words", HOSTILE)
def test_no_cell_of_csv_is_a_formula(words: str) -> None:
    for row in csv.reader(io.StringIO(render(document(words), "csv"))):
        assert not row[0].startswith(("=", "@", "+", "-", "\t"))


@pytest.mark.parametrize("cell", ["-1.5", "+3,000", "-0.7%", "1e-5", "+144"])
def test_numbers_keep_their_signs(cell: str) -> None:
    assert inert(cell) == cell


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\u202eb", r"a\u202eb"),
        ("two\nlines", "two lines"),
        ("caf\u00e9 \u4f60", "caf\u00e9 \u4f60"),
        ("a\u00a0b", "a\u00a0b"),
    ],
)
def test_what_would_be_obeyed_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_commands_are_told_from_names() -> None:
    assert harmless("net.yaml::small: ok") == "net.yaml::small: ok"
    assert harmless("  ::error::x") == r"  \x3a:error::x"
    assert safe("a\n::error::\x1b") == "a\n" + r"\x3a:error::\x1b"


def test_wide_characters_take_two_columns() -> None:
    assert columns("ab") == 2
    assert columns("\u4f60\u597d") == 4
    assert columns("e\u0301") == 1


def test_json_and_junit_hold_no_command() -> None:
    import json
    from xml.etree import ElementTree

    assert "##[" not in dumps({"a": "##[error]"})
    assert json.loads(dumps({"a": "##[error]"})) == {"a": "##[error]"}
    for words in HOSTILE:
        ElementTree.fromstring(junit({words: [Case(words, words, "failure", words)]}))
