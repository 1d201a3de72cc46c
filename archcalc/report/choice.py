"""One word out of a few."""

from __future__ import annotations

from collections.abc import Iterable

from archcalc.errors import ArchcalcError, did_you_mean


def choose(kind: str, word: str, known: Iterable[str]) -> str:
    """``word`` as it is known, whatever its case.

    Raises :class:`ArchcalcError` with the nearest known word, or with all of them.
    """
    names = list(known)
    for name in names:
        if name.lower() == word.strip().lower():
            return name
    hint = did_you_mean(word, names) or f"known: {', '.join(names)}"
    raise ArchcalcError(f"no {kind} '{word}'\n  {hint}")
