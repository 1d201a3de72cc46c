"""Whisper, worked from its sizes."""

from __future__ import annotations

import pytest

import archcalc
from archcalc import SpecError


@pytest.mark.parametrize(
    ("name", "d", "layers"), [("whisper_tiny", 384, 4), ("whisper_large", 1280, 32)]
)
def test_params_worked_from_the_sizes(name: str, d: int, layers: int) -> None:
    attention, norm, mlp = 4 * d * d + 3 * d, 2 * d, 8 * d * d + 5 * d
    convs = (80 * 3 * d + d) + (3 * d * d + d)
    encoder = layers * (attention + mlp + 2 * norm) + norm
    decoder = layers * (2 * attention + mlp + 3 * norm) + norm
    found = archcalc.analyze(archcalc.load(name))
    assert found.params == convs + encoder + (51_865 + 448) * d + decoder
    assert found.buffers == 1500 * d


def test_half_a_minute_is_1500_frames() -> None:
    found = archcalc.analyze(archcalc.load("whisper_tiny"))
    assert found.row("frames").shape == (1, 1500, 384)
    assert found.row("decoder.0.cross_attn.sdpa").macs == 2 * 448 * 1500 * 384


def test_sound_of_another_length_is_refused() -> None:
    with pytest.raises(SpecError, match="its table of positions is for sound of one length"):
        archcalc.analyze("whisper_tiny", input={"mel": [80, 1500]})

    assert archcalc.analyze("whisper_tiny", n_audio_ctx=750).buffers == 750 * 384
