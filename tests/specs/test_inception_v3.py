"""Inception-v3, against torchvision, the paper's table 1 and Google's receptive fields."""

from __future__ import annotations

from functools import cache

import pytest

import archcalc
from archcalc import Analysis
from archcalc.analysis.receptive_field import Field, receptive_field


@cache
def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


@cache
def fields() -> dict[str, tuple[Field, ...] | None]:
    return receptive_field(archcalc.expand(archcalc.load("inception_v3")))


def output(stage: str) -> tuple[int, ...]:
    """Channels and extents that a stage gives."""
    rows = [row for row in network("inception_v3").rows if row.name.split(".")[0] == stage]
    return rows[-1].shape[1:]


def test_params_are_torchvisions_with_and_without_the_auxiliary_classifier() -> None:
    # torchvision's table of weights; torchvision with aux_logits=False, and timm.
    assert network("inception_v3").params == 27_161_264
    assert network("inception_v3-no-aux").params == 23_834_568


def test_the_auxiliary_classifier_by_hand() -> None:
    # 1x1 to 128, 5x5 to 768, both normalized; the classifier.
    aux = 768 * 128 + 2 * 128 + 25 * 128 * 768 + 2 * 768 + (768 + 1) * 1000
    rows = [row for row in network("inception_v3").rows if row.stage == "AuxLogits"]
    assert sum(row.params for row in rows) == aux == 27_161_264 - 23_834_568
    assert not any(row.executed for row in rows)
    assert network("inception_v3").executed_params == 23_834_568


def test_macs_are_torchvisions() -> None:
    # torch's own counter on torchvision's model, halved; torchvision's table prints 5.71 G.
    assert network("inception_v3").macs == 5_713_216_096


def test_macs_in_training_are_those_of_the_auxiliary_classifier_too() -> None:
    # On 5x5: a 1x1 to 128 channels; then one 5x5 to 768, and the classifier.
    trained = archcalc.analyze(archcalc.load("inception_v3"), training=True)
    aux = 25 * 768 * 128 + 25 * 128 * 768 + 768 * 1000
    assert trained.macs - network("inception_v3").macs == aux


# The comments of torchvision's forward pass, models/inception.py: channels and side.
SHAPES = {
    "Conv2d_1a_3x3": (32, 149),
    "Conv2d_2a_3x3": (32, 147),
    "Conv2d_2b_3x3": (64, 147),
    "maxpool1": (64, 73),
    "Conv2d_3b_1x1": (80, 73),
    "Conv2d_4a_3x3": (192, 71),
    "maxpool2": (192, 35),
    "Mixed_5b": (256, 35),
    "Mixed_5c": (288, 35),
    "Mixed_5d": (288, 35),
    "Mixed_6a": (768, 17),
    "Mixed_6b": (768, 17),
    "Mixed_6c": (768, 17),
    "Mixed_6d": (768, 17),
    "Mixed_6e": (768, 17),
    "Mixed_7a": (1280, 8),
    "Mixed_7b": (2048, 8),
    "Mixed_7c": (2048, 8),
    "avgpool": (2048, 1),
}


@pytest.mark.parametrize("stage", SHAPES)
def test_stages_are_as_torchvision_comments_them(stage: str) -> None:
    channels, side = SHAPES[stage]
    assert output(stage) == (channels, side, side)


# Convolutions of each module, worked from the paper's figures with the channels of the code:
# kernel, from, to. Each is normalized, 2 numbers a channel.
def module_params(*convs: tuple[int, int, int]) -> int:
    return sum(taps * before * after + 2 * after for taps, before, after in convs)


MODULES = {
    # A 1x1, a 5x5, two 3x3 and a pooling, all but the first behind or before a 1x1.
    "Mixed_5b": module_params(
        (1, 192, 64),
        (1, 192, 48),
        (25, 48, 64),
        (1, 192, 64),
        (9, 64, 96),
        (9, 96, 96),
        (1, 192, 32),
    ),
    # A 3x3 and two 3x3, whose last have stride 2.
    "Mixed_6a": module_params((9, 288, 384), (1, 288, 64), (9, 64, 96), (9, 96, 96)),
    # A 1x1; 1x7 and 7x1; these twice; pooling.
    "Mixed_6b": module_params(
        (1, 768, 192),
        *((1, 768, 128), (7, 128, 128), (7, 128, 192)),
        *((1, 768, 128), (7, 128, 128), (7, 128, 128), (7, 128, 128), (7, 128, 192)),
        (1, 768, 192),
    ),
    "Mixed_7a": module_params(
        *((1, 768, 192), (9, 192, 320)),
        *((1, 768, 192), (7, 192, 192), (7, 192, 192), (9, 192, 192)),
    ),
    # A 1x1; 1x3 beside 3x1; a 3x3 before the two; pooling.
    "Mixed_7c": module_params(
        (1, 2048, 320),
        *((1, 2048, 384), (3, 384, 384), (3, 384, 384)),
        *((1, 2048, 448), (9, 448, 384), (3, 384, 384), (3, 384, 384)),
        (1, 2048, 192),
    ),
}


@pytest.mark.parametrize("stage", MODULES)
def test_modules_by_hand(stage: str) -> None:
    rows = [row for row in network("inception_v3").rows if row.stage == stage]
    assert sum(row.params for row in rows) == MODULES[stage]


def test_keras_counts_three_numbers_for_each_normalized_channel() -> None:
    # Keras' documentation: 23,851,784 in all and 23,817,352 trained, as it has no scale.
    network_ = network("inception_v3-no-aux")
    channels = sum(row.shape[1] for row in network_.rows if row.op == "BatchNorm2d")
    assert network_.params - channels == 23_817_352
    assert network_.params - channels + 2 * channels == 23_851_784


# google-research/receptive_field, RECEPTIVE_FIELD_TABLE.md: the end-points of TF-Slim's
# inception_v3 with the field's size, its stride and the padding, which is minus our start. TF-Slim
# pads as torchvision does: every SAME window has an odd kernel and stride 1.
FIELDS = {
    "Conv2d_1a_3x3.relu": (3, 2, 0),
    "Conv2d_2a_3x3.relu": (7, 2, 0),
    "Conv2d_2b_3x3.relu": (11, 2, 2),
    "maxpool1": (15, 4, 2),
    "Conv2d_3b_1x1.relu": (15, 4, 2),
    "Conv2d_4a_3x3.relu": (23, 4, 2),
    "maxpool2": (31, 8, 2),
    "Mixed_5b.concat": (63, 8, 18),
    "Mixed_5c.concat": (95, 8, 34),
    "Mixed_5d.concat": (127, 8, 50),
    "Mixed_6a.concat": (159, 16, 58),
    "Mixed_6b.concat": (351, 16, 154),
    "Mixed_6c.concat": (543, 16, 250),
    "Mixed_6d.concat": (735, 16, 346),
    "Mixed_6e.concat": (927, 16, 442),
    "Mixed_7a.concat": (1055, 32, 490),
    "Mixed_7b.concat": (1183, 32, 554),
    "Mixed_7c.concat": (1311, 32, 618),
}


@pytest.mark.parametrize("layer", FIELDS)
def test_receptive_fields_are_those_that_google_published(layer: str) -> None:
    axes = fields()[layer]
    assert axes is not None
    assert len(axes) == 2
    for field in axes:
        assert (field.size, field.stride, -field.start) == FIELDS[layer]


def test_all_branches_of_a_module_have_the_same_stride() -> None:
    axes = fields()["Mixed_7c.concat"]
    assert axes is not None
    assert all(field.aligned for field in axes)
