"""A network's loops as Timeloop and ZigZag read them."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest
from typer.testing import CliRunner

import archcalc
from archcalc.cli.app import application
from archcalc.spec.text import parse

NETWORKS = ("resnet18", "mobilenet_v2", "resnext50_32x4d", "googlenet", "vit_b_16", "bert_base")


def exported(name: str, form: str, **how: Any) -> str:
    text = archcalc.export(archcalc.load(name), to=form, **how)
    assert isinstance(text, str)
    return text


def timeloop(name: str) -> list[dict[str, Any]]:
    _, *documents = exported(name, "timeloop").split("---\n")
    return [dict(parse(document, "problem").data)["problem"] for document in documents]


def zigzag(name: str, **how: Any) -> list[dict[str, Any]]:
    lines = [line for line in exported(name, "zigzag", **how).splitlines() if line[0] != "#"]
    return list(parse("layers:\n" + "\n".join(lines), "workload").data["layers"])


@pytest.mark.parametrize("name", NETWORKS)
def test_timeloops_instances_multiply_back(name: str) -> None:
    total = 0
    for problem in timeloop(name):
        dimensions = problem["shape"]["dimensions"]
        total += prod(problem["instance"][dimension] for dimension in dimensions)
        indices = {axis for space in problem["shape"]["data_spaces"] for axis in flat(space)}
        assert set(dimensions) <= indices
    assert total == archcalc.analyze(archcalc.load(name)).macs


def flat(space: dict[str, Any]) -> set[str]:
    return {part for axes in space["projection"] for terms in axes for part in terms}


@pytest.mark.parametrize("name", NETWORKS)
def test_zigzags_loops_multiply_back(name: str) -> None:
    total = 0
    for layer in zigzag(name):
        loops = dict(zip(layer["loop_dims"], layer["loop_sizes"], strict=True))
        named = {letter for letter in layer["equation"] if letter.isalpha()}
        assert {dimension[-1].lower() for dimension in loops} <= named | {"x", "y"}
        if layer["operator_type"] in ("Conv", "Gemm"):
            total += prod(loops.values())
    assert total == archcalc.analyze(archcalc.load(name)).macs


def test_a_layer_of_zigzags_own_resnet_18() -> None:
    """The third layer of its workload, and the sum that takes the pooling and the second one."""
    layers = zigzag("resnet18")
    assert layers[2] == {
        "id": 2,
        "name": "layer1.0.conv1",
        "operator_type": "Conv",
        "equation": "O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]",
        "dimension_relations": ["ix=1*ox+1*fx", "iy=1*oy+1*fy"],
        "loop_dims": ["B", "K", "C", "OY", "OX", "FY", "FX"],
        "loop_sizes": [1, 64, 64, 56, 56, 3, 3],
        "operand_precision": {"W": 8, "I": 8, "O": 16, "O_final": 8},
        "operand_source": {"I": 1, "W": 2},
    }
    assert layers[4]["operator_type"] == "Add"
    assert sorted(layers[4]["operand_source"].values()) == [1, 3]
    assert layers[4]["loop_sizes"] == [1, 64, 56, 56]


def test_precisions_are_those_of_the_spec() -> None:
    spec = archcalc.quantize(archcalc.load("lenet5"), weights="int4", activations="int8")
    text = archcalc.export(spec, to="zigzag")
    assert isinstance(text, str)
    assert "    W: 4\n    I: 8\n    O: 16\n" in text


@pytest.mark.parametrize("form", ["timeloop", "zigzag"])
def test_what_can_not_be_said_is_told_on_standard_error(form: str) -> None:
    done = CliRunner().invoke(application("export", "list"), ["export", "googlenet", "--to", form])
    assert done.exit_code == 0
    assert "inception_3a.concat is left out: Concat: " in done.stderr.replace(
        "inception3a", "inception_3a"
    )
    assert "padding is not said" in done.stderr
    assert "# padding is not said" in done.stdout
    assert ("poolings and sums are left out" in done.stderr) is (form == "timeloop")
