from __future__ import annotations

from math import prod

import pytest
import sympy

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators import operator
from archcalc.operators.attention import MultiheadAttention, ScaledDotProductAttention
from archcalc.operators.base import Operator, Work


def work(op: Operator, *inputs: Shape) -> Work:
    return op.work(op.infer(*inputs), *inputs)


def macs(op: Operator, *inputs: Shape) -> int:
    return int(work(op, *inputs).macs)


def test_attention_has_a_values_size_for_every_query() -> None:
    op = ScaledDotProductAttention()

    assert op.infer((2, 4, 10, 16), (2, 4, 12, 16), (2, 4, 12, 8)) == (2, 4, 10, 8)


def test_attention_multiplies_every_query_with_every_key_and_every_score_with_a_value() -> None:
    # 2 samples, 4 heads, 10 queries and 12 keys: 960 scores, each of 16 products with a key and
    # 8 with a value; and 960 + 2*4*10*8 = 1600 sums.
    counted = work(ScaledDotProductAttention(), (2, 4, 10, 16), (2, 4, 12, 16), (2, 4, 12, 8))

    assert counted.macs == 960 * (16 + 8)
    assert counted.dots == 1600


def test_attention_scales_every_score_and_takes_a_softmax_over_the_keys() -> None:
    # 80 rows of 12 scores; a row takes 11 comparisons, 12 + 11 adds, 12 exponentials, 12 divisions.
    counted = work(ScaledDotProductAttention(), (2, 4, 10, 16), (2, 4, 12, 16), (2, 4, 12, 8))

    assert counted.multiplies == 960
    assert counted.comparisons == 80 * 11
    assert counted.adds == 80 * 23
    assert counted.transcendentals == counted.divisions == 960


def test_a_causal_mask_halves_nothing() -> None:
    x = (1, 4, 10, 16)

    assert work(ScaledDotProductAttention(is_causal=True), x, x, x) == work(
        ScaledDotProductAttention(), x, x, x
    )


def test_shared_keys_are_multiplied_by_every_query_head() -> None:
    q, kv = (1, 8, 10, 16), (1, 2, 10, 16)

    # 2 h Tq Tk d with the 8 heads of the queries.
    assert macs(ScaledDotProductAttention(enable_gqa=True), q, kv, kv) == 2 * 8 * 10 * 10 * 16


def test_a_fourth_input_is_added_to_every_score() -> None:
    x, bias = (1, 4, 10, 16), (1, 1, 10, 10)
    plain, biased = (
        work(ScaledDotProductAttention(), *inputs) for inputs in ([x] * 3, [x] * 3 + [bias])
    )

    assert biased.adds - plain.adds == 4 * 10 * 10
    assert biased.macs == plain.macs == 2 * 4 * 10 * 10 * 16


def test_every_window_attends_by_itself() -> None:
    # Swin-T's first stage: 64 windows of 49 positions, 3 heads of 32 features.
    x = (1, 64, 3, 49, 32)

    assert ScaledDotProductAttention().infer(x, x, x) == x
    assert macs(ScaledDotProductAttention(), x, x, x) == 64 * (2 * 3 * 49 * 49 * 32)


@pytest.mark.parametrize(
    ("causal", "bias", "message"),
    [
        (False, (1, 4, 10, 9), r"\(1, 4, 10, 9\) does not fit scores \(1, 4, 10, 10\)"),
        (False, (10, 10), "does not fit"),
        (True, (1, 4, 10, 10), "is_causal masks by itself"),
    ],
)
def test_refuses_a_fourth_input_that_does_not_fit(causal: bool, bias: Shape, message: str) -> None:
    x = (1, 4, 10, 16)
    with pytest.raises(ShapeError, match=message):
        ScaledDotProductAttention(is_causal=causal).infer(x, x, x, bias)


