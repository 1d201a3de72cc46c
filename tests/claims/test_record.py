"""What a network comes to today, written into its spec."""

from __future__ import annotations

from pathlib import Path

import pytest

from archcalc import ArchcalcError, check
from archcalc.claims.record import Difference, record

# 3 x 8 x 9 weights and 8 biases at 30 x 30 places; 8 x 10 weights and 10 biases.
SPEC = """\
# A network of mine.
name: net
input: [3, 32, 32]

layers:
  conv: {op: Conv2d, out_channels: 8, kernel_size: 3}   # the only one
  pool: {op: GlobalAvgPool, keepdim: false}
  fc: {op: Linear, out_features: 10}
"""
PARAMS, MACS = 216 + 8 + 80 + 10, 216 * 900 + 80


def written(tmp_path: Path, text: str, name: str = "net.yaml") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def texts(path: Path, **how: bool) -> str:
    (found,) = record(path, **how)
    assert found.written == path.read_bytes().decode()
    path.write_bytes(found.text.encode())
    assert all(finding.ok for finding in check(path))
    return found.text


def test_totals_go_below_all_that_stands_there(tmp_path: Path) -> None:
    assert texts(written(tmp_path, SPEC)) == (
        f"{SPEC}\ndocumented:\n"
        f"  - {{quantity: params, value: {PARAMS}, source: recorded by archcalc}}\n"
        f"  - {{quantity: macs, value: {MACS}, source: recorded by archcalc}}\n"
    )


def test_layers_have_their_shapes_and_what_they_have_of_the_rest(tmp_path: Path) -> None:
    said = texts(written(tmp_path, SPEC), layers=True).partition("documented:\n")[2]
    assert [line.partition(", source")[0] for line in said.splitlines()[2:]] == [
        "  - {layer: conv, quantity: output, value: 8x30x30",
        "  - {layer: conv, quantity: params, value: 224",
        "  - {layer: conv, quantity: macs, value: 194400",
        "  - {layer: pool, quantity: output, value: 8",
        "  - {layer: fc, quantity: output, value: 10",
        "  - {layer: fc, quantity: params, value: 90",
        "  - {layer: fc, quantity: macs, value: 80",
    ]


def test_budgets_are_of_what_can_be_exceeded(tmp_path: Path) -> None:
    said = texts(written(tmp_path, SPEC), layers=True, budget=True).partition("budget:\n")[2]
    assert said.splitlines() == [
        f"  - {{quantity: params, at_most: {PARAMS}}}",
        f"  - {{quantity: macs, at_most: {MACS}}}",
        "  - {layer: conv, quantity: params, at_most: 224}",
        "  - {layer: conv, quantity: macs, at_most: 194400}",
        "  - {layer: fc, quantity: params, at_most: 90}",
        "  - {layer: fc, quantity: macs, at_most: 80}",
    ]


def test_each_variant_has_its_own(tmp_path: Path) -> None:
    text = SPEC.replace("8, kernel", "=w, kernel").replace(
        "\nlayers", "vars: {w: 8}\nvariants:\n  net: {}\n  wide: {w: 16}\nlayers"
    )
    said = texts(written(tmp_path, text))
    assert f"{{variant: net, quantity: params, value: {PARAMS}," in said
    assert f"{{variant: wide, quantity: params, value: {2 * 224 + 170}," in said


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("documented:\n  - {quantity: params, value: 0.3K, source: a page}\n", ""),
        ("documented:\n- quantity: params\n  value: 0.3K\n  source: a page\n", "# The end.\n"),
        (
            "documented:\n  # Theirs.\n  - {quantity: params, value: 0.3K,\n     source: x}\n",
            "\nbudget:\n  - {quantity: macs, at_most: 1M}\n",
        ),
    ],
)
def test_new_lines_stand_behind_those_of_a_list_and_no_other_line_changes(
    tmp_path: Path, before: str, after: str, end: str
) -> None:
    dash = "- " if "\n- " in before else "  - "
    new = "".join(
        f"{dash}{{quantity: {name}, value: {value}, source: recorded by archcalc}}\n"
        for name, value in (("params", PARAMS), ("macs", MACS))
    )
    path = written(tmp_path, f"{SPEC}{before}{after}".replace("\n", end))
    found = texts(path)
    assert found == f"{SPEC}{before}{new}{after}".replace("\n", end)
    assert texts(path) == found


@pytest.mark.parametrize("name", ["net.json", "net.yaml"])
def test_what_is_written_like_json_is_written_anew(tmp_path: Path, name: str) -> None:
    text = '{"name": "net", "input": [4], "documented": [], "layers": {"a": "ReLU"}}'
    path = written(tmp_path, text, name)
    assert '"quantity": "params"' in texts(path)


def test_a_list_on_one_line_grows(tmp_path: Path) -> None:
    line = "documented: [{quantity: params, value: 0.3K, source: a page}]  # theirs\n"
    said = texts(written(tmp_path, SPEC + line))
    assert "# theirs" in said
    assert "# the only one" in said
    assert f"value: {MACS}" in said


def test_what_was_recorded_is_changed_in_its_place_and_what_others_print_is_not(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, SPEC)
    before = texts(path, layers=True)
    path.write_text(before.replace("out_features: 10", "out_features: 11"))
    (found,) = record(path)
    assert found.added == 0
    assert found.differences == (
        Difference("net", None, "params", str(PARAMS), PARAMS + 9),
        Difference("net", None, "macs", str(MACS), MACS + 8),
        Difference("net", "fc", "output", "10", 11),
        Difference("net", "fc", "params", "90", 99),
        Difference("net", "fc", "macs", "80", 88),
    )
    assert str(found.differences[1]) == f"net: macs was recorded as {MACS:,}, and is {MACS + 8:,}"
    lines = zip(found.text.splitlines(), found.written.splitlines(), strict=True)
    assert sum(new != old for new, old in lines) == 5


def test_a_budget_that_is_kept_stays_as_it_is(tmp_path: Path) -> None:
    line = "budget:\n  - {quantity: params, at_most: 1K}\n  - {quantity: macs, at_most: 100K}\n"
    path = written(tmp_path, SPEC + line)
    (found,) = record(path, budget=True)
    assert found.differences == (Difference("net", None, "macs", "100K", MACS),)
    assert found.text == (SPEC + line).replace("100K", str(MACS))


def test_records_apart_stay_there(tmp_path: Path) -> None:
    path = written(tmp_path, SPEC)
    (tmp_path / "records").mkdir()
    apart = written(tmp_path / "records", "facts: []\n")
    (found,) = record(path)
    assert found.file == str(apart)
    assert found.text.startswith("facts: []\n\ndocumented:\n")
    (limits,) = record(path, budget=True)
    assert limits.file == str(path)


def test_a_network_elsewhere_is_recorded_where_it_is_named(tmp_path: Path) -> None:
    written(tmp_path, SPEC)
    path = written(tmp_path, "network: net.yaml\ninput: 3x34x34\n", "held.yaml")
    assert f"{{quantity: macs, value: {216 * 1024 + 80}," in texts(path)


@pytest.mark.parametrize("source", ["lenet5", "-", "pyproject.toml"])
def test_what_is_no_file_of_specs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text('[[tool.archcalc.check]]\nnetwork = "lenet5"\n')
    with pytest.raises(ArchcalcError, match="numbers are recorded in a"):
        record(source)
