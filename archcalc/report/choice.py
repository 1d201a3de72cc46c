"""One word out of a few."""

from __future__ import annotations

from collections.abc import Iterable

from archcalc.errors import unknown


def choose(kind: str, word: str, known: Iterable[str]) -> str:
    """``word`` as it is known, whatever its case.

    Raises :class:`ArchcalcError` with the nearest known word, or with all of them.
    """
    names = list(known)
    for name in names:
        if name.lower() == word.strip().lower():
            return name
    raise unknown(kind, word, names)
