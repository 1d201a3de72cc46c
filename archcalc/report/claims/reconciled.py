"""The ways of counting that make a printed number, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap
from typing import Any

from archcalc.claims.check import VERDICTS, show
from archcalc.claims.printed import exact
from archcalc.claims.reconcile import MOST, QUANTITIES, Choice, Explanation, Reconciliation, said
from archcalc.report.layers.contract import FORMAT

WIDTH = 100
"""Columns that prose is wrapped to."""


def render(found: Reconciliation, format: str = "table", limit: int | None = None) -> str:
    """What was found, in one of ``FORMATS``, with at most ``limit`` explanations."""
    return _RENDER[format](found, limit)


def _subject(found: Reconciliation) -> str:
    of = f"'{found.layer}' of {found.network}" if found.layer else found.network
    against = f" against {found.against}" if found.against else ""
    taken = " or ".join(QUANTITIES[quantity] for quantity in found.quantities)
    return f"{found.value}, {of}{against}, taken as {taken}"


def _outcome(found: Reconciliation) -> str:
    if found.matches:
        count = len(found.matches)
        are = "is" if count == 1 else "are"
        return f"{count} of the {found.tried:,} numbers tried {are} printed so"
    return f"none of the {found.tried:,} numbers tried is printed so; the nearest"


def _remarks(found: Reconciliation, hidden: int) -> list[str]:
    remarks = []
    if hidden:
        remarks.append(f"{hidden} more that are less natural.")
    if found.matches and len(found.matches[0].departures) == MOST:
        remarks.append(f"It takes {MOST} departures: among so many numbers that may be chance.")
    remarks += [f"Known mistake: {text}." for text in found.known]
    if not found.whole:
        remarks.append("There is too much of it to try every edition and size.")
    if found.idle:
        remarks.append(f"No difference here: {', '.join(found.idle)}.")
    return remarks


def _shown(found: Reconciliation, limit: int | None) -> tuple[Sequence[Explanation], int]:
    if not found.matches:
        return found.nearest, 0
    shown = found.matches if limit is None else found.matches[:limit]
    return shown, len(found.matches) - len(shown)


def _standing(explanation: Explanation) -> str:
    """The verdict, or by how much it is off."""
    if explanation.verdict.holds:
        return VERDICTS[explanation.verdict.agreement]
    return f"{float(explanation.off):+.2%}"


def _how(found: Reconciliation, explanation: Explanation) -> str:
    several = len(found.quantities) > 1
    kind = f"{QUANTITIES[explanation.quantity]}, " if several else ""
    return f"{kind}{explanation.words}"


def _others(explanation: Explanation) -> list[str]:
    """The other departures in words, without those that are the same."""
    return [
        said([choice for choice in also if choice not in explanation.departures])
        for also in explanation.also
    ]


def _table(found: Reconciliation, limit: int | None) -> str:
    shown, hidden = _shown(found, limit)
    cells = [(show(each.number), _standing(each), _how(found, each)) for each in shown]
    widths = [max(len(row[k]) for row in cells) for k in range(2)]
    lines = [f"{_subject(found)}:", _outcome(found), ""]
    indent = " " * (sum(widths) + 6)
    for each, (number, standing, how) in zip(shown, cells, strict=True):
        start = f"  {number.rjust(widths[0])}  {standing.ljust(widths[1])}  "
        lines += wrap(how, WIDTH, initial_indent=start, subsequent_indent=indent)
        others = _others(each)
        if others:
            words = f"or {', or '.join(others)}"
            lines += wrap(words, WIDTH, initial_indent=indent, subsequent_indent=indent)
    remarks = _remarks(found, hidden)
    lines += [""] if remarks else []
    for remark in remarks:
        lines += wrap(remark, WIDTH)
    return "\n".join(lines) + "\n"


def _markdown(found: Reconciliation, limit: int | None) -> str:
    from archcalc.report.layers.formats import escape_markdown

    shown, hidden = _shown(found, limit)
    rows = [("number", "", "how"), ("---:", "---", "---")]
    for each in shown:
        how = "; or ".join([_how(found, each), *_others(each)])
        rows.append((show(each.number), _standing(each), escape_markdown(how)))
    table = "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |") for row in rows)
    head = escape_markdown(f"{_subject(found)}: {_outcome(found)}")
    remarks = "".join(f"\n{escape_markdown(remark)}\n" for remark in _remarks(found, hidden))
    return f"{head}\n\n{table}{remarks}"


def _json(found: Reconciliation, limit: int | None) -> str:
    from json import dumps

    shown, _ = _shown(found, limit)
    data = {
        "archcalc": FORMAT,
        "value": found.value,
        "network": found.network,
        "layer": found.layer,
        "against": found.against,
        "quantities": list(found.quantities),
        "ok": found.ok,
        "tried": found.tried,
        "whole": found.whole,
        "matches": [_as_data(each) for each in shown if found.ok],
        "nearest": [_as_data(each) for each in shown if not found.ok],
        "known_mistakes": list(found.known),
        "no_difference": list(found.idle),
    }
    return dumps(data, indent=1) + "\n"


def _as_data(explanation: Explanation) -> dict[str, Any]:
    number = exact(explanation.number)
    return {
        "quantity": explanation.quantity,
        "number": int(number) if number.denominator == 1 else float(number),
        "verdict": explanation.verdict.agreement,
        "off": float(explanation.off),
        "departures": _departures(explanation.departures),
        "also": [_departures(also) for also in explanation.also],
    }


def _departures(departures: Sequence[Choice]) -> list[dict[str, str]]:
    return [
        {"axis": choice.axis, "choice": choice.value, "words": choice.words}
        for choice in departures
    ]


_RENDER: Mapping[str, Callable[[Reconciliation, int | None], str]] = {
    "table": _table,
    "markdown": _markdown,
    "json": _json,
}

FORMATS = tuple(_RENDER)
"""The forms the outcome takes."""
