"""Networks of other people that were written from the pages alone, and what PyTorch says of them.

The numbers were counted on the modules: parameters and buffers by their elements, and
multiply-accumulates by ``torch.utils.flop_counter``. That counter passes over attention on a CPU
and over recurrent layers, which are added here by hand. The modules are those of torchaudio 2.11,
torchvision 0.29, effdet 0.4 and segmentation_models_pytorch 0.6 where it says so, and else were
written after the papers.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import archcalc

FOLDER = Path(__file__).parent / "written"

CONFORMER_ATTENTION = 4 * 2 * 100 * 100 * 80
"""Of 4 layers the scores and the sums of 100 steps and 80 features."""

DEMUCS_LSTM = 9 * 2 * 4 * 2048 * ((2048 + 2048) + (4096 + 2048))
"""Of 9 steps, both ways, 4 gates of 2048 units: their input and state, in two layers."""

TACOTRON_LSTM = 40 * 2 * 4 * 256 * (512 + 256)
"""Of 40 symbols, both ways, 4 gates of 256 units: their input and state."""

# params, buffers, MACs
NUMBERS: dict[str, tuple[int, int, int]] = {
    "albert": (11_683_584, 0, 11_186_798_592),  # arXiv:1909.11942, base
    "bifpn": (194_361, 3_870, 136_203_264),  # effdet, efficientdet_d0
    "biggan": (31_978_628, 93_714, 9_509_224_960),  # arXiv:1809.11096, 128, ch 64
    "centernet": (3_043_028, 1_798, 3_611_295_744),  # arXiv:1904.07850, deconvolutions and heads
    "conformer": (525_888, 644, 51_680_000 + CONFORMER_ATTENTION),  # torchaudio
    "convtasnet": (4_984_881, 0, 4_916_015_104),  # torchaudio
    "crnn": (8_331_301, 2_563, 705_143_808),  # arXiv:1507.05717
    "danet": (23_954_619, 4_100, 25_665_470_464),  # arXiv:1809.02983, the head
    "dcnv2": (1_302_640, 0, 884_552),  # arXiv:2008.13535
    "demucs": (265_679_496, 0, 3_267_637_248 + DEMUCS_LSTM),  # arXiv:1911.13254
    "dgcnn": (1_809_576, 4_615, 615_720_960),  # arXiv:1801.07829, 256 points
    "dlrm": (891_985, 0, 486_032),  # arXiv:1906.00091
    "edsr": (1_369_883, 0, 3_162_592_512),  # arXiv:1707.02921, baseline, twice
    "fastspeech2": (34_646_339, 260_517, 12_716_385_280),  # arXiv:2006.04558
    "gat": (92_373, 0, 770_231_024),  # arXiv:1710.10903
    "gmlp": (5_867_328, 0, 1_328_989_184),  # arXiv:2105.08050, tiny
    "graphsage": (869_895, 1_026, 251_470_400),  # arXiv:1706.02216
    "hourglass": (6_570_400, 31_584, 8_334_606_336),  # arXiv:1603.06937, two stacks
    "nbeats": (6_546_944, 2_160, 6_531_696),  # arXiv:1905.10437
    "perceiver": (23_895_388, 0, 18_847_354_880),  # arXiv:2103.03206
    "pointnet2": (1_475_688, 6_667, 837_527_552),  # arXiv:1706.02413
    "psp": (23_084_565, 5_125, 17_049_036_800),  # arXiv:1612.01105, the head
    "raft": (990_162, 0, 6_605_045_760),  # torchvision, raft_small, 4 updates
    "rcan": (15_592_355, 0, 36_674_621_440),  # arXiv:1807.02758, four times
    "retnet": (109_474_560, 0, 14_412_546_048),  # arXiv:2307.08621, in parallel
    "rrdb": (16_697_987, 0, 73_428_369_408),  # arXiv:1809.00219
    "tacotron2": (28_193_153, 7_336, 1_526_665_216 + TACOTRON_LSTM),  # torchaudio, 60 frames
    "tcn": (66_910, 0, 64_969_350),  # arXiv:1803.01271
    "unetpp": (26_078_609, 20_858, 18_383_634_432),  # segmentation_models_pytorch, resnet34
    "vnet": (45_603_934, 5_340, 11_430_133_760),  # arXiv:1606.04797
    "waveglow": (87_879_272, 0, 162_474_092_800),  # arXiv:1811.00002
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_network_that_was_written_from_the_pages_has_its_numbers(name: str) -> None:
    analysis = archcalc.analyze(archcalc.load(FOLDER / f"{name}.yaml"))
    assert (analysis.params, analysis.buffers, analysis.macs) == NUMBERS[name]


def test_all_are_asked() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == NUMBERS.keys()
