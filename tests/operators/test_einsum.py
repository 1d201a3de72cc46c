"""Sums of products as equations, and bags of embeddings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

import archcalc
from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators.base import Work
from archcalc.operators.einsum import Einsum
from archcalc.operators.gated import GLU
from archcalc.pytorch import module


@pytest.mark.parametrize(
    ("equation", "inputs", "output", "work"),
    [
        # 16 x 16 positions, each a vector of 128 times 128 x 128.
        (
            "nhwc,cu->nhwu",
            [(1, 16, 16, 128), (1, 128, 128)],
            (1, 16, 16, 128),
            Work(macs=4_194_304, dots=32_768),
        ),
        # 2 x 4 x 10 x 12 scores of 16.
        (
            "bqhd,bkhd->bhqk",
            [(2, 10, 4, 16), (2, 12, 4, 16)],
            (2, 4, 10, 12),
            Work(macs=15_360, dots=960),
        ),
        # Nothing is summed: an outer product of 5 and 8, twice.
        ("i,j->ij", [(2, 5), (2, 8)], (2, 5, 8), Work(multiplies=80)),
        # All that is summed is one long: FlopCounterMode of torch 2.13 counts 0 for torch.einsum.
        ("bij,bjd->bid", [(2, 5, 1), (2, 1, 8)], (2, 5, 8), Work(multiplies=80)),
        # A letter of one input alone is summed first: 2 x 5 x (8 - 1) adds.
        ("bij->bi", [(2, 5, 8)], (2, 5), Work(adds=70)),
        ("bij,bi->bi", [(2, 5, 8), (2, 5)], (2, 5), Work(adds=70, multiplies=10)),
        # a^T W b: 2 x 5 x 8 products into 2 x 8 sums, then 2 x 8 into 2.
        ("bi,ij,bj->b", [(2, 5), (2, 5, 8), (2, 8)], (2,), Work(macs=96, dots=18)),
        # The diagonal is looked up.
        ("bii->bi", [(2, 5, 5)], (2, 5), Work()),
        # Without an arrow the letters that stand once are left, in alphabetical order.
        ("ij,jk", [(2, 3, 4), (2, 4, 5)], (2, 3, 5), Work(macs=120, dots=30)),
    ],
)
def test_shape_and_work(equation: str, inputs: list[Shape], output: Shape, work: Work) -> None:
    op = Einsum(equation=equation)

    assert op.infer(*inputs) == output
    assert op.work(output, *inputs) == work
    assert sum(product.macs for product in op.products(output, *inputs)) == work.macs


@pytest.mark.parametrize(
    ("equation", "inputs", "message"),
    [
        ("bi,bj->bij", [(2, 5)], "takes 2 inputs, not 1"),
        ("bij->bi", [(2, 5)], "names 3 axes"),
        ("bi,bi->b", [(2, 5), (2, 6)], "'i' of .* is 5 and 6"),
        ("bi,cj->bij", [(2, 5), (2, 5)], "begin every input with the batch"),
        ("bi->ib", [(2, 5)], "begin the output with the batch"),
        ("bi,ib->bi", [(2, 5), (2, 5, 2)], "in another place"),
    ],
)
def test_refuses(equation: str, inputs: list[Shape], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Einsum(equation=equation).infer(*inputs)


@pytest.mark.parametrize("equation", ["...i->i", "bi->bj", "bi->bii", "bi,->b", "b1->b"])
def test_what_is_no_equation_is_refused(equation: str) -> None:
    with pytest.raises(ValidationError):
        Einsum(equation=equation)


def test_a_parameter_has_no_batch_in_the_equation() -> None:
    layers: dict[str, Any] = {
        "last": {"op": "Permute", "dims": [0, 2, 3, 1]},
        "w": {"op": "Parameter", "from": "input", "shape": [128, 128]},
        "y": {"op": "Einsum", "equation": "nhwc,cu->nhwu", "from": ["last", "w"]},
    }
    spec = archcalc.load({"name": "net", "input": [128, 16, 16], "layers": layers})
    found = archcalc.analyze(spec)
    net = archcalc.build(spec)
    x = torch.randn(3, 128, 16, 16)

    assert (found.params, found.macs) == (16_384, 4_194_304)
    expected = torch.einsum("nchw,cu->nhwu", x, net.get_parameter("w.weight"))
    torch.testing.assert_close(net(x), expected)


@pytest.mark.parametrize(
    ("mode", "work"),
    [
        # 9 joins of each of 16 features.
        ("sum", Work(adds=144)),
        ("mean", Work(adds=144, divisions=16)),
        ("max", Work(comparisons=144)),
    ],
)
def test_a_bag_is_one_row_of_many(mode: str, work: Work) -> None:
    layer = {"op": "EmbeddingBag", "num_embeddings": 100, "embedding_dim": 16, "mode": mode}
    found = archcalc.analyze(archcalc.load({"name": "n", "input": [10], "layers": {"bag": layer}}))

    assert (found.params, found.work) == (1600, work)
    assert found.row("bag").shape == (1, 16)


def test_a_gated_linear_unit_halves_its_input() -> None:
    op = GLU()
    x = torch.tensor([[2.0, 3.0, 0.0, 0.0]])

    assert op.infer((2, 7, 16)) == (2, 7, 8)
    # A sigmoid and a multiply for each of 2 x 7 x 8.
    each = Work(transcendentals=1, adds=1, divisions=1, multiplies=1)
    assert op.work((2, 7, 8), (2, 7, 16)) == each * 112
    assert module(op, (1, 4))(x).tolist() == [[1.0, 1.5]]
    with pytest.raises(ShapeError, match="halves axis 1"):
        op.infer((2, 7))
