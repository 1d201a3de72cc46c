"""Networks of single bits, worked layer by layer."""

from __future__ import annotations

import archcalc


def test_a_binary_residual_network_is_large_where_it_is_not_binary() -> None:
    """Of ResNet-18's weights all 3x3 kernels but the first layer's are bits."""
    found = archcalc.analyze(archcalc.load("birealnet18"))
    kernels = 4 * 9 * 64**2
    for d in (128, 256, 512):
        kernels += 9 * d * d // 2 + 3 * 9 * d * d
    assert found.params == 11_689_512
    assert found.weight_bytes() == kernels // 8 + 4 * (11_689_512 - kernels)


def test_reactnet_is_of_bits_but_for_its_ends() -> None:
    found = archcalc.analyze(archcalc.load("reactnet"))
    ends = 112 * 112 * 27 * 32 + 1024 * 1000
    assert found.bit_operations() == found.macs - ends + ends * 32 * 32
    shortcut = found.row("unit2.rprelu1.move1.add")
    assert "unit2.rprelu1.move1.add" not in found.formats()
    assert shortcut.shape == (1, 64, 56, 56)
    assert found.formats()["unit2.rsign1.sign"].name == "binary"


def test_mobilenet_in_eight_bits_has_a_quarter_of_the_bytes() -> None:
    found = archcalc.analyze(archcalc.load("mobilenet_v1_int8"))
    vectors = 2 * 10_944 + 1001  # scales and shifts of all channels, biases of the classifier
    assert found.weight_bytes() == found.params - vectors + 4 * vectors
