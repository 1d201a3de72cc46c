"""The same work on many files, in some processes at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archcalc.space.workers import Maker

STDIN = "-"
"""What no other process can read."""


def each(make: Maker, shared: Any, names: Sequence[str], jobs: int) -> list[Any]:
    """``make(shared)`` of each name, in order, by so many processes; one does without any.

    Raises what the work raises on purpose.
    """
    apart = [name for name in names if name != STDIN]
    if jobs == 1 or len(apart) < 2:
        return list(map(make(shared), names))
    from archcalc.space.workers import mapped, processes

    with processes(min(jobs, len(apart))) as executor:
        found = mapped(make, shared, apart, executor)
        here = make(shared)
        return [here(name) if name == STDIN else next(found) for name in names]
