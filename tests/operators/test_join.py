from __future__ import annotations

import pytest
import sympy

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators.base import Operator, Work
from archcalc.operators.join import Add, Concat, MatMul, Mul, Stack, Sub


@pytest.mark.parametrize(
    ("op", "inputs", "output"),
    [
        (Add(), [(2, 64, 7, 7), (2, 64, 7, 7)], (2, 64, 7, 7)),
        (Mul(), [(2, 64, 7, 7), (2, 64, 1, 1)], (2, 64, 7, 7)),
        (Mul(), [(2, 64, 1, 1), (2, 64, 7, 7)], (2, 64, 7, 7)),
        (Sub(), [(2, 1, 5), (2, 4, 1)], (2, 4, 5)),
        # A parameter of a sample's last axes: batch meets batch, whatever lies between.
        (Mul(), [(2, 16, 8), (2, 8)], (2, 16, 8)),
        (Mul(), [(16, 16, 8), (16, 8)], (16, 16, 8)),
        (Add(), [(2, 5), (2, 4, 1)], (2, 4, 5)),
        (Add(by=1), [(2, 5)], (2, 5)),
        (Sub(of=1), [(2, 5)], (2, 5)),
        (Add(), [(2, 8, 1), (2, 1, 5), (2, 8, 5)], (2, 8, 5)),
        # GoogLeNet's inception (3a).
        (Concat(), [(1, n, 28, 28) for n in (64, 128, 32, 32)], (1, 256, 28, 28)),
        (Concat(dim=-1), [(2, 8, 3), (2, 8, 4)], (2, 8, 7)),
        (Concat(), [(2, 8)], (2, 8)),
        (Stack(), [(2, 8), (2, 8), (2, 8)], (2, 3, 8)),
        (Stack(dim=-1), [(2, 8), (2, 8)], (2, 8, 2)),
        (MatMul(), [(2, 4, 10, 16), (2, 4, 16, 7)], (2, 4, 10, 7)),
        (MatMul(), [(2, 10, 16), (2, 16, 7)], (2, 10, 7)),
        (MatMul(), [(2, 1, 10, 16), (2, 4, 16, 7)], (2, 4, 10, 7)),
        (MatMul(), [(2, 4, 10, 16), (2, 16, 7)], (2, 4, 10, 7)),
        (MatMul(), [(2, 16), (2, 16, 7)], (2, 7)),
        (MatMul(), [(2, 10, 16), (2, 16)], (2, 10)),
        (MatMul(), [(2, 16), (2, 16)], (2,)),
    ],
    ids=repr,
)
def test_output_shape(op: Operator, inputs: list[Shape], output: Shape) -> None:
    assert op.infer(*inputs) == output


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (Add(), [(2, 64, 7), (2, 32, 7)], r"\(2, 64, 7\) and \(2, 32, 7\) do not fit: 64 and 32"),
        (Mul(), [(2, 64, 7), (2, 64)], r"\(2, 64, 7\) and \(2, 64\) do not fit: 7 and 64"),
        # Two samples' axes never meet a size, nor one batch another.
        (Mul(), [(16, 16, 8), (8,)], "do not fit: batches 16 and 8"),
        (Mul(), [(1, 8), (16, 8)], "do not fit: batches 1 and 16"),
        (Mul(), [(2, 8)], "takes two inputs, or one and a number as 'by'"),
        (Mul(by=2), [(2, 8), (2, 8)], "takes either 'by' or a second input"),
        (Sub(by=2, of=1), [(2, 8)], "takes one number"),
        (Concat(), [(2, 64, 7), (2, 64, 8)], r"\(2, 64, 7\) and \(2, 64, 8\) differ"),
        (Concat(), [(2, 64, 7), (2, 64)], r"\(2, 64, 7\) and \(2, 64\) differ"),
        (Concat(dim=2), [(2, 64), (2, 64)], "dim=2 is no axis"),
        (Stack(), [(2, 64), (2, 63)], r"\(2, 64\) and \(2, 63\) differ"),
        (Stack(dim=3), [(2, 64), (2, 64)], "dim=3 is no axis"),
        (MatMul(), [(2, 10, 16), (2, 15, 7)], "do not fit: 16 columns and 15 rows"),
        (MatMul(), [(3, 10, 16), (2, 16, 7)], "do not fit: batches 3 and 2"),
        (MatMul(), [(2, 3, 10, 16), (2, 4, 16, 7)], "do not fit: 3 and 4"),
        (MatMul(), [(2, 16), (16,)], "takes samples of matrices"),
    ],
    ids=repr,
)
def test_refuses_inputs_that_do_not_fit(op: Operator, inputs: list[Shape], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        op.infer(*inputs)


@pytest.mark.parametrize(
    ("op", "inputs", "work"),
    [
        # An output element of n inputs takes n - 1 operations.
        (Add(), [(2, 4, 5)] * 2, Work(adds=40)),
        (Add(), [(2, 4, 5)] * 4, Work(adds=120)),
        (Add(), [(2, 4, 1), (2, 1, 5)], Work(adds=40)),
        (Sub(), [(2, 4, 5)] * 2, Work(adds=40)),
        (Mul(), [(2, 4, 5), (2, 4, 1)], Work(multiplies=40)),
        (Mul(), [(2, 4, 5)] * 3, Work(multiplies=80)),
        (Concat(), [(2, 4, 5)] * 3, Work()),
        (Stack(), [(2, 4, 5)] * 3, Work()),
        # 2 * 4 * 10 * 7 = 560 dot products of 16.
        (MatMul(), [(2, 4, 10, 16), (2, 4, 16, 7)], Work(macs=8960, dots=560)),
        # The broadcast matrix is met by every one of the batch.
        (MatMul(), [(2, 10, 16), (2, 16, 7)], Work(macs=2240, dots=140)),
        (MatMul(), [(2, 16), (2, 16, 7)], Work(macs=224, dots=14)),
        # A number is one operand more.
        (Add(by=1), [(2, 4, 5)], Work(adds=40)),
        (Sub(of=1), [(2, 4, 5)], Work(adds=40)),
        (Mul(by=0.2), [(2, 4, 5)], Work(multiplies=40)),
    ],
    ids=repr,
)
def test_work(op: Operator, inputs: list[Shape], work: Work) -> None:
    assert op.work(op.infer(*inputs), *inputs) == work


def test_only_a_known_1_stretches() -> None:
    side = sympy.Symbol("side", integer=True, positive=True)

    assert Mul().infer((1, 8, 1), (1, 8, side)) == (1, 8, side)
    assert Mul().infer((1, 8, side), (1, 8, 1)) == (1, 8, side)
    with pytest.raises(ShapeError, match=r"2\*side and 2\*side \+ 1"):
        Add().infer((1, 8, 2 * side), (1, 8, 2 * side + 1))
