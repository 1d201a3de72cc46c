"""Why a printed cell says what it says: the smallest change that makes the wrong number come out.

Nothing is known of any table beforehand. Each candidate changes one thing, taken from what stands
around the cell or from the slips that people make; kept are those that give the printed number,
the nearest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from archcalc.claims.readings import BIASES, Place, Reading
from archcalc.claims.tables.sheet import Entry, Number, Sheet
from archcalc.errors import ShapeError
from archcalc.operators.window import Rounding, slide

MOST_CAUSES = 4
"""Candidates that are reported of one cell."""

NEAR = 0.4
"""What is nearer follows from the table itself: beside it other candidates are no news."""

TWINS = {"in_c": "channels_in", "out_c": "channels_out"}

NEIGHBOURS = 8
"""Rows up and down in which another row's number is looked for."""

WORDS = {
    "in_h": "input height",
    "in_w": "input width",
    "in_c": "input channels",
    "out_h": "output height",
    "out_w": "output width",
    "out_c": "output channels",
    "channels_in": "in",
    "channels_out": "out",
    "kernel_h": "kernel height",
    "kernel_w": "kernel width",
    "stride": "stride",
    **dict.fromkeys(("stride_d", "stride_h", "stride_w"), "stride"),
    "pad": "padding",
    "params": "params",
    "ops": "ops",
    "source": "input layer",
    "layer": "layer",
    "groups": "groups",
    "in_d": "input depth",
    "out_d": "output depth",
    "kernel_d": "kernel depth",
    "kernel_in": "channels of the kernel",
    "kernel_out": "filters",
    "dilation": "dilation",
    "frozen": "params that are not trained",
    "volume": "numbers in the output",
}
"""What each role is called in a sentence."""

KIN = (
    ("in_c", "channels_in", "out_c", "channels_out"),
    ("in_h", "in_w", "out_h", "out_w"),
    ("kernel_h", "kernel_w", "stride"),
)
"""Roles whose numbers may be taken for each other's."""


class Cause(NamedTuple):
    """One change that makes a printed number come out."""

    distance: float
    """How far it is fetched: 0 follows from another wrong cell of its row; the larger, the less."""
    text: str
    cell: Place | None = None
    """The cell that was taken for the right one, or is misprinted instead of this one."""


def number(value: Number) -> str:
    """``6,998,552``; ``0.5``."""
    return f"{value:,}" if isinstance(value, int) else f"{float(value):g}"


def label(entry: Entry, stage: bool = False) -> str:
    """``conv1x1d (row 29)``, with its stage in front if that is wanted."""
    name = f"{entry.stage} {entry.name}" if stage and entry.stage else entry.name
    return f"{name} (row {entry.number})" if name else f"row {entry.number}"


def causes(
    sheet: Sheet, reading: Reading, wrong: Mapping[Place, Number], place: Place
) -> tuple[Cause, ...]:
    """What may have led to the number of a wrong cell, the likeliest first."""
    search = _Search(sheet, reading, wrong, place)
    found = (
        search.params() if (place[1] == "params" or place[1].startswith("ops")) else search.size()
    )
    best: dict[object, Cause] = {}
    for cause in sorted(found, key=lambda each: each.distance):
        # The two cells of a row that print its channels are one place to take a number from.
        said = cause.cell and (cause.cell[0], TWINS.get(cause.cell[1], cause.cell[1]))
        best.setdefault(said or cause.text, cause)
    ranked = list(best.values())
    if ranked and ranked[0].distance < NEAR:
        ranked = [cause for cause in ranked if cause.distance < NEAR]
    return tuple(ranked[:MOST_CAUSES])


def slips(printed: int, right: int) -> Iterator[str]:
    """How one number becomes another by a slip of digits."""
    p, r = str(printed), str(right)
    if sorted(p) == sorted(r) and len(p) == len(r):
        at = [k for k in range(len(p)) if p[k] != r[k]]
        if len(at) == 2 and at[1] == at[0] + 1:
            yield f"the digits {r[at[0]]} and {r[at[1]]} are transposed"
    if len(p) == len(r) and sum(a != b for a, b in zip(p, r, strict=True)) == 1:
        a, b = next((a, b) for a, b in zip(p, r, strict=True) if a != b)
        yield f"a digit {b} became {a}"
    for shorter, longer, what in ((p, r, "left out"), (r, p, "too many")):
        dropped = {longer[:k] + longer[k + 1 :]: longer[k] for k in range(len(longer))}
        if shorter in dropped and len(longer) > 1:
            yield f"a digit {dropped[shorter]} is {what}"


