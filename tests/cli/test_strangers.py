"""What strangers wrote in specs and tables is not obeyed by whoever runs the commands on them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archcalc.cli.app import application

SPEC = r"""
name: net
title: "::error::x ##[error]y"
edition: "\u202efor CIFAR"
input: [3, 8, 8]
layers:
  conv: {op: Conv2d, out_channels: 4, kernel_size: 3}
documented:
  - quantity: params
    value: "113"
    source: "a\n# heading\n::stop-commands::token"
    note: "##[error]no"
facts:
  - {quantity: top5, value: "1%", source: s, reason: "a\n::error::b"}
"""

WRONG = r"""
name: net
input: [3, 8, 8]
layers:
  conv: {op: "Conv2\x1b[2J\n::stop-commands::d", out_channels: 4}
"""

TABLE = "layer,params\n\x1b]8;;http://evil.example\x07conv\x1b]8;;\x07,1\n=cmd|'/C',2\nTotal,4\n"

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> bool:
    commands = [line for line in text.splitlines() if line.lstrip().startswith("::")]
    ours = all(line.startswith("::error file=") for line in commands)
    return ours and "##[" not in text and not OBEYED.search(text)


@pytest.mark.parametrize(
    "command",
    [
        *(f"table FILE --format {form}" for form in ("table", "markdown", "csv", "html", "latex")),
        *(f"check FILE --format {form}" for form in ("table", "markdown", "github", "json")),
        "check FILE --format junit",
        *(
            f"compare FILE --format {form}"
            for form in ("table", "markdown", "csv", "html", "latex")
        ),
        "compare FILE --columns network,title,edition --format csv",
        "explain FILE",
        "explain FILE --format markdown",
        "diff FILE lenet5",
    ],
)
def test_specs_are_not_obeyed(tmp_path: Path, command: str) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(SPEC, encoding="utf-8")
    words = [str(path) if word == "FILE" else word for word in command.split()]
    result = CliRunner().invoke(application(words[0]), words)
    assert result.exit_code in (0, 1), result.output
    assert harmless(result.stdout)
    assert harmless(result.stderr)


@pytest.mark.parametrize("command", ["table FILE", "check FILE", "validate FILE --format github"])
def test_problems_are_not_obeyed(tmp_path: Path, command: str) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(WRONG, encoding="utf-8")
    words = [str(path) if word == "FILE" else word for word in command.split()]
    result = CliRunner().invoke(application(words[0]), words)
    assert result.exit_code == 2
    assert harmless(result.stdout)
    assert harmless(result.stderr)


@pytest.mark.parametrize("form", ["table", "markdown", "html", "json"])
def test_tables_are_not_obeyed(tmp_path: Path, form: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(TABLE, encoding="utf-8")
    words = ["audit", str(path), "--format", form]
    result = CliRunner().invoke(application("audit"), words)
    assert result.exit_code in (0, 1, 2)
    assert harmless(result.stdout)
    assert harmless(result.stderr)


def test_a_line_break_in_a_source_begins_no_heading(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(SPEC, encoding="utf-8")
    words = ["check", str(path), "--format", "markdown"]
    shown = CliRunner().invoke(application("check"), words).stdout
    assert "a # heading" in shown
    assert not re.search(r"^\s*#", shown, re.MULTILINE)
