"""Attention with its projections: whose tensors, whose work, and that it is the same function."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

import archcalc
from archcalc.errors import ShapeError
from archcalc.operators.attention import MultiheadAttention
from archcalc.operators.projected_attention import Attention
from archcalc.pytorch import module

BARE: dict[str, Any] = {"q_bias": False, "k_bias": False, "v_bias": False, "out_bias": False}


def test_plain_it_is_multihead_attention() -> None:
    x, y = (2, 10, 64), (2, 12, 64)
    ours, theirs = Attention(num_heads=4), MultiheadAttention(num_heads=4)

    assert ours.infer(x) == x
    assert ours.work(x, x) == theirs.work(x, x)
    # 4 x 10 x 64 x 64 of the projections and 2 x 4 x 10 x 10 x 16 of the attention, twice.
    assert ours.work(x, x).macs == 2 * (4 * 10 * 64**2 + 2 * 4 * 10**2 * 16)
    assert ours.work(x, x, y) == theirs.work(x, x, y, y)


def test_it_computes_what_multihead_attention_does() -> None:
    ours, theirs = (
        module(op, (2, 10, 16), (2, 12, 16), (2, 12, 16))
        for op in (Attention(num_heads=2), MultiheadAttention(num_heads=2))
    )
    fused = module(Attention(num_heads=2, fused=True), (2, 10, 16))
    state = theirs.state_dict()
    last = {name: value for name, value in state.items() if name.startswith("out_proj")}
    parts = {
        f"{name}.{kind}": value
        for kind in ("weight", "bias")
        for name, value in zip(
            ("q_proj", "k_proj", "v_proj"), state[f"in_proj_{kind}"].chunk(3), strict=True
        )
    }
    ours.load_state_dict({**parts, **last})
    fused.load_state_dict(
        {"qkv.weight": state["in_proj_weight"], "qkv.bias": state["in_proj_bias"], **last}
    )
    q, k, v = torch.randn(2, 10, 16), torch.randn(2, 12, 16), torch.randn(2, 12, 16)

    torch.testing.assert_close(ours(q, k, v), theirs(q, k, v))
    torch.testing.assert_close(fused(q), theirs(q))


def test_its_maps_follow_the_output_as_further_features() -> None:
    x, y, mask = torch.randn(2, 10, 16), torch.randn(2, 12, 16), torch.randn(2, 10, 12)
    shapes = [(2, 10, 16), (2, 12, 16), (2, 12, 16), (2, 10, 12)]
    op = Attention(num_heads=2, maps=True)
    plain = Attention(num_heads=2)
    ours = module(op, *shapes)
    both = module(plain, *shapes)
    both.load_state_dict(ours.state_dict())
    output, maps = ours(x, y, y, mask).split([16, 2 * 12], -1)

    assert op.infer(*shapes) == (2, 10, 16 + 2 * 12)
    assert op.work(op.infer(*shapes), *shapes) == plain.work(plain.infer(*shapes), *shapes)
    torch.testing.assert_close(output, both(x, y, y, mask))
    reference = torch.nn.MultiheadAttention(16, 2, batch_first=True)
    state = ours.state_dict()
    reference.load_state_dict(
        {
            **{
                f"in_proj_{kind}": torch.cat([state[f"{name}_proj.{kind}"] for name in "qkv"])
                for kind in ("weight", "bias")
            },
            **{name: value for name, value in state.items() if name.startswith("out_proj")},
        }
    )
    bias = mask.repeat_interleave(2, 0)
    expected = reference(x, y, y, attn_mask=bias, average_attn_weights=False)[1]
    torch.testing.assert_close(maps.reshape(2, 10, 2, 12).transpose(1, 2), expected)


def test_a_mask_without_heads_is_for_all_of_them() -> None:
    x, one = (2, 10, 16), Attention(num_heads=2)
    assert one.infer(x, x, x, (2, 10, 10)) == x
    assert one.work(x, x, x, x, (2, 10, 10)) == one.work(x, x, x, x, (2, 2, 10, 10))
    with pytest.raises(ShapeError, match="does not fit scores"):
        one.infer(x, x, x, (2, 9, 10))


def test_grouped_queries_have_fewer_keys() -> None:
    # Llama's attention, small: 8 heads of 16 from 64 features, 2 of keys and values.
    op = Attention(num_heads=8, num_kv_heads=2, head_dim=16, rotary=10000.0, **BARE)
    x = (1, 10, 64)
    work = op.work(x, x)
    plain = Attention(num_heads=8, num_kv_heads=2, head_dim=16, **BARE).work(x, x)

    assert op.weights(x) == {
        "q_proj.weight": (128, 64),
        "k_proj.weight": (32, 64),
        "v_proj.weight": (32, 64),
        "out_proj.weight": (64, 128),
    }
    assert work.macs == 10 * 64 * (128 + 32 + 32 + 128) + 2 * 8 * 10 * 10 * 16
    # Queries of 8 heads and keys of 2, 10 x 16 each, are turned: 2 multiplies and an add.
    assert work.multiplies - plain.multiplies == 2 * 10 * 16 * (8 + 2)
    assert work.adds - plain.adds == 10 * 16 * (8 + 2)


def test_widths_and_biases_are_told_apart() -> None:
    # As Whisper's, keys without a bias; values of 5.
    op = Attention(num_heads=2, k_bias=False, value_dim=5, out_features=7)
    inputs = ((1, 10, 16), (1, 12, 24))
    output = op.infer(*inputs)

    assert output == (1, 10, 7)
    assert op.weights(*inputs) == {
        "q_proj.weight": (16, 16),
        "q_proj.bias": (16,),
        "k_proj.weight": (16, 24),
        "v_proj.weight": (10, 24),
        "v_proj.bias": (10,),
        "out_proj.weight": (7, 10),
        "out_proj.bias": (7,),
    }
    projected = 10 * 16 * 16 + 12 * 24 * (16 + 10) + 10 * 10 * 7
    assert op.work(output, *inputs).macs == projected + 2 * 10 * 12 * (8 + 5)
    assert sum(p.macs for p in op.products(output, *inputs)) == op.work(output, *inputs).macs


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fused": True, "k_bias": False}, "one bias for all three"),
        ({"out_proj": False, "out_features": 8}, "out_features is of a last projection"),
    ],
)
def test_refuses_fields_that_contradict(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Attention(num_heads=2, **fields)


@pytest.mark.parametrize(
    ("fields", "inputs", "message"),
    [
        ({"num_heads": 3}, [(2, 10, 16)], "num_heads=3 does not divide 16"),
        ({"num_heads": 2, "fused": True}, [(2, 10, 16), (2, 10, 8)], "of one width"),
        ({"num_heads": 2, "head_dim": 3, "rotary": 1e4}, [(2, 10, 16)], "a head has 3"),
        ({"num_heads": 3, "num_kv_heads": 2, "head_dim": 4}, [(2, 10, 16)], "2 heads of keys"),
        ({"num_heads": 2}, [(2, 10)], r"query \(N, T, E\)"),
        ({"num_heads": 2}, [(2, 10, 16)] * 3 + [(2, 3, 10, 10)], "does not fit scores"),
    ],
)
def test_refuses_inputs(fields: dict[str, Any], inputs: list[Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Attention(**fields).infer(*inputs)


def test_it_is_one_line_of_a_network() -> None:
    layers = {"attn": {"op": "Attention", "num_heads": 4, "fused": True}}
    spec = archcalc.load({"name": "net", "input": [10, 64], "layers": layers})

    assert archcalc.analyze(spec).params == 4 * 64 * 64 + 4 * 64
    assert archcalc.build(spec)(torch.randn(3, 10, 64)).shape == (3, 10, 64)


def test_a_mask_that_is_computed_is_a_factor_of_what_scores_multiply() -> None:
    # The weights of the values are made of queries, keys and the mask, whose gradients need them.
    op = Attention(num_heads=2, head_dim=4)
    x, mask = (1, 5, 8), (1, 2, 5, 5)
    inputs = (x, x, x, mask)

    *_, attended, last = op.products(op.infer(*inputs), *inputs)
    assert 3 in attended.factors[0]
    assert 3 in last.factors[1]
    bare = op.products(op.infer(x, x, x), x, x, x)
    assert not any(3 in factor for product in bare for factor in product.factors)
