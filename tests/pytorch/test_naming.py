"""Names of layers that a module can't have: what a module is, and what Python keeps for itself."""

from __future__ import annotations

import copy
import keyword
import pickle
import re
from typing import Any

import pytest
import torch
from torch import nn

import archcalc
from archcalc.pytorch.naming import attributes, is_reserved, paths
from archcalc.pytorch.source import source
from archcalc.spec.fields import NAME
from tests.pytorch.test_source import run

MODULE = nn.Module()
SMALL = archcalc.build(
    archcalc.load({"name": "n", "input": [4], "layers": {"r": "ReLU"}}), device="meta"
)
NAMES = sorted(
    name
    for name in {*dir(SMALL), *dir(MODULE), *nn.Module.__annotations__, *keyword.kwlist, "self"}
    if re.fullmatch(NAME, name) and name != "r"
)
"""Everything that a module has, ours too, and Python's keywords."""

FC = {"op": "Linear", "out_features": 4}


def test_a_name_that_is_free_is_kept() -> None:
    kept = ["conv1", "0", "weight", "layers", "_hidden", "Type", "len", "torch", "nn", "match"]
    assert attributes(kept) == {name: name for name in kept}


def test_a_name_that_is_taken_gets_a_sign() -> None:
    assert attributes(["type", "training", "class", "conv2-1", "__fc"]) == {
        "type": "type_",
        "training": "training_",
        "class": "class_",
        "conv2-1": "conv2_1",
        "__fc": "_fc",
    }


def test_names_stay_apart_whichever_comes_first() -> None:
    assert attributes(["type", "type_"]) == {"type": "type__", "type_": "type_"}
    assert attributes(["a_1", "a-1", "a__1"]) == {"a_1": "a_1", "a-1": "a_1_", "a__1": "a__1"}
    assert attributes(["a--1", "a-_1", "a_-1"]) == {
        "a--1": "a__1",
        "a-_1": "a__1_",
        "a_-1": "a__1__",
    }


def test_everything_that_a_module_has_is_reserved() -> None:
    assert {"training", "forward", "_modules", "graph"} <= set(NAMES)
    assert all(is_reserved(name) for name in {*dir(MODULE), *dir(SMALL)} - {"r"})


def networks() -> dict[str, dict[str, Any]]:
    """All those names at once: of layers, of blocks, of repetitions and inside blocks."""
    head = {"name": "n", "input": [4]}
    blocks = {f"b{k}": {"layers": {name: FC, "last": "ReLU"}} for k, name in enumerate(NAMES)}
    return {
        "layers": {**head, "layers": dict.fromkeys(NAMES, FC)},
        "repeated layers": {**head, "layers": {name: {**FC, "repeat": 2} for name in NAMES}},
        "blocks": {
            **head,
            "blocks": blocks,
            "layers": {name: {"block": f"b{k}"} for k, name in enumerate(NAMES)},
        },
        "side by side": {
            **head,
            "layers": {
                "first": "ReLU",
                **{name: {**FC, "parallel": 2, "from": "first"} for name in NAMES},
                "add": {"op": "Add", "from": [f"{name}.*" for name in NAMES]},
            },
        },
        "shared": {
            **head,
            "layers": {
                "first": FC,
                **{name: {**FC, "share": "first"} for name in NAMES},
                **{f"s_{k}": {**FC, "share": name} for k, name in enumerate(NAMES)},
            },
        },
    }


@pytest.mark.parametrize("kind", networks())
def test_a_layer_may_have_any_name(kind: str) -> None:
    spec = archcalc.load(networks()[kind])
    graph = archcalc.expand(spec)
    built, x = archcalc.build(graph), torch.randn(2, 4, requires_grad=True)
    assert torch.equal(pickle.loads(pickle.dumps(built))(x), built(x))

    assert archcalc.crosscheck(spec, device="cpu").ok
    written = run(source(graph, spec))()
    # PyTorch itself refuses to load what has other names.
    written.load_state_dict(built.state_dict())
    for net in (built, written):
        net.register_full_backward_hook(lambda *_: None)
        net.train()(x).sum().backward()
        assert torch.equal(net.eval()(x), built(x))
        assert torch.equal(copy.deepcopy(net).double().float()(x), built(x))
    assert torch.equal(torch.fx.symbolic_trace(written)(x), built(x))


def test_a_layer_is_where_its_path_says() -> None:
    layers = {"type": FC, "unit": {"block": "unit", "repeat": 2}}
    blocks = {"unit": {"layers": {"half": FC, "act": "ReLU"}}}
    spec = archcalc.load({"name": "n", "input": [4], "blocks": blocks, "layers": layers})
    graph = archcalc.expand(spec)
    net = archcalc.build(graph)

    assert paths(graph) == {
        "type": "type_",
        "unit.0.half": "unit.0.half_",
        "unit.0.act": "unit.0.act",
        "unit.1.half": "unit.1.half_",
        "unit.1.act": "unit.1.act",
    }
    assert list(dict(net.named_parameters()))[:3] == [
        "type_.weight",
        "type_.bias",
        "unit.0.half_.weight",
    ]
    assert isinstance(net.get_submodule("unit.1.half_"), nn.Linear)
    assert net.type("torch.DoubleTensor") is net  # PyTorch's own
