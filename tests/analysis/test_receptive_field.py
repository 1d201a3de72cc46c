"""Which pixels an output sees: by definition, as published, and by PyTorch's gradients."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import sympy
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archcalc import ShapeError, SpecError, expand, load
from archcalc.analysis.receptive_field import Field, receptive_field
from archcalc.operators import operator
from archcalc.pytorch import module
from archcalc.spec.graph import Graph

Layers = dict[str, dict[str, Any]]


def graph(layers: Layers, *axes: Any, **more: Any) -> Graph:
    return expand(load({"name": "net", "input": [1, 9], "layers": layers, **more}), input=axes)


def chain(*layers: dict[str, Any]) -> Layers:
    return {f"l{i}": layer for i, layer in enumerate(layers)}


def fields(layers: Layers, *axes: Any) -> dict[str, tuple[Field, ...] | None]:
    return receptive_field(graph(layers, *axes))


def last(layers: Layers, *axes: Any) -> Field:
    """The field of the last layer on the last axis."""
    found = fields(layers, *axes)[list(layers)[-1]]
    assert found is not None
    return found[-1]


def conv(kernel: int, stride: int = 1, **fields: Any) -> dict[str, Any]:
    return {"op": "Conv1d", "out_channels": 1, "kernel_size": kernel, "stride": stride, **fields}


# What a position sees, position by position


@pytest.mark.parametrize(
    ("layers", "size", "stride", "start"),
    [
        ((conv(3),), 3, 1, 0),
        ((conv(3, dilation=4),), 9, 1, 0),  # 4 * (3 - 1) + 1
        ((conv(3, 2), conv(3)), 3 + 2 * 2, 2, 0),
        ((conv(3, 2, padding=1), conv(5, 3, padding=2)), 3 + 4 * 2, 6, -1 - 2 * 2),
        ((conv(2, padding=[[1, 0]]),), 2, 1, -1),
        ((conv(2, padding=[[0, 1]]),), 2, 1, 0),
        ((conv(7, 2), {"op": "MaxPool1d", "kernel_size": 3, "stride": 2}), 7 + 2 * 2, 4, 0),
        (({"op": "Pad", "pad": [3, 1]}, conv(2)), 2, 1, -3),
        (({"op": "Crop", "cropping": [[2, 1]]}, conv(2)), 2, 1, 2),
        (({"op": "Slice", "dim": 2, "start": 5, "step": 3}, conv(2)), 1 + 3, 3, 5),
        (({"op": "Split", "dim": -1, "split_size_or_sections": 10, "index": 2},), 1, 1, 20),
        # ceil(k / s) inputs at most: 4 / 2, 3 / 2, 2 / 2, 5 / 2 and 3 / 1.
        (
            ({"op": "ConvTranspose1d", "out_channels": 1, "kernel_size": 4, "stride": 2},),
            2,
            0.5,
            -1,
        ),
        (
            ({"op": "ConvTranspose1d", "out_channels": 1, "kernel_size": 3, "stride": 2},),
            2,
            0.5,
            -1,
        ),
        (({"op": "ConvTranspose1d", "out_channels": 1, "kernel_size": 2, "stride": 2},), 1, 0.5, 0),
        (
            ({"op": "ConvTranspose1d", "out_channels": 1, "kernel_size": 5, "stride": 2},),
            3,
            0.5,
            -2,
        ),
        (({"op": "ConvTranspose1d", "out_channels": 1, "kernel_size": 3, "stride": 1},), 3, 1, -2),
        (({"op": "Upsample", "scale_factor": 2},), 1, 0.5, 0),
        (({"op": "Upsample", "scale_factor": 2, "mode": "linear"},), 2, 0.5, -1),
        # Positions 0 to 2 of pixel 0 and 3 to 5 of pixel 1: a window of 3 sees two at most.
        (({"op": "Upsample", "scale_factor": 3}, conv(3)), 2, Fraction(1, 3), 0),
        (({"op": "AdaptiveAvgPool1d", "output_size": 20},), 2, 1.5, 0),  # 30 pixels
        (({"op": "AdaptiveAvgPool1d", "output_size": 7},), 6, Fraction(30, 7), 0),  # [4, 9] e.g.
        (({"op": "Softmax", "dim": 2},), 30, 0, 0),
        (({"op": "GroupNorm", "num_groups": 1},), 30, 0, 0),
        (({"op": "LayerNorm"},), 30, 0, 0),
        (({"op": "Linear", "out_features": 4},), 30, 0, 0),
        ((conv(3, padding=1), {"op": "GlobalAvgPool", "keepdim": False}), 32, 0, -1),
        ((conv(3), {"op": "Flatten"}, {"op": "Linear", "out_features": 4}), 30, 0, 0),
    ],
)
def test_size_stride_and_start(
    layers: tuple[dict[str, Any], ...], size: int, stride: float | Fraction, start: int
) -> None:
    field = last(chain(*layers), 1, 30)

    assert (field.size, field.stride, field.start) == (size, stride, start)


def test_a_transposed_convolution_sees_now_one_more_and_now_one_less() -> None:
    """Output o of kernel 3, stride 2 is made of the inputs (o - 2) / 2 to o / 2."""
    field = last(
        chain({"op": "ConvTranspose1d", "out_channels": 1, "kernel_size": 3, "stride": 2}), 1, 30
    )

    assert [field.at(o) for o in range(4, 8)] == [(1, 3), (2, 3), (2, 4), (3, 4)]


@pytest.mark.parametrize(("pads", "centre"), [([[1, 1]], 0.5), ([[0, 2]], 1.5), ([[2, 0]], -0.5)])
def test_unequal_padding_moves_the_centre(pads: list[list[int]], centre: float) -> None:
    """Pixel 0 reaches from 0 to 1, so with equal padding the centre is in its middle."""
    assert last(chain(conv(3, padding=pads)), 1, 30).centre == centre


def test_axes_are_told_apart() -> None:
    layers = chain(
        {"op": "Conv2d", "out_channels": 1, "kernel_size": [3, 5], "stride": [1, 2]},
        {"op": "AvgPool2d", "kernel_size": [4, 2]},
    )
    found = fields(layers, 1, 30, 40)["l1"]

    assert found is not None
    assert [(f.size, f.stride) for f in found] == [(3 + 3, 4), (5 + 2, 4)]


def test_a_pixel_shuffle_sees_the_pixel_it_came_from() -> None:
    layers = chain(
        {"op": "PixelUnshuffle", "downscale_factor": 3},
        {"op": "Conv2d", "out_channels": 4, "kernel_size": 1},
        {"op": "PixelShuffle", "upscale_factor": 2},
    )

    assert [last(layers, 1, 9, 9).at(o) for o in range(4)] == [(0, 3), (0, 3), (3, 6), (3, 6)]


def test_a_field_may_be_larger_than_the_input() -> None:
    field = last(chain(conv(3, padding="same", dilation=8), conv(3, padding="same")), 1, 9)

    assert (field.size, field.extent, field.start) == (17 + 2, 9, -9)


def test_whole_is_what_every_position_sees() -> None:
    whole = [last(chain(conv(k, padding="same")), 1, 9).whole for k in (1, 9, 15, 17, 19)]

    # The first and the last position see the pixels at the other end from kernel 2 * 8 + 1 on.
    assert whole == [False, False, False, True, True]


def test_symbols_have_closed_forms() -> None:
    n = sympy.Symbol("n", integer=True, positive=True)
    found = fields(chain(conv(3, 2), {"op": "GlobalAvgPool"}), 1, 2 * n + 1)["l1"]

    assert found is not None
    assert sympy.simplify(found[0].size - (2 * n + 1)) == 0


# Joins


RESIDUAL: Layers = {
    "stem": conv(3, 2, padding=1),
    "conv": conv(5, padding="same"),
    "add": {"op": "Add", "from": ["stem", "conv"]},
}


def test_a_join_sees_what_its_inputs_see() -> None:
    field = last(RESIDUAL, 1, 32)

    assert (field.size, field.stride, field.start) == (3 + 2 * 4, 2, -1 - 2 * 2)
    assert field.aligned


def test_a_join_of_fields_beside_each_other_sees_both() -> None:
    layers: Layers = {
        "left": {**conv(4, padding=[[3, 0]]), "from": "input"},
        "right": {**conv(3, padding=[[0, 2]]), "from": "input"},
        "concat": {"op": "Concat", "from": ["left", "right"]},
    }

    assert last(layers, 1, 30).at(10) == (10 - 3, 10 + 2 + 1)


MISALIGNED: Layers = {
    "half": {"op": "AvgPool1d", "kernel_size": 2, "ceil_mode": True},
    "back": {"op": "Upsample", "size": 15},
    "add": {"op": "Add", "from": ["back", "input"]},
    "relu": {"op": "ReLU"},
    "conv": conv(3),
}


def test_a_join_of_different_strides_names_its_paths() -> None:
    """8 positions two pixels apart are spread over 15."""
    found = fields(MISALIGNED, 1, 15)

    for name in ("add", "relu", "conv"):
        field = (found[name] or ())[0]
        assert not field.aligned
        assert field.stride is None
        assert field.paths == (("back", Fraction(16, 15)), ("input", 1))


def test_fields_beyond_a_misaligned_join_are_exact() -> None:
    """Position o is pixel o and the pair of pixels from 2 floor(8 o / 15)."""
    field = last(MISALIGNED, 1, 15)

    assert field.at(0) == (0, 4)  # pairs 0, 0 and 1
    assert field.at(12) == (12, 16)  # pairs 6, 6 and 7, whose second is padding
    assert field.size == 4


def test_a_gate_that_sees_everything_makes_all_positions_see_it() -> None:
    layers: Layers = {
        "conv": conv(3, 2, padding=1),
        "pool": {"op": "AdaptiveAvgPool1d", "output_size": 1},
        "gate": {"op": "Sigmoid"},
        "mul": {"op": "Mul", "from": ["conv", "gate"]},
        "after": conv(3, padding=1),
    }
    field = last(layers, 1, 32)

    assert field.aligned
    assert field.whole
    assert field.stride == 0


# What can't be said


def test_rearranged_elements_are_unknown_until_all_are_seen() -> None:
    """A vision transformer: patches, tokens, attention, and the first token."""
    layers: Layers = {
        "patches": {"op": "Conv2d", "out_channels": 8, "kernel_size": 4, "stride": 4},
        "flatten": {"op": "Flatten", "start_dim": 2},
        "tokens": {"op": "Permute", "dims": [0, 2, 1]},
        "norm": {"op": "LayerNorm"},
        "attention": {"op": "MultiheadAttention", "num_heads": 2},
        "add": {"op": "Add", "from": ["tokens", "attention"]},
        "linear": {"op": "Linear", "out_features": 3},
    }
    found = fields(layers, 1, 16, 24)

    assert [name for name, each in found.items() if each is None] == [
        "flatten",
        "tokens",
        "norm",
        "add",
        "linear",
    ]
    assert found["attention"] is not None
    assert [f.at(0) for f in found["attention"]] == [(0, 16), (0, 24)]


@pytest.mark.parametrize(
    "layer",
    [
        {"op": "Reshape", "shape": [1, 5, 6]},
        {"op": "Permute", "dims": [0, 2, 1]},
        {"op": "LSTM", "hidden_size": 4},
        {"op": "ConvTranspose1d", "out_channels": 1, "kernel_size": 1, "stride": 2},
        {"op": "Upsample", "scale_factor": 0.57},
    ],
)
def test_what_is_not_known_is_none_and_stays_so(layer: dict[str, Any]) -> None:
    found = fields(chain(layer, {"op": "ReLU"}, {"op": "Identity"}), 1, 30)

    assert list(found.values()) == [None, None, None]


def test_what_sees_everything_is_known_through_any_operator() -> None:
    layers = chain(
        {"op": "Flatten"}, {"op": "Reshape", "shape": [6, 5]}, {"op": "GRU", "hidden_size": 3}
    )

    assert last(layers, 1, 30).whole


def test_of_several_inputs_one_is_looked_at() -> None:
    spec = {
        "name": "net",
        "input": {"left": [1, 30], "right": [1, 30]},
        "layers": {
            "a": {**conv(3, padding="same"), "from": "left"},
            "b": {**conv(5, padding="same"), "from": "right"},
            "add": {"op": "Add", "from": ["a", "b"]},
        },
    }
    net = expand(load(spec))

    assert {name: each and each[0].size for name, each in receptive_field(net).items()} == {
        "a": 3,
        "add": 3,
    }
    assert {
        name: each and each[0].size for name, each in receptive_field(net, "right").items()
    } == {
        "b": 5,
        "add": 5,
    }
    with pytest.raises(KeyError):
        receptive_field(net, "middle")


def test_an_input_that_gives_its_extents_alone_is_not_seen() -> None:
    spec = {
        "name": "net",
        "input": {"image": [1, 30], "like": [1, 20]},
        "layers": {
            "crop": {"op": "Crop", "from": ["image", "like"]},
            "conv": conv(3),
        },
    }

    assert receptive_field(expand(load(spec)), "like") == {}


# Published: google-research/receptive_field, README.md and RECEPTIVE_FIELD_TABLE.md, which go with
# Araujo, Norris and Sim, Computing receptive fields of convolutional neural networks, Distill
# 2019. Its networks are TF-Slim's. Its alexnet_v2 and VGG have the windows that these have here, so
# sizes, strides and padding (minus our start) agree everywhere. TF-Slim's ResNets have their
# strides in the last unit of a stage, and the paper's in the first 1x1 of the next one: every 3x3
# meets the same stride, so size and stride agree at the end. The padding does not (239 and 241 for
# 50 layers): TF-Slim's maximum pooling pads nothing before.
PUBLISHED = [
    *(
        ("alexnet", *row)
        for row in [
            ("conv1", 11, 4, 0),
            ("maxpool1", 19, 8, 0),
            ("conv2", 51, 8, 16),
            ("conv3", 99, 16, 32),
            ("conv4", 131, 16, 48),
            ("conv5", 163, 16, 64),
            ("maxpool5", 195, 32, 64),
        ]
    ),
    *(
        ("vgg11", *row)
        for row in [
            ("maxpool1", 4, 2, 1),
            ("conv3.1.conv", 26, 4, 11),
            ("maxpool4", 70, 16, 27),
            ("maxpool5", 150, 32, 59),
        ]
    ),
    *(
        ("vgg16", *row)
        for row in [
            ("conv1.0.conv", 3, 1, 1),
            ("maxpool1", 6, 2, 2),
            ("conv2.0.conv", 10, 2, 4),
            ("maxpool2", 16, 4, 6),
            ("conv3.1.conv", 32, 4, 14),
            ("maxpool3", 44, 8, 18),
            ("maxpool4", 100, 16, 42),
            ("conv5.1.conv", 164, 16, 74),
            ("maxpool5", 212, 32, 90),
        ]
    ),
    ("resnet50-v1", "layer4.2.relu3", 483, 32, None),
    ("resnet101-v1", "layer4.2.relu3", 1027, 32, None),
    ("resnet152-v1", "layer4.2.relu3", 1507, 32, None),
]


@pytest.mark.parametrize(("name", "layer", "size", "stride", "padding"), PUBLISHED)
def test_published_fields(
    name: str, layer: str, size: int, stride: int, padding: int | None
) -> None:
    for field in receptive_field(expand(load(name)))[layer] or [None]:
        assert field is not None
        assert (field.size, field.stride) == (size, stride)
        assert padding is None or field.start == -padding


@pytest.mark.parametrize(
    ("name", "padding"), [("resnet50-v1", 239), ("resnet101-v1", 511), ("resnet152-v1", 751)]
)
def test_the_published_padding_of_resnets_is_that_of_tensorflows_pooling(
    name: str, padding: int
) -> None:
    """On 224 pixels TF-Slim's 3x3 maximum pooling pads one pixel after and none before."""
    pooled = expand(load(name), strided_padding=[[0, 1]])

    for field in receptive_field(pooled)["layer4.2.relu3"] or [None]:
        assert field is not None
        assert -field.start == padding