@pytest.mark.parametrize(
    ("gqa", "inputs", "message"),
    [
        (False, [(1, 8, 9, 4), (1, 2, 9, 4), (1, 2, 9, 4)], "differ: 8 and 2 .enable_gqa"),
        (True, [(1, 8, 9, 4), (1, 3, 9, 4), (1, 3, 9, 4)], "3 heads of keys do not divide 8"),
        (False, [(1, 8, 9, 4), (1, 8, 9, 5), (1, 8, 9, 4)], "differ in d"),
        (False, [(1, 8, 9, 4), (1, 8, 9, 4), (1, 8, 7, 4)], "differ in length"),
        (False, [(1, 8, 9, 4), (2, 8, 9, 4), (2, 8, 9, 4)], "batches differ: 1, 2 and 2"),
        (False, [(1, 8, 9, 4), (1, 8, 9, 4), (1, 4, 9, 4)], "key and value differ: 8 and 4"),
        (False, [(8, 9, 4), (8, 9, 4), (8, 9, 4)], "takes an input query"),
        (False, [(1, 2, 8, 9, 4), (1, 8, 9, 4), (1, 8, 9, 4)], "axes differ"),
        (False, [(1, 2, 8, 9, 4), (1, 3, 8, 9, 4), (1, 2, 8, 9, 4)], "heads differ: 2, 3 and 2"),
    ],
)
def test_attention_refuses_inputs_that_do_not_fit(
    gqa: bool, inputs: list[Shape], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        ScaledDotProductAttention(enable_gqa=gqa).infer(*inputs)


def test_multihead_attention_is_four_projections_and_two_products() -> None:
    # 4 T E^2 + 2 h T^2 d of E = 64, h = 4, d = 16, T = 10.
    assert macs(MultiheadAttention(num_heads=4), (1, 10, 64)) == 4 * 10 * 64**2 + 2 * 4 * 10**2 * 16
    assert macs(MultiheadAttention(num_heads=4), (1, 10, 64)) == 176_640


def test_heads_change_no_multiply_accumulates() -> None:
    assert macs(MultiheadAttention(num_heads=8), (1, 10, 64)) == 176_640


def test_vision_transformer_b_16_has_its_published_multiply_accumulates() -> None:
    # 17 563 828 224 at 224 x 224: twelve layers of attention and of two linear maps 768 -> 3072 ->
    # 768 on 197 tokens, 196 patches of 3 x 16 x 16 projected to 768, and 1000 classes.
    attention = macs(MultiheadAttention(num_heads=12), (1, 197, 768))
    others = 12 * 2 * 197 * 768 * 3072 + 196 * 768 * (3 * 16 * 16) + 768 * 1000

    assert 12 * attention + others == 17_563_828_224


def test_a_bias_is_one_add_for_every_element_of_a_projection() -> None:
    x = (1, 10, 64)
    with_bias = work(MultiheadAttention(num_heads=4), x)
    without = work(MultiheadAttention(num_heads=4, bias=False), x)

    assert with_bias.adds - without.adds == 4 * 10 * 64


def test_queries_and_keys_are_projected_at_their_own_lengths_and_sizes() -> None:
    # q: 10*16*16, k: 12*24*16, v: 12*8*16, out: 10*16*16; 2 * 10*12*16 in the products.
    inputs = ((1, 10, 16), (1, 12, 24), (1, 12, 8))

    assert macs(MultiheadAttention(num_heads=2), *inputs) == 2560 + 4608 + 1536 + 2560 + 3840
    assert MultiheadAttention(num_heads=2).infer(*inputs) == (1, 10, 16)


def test_weights_have_pytorchs_names() -> None:
    same = MultiheadAttention(num_heads=4).weights((1, 10, 64))
    unlike = MultiheadAttention(num_heads=2, bias=False).weights(
        (1, 10, 16), (1, 12, 24), (1, 12, 8)
    )

    assert same == {
        "in_proj_weight": (192, 64),
        "in_proj_bias": (192,),
        "out_proj.weight": (64, 64),
        "out_proj.bias": (64,),
    }
    assert sum(map(prod, same.values())) == 4 * (64 * 64 + 64)
    assert unlike == {
        "q_proj_weight": (16, 16),
        "k_proj_weight": (16, 24),
        "v_proj_weight": (16, 8),
        "out_proj.weight": (16, 16),
    }


def test_sizes_that_may_differ_have_weights_of_their_own() -> None:
    e, k = sympy.symbols("e k", integer=True, positive=True)
    weights = MultiheadAttention(num_heads=1, bias=False).weights((1, 9, e), (1, 9, k), (1, 9, k))

    assert sum(map(prod, weights.values())) == 2 * e**2 + 2 * e * k


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([(1, 10, 62)], "num_heads=4 does not divide embed_dim=62"),
        ([(1, 10, 64), (1, 10, 64)], "not two"),
        ([(1, 10, 64), (1, 12, 64), (1, 11, 64)], "differ in length"),
        ([(1, 10, 64), (2, 12, 64), (2, 12, 64)], "batches differ: 1, 2 and 2"),
        ([(10, 64)], "takes an input query"),
    ],
)
def test_multihead_attention_refuses_inputs_that_do_not_fit(
    inputs: list[Shape], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        MultiheadAttention(num_heads=4).infer(*inputs)


def test_a_trained_key_and_value_are_seen_by_every_query() -> None:
    plain, more = MultiheadAttention(num_heads=4), MultiheadAttention(num_heads=4, add_bias_kv=True)
    x = (1, 10, 64)

    assert more.weights(x) == {**plain.weights(x), "bias_k": (1, 1, 64), "bias_v": (1, 1, 64)}
    # Each of 10 queries of 4 heads meets an 11th key and value of 16.
    assert more.work(x, x).macs - plain.work(x, x).macs == 2 * 4 * 10 * 16
    assert sum(product.macs for product in more.products(x, x)) == more.work(x, x).macs


def test_gradients_of_attention_need_what_each_product_multiplies() -> None:
    # Scores are queries (0) times keys (1); what they weigh, with a mask (3), are values (2).
    op = ScaledDotProductAttention()
    x, mask = (1, 2, 5, 4), (1, 2, 5, 5)
    v = (1, 2, 5, 6)
    scores, values = op.products(op.infer(x, x, v), x, x, v)
    # 2 heads of 5 x 5 scores; 6 features of a value, 4 of a query
    assert scores.macs == 2 * 5 * 5 * 4
    assert scores.factors == ((0,), (1,))
    assert values.factors == ((0, 1), (2,))
    assert values.macs == 2 * 5 * 5 * 6
    *_, values = op.products(op.infer(x, x, x, mask), x, x, x, mask)
    assert values.factors == ((0, 1, 3), (2,))


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        # torch.stack and torch.cat take any number of tensors; attention q, k, v, and a mask.
        ("Stack", 1, None),
        ("Concat", 1, None),
        ("MultiheadAttention", 1, 3),
        ("ScaledDotProductAttention", 3, 4),
    ],
)
def test_how_many_inputs_are_taken(name: str, least: int, most: int | None) -> None:
    assert operator(name).arity == (least, most)
