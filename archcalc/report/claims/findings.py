"""What checking documented numbers and budgets found, for people, for CI and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from archcalc.claims.check import VERDICTS, Finding, Judgement
from archcalc.claims.judged import show
from archcalc.claims.printed import Number, exact
from archcalc.document import Document
from archcalc.document.data import Case, junit
from archcalc.document.model import Head, Prose, Styled, many, table
from archcalc.document.safe import safe
from archcalc.errors import Problem
from archcalc.report.rendering import renderer
from archcalc.report.specs.problems import annotation


class Checked(NamedTuple):
    """What checking one file or network found."""

    source: str
    """As it was named."""
    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...] = ()
    """Why it could not be checked."""


def summary(checked: Sequence[Checked]) -> str:
    """``153 numbers: 88 exact, 25 round to it; 24 facts can't be computed``, and what is wrong."""
    findings = [finding for each in checked for finding in each.findings]
    counts = Counter(finding.verdict for finding in findings)
    facts = counts.pop("fact", 0)
    parts = [f"{counts[verdict]} {word}" for verdict, word in _COUNTED.items() if counts[verdict]]
    none = "no numbers to check" + (f" in {len(checked)} specs" if len(checked) > 1 else "")
    text = f"{counts.total()} numbers: {', '.join(parts)}" if parts else none
    text += f"; {facts} that can't be computed" if facts else ""
    problems = sum(len(each.problems) for each in checked)
    return text + (f"; {many(problems, 'problem')}" if problems else "")


_COUNTED: Mapping[Judgement, str] = {
    "contradicted": "contradicted",
    "exceeded": "over budget",
    "exact": "exact",
    "rounds": "rounded",
    "truncates": "truncated",
    "convention": "under another convention",
    "erratum": "known to be wrong",
    "within": "within budget",
}


def _shown(checked: Checked, brief: bool) -> list[Finding]:
    return [finding for finding in checked.findings if not (brief and finding.ok)]


def _computed(finding: Finding) -> str:
    return "" if finding.verdict == "fact" else show(finding.computed)


HEADS = (
    Head("network", "network"),
    Head("verdict", "verdict"),
    Head("quantity", "quantity", wraps=True),
    Head("printed", "printed", True, wraps=True),
    Head("computed", "computed", True, wraps=True),
    Head("source", "source"),
    Head("remark", "remark"),
)


def document(checked: Sequence[Checked], brief: bool = False, sources: bool = False) -> Document:
    """What was found, network by network; ``sources`` has a column for where it is printed."""
    rows = [
        (
            finding.network,
            Styled(VERDICTS[finding.verdict], "" if finding.ok else "bad"),
            finding.quantity,
            finding.printed,
            _computed(finding),
            "; ".join(finding.sources),
            finding.message,
        )
        for each in checked
        for finding in _shown(each, brief)
    ]
    found = table(HEADS, rows, prose=True, group="network")
    shown = found if sources else found.drop("source")
    return Document.of(shown if rows else None, Prose(summary(checked), "summary"))


def _github(checked: Sequence[Checked], brief: bool = False) -> str:
    lines = [
        annotation(problem)
        for each in checked
        for problem in (*each.problems, *(f.place for f in each.findings if not f.ok))
    ]
    return "\n".join([*lines, safe(summary(checked))]) + "\n"


def _data(checked: Sequence[Checked], brief: bool = False) -> dict[str, Any]:
    from dataclasses import asdict

    files = [
        {
            "file": each.source,
            "ok": not each.problems and all(finding.ok for finding in each.findings),
            "findings": [as_data(finding) for finding in each.findings],
            "problems": [asdict(problem) for problem in each.problems],
        }
        for each in checked
    ]
    ok = all(file["ok"] for file in files)
    return {"ok": ok, "files": files}


def as_data(finding: Finding) -> dict[str, Any]:
    """A finding as JSON holds it."""
    return {
        "ids": list(finding.ids),
        "network": finding.network,
        "quantity": finding.quantity,
        "printed": finding.printed,
        "computed": _plain(finding.computed),
        "verdict": finding.verdict,
        "ok": finding.ok,
        "message": finding.message,
        "sources": list(finding.sources),
        "line": finding.place.line,
        "column": finding.place.column,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Number) and not isinstance(value, bool):
        number = exact(value)
        return int(number) if number.denominator == 1 else float(number)
    return value


def _junit(checked: Sequence[Checked], brief: bool = False) -> str:
    """A suite for every file, a case for every number."""
    return junit({each.source: list(_cases(each)) for each in checked})


def _cases(each: Checked) -> Iterator[Case]:
    for problem in each.problems:
        yield Case(".".join(problem.path) or "spec", each.source, "error", str(problem))
    for finding in each.findings:
        if finding.verdict == "fact":
            yield Case(finding.name, each.source, "skipped", finding.message)
        else:
            said = f"{VERDICTS[finding.verdict]}: {finding.message}"
            yield Case(finding.name, each.source, "" if finding.ok else "failure", said)


FORMATS = ("table", "json", "junit", "github", "markdown")
"""The forms the outcome takes; ``github`` marks the places in a pull request."""


render = renderer(
    document,
    FORMATS,
    markdown=partial(document, sources=True),
    json=_data,
    junit=_junit,
    github=_github,
)
"""Everything found, in one of ``FORMATS``; with ``brief`` people see only what is wrong."""
