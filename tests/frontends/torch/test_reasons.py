"""Why a module is not taken: told in words, with the layer, the shape and the author's line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archcalc.cli.app import application

CODE = """
import torch
from torch import nn

NUMBER = 3

def needs(width, depth=2):
    return nn.Linear(width, depth)

def words():
    return nn.Sequential(nn.Embedding(5, 4))

def other():
    return {"a": 1}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
        self.fc = nn.Linear(8 * 14 * 14, 10)

    def forward(self, x):
        x = self.body(x)
        return self.fc(x.flatten(1))

class Two(nn.Module):
    def forward(self, ids, mask, scale=None):
        return ids + mask

class Asks(nn.Module):
    def forward(self, x):
        size = int(x.sum())
        return torch.linalg.cholesky(x[:, :size].no_such_method())

class Odd(nn.Module):
    def __init__(self, size):
        super().__init__()
        raise ValueError("an even size, please")
"""

LAZY = """
def __getattr__(name):
    try:
        import no_such_package
    except ModuleNotFoundError as error:
        raise RuntimeError("it failed, look above") from error
"""
"""A package that imports what has a class when it is asked for, as diffusers does."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(CODE)
    (tmp_path / "lazy.py").write_text(LAZY)
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    (tmp_path / "wrong.py").write_text("def f(:\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("address", "inputs", "said"),
    [
        ("nothing:Net", ["3"], ["no module 'nothing', neither installed nor in", "write its name"]),
        ("nothing.py:Net", ["3"], ["no such file as nothing.py"]),
        ("broken.py:Net", ["3"], ["can't be imported", "no_such_package", "broken.py:1"]),
        ("wrong.py:Net", ["3"], ["can't be imported: SyntaxError"]),
        ("lazy.py:Net", ["3"], ["Net can't be imported", "no_such_package", "lazy.py:4"]),
        ("mine.py:Nett", ["3"], ["has no 'Nett'", "did you mean 'Net'?"]),
        ("mine.py:NUMBER", ["3"], ["is a int, and neither a torch.nn.Module nor what makes one"]),
        ("mine.py:other", ["3"], ["makes a dict, and no torch.nn.Module"]),
        (
            "mine.py:needs",
            ["3"],
            ["missing a required argument: 'width'", "it is needs(width, depth=2)", "needs(...)"],
        ),
        ("mine.py:needs(3, deep=2)", ["3"], ["unexpected keyword argument 'deep'"]),
        ("mine.py:Odd(3)", ["3"], ["can't be made: ValueError: an even size", "mine.py:38: raise"]),
        ("mine.py:Net", [], ["which input? --input 3x224x224"]),
        (
            "mine.py:Net",
            ["1x16x16"],
            [
                "in layer 'body.0', Conv2d(3, 8, kernel_size=",
                "), on (1, 1, 16, 16)",
            ],
        ),
        (
            "mine.py:Net",
            ["3x20x20"],
            ["in layer 'fc', Linear(", "on (1, 2592)", "mine.py:24: return self.fc(x.flatten(1))"],
        ),
        (
            "mine.py:Two",
            ["3"],
            [
                "missing a required argument: 'mask'",
                "forward takes ids, mask, and may take scale: "
                "write --input ids=SHAPE --input mask=SHAPE",
            ],
        ),
        ("mine.py:words", ["7"], ["Embedding", "write --input NAME=int64:128"]),
        ("mine.py:Asks", ["3"], ["can't be captured", "mine.py:32"]),
    ],
)
def test_it_is_told_in_words_and_with_exit_code_2(
    address: str, inputs: list[str], said: list[str]
) -> None:
    options = [word for text in inputs for word in ("--input", text)]
    result = CliRunner().invoke(application("table"), ["table", f"torch:{address}", *options])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2
    assert result.stdout == ""
    for words in said:
        assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_what_the_code_prints_is_no_part_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(
        "from torch import nn\nprint('hello')\n"
        "def build():\n    print('number of parameters: 8')\n    return nn.Linear(3, 2)\n"
    )
    command = ["table", "torch:loud.py:build", "--input", "3", "--format", "json"]
    result = CliRunner().invoke(application("table"), command)
    assert json.loads(result.stdout)["totals"]["params"] == 8
    assert {"hello", "number of parameters: 8"} <= set(result.stderr.splitlines())


@pytest.mark.parametrize(
    ("missing", "address", "said"),
    [
        ("torch", "torch:mine.py:Net", "PyTorch is not installed: pip install 'archcalc[torch]'"),
        ("torch", "torch:net.pt2", "PyTorch is not installed: pip install 'archcalc[torch]'"),
        ("transformers", "hf:config.json", "transformers is not installed"),
        ("onnx", "net.onnx", "need the package onnx: pip install 'archcalc[onnx]'"),
    ],
)
def test_what_is_not_installed_is_named(
    missing: str, address: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.onnx").write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, missing, None)
    result = CliRunner().invoke(application("table"), ["table", address])
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
