"""The command line as a process: streams, exit codes, encodings, terminals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import archcalc

MAIN = (sys.executable, "-m", "archcalc")


def run(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MAIN, *args],
        capture_output=True,
        encoding=environment.get("PYTHONIOENCODING", "utf-8"),
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


@contextmanager
def beside(program: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program that runs meanwhile, and no longer: a test that fails never waits for it."""
    with subprocess.Popen(
        [sys.executable, "-X", "utf8", "-c", program], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


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
    title = {"ascii": "? - x", "latin-1": "? - ×", "utf-8": "层 — ×"}[encoding]
    assert found.stdout.startswith(f"n: {title}\n")
    file.write_text("name: n\ninput: [4]\nlayers: {l: {op: Relu}}\n", encoding="utf-8")
    refused = run("validate", str(file), PYTHONIOENCODING=encoding)
    assert refused.returncode == 2
    assert "did you mean 'ReLU'?" in refused.stderr
    file.write_text("name: n\ninput: [4]\nlayers: {l: {op: Mystery, shape: [4]}}\n")
    partial = run("table", str(file), "--allow-unknown", PYTHONIOENCODING=encoding)
    least = "≥" if encoding == "utf-8" else ">="
    assert f"MACs          {least}0" in partial.stdout


def test_any_encoding_of_a_terminal_will_do(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text("name: n\ntitle: Über ×\ninput: [4]\nlayers: {l: ReLU}\n", encoding="utf-8")
    for encoding, title in (("ascii", "?ber x"), ("latin-1", "Über ×"), ("utf-8", "Über ×")):
        shown = on_terminal(80, "table", str(file), PYTHONIOENCODING=encoding, encoding=encoding)
        assert f"n: {title}" in shown


@pytest.mark.parametrize("library", ["rich", "numpy", "sympy", "torch"])
def test_a_plain_table_takes_none_of_the_libraries_that_are_slow_to_load(library: str) -> None:
    assert library not in loaded("archcalc", "table", "googlenet")


@pytest.mark.parametrize(
    "words",
    [
        ["table", "resn"],
        ["table", "a", "--columns", "layer,pa"],
        ["table", "resnet50", "--convention", "ma"],
        ["explain", "googlenet", "inception3a."],
        ["ops", "Conv"],
    ],
)
def test_a_word_is_completed_without_what_reads_specs(words: list[str]) -> None:
    line = ["archcalc", *words]
    asked = {"COMP_WORDS": " ".join(line), "COMP_CWORD": str(len(line) - 1)}
    found = loaded("archcalc", _ARCHCALC_COMPLETE="complete_bash", **asked)
    assert f"archcalc.cli.{words[0]}" in found
    # Typer would have pydantic check each word of the line.
    assert not {"pydantic", "archcalc.operators.base", "archcalc.spec.zoo"} & found


def loaded(*words: str, **environment: str) -> set[str]:
    """The modules that a command has loaded when it ends."""
    code = (
        "import os, sys\n"
        f"sys.argv = {list(words)!r}\n"
        "os._exit = lambda status: print(*sys.modules, file=sys.stderr)\n"
        "from archcalc.cli import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


def on_terminal(columns: int, *args: str, encoding: str = "utf-8", **environment: str) -> str:
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
    return found.decode(encoding).replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [40, 80])
def test_sentences_in_a_pipe_are_as_wide_as_the_shell_says(columns: int) -> None:
    def printed(*args: str, **environment: str) -> str:
        kept = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
        environment = {**kept, **environment}
        return subprocess.run(
            [*MAIN, *args], env=environment, capture_output=True, text=True, check=True
        ).stdout

    whole = printed("explain", "alexnet", "conv1")
    wrapped = printed("explain", "alexnet", "conv1", COLUMNS=str(columns))
    legend = wrapped.partition("where ")[2]
    assert legend
    assert max(map(len, legend.splitlines())) <= columns < max(map(len, whole.splitlines()))
    assert "".join(whole.split()) == "".join(wrapped.split())

    table = printed("table", "lenet5", COLUMNS=str(columns))
    assert "padding" in table  # no column is left out where a program reads
    assert printed("explain", "alexnet", "conv1", COLUMNS="wide") == whole


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


SWEPT = "sweep vgg16 --set classes=1:20 --format csv"
SAYS_SOMETHING = ["list", "--help", "table --help", "--version", "validate lenet5", SWEPT]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
@pytest.mark.parametrize("words", SAYS_SOMETHING)
def test_output_that_can_not_be_written_is_one_line(words: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*MAIN, *words.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 2
    assert done.stderr == "standard output: can't be written: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
@pytest.mark.parametrize("words", ["list", SWEPT])
def test_a_device_that_is_full_is_one_line(words: str) -> None:
    done = run(*words.split(), "-o", "/dev/full")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "/dev/full: can't be written: No space left on device\n"


def closed(redirections: str, words: str) -> subprocess.CompletedProcess[str]:
    """A command run by a shell that closes some of its streams: ``<&-`` the input, and so on."""
    if os.name != "posix":
        pytest.skip("needs a POSIX shell")
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirections}', "sh", *MAIN, *words.split()],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("words", SAYS_SOMETHING)
def test_a_closed_standard_output_is_one_line(words: str) -> None:
    done = closed(">&-", words)
    assert done.returncode == 2
    assert done.stderr == "standard output: can't be written: Bad file descriptor\n"


@pytest.mark.parametrize("words", ["--help", "table lenet5", SWEPT])
def test_who_needs_no_stream_does_not_mind_that_it_is_closed(words: str) -> None:
    for redirection in ("<&-", "2>&-", "<&- 2>&-"):
        done = closed(redirection, words)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout


def test_errors_without_a_stream_to_tell_them_are_told_by_the_exit_code(tmp_path: Path) -> None:
    assert closed("<&- >&- 2>&-", "table lenet6").returncode == 2
    assert closed("2>/dev/full", "table lenet6").returncode == 2
    file = tmp_path / "table.txt"
    assert closed("<&- >&- 2>&-", f"table lenet5 -o {file}").returncode == 0
    # A file that is opened must not become the stream that was closed.
    assert file.read_text() == run("table", "lenet5").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("table -", "<stdin>\n  can't be read: Bad file descriptor\n"),
        ("audit -", "standard input: can't be read: Bad file descriptor\n"),
    ],
)
def test_a_closed_standard_input_that_is_asked_for_is_said(words: str, said: str) -> None:
    done = closed("<&-", words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize("words", ["table lenet5", SWEPT])
def test_a_file_that_can_not_be_is_said(tmp_path: Path, words: str) -> None:
    loop = tmp_path / "loop"
    try:
        loop.symlink_to("loop")
    except OSError:
        pytest.skip("needs symbolic links")
    for name, reason in ((str(loop), "Too many levels"), ("n" * 300, "File name too long")):
        done = run(*words.split(), "-o", name)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"{name}: can't be written: {reason}")
    assert os.listdir(tmp_path) == ["loop"]
    assert loop.is_symlink()


