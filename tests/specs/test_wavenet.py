"""WaveNet: its size by hand, and how much of the sound a sample is computed from."""

from __future__ import annotations

from functools import cache

import pytest

import archcalc
from archcalc import Field, Graph


@cache
def graph(filter_width: int = 2) -> Graph:
    return archcalc.expand(archcalc.load("wavenet"), filter_width=filter_width)


def field(layer: str, filter_width: int = 2) -> Field:
    fields = archcalc.receptive_field(graph(filter_width))[layer]
    assert fields is not None
    return fields[0]


DILATIONS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] * 5


def test_params_by_hand() -> None:
    # ibab/tensorflow-wavenet, wavenet/model.py, with 32 residual and dilation channels, 512 of the
    # skip connections, and biases but in the causal layer.
    causal = 2 * 256 * 32
    layer = 2 * (2 * 32 * 32 + 32) + (32 * 32 + 32) + (32 * 512 + 512)
    postprocess = (512 * 512 + 512) + (512 * 256 + 256)
    params = archcalc.analyze(graph()).params
    assert params == causal + len(DILATIONS) * layer + postprocess


def test_macs_are_as_many_for_every_sample() -> None:
    # Nothing has a stride, so every sample costs all weights once, and no biases.
    weights = 2 * 256 * 32 + 50 * (2 * 2 * 32 * 32 + 32 * 32 + 32 * 512) + 512 * 512 + 512 * 256
    assert archcalc.analyze(graph()).macs == 16_000 * weights


def test_one_stack_has_a_receptive_field_of_1024() -> None:
    # arXiv:1609.03499, section 2.1: "each 1, 2, 4, ..., 512 block has receptive field of size
    # 1024". The causal layer before it sees one sample more.
    assert field("causal").size == 2
    assert field("stack.0.layer.9.add").size == 1024 + 1


def by_hand(filter_width: int) -> int:
    """Samples seen by the network: one, those of the causal layer, and those of every other."""
    return 1 + (filter_width - 1) + (filter_width - 1) * sum(DILATIONS)


@pytest.mark.parametrize("filter_width", [2, 3])
def test_the_receptive_field_is_that_of_the_formula(filter_width: int) -> None:
    # ibab/tensorflow-wavenet, wavenet/model.py, calculate_receptive_field.
    assert field("softmax", filter_width=filter_width).size == by_hand(filter_width)


def test_the_receptive_field_is_about_300_milliseconds() -> None:
    # arXiv:1609.03499, section 3.1, of sound with 16,000 samples a second.
    assert by_hand(2) == 5117
    assert round(field("softmax").size / 16_000, 1) == 0.3


def test_three_stacks_of_filters_of_three_see_6139_samples() -> None:
    # arXiv:1711.10433, table 4, and r9y9/wavenet_vocoder, which have no causal layer before.
    assert field("stack.2.layer.9.add", filter_width=3).size - 2 == 6139


def test_no_sample_sees_a_later_one() -> None:
    start, end = field("softmax").at(8_000)
    assert (start, end) == (8_000 + 1 - 5_117, 8_000 + 1)
