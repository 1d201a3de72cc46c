"""What can be asked of a network, by name or in an expression."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path
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
    # Names that are none of Python's: with a hyphen, of a repetition.
    ("alexnet", "='alexnet-2gpu'.conv2.groups", 2),
    ("resnet50", "layer1.0.conv2.out_channels", 64),
    ("resnet50", "=['layer1.0.conv2'.out_channels, 'layer1.0'.conv3.out_channels]", [64, 256]),
    # Functions of shapes, as everywhere in a spec.
    ("resnet50", "=channels('layer1.0.conv2') + channels(input)", 64 + 3),
    ("resnet50", "=height(layer2)", 28),
    # Araujo, Norris and Sim, Computing receptive fields of convolutional neural networks, Distill
    # 2019, of TF-Slim's alexnet_v2 and vgg_16; their numbers are held to more in their specs.
    ("alexnet", "maxpool5.receptive_field", (195, 195)),
    ("alexnet", "maxpool5.effective_stride", (32, 32)),
    ("alexnet", "maxpool5.effective_padding", (64, 64)),
    ("vgg16", "=[maxpool5.receptive_field, maxpool5.effective_stride]", [(212, 212), (32, 32)]),
    ("wavenet", "receptive_field", (5117,)),
    ("wavenet", "Softmax.channels", 256),
    # A variable, where a fact or a field has the same name: that of ResNets is the first stage's.
    ("resnet50", "vars.width", 64),
    ("resnet50", "=vars.width * 2", 128),
    ("resnet50", "resnet18.vars.depths", [2, 2, 2, 2]),
    ("resnet50", "depths", [3, 4, 6, 3]),
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
        ("=conv.0.params", "write 'conv.0' in quotes: conv.0.params"),
        ("=1 + s.0.unit.11.conv.params", "write 's.0.unit.11' in quotes"),
        ("='conv.0'.params + conv.0.params", "write 'conv.0' in quotes"),
        ("='../alexnet'.params", "'../alexnet' is no name of a layer or a network"),
        ("=('conv1').__class__", "no quantity '__class__'"),
        ("='x'.y()", "only a function's name can be called"),
        ("conv1", "'conv1' is a layer"),
        ("=channels(conv9)", "no layer 'conv9' in 'alexnet'"),
        ("=channels(Conv2d)", "'Conv2d' has several outputs"),
        ("Conv2d.output", "'Conv2d' has several outputs"),
        ("vars.sied", "no variable 'sied' in 'alexnet'"),
        ("conv1.vars.side", "no variable 'side' in 'conv1'"),
    ],
)
def test_what_can_t_be_asked_is_said(quantity: str, message: str) -> None:
    if not message:
        assert scope("alexnet").evaluate(quantity) == 0  # below any float, and found at once
        return
    with pytest.raises(Wrong) as raised:
        scope("alexnet").evaluate(quantity)
    assert message in raised.value.message


def hinted(network: dict[str, Any], quantity: str) -> str:
    with pytest.raises(Wrong) as raised:
        Scope.of(archcalc.load(network)).evaluate(quantity)
    return raised.value.hint


def test_what_is_computed_comes_before_a_variable_of_the_same_name() -> None:
    """A printed depth is held to the network, and not to a variable that says how deep it is."""
    network = {
        "name": "net",
        "input": [3, 8, 8],
        "vars": {"depth": 5, "stride": 7, "height": 9, "other": 11},
        "layers": {"conv": {"op": "Conv2d", "out_channels": 2, "kernel_size": 3}, "f": "Flatten"},
    }
    scope = Scope.of(archcalc.load(network))
    asked = ("depth", "stride", "other", "vars.depth", "vars.stride", "vars.other")
    assert [scope.evaluate(name) for name in asked] == [1, (1, 1), 11, 5, 7, 11]
    assert hinted(network, "height") == "the variable is 'vars.height'"


def test_fields_that_are_not_known_are_said_to_be() -> None:
    # Every second row of the one branch meets every row of the other, whose strides differ.
    layers: dict[str, Any] = {
        "up": {"op": "Upsample", "scale_factor": 3},
        "part": {"op": "Slice", "dim": 2, "end": 8},
        "rows": {"op": "Slice", "from": "input", "dim": 2, "end": 8},
        "add": {"op": "Add", "from": ["part", "wide"]},
    }
    layers["wide"] = {"op": "Upsample", "from": "rows", "size": [8, 24]}
    order = ("up", "part", "rows", "wide", "add")
    network = {
        "name": "net",
        "input": [1, 8, 8],
        "layers": {name: layers[name] for name in order},
    }
    scope = Scope.of(archcalc.load(network))
    with pytest.raises(Wrong, match="the receptive fields of 'add' are not equally far apart"):
        scope.evaluate("effective_stride")
    with pytest.raises(Wrong, match="the receptive field of 'fc' is not known"):
        Scope.of(
            archcalc.load(
                {"name": "n", "input": [4], "layers": {"fc": {"op": "Linear", "out_features": 2}}}
            )
        ).evaluate("receptive_field")


def test_another_network_is_analyzed_once() -> None:
    whole = Scope.of(archcalc.load("resnet18"))
    assert whole.narrow("resnet34") is whole.narrow("resnet34")
    assert whole.narrow("resnet34").narrow("resnet50") is whole.narrow("resnet50")
    assert whole.narrow("alexnet") is whole.narrow("alexnet")


def test_a_file_of_that_name_is_not_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lenet5").write_text("name: other\ninput: [1]\nlayers: {a: ReLU}\n")
    monkeypatch.chdir(tmp_path)
    assert scope("alexnet").evaluate("lenet5.params") == 61_706


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
