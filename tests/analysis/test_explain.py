"""The formulas of layers, as recorded from what computes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sympy
from hypothesis import assume, given
from hypothesis import strategies as st

import archcalc
from archcalc.algebra.forms import Letter
from archcalc.analysis.analyze import analyze
from archcalc.analysis.counted import Analysis
from archcalc.analysis.explain import Reason, Reasons, reasons
from archcalc.dims import Shape
from archcalc.errors import ArchcalcError, ShapeError
from archcalc.operators import NAMES, operator
from archcalc.operators.base import KINDS, Applied, Example, Operator, elements
from archcalc.operators.conv import Conv2d
from archcalc.operators.linear import Linear
from archcalc.operators.pooling import MaxPool2d
from archcalc.operators.resampling import Upsample
from archcalc.operators.taps import Window
from archcalc.spec.graph import Graph, Node


def alone(op: Operator, *inputs: Shape) -> Analysis:
    """A network of one layer, ``n``."""
    names = tuple(f"x{number}" for number in range(len(inputs)))
    node = Node("n", Applied.to(op, *inputs), names)
    return analyze(Graph("g", "g", "", "", dict(zip(names, inputs, strict=True)), (node,), ("n",)))


def examples(batches: bool = False) -> Iterator[Any]:
    """All of them, or those whose inputs have one batch of more than one."""
    for name in NAMES:
        for number, example in enumerate(operator(name).examples):
            found = {shape[0] for shape in example.inputs}
            if not batches or (len(found) == 1 and found != {1}):
                yield pytest.param(operator(name), example, id=f"{name}-{number}")


every_example = pytest.mark.parametrize(("cls", "example"), list(examples()))
every_batch = pytest.mark.parametrize(("cls", "example"), list(examples(batches=True)))


def numbers(op: Operator, *inputs: Shape) -> dict[str, int]:
    """What the operator itself says, without any recording."""
    output = op.infer(*inputs)
    work = op.work(output, *inputs)
    return {
        "params": sum(map(elements, op.weights(*inputs).values())),
        "buffers": sum(map(elements, op.buffers(*inputs).values())),
        **{kind: getattr(work, kind) for kind in KINDS},
    }


def counts(found: Reasons) -> dict[str, Reason]:
    return {each.quantity: each for each in (found.params, found.buffers, *found.work)}


@every_example
def test_every_formula_comes_to_the_number_that_is_computed(
    cls: type[Operator], example: Example
) -> None:
    op = cls(**example.fields)
    analysis = alone(op, *example.inputs)
    found = reasons(analysis, "n")
    expected = numbers(op, *example.inputs)
    recorded = counts(found)
    for quantity, number in expected.items():
        assert quantity in recorded or not number
        if quantity in recorded:
            assert recorded[quantity].value == recorded[quantity].form.value == number
    output = op.infer(*example.inputs)
    assert all(each.form.value == each.value for each in found.all)
    assert {each.value for each in found.shape} <= set(output)
    fields = analysis.receptive_fields.get("n") or ()
    for axes, field in zip(found.field, fields, strict=False):
        assert [each.form.value for each in axes] == [field.size, field.stride, field.start]


@every_batch
def test_the_formulas_of_counts_hold_for_larger_batches(
    cls: type[Operator], example: Example
) -> None:
    batch = example.inputs[0][0]
    op = cls(**example.fields)
    larger = tuple((3 * batch, *shape[1:]) for shape in example.inputs)
    expected = numbers(op, *larger)
    for quantity, reason in counts(reasons(alone(op, *example.inputs), "n")).items():
        assert reason.form.at({"N": 3 * batch}) == expected[quantity]


@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2)
)
@pytest.mark.parametrize("ceil_mode", [False, True, "caffe"])
def test_the_formula_of_an_extent_holds_for_other_inputs(
    ceil_mode: bool | str, here: int, there: int, kernel: int, stride: int, padding: int
) -> None:
    assume(2 * padding <= kernel)
    op = MaxPool2d(kernel_size=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode)
    try:
        analysis, expected = alone(op, (1, 3, 9, here)), op.infer((1, 3, 9, there))[3]
    except ShapeError:
        return
    width = reasons(analysis, "n").shape[-1]
    assert width.quantity == "width"
    assert width.form.at({"W": there}) == expected


def test_the_formulas_are_those_of_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    weights, work, infer = Conv2d.weights, Conv2d.work, Conv2d.infer

    def more(self: Conv2d, *inputs: Shape) -> dict[str, Shape]:
        return {**weights(self, *inputs), "scale": (self.out_channels, self.out_channels)}

    def wider(self: Conv2d, *inputs: Shape) -> Shape:
        n, c, h, w = infer(self, *inputs)
        return (n, c, h, w + 2 * self.kernel_size[1])

    def twice(self: Conv2d, output: Shape, *inputs: Shape) -> Any:
        return work(self, output, *inputs) * output[1]

    def wide(self: Conv2d, *inputs: Shape) -> Window:
        return Window(tuple(5 * k for k in self.kernel_size), self.stride, (1, 1), ((0, 0),) * 2)

    op = Conv2d(out_channels=4, kernel_size=3, bias=False)
    before = reasons(alone(op, (1, 2, 8, 8)), "n")
    monkeypatch.setattr(Conv2d, "weights", more)
    monkeypatch.setattr(Conv2d, "infer", wider)
    monkeypatch.setattr(Conv2d, "work", twice)
    monkeypatch.setattr(Conv2d, "window", wide)
    after = reasons(alone(op, (1, 2, 8, 8)), "n")
    other = {"F": 5, "C_out": 7, "W": 9, "P": 1}
    assert after.params.form.at(other) == before.params.form.at(other) + 7 * 7
    assert after.shape[-1].form.at(other) == before.shape[-1].form.at(other) + 2 * 5
    assert dict(counts(after))["macs"].value == 18 * 4 * (6 * 12) * 4
    assert [s.name for s in counts(after)["macs"].form.letters()].count("C_out") == 2
    ((size, _, _), _) = after.field
    assert (size.value, size.form.at({"F": 4})) == (15, 20)


def test_a_layer_of_its_own_input_starts_from_its_field() -> None:
    """AlexNet: 11 pixels at stride 4, then 3 positions: 11 + 2 * 4."""
    found = reasons(archcalc.analyze(archcalc.load("alexnet")), "maxpool1")
    ((size, stride, start), _) = found.field
    assert (size.value, stride.value, start.value) == (19, 8, 0)
    assert size.form.at({"F": 2}) == 11 + 4


@pytest.mark.parametrize(
    ("op", "shape", "names"),
    [
        (Linear(out_features=3), (1, 5), {"C_in", "C_out"}),
        (Linear(out_features=3), (2, 7, 5), {"N", "T", "C_in", "C_out", "r", "j", "a"}),
        # a dilation, groups and a batch of one say nothing
        (
            Conv2d(out_channels=3, kernel_size=2, bias=False),
            (1, 2, 5, 5),
            {"C_in", "C_out", "F", "P", "S", "H", "W", "H_out", "W_out", "r", "j", "a"},
        ),
        (
            Conv2d(out_channels=4, kernel_size=[3, 1], padding=[[0, 1]], dilation=2, groups=2),
            (1, 2, 9, 9),
            {"C_in", "C_out", "F_H", "F_W", "P_before", "P_after", "S", "D", "G"}
            | {"H", "W", "H_out", "W_out", "r", "j", "a"},
        ),
        (
            # What each axis takes of SAME is told apart by the axis: 1 at both ends, and 2 and 3.
            Conv2d(out_channels=4, kernel_size=(3, 6), padding="same_upper"),
            (1, 3, 9, 12),
            {"C_in", "C_out", "F_H", "F_W", "P_H", "P_before_W", "P_after_W", "S"}
            | {"H", "W", "H_out", "W_out", "r", "j", "a"},
        ),
    ],
)
def test_what_changes_something_has_a_symbol(op: Operator, shape: Shape, names: set[str]) -> None:
    found = reasons(alone(op, shape), "n").letters
    assert {letter.name for letter in found} == names
    assert all(isinstance(letter, Letter) and letter.meaning for letter in found)


def test_what_is_no_number_can_not_be_explained() -> None:
    width = sympy.Symbol("w", integer=True, positive=True)
    with pytest.raises(ArchcalcError, match="give every variable and input a value"):
        reasons(alone(Linear(out_features=3), (1, width)), "n")


def test_an_unknown_layer_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        reasons(alone(Linear(out_features=3), (1, 2)), "m")


@pytest.mark.parametrize("network", ["lenet5-1998", "googlenet-aux", "resnet50"])
def test_the_formulas_of_a_network_come_to_its_analysis(network: str) -> None:
    analysis = archcalc.analyze(archcalc.load(network), training=True)
    for row in analysis.rows:
        found = counts(reasons(analysis, row.name))
        assert found["params"].form.value == row.params + row.shared
        macs = found["macs"].form.value if "macs" in found else 0
        assert macs == row.macs


def test_an_output_size_that_is_asked_for_has_a_symbol() -> None:
    """Three lines of four between two: 2 * 2 multiplies an element (bilinear)."""
    op = Upsample(size=[3, 4], mode="bilinear")
    (found,) = [
        each for each in reasons(alone(op, (1, 1, 2, 2)), "n").work if each.quantity == "multiplies"
    ]
    assert found.value == 4 * 3 * 4
    assert found.form.at({"K_H": 6}) == 4 * 6 * 4


def test_axes_that_see_differently_much_have_letters_of_their_own() -> None:
    """A window of 2 after one of 3 rows and 1 column: 3 + 1 rows, 1 + 1 columns."""
    layers = {
        "conv": {"op": "Conv2d", "out_channels": 1, "kernel_size": [3, 1]},
        "pool": {"op": "MaxPool2d", "kernel_size": 2},
    }
    analysis = archcalc.analyze(archcalc.load({"name": "n", "input": [1, 8, 8], "layers": layers}))
    ((rows, _, _), (columns, _, _)) = reasons(analysis, "pool").field
    assert (rows.value, rows.form.value, columns.value, columns.form.value) == (4, 4, 2, 2)
    assert [
        [s.value for s in each.form.letters() if s.name == "r"] for each in (rows, columns)
    ] == [
        [3],
        [1],
    ]
