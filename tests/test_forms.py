"""What GitHub reads: workflows, forms, the action, the citation."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import archcalc

ROOT = Path(__file__).resolve().parent.parent
FORMS = sorted((ROOT / ".github").rglob("*.yml"))


@pytest.mark.parametrize("path", [*FORMS, ROOT / "action.yml", ROOT / "CITATION.cff"], ids=str)
def test_it_can_be_read(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


def test_no_workflow_may_do_more_than_it_says() -> None:
    for path in FORMS:
        if path.parent.name == "workflows":
            assert "permissions" in yaml.safe_load(path.read_text(encoding="utf-8")), path


def test_the_version_stands_once() -> None:
    places = [ROOT / name for name in ("pyproject.toml", "CITATION.cff", "archcalc/__init__.py")]
    found = [path.name for path in places if f'"{archcalc.__version__}"' in path.read_text()]
    assert found == ["__init__.py"]
