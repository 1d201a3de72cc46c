"""Where text goes: standard output, standard error, or a file, whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE
from typing import Any, NoReturn, Protocol

import typer

from archcalc.document.safe import safe
from archcalc.errors import ArchcalcError

BROKEN_PIPE = 141
"""The exit code of a program that a broken pipe ends, as shells give it: 128 + SIGPIPE."""

ENCODING = ("utf-8", "replace")
"""How text is written to files. What can't be encoded comes from the bytes of a file's name."""


def emit(text: str, output: str | None = None) -> None:
    """Write to a file, or to standard output where none is named or it is ``-``."""
    stream((text,), output)


def stream(texts: Iterable[str], output: str | None = None) -> None:
    """Write a text as its parts come, to a file or to standard output, as :func:`emit` does.

    Raises :class:`ArchcalcError` where it can't be written.
    """
    if output is not None and output != "-":
        with whole(Path(output)) as part, part.open("wb") as file:
            file.writelines(text.encode(*ENCODING) for text in texts)
        return
    for text in texts:
        with telling():
            sys.stdout.write(text)
    with telling():
        sys.stdout.flush()


def publish(report: Any, found: Any, form: str, output: str | None, *how: Any) -> None:
    """Print what a report says of something: on a terminal as wide as that is, else in a format.

    In a pipe, too, sentences are no longer than ``COLUMNS`` where that is exported, but nothing is
    left out. ``report`` is a module with ``document(found, *how)`` and
    ``render(found, form, *how)``.
    """
    if form in ("table", "text") and output is None and sys.stdout.isatty():
        from archcalc.document.terminal import show

        with telling():
            show(report.document(found, *how), sys.stdout)
    elif form in ("table", "text") and output is None and (columns := _narrow()):
        from archcalc.document.text import lines

        emit("".join(f"{line.text}\n" for line in lines(report.document(found, *how), columns)))
    else:
        emit(report.render(found, form, *how), output)


def _narrow() -> int:
    """Columns that the shell says there are, where that is fewer than sentences take; else 0."""
    from archcalc.document.text import WIDTH

    told = os.environ.get("COLUMNS", "")
    columns = int(told) if told.isdecimal() and len(told) < 4 else 0
    return columns if columns < WIDTH else 0


@contextmanager
def telling() -> Iterator[None]:
    """Raises :class:`ArchcalcError` for what the system refuses, which is mostly standard output.

    One that nobody reads any more ends the program.
    """
    try:
        yield
    except BrokenPipeError:
        leave_broken_pipe()
    except OSError as error:
        said = f"{error.filename}: " if error.filename else "standard output: can't be written: "
        raise ArchcalcError(f"{said}{error.strerror or error}") from None


class Told(Protocol):
    """What is told how much is done, and what that was last."""

    def __call__(self, done: int, what: str = "") -> None: ...


@contextmanager
def progress(total: int, worth: int) -> Iterator[Told | None]:
    """A bar on a terminal, for so much as takes a while."""
    if total < worth or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    words = TextColumn("{task.description}")
    with Progress(*columns, words, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done, what="": bar.update(task, completed=done, description=what)


def complain(text: str) -> None:
    """Write lines to standard error, in which nothing is obeyed."""
    try:
        sys.stderr.write(f"{safe(text)}\n")
    except BrokenPipeError:
        leave_broken_pipe()
    except OSError:  # there is nowhere left to say it: the exit code does
        pass


def leave_broken_pipe() -> NoReturn:
    """Exit as a program that nobody reads any more: without a word."""
    # What is buffered is flushed once more at exit, which must not fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(BROKEN_PIPE)


def write(content: str | bytes, path: Path) -> None:
    """Write a file in one step, as :func:`whole` does. Raises :class:`ArchcalcError`."""
    with whole(path) as part:
        part.write_bytes(content if isinstance(content, bytes) else content.encode(*ENCODING))


def require_writable(path: Path) -> None:
    """Raise :class:`ArchcalcError` for a file that may not be changed.

    It is replaced and not written to, for which its folder alone would be asked.
    """
    if path.exists() and not os.access(path, os.W_OK):
        raise ArchcalcError(f"{path}: can't be written: it is read-only")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write to that takes the name ``path`` in one step when all is written.

    A reader finds the old content or the new, never a part, and who may read stays. Raises
    :class:`ArchcalcError` where it can't be written; nothing is changed then, and nothing left
    behind.
    """
    try:
        if path.is_dir():
            raise ArchcalcError(f"{path}: is a directory: name a file in it")
        if path.exists() and not path.is_file():  # a device or a pipe: nothing to replace
            yield path
            return
        target = Path(os.path.realpath(path))
        if target.is_symlink():  # one that leads back to itself
            target.stat()
        require_writable(path)
        part = target.with_name(f".archcalc-{os.getpid()}.part")
        try:
            yield part
            if target.exists():
                part.chmod(S_IMODE(target.stat().st_mode))
            part.replace(target)
        finally:
            with suppress(OSError):
                part.unlink()
    except OSError as error:
        raise ArchcalcError(f"{path}: can't be written: {error.strerror or error}") from None
