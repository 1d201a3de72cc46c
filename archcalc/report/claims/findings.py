"""What checking documented numbers and budgets found, for people, for CI and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any, NamedTuple

from archcalc.claims.check import VERDICTS, Finding, Judgement, show
from archcalc.claims.printed import Number, exact
from archcalc.errors import Problem
from archcalc.report.layers.contract import FORMAT
from archcalc.report.specs.problems import annotation

WIDTH = 100
"""Columns that what is said of a number is wrapped to."""


class Checked(NamedTuple):
    """What checking one file or network found."""

    source: str
    """As it was named."""
    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...] = ()
    """Why it could not be checked."""


def render(checked: Sequence[Checked], format: str = "table", brief: bool = False) -> str:
    """Everything found, in one of ``FORMATS``; with ``brief`` people see only what is wrong."""
    return _RENDER[format](checked, brief)


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
    return text + (f"; {problems} problem{'s' if problems > 1 else ''}" if problems else "")


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


def _table(checked: Sequence[Checked], brief: bool) -> str:
    rows = [
        (finding.network, finding.quantity, finding.printed, _computed(finding))
        for each in checked
        for finding in _shown(each, brief)
    ]
    # What is longer than most makes its own line longer, and not all others.
    most = (0, 34, 24, 24)
    widths = [
        max((len(row[k]) for row in rows if len(row[k]) <= most[k]), default=0) for k in range(4)
    ]
    lines: list[str] = []
    for each in checked:
        networks: dict[str, list[Finding]] = {}
        for finding in _shown(each, brief):
            networks.setdefault(finding.network, []).append(finding)
        for network, group in networks.items():
            lines += [""] if lines else []
            lines.append(network)
            for finding in group:
                lines += _lines(finding, widths[1:])
                lines += wrap(
                    finding.message, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6
                )
    lines += [""] if lines else []
    return "\n".join([*lines, summary(checked)]) + "\n"


def _lines(finding: Finding, widths: Sequence[int]) -> list[str]:
    """A finding in columns of these ``widths``; what is too long for them takes its own lines."""
    verdict = VERDICTS[finding.verdict].ljust(max(map(len, VERDICTS.values())))
    edge, room = sum(widths) + 4, WIDTH - len(verdict) - 4
    *said, last = wrap(
        finding.quantity,
        room,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    printed, computed = finding.printed, _computed(finding).rjust(widths[2])
    numbers = f"{printed}  {computed}"
    if len(last) + 2 + len(numbers) <= max(edge, room):
        said.append(last + numbers.rjust(max(edge - len(last), len(numbers) + 2)))
    elif len(numbers) <= max(edge, room):
        said += [last, numbers.rjust(edge)]
    else:
        said += [last, printed.rjust(edge), computed.rjust(edge)]
    leads = [f"  {verdict}  ", *[" " * (len(verdict) + 4)] * (len(said) - 1)]
    return [f"{lead}{text}".rstrip() for lead, text in zip(leads, said, strict=True)]


def _markdown(checked: Sequence[Checked], brief: bool) -> str:
    from archcalc.report.layers.formats import escape_markdown

    header = ("network", "quantity", "printed", "computed", "verdict", "source", "remark")
    rows: list[tuple[str, ...]] = [header, ("---", "---", "---:", "---:", "---", "---", "---")]
    for each in checked:
        for finding in _shown(each, brief):
            cells = (
                finding.network,
                finding.quantity,
                finding.printed,
                _computed(finding),
                VERDICTS[finding.verdict],
                "; ".join(finding.sources),
                finding.message,
            )
            rows.append(tuple(map(escape_markdown, cells)))
    table = "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |") for row in rows)
    return f"{table}\n{escape_markdown(summary(checked))}\n"


def _github(checked: Sequence[Checked], brief: bool) -> str:
    lines = [
        annotation(problem)
        for each in checked
        for problem in (*each.problems, *(f.place for f in each.findings if not f.ok))
    ]
    return "\n".join([*lines, summary(checked)]) + "\n"


def _json(checked: Sequence[Checked], brief: bool) -> str:
    from dataclasses import asdict
    from json import dumps

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
    return dumps({"archcalc": FORMAT, "ok": ok, "files": files}, indent=1) + "\n"


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


def _junit(checked: Sequence[Checked], brief: bool) -> str:
    """The XML that test reports are read from: a suite for every file, a case for every number."""
    from xml.sax.saxutils import quoteattr

    def case(name: str, within: str, inside: str = "") -> str:
        tag = f"  <testcase classname={quoteattr(within)} name={quoteattr(name)}"
        return f"{tag}>{inside}</testcase>" if inside else f"{tag}/>"

    def cases(each: Checked) -> Iterator[str]:
        for problem in each.problems:
            name = ".".join(problem.path) or "spec"
            yield case(name, each.source, f"<error message={quoteattr(str(problem))}/>")
        for finding in each.findings:
            outcome = ""
            if finding.verdict == "fact":
                outcome = f"<skipped message={quoteattr(finding.message)}/>"
            elif not finding.ok:
                said = f"{VERDICTS[finding.verdict]}: {finding.message}"
                outcome = f"<failure message={quoteattr(said)}/>"
            yield case(finding.name, each.source, outcome)

    def suite(each: Checked) -> str:
        counts = {
            "tests": len(each.findings) + len(each.problems),
            "failures": sum(not finding.ok for finding in each.findings),
            "errors": len(each.problems),
            "skipped": sum(finding.verdict == "fact" for finding in each.findings),
        }
        numbers = " ".join(f'{key}="{count}"' for key, count in counts.items())
        body = "\n".join(cases(each))
        return f" <testsuite name={quoteattr(each.source)} {numbers}>\n{body}\n </testsuite>"

    suites = "\n".join(map(suite, checked))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{suites}\n</testsuites>\n'


_RENDER: Mapping[str, Callable[[Sequence[Checked], bool], str]] = {
    "table": _table,
    "json": _json,
    "junit": _junit,
    "github": _github,
    "markdown": _markdown,
}

FORMATS = tuple(_RENDER)
"""The forms the outcome takes; ``github`` marks the places in a pull request."""
