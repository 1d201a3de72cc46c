from __future__ import annotations

from typing import Any

import numpy
import pytest
import sympy
from pydantic import ValidationError

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators.base import Operator, Work
from archcalc.operators.channel_norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
)
from archcalc.operators.layer_norm import GroupNorm, LayerNorm, RMSNorm
from archcalc.operators.local_response_norm import LocalResponseNorm


def work(op: Operator, *inputs: tuple[Any, ...]) -> Work:
    return op.work(op.infer(*inputs), *inputs)


IMAGE = (2, 6, 5, 5)
STATISTICS = {"running_mean": (6,), "running_var": (6,), "num_batches_tracked": ()}
AFFINE = {"weight": (6,), "bias": (6,)}


@pytest.mark.parametrize(
    ("op", "x", "weights", "buffers"),
    [
        (BatchNorm1d(), (4, 6), AFFINE, STATISTICS),
        (BatchNorm1d(), (4, 6, 9), AFFINE, STATISTICS),
        (BatchNorm2d(), IMAGE, AFFINE, STATISTICS),
        (BatchNorm2d(affine=False), IMAGE, {}, STATISTICS),
        (BatchNorm3d(track_running_stats=False), (2, 6, 3, 5, 5), AFFINE, {}),
        (InstanceNorm2d(), IMAGE, {}, {}),
        (InstanceNorm2d(affine=True, track_running_stats=True), IMAGE, AFFINE, STATISTICS),
        (GroupNorm(num_groups=3), IMAGE, AFFINE, {}),
        (GroupNorm(num_groups=3, affine=False), IMAGE, {}, {}),
        (LayerNorm(), (2, 7, 16), {"weight": (16,), "bias": (16,)}, {}),
        (LayerNorm(normalized_shape=[7, 16], bias=False), (2, 7, 16), {"weight": (7, 16)}, {}),
        (LayerNorm(elementwise_affine=False), (2, 7, 16), {}, {}),
        (RMSNorm(), (2, 7, 16), {"weight": (16,)}, {}),
        (RMSNorm(elementwise_affine=False), (2, 7, 16), {}, {}),
        (LocalResponseNorm(size=5), IMAGE, {}, {}),
    ],
)
def test_keeps_the_shape_and_stores_tensors(
    op: Operator, x: Shape, weights: dict[str, Shape], buffers: dict[str, Shape]
) -> None:
    assert op.infer(x) == x
    assert op.weights(x) == weights
    assert op.buffers(x) == buffers


@pytest.mark.parametrize(
    ("op", "x", "counted"),
    [
        # 300 elements by a scale and a shift; 6 of these by sqrt, division, multiply and 2 adds.
        (BatchNorm2d(), IMAGE, Work(0, 300 + 12, 300 + 6, 0, 6, 6)),
        # The shift needs no add of a bias.
        (BatchNorm2d(affine=False), IMAGE, Work(0, 300 + 6, 300 + 6, 0, 6, 6)),
        (BatchNorm1d(), (4, 6), Work(0, 24 + 12, 24 + 6, 0, 6, 6)),
        (InstanceNorm2d(track_running_stats=True), IMAGE, Work(0, 306, 306, 0, 6, 6)),
        # A group of m: 3 m - 1 adds for mean, centring and variance, less 1, and 1 for eps;
        # 2 m multiplies; 3 divisions; 1 square root. Here m = 4.
        (InstanceNorm1d(), (1, 1, 4), Work(0, 3 + 4 + 3 + 1, 4 + 4, 0, 3, 1)),
        (LayerNorm(elementwise_affine=False), (1, 4), Work(0, 11, 8, 0, 3, 1)),
        (GroupNorm(num_groups=1, affine=False), (1, 2, 2), Work(0, 11, 8, 0, 3, 1)),
        (BatchNorm1d(affine=False, track_running_stats=False), (4, 1), Work(0, 11, 8, 0, 3, 1)),
        # The affine map is a multiply and an add an element more.
        (LayerNorm(), (1, 4), Work(0, 11 + 4, 8 + 4, 0, 3, 1)),
        (LayerNorm(bias=False), (1, 4), Work(0, 11, 8 + 4, 0, 3, 1)),
        (GroupNorm(num_groups=1), (1, 2, 2), Work(0, 11 + 4, 8 + 4, 0, 3, 1)),
        # As many groups as rows, as channels, as items times groups, as items times channels.
        (LayerNorm(elementwise_affine=False), (3, 5, 4), Work(0, 11, 8, 0, 3, 1) * 15),
        (
            LayerNorm(normalized_shape=[2, 2], elementwise_affine=False),
            (3, 2, 2),
            Work(0, 11, 8, 0, 3, 1) * 3,
        ),
        (
            BatchNorm1d(affine=False, track_running_stats=False),
            (2, 6, 2),
            Work(0, 11, 8, 0, 3, 1) * 6,
        ),
        (GroupNorm(num_groups=3, affine=False), (2, 6, 2), Work(0, 11, 8, 0, 3, 1) * 6),
        (InstanceNorm2d(), (2, 6, 2, 2), Work(0, 11, 8, 0, 3, 1) * 12),
        # Without a mean: 4 squares, 3 adds, 1 division; eps, root, reciprocal; 4 multiplies.
        (RMSNorm(elementwise_affine=False), (1, 4), Work(0, 3 + 1, 4 + 4, 0, 2, 1)),
        (RMSNorm(), (5, 4), Work(0, 4, 8 + 4, 0, 2, 1) * 5),
        # Square, 4 adds, by alpha / 5, plus k, power, division.
        (LocalResponseNorm(size=5), (1, 8, 2, 2), Work(0, 5, 2, 0, 1, 1) * 32),
    ],
)
def test_work_is_that_of_the_statistics_and_of_each_element(
    op: Operator, x: Shape, counted: Work
) -> None:
    assert work(op, x) == counted


