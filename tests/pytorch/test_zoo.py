"""The networks that are shipped, as PyTorch runs them."""

from __future__ import annotations

import pytest

from archcalc.pytorch.crosscheck import crosscheck
from archcalc.spec import zoo


@pytest.mark.every_network
@pytest.mark.parametrize("name", [*zoo.names()])
def test_a_network_is_what_pytorch_runs(name: str) -> None:
    found = crosscheck(zoo.load(name), device="meta")

    assert found.ok, found.differences
    assert not found.runs[0].not_counted
