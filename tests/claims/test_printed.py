"""What a printed number says, and how a computed one stands to it."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archcalc.claims.printed import Printed, exact
from archcalc.errors import ArchcalcError

# text, value, one step of the last digit, unit
READ = [
    ("62,378,344", 62_378_344, 1, ""),
    ("62 378 344", 62_378_344, 1, ""),
    ("60000", 60_000, 1, ""),
    ("25.6M", 25_600_000, 100_000, ""),
    ("11.174M", 11_174_000, 1_000, ""),
    ("138 million", 138_000_000, 10**6, ""),
    ("62.3 million parameters", 62_300_000, 100_000, "parameters"),
    ("~60k", 60_000, 1_000, ""),
    ("around 11 million", 11_000_000, 10**6, ""),
    ("1.5B", 1_500_000_000, 10**8, ""),
    ("65.86 Bn", 65_860_000_000, 10**7, ""),
    ("4.2G", 4_200_000_000, 10**8, ""),
    ("1.8 GFLOPs", 1_800_000_000, 10**8, "FLOPs"),
    ("15 MACs", 15, 1, "MACs"),
    ("15M MACs", 15_000_000, 10**6, "MACs"),
    ("11.3x10^9", 11_300_000_000, 10**8, ""),
    ("1.135e9", 1_135_000_000, 10**6, ""),
    ("533MB", 533_000_000, 10**6, "bytes"),
    ("3 GB", 3 * 10**9, 10**9, "bytes"),
    ("527.8 MiB", Fraction(5278, 10) * 2**20, Fraction(2**20, 10), "bytes"),
    ("84.70%", Fraction(847, 1000), Fraction(1, 10_000), "%"),
    ("12x", 12, 1, "x"),
    ("0.5", Fraction(1, 2), Fraction(1, 10), ""),
    ("22 layers", 22, 1, "layers"),
    ("-3", -3, 1, ""),
    ("1/10th", Fraction(1, 10), 1, ""),
    ("199x", 1990, 10, ""),
    ("1990's", 1990, 10, ""),
]


@pytest.mark.parametrize(("text", "value", "step", "unit"), READ)
def test_a_printed_number_is_read(text: str, value: Fraction, step: Fraction, unit: str) -> None:
    printed = Printed.parse(text)
    assert (printed.value, printed.step, printed.unit) == (value, step, unit)


def test_a_whole_number_of_a_file_is_read_too() -> None:
    assert Printed.parse(25_557_032).value == 25_557_032


@pytest.mark.parametrize(
    ("text", "value"),
    [("112K", 112 * 1024), ("2.7K", Fraction(27, 10) * 1024), ("34M", 34 * 2**20)],
)
def test_a_thousand_may_be_1024(text: str, value: Fraction) -> None:
    assert Printed.parse(text, thousand=1024).value == value


@pytest.mark.parametrize(
    "text",
    ["", "many", "1,23", "25.6Q", "1.2.3", "M", "1/0", "0x10", "nan", "inf", "1" * 61, "1e999"],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ArchcalcError, match="is no number"):
        Printed.parse(text)


# printed, computed, agreement. The numbers are published ones.
JUDGED = [
    ("62,378,344", 62_378_344, "exact"),
    ("62M", 62_378_344, "rounds"),
    ("62.4M", 62_378_344, "rounds"),
    ("62.3 million", 62_378_344, "truncates"),
    ("61M", 62_378_344, "contradicted"),
    ("63M", 62_378_344, "contradicted"),
    ("143 million", 143_667_240, "truncates"),
    ("144 million", 143_667_240, "rounds"),
    ("62,378,344", 62_378_345, "contradicted"),
    ("2.5", Fraction(245, 100), "rounds"),
    ("2.4", Fraction(245, 100), "rounds"),
    ("0.4", 0.4, "exact"),
    ("28%", Fraction(28, 100), "exact"),
    ("44.9%", 1 - Fraction(27, 49), "rounds"),
    ("1/10th", Fraction(12_443_648, 120_422_400), "rounds"),
    ("1/9th", Fraction(12_443_648, 120_422_400), "truncates"),
    ("1/11th", Fraction(12_443_648, 120_422_400), "contradicted"),
    ("199x", 1998, "truncates"),
    ("199x", 1989, "contradicted"),
    ("199x", 2000, "contradicted"),
    ("0", 0, "exact"),
    ("0", 65_664, "contradicted"),
]


@pytest.mark.parametrize(("text", "computed", "agreement"), JUDGED)
def test_a_computed_number_is_judged_at_the_printed_precision(
    text: str, computed: int | float | Fraction, agreement: str
) -> None:
    verdict = Printed.parse(text).verdict(computed)
    assert verdict.agreement == agreement
    assert verdict.holds is (agreement != "contradicted")


def test_a_contradiction_says_by_how_much() -> None:
    assert Printed.parse("138,423,208").verdict(138_357_544).off == -65_664


@pytest.mark.parametrize(
    ("text", "computed", "expected"),
    [
        ("62,378,344", 6_998_552, "6,998,552"),
        ("25.6M", 6_998_552, "7.0M"),
        ("353M ops", 271_400_000, "271M ops"),
        ("~60k", 61_706, "62k"),
        ("84.70%", Fraction(1, 3), "33.33%"),
        ("1/10th", Fraction(1, 4), "1/4th"),
        ("199x", 2014, "201x"),
        ("11.3x10^9", 7_570_000_000, "7.6x10^9"),
    ],
)
def test_a_computed_number_is_printed_alike(
    text: str, computed: int | Fraction, expected: str
) -> None:
    assert Printed.parse(text).like(computed) == expected


def test_a_float_is_the_decimal_that_it_stands_for() -> None:
    assert exact(0.1) == Fraction(1, 10)


SUFFIXES = {"": 1, "K": 10**3, "M": 10**6, " million": 10**6, "B": 10**9, "MB": 10**6, "KiB": 2**10}


def printed(number: int, suffix: str, decimals: int, cut: bool) -> str:
    """A number printed by hand: scaled, then rounded half up or cut off."""
    steps = Fraction(number, SUFFIXES[suffix]) * 10**decimals
    whole = int(steps) if cut else int(steps + Fraction(1, 2))
    digits = f"{whole:0{decimals + 1}}"
    point = f".{digits[-decimals:]}" if decimals else ""
    return f"{digits[: len(digits) - decimals]}{point}{suffix}"


numbers = st.integers(0, 10**13)
suffixes = st.sampled_from(sorted(SUFFIXES))
precisions = st.integers(0, 6)


@given(numbers, suffixes, precisions)
def test_what_was_rounded_rounds_back(number: int, suffix: str, decimals: int) -> None:
    text = printed(number, suffix, decimals, cut=False)
    assert Printed.parse(text).verdict(number).agreement in ("exact", "rounds")


@given(numbers, suffixes, precisions)
def test_what_was_cut_off_holds(number: int, suffix: str, decimals: int) -> None:
    assert Printed.parse(printed(number, suffix, decimals, cut=True)).verdict(number).holds


@given(numbers, suffixes, precisions, st.sampled_from([-1, 1]))
def test_a_number_two_steps_off_is_contradicted(
    number: int, suffix: str, decimals: int, sign: int
) -> None:
    said = Printed.parse(printed(number, suffix, decimals, cut=False))
    assert not said.verdict(number + sign * 2 * said.step).holds


@given(numbers, st.integers(1, 9))
def test_thousands_may_be_separated(number: int, more: int) -> None:
    assert Printed.parse(f"{number:,}").verdict(number).agreement == "exact"
    assert Printed.parse(f"{number:,}").verdict(number + more).agreement == "contradicted"


@given(numbers, suffixes, precisions)
def test_printing_alike_rounds(number: int, suffix: str, decimals: int) -> None:
    said = Printed.parse(printed(10**15, suffix, decimals, cut=False))
    assert Printed.parse(said.like(number)).verdict(number).agreement in ("exact", "rounds")
