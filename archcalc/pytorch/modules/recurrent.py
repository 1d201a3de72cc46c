"""Recurrent layers that take their state."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _Stateful(nn.RNNBase):
    """Takes a state (N, S, H), of an LSTM first the rows of h and then of c; may give one back."""

    def __init__(self, *, biases: int, states: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.biases = biases
        self.states = states
        if biases == 1:
            for name in [name for name in self._parameters if name.startswith("bias_hh")]:
                del self._parameters[name]

    def _update_flat_weights(self) -> None:
        if self.biases == 2:
            super()._update_flat_weights()
            return
        # PyTorch's functions want two: the second is nothing.
        self._flat_weights = [
            torch.zeros_like(getattr(self, name.replace("bias_hh", "bias_ih")))
            if name.startswith("bias_hh")
            else getattr(self, name)
            for name in self._flat_weights_names
        ]

    def forward(self, input: Tensor, state: Tensor | None = None) -> Tensor:
        first: Any = None
        if state is not None:
            memories = [
                self._split(part) for part in state.chunk(len(state[0]) // self.num_layers, 1)
            ]
            first = tuple(memories) if len(memories) > 1 else memories[0]
        output: Tensor
        output, last = super().forward(input, first)
        if not self.states:
            return output
        parts = last if isinstance(last, tuple) else (last,)
        return torch.cat([output, *map(self._join, parts)], 1)

    def _split(self, state: Tensor) -> Tensor:
        n, layers, features = state.shape
        directions = 2 if self.bidirectional else 1
        apart = state.reshape(n, layers, directions, features // directions)
        return apart.permute(1, 2, 0, 3).flatten(0, 1).contiguous()

    def _join(self, state: Tensor) -> Tensor:
        directions = 2 if self.bidirectional else 1
        apart = state.reshape(-1, directions, *state.shape[1:])
        return apart.permute(2, 0, 1, 3).flatten(2)


class StatefulRNN(_Stateful, nn.RNN):  # type: ignore[misc]  # forward takes states as one tensor
    """``nn.RNN`` with its states as a tensor, and one bias a gate or two."""


class StatefulLSTM(_Stateful, nn.LSTM):  # type: ignore[misc]  # likewise
    """``nn.LSTM`` with its states as a tensor, and one bias a gate or two."""


class StatefulGRU(_Stateful, nn.GRU):  # type: ignore[misc]  # likewise
    """``nn.GRU`` with its states as a tensor, and one bias a gate or two."""


class LSTMCell(nn.LSTMCell):
    """``nn.LSTMCell`` with ``h`` and ``c`` as one tensor (N, 2, H)."""

    def forward(self, input: Tensor, state: Tensor) -> Tensor:  # type: ignore[override]
        return torch.stack(super().forward(input, (state[:, 0], state[:, 1])), 1)
