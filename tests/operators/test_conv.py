from __future__ import annotations

from dataclasses import astuple
from math import prod
from typing import Any

import numpy
import pytest
import sympy
import torch
from pydantic import ValidationError

from archcalc.dims import Shape, Size
from archcalc.errors import ShapeError
from archcalc.operators.base import Operator, Work
from archcalc.operators.conv import Conv1d, Conv2d, Conv3d
from archcalc.operators.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from archcalc.pytorch import module


def work(op: Operator, *inputs: tuple[Any, ...]) -> Work:
    return op.work(op.infer(*inputs), *inputs)


def params(op: Operator, *inputs: Shape) -> Size:
    return sum(map(prod, op.weights(*inputs).values()))


@pytest.mark.parametrize(
    ("op", "x", "output"),
    [
        (Conv1d(out_channels=8, kernel_size=3), (2, 4, 10), (2, 8, 8)),
        (Conv2d(out_channels=96, kernel_size=11, stride=4), (1, 3, 227, 227), (1, 96, 55, 55)),
        (Conv2d(out_channels=6, kernel_size=[7, 3]), (1, 3, 10, 10), (1, 6, 4, 8)),
        (Conv2d(out_channels=6, kernel_size=3, dilation=2), (1, 3, 10, 10), (1, 6, 6, 6)),
        (Conv2d(out_channels=6, kernel_size=3, padding=[0, 1]), (1, 3, 9, 9), (1, 6, 7, 9)),
        (Conv2d(out_channels=6, kernel_size=2, padding=[[0, 1]]), (1, 3, 9, 9), (1, 6, 9, 9)),
        (
            Conv2d(out_channels=64, kernel_size=7, stride=2, padding="same_upper"),
            (1, 3, 224, 224),
            (1, 64, 112, 112),
        ),
        (Conv3d(out_channels=4, kernel_size=3, stride=2), (1, 2, 5, 7, 9), (1, 4, 2, 3, 4)),
        # (n - 1) s - 2 p + d (k - 1) + output_padding + 1
        (ConvTranspose1d(out_channels=6, kernel_size=4, stride=2), (2, 4, 10), (2, 6, 22)),
        (
            ConvTranspose2d(out_channels=16, kernel_size=4, stride=2, padding=1),
            (1, 8, 10, 10),
            (1, 16, 20, 20),
        ),
        (
            ConvTranspose2d(out_channels=4, kernel_size=3, stride=2, dilation=2, output_padding=1),
            (1, 8, 5, 7),
            (1, 4, 14, 18),
        ),
        (
            ConvTranspose3d(out_channels=4, kernel_size=2, stride=2),
            (1, 2, 3, 4, 5),
            (1, 4, 6, 8, 10),
        ),
    ],
)
def test_output_shapes(op: Operator, x: Shape, output: Shape) -> None:
    assert op.infer(x) == output


def test_alexnet_conv1() -> None:
    """55 * 55 * 96 = 290,400 outputs of 11 * 11 * 3 = 363 products (CS231n, convolution notes)."""
    op, x = Conv2d(out_channels=96, kernel_size=11, stride=4), (1, 3, 227, 227)

    assert op.weights(x) == {"weight": (96, 3, 11, 11), "bias": (96,)}
    assert params(op, x) == 34_848 + 96
    assert work(op, x) == Work(macs=290_400 * 363, adds=290_400, dots=290_400)


def test_a_kernel_is_divided_by_the_groups_once() -> None:
    op = Conv2d(out_channels=8, kernel_size=3, padding=1, groups=8, bias=False)

    assert op.weights((1, 8, 10, 10)) == {"weight": (8, 1, 3, 3)}
    assert work(op, (1, 8, 10, 10)) == Work(macs=7_200, dots=800)


def test_zeros_of_the_padding_are_counted() -> None:
    """Of 14 * 14 * 9 taps 1,600 = 40 * 40 meet the input: 13 + 14 + 13 an axis."""
    op = Conv2d(out_channels=1, kernel_size=3, padding=1, bias=False)

    assert work(op, (1, 1, 14, 14)).macs == 1_764


def test_the_textbook_counts_one_operation_less_a_dot_product() -> None:
    """K products and K - 1 adds each: 25 + 24 for every one of 28 * 28 outputs of LeNet-5's C1."""
    counted = work(Conv2d(out_channels=1, kernel_size=5, bias=False), (1, 1, 32, 32))

    assert 2 * counted.macs - counted.dots == 28 * 28 * 49


