"""What a cheaper design saves, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Any

from archcalc.analysis.counted import Analysis
from archcalc.analysis.counted import Row as Layer
from archcalc.claims.check import VERDICTS
from archcalc.claims.judged import show
from archcalc.claims.savings import Change, Example, Savings
from archcalc.dims import Size
from archcalc.document import Document
from archcalc.document.model import (
    Block,
    Head,
    Heading,
    Label,
    Pairs,
    Prose,
    Row,
    Table,
    many,
    table,
)
from archcalc.report.rendering import renderer

FORMATS = ("table", "markdown", "csv", "json", "latex", "siunitx", "html")
"""The forms that savings are printed in."""


def _becomes(change: Change) -> str:
    if change.reason:
        return f"unchanged: {change.reason}"
    parts = []
    for text, same in groupby(map(_conv, change.after)):
        times = len(list(same))
        parts.append(text if times == 1 else f"{times} times {text}")
    return " + ".join(parts)


def _conv(row: Layer) -> str:
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


def document(found: Savings | Sequence[Example], brief: bool = True) -> Document:
    """What is saved. Without ``brief`` one table with what programs ask of it."""
    return _network(found, brief) if isinstance(found, Savings) else _examples(found, brief)


def _network(savings: Savings, brief: bool) -> Document:
    """Every convolution, all other layers together, and the total."""
    title, about = _title(savings)
    return Document.of(
        Heading(title),
        Prose(about, "about"),
        _layers(savings) if brief else _changes(savings),
        Pairs(tuple(_summary(savings))),
    )


def _layers(savings: Savings) -> Table:
    before, after, counted = savings.before, savings.after, savings.convention
    rows = [
        Row(
            (
                change.name,
                _becomes(change),
                change.before.params,
                change.params,
                change.number,
                change.number_after,
                _field(change),
            )
        )
        for change in savings.changes
    ]
    others = len(before.rows) - len(savings.changes)
    params = before.params - sum(change.before.params for change in savings.changes)
    work = savings.number - sum(change.number for change in savings.changes)
    work_after = savings.number_after - sum(change.number_after for change in savings.changes)
    if others:
        label = Label(many(others, "other layer"))
        rows.append(Row((label, "", params, params, work, work_after, ""), "hidden"))
    totals = (before.params, after.params, savings.number, savings.number_after)
    heads = (
        Head("layer", "layer"),
        Head("becomes", "becomes", wraps=True),
        Head("params", "params", True),
        Head("params_after", "after", True),
        Head(counted.name, counted.header, True),
        Head(f"{counted.name}_after", "after", True),
        Head("field", "field", True),
    )
    total = Row((Label("total"), "", *totals, ""), "sums")
    return Table(heads, tuple(rows), (total,), narrow=("field",))


def _changes(savings: Savings) -> Table:
    counted = savings.convention.name
    names = ("layer", "rewritten", "becomes", "params", "params_after")
    numbers = (counted, f"{counted}_after")
    return table(
        [Head(name, name) for name in (*names, *numbers, "field", "field_after", "field_kept")],
        [
            (
                change.name,
                str(change.rewritten).lower(),
                _becomes(change),
                *(change.before.params, change.params, change.number, change.number_after),
                *(_seen(change.seen), _seen(change.seen_after)),
                "" if change.kept is None else str(change.kept).lower(),
            )
            for change in savings.changes
        ],
    )


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


def _data(savings: Savings | Sequence[Example]) -> dict[str, Any]:
    if not isinstance(savings, Savings):
        return {"examples": list(map(_example_data, savings))}

    def sizes(found: tuple[Size | None, ...] | None) -> list[Size | None] | None:
        return None if found is None else list(found)

    def work(of: Analysis | Layer | Change, number: Size) -> dict[str, Size]:
        return {"params": of.params, "macs": of.macs, "work": number}

    return {
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


def _saving(example: Example) -> str:
    share = example.share
    return f"{1 - share:.1%} saved, {1 / share:.2f} times fewer"


def _examples(examples: Sequence[Example], brief: bool) -> Document:
    """Each example with its designs and what the sources say of it."""
    if not brief:
        heads = [Head("example", "example"), Head("design", "design"), Head("value", "value", True)]
        rows = [(e.network, label.strip(), value) for e in examples for label, value in e.amounts]
        return Document.of(table(heads, rows))
    blocks: list[Block] = []
    for each in examples:
        heads = [Head("design", "design"), Head("unit", each.unit, True), Head("saved", "saved")]
        designs = [
            (label, show(value), _saving(each) if k == 1 else "")
            for k, (label, value) in enumerate(each.amounts)
        ]
        blocks += [Heading(each.title), table(heads, designs), Prose(each.remark)]
        if each.findings:
            claims = [
                (
                    VERDICTS[finding.verdict],
                    finding.quantity,
                    finding.printed,
                    show(finding.computed),
                    finding.message,
                )
                for finding in each.findings
            ]
            blocks.append(table(CLAIMS, claims, prose=True))
    found = [finding for each in examples for finding in each.findings]
    wrong = sum(not finding.ok for finding in found)
    said = f"{wrong} contradicted" if wrong else "none contradicted"
    return Document.of(*blocks, Prose(f"{len(found)} claims: {said}"))


CLAIMS = (
    Head("verdict", "verdict"),
    Head("quantity", "quantity", wraps=True),
    Head("printed", "printed", True),
    Head("computed", "computed", True),
    Head("remark", "remark"),
)
"""The columns of what the sources say."""


def _example_data(example: Example) -> dict[str, Any]:
    return {
        "network": example.network,
        "title": example.title,
        "unit": example.unit,
        "designs": {label.strip(): int(value) for label, value in example.amounts},
        "share": example.share,
        "remark": example.remark,
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
            for finding in example.findings
        ],
    }


render = renderer(document, FORMATS, csv=partial(document, brief=False), json=_data)
"""A network before and after, or the examples of lectures, in one of ``FORMATS``."""
