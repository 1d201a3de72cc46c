"""A graph as a flat spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc.errors import ArchcalcError
from archcalc.report.specs.expanded import expanded
from archcalc.spec import zoo
from archcalc.spec.form import as_yaml

# The last unit of WaveNet has layers that lead to no output.
NAMES = tuple(name for name in zoo.names() if name != "wavenet")


@pytest.mark.every_network
@pytest.mark.parametrize("name", NAMES)
def test_a_flat_spec_loads_again_and_has_the_same_numbers(name: str, tmp_path: Path) -> None:
    spec = archcalc.load(name)
    before = archcalc.analyze(spec)
    if any(row.node.spare for row in before.rows):
        with pytest.raises(archcalc.ArchcalcError, match="which experts of"):
            archcalc.export(spec, to="yaml")
        return
    for form in ("json", "yaml"):
        file = tmp_path / f"net.{form}"
        text = archcalc.export(spec, to=form)
        assert isinstance(text, str)
        file.write_text(text, encoding="utf-8")
        after = archcalc.analyze(archcalc.load(file))

        assert [(row.op, row.shape) for row in after.rows] == [
            (row.op, row.shape) for row in before.rows
        ]
        for total in ("params", "executed_params", "shared_params", "buffers", "work"):
            assert getattr(after, total) == getattr(before, total), total
        assert after.graph.name == before.graph.name


def test_yaml_has_a_line_a_layer() -> None:
    text = archcalc.export(archcalc.load("lenet5"), to="yaml")

    assert text == (
        "# yaml-language-server: $schema=spec.schema.json\n"
        "name: lenet5\n"
        "title: Gradient-based learning applied to document recognition\n"
        "edition: the modern form\n"
        "year: 1998\n"
        "feature: Convolution and subsampling by turns\n"
        "source: [http://vision.stanford.edu/cs598_spring07/papers/Lecun98.pdf]\n"
        "input: [1, 32, 32]\n"
        "\n"
        "layers:\n"
        "  c1: {op: Conv2d, out_channels: 6, kernel_size: 5}\n"
        "  tanh1: Tanh\n"
        "  s2_pool: {op: AvgPool2d, kernel_size: 2}\n"
        "  c3_conv: {op: Conv2d, out_channels: 16, kernel_size: 5}\n"
        "  tanh3: Tanh\n"
        "  s4_pool: {op: AvgPool2d, kernel_size: 2}\n"
        "  c5: {op: Conv2d, out_channels: 120, kernel_size: 5}\n"
        "  tanh5: Tanh\n"
        "  flatten: Flatten\n"
        "  f6: {op: Linear, out_features: 84}\n"
        "  tanh6: Tanh\n"
        "  output_fc: {op: Linear, out_features: 10}\n"
        "  output_softmax: {op: Softmax, dim: 1}\n"
    )


def test_names_and_texts_that_mean_something_to_yaml_are_quoted(tmp_path: Path) -> None:
    layers = {"null": "ReLU", "true": {"op": "ReLU"}, "a.b": "ReLU"}
    layers.pop("a.b")
    data = {"name": "net", "title": 'A: "b" # c', "input": [3], "layers": layers}
    graph = archcalc.expand(archcalc.load(data))
    file = tmp_path / "net.yaml"
    file.write_text(as_yaml(expanded(graph)), encoding="utf-8")
    again = archcalc.expand(archcalc.load(file))

    assert [node.name for node in again.nodes] == ["null", "true"]
    assert again.title == 'A: "b" # c'


def test_names_stay_apart_without_their_dots() -> None:
    data = {
        "name": "net",
        "input": [3],
        "blocks": {"a": {"layers": {"b": "ReLU"}}},
        "layers": {"a": "a", "a_b": "ReLU"},
    }
    layers = expanded(archcalc.expand(archcalc.load(data)))["layers"]

    assert list(layers) == ["a_b", "a_b_"]


def test_tied_tensors_and_training_outputs_are_kept() -> None:
    data = {
        "name": "net",
        "input": [8],
        "layers": {
            "a": {"op": "Linear", "out_features": 8},
            "b": {"op": "Linear", "out_features": 8, "share": "a"},
            "head": {"op": "Linear", "out_features": 2, "from": "a"},
        },
        "outputs": "b",
        "training_outputs": ["head"],
    }
    flat = expanded(archcalc.expand(archcalc.load(data)))

    assert flat["layers"]["b"]["share"] == "a"
    assert (flat["outputs"], flat["training_outputs"]) == ("b", ["head"])


def test_symbols_are_refused() -> None:
    import sympy

    graph = archcalc.expand(archcalc.load("lenet5"), batch=sympy.Symbol("N"))

    with pytest.raises(ArchcalcError, match="exported for numbers"):
        archcalc.export(graph, to="yaml")


def test_layers_that_lead_to_no_output_have_no_place() -> None:
    with pytest.raises(ArchcalcError, match=r"'stack\.4\.layer\.9\.add' leads to no output"):
        expanded(archcalc.expand(archcalc.load("wavenet")))


@pytest.mark.parametrize(
    ("layers", "more"),
    [
        ({"r": {"op": "ReLU", "when": False}}, {}),
        ({"r": {"op": "ReLU", "repeat": 0, "from": "identity"}}, {}),
        ({"a": {"op": "ReLU", "from": "x"}, "b": {"op": "ReLU", "from": "x", "when": False}},
         {"outputs": ["a", "b"]}),
        ({"a": {"op": "ReLU", "from": "x"}, "b": {"op": "ReLU", "from": "x", "when": False}},
         {"outputs": "a", "training_outputs": ["b"]}),
    ],
    ids=["nothing else", "the second input", "an output", "a training output"],
)  # fmt: skip
def test_a_layer_that_is_left_out_at_the_end_is_so_in_a_flat_spec(
    layers: dict[str, Any], more: dict[str, Any], tmp_path: Path
) -> None:
    data = {"name": "n", "input": {"x": [3, 8], "identity": [4]}, "layers": layers, **more}
    graph = archcalc.expand(archcalc.load(data))

    for form in ("yaml", "json"):
        file = tmp_path / f"flat.{form}"
        file.write_text(str(archcalc.export(graph, to=form)), encoding="utf-8")
        assert archcalc.expand(archcalc.load(file)) == graph
