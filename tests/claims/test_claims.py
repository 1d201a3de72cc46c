"""Every claim of the seed documents stands in a spec, as it was printed, and has a verdict."""

from __future__ import annotations

import csv
import re
from collections import Counter
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

from archcalc.claims.check import Finding, check
from archcalc.claims.printed import Printed
from archcalc.errors import ArchcalcError
from archcalc.spec import zoo

TABLES = Path(__file__).parents[2] / "specs" / "tables"
FILES = zoo.documenting()


def read(table: str) -> list[dict[str, str]]:
    with (TABLES / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


CLAIMS = read("claims")
DOCUMENTS = {row["source"]: row["document"] for row in read("sources")}


@cache
def findings() -> tuple[Finding, ...]:
    return tuple(finding for path in FILES for finding in check(path))


def claimed() -> dict[str, tuple[Finding, str]]:
    """Each claim's finding, and the source that says it."""
    return {
        claim: (finding, source)
        for finding in findings()
        if finding.ids
        for claim, source in zip(finding.ids, finding.sources, strict=True)
    }


def test_every_claim_stands_in_the_specs_exactly_once() -> None:
    stated = Counter(claim for finding in findings() for claim in finding.ids)
    assert stated == Counter(row["claim_id"] for row in CLAIMS)
    assert len(stated) == 177


@pytest.mark.parametrize("row", CLAIMS, ids=lambda row: row["claim_id"])
def test_a_claim_names_its_document_and_line(row: dict[str, str]) -> None:
    _, source = claimed()[row["claim_id"]]
    name, line = source.rsplit(", line ", 1)
    assert (DOCUMENTS[name], line) == (row["document"], row["source_line"])


def numbers(text: str) -> list[Fraction]:
    words = re.split("[;,] +|;|(?<=[0-9]) ?[x×] ?(?=[0-9])", text.strip("()"))
    return [Printed.parse(word).value for word in words]


IN_UNITS = {
    "percent": Fraction(1, 100),
    "percentage points": Fraction(1, 100),
    "MB": Fraction(10**6),
    "GB": Fraction(10**9),
}


@pytest.mark.parametrize("row", CLAIMS, ids=lambda row: row["claim_id"])
def test_a_claim_has_the_value_that_was_printed(row: dict[str, str]) -> None:
    printed, value = claimed()[row["claim_id"]][0].printed, row["documented_value"]
    try:
        expected = [number * IN_UNITS.get(row["unit"], 1) for number in numbers(value)]
    except ArchcalcError:  # a formula, a word or a relation
        assert re.sub("[= *]", "", printed) == value.replace(" ", "")
        return
    # The list of claims has the side of a square, and channels or one column where none is printed.
    side = [number for number in expected for _ in "xy"]
    assert numbers(printed) in (expected, side, expected[:2], [*expected, 1])


@pytest.mark.parametrize("row", CLAIMS, ids=lambda row: row["claim_id"])
def test_a_claim_has_a_computed_value_or_a_reason(row: dict[str, str]) -> None:
    finding, _ = claimed()[row["claim_id"]]
    assert finding.ok
    if finding.verdict == "fact":
        assert finding.message
    else:
        assert finding.computed is not None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_everything_documented_holds(path: Path) -> None:
    assert [finding.name for finding in check(path) if not finding.ok] == []


@pytest.mark.parametrize("path", zoo.examples(), ids=lambda path: path.stem)
def test_examples_validate_and_are_named_as_their_files(path: Path) -> None:
    assert zoo.validate(path) == []
    assert zoo.load(path).name == path.stem


# What is wrong in the documents: the claim, and the right value worked out from the definition.
WRONG = {
    "C016": 6_998_552,  # the sum of the sheet's own rows, with the widths of its own branches
    "C046": [(1, 1)],
    "C047": [(2, 2)],
    "C077": [(7, 7), (3, 3)],
    "C081": 6_998_552,
    "C089": 6_998_552,
    "C107": (1, 28, 28),
    "C134": 2 + 2 + 3 + 3 + 3,
    "C135": 2 + 2 + 4 + 4 + 4,
    "C147": 138_357_544 * 4,
    "C148": Fraction(62_378_344, 6_998_552),
    "C155": 64,
    # 28 * 28 * (three 1x1 of 64, one of 128, all on 256; 3x3 and 5x5 on 64)
    "C156": 28 * 28 * (256 * (3 * 64 + 128) + 64 * (9 * 192 + 25 * 96)),
    "C159": 1,
    "C160": Fraction(62_378_344, 6_998_552),
    "C173": 6_998_552,
}


def test_the_wrong_claims_are_these() -> None:
    wrong = {
        claim: finding.computed
        for claim, (finding, _) in claimed().items()
        if finding.verdict == "erratum"
    }
    assert wrong == WRONG


# Which convention makes a number that plain counting does not.
CONVENTIONS = {
    **dict.fromkeys(("C014", "C087", "C171"), 19_632_062_464),  # MACs of VGG-19, as fvcore counts
    **dict.fromkeys(("C017", "C090", "C174"), 1_582_671_872),
    **dict.fromkeys(("C019", "C092", "C176"), 60_192_808 + 151_579),  # normalization's buffers
    **dict.fromkeys(("C020", "C093", "C177"), 11_282_415_616),
}


def test_the_claims_that_need_a_convention_are_these() -> None:
    found = {
        claim: finding.computed
        for claim, (finding, _) in claimed().items()
        if finding.verdict == "convention"
    }
    assert found == CONVENTIONS


# A year of the tables of years that is not the year of the publication.
OTHER_YEARS = {("ResNet-50", "2016"): "of the conference, not of the preprint"}


def test_years_of_the_tables_are_those_of_the_specs() -> None:
    specs = {
        "LeNet": "lenet",
        "AlexNet": "alexnet",
        "VGG": "vgg",
        "Visual geometry group": "vgg",
        "GoogLeNet": "googlenet",
        "Inception": "googlenet",
        "ResNet": "resnet",
    }
    for row in read("network_years"):
        # A dash and a name of many versions are other networks: ResNext, "Inception (v1, v2), v3".
        family = next((specs[name] for name in specs if row["network"].startswith(name)), None)
        if family is None or row["network"] == "ResNext" or "v3" in row["network"]:
            continue
        if (row["network"], row["year"]) not in OTHER_YEARS:
            assert str(zoo.load(zoo.folder() / f"{family}.yaml").year) == row["year"], row
