"""That the layers PyTorch lacks compute what it computes where both exist, and their formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from archcalc.pytorch import modules

X = torch.arange(2 * 3 * 7 * 8, dtype=torch.float).reshape(2, 3, 7, 8).sin()


@pytest.mark.parametrize(
    ("pads", "overhang", "fields"),
    [
        (((1, 1), (1, 1)), (0, 0), {"padding": 1}),
        # 7 + 2 and 8 + 2 elements under windows of 3 at stride 2: the second overhangs by 1.
        (((1, 1), (1, 1)), (0, 1), {"padding": 1, "ceil_mode": True}),
        (((0, 0), (0, 0)), (0, 1), {"ceil_mode": True}),
    ],
)
class TestPaddedPools:
    def test_maximum(self, pads: Any, overhang: Any, fields: dict[str, Any]) -> None:
        ours = modules.PaddedMaxPool2d(kernel_size=3, stride=2, pads=pads, overhang=overhang)

        assert torch.equal(ours(X), nn.MaxPool2d(3, 2, **fields)(X))

    @pytest.mark.parametrize("count_include_pad", [True, False])
    @pytest.mark.parametrize("divisor_override", [None, 5])
    def test_average(
        self,
        pads: Any,
        overhang: Any,
        fields: dict[str, Any],
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> None:
        divisors: dict[str, Any] = {
            "count_include_pad": count_include_pad,
            "divisor_override": divisor_override,
        }
        ours = modules.PaddedAvgPool2d((3, 3), (2, 2), pads, overhang, **divisors)

        torch.testing.assert_close(ours(X), nn.AvgPool2d(3, 2, **fields, **divisors)(X))


def test_padding_of_one_end_only() -> None:
    x = torch.tensor([[[-1.0, -2.0, -4.0]]])
    ends: dict[str, Any] = {"pads": ((0, 1),), "overhang": (0,)}

    largest = modules.PaddedMaxPool1d(kernel_size=2, stride=2, **ends)
    mean = modules.PaddedAvgPool1d((2,), (2,), count_include_pad=True, **ends)
    mean_of_input = modules.PaddedAvgPool1d((2,), (2,), count_include_pad=False, **ends)

    assert largest(x).tolist() == [[[-1.0, -4.0]]]
    assert mean(x).tolist() == [[[-1.5, -2.0]]]
    assert mean_of_input(x).tolist() == [[[-1.5, -4.0]]]


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_unpooling_finds_the_places_in_what_was_pooled(ceil_mode: bool) -> None:
    values, indices = F.max_pool2d(X, 2, ceil_mode=ceil_mode, return_indices=True)
    ours = modules.MaxUnpool2d((2, 2), (2, 2), (0, 0), ceil_mode)

    expected = F.max_unpool2d(values, indices, [2, 2], output_size=list(X.shape))
    assert torch.equal(ours(values, X), expected)


def test_subsampling_is_a_sum_times_a_coefficient_plus_a_bias() -> None:
    ours = modules.SubSampling2d(1, (2, 2), (2, 2))
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])

    assert ours(x).item() == 2.5
    with torch.no_grad():
        ours.weight.fill_(3)
        ours.bias.fill_(1)
    assert ours(x).item() == 31


def test_distances_are_to_the_fixed_vectors() -> None:
    ours = modules.EuclideanRBF(2, 2)
    ours.weight.copy_(torch.tensor([[1.0, -1.0], [1.0, 1.0]]))

    assert ours(torch.tensor([[3.0, 1.0]])).tolist() == [[8.0, 4.0]]
    assert list(ours.parameters()) == []


@pytest.mark.parametrize(
    ("reduction", "loss"), [("none", [0.5, 0.0, 4.0]), ("sum", 4.5), ("mean", 1.5)]
)
def test_hinge(reduction: str, loss: Any) -> None:
    prediction, target = torch.tensor([0.5, 3.0, 3.0]), torch.tensor([1.0, 1.0, -1.0])

    assert modules.HingeLoss(reduction)(prediction, target).tolist() == loss


class TestStochasticDepth:
    x = torch.ones(64, 3, 2)

    def draw(self, p: float, mode: str) -> Tensor:
        torch.manual_seed(0)
        output: Tensor = modules.StochasticDepth(p, mode)(self.x)
        return output

    def test_keeps_the_input_at_inference(self) -> None:
        assert torch.equal(modules.StochasticDepth(0.5, "row").eval()(self.x), self.x)

    def test_drops_or_scales_whole_rows(self) -> None:
        rows = self.draw(0.75, "row").flatten(1)

        assert {tuple(set(row.tolist())) for row in rows} == {(0.0,), (4.0,)}

    def test_drops_or_scales_the_batch(self) -> None:
        assert len(set(self.draw(0.5, "batch").flatten().tolist())) == 1

    @pytest.mark.parametrize(("p", "value"), [(0.0, 1.0), (1.0, 0.0)])
    def test_never_or_always(self, p: float, value: float) -> None:
        assert set(self.draw(p, "row").flatten().tolist()) == {value}


def test_a_function_is_the_one_that_was_there_when_a_network_was_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counters patch ``torch.mul``, and would see a product of unequal axes and no other."""
    product = modules.Aligned("mul")
    monkeypatch.setattr(torch, "mul", None)

    assert torch.equal(product(X, X[:, 0]), X * X[:, None, 0])
    assert str(product) == "Aligned(mul)"
