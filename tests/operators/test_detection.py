"""Regions cut from maps, and batch normalization with nothing trained."""

from __future__ import annotations

import pytest
import torch

from archcalc.errors import ShapeError
from archcalc.operators.base import Work
from archcalc.operators.detection import FrozenBatchNorm2d, RoIAlign, RoIPool
from archcalc.pytorch import module


def test_regions_of_all_levels_of_a_pyramid_become_one_batch() -> None:
    align = RoIAlign(output_size=7, rois=1000)
    levels = [(2, 256, 200 // 2**k, 304 // 2**k) for k in range(4)]

    assert align.infer(*levels) == (2000, 256, 7, 7)


def test_maps_of_unlike_channels_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"maps \(1, 8, 4, 4\) and \(1, 9, 2, 2\) differ"):
        RoIAlign(output_size=7, rois=1).infer((1, 8, 4, 4), (1, 9, 2, 2))


def test_a_sampled_element_is_the_mean_of_points_between_four() -> None:
    align = RoIAlign(output_size=7, rois=10, sampling_ratio=2)
    x = (1, 8, 20, 20)
    count = 10 * 8 * 7 * 7

    # 4 points of 4 multiplies and 3 adds; their sum is 3 adds more, and a division.
    expected = Work(multiplies=16 * count, adds=(12 + 3) * count, divisions=count)
    assert align.work(align.infer(x), x) == expected


def test_one_point_needs_no_mean() -> None:
    align = RoIAlign(output_size=1, rois=1, sampling_ratio=1)

    assert align.work((1, 1, 1, 1), (1, 1, 5, 5)) == Work(multiplies=4, adds=3)


def test_regions_pooled_are_compared_window_by_window() -> None:
    pool = RoIPool(output_size=2, rois=3, region=[5, 4])
    x = (1, 8, 10, 12)

    # Of 5 rows the windows are 0-2 and 2-4, 6 rows in all, and of 4 columns 0-1 and 2-3: 6 * 4
    # elements in 4 windows, 20 comparisons a channel and region.
    assert pool.work(pool.infer(x), x) == Work(comparisons=20 * 8 * 3)


def test_without_extents_a_region_is_the_whole_map() -> None:
    x = (1, 8, 14, 14)

    assert RoIPool(output_size=7, rois=1).work((1, 8, 7, 7), x) == Work(comparisons=8 * 49 * 3)


def test_what_is_constant_stays_constant_in_every_region() -> None:
    x = torch.full((2, 3, 10, 14), 5.0)
    for op in (RoIAlign(output_size=[3, 2], rois=4), RoIPool(output_size=3, rois=4, region=4)):
        y = module(op, x.shape)(x)
        assert y.shape == op.infer(tuple(x.shape))
        assert torch.allclose(y, torch.full_like(y, 5.0))


def test_regions_of_an_image_stay_together() -> None:
    x = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])
    for op in (RoIAlign(output_size=2, rois=4), RoIPool(output_size=2, rois=4)):
        y = module(op, x.shape)(x)
        assert y.mean((1, 2, 3)).tolist() == [0] * 4 + [1] * 4


def test_frozen_normalization_trains_nothing() -> None:
    norm = FrozenBatchNorm2d()
    x = (1, 64, 10, 10)

    assert norm.weights(x) == {}
    assert norm.buffers(x) == dict.fromkeys(
        ("weight", "bias", "running_mean", "running_var"), (64,)
    )


def test_frozen_normalization_computes_what_batch_normalization_does() -> None:
    x = torch.randn(2, 4, 5, 5)
    frozen = module(FrozenBatchNorm2d(), x.shape)
    batch_norm = torch.nn.BatchNorm2d(4).eval()
    for name in ("weight", "bias", "running_mean", "running_var"):
        drawn = torch.rand(4) + 0.5
        getattr(frozen, name).copy_(drawn)
        getattr(batch_norm, name).data.copy_(drawn)

    assert torch.allclose(frozen(x), batch_norm(x), atol=1e-6)
