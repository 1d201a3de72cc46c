from __future__ import annotations

import pytest

import archcalc.operators
from archcalc.errors import ArchcalcError
from archcalc.operators import FAMILIES, NAMES, operator
from archcalc.operators.base import Call
from archcalc.operators.describe import (
    OperatorField,
    call_source,
    ops,
)
from tests.kinds import changeable


def field(name: str, of: str) -> OperatorField:
    return next(each for each in ops(of).fields if each.name == name)


def test_without_a_name_all_operators_are_listed_by_family() -> None:
    listed = ops()

    assert [each.name for each in listed] == list(NAMES)
    assert all(each.name in FAMILIES[each.family] and each.summary for each in listed)


@pytest.mark.parametrize("name", NAMES)
def test_every_operator_is_described(name: str) -> None:
    described = ops(name)

    assert described.text
    assert [each.name for each in described.fields] == list(operator(name).model_fields)
    assert all(each.type and each.doc for each in described.fields)
    assert described.examples


def test_an_unknown_name_has_a_suggestion() -> None:
    with pytest.raises(ArchcalcError, match=r"^unknown operator 'Con2d': did you mean 'Conv2d'\?$"):
        ops("Con2d")
    with pytest.raises(ArchcalcError, match=r"^unknown operator 'x': 'archcalc ops' lists them$"):
        ops("x")


@pytest.mark.parametrize(
    ("of", "name", "type", "default"),
    [
        ("Linear", "out_features", "whole number from 1", None),
        ("Linear", "bias", "true or false", "true"),
        ("Dropout", "p", "number from 0 to 1", "0.5"),
        ("HuberLoss", "delta", "number above 0", "1.0"),
        ("GELU", "approximate", "none or tanh", "none"),
        ("MaxPool2d", "ceil_mode", "true or false or caffe", "false"),
        ("Upsample", "size", "whole number from 1, list of them or null", "null"),
        ("Pad", "pad", "list of (whole number from 0)", None),
        ("Pad", "mode", "constant, reflect, replicate or circular", "constant"),
        (
            "Conv2d",
            "padding",
            "whole number from 0, valid, same, same_upper, same_lower "
            "or list of 1 to 3 (whole number from 0 or list of 2 of them)",
            "0",
        ),
        ("LayerNorm", "eps", "number from 0", "1e-05"),
        ("Slice", "start", "whole number or null", "null"),
        (
            "Conv2d",
            "stride",
            "whole number from 1 or list of 1 to 3 of them",
            "1",
        ),
    ],
)
def test_fields_in_words(of: str, name: str, type: str, default: str | None) -> None:
    found = field(name, of)

    assert (found.type, found.default) == (type, default)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("ReLU", "1"),
        ("MatMul", "2: input, other"),
        ("Concat", "1 or more"),
        ("Crop", "1 to 2: input, what it is cropped to"),
    ],
)
def test_inputs_in_words(name: str, inputs: str) -> None:
    assert ops(name).inputs == inputs


def test_an_example_is_worked_out() -> None:
    """AlexNet's conv1: 55 * 55 * 96 outputs of 11 * 11 * 3 products, and a bias each."""
    example = ops("Conv2d").examples[0]

    assert example.inputs == ((1, 3, 227, 227),)
    assert example.output == (1, 96, 55, 55)
    assert example.weights == {"weight": (96, 3, 11, 11), "bias": (96,)}
    assert example.buffers == {}
    assert example.work == {"macs": 290_400 * 363, "adds": 290_400}


@pytest.mark.parametrize(
    ("call", "inputs", "source"),
    [
        (
            Call("nn.Linear", {"in_features": 3, "bias": True}),
            1,
            "nn.Linear(in_features=3, bias=True)",
        ),
        (Call("torch.add"), 2, "torch.add(x0, x1)"),
        (
            Call("F.pad", {"pad": (1, 2), "mode": "constant"}),
            1,
            "F.pad(x, pad=(1, 2), mode='constant')",
        ),
        (Call("torch.cat", {"dim": 1}, gather=True), 2, "torch.cat([x0, x1], dim=1)"),
        (Call("torch.split", {"dim": 1}, unpack=2), 1, "torch.split(x, dim=1)[2]"),
        (Call("nn.GRU", {"input_size": 4}, unpack=0), 1, "nn.GRU(input_size=4)(x)[0]"),
        (Call("archcalc.Crop"), 1, "archcalc.pytorch.modules.Crop()"),
    ],
)
def test_calls_as_source(call: Call, inputs: int, source: str) -> None:
    assert call_source(call, inputs) == source


def test_what_is_said_of_an_operator_does_not_change() -> None:
    # Tensors that lie in memory, and what does something with them, do.
    assert changeable(archcalc.operators) == {"Autograd", "Storage"}
