"""Formulas that people print beside a layer, held against what they say that they come to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from archcalc.claims.finding import Finding
from archcalc.claims.tables.sheet import Entry, Sheet

_EQUATION = re.compile(r"([\d\s()+*/x×⌊⌋.-]{3,60}(?:=[\d\s()+*/x×.-]{3,60})*)=\s*(\d[\d,]*)\s*(.*)")
_TERM = re.compile(r"\s*(\d+|[-+*/()])")
FEW = 2
"""Formulas of a column that must hold before one that does not is wrong."""


def formulas(sheet: Sheet) -> Iterator[Finding]:
    """Cells of remarks such as ``(227-11)/4+1=55`` that are wrong, where most of a column hold."""
    listed = sheet.form == "described"
    for column, header in enumerate(sheet.headers):
        if header not in sheet.remarks:
            continue
        held = 0
        wrong: list[tuple[Entry, str, str, int]] = []
        for entry in sheet.layers:
            match = _EQUATION.match(entry.cells[column].replace("−", "-").strip())
            sides = [side.strip() for side in match[1].split("=")] if match else []
            values = [_value(side) for side in sides]
            value = values[0] if values else None
            if match is None or value is None:
                continue
            said = int(match[2].replace(",", ""))
            other = next((k for k, each in enumerate(values) if each not in (None, value)), None)
            if other is not None:
                wrong.append((entry, sides[0], sides[other], int(value)))
            elif int(value) <= said <= -(-value // 1):
                held += 1
            else:
                wrong.append((entry, sides[0], str(said), int(value)))
        few = 1 if listed else FEW  # a list has few layers
        if held < few or len(wrong) > held // few:
            continue
        for entry, left, other_, right in wrong:
            rule = f"{left} is {right}, not {other_}"
            text = entry.cells[column]
            yield Finding(entry.index, column, "remark", entry.name, text, "", rule, ())


def _value(text: str) -> Fraction | None:
    """What sums, products and quotients come to; None for what is none."""
    plain = re.sub(r"[x×]", "*", text.replace("⌊", "(").replace("⌋", ")"))
    terms = _TERM.findall(plain)
    if "".join(terms) != re.sub(r"\s", "", plain) or not set(terms) & set("+-*/"):
        return None
    try:
        value, rest = _sum(terms)
    except (IndexError, ValueError, ZeroDivisionError):
        return None
    return None if rest else value


def _sum(terms: list[str]) -> tuple[Fraction, list[str]]:
    value, rest = _product(terms)
    while rest and rest[0] in "+-":
        more, after = _product(rest[1:])
        value, rest = (value + more if rest[0] == "+" else value - more), after
    return value, rest


def _product(terms: list[str]) -> tuple[Fraction, list[str]]:
    value, rest = _factor(terms)
    while rest and rest[0] in "*/":
        more, after = _factor(rest[1:])
        value, rest = (value * more if rest[0] == "*" else value / more), after
    return value, rest


def _factor(terms: list[str]) -> tuple[Fraction, list[str]]:
    if terms[0] == "(":
        value, rest = _sum(terms[1:])
        if rest[0] != ")":
            raise ValueError("a bracket is not closed")
        return value, rest[1:]
    return Fraction(terms[0]), terms[1:]
