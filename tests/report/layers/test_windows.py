"""The window of a layer."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc.report.layers.columns import print_padding, print_per_axis
from archcalc.report.layers.windows import window

WINDOWS: list[tuple[dict[str, Any], tuple[int, ...], Any, Any, Any]] = [
    (
        {"op": "Conv2d", "out_channels": 8, "kernel_size": [3, 1], "stride": 2, "padding": [1, 0]},
        (3, 9, 9),
        (3, 1),
        (2, 2),
        ((1, 1), (0, 0)),
    ),
    # TensorFlow's SAME at 224 and stride 2: 7 - 2 = 5 in all, the odd one at the end
    (
        {
            "op": "Conv2d",
            "out_channels": 8,
            "kernel_size": 7,
            "stride": 2,
            "padding": "same_upper",
        },
        (3, 224, 224),
        (7, 7),
        (2, 2),
        ((2, 3), (2, 3)),
    ),
    ({"op": "MaxPool2d", "kernel_size": 2}, (3, 8, 8), (2, 2), (2, 2), ((0, 0), (0, 0))),
    (
        {"op": "ConvTranspose1d", "out_channels": 8, "kernel_size": 4, "stride": 2, "padding": 1},
        (3, 10),
        (4,),
        (2,),
        ((1, 1),),
    ),
    ({"op": "GlobalAvgPool"}, (3, 7, 5), (7, 5), (7, 5), ((0, 0), (0, 0))),
    ({"op": "AdaptiveAvgPool2d", "output_size": 3}, (3, 6, 9), (2, 3), (2, 3), ((0, 0), (0, 0))),
    # 7 into 5: windows of 2, 2, 3, 2, 2
    ({"op": "AdaptiveAvgPool1d", "output_size": 5}, (3, 7), None, None, None),
]


@pytest.mark.parametrize(("op", "shape", "kernel", "stride", "padding"), WINDOWS)
def test_windows_are_those_of_the_input_at_hand(
    op: dict[str, Any], shape: tuple[int, ...], kernel: Any, stride: Any, padding: Any
) -> None:
    spec = archcalc.load({"name": "one", "input": list(shape), "layers": {"layer": op}})
    found = window(archcalc.expand(spec).nodes[0])
    assert found is not None
    assert (found.kernel, found.stride, found.padding) == (kernel, stride, padding)


@pytest.mark.parametrize("op", ["ReLU", "LocalResponseNorm", "Flatten", "BatchNorm2d"])
def test_other_operators_have_none(op: str) -> None:
    fields = {"op": op, "size": 5} if op == "LocalResponseNorm" else {"op": op}
    spec = archcalc.load({"name": "one", "input": [3, 8, 8], "layers": {"layer": fields}})
    assert window(archcalc.expand(spec).nodes[0]) is None


@pytest.mark.parametrize(
    ("pads", "printed"),
    [
        (((2, 2), (2, 2)), "2"),
        (((0, 1), (0, 1)), "0+1"),
        (((1, 1), (0, 0)), "1x0"),
        (((0, 1), (2, 2)), "0+1x2"),
    ],
)
def test_padding_is_one_number_where_all_ends_are_alike(
    pads: tuple[tuple[int, int], ...], printed: str
) -> None:
    assert print_padding(pads) == printed


def test_sizes_are_one_number_where_the_axes_are_alike() -> None:
    assert print_per_axis((4, 4)) == "4"
    assert print_per_axis((2, 1)) == "2x1"
