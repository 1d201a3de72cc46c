"""Words that people bring from elsewhere, and what they are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc.operators import NAMES, operator
from archcalc.operators.words import OPERATORS
from archcalc.spec.words import FIELDS, OTHER_NAMES


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
        ({**CONV, "kernel_size": "3x3"}, "a list has brackets: [3, 3]"),
        ({"op": "GRU", "hidden_size": 4, "batch_first": True}, "the batch is always first"),
        ({"op": "MultiheadAttention", "num_heads": 1, "batch_first": True}, "always first"),
        ({"op": "MultiheadAttention", "num_heads": 1, "embed_dim": 3}, "it follows from the input"),
        ({"op": "LSTM", "hidden_size": 4, "dropout": 0.5}, "it changes no shape and no count"),
        ({"op": "LSTM", "hidden_size": 4, "return_sequences": True}, "all steps come out"),
        ({"op": "Add", "inputs": ["input", "input"]}, "it is called 'from' here"),
        ({"op": "Concat", "from": "input", "input": None}, "a list: from: [input, input]"),
        ({"op": "Linear", "out_features": "=channels(half.1)"}, "=channels('half.1')"),
        ({"op": "Add", "from": "input, input"}, "several are a list: [input, input]"),
        ("relu", "did you mean 'ReLU'?"),
        ("layer_norm", "did you mean 'LayerNorm'?"),
        ("nn.ReLU", "did you mean 'ReLU'?"),
        ({"op": "nn.Conv2d"}, "it is 'Conv2d'"),
        ({"op": "Conv2d(4, 3)"}, "fields have names: {op: Conv2d, out_channels: ..., kernel_"),
        ("ConstantPad2d", "it is 'Pad'"),
        ("ReflectionPad2d", "it is 'Pad', or 'padding_mode: reflect'"),
        ("Zeros", "it is 'Constant'"),
        ("Arange", "it is 'Constant' with 'fill: arange'"),
        ("Buffer", "it is 'Parameter' with 'trained: false'"),
        ("Dot", "it is 'MatMul'"),
        ("Tile", "it is 'Repeat'"),
        ("SwapAxes", "it is 'Transpose'"),
        ("MultiHeadAttention", "it is 'Attention', or PyTorch's 'MultiheadAttention'"),
        ("InstanceNorm", "it is 'InstanceNorm2d', or 'InstanceNorm1d'"),
        ("WeightNorm", "write 'parametrization: weight_norm'"),
        ("Bidirectional", "write 'bidirectional: true'"),
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
    assert all(hint.startswith(("leave it out", "it is called")) for hint in FIELDS.values())


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
        ("{op: Linear, out_features: =dims[0] * 2}", '"=dims[0] * 2"'),
        ("{op: Linear, out_features: =max(w, 2)}", '"=max(w, 2)"'),
        ("{op: Linear, out_features: =max(w, 2, min(3, 4)), bias: no}", "min(3, 4)"),
        ("[ReLU, {op: Linear, out_features: =max(w, 2)}]", '"=max(w, 2)"'),
        ("{op: Reshape, shape: [=max(w, 2), 3]}", '"=max(w, 2)"'),
        ("{op: Reshape, shape: (3, -1)}", "a list has brackets: [3, -1]"),
        ("{op: Conv3d, out_channels: 4, kernel_size: (3, 3, 3)}", "[3, 3, 3]"),
        ("{op: Concat, from: (input, input)}", "[input, input]"),
        ("{op: Linear, out_features: =channels(half.1)}", "=channels('half.1')"),
    ],
)
def test_what_yaml_breaks_is_told_once(written: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "n.yaml"
    for layers in (f"layers:\n  a: {written}", f"blocks:\n  u:\n    x: {written}\nlayers: [u]"):
        file.write_text(f"name: n\ninput: [3, 8, 8]\n{layers}\n")
        (problem,) = archcalc.validate(file)
        assert said in problem.hint


def test_each_value_that_is_cut_is_told_at_its_place(tmp_path: Path) -> None:
    file = tmp_path / "n.yaml"
    conv = "{op: Conv2d, out_channels: 4, kernel_size: (3, 3), padding: (1, 1)}"
    file.write_text(f"name: n\ninput: [3, 8, 8]\nlayers:\n  a: {conv}\n")
    found = [(each.column, each.message) for each in archcalc.validate(file)]
    assert found == [
        (6 + conv.index("(3"), "'(3, 3)' is cut at a comma"),
        (6 + conv.index("(1"), "'(1, 1)' is cut at a comma"),
    ]


def test_a_bracket_that_yaml_keeps_is_none_of_its_business(tmp_path: Path) -> None:
    file = tmp_path / "n.yaml"
    file.write_text(
        "name: n\ntitle: of (a, b\ninput: [3, 8, 8]\nvars: {w: '(a', e: \"b)\"}\n"
        "layers: {a: ReLU}\n"
    )
    assert archcalc.validate(file) == []


@pytest.mark.parametrize(
    ("block", "messages"),
    [
        ({"output": ["x", "y"]}, ["should be text, not ['x', 'y']"]),
        ({"output": "z"}, ["no layer 'z'"]),
        ({"outputs": "x, y"}, ["no layer 'x, y'"]),
        ({"args": 3}, ["should be a mapping, not 3"]),
        ({"args": ["a"]}, ["should be a mapping, not ['a']"]),
        ({"inputs": 3}, ["should be a list, not 3"]),
        ({"inputs": ["a.b"]}, ["'a.b' is no name"]),
        ({"input": ["a"]}, ["unknown key 'input'"]),
        ({"layers": 3}, ["should be a mapping, not 3"]),
        ({"layers": {}}, ["should have at least 1 item, not 0"]),
        ({"layers": {"x": 3}}, ["should be a mapping, not 3"]),
        ({"layers": {"x y": "ReLU"}}, ["'x y' is no name"]),
        ({"layers": {"x": {"op": "Relu"}}}, ["unknown operator 'Relu'"]),
    ],
)
def test_a_mistake_in_a_block_brings_no_second_one(block: Any, messages: list[str]) -> None:
    whole = {"layers": {"x": "ReLU", "y": "Tanh"}, **block}
    data = {"name": "n", "input": [3, 8, 8], "blocks": {"u": whole}, "layers": {"a": "u"}}
    assert [problem.message for problem in archcalc.validate(data)] == messages


def test_an_input_in_one_line_and_layers_with_dashes_are_told() -> None:
    conv = {"op": "Conv2d", "out_channels": 4, "kernel_size": 3}
    (problem,) = archcalc.validate({"name": "n", "input": "3, 32, 32", "layers": {"a": conv}})
    assert problem.message == "should be a list of extents: write [3, 32, 32]"
    (problem,) = archcalc.validate({"name": "n", "input": [3, 8, 8], "layers": [{"a": conv}]})
    assert problem.message.endswith("a layer with a name stands without a dash: a: ...")


@pytest.mark.parametrize(
    ("layer", "value", "hint"),
    [
        (
            {"op": "Conv2d", "out_channels": 1, "kernel_size": 3, "padding": "=p"},
            "SAME",
            "same_upper",
        ),
        (
            {"op": "Conv2d", "out_channels": 1, "kernel_size": 3, "padding": "=p"},
            "VALID",
            "'valid'",
        ),
        (
            {"op": "Conv2d", "out_channels": 1, "kernel_size": 3, "padding": "=p"},
            *("SAME_UPPER", "write it small: 'same_upper'"),
        ),
        ({"op": "Pad", "pad": "=p"}, [-1, 2], "Crop"),
    ],
)
def test_a_value_that_a_variable_brings_is_answered_as_one_that_is_written(
    layer: dict[str, Any], value: Any, hint: str
) -> None:
    spec = {"name": "net", "input": [1, 7, 5], "vars": {"p": value}, "layers": {"layer": layer}}
    (problem,) = archcalc.validate(spec)
    assert hint in problem.hint
