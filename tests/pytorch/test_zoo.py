"""The networks that are shipped, as PyTorch runs them: a network of every family.

``archcalc crosscheck --all --device meta`` runs all of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from archcalc.pytorch.crosscheck import crosscheck
from archcalc.spec import zoo


@pytest.mark.parametrize("path", zoo.families(), ids=lambda path: path.stem)
def test_a_network_of_every_family_agrees(path: Path) -> None:
    spec = zoo.load(path)
    found = crosscheck(
        spec.choose(next(iter(spec.variants))) if spec.variants else spec, device="meta"
    )

    assert found.ok, found.differences
    assert not found.runs[0].not_counted
