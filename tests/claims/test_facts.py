"""What can be asked of a network, by name or in an expression."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import pytest

import archcalc
from archcalc.analysis.conventions import CONVENTIONS
from archcalc.claims.facts import FACTS, Scope, ways
from archcalc.operators import NAMES, operator
from archcalc.spec.scope import Wrong


@cache
def scope(name: str) -> Scope:
    return Scope.of(archcalc.load(name))


# From Krizhevsky 2012, LeCun 1998, Simonyan 2014, He 2015 and Szegedy 2014, or worked as shown.
ASKED = [
    ("alexnet", "params", 62_378_344),
    ("alexnet", "weight_bytes", 62_378_344 * 4),
    ("alexnet", "year", 2012),
    ("alexnet", "input", (3, 227, 227)),
    ("alexnet", "output", (1000,)),
    ("alexnet", "Conv2d.layers", 5),
    ("alexnet", "depth", 8),
    ("alexnet", "Conv2d.depth", 5),
    ("alexnet", "maxpool5.depth", 5),
    ("alexnet", "conv1.params", 34_944),
    ("alexnet", "conv1.output", (96, 55, 55)),
    ("alexnet", "conv1.channels", 96),
    ("alexnet", "conv1.height", 55),
    ("alexnet", "conv1.extents", (55, 55)),
    ("alexnet", "conv1.kernel_size", (11, 11)),
    ("alexnet", "conv2.input", (96, 27, 27)),
    ("alexnet", "Dropout.p", [0.5, 0.5]),
    ("alexnet", "side", 227),
    ("alexnet", "alexnet-2gpu.conv2.groups", 2),
    ("alexnet", "vgg16.depth", 16),
    ("resnet18", "depth", 18),
    ("resnet50", "depth", 50),
    ("resnet152", "depth", 152),
    ("resnet50", "layer1.1.Conv2d.kernel_size", [(1, 1), (3, 3), (1, 1)]),
    ("resnet50", "layer1.output", (256, 56, 56)),
    ("googlenet", "depth", 22),
    ("googlenet-aux", "depth", 22),
    ("googlenet", "inception3a.concat.inputs", 4),
    ("googlenet", "inception3a.output", (256, 28, 28)),
    ("googlenet", "inception3a.Conv2d.layers", 6),
    ("lenet5-1998", "s2.connections", 5_880),
    ("vgg16", "Linear.out_features", [4096, 4096, 1000]),
    ("vgg16", "=distinct(Conv2d.out_channels)", [64, 128, 256, 512]),
    ("vgg16", "=depth / alexnet.depth", 2),
    ("vgg16", "=[fc6.out_features, fc8.out_features]", [4096, 1000]),
    ("alexnet", "=1 - Linear.layers / depth", Fraction(5, 8)),
    ("alexnet", "=max(conv1.height, conv1.width) * 2", 110),
]


@pytest.mark.parametrize(("network", "quantity", "value"), ASKED)
def test_a_quantity_has_its_value(network: str, quantity: str, value: Any) -> None:
    assert scope(network).evaluate(quantity) == value


@pytest.mark.parametrize(
    ("quantity", "message"),
    [
        ("parms", "no quantity 'parms'"),
        ("conv9.params", "no layer 'conv9' in 'alexnet'"),
        ("conv1.conv.params", "no layer 'conv' in 'conv1'"),
        ("conv1.out_features", "no quantity 'out_features'"),
        ("Conv2d.inputs", "'inputs' is a fact of one operator"),
        ("fc6.height", "the output has no height"),
        ("=params +", "can't be understood"),
        ("=parms * 2", "no quantity 'parms'"),
        ("=(1).real", "attribute access is not allowed"),
        ("=params.__class__", "no layer 'params'"),
        ("=open('x')", "call of unknown function 'open'"),
        ("=2 ** params", "overflows"),
        ("=(1 / 3) ** 10 ** 9", ""),
        ("=params / 0", "divides by zero"),
    ],
)
def test_what_can_t_be_asked_is_said(quantity: str, message: str) -> None:
    if not message:
        assert scope("alexnet").evaluate(quantity) == 0  # below any float, and found at once
        return
    with pytest.raises(Wrong) as raised:
        scope("alexnet").evaluate(quantity)
    assert message in raised.value.message


def test_a_total_of_everything_is_the_network_s() -> None:
    analysis, whole = scope("resnet18").analysis, scope("resnet18")
    for name in ("params", "buffers", "macs", "flops", "connections"):
        assert whole.fact(name) == getattr(analysis, name)
    assert whole.fact("activations") == analysis.activations


def test_a_block_with_two_outputs_has_no_output() -> None:
    layers = {
        "pair": {"block": "pair"},
        "add": {"op": "Add", "from": ["pair.a", "pair.b"]},
    }
    blocks = {"pair": {"layers": {"a": "ReLU", "b": {"op": "Tanh", "from": "input"}}}}
    network = {"name": "two", "input": [3, 4, 4], "blocks": blocks, "layers": layers}
    with pytest.raises(Wrong, match="'pair' has several outputs"):
        Scope.of(archcalc.load(network)).evaluate("pair.channels")


def test_no_field_of_an_operator_is_called_like_a_fact() -> None:
    fields = {field for name in NAMES for field in operator(name).__pydantic_fields__}
    assert not fields & set(FACTS)


def test_work_may_be_counted_under_every_convention() -> None:
    assert set(ways("macs")) == set(ways("flops")) == set(CONVENTIONS)
    counted = scope("vgg16")
    assert ways("flops")["macs"](counted) == 15_470_264_320
    assert ways("flops")["2xmacs"](counted) == 2 * 15_470_264_320


def test_params_may_be_counted_with_buffers_or_only_where_executed() -> None:
    # resnet152: 60,192,808 trainable, and a mean, a variance and a counter of every normalization.
    assert ways("params")["buffers"](scope("resnet152")) == 60_344_387
    # torchvision: 13,004,888 with the heads, 6,624,904 of them used at inference.
    assert ways("params")["executed"](scope("googlenet-torchvision")) == 6_624_904
    assert ways("weight_bytes")["float16"](scope("alexnet")) == 62_378_344 * 2
