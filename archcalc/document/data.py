"""What programs read: JSON, and the XML of test reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

FORMAT = 1
"""The version of the contract, the value of the key ``archcalc``."""


def versioned(data: Mapping[str, Any]) -> str:
    """Data with the version of the contract in front; what JSON has no type for is text."""
    return dumps({"archcalc": FORMAT, **data}, indent=1) + "\n"


def dumps(data: Any, **options: Any) -> str:
    """JSON in which no log of a build finds a command."""
    import json

    return json.dumps(data, **{"default": str, **options}).replace("##[", "\\u0023#[")


class Case(NamedTuple):
    """A test as JUnit has it; without an outcome it passed."""

    name: str
    within: str
    outcome: str = ""
    """``failure``, ``error`` or ``skipped``."""
    message: str = ""


def junit(suites: Mapping[str, Sequence[Case]]) -> str:
    """The XML that test reports are read from: suites of cases by their names."""
    from xml.sax.saxutils import quoteattr

    from archcalc.document.safe import visible

    def quoted(text: str) -> str:
        shown = quoteattr("\n".join(map(visible, text.split("\n"))))
        return shown.replace("##[", "&#35;#[")

    def written(case: Case) -> str:
        head = f"  <testcase classname={quoted(case.within)} name={quoted(case.name)}"
        if not case.outcome:
            return f"{head}/>"
        return f"{head}><{case.outcome} message={quoted(case.message)}/></testcase>"

    parts = []
    for name, cases in suites.items():
        kinds = [case.outcome for case in cases]
        counts = {"tests": len(cases), "failures": kinds.count("failure")}
        counts |= {"errors": kinds.count("error"), "skipped": kinds.count("skipped")}
        numbers = " ".join(f'{key}="{count}"' for key, count in counts.items())
        body = "\n".join(map(written, cases))
        parts.append(f" <testsuite name={quoted(name)} {numbers}>\n{body}\n </testsuite>")
    inside = "\n".join(parts)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{inside}\n</testsuites>\n'
