"""Where text goes: standard output, standard error, or a file, whole or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn, TextIO

import typer

from archcalc.errors import ArchcalcError

BROKEN_PIPE = 141
"""The exit code of a program that a broken pipe ends, as shells give it: 128 + SIGPIPE."""

_PLAINER = str.maketrans(
    {"›": ">", "≥": ">=", "–": "-", "—": "-", "×": "x", "’": "'", "█": "#"}
    | dict.fromkeys("▏▎▍▌▋▊▉", "")
)


def printable(text: str, stream: TextIO) -> str:
    """``text`` in what the stream's encoding has; what it has not becomes simpler, or ``?``."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAINER).encode(encoding, "replace").decode(encoding)
    return text


def emit(text: str, output: str | None = None) -> None:
    """Write to a file, or to standard output where none is named or it is ``-``."""
    if output is not None and output != "-":
        write(text, Path(output))
        return
    try:
        sys.stdout.write(printable(text, sys.stdout))
        sys.stdout.flush()
    except BrokenPipeError:
        leave_broken_pipe()
    except OSError as error:
        raise ArchcalcError(f"standard output: can't be written: {error.strerror}") from None


def complain(text: str) -> None:
    """Write a line to standard error."""
    try:
        sys.stderr.write(printable(text, sys.stderr) + "\n")
    except BrokenPipeError:
        leave_broken_pipe()


def leave_broken_pipe() -> NoReturn:
    """Exit as a program that nobody reads any more: without a word."""
    # What is buffered is flushed once more at exit, which must not fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(BROKEN_PIPE)


def write(content: str | bytes, path: Path) -> None:
    """Write a file in one step: a reader finds the old content or the new, never a part.

    Raises :class:`ArchcalcError` where it can't be written; nothing is changed then.
    """
    if path.is_dir():
        raise ArchcalcError(f"{path}: is a directory: name a file in it")
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        if path.exists() and not path.is_file():  # a device or a pipe: nothing to replace
            path.write_bytes(data)
            return
        whole = path.resolve()
        part = whole.with_name(f".{whole.name}.{os.getpid()}.part")
        try:
            part.write_bytes(data)
            part.replace(whole)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ArchcalcError(f"{path}: can't be written: {error.strerror or error}") from None
