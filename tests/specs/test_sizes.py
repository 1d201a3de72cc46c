"""Editions "as X has it" at other sizes than their own, against X, as it was recorded."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import archcalc
from archcalc import SpecError
from archcalc.spec import zoo

RECORD = Path(__file__).parents[2] / "benchmarks" / "sizes.csv"

with RECORD.open(encoding="utf-8") as file:
    LINES = list(csv.DictReader(file))

NAMES = sorted({line["network"] for line in LINES})


def shape(size: str) -> list[int]:
    height, width = map(int, size.split("x"))
    return [3, height, width]


@pytest.mark.parametrize("name", NAMES)
def test_an_edition_is_one_at_every_size(name: str) -> None:
    spec = archcalc.load(name)
    for line in (line for line in LINES if line["network"] == name):
        given = shape(line["size"])
        if line["macs"]:
            found = archcalc.analyze(spec, input=given)
            assert (str(found.params), str(found.macs)) == (line["params"], line["macs"]), line
        else:
            with pytest.raises(SpecError, match=f"takes no input 3x{line['size']}\n") as refused:
                archcalc.analyze(spec, input=given)
            (problem,) = refused.value.problems
            assert problem.hint.splitlines()[-1].startswith(("the nearest that fit", "its own is"))


def test_every_edition_of_a_library_is_held() -> None:
    own = [spec.choose(name) for spec in zoo.shipped() for name in spec.variants]
    editions = {
        spec.label: spec.edition for spec in [*own, *(s for s in zoo.shipped() if not s.variants)]
    }
    words = ("as torchvision has", "as timm has", "as Ultralytics has", "as its author has it in K")
    held = {name for name, edition in editions.items() if edition.startswith(words)}

    # Data-dependent, so that it can't be run without numbers: its sizes are tested with it.
    assert held - {"fasterrcnn_resnet50_fpn"} <= set(NAMES)
    assert {line["size"] for line in LINES} >= {
        *("112x112", "192x192", "225x225", "256x256", "299x299", "320x240")
    }
