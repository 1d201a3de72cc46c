from __future__ import annotations

import pytest

from archcalc.report.units import short


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (300_000_000, "300M"),
        (1_500_000_000, "1.5G"),
        (0.25, "0.25"),
        (224, "224"),
        (0, "0"),
        (999_600, "1M"),
        (12_345, "12.3k"),
        (-2_000, "-2k"),
    ],
)
def test_numbers_of_pictures(number: float, text: str) -> None:
    assert short(number) == text
