"""Loops, which multiplied together are the multiply-accumulates of a table."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc.analysis.nests import Nests, nests

NETWORKS = [
    *("lenet5", "alexnet-2gpu", "vgg11", "googlenet", "inception_v3", "resnet18", "resnet50"),
    *("resnext50_32x4d", "densenet121", "squeezenet1_0", "mobilenet_v1", "mobilenet_v2"),
    *(
        "mobilenet_v3_small",
        "shufflenet_v2_x1_0",
        "efficientnet_b0",
        "convnext_tiny",
        "regnet_y_400mf",
    ),
    *("vit_b_16", "swin_t", "yolov3", "yolov8n", "gpt2", "bert_base", "t5_small", "clip_vit_b_32"),
    *("whisper_tiny", "dit_s_2", "sd15_unet", "wrn-16-8", "unet"),
]


def of(name: str, **how: Any) -> Nests:
    return nests(archcalc.analyze(archcalc.load(name), **how))


@pytest.mark.parametrize("name", NETWORKS)
def test_loops_multiply_back(name: str) -> None:
    how: dict[str, Any] = {"num_hidden_layers": 1} if name == "mixtral_8x7b" else {}
    analysis = archcalc.analyze(archcalc.load(name), **how)
    found = nests(analysis)
    unsaid = sum(analysis.row(layer).macs for layer in found.unsaid)
    assert sum(nest.macs for nest in found.nests) == analysis.macs - unsaid
    assert unsaid == 0 or name == "unet"


def test_a_strided_convolution_by_hand() -> None:
    """ResNet-18's first layer: 64 kernels of 3 x 7 x 7 at 112 x 112 places, two apart."""
    first, pool, *_ = of("resnet18").nests
    assert first.kind == "conv"
    assert dict(first.sizes) == {"N": 1, "K": 64, "C": 3, "P": 112, "Q": 112, "R": 7, "S": 7}
    assert (first.strides, first.dilations, first.inputs) == ((2, 2), (1, 1), ("input",))
    assert (pool.kind, pool.macs, pool.inputs) == ("pool", 0, ("conv1",))


def test_what_zigzag_ships_as_resnet_18_has_other_shortcuts() -> None:
    """Its downsamples are 3x3 where the network has 1x1, and the first stage has none."""
    found = of("resnet18").nests
    shortcuts = [nest for nest in found if nest.layer.endswith("downsample.conv")]
    assert sum(nest.macs for nest in found) == 1_814_073_344
    assert sum(nest.macs for nest in found) + 8 * sum(n.macs for n in shortcuts) == 1_968_214_016


def test_a_depthwise_convolution_has_no_loop_over_kernels() -> None:
    nest = next(n for n in of("mobilenet_v1").nests if n.kind == "depthwise")
    assert dict(nest.sizes) == {"N": 1, "C": 32, "P": 112, "Q": 112, "R": 3, "S": 3}


def test_height_and_width_are_told_apart() -> None:
    spec = {
        "name": "net",
        "input": [2, 9, 20],
        "layers": {
            "conv": {
                "op": "Conv2d",
                "out_channels": 4,
                "kernel_size": [3, 5],
                "stride": [1, 2],
                "dilation": [2, 1],
            }
        },
    }
    (nest,) = nests(archcalc.analyze(archcalc.load(spec))).nests
    assert dict(nest.sizes) == {"N": 1, "K": 4, "C": 2, "P": 8, "Q": 5, "R": 5, "S": 3}
    assert (nest.strides, nest.dilations) == ((2, 1), (1, 2))


def made(layers: dict[str, Any], **inputs: list[int]) -> Nests:
    spec = {"name": "net", "input": inputs, "layers": layers}
    return nests(archcalc.analyze(archcalc.load(spec)))


def test_sums_are_over_the_output_and_each_takes_the_one_before() -> None:
    found = made({"add": {"op": "Add", "from": ["x", "y", "x"]}}, x=[4, 9, 20], y=[4, 9, 20])
    assert [dict(nest.sizes) for nest in found.nests] == [{"N": 1, "C": 4, "P": 20, "Q": 9}] * 2
    assert [(nest.title, nest.inputs) for nest in found.nests] == [
        ("add:0", ("x", "y")),
        ("add", ("add:0", "x")),
    ]


def test_a_window_over_everything_and_one_that_divides_are_as_wide_as_they_are() -> None:
    """Of 4 x 6 positions to 1, and to 2 x 2."""
    layers = {
        "parts": {"op": "AdaptiveAvgPool2d", "output_size": 2},
        "all": {"op": "GlobalAvgPool", "from": "x"},
        "sum": {"op": "Add", "from": ["parts", "all"]},
    }
    parts, whole = made(layers, x=[3, 6, 4]).nests
    assert dict(parts.sizes) == {"N": 1, "C": 3, "P": 2, "Q": 2, "R": 2, "S": 3}
    assert dict(whole.sizes) == {"N": 1, "C": 3, "P": 1, "Q": 1, "R": 4, "S": 6}
    assert (parts.strides, whole.strides) == ((2, 3), (4, 6))


def test_products_of_matrices_are_in_batches_and_of_vectors_none() -> None:
    product = {"op": "MatMul", "from": ["x", "y"]}
    (nest,) = made({"product": product}, x=[2, 5, 3], y=[2, 3, 7]).nests
    assert dict(nest.sizes) == {"G": 2, "M": 5, "K": 7, "C": 3}
    assert made({"product": product}, x=[3], y=[3]).unsaid == {
        "product": "MatMul: it is of vectors"
    }
    assert made({"product": product}, x=[2, 5, 3], y=[3, 7]).unsaid == {}


def test_heads_that_share_keys_are_one_product() -> None:
    """Llama 3 on 6 tokens: 8 heads of keys, of 4 x 6 rows of queries each."""
    found = of("llama3_8b", input=[6])
    scores, values = (n for n in found.nests if n.layer == "layers.0.self_attn.sdpa")
    assert (scores.name, dict(scores.sizes)) == ("scores", {"G": 8, "M": 24, "K": 6, "C": 128})
    assert values.inputs[0] == scores.title
    assert dict(values.sizes) == {"G": 8, "M": 24, "K": 128, "C": 6}


def test_what_is_no_such_loop_is_named() -> None:
    spec = {
        "name": "net",
        "input": [7, 4],
        "layers": {
            "lstm": {"op": "LSTM", "hidden_size": 8},
            "fc": {"op": "Linear", "out_features": 2},
            "both": {"op": "Concat", "from": ["lstm", "fc"], "dim": 2},
            "last": {"op": "Linear", "out_features": 3},
        },
    }
    found = nests(archcalc.analyze(archcalc.load(spec)))
    assert found.unsaid == {
        "lstm": "LSTM: its products are no such loops",
        "both": "Concat: what takes it is said to take the first of its inputs",
    }
    assert [nest.layer for nest in found.nests] == ["fc", "last"]


def test_a_parameter_comes_from_outside() -> None:
    found = of("vit_b_16")
    add = next(nest for nest in found.nests if nest.layer == "encoder.add")
    assert add.inputs[1] == "encoder.pos_embedding"
