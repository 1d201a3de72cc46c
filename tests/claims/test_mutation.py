"""A spec that is changed in any number turns the check red."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc import SpecError
from archcalc.claims.check import Checking, records, show
from archcalc.claims.printed import Printed, exact
from archcalc.spec import expressions, zoo
from archcalc.spec.model import Documented
from archcalc.spec.scope import Path as Place
from archcalc.spec.scope import Wrong

FILES = [*zoo.families(), *zoo.examples()]


@cache
def checking(path: Path) -> Checking:
    return Checking(archcalc.load(path))


def stated() -> Iterator[tuple[Path, Place, Documented]]:
    for path in FILES:
        for at, record in records(archcalc.load(path)):
            # A formula's numbers are changed by a test of their own.
            if isinstance(record, Documented) and not expressions.is_expression(record.value):
                yield path, at, record


def changed(text: str) -> Iterator[str]:
    """A text with each number in it one more and one less in its last digit."""
    # A power of ten in x10^9, and the 10 before it, are the unit and no digits.
    numbers = re.compile(r"(?<![0-9^])(?!10\^)[0-9][0-9,]*(?:\.[0-9]+)?")
    for found in numbers.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        for number in (int(digits) + 1, int(digits) - 1):
            fresh = f"{number:0{len(digits)}}"
            if number >= 0 and len(fresh) == len(digits):
                places = iter(fresh)
                said = "".join(next(places) if mark.isdigit() else mark for mark in found[0])
                yield text[: found.start()] + said + text[found.end() :]


def test_numbers_are_changed_in_their_last_digit() -> None:
    assert list(changed("62.3 million")) == ["62.4 million", "62.2 million"]
    assert list(changed("1,200")) == ["1,201", "1,199"]
    assert list(changed("1.8x10^9")) == ["1.9x10^9", "1.7x10^9"]
    assert list(changed("3x3")) == ["4x3", "2x3", "3x4", "3x2"]


STATED = [(path, at, record) for path, at, record in stated()]


@pytest.mark.parametrize(
    ("path", "at", "record"), STATED, ids=[f"{path.stem}-{at[1]}" for path, at, _ in STATED]
)
def test_a_changed_number_is_found_unless_it_holds_too(
    path: Path, at: Place, record: Documented
) -> None:
    erratum, computed = record.erratum, checking(path).judge(at, record)[0].computed
    made = computed
    cases: list[tuple[str, dict[str, Any], Any]] = []
    if erratum is not None:
        # The right number is held to what is computed, and the printed one to what makes it.
        made = checking(path).scope(record.variant).evaluate(erratum.mistake)
        for fresh in changed(str(erratum.value)):
            changes = {"erratum": erratum.model_copy(update={"value": fresh})}
            cases.append((fresh, changes, computed))
    cases += [(fresh, {"value": fresh}, made) for fresh in changed(str(record.value))]
    for fresh, changes, held_to in cases:
        try:
            (finding,) = checking(path).judge(at, record.model_copy(update=changes))
        except Wrong:
            continue  # it is no number any more: 1991's
        if finding.ok:
            # Rounded and cut off may differ by one: 35K and 34K are both said of 34,944.
            said = Printed.parse(fresh)
            assert abs(exact(held_to) - said.value) < said.step, (fresh, show(held_to))


@pytest.mark.parametrize(
    ("path", "at", "record"),
    [(path, at, record) for path, at, record in STATED if record.erratum],
    ids=lambda value: value.stem if isinstance(value, Path) else None,
)
def test_a_mistake_that_is_not_known_is_found(path: Path, at: Place, record: Documented) -> None:
    (finding,) = checking(path).judge(at, record.model_copy(update={"erratum": None}))
    assert not finding.ok


FORMULAS = [
    (path, at, record)
    for path in FILES
    for at, record in records(archcalc.load(path))
    if isinstance(record, Documented) and expressions.is_expression(record.value)
]


@pytest.mark.parametrize(
    ("path", "at", "record"), FORMULAS, ids=[f"{path.stem}-{at[1]}" for path, at, _ in FORMULAS]
)
def test_a_changed_formula_is_found(path: Path, at: Place, record: Documented) -> None:
    for fresh in changed(str(record.value)):
        # Twice the padding is nothing where there is none.
        without_padding = "*P" in fresh and checking(path).scope(record.variant).fact("P") == 0
        if "2*P" in fresh or not without_padding:
            (finding,) = checking(path).judge(at, record.model_copy(update={"value": fresh}))
            assert not finding.ok, fresh


# Structure ------------------------------------------------------------------------------------

# What no documented number is about, because nobody printed it.
FREE: Mapping[str, set[Place]] = {
    "convolution": {
        ("input", 0),  # the figure's one channel, and one filter
        ("layers", "conv", "out_channels"),
        *(("vars", "filter", row, column) for row in range(3) for column in range(3)),
    },
    # How long a text may be was not published.
    "basic-l": {("vars", "length")},
    # Whether a window of 1 or 2 takes every second pixel is all one to sizes.
    "resnet": {("blocks", "zero_padded", "layers", "subsample", "kernel_size")},
}

# An axis is no size, and a year is that of a publication.
NO_SIZE = ("dim", "year")


def numbers(value: Any, at: Place = ()) -> Iterator[Place]:
    """The places of all whole numbers in plain data."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from numbers(item, (*at, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from numbers(item, (*at, number))
    elif type(value) is int:
        yield at


@cache
def data(path: Path) -> dict[str, Any]:
    return archcalc.load(path).document.data


def structural(path: Path) -> Iterator[Place]:
    for key in ("input", "vars", "variants", "blocks", "layers"):
        yield from numbers(data(path).get(key), (key,))


def with_another(path: Path, at: Place, step: int) -> dict[str, Any]:
    fresh = copy.deepcopy(data(path))
    around: Any = fresh
    for key in at[:-1]:
        around = around[key]
    around[at[-1]] += step
    return fresh


def is_red(source: dict[str, Any], at: Place = ()) -> bool:
    """Whether a spec is refused, or anything that it documents does not hold.

    What is said of the variant that the place ``at`` is in is looked at first, to be quick.
    """
    try:
        spec = archcalc.load(source)
        checking = Checking(spec)
        stated = list(records(spec))
        if at[:1] == ("variants",):
            stated.sort(key=lambda item: item[1].variant != at[1])
        found = (finding for place, record in stated for finding in checking.judge(place, record))
        return not all(finding.ok for finding in found)
    except SpecError:
        return True  # it does not fit together any more


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_changed_structure_is_found(path: Path) -> None:
    free = FREE.get(path.stem, set())
    places = [at for at in structural(path) if at not in free and at[-1] not in NO_SIZE]
    assert len(places) >= 7
    unseen = [
        (at, step)
        for at in places
        for step in (1, -1)
        if not is_red(with_another(path, at, step), at)
    ]
    assert unseen == []


def test_a_spec_that_is_not_changed_is_green() -> None:
    assert not any(is_red(data(path)) for path in FILES)
