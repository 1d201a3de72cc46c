"""Odd words and odd files, in every place of every command: an answer, or a few words and a 2.

A part of them is tried, and all where ``ARCHCALC_FUZZ`` is set.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import archcalc
from archcalc.cli.app import COMMANDS, application

USAGE = {
    "list": "list",
    "table": "table lenet5",
    "explain": "explain lenet5 conv1",
    "compare": "compare lenet5 alexnet",
    "diff": "diff lenet5 lenet5-1998",
    "check": "check lenet5",
    "audit": "audit table.csv",
    "reconcile": "reconcile 60K lenet5",
    "savings": "savings lenet5 --rewrite separable",
    "build": "build lenet5",
    "export": "export lenet5 --to json",
    "crosscheck": "crosscheck lenet5 --device meta",
    "memory": "memory lenet5",
    "roofline": "roofline lenet5 --on h100",
    "generate": "generate llama3_8b --prompt 20 --tokens 5 --on h100",
    "formula": "formula lenet5",
    "space": "space nasbench201",
    "sweep": "sweep lenet5 --set classes=1:3",
    "fit": "fit lenet5 --vary classes --at-most params=60K",
    "validate": "validate lenet5",
    "fmt": "fmt --check -",
    "ops": "ops Conv2d",
    "schema": "schema",
    "new": "new mine",
    "import": "import torch:torch.nn:Linear(4,2)@4",
}
"""Each command as it may be used."""

WORDS = (
    *("", " ", "-", "=", "=1", ",", ",,", "x", "0", "-1", "1.5", "1e309", "nan", "inf", "9" * 5000),
    *("Ü", "\udcff", "a\nb", "\x1b[31m", "::", "lenet5::", "::lenet5", "[", "{", "{a: 1}", "[1, 2"),
    *(
        "null",
        "true",
        "a=b",
        "classes=1",
        "classes=",
        "classes=x",
        "params=1",
        "1:2:0",
        "1:0",
        "3xx3",
    ),
    *(
        "..",
        "/dev",  # a folder: all of a disk would be read for a "/"
        "nowhere/file.yaml",
        "n" * 5000,
        "lenet5",
        "macs",
        "json",
        "table",
        "=2**99",
        "a b",
    ),
    *("{{}}", "%s", "*", "?", "~", "classes=1:3", "N=0:1", "H=1:99:x0", "classes=1:9:x1", "params"),
)
"""What takes the place of a word."""


def odd_files(folder: Path) -> list[str]:
    """Files that are no specs and no tables, or only just."""
    spec = archcalc.new("mine")
    table = "layer,params\nconv1,10\ntotal,10\n"
    written: dict[str, bytes] = {
        "empty": b"",
        "blank": b"\n\n  \n",
        "binary": bytes(range(256)) * 9,
        "nul": b"name: a\x00b\n",
        "utf-16": spec.encode("utf-16"),
        "latin-1": "name: Ü\n".encode("latin-1"),
        "bom": b"\xef\xbb\xbf" + spec.encode(),
        "crlf": spec.replace("\n", "\r\n").encode(),
        "cr": spec.replace("\n", "\r").encode(),
        "deep": b"[" * 5000,
        "deeper": b"{a: " * 5000,
        "long": b"a" * 2_000_000,
        "many": b"a,b\n" * 200_000,
        "list": b"- 1\n- 2\n",
        "scalar": b"42\n",
        "null": b"null\n",
        "tag": b"!!python/object/apply:os.system ['true']\n",
        "alias": b"a: &a [*a]\n",
        "documents": b"name: a\n---\nname: b\n",
        "surrogate": b'{"name": "\\ud800", "input": [1], "layers": {"r": {"op": "ReLU"}}}',
        "half": spec.encode()[:60],
        "only-head": b"layer,params\n",
        "ragged": b"layer,params\na\nb,1,2,3\n,\n",
        "wide": b",".join([b"params"] * 3000) + b"\n" + b",".join([b"1"] * 3000),
        "huge-numbers": b"layer,params,macs\na,1e999,9" + b"9" * 5000 + b"\ntotal,nan,-inf\n",
        "quotes": b'layer,params\n"a,1\n',
        "negative": b"layer,params,kernel,stride\nconv,-5,-3,0\ntotal,-5,,\n",
        "table": table.encode(),
        "table-crlf": table.replace("\n", "\r\n").encode(),
        "table-utf-16": table.encode("utf-16"),
    }
    names = []
    for name, content in written.items():
        for end in (".yaml", ".json", ".csv"):
            (folder / f"{name}{end}").write_bytes(content)
            names.append(f"{name}{end}")
    (folder / "folder.yaml").mkdir()
    (folder / "loop.yaml").symlink_to("loop.yaml")
    (folder / "secret.yaml").write_text(spec)
    (folder / "secret.yaml").chmod(0)
    return [*names, "folder.yaml", "loop.yaml", "secret.yaml", ".", "/dev/null"]


def parameters(command: str) -> list[Any]:
    group: Any = typer.main.get_command(application(command))
    return [p for p in group.commands[command].params if p.name != "help"]


def usages(files: list[str]) -> Iterator[list[str]]:
    """Each command with one word of it, or one option more, that is odd."""
    for command, usual in USAGE.items():
        line = usual.split()
        for odd in (*WORDS, *files):
            for k in range(1, len(line)):
                if line[k].startswith("--"):
                    continue
                yield [*line[:k], odd, *line[k + 1 :]]
            yield [*line, odd]
        for parameter in parameters(command):
            option = next((o for o in parameter.opts if o.startswith("--")), None)
            if option is None:
                continue
            if parameter.is_flag:
                yield [*line, option]
                continue
            for odd in (*WORDS, *(files if option in ("--against", "--emit", "--output") else [])):
                yield [*line, option, odd]
                yield [*line, f"{option}={odd}"]


def test_every_command_has_a_usage() -> None:
    assert {*USAGE, "serve"} == set(COMMANDS)  # serve stays until it is ended


@pytest.mark.parametrize("part", range(4))
def test_odd_usage_is_answered_in_words(
    part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"  # so that ".." has nothing else in it
    here.mkdir()
    monkeypatch.chdir(here)
    files = odd_files(here)
    Path("table.csv").write_text("layer,params\nconv1,10\ntotal,10\n")
    every = list(usages(files))
    if "ARCHCALC_FUZZ" not in os.environ:
        every = Random(0).sample(every, 240)
    failed = []
    runner = CliRunner()
    for words in every[part::4]:
        result = runner.invoke(application(words[0]), words, input="name: a\n")
        said = [word[:60] for word in words]
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            failed.append((said, repr(result.exception)[:200]))
        elif result.exit_code not in (0, 1, 2) or "Traceback" in result.output:
            failed.append((said, f"{result.exit_code}: {result.output[-200:]}"))
        elif result.exit_code == 2 and not result.output.strip():
            failed.append((said, "2, and not a word"))
        elif len(result.stderr) > 20_000:
            failed.append((said, f"{len(result.stderr):,} characters of complaint"))
    assert failed == []
