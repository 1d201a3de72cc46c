"""The ways of counting that make a printed number, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archcalc.claims.candidates import MOST
from archcalc.claims.check import VERDICTS
from archcalc.claims.departures import Choice, Explanation, said
from archcalc.claims.judged import show
from archcalc.claims.printed import exact
from archcalc.claims.reconcile import QUANTITIES, Reconciliation
from archcalc.document import Document
from archcalc.document.model import Head, Heading, Items, Prose, table
from archcalc.report.rendering import renderer


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
    if found.matches and all(each.verdict.agreement == "truncates" for each in found.matches):
        remarks.append("It is so only with digits cut off: rounded, none of them is printed so.")
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


HEADS = (Head("number", "number", True), Head("verdict", ""), Head("how", "how", wraps=True))


def document(found: Reconciliation, limit: int | None = None) -> Document:
    """What comes to the number, the most natural first; or what comes near."""
    shown, hidden = _shown(found, limit)
    rows = [
        (
            show(each.number),
            _standing(each),
            "; or ".join([_how(found, each), *_others(each)]),
        )
        for each in shown
    ]
    return Document.of(
        Heading(_subject(found)),
        Prose(_outcome(found), "about"),
        table(HEADS, rows),
        Items.of(_remarks(found, hidden)),
    )


def _data(found: Reconciliation, limit: int | None = None) -> dict[str, Any]:
    shown, _ = _shown(found, limit)
    return {
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


FORMATS = ("table", "markdown", "json")
"""The forms the outcome takes."""


render = renderer(document, FORMATS, json=_data)
"""What was found, in one of ``FORMATS``, with at most ``limit`` explanations."""
