"""The source of a module that was captured has the module's ``state_dict``, and its outputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import archcalc
from archcalc.pytorch.source import source


class Ladder(nn.Module):
    """Lists that a loop goes through, with functions of the loop's own between their members."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, 2 * c, 3, padding=1), nn.BatchNorm2d(2 * c), nn.ReLU())
            for c in (4, 8, 16)
        )
        self.up = nn.ModuleList(
            nn.ModuleList([nn.ConvTranspose2d(2 * c, c, 2, 2), nn.Conv2d(2 * c, c, 3, padding=1)])
            for c in (16, 8)
        )

    def forward(self, x: Tensor) -> Any:
        kept = []
        for k, part in enumerate(self.down):
            x = part(x if k == 0 else functional.max_pool2d(x, 2))
            kept.append(x)
        up: Any = self.up
        for (widen, fuse), beside in zip(up, kept[-2::-1], strict=True):
            x = functional.relu(fuse(torch.cat([widen(x), beside], 1)))
        return x


class Residual(nn.Module):
    """Equal parts, each of which is added to what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            nn.Sequential(nn.Linear(6, 12), nn.SiLU(), nn.Linear(12, 6)) for _ in range(3)
        )

    def forward(self, x: Tensor) -> Any:
        for part in self.parts:
            x = x + part(x)
        return x


class Holder(nn.Module):
    """Modules that stand in others, whose ``forward`` is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.ModuleDict(
            {
                "first": nn.Linear(6, 4),
                "rest": nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 6)}),
            }
        )
        self.steps = nn.ModuleList([nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4)])

    def forward(self, x: Tensor) -> Any:
        inner: Any = self.inner
        y = torch.tanh(inner["first"](x))
        y = self.steps[2](y) + inner["rest"]["a"](self.steps[0](y))
        return inner["rest"]["b"](self.steps[1](y))


MODULES: dict[str, tuple[type[nn.Module], tuple[int, ...]]] = {
    "ladder": (Ladder, (2, 4, 16, 16)),
    "residual": (Residual, (2, 5, 6)),
    "holder": (Holder, (2, 6)),
}


def made(text: str, name: str) -> nn.Module:
    """A network by its source."""
    known: dict[str, Any] = {}
    exec(text, known)
    network = known[name]()
    assert isinstance(network, nn.Module)
    return network.eval()


@pytest.mark.parametrize("case", MODULES)
def test_a_module_written_again_takes_its_state_and_gives_its_output(case: str) -> None:
    kind, shape = MODULES[case]
    torch.manual_seed(0)
    module = kind().eval()
    again = made(source(archcalc.from_torch(module, shape)), kind.__name__)
    assert {k: v.shape for k, v in again.state_dict().items()} == {
        k: v.shape for k, v in module.state_dict().items()
    }
    again.load_state_dict(module.state_dict())
    x = torch.randn(shape)
    torch.testing.assert_close(again(x), module(x))
