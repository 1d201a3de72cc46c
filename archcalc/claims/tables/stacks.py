"""Rows that are blocks repeated: ``[1x1, 64; 3x3, 64; 1x1, 256] x 3``, as papers print ResNets.

A block's shortcut is projected by a 1x1 convolution where channels or sizes change (ResNets'
option B, arXiv:1512.03385), or costs nothing; the stride is in its first convolution, or in its
first one of more than 1x1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import prod
from typing import NamedTuple

from archcalc.claims.tables.evidence import (
    MISPRINT,
    Extents,
    Hints,
    Manner,
    Option,
    State,
    filled,
    known,
    one_option,
    printed_state,
)
from archcalc.claims.tables.sheet import Entry, Part, Stack
from archcalc.claims.tables.work import Layer

MOST_TIMES = 200
"""Repetitions of a block."""

_PART = (
    r"(\d{1,2})\s*x\s*(\d{1,2})(?:\s*x\s*(\d{1,2}))?\s*(?:conv\w*)?\s*,\s*(\d{1,5})"
    r"(?:\s*,\s*[cg]\s*=\s*(\d{1,4}))?"
)
_STACK = re.compile(
    rf"\[?\s*\[?\s*((?:{_PART}\s*[;,|]?\s*){{1,6}})\]?\s*\]?\s*(?:x\s*|\(\s*x?\s*)(\d{{1,3}})\)?"
)


def stack_of(cells: Sequence[str]) -> Stack | None:
    """The repeated block that one of a row's cells prints, if one does."""
    return next(filter(None, map(blocks_of, cells)), None)


def blocks_of(cell: str) -> Stack | None:
    """The repeated block that a cell prints, if it prints one."""
    if len(cell) > 200 or "," not in cell:
        return None
    plain = cell.strip().lower().replace("×", "x").replace("*", "x")
    found = _STACK.fullmatch(plain)
    if found is None or not 0 < int(found[7]) <= MOST_TIMES:
        return None
    parts = tuple(
        Part(tuple(int(n) for n in sides if n), int(width), int(groups or 1))
        for *sides, width, groups in re.findall(_PART, found[1])
    )
    return Stack(parts, int(found[7])) if len({len(part.sides) for part in parts}) == 1 else None


class Way(NamedTuple):
    """How a stack may be built."""

    projected: bool
    late: bool
    """Whether the stride is in the first convolution that is no 1x1."""
    bias: int


def read_stack(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a row that is a block, repeated."""
    assert entry.stack is not None
    state = filled(state, printed_state(entry, "in"))
    printed = printed_state(entry, "out")
    cout = entry.stack.parts[-1].width
    sizes: list[Extents | None] = [printed.ext] if printed.ext is not None else []
    if state.ext is not None:
        sizes += [state.ext, tuple(None if n is None else -(-n // 2) for n in state.ext)]
    if hints.after.ext is not None:
        sizes.append(hints.after.ext)
    for size in dict.fromkeys(sizes or [None]):
        usual = known(size) in _usual(known(state.ext))
        for way in (
            Way(p, e, b) for p in (True, False) for e in (False, True) for b in (0, 1, 2, 3)
        ):
            params, macs = counted(entry.stack, way, state, known(size))
            price = 0.0 if way.projected else 0.3
            price += manner.bias_price("module", False, way.bias) + (0.0 if usual else MISPRINT + 1)
            # Which of two ways is meant, its work tells.
            work = [entry.printed[role] for role in entry.printed if role.startswith("ops")]
            if macs is not None and not any(
                each.verdict(n * macs).holds for each in work for n in (1, 2)
            ):
                price += 0.2
            layer = Layer("module", state.c, cout, bias=way.bias, params=params, macs=macs)
            out = State(cout, size)
            yield one_option(entry, state, out, price, layer, params=params, channels_out=cout)


def ways(stack: Stack, layer: Layer, before: State, after: State) -> Iterator[Way]:
    """How a stack that was read as a layer is built, the likeliest first."""
    found = [Way(p, e, layer.bias) for p in (True, False) for e in (False, True)]
    made = {way: counted(stack, way, before, known(after.ext)) for way in found}
    exact = [way for way in found if made[way] == (layer.params, layer.macs)]
    yield from exact
    yield from (way for way in found if way not in exact and made[way][0] == layer.params)
    yield from (way for way in found if made[way][0] != layer.params)


def _usual(ext: tuple[int, ...] | None) -> tuple[tuple[int, ...] | None, ...]:
    if ext is None:
        return (None,)
    return ext, tuple(-(-n // 2) for n in ext), tuple(n // 2 for n in ext)


def counted(
    stack: Stack, way: Way, state: State, out: tuple[int, ...] | None
) -> tuple[int | None, int | None]:
    """The parameters and the multiply-accumulates of a stack; None for what is not known."""
    if state.c is None:
        return None, None
    cin, before = state.c, known(state.ext)
    params = macs = 0
    for number in range(stack.times):
        moved = number == 0 and before is not None and out is not None and before != out
        area = prod(before) if moved and before and way.late else prod(out or ())
        taken = cin
        for part in stack.parts:
            if taken % part.groups or part.width % part.groups:
                return None, None
            if moved and way.late and prod(part.sides) > 1:
                area = prod(out or ())
            weights = prod(part.sides) * (taken // part.groups) * part.width
            params += weights + way.bias * part.width
            macs += weights * area
            taken = part.width
        if way.projected and (taken != cin or moved):
            params += (cin + way.bias) * taken
            macs += cin * taken * prod(out or ())
        cin = taken
    return params, None if out is None else macs
