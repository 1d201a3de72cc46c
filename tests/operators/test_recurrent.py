from __future__ import annotations

from math import prod

import pytest
import sympy
import torch
from pydantic import ValidationError
from torch import nn

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators import FAMILIES, operator
from archcalc.operators.autograd import WEIGHTS
from archcalc.operators.base import Operator, Work
from archcalc.operators.cell import LSTMCell
from archcalc.operators.recurrent import GRU, LSTM, RNN
from archcalc.pytorch import module

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


@pytest.mark.parametrize(
    ("op", "features", "params"),
    [
        # Keras: 3 x 16 gates of 15 inputs, 16 states and one bias.
        (GRU(hidden_size=16, biases=1), 15, 1_536),
        # 4 x 128 gates of 128 inputs, 128 states and one bias.
        (LSTM(hidden_size=128, biases=1), 128, 131_584),
    ],
    ids=repr,
)
def test_one_bias_a_gate_as_in_keras(op: GRU | LSTM, features: int, params: int) -> None:
    x = (1, 10, features)
    more = work(op.model_copy(update={"biases": 2}), x).adds - work(op, x).adds

    assert sum(map(prod, op.weights(x).values())) == params
    assert more == 10 * op.gates * op.hidden_size


def test_states_go_in_and_out() -> None:
    op = LSTM(hidden_size=8, num_layers=2, bidirectional=True, states=True)
    x, first = torch.randn(3, 5, 4), torch.randn(3, 4, 16)
    made = module(op, (3, 5, 4), (3, 4, 16))
    output = made(x, first)
    theirs = nn.LSTM(4, 8, 2, batch_first=True, bidirectional=True)
    theirs.load_state_dict(made.state_dict())
    # PyTorch's state of layer k and direction d is number 2 k + d, (N, H).
    h, c = (
        torch.stack([first[:, row, 8 * d : 8 * d + 8] for row in rows for d in (0, 1)])
        for rows in ((0, 1), (2, 3))
    )
    expected, (last_h, last_c) = theirs(x, (h, c))

    assert op.infer((3, 5, 4), (3, 4, 16)) == (3, 5 + 4, 16)
    torch.testing.assert_close(output[:, :5], expected)
    torch.testing.assert_close(output[:, 5, :8], last_h[0])
    torch.testing.assert_close(output[:, 6, 8:], last_h[3])
    torch.testing.assert_close(output[:, 8, 8:], last_c[3])


def test_one_bias_computes_what_two_do_of_which_one_is_nothing() -> None:
    made = module(GRU(hidden_size=3, biases=1), (2, 4, 5))
    theirs = nn.GRU(5, 3, batch_first=True)
    theirs.load_state_dict({**made.state_dict(), "bias_hh_l0": torch.zeros(9)})
    x = torch.randn(2, 4, 5)

    torch.testing.assert_close(made(x), theirs(x)[0])
    assert [name for name, _ in made.named_parameters()] == [
        "weight_ih_l0",
        "weight_hh_l0",
        "bias_ih_l0",
    ]


def test_a_first_state_that_is_given_has_a_gradient() -> None:
    op = GRU(hidden_size=8)
    given = op.products((2, 5, 8), (2, 5, 4), (2, 1, 8))
    zero = op.products((2, 5, 8), (2, 5, 4))

    assert (1,) in given[1].factors
    assert given[1].macs == zero[1].macs == 2 * 24 * 8
    assert len(zero[1].factors) == 1


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (GRU(hidden_size=8), [(2, 5, 4), (2, 2, 8)], r"first state \(2, 1, 8\), not \(2, 2, 8\)"),
        (LSTM(hidden_size=8), [(2, 5, 4), (2, 1, 8)], r"first state \(2, 2, 8\)"),
        (LSTM(hidden_size=8, proj_size=3, states=True), [(2, 5, 4)], "not of one size"),
    ],
    ids=repr,
)
def test_refuses_states_that_do_not_fit(op: Operator, inputs: list[Shape], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        op.infer(*inputs)


@pytest.mark.parametrize(("name", "state"), [("RNN", (2, 8)), ("LSTM", (2, 2, 8)), ("GRU", (2, 8))])
def test_a_cell_is_one_step_of_the_layer(name: str, state: Shape) -> None:
    layer, cell = (
        operator(kind).model_validate({"hidden_size": 8}) for kind in (name, f"{name}Cell")
    )
    inputs = ((2, 4), state)

    assert cell.infer(*inputs) == state
    assert cell.work(state, *inputs) == work(layer, (2, 1, 4))
    assert {f"{k}_l0": v for k, v in cell.weights(*inputs).items()} == layer.weights((2, 1, 4))
    with pytest.raises(ShapeError, match="takes a state"):
        cell.infer((2, 4), (2, 7))


def test_a_cell_of_two_memories_has_them_in_one_tensor() -> None:
    made = module(LSTMCell(hidden_size=3), (2, 4), (2, 2, 3))
    x, state = torch.randn(2, 4), torch.randn(2, 2, 3)
    theirs = nn.LSTMCell(4, 3)
    theirs.load_state_dict(made.state_dict())
    h, c = theirs(x, (state[:, 0], state[:, 1]))

    torch.testing.assert_close(made(x, state), torch.stack([h, c], 1))


def test_only_the_first_layer_multiplies_the_input_alone() -> None:
    """Of two layers of 3 units on 5 steps of 4 features, twice: 4 gates, 12 rows."""
    alone, inner, begun = ((WEIGHTS,), (0,)), ((WEIGHTS,), (WEIGHTS, 0)), ((WEIGHTS,),)
    found = LSTM(hidden_size=3, num_layers=2).products((2, 5, 3), (2, 5, 4))
    assert [(each.macs, each.factors) for each in found if each.macs] == [
        (2 * 5 * 12 * 4, alone),
        (2 * 1 * 12 * 3, begun),
        (2 * 4 * 12 * 3, inner),
        (2 * 5 * 12 * 3, inner),
        (2 * 1 * 12 * 3, begun),
        (2 * 4 * 12 * 3, inner),
    ]
