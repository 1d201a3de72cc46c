"""Ten networks of other people, written in the language: their true numbers, and how long they are.

The numbers are those that were handed on with the networks, counted on their modules in PyTorch.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import archcalc

FOLDER = Path(__file__).parent / "language"

# params, buffers, MACs; lines of the same network in the long form; the batch.
NUMBERS: dict[str, tuple[int, int, int, int, int]] = {
    "convlstm": (1_335_040, 0, 6_830_161_920, 37, 1),
    "ddim_unet": (35_746_307, 0, 6_221_856_768, 91, 1),
    "hifigan_v1": (13_936_130, 0, 9_825_681_408, 45, 1),
    "mamba_130m": (129_135_360, 0, 2_064_531_456, 60, 1),
    "mobile_vit_xs": (2_382_944, 9_203, 915_516_416, 77, 1),
    "moe": (33_562_624, 0, 1_210_056_704, 17, 1),
    "pose_hrnet_w32": (28_536_113, 54_628, 7_645_003_776, 115, 1),
    "seq2seq_decoder": (15_309_588, 0, 45_432_832, 27, 2),
    "u2netp": (1_131_181, 5_808, 19_756_089_600, 95, 1),
    "vqvae2": (1_388_867, 132_096, 3_934_257_152, 48, 1),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_network_of_somebody_else_has_its_numbers(name: str) -> None:
    params, buffers, macs, _, batch = NUMBERS[name]
    analysis = archcalc.analyze(archcalc.load(FOLDER / f"{name}.yaml"), batch=batch)
    assert (analysis.params, analysis.buffers, analysis.macs) == (params, buffers, macs)


def test_they_take_two_thirds_of_the_lines() -> None:
    """In the one form that ``archcalc fmt`` writes: no line is longer than 100 columns."""
    lines = {path.stem: len(path.read_text().splitlines()) for path in FOLDER.glob("*.yaml")}
    assert lines.keys() == NUMBERS.keys()
    assert sum(lines.values()) * 3 <= sum(long for *_, long, _ in NUMBERS.values()) * 2
    assert lines["pose_hrnet_w32"] <= 60
