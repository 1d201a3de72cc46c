"""Diagrams: which boxes there are, what they say, and their three forms."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import archcalc
from archcalc.report.diagrams.diagram import diagram
from archcalc.report.diagrams.picture import Box, Picture, count, picture
from archcalc.spec import zoo


def conv(channels: int, **more: Any) -> dict[str, Any]:
    return {"op": "Conv2d", "out_channels": channels, "kernel_size": 3, "padding": 1, **more}


SPEC = {
    "name": "net",
    "title": "A small network",
    "input": [3, 8, 8],
    "blocks": {
        "unit": {
            "layers": {
                "conv": conv(4),
                "bn": "BatchNorm2d",
                "add": {"op": "Add", "from": ["bn", "input"]},
                "relu": "ReLU",
            }
        }
    },
    "layers": {
        "stem": conv(4),
        "relu": "ReLU",
        "stage": {"block": "unit", "repeat": 3},
        "pool": {"op": "AdaptiveAvgPool2d", "output_size": 1},
        "flatten": "Flatten",
        "fc": {"op": "Linear", "out_features": 10},
    },
}


def drawn(detail: str, data: dict[str, Any] = SPEC) -> Picture:
    spec = archcalc.load(data)
    return picture(archcalc.expand(spec), detail, spec)[0]


def told(box: Box) -> tuple[str, str]:
    return box.name, box.about


def test_a_box_is_a_layer_with_those_that_keep_its_shape_or_a_block() -> None:
    found = drawn("stage")

    assert [told(box) for box in found.boxes] == [
        ("input", ""),
        ("stem", "Conv2d 3×3 · ReLU"),
        ("stage", "3 × unit"),
        ("pool", "AdaptiveAvgPool2d · Flatten"),
        ("fc", "Linear"),
    ]
    assert [box.kind for box in found.boxes] == ["input", "conv", "conv", "pooling", "linear"]
    assert found.edges == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_a_box_has_the_shape_and_the_numbers_of_all_that_is_in_it() -> None:
    stage = drawn("stage").boxes[2]

    assert stage.shape == (1, 4, 8, 8)
    # Three convolutions of 4 4 9 + 4 parameters, and as many normalizations of 2 4; each output
    # position of a convolution takes 4 9 multiply-accumulates.
    assert stage.params == 3 * (4 * 4 * 9 + 4 + 2 * 4)
    assert stage.macs == 3 * (8 * 8 * 4) * (4 * 9)
    assert stage.times == 3


def test_with_layers_equal_blocks_in_a_row_are_one_frame() -> None:
    found = drawn("layer")
    (frame,) = [box for box in found.boxes if box.inside is not None]

    assert (frame.name, frame.about, frame.times) == ("stage", "3 × unit", 3)
    assert frame.inside is not None
    assert [told(box) for box in frame.inside.boxes] == [
        ("conv", "Conv2d 3×3 · BN"),
        ("add", "ReLU"),
    ]
    assert frame.inside.boxes[1].sign == "+"
    # In from above to both, from the convolution to the sum, and out.
    assert sorted(frame.inside.edges) == [(-1, 0), (-1, 1), (0, 1), (1, -1)]


def test_without_a_spec_a_block_says_how_many_layers_it_has() -> None:
    found, _ = picture(archcalc.expand(archcalc.load(SPEC)), "stage")

    assert told(found.boxes[2]) == ("stage", "3 × 4 layers")


def test_what_exists_in_training_only_is_marked() -> None:
    layers = {"a": conv(4), "b": conv(2), "head": conv(5, **{"from": "a"})}
    data = {"name": "net", "input": [3, 8, 8], "layers": layers, "outputs": "b"}
    found = drawn("stage", {**data, "training_outputs": ["head"]})

    assert {box.name: box.training for box in found.boxes} == {
        "input": False,
        "a": False,
        "b": False,
        "head": True,
    }
    text = diagram(archcalc.expand(archcalc.load({**data, "training_outputs": ["head"]})), "svg")
    assert "in training only" in text


def test_of_few_stages_the_largest_is_opened() -> None:
    found = drawn(
        "stage",
        {
            **SPEC,
            "layers": {"body": {"block": "whole"}},
            "blocks": {
                **SPEC["blocks"],  # type: ignore[dict-item]
                "whole": {"layers": SPEC["layers"]},
            },
        },
    )

    assert [box.name for box in found.boxes] == ["input", "body"]
    assert found.boxes[1].inside is not None
    assert [box.name for box in found.boxes[1].inside.boxes] == ["stem", "stage", "pool", "fc"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.00k"),
        (25_557_032, "25.6M"),
        (999_600, "1.00M"),
        (4_089_184_256, "4.09G"),
        (118_013_952, "118M"),
    ],
)
def test_numbers_are_told_in_three_digits(number: int, text: str) -> None:
    assert count(number) == text


# That of deepseek_v3, of 20 seconds, is a picture of the documentation, which is held.
FAMILIES = [path.stem for path in zoo.families() if path.stem != "deepseek_v3"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_diagram_of_stages_is_a_small_well_formed_file(family: str) -> None:
    variants = archcalc.load(zoo.folder() / f"{family}.yaml").variants
    spec = archcalc.load(next(iter(variants), family))
    graph = archcalc.expand(spec)
    text = diagram(graph, "svg", "stage", spec)
    root = ElementTree.fromstring(text)

    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(text) < 40_000
    assert graph.name in "".join(root.itertext())
    assert text == diagram(graph, "svg", "stage", spec)


def test_the_picture_in_the_documentation_is_what_the_program_draws() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "resnet50.svg"

    assert page.read_text(encoding="utf-8") == archcalc.export(
        archcalc.load("resnet50"), to="svg"
    ), "run: archcalc export resnet50 --to svg -o docs/resnet50.svg"


@pytest.mark.parametrize("form", ["mermaid", "dot"])
@pytest.mark.parametrize("detail", ["stage", "layer"])
@pytest.mark.parametrize("name", ["googlenet-aux", "resnet18", "vit_b_16"])
def test_every_line_leads_from_a_box_to_a_box(name: str, detail: str, form: str) -> None:
    spec = archcalc.load(name)
    text = diagram(archcalc.expand(spec), form, detail, spec)
    defined = set(re.findall(r"^ +(n\d+)(?:\[|\(| \[label)", text, re.MULTILINE))
    lines = re.findall(r"^  (n\d+) (?:-->|-\.->|->) (n\d+)", text, re.MULTILINE)

    assert lines
    assert {end for line in lines for end in line} <= defined


def test_lines_of_a_frame_are_those_of_the_boxes_in_it() -> None:
    text = diagram(archcalc.expand(archcalc.load(SPEC)), "mermaid", "layer")

    # The stem leads to the convolution and to the sum of the first unit.
    (stem,) = re.findall(r'(n\d+)\["<b>stem', text)
    (inner,) = re.findall(r'(n\d+)\["<b>conv', text)
    (sum_,) = re.findall(r'(n\d+)\(\("\+', text)
    assert f"  {stem} --> {inner}\n" in text
    assert f"  {stem} --> {sum_}\n" in text


def test_no_line_leads_into_a_parameter() -> None:
    # It is told how many samples there are, and takes no data of what tells it.
    text = diagram(archcalc.expand("vit_b_16"), "dot")
    (token,) = re.findall(r'(n\d+) \[label="class_token', text)
    (joined,) = re.findall(r'(n\d+) \[label="tokens\\nConcat', text)

    assert f"{token} -> {joined}\n" in text
    assert f"-> {token}\n" not in text


def test_text_of_a_spec_stays_text() -> None:
    title = '<script>alert("1")</script> & `x` %% \\ " ]]'
    graph = archcalc.expand(archcalc.load({**SPEC, "title": title}))
    svg = diagram(graph, "svg")

    assert "<script" not in svg
    assert title.split()[0] in "".join(ElementTree.fromstring(svg).itertext())
    assert diagram(graph, "dot").count("\n") == diagram(
        archcalc.expand(archcalc.load(SPEC)), "dot"
    ).count("\n")