def test_a_stride_in_the_3x3_narrows_a_resnet() -> None:
    """In each of three stages one 3x3 meets half the stride: 483 - 2 * (4 + 8 + 16)."""
    found = receptive_field(expand(load("resnet50")))["layer4.2.relu3"]

    assert found is not None
    assert {field.size for field in found} == {483 - 2 * (4 + 8 + 16)}


# PyTorch's gradients


def sees(net: Graph) -> list[tuple[int, int] | None]:
    """The first and last pixel with a gradient at each position of the last layer.

    All weights are 1, so no gradients cancel.
    """

    modules = {}
    for node in net.nodes:
        made = module(node.op, *node.input_shapes, dtype=torch.float64).eval()
        for parameter in made.parameters():
            torch.nn.init.ones_(parameter)
        modules[node.name] = made

    def run(x: torch.Tensor) -> torch.Tensor:
        values = {"input": x}
        for node in net.nodes:
            values[node.name] = modules[node.name](*(values[source] for source in node.inputs))
        return values[net.nodes[-1].name].sum(1).flatten()

    x = torch.ones(net.inputs["input"], dtype=torch.float64)
    jacobian: torch.Tensor = torch.func.jacrev(run)(x)
    pixels = [row.nonzero().flatten().tolist() for row in jacobian.flatten(1)]
    return [(row[0], row[-1] + 1) if row else None for row in pixels]


