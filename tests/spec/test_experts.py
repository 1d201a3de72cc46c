"""Mixtures of experts: n side by side of which an input takes k."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc

EXPERTS, TAKEN, TOKENS, WIDTH, HIDDEN, LAYERS = 8, 2, 16, 8, 32, 3

ROUTER = EXPERTS * WIDTH
EXPERT = 2 * WIDTH * HIDDEN


def spec(**layer: Any) -> archcalc.Spec:
    """A transformer's feed-forward layers, of which a router chooses two of eight for a token."""
    expert = [
        {"op": "Linear", "out_features": HIDDEN, "bias": False},
        "SiLU",
        {"op": "Linear", "out_features": WIDTH, "bias": False},
    ]
    router = {"op": "Linear", "out_features": "=experts", "bias": False}
    return archcalc.load(
        {
            "name": "moe",
            "input": [TOKENS, WIDTH],
            "vars": {"experts": EXPERTS, "taken": TAKEN},
            "blocks": {
                "layer": {
                    "router": [router, {"op": "Softmax", "dim": -1}],
                    "expert": {
                        "layers": expert,
                        "parallel": "=experts",
                        "from": "input",
                        "active": "=taken",
                        **layer,
                    },
                    "top": {"op": "Slice", "dim": 2, "end": "=taken", "from": "router"},
                    "weights": {"op": "Unsqueeze", "dim": 2},
                    "stack": {"op": "Stack", "dim": 2, "from": "expert.*"},
                    "sum": {"op": "MatMul", "from": ["weights", "stack"]},
                    "out": {"op": "Squeeze", "dim": 2},
                }
            },
            "layers": {"l": {"block": "layer", "repeat": LAYERS}},
        }
    )


@pytest.mark.parametrize("training", [False, True])
def test_all_experts_own_parameters_and_those_that_are_taken_work(training: bool) -> None:
    analysis = archcalc.analyze(spec(), training=training)
    assert analysis.params == LAYERS * (ROUTER + EXPERTS * EXPERT)
    assert analysis.executed_params == LAYERS * (ROUTER + TAKEN * EXPERT)
    mixing = TOKENS * TAKEN * WIDTH
    assert analysis.macs == LAYERS * (TOKENS * (ROUTER + TAKEN * EXPERT) + mixing)
    if training:
        # Of every product there are two in the backward pass, with one less for the first layers'
        # inputs, which need no gradient: the router's and the experts' of the network's input.
        first = TOKENS * (ROUTER + TAKEN * WIDTH * HIDDEN)
        assert analysis.backward.macs == 2 * analysis.macs - first


def test_training_keeps_what_those_that_are_taken_make() -> None:
    few = archcalc.expand(spec(), experts=TAKEN)
    many = archcalc.expand(spec())
    one, other = (archcalc.memory(graph, training=True) for graph in (few, many))
    routed = (EXPERTS - TAKEN) * TOKENS * 4 * LAYERS  # the router's softmax keeps its output
    assert other.activations - one.activations == routed


def test_numbers_of_other_sizes_are_those_of_an_expansion() -> None:
    for taken in (1, 3, 8):
        analysis = archcalc.analyze(spec(), taken=taken)
        assert analysis.executed_params == LAYERS * (ROUTER + taken * EXPERT)
        assert analysis.params == LAYERS * (ROUTER + EXPERTS * EXPERT)
    family = spec()
    for batch in (1, 2, 3, 4):
        found = archcalc.analyze(family, batch=batch)
        assert found.executed_params == LAYERS * (ROUTER + TAKEN * EXPERT)
        assert found.macs == batch * archcalc.analyze(spec()).macs


def test_a_table_says_both() -> None:
    printed = archcalc.table(archcalc.analyze(spec()))
    total, active = (LAYERS * (ROUTER + n * EXPERT) for n in (EXPERTS, TAKEN))
    assert f"{total:,} ({active:,} active)" in printed
    assert "(training only)" not in printed


@pytest.mark.parametrize("taken", [0, 9, "=1 / 2"])
def test_no_more_work_than_there_are(taken: Any) -> None:
    with pytest.raises(archcalc.SpecError, match="should be a whole number from 1 to 8"):
        archcalc.analyze(spec(active=taken))


def test_a_flat_spec_of_them_is_refused_in_words() -> None:
    with pytest.raises(
        archcalc.ArchcalcError, match="can't say which experts of moe are not taken"
    ):
        archcalc.export(spec(), to="yaml")


def test_active_needs_those_it_is_of() -> None:
    layers = {"a": {"op": "ReLU", "active": 2}}
    (problem,) = archcalc.validate({"name": "n", "input": [4], "layers": layers})
    assert "'active' is how many of those in 'parallel' work" in problem.message


def test_pytorch_agrees_and_its_source_has_them_all() -> None:
    torch = pytest.importorskip("torch")
    assert archcalc.crosscheck(spec(), device="cpu").ok
    module: dict[str, Any] = {}
    exec(archcalc.export(spec(), to="torch"), module)
    network = module["Moe"]()
    assert sum(p.numel() for p in network.parameters()) == archcalc.analyze(spec()).params
    assert network(torch.zeros(1, TOKENS, WIDTH)).shape == (1, TOKENS, WIDTH)
