"""Models that are a text: reading it."""

from __future__ import annotations

from pathlib import Path

from archcalc.errors import ArchcalcError

MOST_BYTES = 2**24
"""Bytes of a model that is a text."""


def text_of(path: str) -> str:
    """The text of a model's file. Raises :class:`ArchcalcError`."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ArchcalcError(f"{path}: {error.strerror or error}") from error
    if len(data) > MOST_BYTES:
        raise ArchcalcError(f"{path}: has more than {MOST_BYTES:,} bytes")
    return data.decode("utf-8-sig", "replace")
