"""A comparison in its formats."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

import archcalc
from archcalc import ArchcalcError, Graph, Machine, Measurement
from archcalc.document import Document
from archcalc.document.text import lines
from archcalc.report.claims.columns import COLUMNS, MEASURED, USUAL
from archcalc.report.claims.compare import BARS, FORMATS, drawn, print_ratio, render

SMALL: dict[str, Any] = {
    "name": "small",
    "year": 2001,
    "feature": "none | at all",
    "input": [3, 8, 8],
    "layers": {"conv": {"op": "Conv2d", "out_channels": 4, "kernel_size": 3}},
    "documented": [
        {"quantity": "params", "value": 112, "source": "a page"},
        {"quantity": "flops", "convention": "macs", "value": "3.8K", "source": "a page"},
        {"quantity": "weight_bytes", "value": "1 kB", "source": "a <page>"},
    ],
    "facts": [{"quantity": "top5_accuracy", "value": "50%", "source": "s", "reason": "measured"}],
}
"""112 parameters of 448 bytes, 3,888 products and 144 uses of a bias: 7,920 operations."""

LARGE: dict[str, Any] = {
    "name": "large",
    "input": [3, 8, 8],
    "layers": {"conv": {"op": "Conv2d", "out_channels": 8, "kernel_size": 3}},
}
"""Twice of everything."""

BOTH = archcalc.compare(SMALL, LARGE)


def bar_lines(found: archcalc.Comparison, quantity: str, width: int = 100) -> list[str]:
    return [line.text for line in lines(Document.of(drawn(found, quantity)), width)]


def test_a_table_has_a_line_for_every_network_and_what_is_to_say_below() -> None:
    names = ["network", "year", "top5", "params", "printed_params", "macs", "printed_work", "size"]
    assert render(BOTH, columns=names).splitlines() == [
        "MACs are multiply-accumulates; of one input; sizes in float32",
        "",
        "network  year    top-5  params  params in print   MACs  work in print        size",
        "-" * 81,
        "small    2001  50% [1]     112  112 exact        3,888  3.8K truncates  448 bytes",
        "large                      224                   7,776                  896 bytes",
        "",
        "[1] accuracy as printed, which can't be computed (measured)",
    ]


def test_what_does_not_hold_says_by_how_much() -> None:
    shown = render(BOTH, columns=["network", "printed_size"])
    assert "1 kB contradicted" in shown
    assert "small, 1 kB: contradicted; is 448: 552 less than printed" in shown


def test_ratios_stand_behind_the_numbers_they_are_of() -> None:
    found = archcalc.compare(SMALL, LARGE, baseline="small")
    header, *rows = csv.reader(
        io.StringIO(render(found, "csv", ["network", "params", "macs", "size"]))
    )
    assert header == [
        *("network", "params", "params_ratio", "macs", "macs_ratio", "size", "size_ratio"),
    ]
    assert [row[2::2] for row in rows] == [["1x", "1x", "1x"], ["2x", "2x", "2x"]]
    assert "ratios to small" in render(found)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1x"),
        (2.2188, "2.22x"),
        (13.63, "13.6x"),
        (1010.9, "1,011x"),
        (0.4097, "0.41x"),
        (61_706 / 62_378_344, "0.000989x"),
        (2.692e-5, "0.0000269x"),
        (0, "0x"),
    ],
)
def test_ratios_have_three_digits(number: float, text: str) -> None:
    assert print_ratio(number) == text


def test_another_convention_heads_its_column() -> None:
    found = archcalc.compare(SMALL, convention="2xmacs")
    header, row = csv.reader(io.StringIO(render(found, "csv", "network,macs,flops")))
    assert header == ["network", "2xmacs", "flops"]
    assert row == ["small", "7776", "7920"]
    assert "2 x MACs are two for every multiply-accumulate" in render(found)


def test_a_tool_that_fails_says_so() -> None:
    layers = {"up": {"op": "Upsample", "scale_factor": [2, 3]}}
    found = archcalc.compare(
        {"name": "n", "input": [4, 6, 6], "layers": layers}, convention="calflops"
    )
    shown = render(found, columns="network,macs")
    assert "fails" in shown.splitlines()[-3]
    assert "calflops fails on 'up'" in shown
    assert json.loads(render(found, "json"))["networks"][0]["work"] is None


def test_csv_is_numbers_and_nothing_else() -> None:
    rows = list(csv.DictReader(io.StringIO(render(BOTH, "csv"))))
    assert list(rows[0]) == list(USUAL)
    assert [row["params"] for row in rows] == ["112", "224"]
    assert rows[0]["year"] == "2001"


def test_markdown_latex_and_html_show_words_as_words() -> None:
    assert r"none \| at all" in render(BOTH, "markdown")
    assert r"50\%\tnote{1} & 112" in render(BOTH, "latex")
    page = render(BOTH, "html")
    assert page.count("<tr>") == 3
    assert '<td class="n">3,888</td>' in page
    assert "<page>" not in page


def test_an_error_is_shown_as_the_accuracy_that_it_leaves_and_said_to_be_one() -> None:
    error = {"quantity": "top5_error", "value": "7.40%", "source": "s", "reason": "measured"}
    found = archcalc.compare({**SMALL, "facts": [error]})
    text = render(found, "markdown")

    assert "| 92.60%<sup>1</sup> |" in text
    assert "1. 92.60%: printed is an error of 7.40%" in text
    (network,) = json.loads(render(found, "json"))["networks"]
    assert (network["top5_accuracy"], network["top5_error"]["printed"]) == (None, "7.40%")


def test_json_has_the_numbers_and_every_finding() -> None:
    data = json.loads(render(archcalc.compare(SMALL, LARGE, baseline="small"), "json"))
    assert (data["archcalc"], data["convention"], data["baseline"]) == (1, "macs", "small")
    small, large = data["networks"]
    assert (small["params"], small["macs"], small["flops"]) == (112, 3888, 7920)
    assert small["top5_accuracy"]["printed"] == "50%"
    assert [finding["verdict"] for finding in small["documented"]["work"]] == ["truncates"]
    assert large["top5_accuracy"] is None
    assert large["documented"] == {}
    assert large["ratios"] == {"params": 2.0, "macs": 2.0, "flops": 2.0, "size": 2.0}


def test_changed_networks_are_named() -> None:
    found = archcalc.compare(SMALL, input=[3, 9, 9])
    assert "changed, so that nothing is documented of it: small" in render(found)
    assert json.loads(render(found, "json"))["networks"][0]["documented"] is None


# Every convention at once ------------------------------------------------------------------------


def test_every_convention_says_what_it_adds() -> None:
    lines = render(archcalc.compare(SMALL, convention="all")).splitlines()
    assert lines[0] == "small"
    assert lines[1] == "input 3x8x8; 3,888 MACs"
    at = next(k for k, line in enumerate(lines) if line.startswith("all "))
    assert lines[at].split() == ["all", "FLOPs", "7,920", "2", "x", "MACs", "+144"]
    assert lines[at + 1] == "    Conv2d +144"


@pytest.mark.parametrize(
    ("layers", "convention", "text"),
    [
        ({"up": {"op": "Upsample", "scale_factor": [2, 3]}}, "calflops", "calflops fails on 'up'"),
        # (6 + 4) * 4 products of each of the three gates, at each of the 5 steps
        ({"gru": {"op": "GRU", "hidden_size": 4}}, "torchprofile", "GRU -600; does not see GRU"),
    ],
)
def test_failures_and_what_is_not_seen_are_named(
    layers: dict[str, Any], convention: str, text: str
) -> None:
    input = [4, 6, 6] if "up" in layers else [5, 6]
    found = archcalc.compare({"name": "n", "input": input, "layers": layers}, convention="all")
    rows = list(csv.DictReader(io.StringIO(render(found, "csv"))))
    (row,) = (row for row in rows if row["convention"] == convention)
    assert text in row["why"]


def test_what_is_added_adds_up() -> None:
    (network,) = json.loads(render(archcalc.compare("googlenet", convention="all"), "json"))[
        "networks"
    ]
    assert len(network["conventions"]) == 13
    for each in network["conventions"]:
        added = sum(each["differences"].values())
        assert each["number"] == each["per_mac"] * network["macs"] + added


def test_several_networks_each_have_a_table() -> None:
    found = archcalc.compare(SMALL, LARGE, convention="all")
    assert render(found).count("convention  ") == 2
    assert render(found, "markdown").count("| convention |") == 2
    assert {row["network"] for row in csv.DictReader(io.StringIO(render(found, "csv")))} == {
        "small",
        "large",
    }
    assert render(found, "html").count("<h1>") == 2
    assert render(found, "latex").count(r"\end{table}") == 2


def test_every_convention_has_columns_of_its_own() -> None:
    with pytest.raises(ArchcalcError, match="columns of its own"):
        render(archcalc.compare(SMALL, convention="all"), columns="params")


# Bars --------------------------------------------------------------------------------------------


def test_bars_are_as_long_as_their_numbers() -> None:
    header, small, large = bar_lines(BOTH, "params", width=36)
    # 36 characters less 5 of names, 3 of numbers and 4 of gaps leave 24.
    assert (header, small, large) == (
        "params",
        "small  112  " + "█" * 12,
        "large  224  " + "█" * 24,
    )


def test_a_bar_is_exact_to_an_eighth() -> None:
    found = archcalc.compare("vgg16", "vgg19")
    bar = bar_lines(found, "params", width=5 + 11 + 4 + 100)[1].split()[-1]
    # 138,357,544 / 143,667,240 = 0.96304 of 800 eighths are 770: 96 and 2 eighths.
    assert bar == "█" * 96 + "▎"


def test_what_is_unknown_has_no_bar() -> None:
    assert bar_lines(BOTH, "top5")[-1].split() == ["large", "unknown"]


def test_bars_of_work_need_one_convention() -> None:
    every = archcalc.compare(SMALL, convention="all")
    assert "112" in render(every, bars="params")
    with pytest.raises(ArchcalcError, match="one convention"):
        render(every, bars="macs")


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "xml"}, "no format 'xml'"),
        ({"columns": "parms"}, "did you mean 'params'"),
        ({"columns": ""}, "no column ''"),
        ({"format": "json", "columns": "params"}, "fixed keys"),
        ({"bars": "year"}, "no bars of 'year'"),
    ],
)
def test_words_that_are_none_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(ArchcalcError, match=message):
        render(BOTH, **options)


def test_every_column_can_be_shown_in_every_format() -> None:
    for form in FORMATS:
        counted = [name for name in COLUMNS if name not in MEASURED]
        assert render(BOTH, form, None if form == "json" else counted)
    for quantity in BARS:
        assert bar_lines(BOTH, quantity)


def took(graph: Graph) -> Measurement:
    """As if a network took a millisecond for every thousand multiply-accumulates."""
    macs = archcalc.analyze(graph).macs
    machine = Machine("cpu", "Some CPU", 4, "2.13.0")
    return Measurement(machine, "float32", 1, 9, macs / 1e6, 1e-5, macs, None, 2_000_000)


def test_what_was_measured_stands_beside_what_is_counted() -> None:
    shown = render(archcalc.compare(SMALL, LARGE, measure=took, sort="-latency"))

    assert "measured on Some CPU, 4 threads, PyTorch 2.13.0" in " ".join(shown.split())
    large, small = (line.split() for line in shown.splitlines()[-2:])
    # 8 filters of 3x3x3 at 6x6 places; two operations each in 7.78 ms are 2 M a second.
    assert large[:4] == ["large", "3x8x8", "224", "7,776"]
    assert large[4:] == [
        "7.78",
        "ms",
        "10.0",
        "µs",
        "129",
        "2.00",
        "M",
        "not",
        "measured",
        "2.00",
        "MB",
    ]
    assert small[4:6] == ["3.89", "ms"]


def test_chosen_columns_are_shown_alone() -> None:
    shown = render(archcalc.compare(SMALL, measure=took), columns="network,latency")

    assert shown.splitlines()[-1] == "small    3.89 ms"


def test_json_holds_what_was_measured() -> None:
    data = json.loads(render(archcalc.compare(SMALL, measure=took), "json"))

    assert data["networks"][0]["measured"]["seconds"] == pytest.approx(3888 / 1e6)
    assert "measured" not in json.loads(render(BOTH, "json"))["networks"][0]


def test_without_a_measurement_there_is_nothing_to_show() -> None:
    with pytest.raises(ArchcalcError, match="are there if networks are run: --measure"):
        render(BOTH, columns="network,latency")
    with pytest.raises(ArchcalcError, match="beside one convention, not all of them"):
        archcalc.compare(SMALL, convention="all", measure=took)
