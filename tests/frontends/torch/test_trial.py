"""Modules in which numbers decide how much there is to do: it is all that may be, or is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archcalc

_HEAD = "import torch\nfrom torch import nn\n"

_WIDTH, _ROWS = 8, 6


class Both(nn.Module):
    """Two layers of 8 x 8 weights, between which something is picked."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(_WIDTH, _WIDTH), nn.Linear(_WIDTH, _WIDTH)


class Masked(Both):
    def forward(self, x: Tensor) -> Any:
        y = self.first(x)
        return self.second(y[y[..., 0] > 0])


class Counted(Both):
    """Keeps as many as a mask has, in the first places."""

    def forward(self, x: Tensor) -> Any:
        y = self.first(x)
        return self.second(y[:, : int((y[..., 0] > 0).sum())])


@pytest.mark.parametrize("kind", [Masked, Counted])
def test_what_a_mask_picks_is_all_that_there_is(kind: type[nn.Module]) -> None:
    graph = archcalc.from_torch(kind(), (1, _ROWS, _WIDTH))
    assert archcalc.analyze(graph).macs == 2 * _ROWS * _WIDTH * _WIDTH
    assert "largest" in graph.edition


class Mixture(Both):
    """Each row is taken by one of three experts."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(_WIDTH, _WIDTH) for _ in range(3))

    def forward(self, x: Tensor) -> Any:
        chosen = self.first(x)[0, :, :3].argmax(-1)
        y = torch.zeros_like(x[0])
        for number, expert in enumerate(self.experts):
            rows = torch.where(chosen == number)[0]
            y[rows] = expert(x[0, rows])
        return self.second(y)


def test_rows_that_experts_share_are_counted_once() -> None:
    graph = archcalc.from_torch(Mixture(), (1, _ROWS, _WIDTH))
    # Two layers and one expert for each row.
    assert archcalc.analyze(graph).macs == 3 * _ROWS * _WIDTH * _WIDTH


class Turning(Both):
    """Does something as often as its numbers are large."""

    def forward(self, x: Tensor) -> Any:
        y = self.first(x)
        for _ in range(int(y.norm())):
            y = self.second(y)
        return y


def test_what_other_numbers_lead_to_is_not_counted_as_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    module = Turning()
    graph = archcalc.from_torch(module, (1, _ROWS, _WIDTH))
    with pytest.raises(archcalc.ArchcalcError, match="other_numbers"):
        archcalc.analyze(graph)
    analysis = archcalc.analyze(graph, allow_unknown=True)
    assert analysis.partial
    assert analysis.params == 2 * (_WIDTH * _WIDTH + _WIDTH)
    assert analysis.macs >= _ROWS * _WIDTH * _WIDTH
    assert "other numbers" in graph.edition
    assert capfd.readouterr() == ("", "")


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(4, 5, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Any:
        rnn = nn.utils.rnn
        packed = rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return rnn.pad_packed_sequence(self.layer(packed)[0], batch_first=True)[0]


def test_sequences_are_as_long_as_they_are_padded_to() -> None:
    graph = archcalc.from_torch(Packed(), (1, 7, 4), torch.zeros(1, dtype=torch.int64))
    # 7 steps, in both directions, of 4 gates of 5 numbers, each of the input and the state.
    assert archcalc.analyze(graph).macs == 7 * 2 * 4 * 5 * (4 + 5)


def test_a_module_without_numbers_is_not_taken_to_pick_nothing(tmp_path: Path) -> None:
    (tmp_path / "picking.py").write_text(
        f"{_HEAD}class Picking(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.scores, self.head = nn.Linear(8, 1), nn.Linear(8, 8)\n"
        "    def forward(self, x):\n"
        "        kept = x[self.scores(x)[..., 0].sigmoid() > 0.99]\n"
        "        return kept if kept.numel() == 0 else self.head(kept)\n",
        encoding="utf-8",
    )
    analysis = archcalc.analyze(f"torch:{tmp_path / 'picking.py'}:Picking@6x8")
    assert analysis.macs == 6 * 8 + 6 * 8 * 8
