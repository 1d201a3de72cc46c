from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy
import pytest
import sympy
from pydantic import ValidationError

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators.adaptive_pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    GlobalAvgPool,
    GlobalMaxPool,
    adaptive_total,
)
from archcalc.operators.base import Operator, Work
from archcalc.operators.pooling import (
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)
from archcalc.operators.unpooling import MaxUnpool2d, SubSampling2d


def work(op: Operator, *inputs: tuple[Any, ...]) -> Work:
    return op.work(op.infer(*inputs), *inputs)


@pytest.mark.parametrize("pool", [MaxPool2d, AvgPool2d])
@pytest.mark.parametrize(
    ("n", "k", "s", "p", "ceil_mode", "extent"),
    [
        (112, 3, 2, 0, False, 55),
        (112, 3, 2, 0, True, 56),  # GoogLeNet's pool1
        (112, 3, 2, 0, "caffe", 56),
        (5, 2, 2, 1, True, 3),
        (5, 2, 2, 1, "caffe", 3),
        (9, 4, 4, 2, True, 3),
        (9, 4, 4, 2, "caffe", 3),
        (2, 1, 2, 0, False, 1),
        (2, 1, 2, 0, True, 1),
        (2, 1, 2, 0, "caffe", 2),
    ],
)
def test_ceil_mode_keeps_a_last_window_by_the_rule_it_names(
    pool: type[Operator], n: int, k: int, s: int, p: int, ceil_mode: Any, extent: int
) -> None:
    op = pool.model_validate({"kernel_size": k, "stride": s, "padding": p, "ceil_mode": ceil_mode})

    assert op.infer((1, 3, n, n)) == (1, 3, extent, extent)


def test_caffe_drops_a_window_in_the_padding_where_any_axis_is_padded() -> None:
    """Its ``if (pad_h_ || pad_w_)`` looks at both axes before it clips either."""
    fields: dict[str, Any] = {"kernel_size": [1, 3], "stride": 2, "ceil_mode": "caffe"}

    assert MaxPool2d(padding=[0, 0], **fields).infer((1, 1, 2, 5)) == (1, 1, 2, 2)
    assert MaxPool2d(padding=[0, 1], **fields).infer((1, 1, 2, 5)) == (1, 1, 1, 3)


@pytest.mark.parametrize(
    ("op", "x", "output"),
    [
        (MaxPool1d(kernel_size=3), (2, 4, 10), (2, 4, 3)),
        (MaxPool1d(kernel_size=2, stride=1, padding=[[1, 0]]), (2, 4, 10), (2, 4, 10)),
        (MaxPool2d(kernel_size=3, stride=2), (1, 96, 55, 55), (1, 96, 27, 27)),
        (MaxPool2d(kernel_size=[2, 3]), (1, 8, 9, 9), (1, 8, 4, 3)),
        (MaxPool2d(kernel_size=3, stride=1, dilation=2), (1, 8, 9, 9), (1, 8, 5, 5)),
        (MaxPool2d(kernel_size=2, padding="same_upper"), (1, 8, 9, 7), (1, 8, 5, 4)),
        (MaxPool3d(kernel_size=[1, 2, 2]), (1, 8, 3, 9, 8), (1, 8, 3, 4, 4)),
        (AvgPool1d(kernel_size=4, stride=3, padding=2), (2, 4, 10), (2, 4, 4)),
        (AvgPool2d(kernel_size=7), (1, 1024, 7, 7), (1, 1024, 1, 1)),
        (AvgPool3d(kernel_size=2, ceil_mode=True), (1, 8, 3, 5, 4), (1, 8, 2, 3, 2)),
        (AdaptiveAvgPool1d(output_size=5), (2, 4, 7), (2, 4, 5)),
        (AdaptiveMaxPool2d(output_size=[None, 7]), (2, 4, 9, 5), (2, 4, 9, 7)),
        (AdaptiveAvgPool3d(output_size=[2, None, 1]), (2, 4, 3, 5, 7), (2, 4, 2, 5, 1)),
        (GlobalAvgPool(), (2, 8, 7, 5), (2, 8, 1, 1)),
        (GlobalAvgPool(keepdim=False), (2, 8, 7, 5), (2, 8)),
        (GlobalMaxPool(), (2, 8, 7), (2, 8, 1)),
        (SubSampling2d(), (1, 6, 28, 28), (1, 6, 14, 14)),
        (SubSampling2d(kernel_size=3, stride=2), (1, 6, 10, 9), (1, 6, 4, 4)),
    ],
)
def test_output_shapes(op: Operator, x: Shape, output: Shape) -> None:
    assert op.infer(x) == output