@pytest.mark.parametrize(
    ("op", "x", "message"),
    [
        (BatchNorm2d(), (2, 6), r"\(N, C, H, W\), not one of 2 axes \(2, 6\)"),
        (BatchNorm1d(), IMAGE, r"\(N, C\) or \(N, C, L\), not one of 4 axes"),
        (BatchNorm1d(track_running_stats=False), (1, 6), "of 1 element a channel, where 2"),
        (InstanceNorm2d(), (2, 6, 1, 1), "of 1 element a channel, where 2"),
        (GroupNorm(num_groups=4), IMAGE, "num_groups=4 does not divide num_channels=6"),
        (
            LayerNorm(normalized_shape=15),
            (2, 7, 16),
            r"\(15\) are not the last axes of \(2, 7, 16\)",
        ),
        (LayerNorm(normalized_shape=[7, 15]), (2, 7, 16), r"\(7, 15\) are not .*\(2, 7, 16\)"),
        (RMSNorm(normalized_shape=[2, 16]), (2, 16), r"\(2, 16\) are not the last axes"),
        (LocalResponseNorm(size=5), (2, 6), r"at least 3 axes, not one of 2 \(2, 6\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_with_both_numbers(
    op: Operator, x: Shape, message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        op.infer(x)


@pytest.mark.parametrize(
    ("op", "fields", "message"),
    [
        (BatchNorm2d, {"num_features": 64}, "num_features"),
        (BatchNorm2d, {"eps": -1e-5}, "eps"),
        (GroupNorm, {}, "num_groups"),
        (LayerNorm, {"normalized_shape": []}, "at least one size"),
        (LayerNorm, {"normalized_shape": 0}, "at least 1, not 0"),
        (RMSNorm, {"bias": True}, "bias"),
        (LocalResponseNorm, {"size": 0}, "at least 1, not 0"),
    ],
)
def test_fields_that_mean_nothing_are_refused(
    op: type[Operator], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        op.model_validate(fields)


@pytest.mark.parametrize(
    ("op", "adds"),
    [
        # Of 2 * 6 * n elements: 12 n + 12.
        (BatchNorm1d(), [36, 120, 1_212]),
        # 12 rows: 3 n - 1 each, and 1 an element for the bias.
        (LayerNorm(), [12 * 7, 12 * 35, 12 * 399]),
        # 2 * 3 groups of 2 n: 6 n - 1 each, and 12 n.
        (GroupNorm(num_groups=3), [66 + 24, 318 + 108, 3_594 + 1_200]),
    ],
)
def test_arrays_and_symbols_give_the_numbers_of_ints(op: Operator, adds: list[int]) -> None:
    sizes = [2, 9, 100]
    n = sympy.Symbol("n", integer=True, positive=True)

    assert [work(op, (2, 6, size)).adds for size in sizes] == adds
    swept: Any = work(op, (2, 6, numpy.array(sizes)))
    closed: Any = work(op, (2, 6, n))
    assert swept.adds.tolist() == adds
    assert [closed.adds.subs(n, size) for size in sizes] == adds
