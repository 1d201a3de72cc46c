"""The table of PyTorch's operators is the inverse of what our operators say of PyTorch."""

from __future__ import annotations

from math import prod

import pytest
import torch

import archcalc
from archcalc.operators import NAMES, operator
from archcalc.operators.base import Applied, Example
from archcalc.pytorch.perform import module

INDICES = {"Embedding": 0, "EmbeddingBag": 0, "OneHot": 0, "Gather": 1, "Index": 1}
"""Which input holds whole numbers."""

NOT_READ = {
    "MaxUnpool2d": "max_unpool2d is no operator of an importer's",
    "DeformConv2d": "its positions are made of constants, for two samples at once",
    "EuclideanRBF": "sums of squared differences are counted as what they are",
    "ShiftedWindowMask": "a mask that is made of nothing, in batches",
    "RoIAlign": "its boxes are constants of our module",
    "RoIPool": "its boxes are constants of our module",
    "L1Loss": "losses are no part of a network",
    "MSELoss": "losses are no part of a network",
    "HuberLoss": "losses are no part of a network",
    "HingeLoss": "losses are no part of a network",
    "CrossEntropyLoss": "losses are no part of a network",
}
"""Operators that PyTorch does not have, or that no network is captured with."""


def examples() -> list[tuple[str, Example]]:
    return [
        (name, example)
        for name in NAMES
        if name not in NOT_READ
        for example in operator(name).examples
        # Padding that is not counted is written with a second pooling, of a constant.
        if example.fields.get("count_include_pad") is not False
        and not (name == "AvgPool1d" and "padding" in example.fields)
        and not example.fields.get("add_bias_kv")  # which is repeated for two samples
        # Of a weight that is computed parts are taken.
        and not (name == "Attention" and {"fused", "parametrization"} <= example.fields.keys())
        # States that are handed on are written with our own modules.
        and not (name in ("RNN", "LSTM", "GRU") and {"states", "biases"} & example.fields.keys())
        and not (name in ("RNN", "LSTM", "GRU", "LSTMCell") and len(example.inputs) > 1)
    ]


@pytest.mark.parametrize(("name", "example"), examples())
def test_what_an_operator_is_in_pytorch_is_read_as_what_it_stores_and_computes(
    name: str, example: Example
) -> None:
    ours = Applied.to(operator(name)(**example.fields), *example.inputs)
    built = module(ours.op, *example.inputs, device="meta")
    inputs = [
        torch.zeros(shape, dtype=torch.int64 if INDICES.get(name) == k else torch.float32).to(
            "meta"
        )
        for k, shape in enumerate(example.inputs)
    ]
    # As part of another: what attends to itself takes three, and a hook repeats the one for it.
    held = torch.nn.Sequential(built) if len(inputs) == 1 else built
    analysis = archcalc.analyze(archcalc.from_torch(held, *inputs))
    assert analysis.params == ours.cost.params
    assert analysis.macs == ours.cost.work.macs
    given = analysis.row(analysis.graph.outputs[0]).node
    if name == "View":  # the samples of a batch stay apart
        assert prod(given.shape) == prod(ours.shape)
    else:
        assert given.shape[-len(ours.shape) :] == ours.shape


class Windowed(torch.nn.Module):
    """Makes a window each time."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The input, weighed by places."""
        window = torch.hann_window(16) * torch.fft.fftfreq(16)
        found: torch.Tensor = x * window
        return found


def test_what_is_made_of_numbers_alone_is_a_constant() -> None:
    graph = archcalc.from_torch(Windowed(), (1, 16))
    # A product of two tensors at 16 places, twice.
    assert archcalc.analyze(graph).flops == 32


class Likened(torch.nn.Module):
    """Two inputs, and how alike they are."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """One number."""
        return torch.nn.functional.cosine_similarity(x, y)


def test_a_likeness_is_counted_as_its_definition_says() -> None:
    work = archcalc.analyze(archcalc.from_torch(Likened(), (1, 5), (1, 5))).work
    # Of 5 numbers each: x y; their squares, twice; one product of norms, and one quotient by it.
    assert (work.multiplies, work.divisions) == (5 + 2 * 5 + 1, 1)
    assert work.adds == 3 * (5 - 1)
    assert work.comparisons == 2  # of each norm with the least that is divided by
