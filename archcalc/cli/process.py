"""What a program owes the system it runs on: three whole streams, and a clean end."""

from __future__ import annotations

import codecs
import os
import signal
import sys
from io import TextIOWrapper
from types import FrameType
from typing import NoReturn

_PLAINER = {"›": ">", "≥": ">=", "–": "-", "—": "-", "×": "x", "’": "'", "█": "#"} | dict.fromkeys(
    "▏▎▍▌▋▊▉", ""
)


def prepare() -> None:
    """Make the streams whole, and let signals end the program as an exception does."""
    # Whoever closed one has no use for it; a file that is opened must not become it, though.
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            # Opened the other way round, to use it fails, as it does of one that is closed.
            opened = os.open(os.devnull, os.O_RDONLY if name == "stdout" else os.O_WRONLY)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    codecs.register_error("plainer", _plainer)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="plainer")
    for name in ("SIGTERM", "SIGHUP"):
        ending: int | None = getattr(signal, name, None)  # Windows has but one
        if ending is not None and signal.getsignal(ending) == signal.SIG_DFL:  # nohup ignores it
            signal.signal(ending, _end)


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """What a stream's encoding has not, in simpler characters, or as ``?``."""
    assert isinstance(error, UnicodeEncodeError)
    lost = error.object[error.start : error.end]
    return "".join(_PLAINER.get(mark, "?") for mark in lost), error.end


def _end(number: int, frame: FrameType | None) -> NoReturn:
    # Once is enough: a second one must not cut short what the first one cleans up.
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)  # as shells give the end by a signal