@pytest.mark.parametrize(
    ("op", "x", "counted"),
    [
        # 27 * 27 * 96 maxima of 9 elements.
        (MaxPool2d(kernel_size=3, stride=2), (1, 96, 55, 55), Work(comparisons=69_984 * 8)),
        # 2 * 2 maxima of 4 elements, padding among them.
        (MaxPool2d(kernel_size=2, padding=1), (1, 1, 2, 2), Work(comparisons=4 * 3)),
        (MaxPool1d(kernel_size=3, dilation=2), (1, 1, 5), Work(comparisons=2)),
        (MaxPool3d(kernel_size=2), (1, 1, 2, 2, 4), Work(comparisons=2 * 7)),
        # 1024 averages of 49.
        (AvgPool2d(kernel_size=7), (1, 1024, 7, 7), Work(adds=1_024 * 48, divisions=1_024)),
        (
            AvgPool2d(kernel_size=2, stride=1, count_include_pad=False, divisor_override=3),
            (1, 1, 3, 3),
            Work(adds=4 * 3, divisions=4),
        ),
        (GlobalAvgPool(), (2, 8, 7, 7), Work(adds=16 * 48, divisions=16)),
        (GlobalAvgPool(keepdim=False), (2, 8, 7, 7), Work(adds=16 * 48, divisions=16)),
        (GlobalMaxPool(), (2, 8, 7, 7), Work(comparisons=16 * 48)),
        # Windows of 2, 2, 3, 2 and 2 elements.
        (AdaptiveAvgPool1d(output_size=5), (1, 1, 7), Work(adds=11 - 5, divisions=5)),
        (AdaptiveMaxPool1d(output_size=5), (3, 2, 7), Work(comparisons=6 * (11 - 5))),
        # Upsampling: 7 windows of 1, 2, 2, 1, 2, 2, 1 on 5 elements.
        (AdaptiveMaxPool1d(output_size=7), (1, 1, 5), Work(comparisons=11 - 7)),
        # 236 elements an axis in 13 windows.
        (
            AdaptiveAvgPool2d(output_size=13),
            (1, 1, 224, 224),
            Work(adds=236 * 236 - 169, divisions=169),
        ),
        # An axis that is kept has windows of one element.
        (AdaptiveAvgPool2d(output_size=[5, None]), (1, 1, 7, 9), Work(adds=9 * 6, divisions=45)),
        (AdaptiveAvgPool2d(output_size=1), (1, 512, 7, 7), Work(adds=512 * 48, divisions=512)),
        # LeNet-5's S2: 6 * 14 * 14 sums of 4.
        (SubSampling2d(), (1, 6, 28, 28), Work(macs=1_176 * 4, adds=1_176, dots=1_176)),
    ],
)
def test_work_is_that_of_every_window(op: Operator, x: Shape, counted: Work) -> None:
    assert work(op, x) == counted


