"""Closed forms as text, LaTeX, Markdown and Python."""

from __future__ import annotations

import re
from typing import Any

import pytest

import archcalc
from archcalc.report.families.closed import render
from archcalc.space.formula import Formula, formula

# Two convolutions of as many channels as MobileNet would round 16 and 24 times the width to.
ROUNDED = {
    "name": "net",
    "input": [3, "=side", "=side"],
    "vars": {"width": 1.0, "side": 8},
    "layers": {
        "one": {
            "op": "Conv2d",
            "out_channels": "=round_to(16 * width, 8, keep=0.9)",
            "kernel_size": 1,
            "bias": False,
        },
        "two": {
            "op": "Conv2d",
            "out_channels": "=round_to(24 * width, 8)",
            "kernel_size": 1,
            "bias": False,
        },
    },
}
HALVED = {
    "name": "net",
    "input": [1, "=side"],
    "vars": {"side": 9},
    "layers": {"pool": {"op": "MaxPool1d", "kernel_size": 2}},
}


def closed(data: dict[str, Any], **asked: Any) -> Formula:
    return formula(archcalc.load(data), **asked)


def test_what_rounds_has_a_name_and_is_said_in_the_words_of_specs() -> None:
    lines = render(closed(ROUNDED, free_in="width", quantities=["params"])).splitlines()

    # 3 n1 weights, then n1 n2.
    assert lines[-4:] == [
        "  n1 = round_to(16 width, 8, keep=0.9)",
        "  n2 = round_to(24 width, 8)",
        "",
        "  params  n1 n2 + 3 n1",
    ]
    assert "is the multiple of m nearest to x" in " ".join(lines)
    assert not any("conditions" in line for line in lines)  # a multiple of 8 is at least 8


def test_in_latex_what_rounds_is_defined_first() -> None:
    text = render(closed(ROUNDED, free_in="width", quantities=["params"]), "latex")

    assert r"n_{1} &= \operatorname{round}\left(16 \, \mathrm{width}, 8, 0.9\right) \\" in text
    assert r"\text{params} &= n_{1} \, n_{2} + 3 \, n_{1}" in text


def test_in_markdown_floors_are_mathematics() -> None:
    text = render(
        closed(HALVED, floors=True, free_in="side", quantities=["activations"]), "markdown"
    )

    assert r"- $n_{1} = \left\lfloor\frac{\mathrm{side}}{2}\right\rfloor$" in text
    assert "- activations: $n_{1}$" in text


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("resnet18", {"floors": True}),
        ("mobilenet_v2", {"free_in": "width,side"}),
        ("mobilenet_v3_large", {"free_in": "width"}),
        ("efficientnet_b0", {"free_in": "width,depth"}),
        ("unet", {"floors": True}),
    ],
)
def test_latex_is_balanced_and_of_lines_that_fit_a_page(name: str, asked: dict[str, Any]) -> None:
    text = render(formula(archcalc.load(name), **asked), "latex")

    assert text.count("{") == text.count("}")
    assert len(re.findall(r"\\left(?![a-z])", text)) == len(re.findall(r"\\right(?![a-z])", text))
    for line in text.splitlines():
        assert line.startswith("%") or len(re.findall(" [+-] ", line)) <= 8
    assert all(r"\begin{align*}" not in part for part in text.split(r"\end{align*}")[-1:])


def test_a_function_rounds_as_the_engine_does() -> None:
    found = closed(ROUNDED, free_in="width", quantities=["params"])
    names: dict[str, Any] = {}
    exec(render(found, "python"), names)

    assert names["net"](width=1.0) == {"params": 16 * 24 + 3 * 16}
    # 19.2 would become 16, which is less than nine tenths of it, so 24; 28.8 becomes 32.
    assert found(width=1.2) == names["net"](width=1.2) == {"params": 24 * 32 + 3 * 24}
