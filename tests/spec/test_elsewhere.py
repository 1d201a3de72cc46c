"""Networks that a project's file speaks of."""

from __future__ import annotations

from pathlib import Path

import pytest

from archcalc.errors import SpecError
from archcalc.spec.elsewhere import entries

TWO = """\
[project]
name = "mine"

[[tool.archcalc.check]]
network = "resnet18"
facts = []

[[tool.archcalc.check]]
network = "resnet50"
factz = []
"""


def test_a_mistake_is_told_where_it_stands_in_the_table_that_has_it(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(TWO)
    with pytest.raises(SpecError) as caught:
        entries(file)
    (problem,) = caught.value.problems
    assert (problem.line, problem.message) == (10, "unknown key 'factz'")
    file.write_text(TWO.replace("factz", "facts"))
    found = entries(file)
    assert found is not None
    assert len(found) == 2
