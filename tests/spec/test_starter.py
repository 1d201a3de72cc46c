from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

import archcalc
from archcalc.errors import SpecError
from archcalc.spec import text
from archcalc.spec.schema import schema
from archcalc.spec.starter import new


@pytest.fixture
def started(tmp_path: Path) -> str:
    file = tmp_path / "tiny.yaml"
    file.write_text(new("tiny"), encoding="utf-8")
    return str(file)


def test_it_is_valid_as_it_is(started: str) -> None:
    assert archcalc.validate(started) == []
    jsonschema.Draft7Validator(schema()).validate(text.read(started).data)


def test_its_parameters(started: str) -> None:
    analysis = archcalc.analyze(archcalc.load(started))

    conv, fc = 3 * 3 * 3 * 16 + 16, 32 * 10 + 10
    down = 2 * 2 * 16 * 32 + 32
    residual16 = 2 * (3 * 3 * 16 * 16 + 2 * 16)
    residual32 = 2 * (3 * 3 * 32 * 32 + 2 * 32)
    assert analysis.params == conv + 2 * residual16 + down + 2 * residual32 + fc


def test_its_multiply_accumulates(started: str) -> None:
    analysis = archcalc.analyze(archcalc.load(started))

    conv, fc = 32 * 32 * 16 * (3 * 3 * 3), 32 * 10
    down = 16 * 16 * 32 * (2 * 2 * 16)
    residual16 = 2 * (32 * 32 * 16 * (3 * 3 * 16))
    residual32 = 2 * (16 * 16 * 32 * (3 * 3 * 32))
    assert analysis.macs == conv + 2 * residual16 + down + 2 * residual32 + fc


def test_what_it_leaves_as_comments_is_valid_too(tmp_path: Path) -> None:
    commented = ("variants:", "  tiny-wide", "documented:", "  - {quantity", "budget:")
    lines = [
        line[2:] if line.startswith("# ") and line[2:].startswith(commented) else line
        for line in new("tiny").splitlines()
    ]
    file = tmp_path / "tiny.yaml"
    file.write_text("\n".join(lines), encoding="utf-8")

    spec = archcalc.load(f"{file}::tiny-wide")
    assert spec.vars["width"] == 32
    assert [record.quantity for record in spec.budget] == ["macs"]
    assert archcalc.validate(str(file)) == []
    # The values that it gives as an example are those of the network as it is.
    tiny = archcalc.analyze(archcalc.load(str(file)))
    assert str(spec.documented[0].value) == f"{tiny.params / 1000:.1f}k"
    assert tiny.macs <= 20_000_000


@pytest.mark.parametrize("name", ["tiny", "a-1", "_x", "null", "True", "NaN", "Infinity", "yes"])
def test_any_name_of_a_network_is_read_back(name: str) -> None:
    assert text.parse(new(name), "tiny.yaml").data["name"] == name


@pytest.mark.parametrize("name", ["", "1st", "a b", "a: b", "a\nb", "a\n", "{}", "é", "../x", "#"])
def test_other_names_are_refused_with_a_hint(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        new(name)

    (problem,) = caught.value.problems
    assert problem.message == "is no name for a network"
    assert problem.hint == "a name has letters, digits, _ and -, and begins with a letter or _"