@pytest.mark.parametrize("o", range(1, 14))
def test_adaptive_windows_hold_what_their_ends_say(o: int) -> None:
    for n in range(1, 30):
        ends = [(i * n // o, ((i + 1) * n + o - 1) // o) for i in range(o)]

        assert adaptive_total(n, o) == sum(end - start for start, end in ends)


def test_lenet_s2_has_12_trainable_parameters() -> None:
    """LeCun et al. 1998, section II B: "Layer S2 has 12 trainable parameters"."""
    assert SubSampling2d().weights((1, 6, 28, 28)) == {"weight": (6,), "bias": (6,)}


@pytest.mark.parametrize("pool", [MaxPool2d, AvgPool2d])
def test_stride_is_the_kernel_unless_told(pool: type[Operator]) -> None:
    op = pool.model_validate({"kernel_size": [2, 3]})

    assert op == pool.model_validate({"kernel_size": [2, 3], "stride": [2, 3]})
    assert op != pool.model_validate({"kernel_size": [2, 3], "stride": 1})


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (MaxPool2d(kernel_size=2), ((1, 3, 8),), r"\(N, C, H, W\).*3 axes"),
        (MaxPool2d(kernel_size=3), ((1, 3, 8, 2),), "kernel 3 is larger than its input 2"),
        (MaxPool2d(kernel_size=3, padding=2), ((1, 3, 8, 8),), "padding=2 .*half the kernel 3"),
        (AvgPool2d(kernel_size=2, padding=2), ((1, 3, 8, 8),), "padding=2 .*half the kernel 2"),
        (
            MaxPool2d(kernel_size=2, padding=[[0, 2]]),
            ((1, 3, 8, 8),),
            "padding=2 is not smaller than the kernel 2",
        ),
        (AdaptiveAvgPool2d(output_size=1), ((1, 3, 8),), r"\(N, C, H, W\).*3 axes"),
        (GlobalAvgPool(), ((2, 8),), r"at least 3 axes, not one of 2 \(2, 8\)"),
        (SubSampling2d(), ((1, 6, 1, 8),), "kernel 2 is larger than its input 1"),
        (
            MaxUnpool2d(kernel_size=2),
            ((1, 3, 4, 4), (1, 3, 10, 10)),
            r"\(1, 3, 4, 4\) .*\(1, 3, 5, 5\).*\(1, 3, 10, 10\)",
        ),
        (
            MaxUnpool2d(kernel_size=2),
            ((1, 4, 5, 5), (1, 3, 10, 10)),
            r"\(1, 4, 5, 5\) .*\(1, 3, 5, 5\)",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused_with_both_numbers(
    op: Operator, inputs: tuple[Shape, ...], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        op.infer(*inputs)


def test_padding_may_be_half_of_the_dilated_kernel() -> None:
    assert MaxPool2d(kernel_size=3, stride=1, padding=2, dilation=2).infer((1, 3, 8, 8)) == (
        (1, 3, 8, 8)
    )


@pytest.mark.parametrize(
    ("op", "fields", "message"),
    [
        (MaxPool2d, {"kernel_size": 0}, "at least 1, not 0"),
        (MaxPool2d, {"kernel_size": [2, 2, 2], "stride": None}, "list of 2"),
        (MaxPool2d, {"kernel_size": 2, "ceil_mode": "tensorflow"}, "ceil_mode"),
        (AvgPool2d, {"kernel_size": 2, "dilation": 2}, "dilation"),
        (AvgPool1d, {"kernel_size": 2, "divisor_override": 2}, "divisor_override"),
        (AdaptiveAvgPool2d, {"output_size": 0}, "at least 1, not 0"),
        (AdaptiveAvgPool2d, {"output_size": [1, 2, 3]}, "list of 2"),
        (AdaptiveAvgPool1d, {"output_size": None}, "null would pool nothing"),
    ],
)
def test_fields_that_mean_nothing_are_refused(
    op: type[Operator], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        op.model_validate(fields)


@pytest.mark.parametrize(
    ("op", "x", "pooled"),
    [
        (MaxUnpool2d(kernel_size=2), (1, 3, 4, 5), (1, 3, 8, 10)),
        (MaxUnpool2d(kernel_size=2), (1, 3, 4, 5), (1, 3, 9, 10)),
        (MaxUnpool2d(kernel_size=2, ceil_mode=True), (1, 64, 23, 30), (1, 64, 45, 60)),
    ],
)
def test_unpooling_gives_back_the_shape_that_was_pooled_and_computes_nothing(
    op: MaxUnpool2d, x: Shape, pooled: Shape
) -> None:
    undone = MaxPool2d(kernel_size=2, ceil_mode=op.ceil_mode)

    assert undone.infer(pooled) == x
    assert op.infer(x, pooled) == pooled
    assert work(op, x, pooled) == Work()


def numbers(op: Operator, x: tuple[Any, ...]) -> list[Any]:
    output = op.infer(x)
    return [*output[2:], *astuple(op.work(output, x))]


@pytest.mark.parametrize(
    "op",
    [
        MaxPool1d(kernel_size=3, stride=2, ceil_mode=True),
        MaxPool1d(kernel_size=1, stride=2, ceil_mode="caffe"),
        AvgPool1d(kernel_size=2, padding="same_upper"),
        AdaptiveAvgPool1d(output_size=5),
        AdaptiveMaxPool1d(output_size=12),
        GlobalAvgPool(),
        GlobalMaxPool(keepdim=False),
    ],
)
def test_arrays_and_symbols_give_the_numbers_of_ints(op: Operator) -> None:
    sizes = [5, 6, 7, 10, 224]
    n = sympy.Symbol("n", integer=True, positive=True)
    ints = [numbers(op, (2, 3, size)) for size in sizes]

    swept = numbers(op, (2, 3, numpy.array(sizes)))
    closed = numbers(op, (2, 3, n))

    assert [[q[i] if numpy.ndim(q) else q for q in swept] for i in range(len(sizes))] == ints
    assert [[sympy.sympify(q).subs(n, size) for q in closed] for size in sizes] == ints


def test_an_output_size_may_be_swept_too() -> None:
    sizes = [5, 7, 13]

    swept: Any = work(AdaptiveAvgPool1d(output_size=numpy.array(sizes)), (1, 1, 7))

    # 11 elements in 5 windows, 7 in 7, and 7 + 13 - 1 in 13.
    assert swept.adds.tolist() == [11 - 5, 0, 19 - 13]


@pytest.mark.parametrize(
    ("op", "n", "target", "ends"),
    [
        (MaxPool1d(kernel_size=2, padding=1), 8, "nn.MaxPool1d", {"padding": (1,)}),
        (
            MaxPool1d(kernel_size=3, stride=2, ceil_mode=True),
            112,
            "nn.MaxPool1d",
            {"padding": (0,), "ceil_mode": True},
        ),
        (
            MaxPool1d(kernel_size=3, stride=2, padding="same_upper"),
            112,
            "archcalc.PaddedMaxPool1d",
            {"pads": ((0, 1),), "overhang": (0,)},
        ),
        (
            AvgPool1d(kernel_size=3, stride=2, ceil_mode="caffe"),
            112,
            "archcalc.PaddedAvgPool1d",
            {"pads": ((0, 0),), "overhang": (1,)},
        ),
    ],
)
def test_pytorch_pools_by_itself_what_it_has_a_word_for(
    op: Operator, n: int, target: str, ends: dict[str, Any]
) -> None:
    call = op.torch((1, 3, n))

    assert call.target == target
    assert ends.items() <= call.kwargs.items()