def test_a_name_that_only_just_fits_is_written(tmp_path: Path) -> None:
    file = tmp_path / ("n" * 255)
    assert run("table", "lenet5", "-o", str(file)).returncode == 0
    assert os.listdir(tmp_path) == [file.name]


@pytest.mark.skipif(os.name != "posix", reason="pipes with names are POSIX's")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("table", "mine: A small residual network"),
        ("validate", "pipe: ok"),
        ("check", "no numbers to check"),
        ("export --to json", "{"),
        ("formula", "mine"),
        ("explain", "mine: A small residual network"),
    ],
)
def test_a_pipe_with_a_name_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("spec").write_text(archcalc.new("mine"), "utf-8")
    # It waits for a reader; who reads it twice waits for another writer.
    with beside("from pathlib import Path; Path('pipe').write_bytes(Path('spec').read_bytes())"):
        name, *options = words.split()
        found = run(name, "pipe", *options)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.splitlines()[0] == said


@pytest.mark.skipif(os.name != "posix", reason="pipes with names are POSIX's")
@pytest.mark.parametrize("words", ["table lenet5", SWEPT])
def test_a_pipe_with_a_name_is_written_to_and_stays_one(tmp_path: Path, words: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with beside(f"import sys; sys.stdout.write(open({str(pipe)!r}).read())") as reader:
        found = run(*words.split(), "-o", str(pipe))
        assert (found.returncode, found.stderr) == (0, "")
        assert reader.communicate(timeout=60)[0] == run(*words.split()).stdout
    assert pipe.is_fifo()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_leaves_no_half_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "rows.csv"
    grid = ("--set", "N=1:10000", "--set", "H=32:10000", "--format", "csv")
    number = getattr(signal, name)
    # What a shell runs in the background ignores interrupts, and hang-ups under nohup: tests may.
    handler = "default_int_handler" if name == "SIGINT" else "SIG_DFL"
    main = "from archcalc.cli import main; main()"
    program = f"import signal; signal.signal({number:d}, signal.{handler}); {main}"
    command = [sys.executable, "-c", program, "sweep", "lenet5", *grid, "-o", str(file)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert process.stderr is not None
    while not os.listdir(tmp_path):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 128 + number
    assert b"Traceback" not in said
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("written", [False, True], ids=["while it begins", "later"])
def test_an_interrupted_search_leaves_no_half_a_file_and_no_process(
    tmp_path: Path, written: bool
) -> None:
    """A terminal interrupts all of a program: the workers, too."""
    file = tmp_path / "rows.csv"
    main = "from archcalc.cli import main; main()"
    program = f"import signal; signal.signal(2, signal.default_int_handler); {main}"
    search = ("sweep", "nasbench201", "--sample", "1e9", "--replace", "--jobs", "2")
    process = subprocess.Popen(
        [sys.executable, "-c", program, *search, "-o", str(file)],
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    while not any(not written or path.stat().st_size for path in tmp_path.iterdir()):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    said = process.stderr.read()  # until the workers, who have it too, have ended
    process.stderr.close()
    assert process.wait(60) == 130
    assert b"Traceback" not in said
    assert os.listdir(tmp_path) == []


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
