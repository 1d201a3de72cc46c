"""Values between elements, convolutions that look aside, and what pools a map in other ways."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import archcalc
from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators.base import Work
from archcalc.operators.pooling import MinPool2d
from archcalc.operators.pyramid import SpatialPyramidPooling
from archcalc.operators.resampling import Upsample
from archcalc.operators.response_norm import GlobalResponseNorm
from archcalc.operators.sampling import DeformConv2d, GridSample
from archcalc.pytorch import module


@pytest.mark.parametrize(
    ("mode", "work"),
    [
        # 2 x 30 positions, 2 x 8 x 30 values.
        ("nearest", Work(multiplies=120, adds=120, comparisons=120)),
        ("bilinear", Work(multiplies=120 + 240 + 1920, adds=120 + 240 + 1440)),
        ("bicubic", Work(multiplies=120 + 2400 + 7680, adds=120 + 1440 + 7200)),
    ],
)
def test_sampling_a_map(mode: str, work: Work) -> None:
    op = GridSample.model_validate({"mode": mode})
    inputs = ((2, 8, 10, 9), (2, 5, 6, 2))

    assert op.infer(*inputs) == (2, 8, 5, 6)
    assert op.work((2, 8, 5, 6), *inputs) == work


@pytest.mark.parametrize(
    ("mode", "work"),
    [
        # 2 x 30 positions, 2 x 8 x 30 values; 3 axes, 8 elements around a position.
        ("nearest", Work(multiplies=180, adds=180, comparisons=180)),
        # Weights are 8 products of 3 factors; of values 8 products and 7 sums.
        ("bilinear", Work(multiplies=180 + 960 + 3840, adds=180 + 360 + 3360)),
    ],
)
def test_sampling_a_volume(mode: str, work: Work) -> None:
    op = GridSample.model_validate({"mode": mode})
    inputs = ((2, 8, 4, 10, 9), (2, 3, 2, 5, 3))

    assert op.infer(*inputs) == (2, 8, 3, 2, 5)
    assert op.work((2, 8, 3, 2, 5), *inputs) == work


@pytest.mark.parametrize(
    ("mode", "shapes"),
    [
        ("bicubic", ((2, 8, 4, 10, 9), (2, 3, 2, 5, 3))),
        ("bilinear", ((2, 8, 4, 10, 9), (2, 3, 2, 5, 2))),
        ("bilinear", ((2, 8, 4, 10, 9), (2, 3, 2, 3))),
        ("bilinear", ((2, 8, 10, 9), (2, 3, 2, 5, 3))),
    ],
)
def test_positions_that_do_not_fit_are_refused(mode: str, shapes: tuple[Any, ...]) -> None:
    with pytest.raises(ShapeError):
        GridSample.model_validate({"mode": mode}).infer(*shapes)


def test_a_deformable_convolution_of_a_report() -> None:
    spec: dict[str, Any] = {
        "name": "b02",
        "input": {"x": [64, 64, 64], "offset": [18, 64, 64]},
        "layers": {
            "dcn": {
                "op": "DeformConv2d",
                "from": ["x", "offset"],
                "out_channels": 64,
                "kernel_size": 3,
                "padding": 1,
            }
        },
    }
    found = archcalc.analyze(archcalc.load(spec))

    # 64 kernels of 64 x 3 x 3 and their biases, at 64 x 64 positions.
    assert (found.params, found.macs) == (36_928, 150_994_944)
    # At each position 9 looks: 4 multiplies and 3 adds of 64 channels, 4 and 6 for the place.
    assert found.work.multiplies == 4096 * 9 * (4 * 64 + 4)
    assert found.work.adds == 4096 * 9 * (3 * 64 + 6) + 4096 * 64


def test_each_group_of_offsets_has_a_place_of_its_own() -> None:
    # Two groups: 25 positions of a 1x1 kernel have 2 places each, 4 multiplies and 6 adds apiece,
    # and 8 channels that are looked at with 4 and 3.
    op = DeformConv2d(out_channels=1, kernel_size=1, bias=False)
    work = op.work((1, 1, 5, 5), (1, 8, 5, 5), (1, 4, 5, 5))

    assert work.multiplies == 25 * (4 * 8 + 4 * 2)
    assert work.adds == 25 * (3 * 8 + 6 * 2)


def test_weights_of_what_is_seen_cost_a_multiply_each() -> None:
    op = DeformConv2d(out_channels=6, kernel_size=3)
    inputs = ((2, 4, 9, 8), (2, 18, 7, 6))
    output = op.infer(*inputs)
    more = op.work(output, *inputs, (2, 9, 7, 6)).multiplies - op.work(output, *inputs).multiplies

    assert more == 2 * 7 * 6 * 9 * 4


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([(2, 4, 9, 8), (2, 18, 9, 8)], "do not fit an output of"),
        ([(2, 4, 9, 8), (2, 17, 7, 6)], "multiple of 18"),
        ([(2, 4, 9, 8), (2, 54, 7, 6)], "3 groups of offsets do not divide in_channels=4"),
        ([(2, 4, 9, 8), (2, 18, 7, 6), (2, 18, 7, 6)], "offsets have 1 groups, weights 2"),
    ],
)
def test_offsets_have_to_fit(inputs: list[Shape], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        DeformConv2d(out_channels=6, kernel_size=3).infer(*inputs)


def test_without_offsets_it_is_a_convolution() -> None:
    op = DeformConv2d(out_channels=6, kernel_size=3, stride=2, padding=1, groups=2)
    x, offset = torch.randn(2, 4, 9, 8), torch.zeros(2, 36, 5, 4)
    made = module(op, (2, 4, 9, 8), (2, 36, 5, 4))
    weight, bias = made.get_parameter("weight"), made.get_parameter("bias")
    expected = F.conv2d(x, weight, bias, stride=2, padding=1, groups=2)

    torch.testing.assert_close(made(x, offset), expected, atol=1e-5, rtol=1e-4)
    # Half of all that is seen.
    half = torch.full((2, 18, 5, 4), 0.5)
    unbiased = expected - bias[:, None, None]
    torch.testing.assert_close(
        made(x, offset, half) - bias[:, None, None], unbiased / 2, atol=1e-5, rtol=1e-4
    )


def test_an_offset_is_rows_before_columns() -> None:
    made = module(
        DeformConv2d(out_channels=1, kernel_size=1, bias=False), (1, 1, 3, 3), (1, 2, 3, 3)
    )
    torch.nn.init.ones_(made.get_parameter("weight"))
    x = torch.arange(9.0).view(1, 1, 3, 3)
    offset = torch.stack([torch.ones(3, 3), torch.zeros(3, 3)])[None]

    torch.testing.assert_close(made(x, offset)[0, 0, :2], x[0, 0, 1:])


def test_a_channels_response_by_their_mean() -> None:
    # Norms 5 and 5 x 2 = 10, of which the mean is 7.5.
    op = GlobalResponseNorm(eps=0, channels_last=False)
    x = torch.tensor([[[[3.0, 4.0]], [[6.0, 8.0]]]])
    made = module(op, (1, 2, 1, 2))
    torch.nn.init.ones_(made.get_parameter("weight"))

    torch.testing.assert_close(made(x), torch.tensor([[[[5.0, 20 / 3]], [[14.0, 56 / 3]]]]))
    assert op.weights((1, 2, 1, 2)) == {"weight": (2,), "bias": (2,)}
    # Norms: 4 multiplies, 2 adds, 2 roots; 2 divisions; 2 adds and 1 division for the mean and eps;
    # 8 multiplies and 8 adds of the 4 elements.
    assert op.work((1, 2, 1, 2), (1, 2, 1, 2)) == Work(
        multiplies=12, adds=12, transcendentals=2, divisions=3
    )


def test_a_pyramid_is_its_poolings() -> None:
    op = SpatialPyramidPooling(output_sizes=(1, 2, 4))
    x = torch.randn(2, 8, 13, 11)
    made = module(op, (2, 8, 13, 11))

    # 1 + 4 + 16 positions.
    assert op.infer((2, 8, 13, 11)) == (2, 168)
    assert torch.equal(made(x)[:, :8], x.amax((2, 3)))
    assert made(x).shape == (2, 168)
    assert SpatialPyramidPooling(output_sizes=(1,)).work((1, 1), (1, 1, 4, 4)) == Work(
        comparisons=15
    )


def test_the_minimum_of_a_window() -> None:
    op = MinPool2d(kernel_size=2)
    x = torch.tensor([[[[1.0, -2.0], [3.0, 4.0]]]])

    assert module(op, (1, 1, 2, 2))(x).tolist() == [[[[-2.0]]]]
    assert op.work((1, 1, 1, 1), (1, 1, 2, 2)) == Work(comparisons=3)


@pytest.mark.parametrize(
    ("mode", "inputs", "output", "work"),
    [
        # From 8x8 to 4x4: the filter is 2 x 2 = 4 wide, rows first: 8 x 4 and then 4 x 4 values.
        ("bilinear", (1, 1, 8, 8), (4, 4), Work(multiplies=4 * 48, adds=3 * 48)),
        ("bicubic", (1, 1, 8, 8), (4, 4), Work(multiplies=8 * 48, adds=7 * 48)),
        # Enlarged, as wide as without.
        ("bilinear", (1, 1, 4, 4), (8, 8), Work(multiplies=2 * 96, adds=96)),
    ],
)
def test_antialiased_resizing_takes_wider_filters_axis_by_axis(
    mode: str, inputs: Shape, output: tuple[int, int], work: Work
) -> None:
    op = Upsample.model_validate({"size": list(output), "mode": mode, "antialias": True})
    made = module(op, inputs)
    x = torch.randn(inputs)
    expected = F.interpolate(x, size=output, mode=mode, antialias=True)

    assert op.infer(inputs) == (*inputs[:2], *output)
    assert op.work((*inputs[:2], *output), inputs) == work
    assert torch.equal(made(x), expected)
