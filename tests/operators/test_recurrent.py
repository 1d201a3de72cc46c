from __future__ import annotations

from math import prod

import pytest
import sympy
from pydantic import ValidationError

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators import FAMILIES, operator
from archcalc.operators.base import Operator, Work
from archcalc.operators.recurrent import GRU, LSTM, RNN

SEQUENCE = (1, 5, 16)


def work(op: Operator, *inputs: Shape) -> Work:
    return op.work(op.infer(*inputs), *inputs)


@pytest.mark.parametrize(
    ("op", "output"),
    [
        (RNN(hidden_size=32), (1, 5, 32)),
        (GRU(hidden_size=32, bidirectional=True), (1, 5, 64)),
        (LSTM(hidden_size=32, num_layers=3), (1, 5, 32)),
        (LSTM(hidden_size=32, proj_size=8), (1, 5, 8)),
        (LSTM(hidden_size=32, proj_size=8, bidirectional=True), (1, 5, 16)),
    ],
    ids=repr,
)
def test_output_shape(op: Operator, output: Shape) -> None:
    assert op.infer(SEQUENCE) == output


@pytest.mark.parametrize(
    ("op", "macs"),
    [
        # T gates H (F + H).
        (RNN(hidden_size=32, bias=False), 5 * 32 * 48),
        (GRU(hidden_size=32, bias=False), 5 * 3 * 32 * 48),
        (LSTM(hidden_size=32, bias=False), 30_720),
        # A bias is no multiply-accumulate.
        (LSTM(hidden_size=32), 30_720),
        (LSTM(hidden_size=32, bidirectional=True), 2 * 30_720),
        # The second layer's input is the first one's output: 32, or 64 of two directions.
        (LSTM(hidden_size=32, num_layers=2), 30_720 + 5 * 128 * (32 + 32)),
        (
            LSTM(hidden_size=32, num_layers=2, bidirectional=True),
            2 * 30_720 + 2 * 5 * 128 * (64 + 32),
        ),
        # The state is the projection, of 8, and projecting costs 8 * 32 a step.
        (LSTM(hidden_size=32, proj_size=8), 5 * (128 * (16 + 8) + 8 * 32)),
    ],
    ids=repr,
)
def test_every_step_of_every_layer_and_direction_multiplies(op: Operator, macs: int) -> None:
    assert work(op, SEQUENCE).macs == macs


@pytest.mark.parametrize(
    ("op", "unit"),
    [
        # Of one unit in one step. Without bias a gate adds its two products.
        (RNN(hidden_size=32, bias=False), Work(adds=1, transcendentals=1)),
        # With bias it adds both biases too: 3 adds a gate.
        (RNN(hidden_size=32), Work(adds=3, transcendentals=1)),
        (RNN(hidden_size=32, nonlinearity="relu"), Work(adds=3, comparisons=1)),
        # Three sigmoids (3 adds), c' = f c + i g (1), two tanh, h' = o tanh(c').
        (
            LSTM(hidden_size=32),
            Work(adds=4 * 3 + 3 + 1, multiplies=3, divisions=3, transcendentals=5),
        ),
        # Two sigmoids (2 adds), 1 - z and the sum (2), r times, (1 - z) n and z h.
        (
            GRU(hidden_size=32),
            Work(adds=3 * 3 + 2 + 2, multiplies=3, divisions=2, transcendentals=3),
        ),
    ],
    ids=repr,
)
def test_work_besides_products(op: Operator, unit: Work) -> None:
    counted = work(op, SEQUENCE)
    expected = unit * (5 * 32)

    assert counted.adds == expected.adds
    assert counted.multiplies == expected.multiplies
    assert counted.comparisons == expected.comparisons
    assert counted.divisions == expected.divisions
    assert counted.transcendentals == expected.transcendentals


def test_a_gates_unit_is_two_dot_products_a_step() -> None:
    assert work(LSTM(hidden_size=32), SEQUENCE).dots == 5 * 2 * 4 * 32
    assert work(LSTM(hidden_size=32, proj_size=8), SEQUENCE).dots == 5 * (2 * 4 * 32 + 8)


def test_weights_have_pytorchs_names() -> None:
    op = LSTM(hidden_size=32, num_layers=2, bidirectional=True, proj_size=8, bias=False)

    assert op.weights(SEQUENCE) == {
        "weight_ih_l0": (128, 16),
        "weight_hh_l0": (128, 8),
        "weight_hr_l0": (8, 32),
        "weight_ih_l0_reverse": (128, 16),
        "weight_hh_l0_reverse": (128, 8),
        "weight_hr_l0_reverse": (8, 32),
        "weight_ih_l1": (128, 16),
        "weight_hh_l1": (128, 8),
        "weight_hr_l1": (8, 32),
        "weight_ih_l1_reverse": (128, 16),
        "weight_hh_l1_reverse": (128, 8),
        "weight_hr_l1_reverse": (8, 32),
    }


def test_there_are_two_biases_a_gate() -> None:
    weights = GRU(hidden_size=32).weights(SEQUENCE)

    # 3 H (F + H + 2) params.
    assert sum(map(prod, weights.values())) == 3 * 32 * (16 + 32 + 2)


def test_a_length_may_be_a_symbol() -> None:
    t = sympy.Symbol("T", integer=True, positive=True)

    assert work(LSTM(hidden_size=32), (1, t, 16)).macs == 6144 * t


@pytest.mark.parametrize("name", FAMILIES["recurrent"])
def test_refuses_an_unbounded_number_of_layers(name: str) -> None:
    with pytest.raises(ValidationError, match="the limit is 1000"):
        operator(name).model_validate({"hidden_size": 8, "num_layers": 10**9})
    with pytest.raises(ValidationError, match="decides which weights there are"):
        operator(name).model_validate({"hidden_size": 8, "num_layers": sympy.Symbol("n")})


@pytest.mark.parametrize("name", FAMILIES["recurrent"])
def test_refuses_an_input_without_steps(name: str) -> None:
    with pytest.raises(ShapeError, match=r"takes an input \(N, T, F\)"):
        operator(name).model_validate({"hidden_size": 8}).infer((2, 16))


def test_refuses_a_projection_that_is_none() -> None:
    with pytest.raises(ValidationError, match="proj_size=8 is not below hidden_size=8"):
        LSTM(hidden_size=8, proj_size=8)
