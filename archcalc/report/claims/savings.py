"""What a cheaper design saves, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from textwrap import wrap
from typing import Any

from archcalc.analysis.analyze import Analysis, Row
from archcalc.claims.check import VERDICTS, show
from archcalc.claims.savings import Change, Example, Savings
from archcalc.dims import Size
from archcalc.report.layers.contract import FORMAT

WIDTH = 100
"""Columns that sentences are wrapped to."""

GAP = "  "

_RIGHT = (False, False, True, True, True, True, True)


def render(savings: Savings, format: str = "table") -> str:
    """A network before and after, in one of ``FORMATS``."""
    return _NETWORK[format](savings)


def render_examples(examples: Sequence[Example], format: str = "table") -> str:
    """The examples of lectures, in one of ``FORMATS``."""
    return _EXAMPLES[format](examples)


def _headers(savings: Savings) -> tuple[str, ...]:
    return ("layer", "becomes", "params", "after", savings.convention.header, "after", "field")


def _becomes(change: Change) -> str:
    if change.reason:
        return f"unchanged: {change.reason}"
    parts = []
    for text, same in groupby(map(_conv, change.after)):
        times = len(list(same))
        parts.append(text if times == 1 else f"{times} times {text}")
    return " + ".join(parts)


def _conv(row: Row) -> str:
    """``3x3 64``, ``3x3 64 in 8 groups``, and ``3x3 64 each on its own`` for a depthwise one."""
    op: Any = row.node.op
    text = f"{'x'.join(map(str, op.kernel_size))} {op.out_channels}"
    if op.groups == 1:
        return text
    each = op.groups == op.out_channels == row.node.input_shapes[0][1]
    return f"{text} each on its own" if each else f"{text} in {op.groups} groups"


def _seen(sizes: tuple[Size | None, ...] | None) -> str:
    if not sizes:
        return "?" if sizes is None else ""
    return str(sizes[0]) if len(set(sizes)) == 1 else "x".join(map(str, sizes))


def _field(change: Change) -> str:
    before, after = _seen(change.seen), _seen(change.seen_after)
    return before if change.kept or before == after else f"{before} -> {after}"


def _rows(savings: Savings) -> list[tuple[str, ...]]:
    """Every convolution, all other layers together, and the total."""
    rows: list[tuple[str, ...]] = [
        (
            change.name,
            _becomes(change),
            f"{change.before.params:,}",
            f"{change.params:,}",
            f"{change.number:,}",
            f"{change.number_after:,}",
            _field(change),
        )
        for change in savings.changes
    ]
    before, after = savings.before, savings.after
    others = len(before.rows) - len(savings.changes)
    params = before.params - sum(change.before.params for change in savings.changes)
    number = savings.number - sum(change.number for change in savings.changes)
    number_after = savings.number_after - sum(change.number_after for change in savings.changes)
    if others:
        label = f"{others} other layer{'s' if others > 1 else ''}"
        rows.append((label, "", *(f"{n:,}" for n in (params, params, number, number_after)), ""))
    totals = (before.params, after.params, savings.number, savings.number_after)
    rows.append(("total", "", *(f"{n:,}" for n in totals), ""))
    return rows


def _title(savings: Savings) -> tuple[str, str]:
    graph = savings.before.graph
    inputs = ", ".join("x".join(map(str, shape[1:])) for shape in graph.inputs.values())
    return (
        f"{graph.name}, its convolutions rewritten: {savings.rewrite}",
        f"input {inputs}, batch {next(iter(graph.inputs.values()))[0]}",
    )


def _change(before: Size, after: Size) -> str:
    if before == after:
        return "nothing saved"
    percent = abs(before - after) / before * 100 if before else 0.0
    return f"{percent:.1f}% {'saved' if after < before else 'more'}"


def _summary(savings: Savings) -> list[tuple[str, str]]:
    before, after = savings.before, savings.after
    count = sum(change.rewritten for change in savings.changes)
    kept = {
        True: "kept in every convolution",
        False: "changed where two numbers are shown",
        None: "not known of every convolution",
    }[savings.kept]

    def numbers(a: Size, b: Size) -> str:
        return f"{a:,} -> {b:,}, {_change(a, b)}"

    return [
        ("rewritten", f"{count} of {len(savings.changes)} convolutions"),
        ("parameters", numbers(before.params, after.params)),
        (savings.convention.header, numbers(savings.number, savings.number_after)),
        ("receptive field", kept),
    ]


def _table(savings: Savings) -> str:
    rows, headers = _rows(savings), _headers(savings)
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    rule = "-" * (sum(widths) + len(GAP) * (len(widths) - 1))

    def line(texts: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(texts, widths, _RIGHT, strict=True)
        )
        return GAP.join(padded).rstrip()

    *body, total = map(line, rows)
    summary = _summary(savings)
    longest = max(len(label) for label, _ in summary)
    lines = [*_title(savings), "", line(headers), rule, *body, rule, total, ""]
    lines += [f"{label.ljust(longest)}{GAP}{text}" for label, text in summary]
    return "\n".join(lines) + "\n"


def _markdown(savings: Savings) -> str:
    from archcalc.report.layers.formats import escape_markdown

    title, about = map(escape_markdown, _title(savings))
    *body, total = [tuple(map(escape_markdown, row)) for row in _rows(savings)]
    rows = [
        _headers(savings),
        tuple("---:" if right else "---" for right in _RIGHT),
        *body,
        tuple(f"**{text}**" if text else "" for text in total),
    ]
    summary = [f"- {label}: {escape_markdown(text)}" for label, text in _summary(savings)]
    return "\n".join([f"**{title}**", "", about, "", *map(_row, rows), "", *summary]) + "\n"


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |".replace("|  |", "| |").replace("|  |", "| |")


def _written_csv(rows: Sequence[Sequence[Any]]) -> str:
    from csv import writer
    from io import StringIO

    buffer = StringIO()
    writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def _csv(savings: Savings) -> str:
    counted = savings.convention.name
    heads = ("layer", "rewritten", "becomes", "params", "params_after")
    numbers = (counted, f"{counted}_after")
    rows: list[Sequence[Any]] = [(*heads, *numbers, "field", "field_after", "field_kept")]
    for change in savings.changes:
        kept = "" if change.kept is None else str(change.kept).lower()
        rows.append(
            (
                change.name,
                str(change.rewritten).lower(),
                _becomes(change),
                *(change.before.params, change.params, change.number, change.number_after),
                *(_seen(change.seen), _seen(change.seen_after), kept),
            )
        )
    return _written_csv(rows)


def _json(savings: Savings) -> str:
    from json import dumps

    def sizes(found: tuple[Size | None, ...] | None) -> list[Size | None] | None:
        return None if found is None else list(found)

    def work(of: Analysis | Row | Change, number: Size) -> dict[str, Size]:
        return {"params": of.params, "macs": of.macs, "work": number}

    data = {
        "archcalc": FORMAT,
        "network": savings.before.graph.name,
        "rewrite": savings.rewrite,
        "convention": savings.convention.name,
        "before": work(savings.before, savings.number),
        "after": work(savings.after, savings.number_after),
        "field_kept": savings.kept,
        "layers": [
            {
                "name": change.name,
                "rewritten": change.rewritten,
                "reason": change.reason,
                "before": work(change.before, change.number),
                "after": work(change, change.number_after),
                "becomes": [row.name for row in change.after],
                "field": sizes(change.seen),
                "field_after": sizes(change.seen_after),
                "field_kept": change.kept,
            }
            for change in savings.changes
        ],
    }
    return dumps(data, indent=1) + "\n"


def _saving(example: Example) -> str:
    share = example.share
    return f"{1 - share:.1%} saved, {1 / share:.2f} times fewer"


def _examples_table(examples: Sequence[Example]) -> str:
    labels = max(len(amount.label) for each in examples for amount in each.amounts)
    numbers = max(len(show(amount.value)) for each in examples for amount in each.amounts)
    found = [finding for each in examples for finding in each.findings]
    most = (max(map(len, VERDICTS.values())), 42, 12)
    blocks = []
    for each in examples:
        lines = [f"{each.title}, {each.unit}"]
        for k, (label, value) in enumerate(each.amounts):
            said = f"{GAP}{_saving(each)}" if k == 1 else ""
            lines.append(f"  {label.ljust(labels)}{GAP}{show(value).rjust(numbers)}{said}")
        lines += wrap(each.remark, WIDTH, initial_indent="  ", subsequent_indent="  ")
        if each.findings:
            lines.append("  what the sources say of it")
        for finding in each.findings:
            cells = (VERDICTS[finding.verdict].ljust(most[0]), finding.quantity.ljust(most[1]))
            numbers_said = f"{finding.printed.rjust(most[2])}{GAP}{show(finding.computed)}"
            lines.append(f"    {cells[0]}{GAP}{cells[1]}{GAP}{numbers_said}")
            indent = " " * 8
            lines += wrap(finding.message, WIDTH, initial_indent=indent, subsequent_indent=indent)
        blocks.append("\n".join(lines))
    wrong = sum(not finding.ok for finding in found)
    end = f"{len(found)} claims: {f'{wrong} contradicted' if wrong else 'none contradicted'}"
    return "\n\n".join([*blocks, end]) + "\n"


def _examples_markdown(examples: Sequence[Example]) -> str:
    from archcalc.report.layers.formats import escape_markdown

    blocks = []
    for each in examples:
        rows: list[tuple[str, ...]] = [("design", each.unit, "saved"), ("---", "---:", "---")]
        for k, (label, value) in enumerate(each.amounts):
            rows.append((label.strip(), show(value), _saving(each) if k == 1 else ""))
        claims: list[tuple[str, ...]] = [
            ("quantity", "printed", "computed", "verdict", "remark"),
            ("---", "---:", "---:", "---", "---"),
        ]
        for finding in each.findings:
            cells = (finding.quantity, finding.printed, show(finding.computed))
            claims.append(
                tuple(
                    escape_markdown(text)
                    for text in (*cells, VERDICTS[finding.verdict], finding.message)
                )
            )
        parts = [f"**{each.title}**", "", *map(_row, rows), ""]
        parts += [each.remark, ""] if each.remark else []
        blocks.append("\n".join([*parts, *map(_row, claims)]))
    return "\n\n".join(blocks) + "\n"


def _examples_csv(examples: Sequence[Example]) -> str:
    rows: list[Sequence[Any]] = [("example", "design", "value")]
    for each in examples:
        rows += [(each.network, label.strip(), value) for label, value in each.amounts]
    return _written_csv(rows)


def _examples_json(examples: Sequence[Example]) -> str:
    from json import dumps

    data = [
        {
            "network": each.network,
            "title": each.title,
            "unit": each.unit,
            "designs": {label.strip(): int(value) for label, value in each.amounts},
            "share": each.share,
            "remark": each.remark,
            "claims": [
                {
                    "ids": list(finding.ids),
                    "quantity": finding.quantity,
                    "printed": finding.printed,
                    "computed": show(finding.computed),
                    "verdict": finding.verdict,
                    "message": finding.message,
                    "sources": list(finding.sources),
                }
                for finding in each.findings
            ],
        }
        for each in examples
    ]
    return dumps({"archcalc": FORMAT, "examples": data}, indent=1) + "\n"


_NETWORK: Mapping[str, Callable[[Savings], str]] = {
    "table": _table,
    "markdown": _markdown,
    "csv": _csv,
    "json": _json,
}
_EXAMPLES: Mapping[str, Callable[[Sequence[Example]], str]] = {
    "table": _examples_table,
    "markdown": _examples_markdown,
    "csv": _examples_csv,
    "json": _examples_json,
}

FORMATS = tuple(_NETWORK)
"""The forms that savings are printed in."""
