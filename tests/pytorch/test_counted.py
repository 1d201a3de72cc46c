"""What PyTorch performs, as it is counted: nothing is taken for zero that isn't."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from archcalc.pytorch.counted import FUSED, INSTEAD, counting
from archcalc.pytorch.modules import EuclideanRBF


def by_pytorch(network: nn.Module, *inputs: Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        network(*inputs)
    flops: int = counter.get_total_flops()
    return flops // 2


def by_us(network: nn.Module, *inputs: Tensor | None) -> int:
    with torch.no_grad(), counting() as counter:
        network(*inputs)
        assert counter.not_counted() == ()
    return counter.macs


class Cells(nn.Module):
    """An LSTM as its definition has it, a cell and a step at a time: no kernel is fused."""

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        self.lstm = lstm

    def forward(self, x: Tensor) -> Tensor:
        for layer in range(self.lstm.num_layers):
            ends = ("", "_reverse") if self.lstm.bidirectional else ("",)
            x = torch.cat([self.read(x, f"_l{layer}{end}", bool(end)) for end in ends], -1)
        return x

    def read(self, x: Tensor, name: str, back: bool) -> Tensor:
        w_ih, w_hh, b_ih, b_hh = (
            self.lstm.get_parameter(kind + name)
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        h = c = x.new_zeros(x.shape[0], self.lstm.hidden_size)
        steps = []
        for t in reversed(range(x.shape[1])) if back else range(x.shape[1]):
            gates = x[:, t] @ w_ih.T + b_ih + h @ w_hh.T + b_hh
            i, f, g, o = gates.chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            steps.append(h)
        return torch.stack(steps[::-1] if back else steps, 1)


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("both", [False, True])
def test_a_fused_lstm_is_counted_as_its_cells(device: str, both: bool) -> None:
    lstm = nn.LSTM(5, 7, 2, batch_first=True, bidirectional=both, device=device).eval()
    x = torch.ones(3, 4, 5, device=device)

    assert by_us(lstm, x) == by_pytorch(Cells(lstm), x)
    if device == "cpu":
        torch.testing.assert_close(lstm(x)[0], Cells(lstm)(x))
        # The reason for all this: one kernel does it, and PyTorch's counter passes over it.
        with torch.no_grad():
            assert by_pytorch(lstm, x) == 0


def test_a_kernel_of_cudnn_is_counted_by_its_matrices() -> None:
    # Two layers of 7 units that read 4 steps of 3 sequences of 5 numbers: 4 x 7 rows each.
    weights = [(28, 5), (28, 7), (28,), (28,), (28, 7), (28, 7), (28,), (28,)]

    flops = FUSED[torch.ops.aten._cudnn_rnn]
    assert flops((4, 3, 5), weights) == 2 * 4 * 3 * 28 * (5 + 7 + 7 + 7)
    # The same as one packed sequence of 12 steps in all.
    assert flops((12, 5), weights) == 2 * 12 * 28 * (5 + 7 + 7 + 7)


def test_bilinear_is_counted_as_its_products() -> None:
    bilinear = nn.Bilinear(3, 5, 4)
    x1, x2 = torch.randn(6, 3), torch.randn(6, 5)

    class Products(nn.Module):
        def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
            rows = (x1 @ bilinear.weight.permute(1, 0, 2).flatten(1)).view(6, 4, 5)
            output: Tensor = (rows @ x2[:, :, None])[..., 0] + bilinear.bias
            return output

    torch.testing.assert_close(bilinear(x1, x2), Products()(x1, x2))
    assert by_us(bilinear, x1, x2) == by_pytorch(Products(), x1, x2) == 6 * 4 * (3 * 5 + 5)


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("training", [False, True])
def test_a_bag_is_of_products_where_its_rows_have_weights(device: str, training: bool) -> None:
    bag = nn.EmbeddingBag(10, 16, mode="sum", device=device).requires_grad_(training)
    indices = torch.zeros(2, 5, dtype=torch.long, device=device)
    weights = torch.ones(2, 5, device=device)

    assert by_us(bag, indices) == 0
    # For each of 2 samples 5 rows of 16 numbers, each times its weight and summed.
    assert by_us(bag, indices, None, weights) == 2 * 5 * 16


def test_distances_are_counted_once_more_as_products() -> None:
    rbf = EuclideanRBF(84, 10)
    x = torch.randn(2, 84)

    torch.testing.assert_close(INSTEAD["EuclideanRBF"](rbf, x), rbf(x))
    with FlopCounterMode(display=False) as counter:
        INSTEAD["EuclideanRBF"](rbf, x)
    assert counter.get_total_flops() == 2 * 2 * 10 * 84


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_attention_is_counted_on_every_device(device: str) -> None:
    q, k, v = (torch.ones(2, 4, t, 16, device=device) for t in (10, 12, 12))

    class Attention(nn.Module):
        def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return nn.functional.scaled_dot_product_attention(q, k, v)

    # Scores of 10 queries with 12 keys, and what they weigh, in 2 x 4 heads of 16 features.
    assert by_us(Attention(), q, k, v) == 2 * 4 * (10 * 12 * 16 + 10 * 12 * 16)


def test_the_fast_path_of_attention_hides_nothing() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    before = torch.backends.mha.get_fastpath_enabled()

    # Four projections and two products of attention, then 16 -> 32 -> 16, for 2 x 10 tokens.
    attention = 2 * (4 * 10 * 16 * 16 + 2 * 10 * 10 * 16)
    assert by_us(layer, torch.ones(2, 10, 16)) == attention + 2 * 10 * 2 * 16 * 32
    assert torch.backends.mha.get_fastpath_enabled() == before


def test_products_of_vectors_are_counted() -> None:
    class Products(nn.Module):
        def forward(self, matrix: Tensor, x: Tensor) -> Tensor:
            return torch.dot(matrix @ x, matrix @ x)

    assert by_us(Products(), torch.ones(3, 5), torch.ones(5)) == 15 + 15 + 3


def test_what_nobody_knows_is_named() -> None:
    with counting() as counter:
        torch.cdist(torch.ones(3, 4), torch.ones(5, 4))

        assert counter.not_counted() == ("aten._cdist_forward",)
        assert counter.not_counted() == ()  # since it was last asked
