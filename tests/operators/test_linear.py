from __future__ import annotations

from typing import Any

import numpy
import pytest
import sympy

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Product
from archcalc.operators.base import Operator, Work
from archcalc.operators.linear import Bilinear, Embedding, EuclideanRBF, Linear


def work(op: Operator, *inputs: tuple[Any, ...]) -> Work:
    return op.work(op.infer(*inputs), *inputs)


@pytest.mark.parametrize(
    ("op", "inputs", "output", "weights", "buffers"),
    [
        (Linear(out_features=10), ((2, 84),), (2, 10), {"weight": (10, 84), "bias": (10,)}, {}),
        (
            Linear(out_features=64, bias=False),
            ((2, 7, 5, 16),),
            (2, 7, 5, 64),
            {"weight": (64, 16)},
            {},
        ),
        (
            Bilinear(out_features=4),
            ((2, 6, 3), (2, 6, 5)),
            (2, 6, 4),
            {"weight": (4, 3, 5), "bias": (4,)},
            {},
        ),
        (
            Embedding(num_embeddings=100, embedding_dim=16),
            ((2, 7),),
            (2, 7, 16),
            {"weight": (100, 16)},
            {},
        ),
        (EuclideanRBF(out_features=10), ((2, 84),), (2, 10), {}, {"weight": (10, 84)}),
    ],
)
def test_shapes(
    op: Operator,
    inputs: tuple[Shape, ...],
    output: Shape,
    weights: dict[str, Shape],
    buffers: dict[str, Shape],
) -> None:
    assert op.infer(*inputs) == output
    assert op.weights(*inputs) == weights
    assert op.buffers(*inputs) == buffers


@pytest.mark.parametrize(
    ("op", "inputs", "counted"),
    [
        # VGG's fc6: 25,088 * 4,096.
        (
            Linear(out_features=4096),
            ((1, 25_088),),
            Work(macs=102_760_448, adds=4_096, dots=4_096),
        ),
        # 2 * 7 positions of 16 * 64.
        (
            Linear(out_features=64, bias=False),
            ((2, 7, 16),),
            Work(macs=14 * 1_024, dots=14 * 64),
        ),
        (Linear(out_features=64), ((2, 7, 1, 16),), Work(macs=14_336, adds=896, dots=896)),
        # y_o = sum_j (sum_i a_i W_oij) b_j: 3 * 5 + 5 for each of 4 outputs of 2 * 6 positions.
        (
            Bilinear(out_features=4),
            ((2, 6, 3), (2, 6, 5)),
            Work(macs=12 * 4 * 20, adds=12 * 4, dots=12 * 4 * 6),
        ),
        (
            Bilinear(out_features=4, bias=False),
            ((1, 3), (1, 5)),
            Work(macs=4 * 20, dots=4 * 6),
        ),
        # LeNet-5's output: 10 distances of 84 squared differences.
        (EuclideanRBF(out_features=10), ((1, 84),), Work(macs=840, adds=840, dots=10)),
    ],
)
def test_work_is_that_of_the_sums(op: Operator, inputs: tuple[Shape, ...], counted: Work) -> None:
    assert work(op, *inputs) == counted


def test_a_linear_layer_counts_every_position_of_a_sequence() -> None:
    op = Linear(out_features=32)

    assert work(op, (3, 50, 16)).macs == work(op, (3 * 50, 16)).macs == 3 * 50 * 16 * 32


def test_the_bias_is_the_operation_that_makes_a_dot_product_of_k_terms_2k() -> None:
    counted = work(Linear(out_features=10), (1, 84))

    assert 2 * counted.macs - counted.dots + counted.adds == 10 * 2 * 84


def test_a_look_up_computes_nothing() -> None:
    assert work(Embedding(num_embeddings=30_522, embedding_dim=768), (1, 512)) == Work()


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (Linear(out_features=10), ((84,),), r"at least 2 axes, not one of 1 \(84\)"),
        (EuclideanRBF(out_features=10), ((84,),), r"at least 2 axes, not one of 1 \(84\)"),
        (Bilinear(out_features=10), ((84,), (84,)), r"at least 2 axes, not one of 1 \(84\)"),
        (Bilinear(out_features=10), ((2, 3), (4, 3)), r"\(2, 3\) and \(4, 3\) differ"),
        (Bilinear(out_features=10), ((2, 6, 3), (2, 3)), r"\(2, 6, 3\) and \(2, 3\) differ"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_with_both_numbers(
    op: Operator, inputs: tuple[Shape, ...], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        op.infer(*inputs)


def test_arrays_and_symbols_give_the_numbers_of_ints() -> None:
    lengths, widths = [1, 7, 512], [16, 32, 64]
    t, c = sympy.symbols("t c", integer=True, positive=True)

    swept: Any = work(Linear(out_features=numpy.array(widths)), (2, numpy.array(lengths), 8))
    closed: Any = work(Linear(out_features=c), (2, t, 8))

    # 2 t c 8 multiply-accumulates and 2 t c adds.
    assert swept.macs.tolist() == [256, 3_584, 524_288]
    assert swept.adds.tolist() == [32, 448, 65_536]
    assert closed == Work(macs=16 * t * c, adds=2 * t * c, dots=2 * t * c)


def test_distances_are_products_of_the_input_alone() -> None:
    """Each of 10 squares 84 differences from a vector that is not trained."""
    op = EuclideanRBF(out_features=10)
    assert op.products((2, 10), (2, 84)) == (Product(2 * 10 * 84, ((0,),)),)
