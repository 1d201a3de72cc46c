"""Descriptions of machines: what their files say, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from archcalc.errors import ArchcalcError, SpecError
from archcalc.spec.machines import find, machines, read

GOOD = """\
sources: {sheet: A data sheet}
memory: {printed: 4 GB, source: sheet}
bandwidth: {printed: 2 TB/s, source: sheet}
peaks:
  float32: {printed: 3 TFLOP/s, source: sheet}
  int8: {printed: 8 TOP/s, sparse: true, source: sheet}
  bfloat16: {printed: 5 TFLOP/s, beside: twice with sparsity, source: sheet}
"""


def test_every_machine_that_is_shipped_is_found_by_its_name() -> None:
    shipped = machines()
    assert len(shipped) > 10
    assert [find(each.name) for each in shipped[:2]] == shipped[:2]
    assert find("H100") == find("h100-sxm")


def test_a_file_says_what_is_printed_and_half_of_what_is_for_zeros(tmp_path: Path) -> None:
    path = tmp_path / "made.yaml"
    path.write_text(GOOD)
    made = read(path)
    assert made.name == "made"
    assert made.memory is not None
    assert made.bandwidth is not None
    assert (made.memory.value, made.bandwidth.value) == (4 * 2**30, 2e12)
    assert {dtype: (peak.value, peak.doubles) for dtype, peak in made.peaks.items()} == {
        "float32": (3e12, False),
        "int8": (4e12, True),
        "bfloat16": (5e12, True),
    }
    assert find(f"2x{path}").peaks["float32"].value == 6e12


@pytest.mark.parametrize(
    ("was", "now", "message"),
    [
        ("4 GB", "4 GHz", "'4 GHz' is no number with one of the units"),
        ("4 GB, source: sheet", "4 GB", "a source has to be named"),
        ("2 TB/s", "0 TB/s", "is nothing: leave out what is not known"),
        ("2 TB/s", "2 TB/s, sparse: true", "is true or false, and of peaks alone"),
        ("2 TB/s", "2 TB/s, beside: twice with sparsity", "and of dense peaks alone"),
        ("twice with sparsity", "half", "is 'twice with sparsity', and of dense peaks alone"),
        ("sparse: true", "sparse: true, beside: twice with sparsity", "of dense peaks alone"),
        ("memory:", "memroy:", "no key 'memroy'"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(
    was: str, now: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "made.yaml"
    path.write_text(GOOD.replace(was, now))
    with pytest.raises(SpecError, match=message):
        read(path)


def test_of_several_names_one_is_asked_for_and_of_a_wrong_one_a_near_one() -> None:
    with pytest.raises(ArchcalcError, match="one at a time"):
        find("h100,a100-80gb")
    with pytest.raises(ArchcalcError, match="did you mean 'h200'"):
        find("h20")
    with pytest.raises(ArchcalcError, match=r"known: .*h200"):
        find("typewriter")
