"""What must hold of networks that stand elsewhere: in code, in files, in specs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import archcalc
from archcalc.errors import SpecError

MINE = """
from pathlib import Path

from torch import nn

Path(__file__).with_name("ran").touch()

def build(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Flatten(), nn.Linear(width * 36, 2))

def words():
    return nn.Embedding(10, 4)
"""
# Of build() on 3x8x8: 4 x 27 + 4 and 2 x 144 + 2 parameters, 36 x 4 x 27 and 2 x 144 MACs.
PARAMS, MACS = 402, 4176

BUDGET = """\
network: torch:mine.py:build
input: 3x8x8
documented:
  - {quantity: params, value: 402, source: README}
facts:
  - {quantity: accuracy, value: 61%, source: README, reason: measured}
budget:
  - {quantity: macs, at_most: 4.1K}
  - {layer: "0", quantity: params, at_most: 112, at_least: 112}
"""

PROJECT = """\
[project]
name = "mine"
keywords = [
  "a",
]

[[tool.archcalc.check]]
network = "torch:mine.py:build(width=4)"
name = "small"
input = [3, 8, 8]
budget = [
  {quantity = "params", at_most = 402},
  {quantity = "macs", at_most = "4.1K"},
]

[tool.other]
check = 3

[[tool.archcalc.check]]
network = "resnet18"
input = "3x64x64"
[[tool.archcalc.check.documented]]
quantity = "params"
value = "11.7M"
source = "the paper"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "budget.yaml").write_text(BUDGET)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return tmp_path


def test_numbers_and_budgets_of_a_module_are_checked(folder: Path) -> None:
    findings = archcalc.check(str(folder / "budget.yaml"), run_code=True)
    assert [(f.network, f.quantity, f.computed, f.verdict, f.place.line) for f in findings] == [
        ("build", "params", PARAMS, "exact", 4),
        ("build", "accuracy", None, "fact", 6),
        ("build", "macs", MACS, "exceeded", 8),
        ("build", "0.params", 112, "within", 9),
    ]


def test_a_file_runs_no_code_by_itself(folder: Path) -> None:
    for name, line in (("budget.yaml", 1), ("pyproject.toml", 8)):
        with pytest.raises(
            SpecError, match=r"is code, torch:mine\.py:build.*is imported and"
        ) as got:
            archcalc.check(folder / name)
        assert got.value.problems[0].line == line
    assert not (folder / "ran").exists()


def test_a_project_states_what_must_hold_of_several_networks(folder: Path) -> None:
    findings = archcalc.check(folder / "pyproject.toml", run_code=True)
    assert [(f.network, f.computed, f.verdict, f.place.line) for f in findings] == [
        ("small", PARAMS, "within", 12),
        ("small", MACS, "exceeded", 13),
        ("resnet18", 11_689_512, "rounds", 22),
    ]


def test_an_input_is_given_to_specs_too(tmp_path: Path) -> None:
    path = tmp_path / "budget.json"
    budget = [{"quantity": "macs", "at_most": 1, "layer": "conv1"}]
    path.write_text(json.dumps({"network": "resnet18", "input": "3x64x64", "budget": budget}))
    (finding,) = archcalc.check(path)
    # 64 channels of 7 x 7 x 3 at 32 x 32 positions.
    assert finding.computed == 64 * 49 * 3 * 32 * 32


def test_of_a_family_every_variant_is_held_to_a_budget(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(
        "name: net\ninput: [3]\nvars: {n: }\nvariants: {one: {n: 1}, two: {n: 2}}\n"
        "layers: {fc: {op: Linear, out_features: =n}}\n"
    )
    path = tmp_path / "budget.yaml"
    said = "network: net.yaml\nbudget: [{quantity: params, at_most: 5}]\n"
    for network, verdicts in (("net.yaml", ["within", "exceeded"]), ("net.yaml::one", ["within"])):
        path.write_text(said.replace("net.yaml", network))
        assert [finding.verdict for finding in archcalc.check(path)] == verdicts


def test_dtypes_and_names_of_inputs_are_given(folder: Path) -> None:
    path = folder / "budget.yaml"
    for given in ("int64:7", "{input: 'int64:7'}"):
        path.write_text(
            f"network: torch:mine.py:words\ninput: {given}\n"
            "documented: [{quantity: params, value: 40, source: a page}]\n"
        )
        assert [f.verdict for f in archcalc.check(path, run_code=True)] == ["exact"]


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("input: 3x8x8", "input: 3x8xa", 2, "should be a shape without the batch"),
        ("input: 3x8x8", "input: 0", 2, "should be a shape without the batch"),
        ("input: 3x8x8", "inputs: 3x8x8", 2, "unknown key 'inputs'\n  did you mean 'input'?"),
        ("at_most: 4.1K", "most: 3", 8, "unknown key 'most'"),
        ("quantity: macs", "quantity: mac", 8, "should be 'params'"),
        ('layer: "0"', "layer: conv", 9, "no layer 'conv' in 'build'"),
        ("value: 402", "value: many", 4, "'many' is no number"),
        ("quantity: params, value", "variant: b, quantity: params, value", 4, "no variant 'b'"),
        ("mine.py:build", "mine.py:bild", 1, "has no 'bild'"),
        ("torch:mine.py:build", "resnet8", 1, "no network of this name"),
        ("torch:mine.py:build\ninput: 3x8x8", "resnet18\ninput: 8x8x3", 2, "channels come first"),
    ],
)
def test_what_is_wrong_is_told_at_its_line(
    folder: Path, old: str, new: str, line: int, said: str
) -> None:
    path = folder / "budget.yaml"
    path.write_text(BUDGET.replace(old, new))
    with pytest.raises(SpecError) as got:
        archcalc.check(path, run_code=True)
    (problem,) = got.value.problems[:1]
    assert (problem.file, problem.line) == (str(path), line)
    assert said in str(problem)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("[3, 8, 8]", "[3, 8, 0]", 10, "should be a shape"),
        ("check.documented", "check.document", 22, "unknown key 'document'"),
        ('at_most = "4.1K"', "at_least = -1.5", 13, "should be"),
        ('network = "resnet18"', "", 19, "needs 'network'"),
        (
            'tool.archcalc.check]]\nnetwork = "resn',
            'tool.archcalc.chek]]\nnetwork = "resn',
            19,
            "did",
        ),
        ("= 402}", "= }", 12, "is no TOML"),
        ("tool.archcalc.check", "tool.archcalk.check", 1, r"write [[tool.archcalc.check]]"),
    ],
)
def test_of_a_project_too(folder: Path, old: str, new: str, line: int, said: str) -> None:
    path = folder / "pyproject.toml"
    path.write_text(PROJECT.replace(old, new))
    with pytest.raises(SpecError) as got:
        archcalc.check(path, run_code=True)
    assert said in str(got.value)
    assert [(problem.file, problem.line) for problem in got.value.problems] == [(str(path), line)]


def test_where_a_network_is_wanted_it_is_told_what_such_a_file_is(folder: Path) -> None:
    with pytest.raises(SpecError, match="and is none itself\n  'archcalc check' reads it") as got:
        archcalc.load(folder / "budget.yaml")
    assert archcalc.validate(folder / "budget.yaml") == list(got.value.problems)
    assert [problem.line for problem in got.value.problems] == [1]


def test_what_is_no_such_file_is_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("name: network\ninput: [3]\nlayers: {fc: {op: Linear, out_features: 2}}\n")
    assert archcalc.check(path) == []
