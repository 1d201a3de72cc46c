"""A table's cheapest reading as what every cell should say, for rules and causes to be told of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from archcalc.claims.tables.evidence import State
from archcalc.claims.tables.paths import Reading as Found
from archcalc.claims.tables.sheet import Number, Sheet

Place = tuple[int, str]
"""A row's index and a role."""

BIASES = ("with biases", "without biases", "with batch normalization in place of biases")
"""What is counted beside a layer's kernel: one number a channel, none, or two."""

CHOICES = frozenset(
    (
        *("kernel_d", "kernel_h", "kernel_w", "kernel_out", "channels_out"),
        *("stride", "stride_d", "stride_h", "stride_w", "pad", "dilation", "groups"),
    )
)
"""Cells that somebody chose; all others follow."""

_WEIGHTS = frozenset(("conv", "deconv", "depthwise", "separable", "layer", "linear", "module"))


class Counting(NamedTuple):
    """How a whole table counts: what most of its rows agree with."""

    conv: str = ""
    """One of ``BIASES``, or ``""`` where no row says."""
    linear: str = ""
    rounding: str = "floor"
    """Of poolings' outputs."""

    def extra(self, kind: str) -> int:
        """Numbers stored for each output channel beside the kernel."""
        biases = (self.linear if kind == "linear" else self.conv) or self.conv or BIASES[0]
        return (1, 0, 2)[BIASES.index(biases)]


@dataclass(frozen=True)
class Reading:
    """What every cell of a table should be."""

    found: Found
    expected: tuple[Mapping[str, Number], ...]
    """For each row, by role; cells of which nothing follows are left out."""
    outs: tuple[tuple[Number | None, ...], ...]
    """What each row gives: height, width, channels."""
    sources: tuple[tuple[int, ...] | None, ...]
    """Rows that an input comes from: none for the network's own, None where unknown."""
    counting: Counting
    choices: Mapping[Place, Any]
    """Cells taken to be misprinted, and what they should say; ``source`` holds row indices."""
    wrong: Mapping[Place, Number]
    """The printed cells that differ from what they should be, and that."""


def reading(sheet: Sheet, found: Found) -> Reading:
    """A reading in the words of rules and causes."""
    expected: list[Mapping[str, Number]] = []
    outs: list[tuple[Number | None, ...]] = []
    sources: list[tuple[int, ...] | None] = []
    choices: dict[Place, Any] = {}
    wrong: dict[Place, Number] = {}
    for entry, option, link in zip(sheet.entries, found.options, found.links, strict=True):
        if option is None:
            expected.append({})
            outs.append((None, None, None))
            sources.append(None)
            continue
        expected.append(option.expected)
        outs.append(_size(option.out))
        sources.append(link.rows if option.given is None else option.given)
        if option.given is not None:
            choices[entry.index, "source"] = option.given
        for role in option.wrong:
            wrong[entry.index, role] = option.expected[role]
            if role in CHOICES:
                choices[entry.index, role] = option.expected[role]
    return Reading(
        found,
        tuple(expected),
        tuple(outs),
        tuple(sources),
        _counting(sheet, found),
        choices,
        wrong,
    )


def _size(out: State) -> tuple[Number | None, ...]:
    ext = out.ext
    if ext is None or len(ext) > 2:
        return None, None, out.c
    if not ext:
        return 1, 1, out.c
    return ext[0], ext[1] if len(ext) > 1 else None, out.c


def _counting(sheet: Sheet, found: Found) -> Counting:
    """What is counted beside kernels, where a row says so."""
    said: dict[str, dict[int, int]] = {"conv": {}, "linear": {}}
    for entry, option in zip(sheet.entries, found.options, strict=True):
        if "params" not in entry.values:
            continue
        if option is None or option.layer.params is None or option.layer.kind not in _WEIGHTS:
            continue
        if "params" in option.wrong or "params" not in option.expected:
            continue
        kind = "linear" if option.layer.kind == "linear" else "conv"
        said[kind][option.layer.bias] = said[kind].get(option.layer.bias, 0) + 1
    names = dict(enumerate((BIASES[1], BIASES[0], BIASES[2], BIASES[0], BIASES[2], BIASES[0])))
    conv, linear = (
        names[max(said[kind], key=lambda bias: said[kind][bias])] if said[kind] else ""
        for kind in ("conv", "linear")
    )
    return Counting(conv, linear, "ceil" if found.manner.ceil else "floor")
