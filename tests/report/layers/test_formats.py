"""Formats: the same table, as others read it."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from typing import Any

import pytest

import archcalc
from archcalc.document import Document
from archcalc.document.text import Line, lines
from archcalc.report.layers.layout import Request, lay_out

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


def lay(name: str, detail: str = "layer", columns: str | None = None) -> Document:
    analysis = archcalc.analyze(archcalc.load(name))
    return lay_out(analysis, Request.of(detail, columns, "float32", "macs"))


def plain(document: Document) -> list[Line]:
    return list(lines(document))


def fit(document: Document, columns: int) -> list[Line]:
    return list(lines(document, columns, narrow=True))


def width(found: list[Line]) -> int:
    return max(len(line.text) for line in found if line.part.startswith(("header", "rule", "row")))


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
    assert text.count(r"\begin") == text.count(r"\end") == 4  # notes stand below the table
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


ORDER = ["from", "out", "in", "padding", "input", "stage", "stride", "kernel", "output", "MACs"]


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 120, 160, 200, 1000])
@pytest.mark.parametrize("name", ["alexnet", "googlenet", "resnet152"])
def test_a_narrow_terminal_goes_without_whole_columns(name: str, columns: int) -> None:
    document = lay(name)
    found = fit(document, columns)
    text = " ".join(line.text for line in found if line.part == "note")
    dropped = " ".join(text.partition(": ")[2].split()).split(", ") if text else []
    had = [head.header for head in document.tables[0].heads]
    assert dropped == [name for name in ORDER if name in had][: len(dropped)]
    headers = next(line.text for line in found if line.part == "header").split()
    assert len(headers) + len(dropped) == len(had)
    assert "layer" in headers
    assert "params" in headers
    assert width(found) <= columns
    total = next(line.text for line in found if line.part == "row sums")
    params = f"{archcalc.analyze(archcalc.load(name)).params:,}"
    assert params in total.split()


def test_at_80_columns_kernel_and_stride_are_kept() -> None:
    for name in ("alexnet", "googlenet", "resnet50"):
        headers = next(line.text for line in fit(lay(name), 80) if line.part == "header").split()
        assert {"output", "kernel", "stride", "params", "MACs"} <= set(headers)
        assert "out" not in headers


def test_without_the_stage_names_are_full() -> None:
    lines = fit(lay("googlenet"), 50)
    assert any(re.match(r"inception3a\.reduce3x3\.conv ", line.text) for line in lines)


def test_the_list_of_what_is_hidden_is_shortened_before_a_table_is_widened() -> None:
    line = next(line.text for line in fit(lay("googlenet"), 80) if line.part == "row hidden")
    assert line.startswith("62 layers not shown: 57 ReLU")
    assert len(line) <= 80


def test_repeated_blocks_are_shown_once_and_all_on_demand() -> None:
    # Touvron et al. 2023: Llama 2 7B has 32 equal layers.
    spec = archcalc.load("llama2_7b")
    text = archcalc.table(spec)
    (line,) = [line for line in text.splitlines() if "layers.0 ... layers.31 (x32)" in line]
    # Four 4096 x 4096 and three 4096 x 11008 matrices, and two norms of 4096.
    each = 4 * 4096 * 4096 + 3 * 4096 * 11008 + 2 * 4096
    assert f"{32 * each:,}" in line
    assert len(text.splitlines()) < 40
    assert text.count("0.self_attn.o_proj ") == 2  # as a layer, and as a source
    assert len(archcalc.table(spec, unroll=True).splitlines()) > 400


@pytest.mark.parametrize("name", ["llama2_7b", "resnet18", "resnet152", "swin_t", "vit_b_16"])
def test_csv_adds_up_with_and_without_repetitions(name: str) -> None:
    spec = archcalc.load(name)
    whole = archcalc.analyze(spec)
    for unroll in (False, True):
        text = archcalc.table(spec, format="csv", detail="all", unroll=unroll)
        rows = list(csv.DictReader(io.StringIO(text)))
        assert sum(int(row["params"]) for row in rows) == whole.params
        assert sum(int(row["macs"]) for row in rows) == whole.macs


def test_what_differs_between_repetitions_is_not_the_first_ones() -> None:
    text = archcalc.table(archcalc.load("resnet50"), columns="layer,receptive_field,params")
    # conv1 sees 7, the pooling 11 at every 4th pixel; a 3x3 sees 8 more, in each of three blocks.
    assert re.search(r"layer1\.1\.conv2 +27x27 \.\.\. 35x35 ", text)


def repeated(times: int) -> archcalc.Spec:
    layers = {"conv": {"op": "Conv2d", "out_channels": 3, "kernel_size": 1, "repeat": times}}
    return archcalc.load({"name": "t", "input": [3, 8, 8], "layers": layers})


def test_a_repeated_layer_is_one_line_of_what_all_repetitions_have_together() -> None:
    # 3 x 3 weights and 3 biases each; 8 x 8 positions x 3 x 3.
    text = archcalc.table(repeated(1000), columns="layer,output,params,macs")
    (line,) = [line for line in text.splitlines() if line.startswith("conv")]
    assert re.split("  +", line) == ["conv.0 ... conv.999 (x1000)", "3x8x8", "12,000", "576,000"]
    (row,) = csv.DictReader(io.StringIO(archcalc.table(repeated(1000), format="csv")))
    assert row["layer"] == "0 ... 999 (x1000)"
    assert row["params"] == "12000"
    assert archcalc.table(repeated(1000), unroll=True).count(" 1x1 ") == 1000
    # Two are two lines: they take no more.
    assert "(x2)" not in archcalc.table(repeated(2))


def test_layers_that_differ_in_turn_are_not_taken_together() -> None:
    layers = {"conv": {"op": "Conv2d", "out_channels": 3, "padding": "same", "repeat": 6}}
    layers["conv"]["kernel_size"] = "=1 + 2 * (i // 3)"
    spec = archcalc.load({"name": "t", "input": [3, 8, 8], "layers": layers})
    text = archcalc.table(spec, columns="layer,kernel,params")
    # 9 weights and 3 biases three times; 81 and 3 three times.
    found = [line.split() for line in text.splitlines() if line.startswith("conv")]
    assert [(words[0], words[-2], words[-1]) for words in found] == [
        ("conv.0", "1x1", "36"),
        ("conv.3", "3x3", "252"),
    ]


class Looked(tuple[Any, ...]):
    """Rows that count how often they are looked through."""

    passes = 0

    def __iter__(self) -> Any:
        Looked.passes += 1
        return super().__iter__()


def test_rows_are_not_looked_through_for_every_stage_or_every_layer() -> None:
    conv = {"op": "Conv2d", "out_channels": 3, "kernel_size": 1}
    pair = {"layers": {"x": conv, "y": {**conv, "share": "x"}}}
    passes = []
    for count in (5, 50):
        layers = {f"s{k}": {"block": "b"} for k in range(count)}
        data = {"name": "t", "input": [3, 8, 8], "blocks": {"b": pair}, "layers": layers}
        found = archcalc.analyze(archcalc.load(data))
        analysis = archcalc.Analysis(found.graph, Looked(found.rows))
        Looked.passes = 0
        assert archcalc.table(analysis).count(" 1x1 ") == 2 * count
        assert analysis.shared_params == 12 * count
        passes.append(Looked.passes)
    assert passes[0] == passes[1]