class _Search:
    def __init__(
        self, sheet: Sheet, reading: Reading, wrong: Mapping[Place, Number], place: Place
    ) -> None:
        self.sheet, self.reading, self.wrong = sheet, reading, wrong
        self.row, self.role = place
        self.entry = sheet.entries[self.row]
        self.right = wrong[place]
        self.printed = self.entry.values[self.role]

    def _gives(self, candidate: Number) -> bool:
        exact = self.entry.printed.get(self.role)
        return exact.verdict(candidate).holds if exact else candidate == self.printed

    def _own_wrong(self) -> dict[str, Number]:
        """Other cells of the row that are wrong, as they are printed."""
        return {
            role: value
            for role, value in self.entry.values.items()
            if role != self.role and (self.row, role) in self.wrong
        }

    # Sizes, channels, kernels ------------------------------------------------------------------

    def size(self) -> Iterator[Cause]:
        """Where a size may come from."""
        yield from self._through()
        if self.role in ("in_c", "channels_in"):
            yield from self._branches()
        if self.role in ("out_h", "out_w"):
            yield from self._other_window(self.role[-1])
        yield from self._elsewhere()
        yield from self._constants()

    def _through(self) -> Iterator[Cause]:
        """It follows from another wrong cell."""
        own = self._own_wrong()
        if self.entry.kind == "pool" and self.role in ("out_c", "channels_out"):
            for role in ("channels_in", "in_c"):
                if own.get(role) == self.printed:
                    text = f"pooling passes on the wrong {WORDS[role]} of its own row"
                    yield Cause(0, text, (self.row, role))
        if self.role.startswith(("in_", "channels_in")):
            axis = self.role[-1] if self.role.startswith("in_") else "c"
            for at in self.reading.sources[self.row] or ():
                for role in (f"out_{axis}", *(["channels_out"] if axis == "c" else [])):
                    given = self.sheet.entries[at]
                    if (at, role) in self.wrong and given.values[role] == self.printed:
                        text = f"it is what {label(given)} is printed to give, which is wrong"
                        yield Cause(0.25, text, (at, role))

    def _branches(self) -> Iterator[Cause]:
        """It is the width of one branch of a concatenation instead of their sum."""
        at, seen = self.row, 0
        while seen < 5:
            given = self.reading.sources[at]
            entry = self.sheet.entries[at]
            if entry.kind == "concat" and given:
                for branch in reversed(given):
                    if self.reading.outs[branch][2] == self.printed:
                        text = (
                            f"it is the width of one branch, {label(self.sheet.entries[branch])}, "
                            f"in place of all of {label(entry, True)}"
                        )
                        yield Cause(0.5, text, (branch, "channels_out"))
                return
            if (
                not given
                or len(given) > 1
                or (at != self.row and entry.kind not in ("pool", "same"))
            ):
                return
            at, seen = given[0], seen + 1

    def _other_window(self, axis: str) -> Iterator[Cause]:
        """It comes out with another rounding, padding, stride or kernel."""
        expected, values = self.reading.expected[self.row], self.entry.values
        n: Any = expected.get(f"in_{axis}")
        k, s, pad = (
            self.reading.choices.get((self.row, role), values.get(role))
            for role in (f"kernel_{axis}", "stride", "pad")
        )
        if n is None or k is None or s is None:
            return

        def gives(k: Any, s: Any, total: int, rounding: Rounding = "floor") -> bool:
            try:
                ends = (total // 2, total - total // 2)
                return bool(slide(n, k, s, 1, ends, rounding) == self.printed)
            except ShapeError:
                return False

        total = int(2 * (pad or 0))
        roundings: tuple[Rounding, ...] = ("ceil", "floor")
        for rounding in roundings:
            if gives(k, s, total, rounding):
                yield Cause(1, "rounded up" if rounding == "ceil" else "rounded down")
        for other in range(12):
            if pad is not None and other != total and gives(k, s, other):
                distance = 1 + abs(other - total) / 10
                text = f"it follows from a padding of {other / 2:g}, not {number(pad)}"
                yield Cause(distance, text, (self.row, "pad"))
        for stride in (1, 2, 3, 4, 7):
            if stride != s and gives(k, stride, total):
                text = f"it follows from a stride of {stride}, not {number(s)}"
                yield Cause(1.2, text, (self.row, "stride"))
        for kernel in (1, 2, 3, 5, 7, 11):
            if kernel != k and gives(kernel, s, total):
                text = f"it follows from a kernel of {kernel}, not {number(k)}"
                yield Cause(1.3, text, (self.row, f"kernel_{axis}"))

    def _elsewhere(self) -> Iterator[Cause]:
        """It is another cell's number."""
        for distance, entry, role in self._around(self.role):
            if entry.values[role] == self.printed:
                whose = self._whose(entry)
                wrong = ", wrong there too" if (entry.index, role) in self.wrong else ""
                text = f"it is the {WORDS[role]} of {whose}{wrong}"
                yield Cause(distance, text, (entry.index, role))

    def _whose(self, entry: Entry) -> str:
        if entry.index == self.row:
            return "its own row"
        if entry.name == self.entry.name and entry.stage != self.entry.stage:
            return label(entry, True)
        return label(entry)

    def _around(self, own: str) -> Iterator[tuple[float, Entry, str]]:
        """Cells around one of the row's, the nearer first: the same layer of the block before
        counts as near.
        """
        roles = next((kin for kin in KIN if own in kin), (own,))
        for role in roles:
            if role != own and role in self.entry.values and (self.row, role) not in self.wrong:
                yield 1.6, self.entry, role
        alike = 0
        for away in range(1, len(self.sheet.entries)):
            for at in (self.row - away, self.row + away):
                if not 0 <= at < len(self.sheet.entries):
                    continue
                entry = self.sheet.entries[at]
                if entry.name and entry.name == self.entry.name and at < self.row and alike < 2:
                    alike += 1
                    if own in entry.values:
                        yield 0.8 + alike / 10, entry, own
                if away <= NEIGHBOURS:
                    same_stage = bool(self.entry.stage) and entry.stage == self.entry.stage
                    for role in roles:
                        if role in entry.values and entry.kind != "total":
                            far = away / 10 - same_stage / 2 + (role != own) / 10
                            yield 1.5 + far + (at > self.row) / 20, entry, role
            if away > 4 * NEIGHBOURS:
                return

    def _constants(self) -> Iterator[Cause]:
        printed, right = self.printed, self.right
        if {printed, right} == {1000, 1024}:
            yield Cause(0.7, f"{number(printed)} for {number(right)}")
        if isinstance(printed, int) and isinstance(right, int):
            for slip in slips(printed, right):
                yield Cause(1.9, slip)
        if self.role == "pad" and right == 2 * printed:
            yield Cause(1.4, "half of it: both ends are meant")

    # Parameters and operations -----------------------------------------------------------------

    def params(self) -> Iterator[Cause]:
        """Which other kernel, channels or biases give the printed number."""
        yield from self._constants()
        exact = self.entry.printed.get(self.role)
        for away in (1, 2, 3, 4):
            for at in (self.row - away, self.row + away):
                if 0 <= at < len(self.sheet.entries):
                    other = self.sheet.entries[at]
                    if other.values.get(self.role) == self.printed and other.kind != "total":
                        text = f"it is the number of {label(other)}"
                        yield Cause(2 + away / 10, text, (at, self.role))
        if self.role.startswith("ops") or exact is None:
            return
        if self.entry.weighted:
            yield from self._other_weights()
        elif self.right == 0 or self.entry.kind == "norm":
            yield from self._weights_of_none()
        for times, text in ((2, "counted twice"), (4, "counted in bytes, of 4 for each")):
            if self._gives(self.right * times):
                yield Cause(2.5, text)

    def _other_weights(self) -> Iterator[Cause]:
        expected, values, choices = (
            self.reading.expected[self.row],
            self.entry.values,
            self.reading.choices,
        )

        def chosen(role: str, default: Number) -> Number:
            found: Number = choices.get((self.row, role), values.get(role, default))
            return found

        flat = self.entry.kind == "linear"
        kh, kw = (1, 1) if flat else (chosen("kernel_h", 1), chosen("kernel_w", 1))
        cin, cout = expected.get("channels_in"), expected.get("channels_out")
        if cin is None or cout is None:
            return
        extra = self.reading.counting.extra("linear" if flat else "conv")

        def formula(kh: Number, kw: Number, cin: Number, cout: Number, extra: int) -> str:
            # The sum in the sentence is the one that gave the number.
            if kh == kw == 1:
                kernel = number(cin)
            else:
                kernel = f"{number(kh)} * {number(kw)} * {number(cin)}"
            shown = f"({kernel} + {extra})" if extra else kernel
            return f"{shown} * {number(cout)} = {number((kh * kw * cin + extra) * cout)}"

        def try_(
            distance: float,
            why: str,
            cell: Place | None,
            h: Number = kh,
            w: Number = kw,
            i: Number = cin,
            o: Number = cout,
            e: int = extra,
        ) -> Iterator[Cause]:
            total = (h * w * i + e) * o
            if total != self.right and self._gives(total):
                yield Cause(distance, f"{why}: {formula(h, w, i, o, e)}", cell)

        own = self._own_wrong()
        for role in ("channels_in", "in_c"):
            if role in own:
                why = f"it follows from the wrong {WORDS[role]} of its own row"
                yield from try_(0, why, (self.row, role), i=own[role])
        for role in ("channels_out", "out_c"):
            if role in own:
                why = f"it follows from the wrong {WORDS[role]} of its own row"
                yield from try_(0, why, (self.row, role), o=own[role])
        if "kernel_h" in own or "kernel_w" in own:
            why = "it follows from the wrong kernel of its own row"
            h, w = own.get("kernel_h", kh), own.get("kernel_w", kw)
            yield from try_(0, why, (self.row, "kernel_h"), h=h, w=w)
        for other, biases in enumerate(BIASES):
            e = (1, 0, 2)[other]
            if e != extra:
                yield from try_(0.6, f"counted {biases}", None, e=e)
        if kh != 1 or kw != 1:
            yield from try_(1.4, "one side of the kernel is forgotten", None, w=1)
        for side in (1, 2, 3, 4, 5, 7, 9, 11):
            if not flat and (side, side) != (kh, kw):
                why = f"it follows from a kernel of {side}x{side}"
                yield from try_(1.3, why, (self.row, "kernel_h"), h=side, w=side)
        yield from try_(1.4, "counted as a depthwise convolution", None, i=1)
        for groups in (2, 4, 8, 16, 32, 64):
            if groups < cin and not cin % groups:
                yield from try_(1.1, f"counted in {groups} groups", None, i=cin // groups)
        for thousand in (1000, 1024):
            why = f"it follows from {number(thousand)}"
            if cin in (1000, 1024):
                yield from try_(1.1, f"{why} in place of {number(cin)} in", None, i=thousand)
            if cout in (1000, 1024):
                yield from try_(1.1, f"{why} in place of {number(cout)} out", None, o=thousand)
        yield from try_(1.5, "in and out are each other's", None, i=cout, o=cin)
        for role, what in (("channels_in", "in"), ("channels_out", "out")):
            for distance, entry, found in self._around(role):
                value = entry.values[found]
                of = f"the {WORDS[found]} of {self._whose(entry)}"
                why = f"it follows from {of}, {number(value)}, as its {what}"
                cell = (entry.index, found)
                if role == "channels_in":
                    yield from try_(distance, why, cell, i=value)
                else:
                    yield from try_(distance + 0.1, why, cell, o=value)
        # A number that stands nowhere else, but makes this one come out.
        whole = self.printed
        if isinstance(whole, int) and cout and whole % cout == 0:
            rest = whole // int(cout) - extra
            area = int(kh * kw)
            if rest > 0 and rest % area == 0:
                width = rest // area
                why = f"it follows from {number(width)} in"
                yield from try_(2.6, why, (self.row, "channels_in"), i=width)
        each = kh * kw * cin + extra
        if isinstance(whole, int) and each and whole % each == 0 and whole:
            why = f"it follows from {number(int(whole // each))} out"
            yield from try_(2.6, why, (self.row, "channels_out"), o=int(whole // each))

    def _weights_of_none(self) -> Iterator[Cause]:
        """A formula filled into a row that has no weights."""
        expected, values = self.reading.expected[self.row], self.entry.values
        c = expected.get("channels_in", expected.get("in_c", expected.get("out_c")))
        if c is None:
            return
        kh, kw = values.get("kernel_h", 1), values.get("kernel_w", 1)
        what = "a pooling" if self.entry.kind == "pool" else "a layer that has none"
        seen = set()
        for h, w in ((kh, kw), (1, 1), (3, 3), (5, 5)):
            for e in (1, 0):
                total = (h * w * c + e) * c
                if self._gives(total) and (h, w, e) not in seen:
                    seen.add((h, w, e))
                    terms = f"{number(h)} * {number(w)} * {number(c)}"
                    shown = f"({terms} + 1)" if e else terms
                    own = "" if (h, w) == (kh, kw) else f", with a kernel of {h}x{w}"
                    text = (
                        f"the convolution's formula is filled into {what}{own}: "
                        f"{shown} * {number(c)} = {number(total)}"
                    )
                    yield Cause(0.5 if (h, w) == (kh, kw) else 1, text)
        if self._gives(kh * kw * c) or self._gives((kh * kw + 1) * c):
            yield Cause(0.8, f"counted as a depthwise convolution in {what}")
        if self._gives(2 * c):
            yield Cause(0.9, "two are counted for each channel, as of a batch normalization")