def window(draw: st.DrawFn) -> dict[str, Any]:
    kernel = draw(st.integers(1, 4))
    pads = [draw(st.integers(0, 2)), draw(st.integers(0, 2))]
    stride = draw(st.integers(1, 3))
    if draw(st.booleans()):
        return conv(kernel, stride, padding=[pads], dilation=draw(st.integers(1, 2)))
    return {"op": "AvgPool1d", "kernel_size": kernel, "stride": stride}


def larger(draw: st.DrawFn) -> dict[str, Any]:
    stride = draw(st.integers(1, 3))
    if draw(st.booleans()):
        mode = draw(st.sampled_from(["nearest", "linear"]))
        return {"op": "Upsample", "scale_factor": stride, "mode": mode}
    return {
        "op": "ConvTranspose1d",
        "out_channels": 1,
        "stride": stride,
        "kernel_size": stride + draw(st.integers(0, 3)),
        "padding": draw(st.sampled_from([0, 1, 2, [[0, 1]], "same_upper", "same_lower"])),
    }


def other(draw: st.DrawFn) -> dict[str, Any]:
    return draw(
        st.sampled_from(
            [
                {"op": "Pad", "pad": [2, 1]},
                {"op": "Crop", "cropping": [[1, 2]]},
                {"op": "Slice", "dim": 2, "start": 3, "step": 2},
                {"op": "ReLU"},
                {"op": "LocalResponseNorm", "size": 3},
                {"op": "BatchNorm1d"},
            ]
        )
    )


