"""What a table of networks in columns prints of each as a whole, held against its rows.

Papers print neither biases nor shortcuts: whatever way of building the blocks gives the number
holds it. Where none does, the number is wrong, or one of the blocks is: one that holds the number
if it says what another network's says in that row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from archcalc.claims.causes import number
from archcalc.claims.finding import Audit, Finding
from archcalc.claims.tables.beside import Network, Whole
from archcalc.claims.tables.evidence import Option, known, printed_state, slip
from archcalc.claims.tables.kinds import WEIGHTED
from archcalc.claims.tables.sheet import Entry, Stack
from archcalc.claims.tables.stacks import Way, counted

EXTRA = (0, 1, 2, 3)
"""Numbers beside each channel's kernel: none, biases, a normalization's, and both."""


MOST_TIMES = 100
"""Repetitions of a block that a slip of digits may have made of another number."""


class Held(NamedTuple):
    """What came of a number that is printed of a whole network."""

    whole: Whole
    known: bool
    """Whether its rows say what it should be."""
    holds: bool
    sums: frozenset[int] = frozenset()
    """What the ways of building its blocks give."""

    @property
    def least(self) -> int:
        """The least of them."""
        return min(self.sums)

    @property
    def most(self) -> int:
        """The most of them."""
        return max(self.sums)


def held(audit: Audit, network: Network) -> list[Held]:
    """Each number that is printed of a whole network, against all ways of building its blocks."""
    found = []
    for whole in network.wholes:
        sums = _sums(audit, whole.role, {})
        if not sums:
            found.append(Held(whole, known=False, holds=True))
            continue
        holds = any(_agrees(whole, n) for n in sums)
        found.append(Held(whole, True, holds, frozenset(sums)))
    return found


class _Cell(NamedTuple):
    """A cell that may be the wrong one."""

    unlikely: int
    """0 where another network says in that row what holds the number, 1 for swapped digits, 2 for
    one of several digits, 3 for a number of one digit or none that is near."""
    row: int
    """Of the whole table."""
    name: str
    printed: str
    right: str


def accused(
    audits: Sequence[Audit], networks: Sequence[Network], of: int, each: Held
) -> Iterator[Finding]:
    """The likeliest cells of which one is wrong where a number is not what the rows give."""
    network, whole = networks[of], each.whole
    column = network.columns[_at(audits[of], network)]
    rule = f"the rows give {number(each.least)}"
    if each.most > each.least:
        rule += f" to {number(each.most)}, as blocks may be built"
    cells = [_whole(each), *_instead(audits, networks, of, whole)]
    best = min(cell.unlikely for cell in cells)
    cells = [cell for cell in cells if cell.unlikely == best]
    for cell in cells:
        others = ", ".join(other.name for other in cells if other is not cell)
        why = f"either this is wrong or {others}: {rule}" if others else rule
        layer = f"{network.title}, {cell.name}"
        yield Finding(cell.row, column, whole.role, layer, cell.printed, cell.right, why, ())


def _whole(each: Held) -> _Cell:
    """The number that is printed of a whole network, and how likely it is what is wrong."""
    was = each.whole.printed.text
    near = [each.whole.printed.like(n) for n in each.sums]
    slips = [(_digits(now) != _digits(was), now) for now in near if _slip(was, now)]
    unlikely, right = min(slips, default=(2, ""))
    return _Cell(1 + unlikely, each.whole.row, each.whole.name, was, right)


def _digits(text: str) -> list[str]:
    """The digits of a number, in order, without its unit."""
    return sorted(re.split(r"[^\d.,]", text)[0])


def _slip(was: str, now: str) -> bool:
    """Whether one digit, or the order of two, makes one number of another."""
    a, b = (re.split(r"[^\d.,]", text)[0] for text in (was, now))
    differing = sum(x != y for x, y in zip(a, b, strict=False))
    return len(a) == len(b) and differing in (1, 2 * (_digits(was) == _digits(now)))


def _instead(
    audits: Sequence[Audit], networks: Sequence[Network], of: int, whole: Whole
) -> Iterator[_Cell]:
    """Blocks that hold the number if they say something else, the likeliest of each."""
    rows = networks[of].rows
    sheet = audits[of].sheet
    for entry in sheet.entries if sheet else ():
        if entry.stack is None:
            continue
        beside = [
            theirs.stack
            for other, network in zip(audits, networks, strict=True)
            if other.sheet is not None
            for at, theirs in zip(network.rows, other.sheet.entries, strict=True)
            if at == rows[entry.index] and theirs.stack is not None
        ]
        for unlikely, stack in _meant(entry.stack, beside):
            sums = _sums(audits[of], whole.role, {entry.index: stack})
            if any(_agrees(whole, n) for n in sums):
                printed = audits[of].rows[entry.index][_at(audits[of], networks[of])]
                name = entry.name or f"row {entry.number}"
                yield _Cell(unlikely, rows[entry.index], name, printed, _like(stack))
                break


def _meant(own: Stack, beside: Sequence[Stack]) -> Iterator[tuple[int, Stack]]:
    """Blocks that may be meant, and how unlikely each is."""
    for parts in dict.fromkeys(other.parts for other in beside):
        if len(own.parts) == len(parts) and own.parts != parts:
            yield 0, own._replace(parts=parts)
    slips = [n for n in range(1, MOST_TIMES) if n != own.times and slip(own.times, n)]
    digits, unlike = sorted(str(own.times)), 2 + (own.times < 10)
    for unlikely, times in sorted((1 if sorted(str(n)) == digits else unlike, n) for n in slips):
        yield unlikely, own._replace(times=times)


def _sums(audit: Audit, role: str, instead: dict[int, Stack]) -> set[int]:
    """What the rows may add up to; nothing where one of them does not say enough."""
    if audit.sheet is None or audit.reading is None or audit.findings:
        return set()
    options = audit.reading.found.options
    if role == "layers":
        return {sum(entry.kind in WEIGHTED for entry in audit.sheet.layers)}
    found = set()
    for projected, late, extra in product((True, False), (True, False), EXTRA):
        total = 0
        for entry, option in zip(audit.sheet.entries, options, strict=True):
            stack = instead.get(entry.index, entry.stack)
            each = _of_row(entry, option, stack, role, Way(projected, late, extra))
            if each is None:
                return set()
            total += each
        found.add(total)
    return found


def _of_row(
    entry: Entry, option: Option | None, stack: Stack | None, role: str, way: Way
) -> int | None:
    """What one row has of parameters or of work."""
    if option is None or not option.layer.kind:
        return None
    if option.layer.kind not in (*WEIGHTED, "module", "layer"):
        return 0
    if stack is not None and printed_state(entry, "out").ext is None:
        return None
    if stack is not None:
        return counted(stack, way, option.takes, known(option.out.ext))[role == "ops"]
    layer = option.layer
    if role == "ops":
        return layer.macs
    if layer.params is None or layer.cout is None:
        return None
    bare = layer.params - min(layer.bias, 3) * layer.cout
    return bare + (min(way.bias, 1) if layer.kind == "linear" else way.bias) * layer.cout


def _agrees(whole: Whole, value: int) -> bool:
    """Whether a printed number is one that is given, or twice the multiply-accumulates."""
    times = (1, 2) if whole.role == "ops" else (1,)
    return any(whole.printed.verdict(n * value).holds for n in times)


def _at(audit: Audit, network: Network) -> int:
    """The column of a network in its own table."""
    return audit.headers.index(next(iter(network.roles.values())))


def _like(stack: Stack) -> str:
    """A block as papers print it."""
    parts = "; ".join(f"{'x'.join(map(str, p.sides))}, {p.width}" for p in stack.parts)
    return f"[{parts}] x {stack.times}"
