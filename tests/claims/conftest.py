"""What tests of printed tables share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from archcalc.analysis.analyze import analyze
from archcalc.analysis.counted import Analysis
from archcalc.spec.zoo import load


@pytest.fixture
def counted(tmp_path: Path) -> Callable[[str], Analysis]:
    """What counts a spec's text."""

    def count(text: str) -> Analysis:
        path = tmp_path / "net.yaml"
        path.write_text(text, encoding="utf-8")
        return analyze(load(path))

    return count
