"""What operators keep in training is what PyTorch saves, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from archcalc.dims import Shape
from archcalc.operators import NAMES, operator
from archcalc.operators.autograd import (
    Differentiable,
    OrderedView,
    Saved,
    TrainingOnly,
    View,
)
from archcalc.operators.base import Operator, elements
from archcalc.operators.dropout import Dropout
from archcalc.operators.pooling import MaxPool2d
from archcalc.pytorch import module
from archcalc.pytorch.modules import _Padded, _PaddedAvgPool

UNKNOWN = {
    *("Embedding", "EmbeddingBag", "MaxUnpool2d", "RMSNorm", "Einsum"),
    *("GridSample", "DeformConv2d", "GlobalResponseNorm", "SpatialPyramidPooling"),
    *("ScaledDotProductAttention", "MultiheadAttention", "Attention"),
    *("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"),
    *("RoIAlign", "RoIPool"),
    *("L1Loss", "MSELoss", "HuberLoss", "CrossEntropyLoss", "HingeLoss"),
}

EITHER = {"Rearrange", "Select"}
"""Views for some fields and copies for others: taken for copies, which is never too little."""

MORE: list[tuple[str, dict[str, Any], tuple[Shape, ...]]] = [
    *(
        (name, {"inplace": True}, ((2, 6, 5, 5),))
        for name in NAMES
        if "inplace" in operator(name).model_fields and name != "Dropout"
    ),
    ("AdaptiveAvgPool1d", {"output_size": 1}, ((2, 3, 8),)),
    ("AdaptiveAvgPool2d", {"output_size": [1, 2]}, ((2, 3, 4, 4),)),
    ("InstanceNorm2d", {"affine": True, "track_running_stats": True}, ((2, 3, 4, 4),)),
    ("LayerNorm", {"normalized_shape": [3, 4], "elementwise_affine": False}, ((2, 5, 3, 4),)),
    ("LocalResponseNorm", {"size": 4}, ((2, 6, 8),)),
    ("Mul", {}, ((2, 8, 5), (2, 8, 5), (2, 8, 5), (2, 8, 5))),
    ("Pad", {"pad": [1, 1], "mode": "replicate"}, ((2, 3, 8),)),
    ("Pad", {"pad": [1, 1], "mode": "circular"}, ((2, 3, 8),)),
    ("StochasticDepth", {"p": 0}, ((2, 3, 8),)),
]


def cases() -> Iterator[Any]:
    for name in NAMES:
        if issubclass(operator(name), Differentiable) and name != "Dropout":
            for example in operator(name).examples:
                made = module(operator(name)(**example.fields), *example.inputs, device="meta")
                if not isinstance(made, (_Padded, _PaddedAvgPool)):  # which pad a copy
                    yield name, example.fields, example.inputs
    yield from MORE


class Kept:
    """The storages that PyTorch saves while it is entered, but those of ``besides``."""

    def __init__(self, *besides: torch.Tensor) -> None:
        self.besides = {tensor.untyped_storage()._cdata for tensor in besides}
        self.saved: dict[int, torch.Tensor] = {}
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self.keep, lambda tensor: tensor)

    def keep(self, tensor: torch.Tensor) -> torch.Tensor:
        # Kept alive, so that no other storage can have its address.
        self.saved[tensor.untyped_storage()._cdata] = tensor
        return tensor

    def bytes(self) -> int:
        return sum(
            tensor.untyped_storage().nbytes()
            for address, tensor in self.saved.items()
            if address not in self.besides
        )


def storages(op: Differentiable, inputs: tuple[Shape, ...]) -> int:
    """Bytes that ``op`` says are kept, in float32 and each storage once."""
    output = op.infer(*inputs)
    saved = op.saved(output, *inputs)
    aliased = getattr(op, "inplace", False)
    kept = {f"input {number}": elements(inputs[number]) for number in saved.inputs}
    if saved.output:
        kept["input 0" if aliased else "output"] = elements(output)
    numbers: int = sum(kept.values()) + saved.elements
    more: int = 8 * saved.indices + saved.flags
    return 4 * numbers + more


@pytest.mark.parametrize(("name", "fields", "inputs"), list(cases()))
def test_what_is_kept_is_what_pytorch_saves(
    name: str, fields: dict[str, Any], inputs: tuple[Shape, ...]
) -> None:
    op = operator(name)(**fields)
    assert isinstance(op, Differentiable)
    made = module(op, *inputs)
    tensors = [torch.ones(shape, requires_grad=True) * 1 for shape in inputs]
    kept = Kept(*made.parameters(), *made.buffers())
    with kept.hooks:
        made(*tensors)

    assert storages(op, inputs) == kept.bytes()


def test_an_unequally_padded_window_keeps_its_input_alone() -> None:
    op = MaxPool2d(kernel_size=2, padding=[[0, 1]])

    assert op.saved((1, 8, 2, 2), (1, 8, 4, 4)) == Saved(inputs=(0,), indices=32)


def test_dropout_keeps_a_flag_for_each_element_as_on_a_gpu() -> None:
    kept = Kept()
    x = torch.ones(4, 5, requires_grad=True)
    with kept.hooks:
        torch.native_dropout(x, 0.5, train=True)

    assert kept.bytes() == Dropout().saved((4, 5), (4, 5)).flags == 20
    assert Dropout(p=0).saved((4, 5), (4, 5)) == Saved()


def test_of_these_operators_it_is_not_known() -> None:
    assert {name for name in NAMES if not issubclass(operator(name), Differentiable)} == UNKNOWN


@pytest.mark.parametrize(
    ("op", "inputs"),
    [
        pytest.param(operator(name)(**example.fields), example.inputs, id=f"{name}-{number}")
        for name in NAMES
        for number, example in enumerate(operator(name).examples)
        if issubclass(operator(name), Differentiable)
    ],
)
def test_the_output_is_the_memory_of_the_input_where_that_is_said(
    op: Operator, inputs: tuple[Shape, ...]
) -> None:
    """In training, in which no dropout gives its input back."""
    tensors = [torch.zeros(shape) for shape in inputs]
    output = module(op, *inputs)(*tensors)
    same = output.untyped_storage()._cdata == tensors[0].untyped_storage()._cdata

    if type(op).__name__ in EITHER:
        assert not isinstance(op, View)
        return
    assert same == isinstance(op, View)
    assert not isinstance(op, View) or op.in_order == output.is_contiguous()


def test_views_are_told_from_copies_of_what_is_not_in_order() -> None:
    permuted = torch.zeros(2, 3, 4).permute(0, 2, 1)

    for name, fields in (("Flatten", {}), ("Reshape", {"shape": [6, 2]})):
        op = operator(name)(**fields)
        output = module(op, (2, 4, 3))(permuted)
        assert isinstance(op, OrderedView)
        assert output.untyped_storage()._cdata != permuted.untyped_storage()._cdata


@pytest.mark.parametrize(("name", "fields"), [("Dropout", {}), ("StochasticDepth", {"p": 0.5})])
def test_what_is_for_training_only_gives_its_input_back_at_inference(
    name: str, fields: dict[str, Any]
) -> None:
    op = operator(name)(**fields)
    x = torch.zeros(2, 3)

    assert isinstance(op, TrainingOnly)
    assert module(op, (2, 3)).eval()(x).untyped_storage()._cdata == x.untyped_storage()._cdata
