"""Faster R-CNN on a feature pyramid and on VGG-16, against what was published of them."""

from __future__ import annotations

from functools import cache

import pytest

import archcalc
from archcalc import Analysis, SpecError


@cache
def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


def stage(name: str, stage: str) -> tuple[int, int]:
    rows = [row for row in network(name).rows if row.stage == stage]
    return sum(row.params for row in rows), sum(row.macs for row in rows)


FPN, VGG = "fasterrcnn_resnet50_fpn", "fasterrcnn_vgg16"


def test_totals_are_torchvisions() -> None:
    # FasterRCNN_ResNet50_FPN_Weights.COCO_V1: num_params 41755286, _ops 134.38.
    assert network(FPN).params == 41_755_286
    assert f"{network(FPN).macs / 1e9:.2f}" == "134.38"


def test_normalization_is_not_trained() -> None:
    # ResNet-50 has 26,560 normalized channels; each has four buffers.
    assert network(FPN).buffers == 4 * 26_560
    # Its 25,557,032 parameters without those of normalization and without the classifier.
    assert stage(FPN, "backbone")[0] == 25_557_032 - 2 * 26_560 - (2048 + 1) * 1000


def test_the_pyramid_by_hand() -> None:
    inner = sum((channels + 1) * 256 for channels in (256, 512, 1024, 2048))
    assert stage(FPN, "fpn")[0] == inner + 4 * (9 * 256 + 1) * 256


def test_one_proposing_head_works_on_every_level() -> None:
    params = (9 * 256 + 1) * 256 + (256 + 1) * 3 + (256 + 1) * 12
    positions = sum(side * side for side in (200, 100, 50, 25, 13))

    assert stage(FPN, "rpn") == (params, positions * 256 * (9 * 256 + 3 + 12))
    assert network(FPN).shared_params == params


def test_regions_are_classified_one_by_one() -> None:
    weights = 256 * 7 * 7 * 1024 + 1024 * 1024 + 1024 * (91 + 4 * 91)
    params, macs = stage(FPN, "roi_heads")

    assert macs == 1000 * weights
    assert params == weights + 1024 + 1024 + 91 + 4 * 91


def test_vgg16_by_hand() -> None:
    # VGG-16 has 138,357,544 parameters, all but 123,642,856 of them in convolutions.
    assert stage(VGG, "backbone")[0] == 138_357_544 - 123_642_856
    rpn = (9 * 512 + 1) * 512 + (512 + 1) * 2 * 9 + (512 + 1) * 4 * 9
    assert stage(VGG, "rpn")[0] == rpn
    heads = (512 * 7 * 7 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 1) * (21 + 4 * 21)
    assert stage(VGG, "roi_heads")[0] == heads


def test_an_image_gives_as_many_regions_as_are_proposed() -> None:
    analysis = archcalc.analyze(archcalc.load(VGG), batch=2, proposals=50)

    assert analysis.row("roi_heads.cls_score").shape == (100, 21)
    assert analysis.row("roi_heads.bbox_pred").shape == (100, 84)


def test_images_are_padded_to_multiples_of_32_before_they_come_in() -> None:
    # torchvision, models/detection/transform.py: size_divisible = 32.
    spec = archcalc.load("fasterrcnn_resnet50_fpn")

    assert archcalc.analyze(spec, input=[3, 320, 256]).params == 41_755_286
    with pytest.raises(SpecError, match="the nearest that fit are 3x320x320 and 3x352x352"):
        archcalc.analyze(spec, input=[3, 333, 333])
