"""What a new user types first, and what is said to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import archcalc
from archcalc.cli.app import application

CONV = {"op": "Conv2d", "out_channels": 4, "kernel_size": 3}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("googlenet", "no command 'googlenet'\n  write archcalc table googlenet"),
        ("net.yaml", "no command 'net.yaml'\n  write archcalc table net.yaml"),
        ("tables googlenet", "Did you mean 'table'?"),
        ("table model.py", "write 'torch:model.py:FACTORY@3x224x224', which runs its code"),
        ("table model.pt", "weights don't say how they are wired"),
        ("table model.h5", "of Keras take a .keras file"),
        ("ops conv", "known: Conv1d, Conv2d, Conv3d, ConvTranspose1d"),
        ("ops Covn2d", "did you mean 'Conv2d'?"),
        ("reconcile resnet18 11.7M", "the number comes first: reconcile 11.7M resnet18"),
        ("explain vgg16 features.0", "'archcalc table vgg16 --detail all' lists all"),
        ("table resnet50 --input 224x224", "channels come first: write 3x224x224 or 224"),
        ("table resnet50 --input 224x224x3", "channels come first: write 3x224x224"),
        ("table resnet50 --input 1x3x224x224", "the batch is left out: write 3x224x224"),
        ("table resnet50 --input 224,224", "channels come first: write 3x224x224"),
        ("sweep resnet50 --set kernel=3,5", "it has: unit, depths"),
        ("sweep mobilenet_v2 --set depth=1:4", "did you mean 'width'?\n  it has: c, width, side"),
        ("fit mobilenet_v2 --vary width --at-most 3", "write NAME=NUMBER, such as macs=300M"),
    ],
)
def test_a_word_that_is_wrong_is_answered_with_the_right_one(
    typed: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text("name: net\ninput: [3, 8, 8]\nlayers: {relu: ReLU}\n")
    done = CliRunner().invoke(application(), typed.split())
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ({**CONV, "in_channels": 3}, "leave it out: it follows from the input"),
        ({"op": "Linear", "in_features": 3, "out_features": 4}, "it follows from the input"),
        ({"op": "MultiheadAttention", "num_heads": 1, "kdim": 3}, "it follows from the input"),
        ({**CONV, "out_channels": "w"}, "of the variable it is the value: write =w"),
        ({"op": "Dense", "units": 10}, "it is 'Linear', with 'out_features' for units"),
        ({"op": "Conv2d", "filters": 4, "kernel_size": 3}, "it is called 'out_channels' here"),
        ({**CONV, "strides": 2}, "it is called 'stride' here"),
        ({"op": "Dropout", "rate": 0.5}, "it is called 'p' here"),
        ({"type": "Conv2d"}, "'type' is called 'op' here"),
        ({**CONV, "padding": "SAME"}, "TensorFlow's SAME is 'same_upper'"),
        ({**CONV, "padding": -1}, "what is cut off is a layer of its own: Crop"),
        ({**CONV, "weight_norm": True}, "it is called 'parametrization: weight_norm' here"),
        ({**CONV, "name": "conv1"}, "a layer's name stands before it"),
        ("GRN", "it is 'GlobalResponseNorm'"),
        ("Relu", "did you mean 'ReLU'?"),
    ],
)
def test_a_layer_in_other_words_is_told_in_ours(layer: Any, said: str) -> None:
    spec = {"name": "net", "input": [3, 32, 32], "vars": {"w": 4}, "layers": {"layer": layer}}
    problems = archcalc.validate(spec)
    assert any(said in f"{problem.message}\n{problem.hint}" for problem in problems)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ([1, 3, 224, 224], "the batch is not written: if the 1 is meant so, write [3, 224, 224]"),
        ([28, 28, 1], "channels come first: if 1 is their number, write [1, 28, 28]"),
        ("3, 32, 32", "should be a list of extents: write [3, 32, 32]"),
    ],
)
def test_an_input_in_other_words_is_told_in_ours(shape: Any, said: str) -> None:
    spec = {"name": "net", "input": shape, "layers": {"conv": CONV}}
    problems = archcalc.validate(spec)
    assert any(said in f"{problem.message}\n{problem.hint}" for problem in problems)


def test_an_input_that_may_have_its_channels_last_is_counted_and_asked_about() -> None:
    printed = archcalc.table({"name": "net", "input": [224, 224, 3], "layers": {"conv": CONV}})
    assert "channels come first: if 3 is their number, write [3, 224, 224]" in printed
    assert "channels come first" not in archcalc.table("resnet18")


def test_layers_as_a_list_are_called_as_their_operators() -> None:
    listed = {"name": "net", "input": [3, 32, 32], "layers": [CONV, "ReLU"]}
    assert [row.name for row in archcalc.analyze(listed).rows] == ["Conv2d", "ReLU"]
