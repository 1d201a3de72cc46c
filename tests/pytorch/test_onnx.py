"""Networks as ONNX files: valid, with the network's tensors, and computing what it computes."""

from __future__ import annotations

import sys
from math import prod
from typing import Any

import pytest
import torch

import archcalc
from archcalc.errors import ArchcalcError
from archcalc.pytorch import onnx as module
from archcalc.pytorch.inputs import draw
from archcalc.pytorch.onnx import onnx

onnx_package = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")


def conv(channels: int, **more: Any) -> dict[str, Any]:
    return {"op": "Conv2d", "out_channels": channels, "kernel_size": 3, **more}


SPEC = {
    "name": "net",
    "input": {"left": [3, 8, 8], "right": [4, 6, 6]},
    "layers": {
        "conv": conv(4, **{"from": "left"}),
        "half": "BatchNorm2d",  # the name of a method, which the exporter would stumble over
        "add": {"op": "Add", "from": ["half", "right"]},
        "flatten": "Flatten",
        "fc": {"op": "Linear", "out_features": 5},
        "aux": conv(2, **{"from": "add"}),
    },
    "outputs": ["fc", "add"],
    "training_outputs": ["aux"],
}


@pytest.fixture(scope="module")
def exported() -> tuple[archcalc.Graph, bytes]:
    graph = archcalc.expand(archcalc.load(SPEC), batch=2)
    return graph, onnx(graph, seed=3)


def test_inputs_and_outputs_have_the_names_and_shapes_of_the_graph(
    exported: tuple[archcalc.Graph, bytes],
) -> None:
    model = onnx_package.load_from_string(exported[1])

    def shapes(values: Any) -> dict[str, tuple[int, ...]]:
        return {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}

    assert shapes(model.graph.input) == {"left": (2, 3, 8, 8), "right": (2, 4, 6, 6)}
    assert shapes(model.graph.output) == {"fc": (2, 5), "add": (2, 4, 6, 6)}


def test_the_file_holds_the_tensors_that_inference_needs(
    exported: tuple[archcalc.Graph, bytes],
) -> None:
    model = onnx_package.load_from_string(exported[1])
    sizes = {each.name: prod(each.dims) for each in model.graph.initializer}

    # A convolution of 3 4 9 weights and 4 biases; a normalization of 4 channels, its statistics
    # too; a linear layer of 144 5 weights and 5 biases. What only training needs is left out.
    assert sizes == {
        "conv.weight": 108,
        "conv.bias": 4,
        **dict.fromkeys(
            ("half_.weight", "half_.bias", "half_.running_mean", "half_.running_var"), 4
        ),
        "fc.weight": 720,
        "fc.bias": 5,
    }


def test_the_file_computes_what_the_network_does(exported: tuple[archcalc.Graph, bytes]) -> None:
    runtime = pytest.importorskip("onnxruntime")
    graph, data = exported
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = archcalc.build(graph).eval()
    inputs = draw(graph, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network(*inputs)
    session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    given = {name: x.numpy() for name, x in zip(graph.inputs, inputs, strict=True)}
    found = session.run(None, given)

    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(torch.from_numpy(mine), theirs, rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_weights_and_leaves_random_numbers_alone() -> None:
    graph = archcalc.expand(archcalc.load({"name": "n", "input": [4], "layers": {"a": LINEAR}}))
    torch.manual_seed(1)
    first = onnx(graph)
    drawn = torch.rand(1)
    torch.manual_seed(1)

    assert onnx(graph) == first
    assert torch.rand(1) == drawn


LINEAR = {"op": "Linear", "out_features": 2}


def test_an_operator_that_the_exporter_can_not_write_is_named() -> None:
    layers = {"pool": {"op": "AdaptiveMaxPool2d", "output_size": 3}}
    graph = archcalc.expand(archcalc.load({"name": "net", "input": [4, 8, 8], "layers": layers}))

    with pytest.raises(ArchcalcError) as error:
        onnx(graph)
    assert str(error.value) == (
        "PyTorch's exporter can't write net as ONNX\n"
        "  it has no translation of the operator aten.adaptive_max_pool2d"
    )


def test_what_no_file_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = archcalc.expand(archcalc.load("lenet5"))
    # LeNet-5's 61,706 parameters take 4 bytes each.
    monkeypatch.setattr(module, "LARGEST", 4 * 61_706 - 1)

    with pytest.raises(ArchcalcError, match="lenet5 has 246,824 bytes of weights"):
        onnx(graph)


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_without_the_packages_says_how_to_install_them(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(ArchcalcError, match=r"pip install 'archcalc\[onnx\]'"):
        onnx(archcalc.expand(archcalc.load("lenet5")))
