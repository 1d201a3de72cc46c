"""What is declared of a design space, and its expressions."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
import archcalc.spec
from archcalc.spec.space import features
from tests.kinds import changeable


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("sum(depths)", {"depths": {"sum"}}),
        ("len(depths) + sum(depths)", {"depths": {"len", "sum"}}),
        ("max(depths)", {"depths": {"max"}}),
        # Of several arguments the largest is none of a list's items.
        ("max(a, b)", {"a": {None}, "b": {None}}),
        ("depths[1] * width", {"depths": {1}, "width": {None}}),
        ("depths[n]", {"depths": {None}, "n": {None}}),
    ],
)
def test_an_expression_needs_of_a_list_what_it_asks_for(text: str, needed: dict[str, Any]) -> None:
    assert features(text) == needed


def test_a_key_that_a_space_has_not_is_told_with_one_that_it_has() -> None:
    layers = {"fc": {"op": "Linear", "out_features": "=width"}}
    data = {"name": "n", "input": [4], "vars": {"width": 8}, "layers": layers}
    space = {"vars": {"width": [8, 16]}, "wher": []}
    (problem,) = archcalc.validate({**data, "space": space})
    assert problem.message == "unknown key 'wher'"
    assert problem.hint == "did you mean 'where'?"


def test_what_is_read_of_a_spec_does_not_change() -> None:
    # Those of the layout of a text are built step by step.
    assert changeable(archcalc.spec) == {"Node", "_Open", "Value", "Entry"}
