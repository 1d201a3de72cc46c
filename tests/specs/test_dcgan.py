"""DCGAN's generators and discriminators, against PyTorch's example and the paper's code."""

from __future__ import annotations

from functools import cache

import pytest

import archcalc
from archcalc import Analysis


@cache
def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


# pytorch/examples, dcgan/main.py: 100 numbers, 8, 4, 2 and 1 times 64 channels, 3 colours.
GENERATOR = [(100, 512, 1), (512, 256, 4), (256, 128, 8), (128, 64, 16), (64, 3, 32)]


def test_the_generator_of_pytorchs_example_by_hand() -> None:
    # Kernels of 4x4 without biases, and normalization of all but the colours.
    params = sum(16 * before * out for before, out, _ in GENERATOR)
    params += 2 * (512 + 256 + 128 + 64)
    # A transposed convolution works once for every pixel that it takes.
    macs = sum(16 * before * out * side**2 for before, out, side in GENERATOR)
    generator = network("dcgan-generator")
    # The sum that torchsummary prints of the example.
    assert generator.params == params == 3_576_704
    assert generator.macs == macs
    assert generator.rows[-1].shape == (1, 3, 64, 64)


def test_the_discriminator_of_pytorchs_example_by_hand() -> None:
    # The same sizes backwards; one number instead of 100, no normalization beside the image.
    sizes = [(3, 64, 32), (64, 128, 16), (128, 256, 8), (256, 512, 4), (512, 1, 1)]
    params = sum(16 * before * out for before, out, _ in sizes) + 2 * (128 + 256 + 512)
    macs = sum(16 * before * out * side**2 for before, out, side in sizes)
    discriminator = network("dcgan-discriminator")
    assert discriminator.params == params == 2_765_568
    assert discriminator.macs == macs
    assert discriminator.rows[-1].shape == (1, 1, 1, 1)


def test_the_generator_of_the_papers_code_by_hand() -> None:
    # Newmu/dcgan_code, faces/train_uncond_dcgan.py: gw, gg and gb of 100 numbers to 1024 * 4 * 4,
    # then gw2 to gw4 and gwx of 5x5, with gg and gb of all but the colours.
    pixels = 1024 * 4 * 4
    channels = [(1024, 512), (512, 256), (256, 128), (128, 3)]
    params = 100 * pixels + 2 * pixels + sum(25 * before * out for before, out in channels)
    params += 2 * (512 + 256 + 128)
    assert network("dcgan-generator-paper").params == params


def test_the_discriminator_of_the_papers_code_by_hand() -> None:
    # dw to dw4 of 5x5, dg and db of all but the first, and dwy of 1024 * 4 * 4 to one number.
    channels = [(3, 128), (128, 256), (256, 512), (512, 1024)]
    params = sum(25 * before * out for before, out in channels) + 2 * (256 + 512 + 1024)
    assert network("dcgan-discriminator-paper").params == params + 1024 * 4 * 4


@pytest.mark.parametrize("edition", ["", "-paper"])
def test_what_a_generator_gives_a_discriminator_takes(edition: str) -> None:
    (image,) = network(f"dcgan-discriminator{edition}").graph.inputs.values()
    assert network(f"dcgan-generator{edition}").rows[-1].shape == image


@pytest.mark.parametrize("edition", ["", "-paper"])
def test_no_pooling(edition: str) -> None:
    for name in (f"dcgan-generator{edition}", f"dcgan-discriminator{edition}"):
        assert not any("Pool" in row.op for row in network(name).rows)
