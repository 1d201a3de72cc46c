"""Numbers that no ``state_dict`` holds: written where they are known, and said where not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import archcalc
from archcalc.cli.app import application
from archcalc.frontends.torch.numbers import rule
from archcalc.pytorch.writer.calls import alone

MINE = '''
import torch
from torch import nn


class Encoded(nn.Module):
    """Has positions for an attribute, and what is made of ranges, lists and by writing."""

    def __init__(self, positions=16, features=64):
        super().__init__()
        self.proj = nn.Linear(features, features)
        rates = 1.0 / (10000 ** (torch.arange(features // 2) / (features // 2 - 1)))
        angles = torch.arange(positions)[:, None] * rates[None, :]
        self.positions = torch.cat((angles.sin(), angles.cos()), dim=1)
        slopes = torch.tensor([2.0**-k for k in range(features)])
        self.register_buffer("slopes", slopes, persistent=False)
        if features > 64:
            written = torch.zeros(features)
            written[3] = 7.0
            self.register_buffer("written", written, persistent=False)
            self.register_buffer("drawn", torch.randn(features), persistent=False)

    def forward(self, x):
        x = self.proj(x + self.positions) * self.slopes
        return x * self.written + self.drawn if hasattr(self, "drawn") else x
'''


def kinds(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(text, found)
    return found


def test_numbers_that_an_author_computes_are_computed_in_the_source(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    text = archcalc.export(f"torch:{tmp_path}/mine.py:Encoded@16x64")
    assert isinstance(text, str)
    module = kinds(MINE)["Encoded"]()
    again = kinds(text)["Encoded"]()
    again.load_state_dict(module.state_dict())
    x = torch.randn(2, 16, 64)
    torch.testing.assert_close(again(x), module(x), rtol=0, atol=0)
    assert "Made up" not in text


def test_numbers_that_are_not_known_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    address = f"torch:{tmp_path}/mine.py:Encoded(features=128)"
    words = ["export", address, "--input", "16x128", "--to", "torch"]
    result = CliRunner().invoke(application(), words)
    said = (
        "Made up, since no state_dict has them and it isn't known what they are: written (128), "
        "drawn (128)."
    )
    assert said in " ".join(result.stdout.split())
    assert said in result.stderr


def test_many_numbers_of_a_module_at_hand_are_not_known() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.few = torch.randn(8)
            self.many = torch.randn(1100, 8)

        def forward(self, x: Tensor) -> Tensor:
            return (x[:, None] + self.many).sum(1) * self.few

    text = archcalc.export(archcalc.from_torch(Table(), (1, 8)))
    assert isinstance(text, str)
    assert "what they are: many (1100x8)." in " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("torch.full((3, 4), 2.5)", "torch.full((3, 4), 2.5, dtype=torch.float32)"),
        ("torch.arange(3, 93, 3)", "torch.arange(3, 93, 3, dtype=torch.int64)"),
        ("torch.linspace(0, 1, 99)", "torch.linspace(0.0, 1.0, 99, dtype=torch.float32)"),
        ("torch.eye(9)", "torch.eye(9, 9, dtype=torch.float32)"),
        ("torch.ones(9, 9).tril() > 0", "torch.tril(torch.ones(9, 9, dtype=torch.bool))"),
        ("torch.tensor([[1, 5]])", "torch.tensor(((1, 5),), dtype=torch.int64)"),
    ],
)
def test_a_rule_is_written_as_one_would(text: str, written: str) -> None:
    tensor = kinds(f"import torch\nmade = {text}")["made"]
    call = rule(tensor)
    assert call is not None
    assert alone(call) == written
    torch.testing.assert_close(kinds(f"import torch\nmade = {written}")["made"], tensor)
