"""Documented numbers and budgets are held against what is computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc import Finding, SpecError, check
from archcalc.claims.check import VERDICTS
from archcalc.claims.facts import Axes, Scope
from archcalc.claims.judged import judged, show


def small(**stated: Any) -> dict[str, Any]:
    """A convolution of (9 * 3 + 1) * 8 = 224 parameters and 9 * 3 * 8 * 900 = 194,400 MACs."""
    return {
        "name": "small",
        "input": [3, 32, 32],
        "vars": {"filters": 8},
        "layers": {
            "conv": {"op": "Conv2d", "out_channels": "=filters", "kernel_size": 3},
            "bn": "BatchNorm2d",
        },
        **stated,
    }


def documented(**record: Any) -> Finding:
    found = check(small(documented=[{"source": "a page", **record}]))
    (finding,) = found
    return finding


# 224 parameters of the convolution and 2 * 8 of the normalization.
@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        ({"quantity": "params", "value": 240}, "exact"),
        ({"quantity": "params", "value": "0.2K"}, "rounds"),
        ({"quantity": "params", "value": "0.24K"}, "exact"),
        ({"quantity": "params", "layer": "conv", "value": "0.22K"}, "rounds"),
        ({"quantity": "params", "layer": "conv", "value": 224}, "exact"),
        ({"quantity": "conv.params", "value": 224}, "exact"),
        ({"quantity": "macs", "value": "194K"}, "rounds"),
        ({"quantity": "=macs / 1000", "value": 194}, "rounds"),
        ({"quantity": "=macs / 1001", "value": 193}, "contradicted"),
        ({"quantity": "macs", "value": "195K"}, "contradicted"),
        ({"quantity": "macs", "value": "189.8K"}, "contradicted"),
        ({"quantity": "macs", "value": "189.8K", "convention": "1024"}, "convention"),
        ({"quantity": "flops", "value": 194400}, "contradicted"),
        ({"quantity": "flops", "value": 194400, "convention": "macs"}, "convention"),
        ({"quantity": "flops", "value": 388800, "convention": "2xmacs"}, "convention"),
        ({"quantity": "flops", "value": 194400, "convention": "2xmacs"}, "contradicted"),
        # A mean and a variance of 8 channels, and a count.
        ({"quantity": "params", "value": 257, "convention": "buffers"}, "convention"),
        ({"quantity": "conv.kernel_size", "value": "3x3"}, "exact"),
        ({"quantity": "conv.kernel_size", "value": 3}, "exact"),
        ({"quantity": "conv.kernel_size", "value": "3x2"}, "contradicted"),
        ({"quantity": "output", "value": "30x30x8"}, "exact"),
        ({"quantity": "output", "value": "8x30x30"}, "exact"),
        ({"quantity": "output", "value": "30x30"}, "exact"),
        ({"quantity": "output", "value": "8"}, "contradicted"),
        ({"quantity": "params", "value": "240x1"}, "contradicted"),
        ({"quantity": "conv.padding_mode", "value": "zeros"}, "exact"),
        ({"quantity": "conv.padding_mode", "value": "reflect"}, "contradicted"),
        ({"quantity": "conv.bias", "value": "true"}, "exact"),
        ({"quantity": "conv.params", "value": "=(3*3*3 + 1) * filters"}, "exact"),
        ({"quantity": "conv.params", "value": "=3*3*3 * filters"}, "contradicted"),
    ],
)
def test_a_documented_number_gets_a_verdict(record: Mapping[str, Any], verdict: str) -> None:
    finding = documented(**record)
    assert finding.verdict == verdict
    assert finding.ok is (verdict != "contradicted")
    assert verdict in VERDICTS


def test_a_contradiction_says_the_right_value_and_by_how_much() -> None:
    assert documented(quantity="params", value=200).message == "is 240: 40 more than printed"


def test_a_contradiction_names_the_variable_that_is_called_like_a_fact() -> None:
    (finding,) = check(
        small(
            vars={"filters": 8, "depth": 3},
            documented=[{"quantity": "depth", "value": 3, "source": "a page"}],
        )
    )
    said = "is 1: 2 less than printed; the variable of this name is 'vars.depth'"
    assert (finding.verdict, finding.message) == ("contradicted", said)


def test_a_contradiction_names_the_convention_that_would_hold() -> None:
    assert "convention: macs" in documented(quantity="flops", value=194400).message
    assert "convention: buffers" in documented(quantity="params", value=257).message
    assert "convention: 1024" in documented(quantity="macs", value="189.8K").message


@pytest.mark.parametrize(
    ("value", "right", "mistake", "verdict", "message"),
    [
        (250, 240, "=params + 10", "erratum", "is 240: because"),
        (250, "0.2K", "=params + 10", "erratum", "is 0.2K: because"),
        ("0.3K", 240, "=params + 10", "erratum", "is 240: because"),
        (250, 241, "=params + 10", "contradicted", "the erratum says 241, but it is 240"),
        (240, 240, "=params + 10", "contradicted", "240 is right: it needs no erratum"),
        ("0.2K", 240, "=params + 10", "contradicted", "0.2K is right: it needs no erratum"),
        # What was printed is pinned too: one more or less is another mistake than the known one.
        (
            *(251, 240, "=params + 10", "contradicted"),
            "the mistake '=params + 10' makes 250, not 251",
        ),
        (216, 240, "=3*3*3 * filters", "erratum", "is 240: because"),
    ],
)
def test_a_known_mistake_is_pinned_with_the_right_value_and_its_origin(
    value: Any, right: Any, mistake: str, verdict: str, message: str
) -> None:
    erratum = {"value": right, "mistake": mistake, "reason": "because"}
    finding = documented(quantity="params", value=value, erratum=erratum)
    assert (finding.verdict, finding.message) == (verdict, message)


def test_a_number_right_under_its_convention_needs_no_erratum() -> None:
    erratum = {"value": 1, "mistake": "=1", "reason": "because"}
    finding = documented(quantity="flops", convention="macs", value=194400, erratum=erratum)
    assert finding.verdict == "contradicted"


def test_a_note_is_told_with_the_verdict() -> None:
    assert documented(quantity="params", value=240, note="of both").message == "of both"


@pytest.mark.parametrize(
    ("value", "verdict"),
    [("2, 2, 1024", "exact"), ("2x2x1024", "exact"), ("2, 1024", "contradicted")],
)
def test_a_variable_that_is_a_list_is_shown_as_one(value: str, verdict: str) -> None:
    said = [{"quantity": "widths", "value": value, "source": "a page"}]
    (finding,) = check(small(vars={"filters": 8, "widths": [2, 2, 1024]}, documented=said))
    assert (finding.verdict, show(finding.computed)) == (verdict, "2, 2, 1024")


def test_a_list_of_equal_numbers_is_not_one_number() -> None:
    said = [{"quantity": "depths", "value": 2, "source": "a page"}]
    (finding,) = check(small(vars={"filters": 8, "depths": [2, 2]}, documented=said))
    assert finding.verdict == "contradicted"


def test_a_fact_is_kept_with_its_reason() -> None:
    fact = {"quantity": "top5", "value": "84.7%", "source": "a page", "reason": "measured"}
    (finding,) = check(small(facts=[fact]))
    assert (finding.verdict, finding.ok, finding.computed) == ("fact", True, None)
    assert (finding.printed, finding.message) == ("84.7%", "measured")


@pytest.mark.parametrize(
    ("record", "verdict", "message"),
    [
        ({"quantity": "params", "at_most": 240}, "within", ""),
        ({"quantity": "params", "at_most": 239}, "exceeded", "240 is 1 over 239"),
        ({"quantity": "params", "at_least": 240}, "within", ""),
        ({"quantity": "params", "at_least": "1k"}, "exceeded", "240 is 760 under 1k"),
        ({"quantity": "params", "at_least": 200, "at_most": 300}, "within", ""),
        ({"quantity": "macs", "at_most": "0.2M"}, "within", ""),
        ({"quantity": "macs", "layer": "bn", "at_most": 0}, "within", ""),
        ({"quantity": "flops", "at_most": "0.1M"}, "exceeded", None),
        ({"quantity": "weight_bytes", "at_most": 960}, "within", ""),
        ({"quantity": "weight_bytes", "at_most": 959}, "exceeded", "960 is 1 over 959"),
        ({"quantity": "depth", "at_most": 1, "at_least": 1}, "within", ""),
        ({"quantity": "depth", "at_least": 2}, "exceeded", "1 is 1 under 2"),
    ],
)
def test_a_budget_is_kept_or_exceeded(
    record: Mapping[str, Any], verdict: str, message: str | None
) -> None:
    (finding,) = check(small(budget=[record]))
    assert finding.verdict == verdict
    assert finding.ok is (verdict == "within")
    assert message in (None, finding.message)


def test_a_budget_is_of_every_variant_unless_it_names_one() -> None:
    budget = [{"quantity": "params", "at_most": 300}]
    variants = {"narrow": {}, "wide": {"filters": 16}}
    found = check(small(variants=variants, budget=budget))
    assert [(each.network, each.verdict) for each in found] == [
        ("narrow", "within"),
        ("wide", "exceeded"),
    ]
    one = [{"variant": "narrow", **budget[0]}]
    assert [each.network for each in check(small(variants=variants, budget=one))] == ["narrow"]


def test_a_chosen_variant_is_checked_alone() -> None:
    assert {finding.network for finding in check("resnet50")} == {"resnet50"}
    assert {finding.network for finding in check("googlenet")} > {"googlenet-cheatsheet"}


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("documented: [{quantity: parms, value: 1, source: x}]", "4:25  documented › 0 › quantity"),
        ("documented: [{quantity: c.k, value: 1, source: x}]", "4:25  documented › 0 › quantity"),
        ("documented: [{quantity: =1 +, value: 1, source: x}]", "4:25  documented › 0 › quantity"),
        (
            "documented: [{layer: d, quantity: params, value: 1, source: x}]",
            "4:22  documented › 0 › layer",
        ),
        ("documented: [{quantity: params, value: 1O, source: x}]", "4:40  documented › 0 › value"),
        (
            "documented: [{quantity: params, convention: x, value: 1, source: x}]",
            "4:45  documented › 0 › convention",
        ),
        (
            "documented: [{quantity: params, value: 1, source: x, "
            "erratum: {value: O, mistake: =1, reason: y}}]",
            "4:71  documented › 0 › erratum › value",
        ),
        (
            "documented: [{quantity: params, value: 1, source: x, "
            "erratum: {value: 0, mistake: =parms, reason: y}}]",
            "4:83  documented › 0 › erratum › mistake",
        ),
        (
            "documented: [{quantity: params, value: 1, source: x, "
            "erratum: {value: 0, mistake: 1, reason: y}}]",
            "4:83  documented › 0 › erratum › mistake",
        ),
        (
            "documented: [{quantity: params, value: 1, source: x, erratum: {value: 0, reason: y}}]",
            "4:63  documented › 0 › erratum",
        ),
        ("budget: [{quantity: params, layer: d, at_most: 1}]", "4:36  budget › 0 › layer"),
    ],
)
def test_what_can_t_be_understood_is_located(tmp_path: Path, line: str, place: str) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(f"name: net\ninput: [3, 4, 4]\nlayers: {{c: ReLU}}\n{line}\n")
    with pytest.raises(SpecError) as raised:
        check(path)
    assert str(raised.value).splitlines()[0] == f"{path}:{place}"


def test_all_problems_are_reported_in_one_go() -> None:
    records = [{"quantity": name, "value": 1, "source": "x"} for name in ("a", "b", "params")]
    with pytest.raises(SpecError) as raised:
        check(small(documented=records))
    assert len(raised.value.problems) == 2


ANY = Scope.of(archcalc.load("alexnet"))


@pytest.mark.parametrize(
    ("printed", "computed", "agreement"),
    [
        ("11x11, 5x5, 3x3", [(11, 11), (5, 5), (3, 3)], "exact"),
        ("11, 5, 3", [(11, 11), (5, 5), (3, 3)], "exact"),
        ("11;5;3", [(11, 11), (5, 5), (3, 3)], "exact"),
        ("11x11, 5x5", [(11, 11), (5, 5), (3, 3)], "contradicted"),
        ("5, 11, 3", [(11, 11), (5, 5), (3, 3)], "contradicted"),
        ("(2, 2)", (2, 2), "exact"),
        ("(2,2)", (2, 2), "exact"),
        ("2", [0.5, 0.5], "contradicted"),
        ("0.5", [0.5], "exact"),
        ("1.2K, 3", [1234, 3], "rounds"),
        ("6 x 6 x 32", Axes((32, 6, 6)), "exact"),
        ("224×224", Axes((3, 224, 224)), "exact"),
        ("1000x1", Axes((1000,)), "exact"),
        ("1000", Axes((1000,)), "exact"),
    ],
)
def test_sizes_and_lists_are_read_as_people_print_them(
    printed: str, computed: Any, agreement: str
) -> None:
    assert judged(printed, computed, ANY).agreement == agreement


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (62_378_344, "62,378,344"),
        (0.4, "0.4"),
        ([(11, 11), (5, 5)], "11x11, 5x5"),
        # A comma is between two numbers, or in one.
        ([64, 1024, 62_378_344], "64, 1024, 62378344"),
        ([1024, [2048, (3, 3)]], "1024, 2048, 3x3"),
        (Axes((2048, 7, 7)), "2048x7x7"),
        (1024, "1,024"),
        (((1, 1), (1, 1)), "1x1"),
        (((0, 1), (2, 2)), "0+1x2"),
        ("projection", "projection"),
        (True, "True"),
    ],
)
def test_a_computed_value_is_shown_to_people(value: Any, text: str) -> None:
    assert show(value) == text


@pytest.mark.parametrize(
    ("quantity", "value", "ok"),
    [
        ("fc.output", "=4", False),
        ("fc.output", "=[2]", True),
        ("params", "=[10, 10]", False),
        ("params", "='ten'", False),
        ("params", "=10", True),
        ("sizes", "=[1, 2]", True),
        ("sizes", "=[2, 1]", False),
        ("word", "='a'", True),
        ("word", "=2", False),
    ],
)
def test_a_formula_may_give_anything_and_is_held_to_anything(
    quantity: str, value: str, ok: bool
) -> None:
    # 4 x 2 weights and 2 biases.
    data = {
        "name": "n",
        "input": [4],
        "vars": {"sizes": [1, 2], "word": "a"},
        "layers": {"fc": {"op": "Linear", "out_features": 2}},
        "documented": [{"quantity": quantity, "value": value, "source": "a page"}],
    }
    (finding,) = archcalc.check(data)
    assert finding.ok is ok
