"""The network that was found in a printed table, written as a spec."""

from __future__ import annotations

from pathlib import Path

import pytest

from archcalc.analysis.analyze import analyze
from archcalc.claims.audit import audit
from archcalc.claims.emit import emit
from archcalc.errors import ArchcalcError
from archcalc.spec.zoo import load
from tests.claims.printers import PRINTERS

DETERMINED = [
    *((name, printer) for name in ("lenet5", "alexnet", "vgg16", "c3d") for printer in PRINTERS),
    *((name, "torchsummary") for name in ("resnet18", "mobilenet_v2", "resnext50_32x4d")),
    ("efficientnet_b0", "torchsummary"),  # its gates are multiplied by a function
    *((name, "torchinfo") for name in ("resnet18", "mobilenet", "dcgan-generator")),
    *((name, "keras") for name in ("resnet18", "googlenet", "densenet121", "squeezenet")),
]


@pytest.mark.parametrize(("name", "printer"), DETERMINED)
def test_the_network_is_what_was_printed(name: str, printer: str, tmp_path: Path) -> None:
    network = analyze(load(name))
    path = tmp_path / "net.yaml"
    path.write_text(emit(audit(PRINTERS[printer](network).csv())), encoding="utf-8")
    found = analyze(load(path))
    assert (found.params, found.macs) == (network.params, network.macs)
    assert found.rows[-1].shape == network.rows[-1].shape


def test_what_is_not_printed_stands_in_a_comment() -> None:
    text = emit(audit(Path(__file__).parent / "printouts" / "torchsummary.txt"))
    assert "  # a 2x2 pooling before row 10 is not in the table" in text
    assert "  # the kernel follows from the parameters" in text


def test_what_a_table_does_not_determine_is_refused() -> None:
    with pytest.raises(ArchcalcError, match="a concatenation before row"):
        emit(audit(PRINTERS["torchsummary"](analyze(load("googlenet"))).csv()))
    with pytest.raises(ArchcalcError, match="is not determined by the table"):
        emit(audit("layer,input,output\nconv1,8x8x3,8x8x3\nfrobnicate,8x8x3,4x4x7\n"))
