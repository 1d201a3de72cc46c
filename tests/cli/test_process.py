"""The command line as a process: streams, exit codes, encodings, terminals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MAIN = (sys.executable, "-m", "archcalc")


def run(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MAIN, *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_output_and_errors_go_their_own_ways() -> None:
    well, ill = run("table", "lenet5"), run("table", "lenet6")
    assert (well.returncode, well.stderr) == (0, "")
    assert (ill.returncode, ill.stdout) == (2, "")
    assert "did you mean 'lenet5'?" in ill.stderr


def test_a_broken_pipe_is_left_quietly() -> None:
    process = subprocess.Popen(
        [*MAIN, "table", "resnet152", "--detail", "all"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 141


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_of_the_streams_will_do(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "net.yaml"
    file.write_text("name: n\ntitle: 层 — ×\ninput: [4]\nlayers: {l: ReLU}\n", encoding="utf-8")
    found = run("table", str(file), PYTHONIOENCODING=encoding)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("n: ")
    file.write_text("name: n\ninput: [4]\nlayers: {l: {op: Relu}}\n", encoding="utf-8")
    refused = run("validate", str(file), PYTHONIOENCODING=encoding)
    assert refused.returncode == 2
    assert "did you mean 'ReLU'?" in refused.stderr
    file.write_text("name: n\ninput: [4]\nlayers: {l: {op: Mystery, shape: [4]}}\n")
    partial = run("table", str(file), "--allow-unknown", PYTHONIOENCODING=encoding)
    least = "≥" if encoding == "utf-8" else ">="
    assert f"MACs          {least}0" in partial.stdout


@pytest.mark.parametrize("library", ["rich", "numpy", "sympy", "torch"])
def test_a_plain_table_takes_none_of_the_libraries_that_are_slow_to_load(library: str) -> None:
    code = (
        "import sys; sys.argv = ['archcalc', 'table', 'googlenet']\n"
        "from archcalc.cli import main\n"
        "try: main()\n"
        f"finally: sys.exit({library!r} in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert found.returncode == 0, found.stderr


def on_terminal(columns: int, *args: str, **environment: str) -> str:
    """What a terminal of some width shows, its control sequences included."""
    pty = pytest.importorskip("pty")
    parent, child = pty.openpty()
    settings = {"TERM": "xterm-256color", "COLUMNS": str(columns), **environment}
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen([*MAIN, *args], stdout=child, stdin=child, env={**kept, **settings})
    os.close(child)
    found = b""
    while True:
        try:
            block = os.read(parent, 65536)
        except OSError:  # how Linux reports that the other end is closed
            break
        if not block:
            break
        found += block
    os.close(parent)
    assert process.wait(60) == 0
    return found.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colours_unless_it_wants_none() -> None:
    coloured = on_terminal(200, "table", "lenet5")
    assert "\x1b[1;36m" in coloured
    plain = on_terminal(200, "table", "lenet5", NO_COLOR="1")
    assert "\x1b[1;36m" not in plain
    dumb = on_terminal(200, "table", "lenet5", TERM="dumb")
    assert "\x1b" not in dumb
    assert dumb == run("table", "lenet5").stdout


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_narrow_terminal_shows_whole_lines(columns: int) -> None:
    shown = on_terminal(columns, "table", "googlenet", TERM="dumb")
    assert max(map(len, shown.splitlines())) <= columns
    assert "columns left out to fit" in shown
    assert "6,998,552" in shown


def test_other_formats_are_the_same_on_a_terminal() -> None:
    shown = on_terminal(60, "table", "lenet5", "--format", "markdown")
    assert shown == run("table", "lenet5", "--format", "markdown").stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_output_that_can_not_be_written_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*MAIN, "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert done.returncode == 2
    assert done.stderr == "standard output: can't be written: No space left on device\n"


@pytest.mark.parametrize(
    "words",
    [
        "table goog",
        "explain goog",
        "compare vgg16 goog",
        "diff goog",
        "check goog",
        "savings goog",
        "reconcile 138M goog",
        "compare --baseline goog",
    ],
)
def test_a_shell_completes_names_of_networks(words: str) -> None:
    done = run(
        _ARCHCALC_COMPLETE="complete_bash",
        COMP_WORDS=f"archcalc {words}",
        COMP_CWORD=str(len(words.split())),
    )
    assert "googlenet-cheatsheet" in done.stdout.split()
