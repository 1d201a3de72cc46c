"""Totals of a network made of known pieces are those of its layers."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

import archcalc
from archcalc.analysis.analyze import totals
from archcalc.analysis.counted import Analysis
from archcalc.analysis.recall import TOTALS
from archcalc.spec import zoo
from archcalc.spec.dependence import variables_of
from archcalc.spec.outline import outline
from archcalc.spec.question import Question


def block(kernel: int, ratio: int) -> dict[str, Any]:
    wide = f"={ratio} * channels(input)"
    return {
        "layers": {
            "expand": {"op": "Conv2d", "out_channels": wide, "kernel_size": 1, "bias": False},
            "norm": "BatchNorm2d",
            "act": {"op": "=act"},
            "conv": {
                "op": "Conv2d",
                "out_channels": "=channels(input)",
                "kernel_size": kernel,
                "padding": kernel // 2,
            },
            "add": {"op": "Add", "from": ["input", "conv"]},
        }
    }


KERNELS, RATIOS, PLACES = (1, 3, 5), (1, 2, 4), 6
SEARCH: dict[str, Any] = {
    "name": "search",
    "input": [3, 16, 16],
    "vars": {
        "choices": ["k3r1"] * PLACES,
        "depth": 1,
        "act": "ReLU",
        "wide": 8,
        "norm": True,
        "unused": 1,
    },
    "blocks": {
        **{f"k{k}r{r}": block(k, r) for k in KERNELS for r in RATIOS},
        "head": {
            "args": {"out": "=2 * wide"},
            "layers": {"conv": {"op": "Conv2d", "out_channels": "=out", "kernel_size": 1}},
        },
    },
    "layers": {
        "stem": {"op": "Conv2d", "out_channels": "=wide", "kernel_size": 3, "padding": 1},
        "norm": {"op": "BatchNorm2d", "when": "=norm"},
        **{f"place{k}": {"block": f"=choices[{k}]"} for k in range(PLACES)},
        "more": {"block": "k3r2", "repeat": "=depth"},
        "head": {"block": "head"},
        "join": {"op": "Add", "from": ["head", "head"]},
    },
}


def assert_same(found: Analysis, data: Any, **given: Any) -> None:
    expected = archcalc.analyze(archcalc.load(data), **given)
    assert expected.rows  # the engine's
    assert "_later" not in expected.__dict__
    for name in (*TOTALS, "work", "flops", "not_counted", "partial", "kinds", "variables"):
        value, other = getattr(found, name), getattr(expected, name)
        assert (value, type(value)) == (other, type(other)), name
    assert found.rows == expected.rows
    assert found.graph == expected.graph


def test_a_search_is_made_of_pieces_and_gives_what_layers_give() -> None:
    spec = archcalc.load(SEARCH)
    chosen = random.Random(1)
    outlined = 0
    for _ in range(120):
        given: dict[str, Any] = {
            "choices": [
                f"k{chosen.choice(KERNELS)}r{chosen.choice(RATIOS)}" for _ in range(PLACES)
            ],
            "depth": chosen.randrange(0, 4),
            "act": chosen.choice(["ReLU", "GELU"]),
            "norm": chosen.random() < 0.5,
            "wide": chosen.choice([8, 16]),
            "unused": chosen.randrange(9),
        }
        found = archcalc.analyze(spec, **given)
        outlined += "_later" in found.__dict__
        assert_same(found, SEARCH, **given)
    assert outlined > 40


def test_a_block_depends_on_the_variables_that_it_names() -> None:
    spec = archcalc.load(SEARCH)
    assert variables_of(spec, "k3r1") == {"act"}
    assert variables_of(spec, "head") == {"wide"}
    archcalc.analyze(spec)
    memory = spec.home.take()
    before = {id(template) for known in memory.blocks.values() for template in known.values()}
    spec.home.bring_back(memory)
    archcalc.analyze(spec, unused=2, depth=3).rows  # noqa: B018
    memory = spec.home.take()
    assert before == {id(t) for known in memory.blocks.values() for t in known.values()}


@pytest.mark.every_network
@pytest.mark.parametrize("name", [*zoo.names()])
def test_the_pieces_of_a_network_sum_to_its_totals(name: str) -> None:
    spec = archcalc.load(name)
    first = archcalc.analyze(spec, batch=2)
    again = archcalc.analyze(spec, batch=2)
    assert "_later" not in first.__dict__
    if "_later" in again.__dict__:
        assert_same(again, name, batch=2)


@pytest.mark.every_network
@pytest.mark.parametrize("name", [*zoo.names()])
def test_totals_that_are_asked_first_are_those_of_the_layers(name: str) -> None:
    assert_same(totals(archcalc.load(name)), name)


# Of 8 experts one input takes 2: 8 x (16 + 4) parameters, 2 x 16 products; and a tied output.
EXPERTS: dict[str, Any] = {
    "name": "experts",
    "input": ["=tokens"],
    "vars": {"tokens": 3, "depth": 2, "experts": 8},
    "blocks": {
        "moe": {
            "layers": {
                "experts": {
                    "op": "Linear",
                    "out_features": 4,
                    "parallel": "=experts",
                    "active": 2,
                },
                "sum": {"op": "Add", "from": "experts.*"},
            }
        }
    },
    "layers": {
        "embed": {"op": "Embedding", "num_embeddings": 10, "embedding_dim": 4},
        "stack": {"block": "moe", "repeat": "=depth"},
        "head": {"op": "Linear", "out_features": 10, "bias": False, "share": "embed"},
    },
}


def test_experts_that_are_left_aside_are_owned_and_tied_tensors_are_once() -> None:
    found = totals(archcalc.load(EXPERTS))
    assert "_later" in found.__dict__
    assert "rows" not in found.__dict__
    assert found.params == 10 * 4 + 2 * 8 * (16 + 4)
    assert found.executed_params == 10 * 4 + 2 * 2 * (16 + 4)
    assert found.shared_params == 10 * 4
    assert found.macs == 3 * (2 * 2 * 16 + 4 * 10)
    assert_same(found, EXPERTS)


def test_many_experts_are_not_made() -> None:
    spec = archcalc.load({**EXPERTS, "vars": {"tokens": 3, "depth": 100, "experts": 1000}})
    found = totals(spec)
    assert found.params == 10 * 4 + 100 * 1000 * (16 + 4)
    assert "rows" not in found.__dict__


@pytest.mark.parametrize(
    "given",
    [
        {"depth": 121, "experts": 1000},  # 121,121 layers
        {"depth": 2, "experts": -1},
        {"depth": 2, "experts": 1},  # of which two are to be active
        {"tokens": 0},
    ],
)
def test_what_is_refused_is_refused_if_totals_are_asked(given: dict[str, Any]) -> None:
    data = {**EXPERTS, "vars": {**EXPERTS["vars"], **given}}
    with pytest.raises(archcalc.SpecError) as expected:
        archcalc.analyze(given_spec(data))
    with pytest.raises(archcalc.SpecError) as found:
        totals(given_spec(data))
    assert found.value.problems == expected.value.problems


def given_spec(data: dict[str, Any]) -> archcalc.Spec:
    from archcalc.spec.text import parse

    return archcalc.Spec.of(parse(json.dumps(data), "<mapping>"))


def test_no_variable_is_taken_that_is_none_once_the_pieces_are_known() -> None:
    spec = archcalc.load(SEARCH)
    for _ in range(3):
        archcalc.analyze(spec)
        with pytest.raises(archcalc.SpecError, match="has no variable 'detph'"):
            archcalc.analyze(spec, detph=3)


@pytest.mark.parametrize(
    "change",
    [
        {"requires": [{"that": "=channels(stem) == 8", "reason": "it is so"}]},
        {"layers": {**SEARCH["layers"], "last": {"op": "Add", "from": ["join", "head.conv"]}}},
        {
            "layers": {
                **SEARCH["layers"],
                "tied": {"block": "head", "from": "more", "share": "head"},
                "last": {"op": "Add", "from": ["join", "tied"]},
            }
        },
        {"layers": {**SEARCH["layers"], "two": {"op": "ReLU", "parallel": 2}}, "outputs": "two.*"},
    ],
)
def test_what_is_tied_or_named_inside_is_expanded(change: dict[str, Any]) -> None:
    spec = archcalc.load({**SEARCH, **change})
    given: dict[str, Any] = {"depth": 2}
    archcalc.analyze(spec, **given)
    assert outline(spec, Question(variables=given)) is None
    assert_same(archcalc.analyze(spec, depth=2), {**SEARCH, **change}, depth=2)


def test_a_layer_left_aside_is_still_reported() -> None:
    layers = {**SEARCH["layers"], "aside": {"op": "ReLU", "from": "stem", "when": "=unused == 2"}}
    layers["end"] = {"op": "ReLU", "from": "join"}
    spec = archcalc.load({**SEARCH, "layers": layers})
    for _ in range(3):
        archcalc.analyze(spec, unused=1)
        with pytest.raises(archcalc.SpecError, match="'aside' leads to no output"):
            archcalc.analyze(spec, unused=2)


def test_one_true_and_a_fraction_are_pieces_of_their_own() -> None:
    layers = {"fc": {"op": "Linear", "out_features": 4, "bias": "=x"}}
    data = {"name": "n", "input": [4], "vars": {"x": True}, "layers": layers}
    spec = archcalc.load(data)

    def outcome(spec: archcalc.Spec, x: Any) -> Any:
        try:
            return archcalc.analyze(spec, x=x).params
        except archcalc.SpecError as error:
            return str(error)

    for x in (True, 1, False, 0, True, 1.0, 1, False):
        assert outcome(spec, x) == outcome(archcalc.load(data), x)


def test_a_network_of_which_all_layers_are_left_out_is_the_engine_s_to_say() -> None:
    layers = {"one": {"op": "ReLU", "repeat": "=n"}, "two": {"op": "ReLU", "when": "=n > 0"}}
    spec = archcalc.load({"name": "n", "input": [4], "vars": {"n": 2}, "layers": layers})
    for n in (2, 0, 0, 1, 0):
        found = archcalc.analyze(spec, n=n)
        assert (len(found.rows), found.activations) == ((n + 1, 4 * (n + 1)) if n else (0, 0))
