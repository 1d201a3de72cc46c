from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc.errors import ArchcalcError
from archcalc.spec.patterns import LONGEST, matching, named


def test_a_block_means_all_that_is_in_it() -> None:
    names = ["conv1", "layer1.0.conv1", "layer1.1.conv1", "layer10"]
    assert matching(names, "layer1") == [1, 2]
    assert matching(names, "layer1.0") == [1]
    assert matching(names, "*.conv1") == [1, 2]
    assert matching(names, "layer[1-9]?") == [3]


@pytest.mark.parametrize("pattern", ["a", "layer1.*", "!fc", "Ü", "a b", "x" * LONGEST])
def test_what_may_be_a_name(pattern: str) -> None:
    assert named(pattern) == pattern


@pytest.mark.parametrize(
    "odd", ["", "x" * (LONGEST + 1), "9" * 5000, "\udcff", "a\nb", "\0", 5, None]
)
@pytest.mark.parametrize("kind", [archcalc.load, archcalc.expand])
def test_what_is_none_is_told_wherever_it_is_handed_over(odd: Any, kind: Any) -> None:
    network = kind("lenet5")
    message = "no name of layers|said by name or pattern"
    with pytest.raises(ArchcalcError, match=message):
        archcalc.freeze(network, odd)
    with pytest.raises(ArchcalcError, match=message):
        archcalc.quantize(network, weights="int8", exclude=[odd])
    if isinstance(odd, str) and odd.isprintable():
        for key in ("weights", "activations"):
            with pytest.raises(ArchcalcError, match=message):
                archcalc.quantize(network, **{key: f"{odd}=int8"})
        with pytest.raises(ArchcalcError, match=message):
            archcalc.quantize(network, density=f"{odd}=2:4")
