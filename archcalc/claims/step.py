"""One row of a printed table, worked out from what the rows before it give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from archcalc.claims.tables import Entry, Number
from archcalc.errors import ShapeError
from archcalc.operators.window import slide

Place = tuple[int, str]
"""A row's index and a role."""

BIASES = ("with biases", "without biases", "with batch normalization in place of biases")
"""What is counted beside a layer's kernel: one number a channel, none, or two."""

OPS = ("multiply-accumulates", "two for each multiply-accumulate", "with biases")


class Counting(NamedTuple):
    """How a whole table counts: what most of its rows agree with."""

    conv: str = BIASES[0]
    linear: str = BIASES[0]
    rounding: str = "floor"
    """Of poolings' outputs."""
    ops: str = ""
    """One of ``OPS``, or ``""`` where none explains the table's column."""

    def extra(self, kind: str) -> int:
        """Numbers stored for each output channel beside the kernel."""
        biases = self.linear if kind == "linear" else self.conv
        return (1, 0, 2)[BIASES.index(biases)]


class Step:
    """One row worked out from what the rows before it give."""

    def __init__(
        self,
        entry: Entry,
        counting: Counting,
        choices: Mapping[Place, Any],
        pooled: bool,
        may_pool: bool = False,
    ) -> None:
        self.entry = entry
        self.may_pool = may_pool
        self.counting = counting
        self.pooled = pooled
        self.values = dict(entry.values)
        self.expected: dict[str, Number] = {}
        for (row, role), value in choices.items():
            if row == entry.index and role != "source" and value is not None:
                self.values[role] = value
                self.expected[role] = value
        self.out: tuple[Number | None, ...] = (None, None, None)
        self.notes: list[str] = []

    def run(self, given: list[tuple[Number | None, ...]] | None) -> None:
        entry, values = self.entry, self.values
        if entry.kind == "total":
            return
        h, w, c = self._input(given)
        if entry.kind == "linear" or self._flattened(h, w, c):
            self._linear(h, w, c)
            return
        self._expect(in_h=h, in_w=w, in_c=c, channels_in=c)
        printed = (values.get("out_h"), values.get("out_w"), values.get("out_c"))
        if entry.kind in ("conv", "layer"):
            outs = values.get("channels_out", values.get("out_c"))
            self.out = (self._extent(h, "h"), self._extent(w, "w"), outs)
            self._weights(c, outs)
        elif entry.kind == "pool":
            self.out = (self._extent(h, "h"), self._extent(w, "w"), c)
        elif entry.kind in ("concat", "add", "same", "norm"):
            self.out = (h, w, c)
        elif entry.kind == "flatten" and h is not None and w is not None and c is not None:
            self.out = (1, 1, h * w * c)
        elif entry.kind == "input":
            c = values.get("out_c", values.get("in_c"))
            c = values.get("channels_out") if c is None else c
            self.out = (values.get("out_h"), values.get("out_w"), c)
        else:
            self.out = (*printed[:2], values.get("channels_out", printed[2]))
        self._expect(
            out_h=self.out[0], out_w=self.out[1], out_c=self.out[2], channels_out=self.out[2]
        )
        self.out = tuple(p if o is None else o for o, p in zip(self.out, printed, strict=True))
        if entry.kind in ("pool", "concat", "add", "same", "flatten", "input"):
            self.expected["params"] = 0
        elif entry.kind == "norm" and c is not None and values.get("params") not in (4 * c, 0):
            self.expected["params"] = 2 * c

    def _expect(self, **cells: Number | None) -> None:
        for role, value in cells.items():
            if value is not None:
                self.expected[role] = value

    def _input(self, given: list[tuple[Number | None, ...]] | None) -> tuple[Number | None, ...]:
        """What the row really takes; what no producer says is taken as printed."""
        values, kind = self.values, self.entry.kind
        printed = (
            values.get("in_h"),
            values.get("in_w"),
            values.get("in_c", values.get("channels_in")),
        )
        if not given:
            if given is None and kind in ("concat", "add"):
                printed = (values.get("out_h"), values.get("out_w"), values.get("out_c"))
            return printed
        h, w, c = given[0]
        if kind == "concat":
            widths = [out[2] for out in given]
            c = None if None in widths else sum(width for width in widths if width is not None)
        axes = ((h, printed[0]), (w, printed[1]))
        smaller = all(p is None or g is None or p < g for g, p in axes)
        if not self.pooled and smaller and kind not in ("linear", "layer"):
            h, w = printed[:2]  # poolings may stand between rows unlisted
        return tuple(p if g is None else g for g, p in zip((h, w, c), printed, strict=True))

    def _flattened(self, *size: Number | None) -> bool:
        """Whether an unnamed layer takes all of its input as one row of numbers."""
        values = self.values
        if self.entry.kind != "layer" or None in size or size[:2] == (1, 1):
            return False
        whole = size[0] * size[1] * size[2]  # type: ignore[operator]
        return values.get("in_h", 1) == 1 == values.get("in_w", 1) and whole in (
            values.get("in_c"),
            values.get("channels_in"),
        )

    def _linear(self, h: Number | None, w: Number | None, c: Number | None) -> None:
        values = self.values
        taken = values.get("channels_in", values.get("in_c") if h in (None, 1) else None)
        if h is None or w is None or c is None:
            # Extents that nothing says may have been flattened.
            features = taken if taken is not None else c if self.entry.weighted else None
        else:
            features = h * w * c
            if not self.pooled and taken is not None and not taken % c:
                features = taken  # of what an unlisted pooling left
            elif taken == c != features and self.may_pool:
                self.notes.append("global pooling before it is not listed")
                features = h = w = c
                h = w = 1
        if (values.get("in_h"), values.get("in_w")) == (h, w) != (1, 1):
            self._expect(in_h=h, in_w=w, in_c=c)
        else:
            self._expect(in_h=1, in_w=1, in_c=features)
        self._expect(channels_in=features)
        for role, extent in (("kernel_h", h), ("kernel_w", w)):
            # As wide as its input, it is a convolution that has one position.
            if values.get(role, extent) != extent:
                self._expect(**{role: 1})
        outs = values.get("channels_out", values.get("out_c"))
        self.out = (1, 1, outs)
        self._expect(out_h=1, out_w=1, out_c=outs, channels_out=outs)
        self._weights(features, outs, flat=True)

    def _extent(self, n: Number | None, axis: str) -> Number | None:
        """The output's extent; 0 where the kernel fits nowhere, None where nothing says."""
        values = self.values
        k, s, pad = values.get(f"kernel_{axis}"), values.get("stride"), values.get("pad")
        printed = values.get(f"out_{axis}")
        if is_global(self.entry.name) and k is None:
            return 1
        if n is None or k is None or not s:
            return printed
        pool = self.entry.kind == "pool"
        rounding = self.counting.rounding if pool else "floor"
        if pad is not None:
            return _slide(n, k, s, int(2 * pad), rounding)
        possible = {_slide(n, k, s, total, "floor") for total in range(int(min(k, 64)))}
        if pool:
            possible.add(_slide(n, k, s, 0, "ceil"))
        if printed in possible:
            return printed
        return None if printed is None else _slide(n, k, s, int(k - 1) // 2 * 2, "floor")

    def _weights(self, c: Number | None, outs: Number | None, flat: bool = False) -> None:
        values = self.values
        kh, kw = (1, 1) if flat else (values.get("kernel_h"), values.get("kernel_w"))
        groups = values.get("groups", c if is_depthwise(self.entry.name) else 1)
        if c is None or outs is None or kh is None or kw is None or not groups or c % groups:
            return
        kernel = kh * kw * (c // groups)
        kind = "linear" if flat else "conv"
        times = repeats(self.entry.name)
        if times > 1:
            return
        self._expect(params=(kernel + self.counting.extra(kind)) * outs)
        # A layer that the printed pass does not execute has none.
        if self.counting.ops and None not in self.out[:2] and values.get("ops"):
            each = (1, 2, 1)[OPS.index(self.counting.ops)] * kernel
            each += self.counting.ops == OPS[2]
            self._expect(ops=each * outs * self.out[0] * self.out[1])  # type: ignore[operator]


def _slide(n: Number, k: Number, s: Number, pads: int, rounding: str) -> Number:
    before = pads // 2
    try:
        found: int = slide(n, k, s, 1, (before, pads - before), rounding)  # type: ignore[arg-type]
    except ShapeError:
        return 0
    return found


def is_global(name: str) -> bool:
    """Whether a pooling takes its whole input."""
    return "global" in name.lower()


def is_depthwise(name: str) -> bool:
    """Whether a convolution has one filter for each channel."""
    words = name.lower()
    return "depthwise" in words or " dw" in f" {words}"


def repeats(name: str) -> int:
    """How many layers a row stands for: 2 for ``2 x convolution``."""
    first, _, rest = name.lower().partition(" ")
    return int(first) if first.isdecimal() and len(first) < 4 and rest[:2] in ("x ", "× ") else 1
