"""Who is told how a model is being taken in, while that takes its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

TOLD: ContextVar[Callable[[str], None] | None] = ContextVar("TOLD", default=None)
"""What is told in a few words; ``""`` at the end. None: nobody is."""


def tell(what: str) -> None:
    """Say what is being done."""
    told = TOLD.get()
    if told is not None:
        told(what)


@contextmanager
def watched(what: str) -> Iterator[None]:
    """Say what is being done, and that it is done afterwards, however it ended."""
    tell(what)
    try:
        yield
    finally:
        tell("")
