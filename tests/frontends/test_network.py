"""Every function takes every kind of network, and tells a misspelt option as one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc import ArchcalcError
from archcalc.frontends.network import NetworkLike

DATA = {
    "name": "net",
    "input": [3, 8, 8],
    "vars": {"width": 4},
    "layers": {
        "conv": {"op": "Conv2d", "out_channels": "=width", "kernel_size": 3, "padding": 1},
        "norm": "BatchNorm2d",
        "pool": {"op": "GlobalAvgPool", "keepdim": False},
        "fc": {"op": "Linear", "out_features": 5},
    },
}
PARAMS = (3 * 9 + 1) * 4 + 2 * 4 + (4 + 1) * 5


def kinds(folder: Path) -> dict[str, NetworkLike]:
    path = folder / "net.yaml"
    path.write_text(archcalc.fmt(DATA))
    graph = archcalc.expand(DATA)
    return {
        "mapping": DATA,
        "path": path,
        "text": str(path),
        "spec": archcalc.load(DATA),
        "graph": graph,
        "analysis": archcalc.analyze(graph),
    }


TAKING: dict[str, Callable[[Any], Any]] = {
    "against": lambda n: archcalc.against(n, lambda: archcalc.build(DATA)).ok,
    "analyze": lambda n: archcalc.analyze(n).params == PARAMS,
    "audit": lambda n: archcalc.audit("layer,params\nconv,112\nfc,25\n", against=n).against,
    "backward": lambda n: archcalc.backward(n).layers["fc"] == 2 * 4 * 5,
    "build": lambda n: sum(t.numel() for t in archcalc.build(n).parameters()) == PARAMS,
    "check": lambda n: archcalc.check(n) == [],
    "compare": lambda n: archcalc.compare([n, n]).entries[1].analysis.params == PARAMS,
    "compare one": lambda n: archcalc.compare(n, "lenet5").entries[0].analysis.params == PARAMS,
    "crosscheck": lambda n: archcalc.crosscheck(n, device="meta").ok,
    "diff": lambda n: archcalc.diff(n, n).different is False,
    "expand": lambda n: len(archcalc.expand(n).nodes) == 4,
    "explain": lambda n: "25" in archcalc.explain(n, "fc"),
    "export": lambda n: "Linear" in archcalc.export(n, to="yaml"),
    "fit": lambda n: archcalc.fit(n, {"macs": 200_000}, vary="side").values == {"side": 32},
    "fold_batch_norm": lambda n: len(archcalc.fold_batch_norm(n).nodes) == 3,
    "formula": lambda n: archcalc.formula(n, "N")(N=2)["params"] == PARAMS,
    "freeze": lambda n: archcalc.analyze(archcalc.freeze(n, "*")).trainable == 0,
    "largest_batch": lambda n: archcalc.largest_batch(n, 10**6).batch > 1,
    "load": lambda n: archcalc.load(n).label == "net",
    "measure": lambda n: archcalc.measure(n, device="cpu").batch == 1,
    "memory": lambda n: archcalc.memory(n).weights == 4 * PARAMS,
    "quantize": lambda n: (
        archcalc.memory(archcalc.quantize(n, weights="int8")).weights < 4 * PARAMS
    ),
    "receptive_field": lambda n: archcalc.receptive_field(n)["conv"][0].size == 3,  # type: ignore[index]
    "reconcile": lambda n: archcalc.reconcile(PARAMS, n)[0].number == PARAMS,
    "roofline": lambda n: archcalc.roofline(n).macs == 8 * 8 * 27 * 4 + 20,
    "savings": lambda n: archcalc.savings(n, "separable").before.params == PARAMS,
    "sweep": lambda n: archcalc.sweep(n, side=[8, 16]).columns["params"].tolist() == [PARAMS] * 2,
    "table": lambda n: str(PARAMS) in archcalc.table(n),
    "to_spec": lambda n: archcalc.to_spec(n).label == "net",
    "validate": lambda n: archcalc.validate(n) == [],
}


@pytest.mark.parametrize("name", TAKING)
def test_a_function_takes_every_kind_of_network(name: str, tmp_path: Path) -> None:
    for kind, network in kinds(tmp_path).items():
        if (name, kind) != ("measure", "text"):
            assert TAKING[name](network), kind


def test_a_name_is_a_network() -> None:
    assert archcalc.analyze("googlenet").params == 6_998_552  # Szegedy et al. 2015, with biases
    assert "6,998,552" in archcalc.table("googlenet")


def test_of_a_network_that_was_counted_only_what_it_has_is_asked() -> None:
    analysis = archcalc.analyze("googlenet")
    assert archcalc.table(analysis) == archcalc.table("googlenet")
    odd: list[dict[str, Any]] = [{"input": 160}, {"batch": 2}, {"classes": 10}]
    for asked in odd:
        with pytest.raises(TypeError, match="has its shapes"):
            archcalc.analyze(analysis, **asked)
        with pytest.raises(TypeError, match="has its shapes"):
            archcalc.memory(analysis, **asked)
    trained = archcalc.analyze("googlenet-aux", training=True)
    assert archcalc.analyze(archcalc.analyze("googlenet-aux"), training=True).macs == trained.macs
    assert archcalc.memory(trained).total == archcalc.memory("googlenet-aux").total


def test_what_is_no_network_is_told() -> None:
    with pytest.raises(TypeError, match="a Spec, a Graph or an Analysis, not list"):
        archcalc.analyze(["resnet18"])  # type: ignore[arg-type]


OPTIONS: dict[str, tuple[Callable[[], Any], str]] = {
    "near": (
        lambda: archcalc.analyze("resnet18", trainig=True),
        r"no variable 'trainig'\n  did you mean the option 'training' of analyze\(\)\?",
    ),
    "of another": (
        lambda: archcalc.analyze("resnet18", convention="flops"),
        r"(?s)no variable 'convention'\n  it has: .*\n  nor has analyze\(\) this option: it has",
    ),
    "variable": (
        lambda: archcalc.table("resnet18", clases=3),
        r"no variable 'clases'\n  did you mean 'classes'\?\n  it has: ",
    ),
    "sweep": (
        lambda: archcalc.sweep("resnet18", quantites="params", side=[224]),
        r"did you mean the option 'quantities' of sweep\(\)\?",
    ),
    "formula": (
        lambda: archcalc.formula("resnet18", quantity="params"),
        r"did you mean the option 'quantities' of formula\(\)\?",
    ),
}


@pytest.mark.parametrize("wrong", OPTIONS)
def test_a_misspelt_option_is_told_as_one(wrong: str) -> None:
    asked, message = OPTIONS[wrong]
    with pytest.raises(archcalc.SpecError, match=message):
        asked()


def test_a_layer_is_found_by_its_name() -> None:
    analysis = archcalc.analyze("vgg16")
    assert analysis["conv1.0.conv"].params == (3 * 9 + 1) * 64
    for wrong, said in {
        "conv1.4": r"no layer 'conv1.4' in vgg16\n  did you mean 'conv\d\.\d'\?",
        # What torchvision calls it is like none of the names here.
        "features.0": r"it begins with conv1.0.conv, .*'archcalc table vgg16 --detail all' lists",
    }.items():
        with pytest.raises(archcalc.LayerError, match=said):
            analysis[wrong]
        with pytest.raises(KeyError):
            analysis[wrong]
    with pytest.raises(archcalc.LayerError, match=r"a block\n  under\('layer1'\) has the rows"):
        archcalc.analyze("resnet18")["layer1"]


def test_a_model_with_an_unknown_operator_is_told_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "net.json"
    made = {"name": "l", "function": ["4wEAAAA", None, None]}
    layers = [
        {"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, 8]}},
        {"class_name": "Lambda", "config": made},
    ]
    file.write_text(
        json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": layers}})
    )
    with pytest.raises(ArchcalcError) as caught:
        archcalc.analyze(file)
    assert str(caught.value).splitlines()[0] == f"{file}: not counted: l (keras.Lambda)"
    assert archcalc.analyze(file, allow_unknown=True).not_counted == ("l",)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "net.cfg",
            "[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\nfilters=4\nsize=3\nstride=0\n",
            "net.cfg:8  [convolutional]  stride should be at least 1, not 0",
        ),
        (
            "net.prototxt",
            'input: "d" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\nlayer { name: "c" '
            'type: "Convolution" bottom: "d" top: "c" '
            "convolution_param { num_output: 4 kernel_size: 3 group: 0 } }",
            "net.prototxt:2  layer 'c': groups should be at least 1, not 0",
        ),
    ],
)
def test_a_number_that_can_not_be_is_told_in_a_line(
    name: str, text: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(ArchcalcError) as caught:
        archcalc.load(file)
    assert str(caught.value) == str(tmp_path / said)
