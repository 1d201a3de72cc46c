"""What is not trained, said in a layer, in a spec, or from outside."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

import archcalc
from archcalc import ArchcalcError, Graph, SpecError
from archcalc.frontends.fold import to_spec

LORA: dict[str, Any] = {
    "name": "lora",
    "input": [10, 4096],
    "layers": {
        "q": {"op": "Linear", "out_features": 4096, "bias": False},
        "lora_a": {"op": "Linear", "from": "input", "out_features": 8, "bias": False},
        "lora_b": {"op": "Linear", "out_features": 4096, "bias": False},
        "scale": {"op": "Add", "from": ["q", "lora_b"]},
    },
}
"""A layer of 4096 x 4096 weights, and beside it two of 8 features between (Hu et al. 2021)."""


def lora(**q: Any) -> archcalc.Spec:
    layers = {**LORA["layers"], "q": {**LORA["layers"]["q"], **q}}
    return archcalc.load({**LORA, "layers": layers})


def frozen(network: archcalc.Spec | Graph) -> list[str]:
    graph = network if isinstance(network, Graph) else archcalc.expand(network)
    return [node.name for node in graph.nodes if node.frozen]


@pytest.mark.parametrize(
    "spec",
    [
        lora(trainable=False),
        archcalc.load({**LORA, "frozen": "q"}),
        archcalc.load({**LORA, "frozen": ["*", "!lora_?"]}),
        archcalc.freeze(archcalc.load(LORA), "q"),
        archcalc.freeze(archcalc.expand(archcalc.load(LORA)), "q"),
    ],
)
def test_a_low_rank_adaptation_trains_two_small_matrices(spec: archcalc.Spec | Graph) -> None:
    analysis = archcalc.analyze(spec, training=True)
    assert analysis.params == 4096 * 4096 + 2 * 8 * 4096
    assert analysis.trainable == 2 * 8 * 4096 == 65_536
    # 10 x 4096 x 8 products each: the weights' gradients, and that of what is between.
    assert analysis.backward.layers == {"q": 0, "lora_a": 327_680, "lora_b": 655_360, "scale": 0}
    assert analysis.backward.macs == 983_040
    table = archcalc.table(spec, training=True)
    assert "16,842,752 (65,536 trainable)" in table
    assert "q (frozen)" in table
    data = json.loads(archcalc.table(spec, format="json"))
    assert data["totals"]["trainable"] == 65_536
    assert [layer["trainable"] for layer in data["layers"]] == [0, 32_768, 32_768, 0]


def test_all_is_trained_where_nothing_is_said() -> None:
    analysis = archcalc.analyze(archcalc.load(LORA))
    assert analysis.trainable == analysis.params
    assert analysis.backward.macs == 167_772_160 + 983_040
    assert "trainable" not in archcalc.table(analysis)


def test_gradients_and_states_are_of_what_is_trained() -> None:
    # Kept for the backward pass: the input, which lora_a needs, and its 8 features a token.
    found = archcalc.memory(lora(trainable=False), training=True, optimizer="adam")
    assert found.weights == 4 * 16_842_752
    assert found.gradients == 4 * 65_536
    assert found.states["exp_avg"] == found.states["exp_avg_sq"] == 4 * 65_536
    assert found.activations == 4 * (10 * 4096 + 10 * 8)


def test_the_module_asks_no_gradient_of_it() -> None:
    network = archcalc.build(lora(trainable=False))
    wanted = {"q.weight": False, "lora_a.weight": True, "lora_b.weight": True}
    assert {name: p.requires_grad for name, p in network.named_parameters()} == wanted
    network(torch.zeros(1, 10, 4096)).sum().backward()
    grads = {name: p.grad is not None for name, p in network.named_parameters()}
    assert grads == wanted


@pytest.mark.parametrize("patterns", [["*", "!fc"], ["conv1", "bn1", "layer?"], ["*"]])
def test_pytorch_agrees(patterns: list[str]) -> None:
    found = archcalc.crosscheck(
        archcalc.freeze(archcalc.load("resnet18"), *patterns), device="meta", input=64
    )
    assert found.ok, found.differences


def test_crosscheck_tells_what_is_trained_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.Module, "requires_grad_", lambda self, _: self)
    found = archcalc.crosscheck(lora(trainable=False), device="meta")
    (difference,) = found.differences
    assert (difference.layer, difference.what) == ("q", "weights")
    assert "frozen" in difference.ours


def test_a_block_freezes_what_is_in_it_and_what_is_in_it_may_say_otherwise() -> None:
    fc = {"op": "Linear", "out_features": 4}
    spec = archcalc.load(
        {
            "name": "net",
            "input": [4],
            "blocks": {"unit": {"layers": {"a": fc, "b": {**fc, "trainable": True}}}},
            "layers": {
                "first": {"block": "unit", "trainable": False},
                "rest": {"block": "unit", "repeat": 3, "trainable": "=i == 2"},
            },
        }
    )
    assert frozen(spec) == ["first.a", "rest.0.a", "rest.1.a"]
    assert archcalc.analyze(spec).trainable == 5 * 20


def test_a_variant_has_patterns_of_its_own_and_a_variable_may_choose() -> None:
    data = {
        **LORA,
        "vars": {"tuned": True},
        "variants": {"full": {}, "head": {"frozen": ["q", "lora_a"]}, "fixed": {"tuned": False}},
    }
    data["layers"] = {**LORA["layers"]}
    data["layers"]["lora_b"] = {**LORA["layers"]["lora_b"], "trainable": "=tuned"}
    spec = archcalc.load(data)
    assert frozen(spec.choose("full")) == []
    assert frozen(spec.choose("head")) == ["q", "lora_a"]
    assert frozen(spec.choose("fixed")) == ["lora_b"]
    for _ in range(5):  # however often it was asked
        assert archcalc.analyze(spec.choose("fixed"), tuned=True).trainable == 16_842_752
        assert archcalc.analyze(spec.choose("fixed")).trainable == 16_842_752 - 32_768
        assert archcalc.analyze(spec.choose("full"), input=[7, 4096]).trainable == 16_842_752


def test_shared_tensors_are_trained_as_their_owner_is() -> None:
    fc = {"op": "Linear", "out_features": 4}
    layers = {"a": fc, "b": {**fc, "share": "a", "trainable": False}}
    assert frozen(archcalc.load({"name": "net", "input": [4], "layers": layers})) == []
    layers = {"a": {**fc, "trainable": False}, "b": {**fc, "share": "a"}}
    assert frozen(archcalc.load({"name": "net", "input": [4], "layers": layers})) == ["a", "b"]


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(SpecError, match=r"no layer is called 'laura_a'\n.*did you mean 'lora_a'"):
        archcalc.analyze(archcalc.load({**LORA, "frozen": ["laura_a"]}))
    with pytest.raises(SpecError, match=r"frozen › 1\n.*no layer is called 'x'"):
        archcalc.analyze(archcalc.load({**LORA, "frozen": ["q", "x"]}))
    with pytest.raises(ArchcalcError, match=r"no layer is called 'loraa'\n.*did you mean"):
        archcalc.freeze(archcalc.expand(archcalc.load(LORA)), "loraa")
    with pytest.raises(SpecError, match="should be true or false, not 3"):
        archcalc.analyze(lora(trainable="=1 + 2"))


def test_what_is_exported_is_frozen_too() -> None:
    graph = archcalc.freeze(archcalc.expand(archcalc.load("resnet18")), "conv1", "bn1", "layer1")
    assert to_spec(graph).frozen == ["conv1", "bn1", "layer1"]
    code = str(archcalc.export(graph, to="torch"))
    space: dict[str, Any] = {}
    exec(compile(code, "net", "exec"), space)
    trained = [p.numel() for p in space["ResNet18"]().parameters() if p.requires_grad]
    # A stem of 64 x 3 x 7 x 7, four convolutions of 64 x 64 x 3 x 3, and five normalizations.
    assert sum(trained) == 11_689_512 - 9_408 - 4 * 36_864 - 5 * 128
    flat = archcalc.load(json.loads(str(archcalc.export(graph, to="json"))))
    assert archcalc.analyze(flat).trainable == sum(trained)
