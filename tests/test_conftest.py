"""Which networks stand for all of them."""

from __future__ import annotations

import re
from pathlib import Path

import archcalc
from archcalc.operators import NAMES
from archcalc.spec import zoo
from tests.conftest import SOME

LARGE = {"AdaptiveAvgPool1d", "Expand", "GroupNorm", "TopK"}
"""Operators of networks of thousands of layers alone: BASIC, experts, Stable Diffusion."""


def operators(path: Path) -> set[str]:
    return {word for word in re.findall(r"\w+", path.read_text("utf-8")) if word in NAMES}


def test_they_have_the_operators_of_the_others_but_for_those_of_large_ones() -> None:
    assert set(zoo.names()) >= SOME
    families = {path: {*archcalc.load(path).variants} or {path.stem} for path in zoo.families()}
    met = set().union(*(operators(path) for path, names in families.items() if names & SOME))
    everywhere = set().union(*map(operators, families))
    assert everywhere - met == {*LARGE, "Identity"}
