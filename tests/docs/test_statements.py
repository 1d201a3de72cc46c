"""What the pages state in words is held to the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import archcalc
from archcalc.analysis.conventions import CONVENTIONS
from archcalc.claims.check import VERDICTS
from archcalc.claims.facts import FACTS
from archcalc.operators import base
from archcalc.operators.window import MODES, slide
from archcalc.report.layers.columns import COLUMNS
from archcalc.report.layers.contract import contract
from archcalc.report.layers.lines import DETAILS
from archcalc.spec import arithmetic, budget, evaluation, expressions, making, text, tree
from archcalc.spec.documented import QUANTITIES
from archcalc.spec.layer import LAYER_KEYS, Block
from archcalc.spec.model import Spec

DOCS = Path(__file__).resolve().parents[2] / "docs"
SPEC = (DOCS / "spec.md").read_text(encoding="utf-8")
PERFORMANCE = (DOCS / "performance.md").read_text(encoding="utf-8")
CHECKING = (DOCS / "checking.md").read_text(encoding="utf-8")
OUTPUT = (DOCS / "output.md").read_text(encoding="utf-8")
TUTORIAL = (DOCS / "tutorial.md").read_text(encoding="utf-8")
CONVENTIONS_PAGE = (DOCS / "conventions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "word", sorted({*LAYER_KEYS, *Block.model_fields, *Spec.model_fields} - {"from_"})
)
def test_every_key_is_explained(word: str) -> None:
    assert re.search(rf"^\| [^|]*`{word}`[^|]* \|", SPEC, re.MULTILINE)


@pytest.mark.parametrize("function", arithmetic.FUNCTIONS)
def test_every_function_is_explained(function: str) -> None:
    assert re.search(rf"^\| [^|]*`{function}\(", SPEC, re.MULTILINE)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_padding_is_explained(mode: str) -> None:
    assert f"\n| `{mode}` |" in SPEC


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_every_quantity_is_named(quantity: str) -> None:
    assert f"`{quantity}`" in CHECKING


@pytest.mark.parametrize("fact", FACTS)
def test_every_fact_is_named(fact: str) -> None:
    assert f"`{fact}`" in CHECKING


@pytest.mark.parametrize("verdict", VERDICTS.values())
def test_every_verdict_is_explained(verdict: str) -> None:
    assert f"\n| {verdict} |" in CHECKING


@pytest.mark.parametrize(
    "row",
    [
        f"size of a file | {text.LARGEST_FILE // 2**20} MiB",
        f"nesting | {tree.DEEPEST} mappings and lists; {expressions.DEEPEST} operations",
        f"values in a file, aliases counted in full | {tree.MOST_VALUES:,}",
        f"digits of a number | {text.MOST_DIGITS}",
        "characters of a key, of a layer's full name, of an expression "
        f"| {tree.LONGEST_KEY}, {making.LONGEST_NAME}, {expressions.LONGEST}",
        f"axes of a tensor, the batch among them | {evaluation.MOST_AXES}",
        f"inputs that the layers take together | {making.MOST_EDGES:,}",
        f"blocks within one another | {making.DEEPEST}",
        f"steps of an expansion | {budget.MOST_STEPS:,}",
        f"in an expression | 2^{base.LARGEST.bit_length() - 1}, "
        f"2^{arithmetic.LARGEST.bit_length() - 1}",
        f"layers of an expanded network, repetitions of a layer | {making.MOST_NODES:,}",
    ],
)
def test_the_limits_are_those_of_the_program(row: str) -> None:
    assert row in PERFORMANCE


@pytest.mark.parametrize(
    "said",
    [
        f"A layer looked at is {budget.LOOKED_AT} steps",
        f"an input of a layer is {budget.TAKEN}",
        f"a block with other arguments are {budget.MADE} each",
        f"A layer of the network is {budget.ROW}",
        f"one copied from block to block {budget.COPIED}",
        f"one with shared tensors {budget.TIED} more",
        f"A value in the file is {budget.WRITTEN}",
        f"a variable {budget.VARIABLE}",
        f"each is {budget.VARIANT} more",
    ],
)
def test_steps_cost_what_is_said(said: str) -> None:
    assert said in " ".join(PERFORMANCE.split())


@pytest.mark.parametrize("name", CONVENTIONS)
def test_every_convention_is_explained(name: str) -> None:
    assert f"\n| `{name}` |" in CONVENTIONS_PAGE


@pytest.mark.parametrize("kind", base.KINDS)
def test_every_kind_of_work_is_explained(kind: str) -> None:
    assert f"\n| `{kind}` |" in CONVENTIONS_PAGE


def test_the_table_of_windows_is_what_the_formula_gives() -> None:
    rows = re.findall(
        r"^\| (\d+), (\d+), (\d+), (\d+)[^|]*\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$",
        CONVENTIONS_PAGE,
        re.MULTILINE,
    )

    assert len(rows) == 4
    for row in rows:
        n, k, s, p, *printed = map(int, row)
        pad = (p, p)
        assert printed == [
            slide(n, k, s, 1, pad),
            slide(n, k, s, 1, pad, "ceil"),
            slide(n, k, s, 1, pad, "ceil", clip=p > 0),
            slide(n, k, s, 1, pad, "ceil", clip=False),
        ]


@pytest.mark.parametrize("word", [*COLUMNS, *DETAILS])
def test_every_column_and_detail_is_explained(word: str) -> None:
    assert re.search(rf"^\| [^|]*`{word}`[^|]* \|", OUTPUT, re.MULTILINE)


def test_every_key_of_the_json_contract_is_explained() -> None:
    data = contract(archcalc.analyze(archcalc.load("mnist-keras")))
    explained = set(re.findall(r"`([^`]+)`", OUTPUT[OUTPUT.index("| key | holds |") :]))

    for keys in (data, data["totals"], data["layers"][0], data["layers"][0]["work"]):
        assert set(keys) <= explained


SUMS = re.findall(r"`([\d ,+*()/-]+) = ([\d,]+)`", TUTORIAL)


def test_the_tutorial_works_its_numbers_out() -> None:
    assert len(SUMS) >= 15


@pytest.mark.parametrize(("sum", "result"), SUMS)
def test_a_sum_in_the_tutorial_is_right(sum: str, result: str) -> None:
    worked_out = expressions.parse(sum.replace(",", ""))({})

    assert worked_out == int(result.replace(",", ""))
