"""A spec that is changed in any number turns the check red."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from fractions import Fraction
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
            if isinstance(record, Documented):
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
    erratum, value = record.erratum, str(record.erratum.value if record.erratum else record.value)
    if expressions.is_expression(value):
        pytest.skip("a formula, whose numbers the next test changes")
    computed = checking(path).judge(at, record)[0].computed
    for fresh in changed(value):
        update: dict[str, Any] = {"value": fresh}
        if erratum is not None:
            update = {"erratum": erratum.model_copy(update={"value": fresh})}
        try:
            (finding,) = checking(path).judge(at, record.model_copy(update=update))
        except Wrong:
            continue  # it is no number any more: 1991's
        if finding.ok:
            # Rounded and cut off may differ by one: 35K and 34K are both said of 34,944.
            said = Printed.parse(fresh)
            step = said.step
            assert abs(exact(computed) - said.value) < step, (fresh, show(computed))


@pytest.mark.parametrize(
    ("path", "at", "record"),
    [(path, at, record) for path, at, record in STATED if record.erratum],
    ids=lambda value: value.stem if isinstance(value, Path) else None,
)
def test_a_mistake_that_is_not_known_is_found(path: Path, at: Place, record: Documented) -> None:
    (finding,) = checking(path).judge(at, record.model_copy(update={"erratum": None}))
    assert not finding.ok


@pytest.mark.parametrize(
    "at", [at for path, at, _ in STATED if path.stem == "convolution" and at[1] != 0]
)
def test_a_changed_formula_is_found(at: Place) -> None:
    (path,) = (path for path in FILES if path.stem == "convolution")
    (record,) = (r for place, r in records(archcalc.load(path)) if place == at)
    assert isinstance(record, Documented)
    for fresh in changed(str(record.value)):
        # Twice the padding is nothing where there is none.
        without_padding = "*P" in fresh and checking(path).scope(record.variant).fact("P") == 0
        if "2*P" in fresh or not without_padding:
            (finding,) = checking(path).judge(at, record.model_copy(update={"value": fresh}))
            assert not finding.ok, fresh


# Structure ------------------------------------------------------------------------------------

# What no documented number is about: it changes neither a shape nor a weight.
FREE = {"dim"}


def numbers(value: Any, at: Place = ()) -> Iterator[Place]:
    """The places of all whole numbers in plain data."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in FREE:
                yield from numbers(item, (*at, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from numbers(item, (*at, number))
    elif type(value) is int:
        yield at


def structural(name: str) -> list[Place]:
    data = archcalc.load(zoo.folder() / f"{name}.yaml").document.data
    places = numbers(
        {key: data[key] for key in ("input", "vars", "blocks", "layers") if key in data}
    )
    return [at for at in places if at[:2] != ("vars", "connected")]


def with_one_more(data: dict[str, Any], at: Place, step: int) -> dict[str, Any]:
    fresh = copy.deepcopy(data)
    around: Any = fresh
    for key in at[:-1]:
        around = around[key]
    around[at[-1]] += step
    return fresh


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize(
    ("name", "at"),
    [(name, at) for name in ("lenet", "mnist-keras") for at in structural(name)],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else value,
)
def test_a_changed_structure_is_found(name: str, at: Place, step: int) -> None:
    data = archcalc.load(zoo.folder() / f"{name}.yaml").document.data
    try:
        findings = archcalc.check(with_one_more(data, at, step))
    except SpecError:
        return  # it does not fit together any more
    assert not all(finding.ok for finding in findings)


def test_structure_is_changed_in_many_places() -> None:
    assert len(structural("lenet")) > 10
    assert len(structural("mnist-keras")) > 8


def test_fractions_are_exact() -> None:
    assert exact(Fraction(1, 3)) * 3 == 1
