"""Formats: the same table, as others read it."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from typing import Any

import pytest

import archcalc
from archcalc.report.layers.layout import Request, Table, lay_out
from archcalc.report.layers.plain import fit, plain, width

ODD = {
    "name": "odd",
    "title": '50% of <b>R&D</b> | a_b* `c` {d} $e$ #1 ~^\\ "q"',
    "input": [3, 8, 8],
    "layers": {
        "_conv_": {"op": "Conv2d", "out_channels": 4, "kernel_size": 3},
        "relu": "ReLU",
        "pool": {"op": "MaxPool2d", "kernel_size": 2},
    },
}


def odd(format: str, **options: Any) -> str:
    return archcalc.table(archcalc.load(ODD), format=format, **options)


def lay(name: str, detail: str = "layer", columns: str | None = None) -> Table:
    analysis = archcalc.analyze(archcalc.load(name))
    return lay_out(analysis, Request.of(detail, columns, "float32", "macs"))


def test_csv_has_lines_only_and_numbers_of_digits() -> None:
    rows = list(csv.reader(io.StringIO(odd("csv", columns="layer,output,params,macs"))))
    # 4 x 27 weights and 4 biases; 4 x 6 x 6 outputs of 27 terms
    assert rows == [
        ["layer", "output", "params", "macs"],
        ["_conv_", "4x6x6", "112", "3888"],
        ["pool", "4x3x3", "0", "0"],
    ]


def test_markdown_has_a_row_a_line_and_no_markup_of_a_name() -> None:
    lines = odd("markdown", columns="layer,params,macs").splitlines()
    assert lines[0].startswith(r"**odd: 50% of \<b\>R&D\</b\> \| a_b\* \`c\` {d}")
    assert lines[4:9] == [
        "| layer | params | MACs |",
        "| --- | ---: | ---: |",
        r"| \_conv\_ | 112 | 3,888 |",
        "| pool | 0 | 0 |",
        "| *1 layer not shown: ReLU* | | |",
    ]
    assert lines[9] == "| **total** | **112** | **3,888** |"
    assert lines[-1] == "- weight bytes: 448 bytes in float32"


def test_latex_is_a_booktabs_table_with_nothing_to_misread() -> None:
    text = odd("latex", columns="layer,output,params")
    assert (
        r"50\% of \textless{}b\textgreater{}R\&D\textless{}/b\textgreater{} \textbar{} a\_b* "
        r"`c` \{d\} \$e\$ \#1 \textasciitilde{}\textasciicircum{}\textbackslash{} "
        r"\textquotedbl{}q\textquotedbl{}"
    ) in text
    assert r"    \_conv\_ & 4$\times$6$\times$6 & 112 \\" in text
    assert r"    \multicolumn{2}{l}{total} & 112 \\" in text
    assert text.count(r"\begin") == text.count(r"\end") == 2
    for rule in ("toprule", "bottomrule", "caption"):
        assert text.count(f"\\{rule}") == 1


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.spans = 0
        self.rows: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "!doctype"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append(0)
        if tag in ("td", "th"):
            self.rows[-1] += int(dict(attrs).get("colspan") or 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)


def test_html_is_a_whole_page_with_every_row_as_wide_as_the_others() -> None:
    reader = Reader()
    text = odd("html")
    reader.feed(text)
    assert reader.open == []
    assert "".join(reader.texts["h1"]) == f"odd: {ODD['title']}"
    assert len(set(reader.rows)) == 1
    assert "src=" not in text
    assert "http" not in text


@pytest.mark.parametrize("columns", ["params,macs", "macs,layer,params", "layer", "kernel,out"])
@pytest.mark.parametrize("format", ["table", "markdown", "latex", "html"])
def test_sums_find_a_place_whatever_the_columns(format: str, columns: str) -> None:
    text = odd(format, columns=columns)
    assert "total" in text
    assert "1 layer not shown" in text


def test_lines_of_a_plain_table_are_as_wide_as_its_rule() -> None:
    for name in ("googlenet", "resnet50-v1", "lenet5-1998"):
        lines = plain(lay(name))
        rule = next(len(line.text) for line in lines if line.part == "rule")
        assert width(lines) == rule
        assert all(line.text.isascii() for line in lines)
        assert not any(line.text.endswith(" ") for line in lines)


def test_every_line_of_a_stage_names_it() -> None:
    # A blank cell would leave open whether the pooling after a stage belongs to it.
    first = [line.text.split()[0] for line in plain(lay("googlenet")) if line.part == "row"]
    assert first.count("inception3a") == 8
    assert "maxpool3" in first


ORDER = ["from", "stride", "padding", "kernel", "in", "input", "out", "stage", "output", "MACs"]


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 120, 160, 200, 1000])
@pytest.mark.parametrize("name", ["alexnet", "googlenet", "resnet152"])
def test_a_narrow_terminal_goes_without_whole_columns(name: str, columns: int) -> None:
    table = lay(name)
    lines = fit(table, columns)
    notes = [line.text for line in lines if line.part == "note"]
    dropped = notes[0].partition(": ")[2].split(", ") if notes else []
    had = [column.header for column in table.columns]
    assert dropped == [name for name in ORDER if name in had][: len(dropped)]
    headers = next(line.text for line in lines if line.part == "header").split()
    assert len(headers) + len(dropped) == len(had)
    assert "layer" in headers
    assert "params" in headers
    assert width(lines) <= columns or headers == ["layer", "params"]
    total = next(line.text for line in lines if line.part == "sums")
    params = f"{archcalc.analyze(archcalc.load(name)).params:,}"
    assert params in total.split()


def test_without_the_stage_names_are_full() -> None:
    lines = fit(lay("googlenet"), 50)
    assert any(re.match(r"inception3a\.reduce3x3\.conv ", line.text) for line in lines)


def test_the_list_of_what_is_hidden_is_shortened_before_a_table_is_widened() -> None:
    line = next(line.text for line in fit(lay("googlenet"), 80) if line.part == "hidden")
    assert line.startswith("62 layers not shown: 57 ReLU")
    assert len(line) <= 80