@pytest.mark.parametrize(("groups", "macs", "weights"), [(1, 204_800, 2_048), (4, 51_200, 512)])
def test_a_transposed_convolution_multiplies_at_input_positions(
    groups: int, macs: int, weights: int
) -> None:
    op = ConvTranspose2d(out_channels=16, kernel_size=4, stride=2, padding=1, groups=groups)
    x = (1, 8, 10, 10)

    assert op.weights(x) == {"weight": (8, 16 // groups, 4, 4), "bias": (16,)}
    assert params(op, x) == weights + 16
    assert work(op, x).macs == macs
    assert work(op, x).adds == 16 * 20 * 20


@pytest.mark.parametrize(
    ("op", "x", "message"),
    [
        (Conv2d(out_channels=8, kernel_size=3), (3, 8, 8), r"\(N, C, H, W\).*3 axes \(3, 8, 8\)"),
        (
            Conv2d(out_channels=64, kernel_size=3, groups=32),
            (1, 63, 8, 8),
            "groups=32 does not divide in_channels=63",
        ),
        (
            Conv2d(out_channels=9, kernel_size=3, groups=2),
            (1, 8, 8, 8),
            "groups=2 does not divide out_channels=9",
        ),
        (
            Conv2d(out_channels=8, kernel_size=9),
            (1, 3, 8, 8),
            "kernel 9 is larger than its input 8",
        ),
        (
            Conv2d(out_channels=8, kernel_size=3, stride=2, padding="same"),
            (1, 3, 8, 8),
            "stride 1, as in PyTorch, not 2",
        ),
        (
            ConvTranspose2d(out_channels=8, kernel_size=3, stride=2, output_padding=2),
            (1, 3, 8, 8),
            "output_padding=2 is not below stride=2",
        ),
        (
            ConvTranspose2d(out_channels=8, kernel_size=1, padding=1),
            (1, 3, 2, 2),
            "padding=1 leaves 0 of an output of 2",
        ),
        (
            ConvTranspose2d(out_channels=8, kernel_size=1, groups=2),
            (1, 3, 2, 2),
            "groups=2 does not divide in_channels=3",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused_with_both_numbers(
    op: Operator, x: Shape, message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        op.infer(x)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"out_channels": 0, "kernel_size": 3}, "at least 1, not 0"),
        ({"out_channels": 8, "kernel_size": [3, 3, 3]}, "list of 2"),
        ({"out_channels": 8, "kernel_size": 3, "stride": 0}, "at least 1, not 0"),
        ({"out_channels": 8, "kernel_size": 3, "padding": "full"}, "'full'"),
        ({"out_channels": 2**41, "kernel_size": 3}, "too large"),
        ({"kernel_size": 3}, "out_channels"),
    ],
)
def test_fields_that_mean_nothing_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Conv2d(**fields)


def test_a_transposed_convolution_has_no_same_padding_of_pytorch() -> None:
    with pytest.raises(ValidationError, match="should be same_upper or same_lower"):
        ConvTranspose2d.model_validate({"out_channels": 1, "kernel_size": 2, "padding": "same"})


# ONNX, ConvTranspose: total = s (n - 1) + output_padding + d (k - 1) + 1 - n s, which is
# output_padding + d (k - 1) + 1 - s whatever n is, and the odd element after for SAME_UPPER.
SAME = [
    # k, s, d, output_padding, SAME_UPPER, SAME_LOWER
    (3, 1, 1, 0, (1, 1), (1, 1)),  # 3 - 1 = 2
    (4, 2, 1, 0, (1, 1), (1, 1)),  # 4 - 2 = 2
    (3, 2, 1, 0, (0, 1), (1, 0)),  # 3 - 2 = 1
    (3, 2, 1, 1, (1, 1), (1, 1)),  # 1 + 3 - 2 = 2
    (5, 2, 1, 0, (1, 2), (2, 1)),  # 5 - 2 = 3
    (3, 2, 2, 0, (1, 2), (2, 1)),  # 2 * 2 + 1 - 2 = 3
    (2, 2, 1, 0, (0, 0), (0, 0)),
    # The kernel reaches none of the last outputs, which are zeros then: 2 - 3 = -1, 1 - 3 = -2.
    (2, 3, 1, 0, (0, -1), (0, -1)),
    (1, 3, 1, 0, (0, -2), (0, -2)),
]


@pytest.mark.parametrize(("k", "s", "d", "o", "upper", "lower"), SAME)
def test_same_padding_of_a_transposed_convolution_makes_it_n_times_the_stride(
    k: int, s: int, d: int, o: int, upper: tuple[int, int], lower: tuple[int, int]
) -> None:
    for padding, pads in (("same_upper", upper), ("same_lower", lower)):
        fields = {"kernel_size": k, "stride": s, "dilation": d, "output_padding": o}
        op = ConvTranspose1d(out_channels=2, padding=padding, **fields)
        for n in (1, 5, 8):
            assert op.pads((1, 3, n)) == (pads,)
            assert op.infer((1, 3, n)) == (1, 2, n * s)
            # Every input element meets the whole kernel, however much is cut off afterwards.
            assert work(op, (1, 3, n)).macs == n * 3 * 2 * k


@pytest.mark.parametrize(("k", "s", "d", "o", "upper", "lower"), [c for c in SAME if not c[3]])
def test_same_padding_is_that_of_the_convolution_whose_gradient_it_is(
    k: int, s: int, d: int, o: int, upper: tuple[int, int], lower: tuple[int, int]
) -> None:
    # TensorFlow defines conv2d_transpose as the gradient of conv2d, so SAME is SAME's gradient.
    n = 5
    torch.manual_seed(0)
    for padding in ("same_upper", "same_lower"):
        fields = {"kernel_size": k, "stride": s, "dilation": d, "padding": padding, "bias": False}
        up = module(ConvTranspose1d(out_channels=3, **fields), (2, 4, n))
        down = module(Conv1d(out_channels=4, **fields), (2, 3, n * s))
        down.load_state_dict(up.state_dict())
        small = torch.randn(2, 4, n)
        large = torch.randn(2, 3, n * s, requires_grad=True)
        (gradient,) = torch.autograd.grad(down(large), large, small)
        assert torch.allclose(up(small), gradient, atol=1e-5)


def test_what_a_transposed_convolution_is_cut_by_may_differ_at_the_ends() -> None:
    # (5 - 1) * 2 + 4 = 12, of which one is cut off before and three after
    op = ConvTranspose1d(out_channels=1, kernel_size=4, stride=2, padding=[[1, 3]], bias=False)
    assert op.infer((1, 1, 5)) == (1, 1, 8)
    x = torch.randn(1, 1, 5)
    made = module(op, (1, 1, 5))
    whole = torch.nn.functional.conv_transpose1d(x, made.state_dict()["weight"], stride=2)
    assert torch.equal(made(x), whole[..., 1:-3])


@pytest.mark.parametrize(
    ("kernel", "padding", "target", "said"),
    [
        (4, "same_upper", "nn.ConvTranspose1d", {"padding": (1,), "output_padding": (0,)}),
        # More is cut off before than after: less of the end is what output_padding leaves.
        (3, "same_lower", "nn.ConvTranspose1d", {"padding": (1,), "output_padding": (1,)}),
        (1, "same_upper", "nn.ConvTranspose1d", {"padding": (0,), "output_padding": (1,)}),
        (3, "same_upper", "archcalc.CroppedConvTranspose1d", {"cropping": ((0, 1),)}),
    ],
)
def test_pytorch_is_asked_to_cut_what_it_can(
    kernel: int, padding: str, target: str, said: dict[str, Any]
) -> None:
    op = ConvTranspose1d(out_channels=1, kernel_size=kernel, stride=2, padding=padding)
    call = op.torch((1, 1, 5))
    assert call.target == target
    assert {name: call.kwargs[name] for name in said} == said


@pytest.mark.parametrize(
    ("stride", "dilation", "target"),
    [
        (1, 1, "archcalc.CroppedConvTranspose1d"),
        (2, 1, "nn.ConvTranspose1d"),
        (1, 2, "nn.ConvTranspose1d"),
    ],
)
def test_pytorch_leaves_less_at_the_end_than_a_stride_or_a_dilation(
    stride: int, dilation: int, target: str
) -> None:
    # One is cut off before and none after: with padding=1 the end would have one more.
    op = ConvTranspose1d(
        out_channels=1, kernel_size=3, stride=stride, dilation=dilation, padding=[[1, 0]]
    )
    assert op.torch((1, 1, 5)).target == target
    assert module(op, (1, 1, 5))(torch.randn(1, 1, 5)).shape == op.infer((1, 1, 5))


@pytest.mark.parametrize("padding", [1, [[0, 1]], "same_upper", "same_lower"])
def test_arrays_and_symbols_give_the_numbers_of_ints(padding: Any) -> None:
    op = Conv2d(out_channels=4, kernel_size=3, stride=2, padding=padding)
    sides = [5, 8, 13]
    n = sympy.Symbol("n", integer=True, positive=True)
    ints = [work(op, (2, 3, side, side)) for side in sides]

    swept: Any = work(op, (2, 3, numpy.array(sides), numpy.array(sides)))
    closed: Any = work(op, (2, 3, n, n))

    assert swept.macs.tolist() == [w.macs for w in ints]
    assert [closed.macs.subs(n, side) for side in sides] == [w.macs for w in ints]


def test_width_may_be_swept_too() -> None:
    widths = [4, 6]
    op = Conv2d(out_channels=numpy.array(widths), kernel_size=3, groups=2)

    swept: Any = work(op, (1, 8, 5, 5))

    for i, width in enumerate(widths):
        one = work(Conv2d(out_channels=width, kernel_size=3, groups=2), (1, 8, 5, 5))
        assert tuple(n[i] if numpy.ndim(n) else n for n in astuple(swept)) == astuple(one)


@pytest.mark.parametrize(
    ("fields", "target", "padding"),
    [
        ({"padding": 1}, "nn.Conv2d", {"padding": (1, 1)}),
        ({"padding": "same"}, "nn.Conv2d", {"padding": "same"}),
        ({"padding": "same_upper"}, "nn.Conv2d", {"padding": (1, 1)}),
        (
            {"padding": "same_upper", "stride": 2},
            "archcalc.PaddedConv2d",
            {"pads": ((0, 1), (0, 1))},
        ),
    ],
)
def test_pytorch_pads_by_itself_only_what_is_symmetric(
    fields: dict[str, Any], target: str, padding: dict[str, Any]
) -> None:
    call = Conv2d(out_channels=8, kernel_size=3, **fields).torch((1, 3, 8, 8))

    assert call.target == target
    assert padding.items() <= call.kwargs.items()