@st.composite
def networks(draw: st.DrawFn) -> Layers:
    """A chain, at times with a branch that ends as it began, or at half the extent and back."""
    layers: Layers = {}
    for i in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from([window, window, larger, other, "branch"]))
        if kind != "branch":
            layers[f"l{i}"] = kind(draw)  # type: ignore[operator]
            continue
        begin = next(reversed(layers), "input")
        if draw(st.booleans()):
            pads = [draw(st.integers(0, 3)), draw(st.integers(0, 3))]
            layers[f"inner{i}"] = conv(sum(pads) + 1, padding=[pads])
        else:
            extra = draw(st.integers(0, 2))
            layers[f"pool{i}"] = {"op": "AvgPool1d", "kernel_size": 2}
            layers[f"inner{i}"] = {
                "op": "ConvTranspose1d",
                "out_channels": 1,
                "kernel_size": 2 + 2 * extra,
                "stride": 2,
                "padding": extra,
            }
        layers[f"join{i}"] = {
            "op": draw(st.sampled_from(["Add", "Mul"])),
            "from": [f"inner{i}", begin],
        }
    return layers


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(networks())
def test_fields_are_the_pixels_with_a_gradient(layers: Layers) -> None:
    """Of the positions in the middle third, whose fields end before the borders do."""
    try:
        net = graph(layers, 1, 96)
    except (ShapeError, SpecError):
        assume(False)
    found = receptive_field(net)[net.nodes[-1].name]
    assert found is not None
    (field,) = found
    assert field.aligned
    assume(field.size <= 30)
    pixels = sees(net)
    middle = range(len(pixels) // 3, len(pixels) - len(pixels) // 3)
    assert [field.at(o) for o in middle] == [pixels[o] for o in middle]


@pytest.mark.parametrize(
    "mode",
    [{"mode": "nearest"}, {"mode": "linear"}, {"mode": "linear", "align_corners": True}],
)
@pytest.mark.parametrize("target", [{"size": 21}, {"size": 50}, {"scale_factor": 1.5}])
def test_resampling_sees_the_pixels_with_a_gradient(
    mode: dict[str, Any], target: dict[str, Any]
) -> None:
    net = graph(chain({"op": "Upsample", **mode, **target}, conv(2)), 1, 30)
    (field,) = receptive_field(net)["l1"] or ()
    pixels = sees(net)

    for o in range(3, len(pixels) - 3):
        assert field.at(o) == pixels[o]


@pytest.mark.parametrize("size", [1, 4, 7, 9, 13])
def test_adaptive_pooling_sees_the_pixels_with_a_gradient(size: int) -> None:
    net = graph(chain({"op": "AdaptiveAvgPool1d", "output_size": size}), 1, 30)
    (field,) = receptive_field(net)["l0"] or ()

    assert [field.at(o) for o in range(size)] == sees(net)


@pytest.mark.parametrize("name", ["GlobalAvgPool", "AdaptiveAvgPool1d"])
def test_a_gate_lets_every_position_see_the_pixels_with_a_gradient(name: str) -> None:
    pool = {
        "op": name,
        **({"output_size": 1} if "output_size" in operator(name).model_fields else {}),
    }
    net = graph(
        {
            "conv": conv(3, padding=1),
            "pool": pool,
            "mul": {"op": "Mul", "from": ["conv", "pool"]},
        },
        1,
        12,
    )
    (field,) = receptive_field(net)["mul"] or ()

    assert field.whole
    assert sees(net) == [(0, 12)] * 12
