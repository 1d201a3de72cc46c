"""Words that people bring from elsewhere, and what they are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc.operators import NAMES, operator
from archcalc.spec.words import FIELDS, OPERATORS, OTHER_NAMES


def hints(layer: Any, **more: Any) -> str:
    head = {"name": "n", "input": [3, 32, 32], "vars": {"w": 4}, **more}
    return "\n".join(map(str, archcalc.validate({**head, "layers": {"l": layer}})))


CONV = {"op": "Conv2d", "out_channels": 4, "kernel_size": 3}


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ({**CONV, "in_channels": 3}, "leave it out: it follows from the input"),
        ({"op": "Linear", "out_features": 2, "in_features": 3}, "it follows from the input"),
        ({"op": "BatchNorm2d", "num_features": 3}, "it follows from the input"),
        ({"op": "MultiheadAttention", "num_heads": 2, "kdim": 3}, "it follows from the input"),
        ({"op": "Conv2d", "filters": 4, "kernel_size": 3}, "it is called 'out_channels' here"),
        ({**CONV, "strides": 2}, "it is called 'stride' here"),
        ({"op": "Linear", "units": 4}, "it is called 'out_features' here"),
        ({"op": "LSTM", "units": 4}, "it is called 'hidden_size' here"),
        ({"op": "Dropout", "rate": 0.5}, "it is called 'p' here"),
        ({**CONV, "activation": "relu"}, "write the activation as the next layer"),
        ({**CONV, "kernel_initializer": "zeros"}, "it changes no shape and no count"),
        ({**CONV, "padding": "SAME"}, "TensorFlow's SAME is 'same_upper'"),
        ({**CONV, "padding": "VALID"}, "no padding is 'valid', or 0"),
        ({**CONV, "padding": -1}, "what is cut off is a layer of its own: Crop"),
        ({**CONV, "out_channels": "w"}, "of the variable it is the value: write =w"),
        ({"type": "ReLU"}, "'type' is called 'op' here"),
        ("Dense", "it is 'Linear', with 'out_features' for units"),
        ("GRN", "it is 'GlobalResponseNorm'"),
        ("BatchNormalization", "it is 'BatchNorm2d'"),
        ("Relu", "did you mean 'ReLU'?"),
        ({**CONV, "strid": 2}, "did you mean 'stride'?"),
    ],
    ids=str,
)
def test_a_word_from_elsewhere_is_known(layer: Any, said: str) -> None:
    assert said in hints(layer)


def test_no_word_is_told_to_be_another_where_it_is_right() -> None:
    for name in NAMES:
        assert name not in OPERATORS
        fields = operator(name).__pydantic_fields__
        assert not {"in_channels", "in_features", "kdim"} & set(fields)


def test_what_is_advised_is_there() -> None:
    fields = {field for name in NAMES for field in operator(name).__pydantic_fields__}
    assert {here for names in OTHER_NAMES.values() for here in names} <= fields
    quoted = {part for hint in OPERATORS.values() for part in hint.split("'")[1::2]}
    named = {part for part in quoted if part[:1].isupper()}
    assert named <= set(NAMES)
    assert all(hint.startswith("leave it out") for hint in FIELDS.values())


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "{op: Conv2d, out_channels: =size(input, -1), kernel_size: 3}",
            "quote it: in { } and [ ]",
        ),
        ("{op: Conv2d, out_channels: =dims[0] * 2, kernel_size: 3}", "in { } quote an expression"),
        ("{op: Add, from: [input, skips.{i}]}", "in { } quote an expression"),
        ("{op: Conv2d, out_channels: 4, kernel_size: (3, 3)}", "a list has brackets: [3, 3]"),
        ("{op: ReflectionPad2d, padding: 1}", "it is 'Pad'"),
    ],
)
def test_what_yaml_breaks_is_told(written: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "n.yaml"
    file.write_text(f"name: n\ninput: [3, 8, 8]\nlayers:\n  a: {written}\n")
    assert any(said in problem.hint for problem in archcalc.validate(file))


def test_an_input_in_one_line_and_layers_with_dashes_are_told() -> None:
    conv = {"op": "Conv2d", "out_channels": 4, "kernel_size": 3}
    (problem,) = archcalc.validate({"name": "n", "input": "3, 32, 32", "layers": {"a": conv}})
    assert problem.message == "should be a list of extents: write [3, 32, 32]"
    (problem,) = archcalc.validate({"name": "n", "input": [3, 8, 8], "layers": [{"a": conv}]})
    assert problem.message.endswith("a layer with a name stands without a dash: a: ...")
