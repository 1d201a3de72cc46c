"""That the modules PyTorch lacks compute what their operators say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from archcalc.operators import operator
from archcalc.operators.attention import MultiheadAttention
from archcalc.pytorch import module


def forward(name: str, fields: dict[str, Any], *inputs: Tensor) -> Tensor:
    made = module(operator(name)(**fields), *(tuple(x.shape) for x in inputs))
    output: Tensor = made(*inputs)
    return output


def ramp(*shape: int) -> Tensor:
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float).reshape(shape)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_padding_the_same_at_both_ends_is_pytorchs(axes: int, mode: str) -> None:
    from archcalc.pytorch import modules

    sizes = {"in_channels": 2, "out_channels": 3, "kernel_size": 3}
    ours = getattr(modules, f"PaddedConv{axes}d")(**sizes, pads=((1, 1),) * axes, padding_mode=mode)
    theirs = getattr(nn, f"Conv{axes}d")(**sizes, padding=1, padding_mode=mode)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 2, *(4, 5, 6)[:axes])

    torch.testing.assert_close(ours(x), theirs(x))


def test_every_end_of_every_axis_is_padded_by_its_own() -> None:
    from archcalc.pytorch import modules

    conv = modules.PaddedConv2d(
        in_channels=1, out_channels=1, kernel_size=1, bias=False, pads=((1, 0), (0, 2))
    )
    nn.init.ones_(conv.weight)

    assert conv(torch.ones(1, 1, 1, 1)).tolist() == [[[[0, 0, 0], [1, 0, 0]]]]


def test_crop_drops_what_it_is_told() -> None:
    fields = {"cropping": [[1, 2], [0, 3]]}

    assert forward("Crop", fields, ramp(1, 1, 4, 5)).tolist() == [[[[5, 6]]]]


def test_crop_centres_on_a_second_input() -> None:
    # 5 to 2 on one axis: one is dropped before and two after.
    assert forward("Crop", {}, ramp(1, 1, 5), ramp(1, 7, 2)).tolist() == [[[1, 2]]]


def test_slice_is_pythons() -> None:
    x = ramp(2, 3, 8)
    fields = {"dim": -1, "start": -7, "end": -1, "step": 2}

    torch.testing.assert_close(forward("Slice", fields, x), x[:, :, -7:-1:2])


def test_select_is_index_select() -> None:
    x = ramp(2, 3, 4)

    torch.testing.assert_close(forward("Select", {"index": [2, 0]}, x), x[:, [2, 0]])


@pytest.mark.parametrize(("name", "result"), [("Add", 9), ("Mul", 24)])
def test_all_inputs_are_joined(name: str, result: int) -> None:
    inputs = [torch.full((1, 1), n) for n in (2, 3, 4)]

    assert forward(name, {}, *inputs).tolist() == [[result]]


def test_one_input_attends_to_itself() -> None:
    x = torch.randn(2, 5, 8)
    made = module(MultiheadAttention(num_heads=2), (2, 5, 8))
    theirs = nn.MultiheadAttention(8, 2, batch_first=True)
    theirs.load_state_dict(made.state_dict())

    torch.testing.assert_close(made(x), theirs(x, x, x)[0])


def test_heads_of_keys_serve_their_group_of_queries() -> None:
    q, k, v = torch.randn(1, 4, 3, 5), torch.randn(1, 2, 3, 5), torch.randn(1, 2, 3, 5)
    ours = forward("ScaledDotProductAttention", {"enable_gqa": True}, q, k, v)
    k, v = (tensor.repeat_interleave(2, dim=1) for tensor in (k, v))

    torch.testing.assert_close(ours, F.scaled_dot_product_attention(q, k, v))
