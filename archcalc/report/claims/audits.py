"""An audited table: its wrong cells marked, and what is wrong with them as footnotes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from textwrap import wrap
from typing import Any, NamedTuple, TextIO

from archcalc.claims.finding import Audit, Difference, Finding
from archcalc.document.data import FORMAT

WIDTH = 100
"""Columns that footnotes are wrapped to."""

MOST_ALTERNATIVES = 2
"""Causes that people are shown beside the likeliest one."""

FAR_FETCHED = 2.5
"""Causes farther than this are not called likely."""


class Note(NamedTuple):
    """A footnote: cells that are wrong in the same way."""

    head: str
    rule: str
    causes: tuple[str, ...]
    """The likeliest first, each headed by how likely it is."""
    effect: int
    cells: tuple[tuple[int, int], ...]
    """Row and column, from 0."""

    def lines(self) -> Iterator[str]:
        """What the footnote says, without its number: the head, then what stands below it."""
        yield self.head
        if self.rule:
            yield self.rule
        yield from self.causes
        if self.effect:
            yield f"effect on the total: {self.effect:+,}"


def render(audit: Audit, format: str = "table", brief: bool = False) -> str:
    """An audit in one of ``FORMATS``; with ``brief`` people see only rows with something wrong."""
    return _RENDER[format](audit, brief)


def show(audit: Audit, stream: TextIO, brief: bool = False) -> None:
    """Print an audit on a terminal, wrong cells in red."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    for line in _table(audit, brief).splitlines():
        text = Text(line)
        text.highlight_regex(r"\S+ \[\d+\]", "bold red")
        console.print(text, soft_wrap=True)


def notes(audit: Audit) -> list[Note]:
    """The footnotes, one for all cells of a column that are wrong in the same way."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in audit.findings:
        key = finding.column, finding.printed, finding.right, finding.rule
        groups.setdefault(key, []).append(finding)
    found = [_note(audit, group) for group in groups.values()]
    for row, column, message in audit.unreadable:
        head = f"row {row + 1}, {audit.headers[column]}: {message}"
        found.append(Note(head, "", (), 0, ((row, column),)))
    return found


def _note(audit: Audit, group: list[Finding]) -> Note:
    first = group[0]
    where = ", ".join(finding.layer for finding in group)
    header = audit.headers[first.column]
    right = f", should be {first.right}" if first.right else ""
    texts = {cause.text: cause.distance for cause in reversed(first.causes)}
    ranked = sorted(texts.items(), key=lambda item: item[1])[: 1 + MOST_ALTERNATIVES]
    shown = [
        f"{'or' if k else 'likely' if distance < FAR_FETCHED else 'far-fetched'}: {text}"
        for k, (text, distance) in enumerate(ranked)
    ] or ["no single change that was tried explains it"]
    cells = tuple((finding.row, finding.column) for finding in group)
    effect = sum(finding.effect for finding in group)
    head = f"{where}, {header}: {first.printed}{right}"
    return Note(head, first.rule, tuple(shown), effect, cells)


def checked(audit: Audit) -> str:
    """``checked: 84 inputs, 84 outputs, 21 params, 1 total``."""
    parts = [
        f"{count} {what if count != 1 else what.removesuffix('s')}"
        for what, count in audit.checked.items()
        if count
    ]
    return f"checked: {', '.join(parts)}" if parts else "nothing could be checked"


def summary(audit: Audit) -> Iterator[str]:
    """What is wrong in all, and what becomes of the total."""
    count = len(audit.findings)
    damaged = len(audit.unreadable)
    if not count and not damaged:
        yield "nothing contradicts" if any(audit.checked.values()) else "nothing could be checked"
    else:
        parts = [f"{count} cell{'s' * (count != 1)} contradict{'s' * (count == 1)} others"] * bool(
            count
        )
        parts += [f"{damaged} can't be read"] * bool(damaged)
        yield "; ".join(parts)
    totals = audit.totals
    if totals is not None:
        rows = f"{totals.rows} row{'s' * (totals.rows != 1)}"
        if totals.printed is not None:
            yield f"printed total    {totals.printed:>15,}"
            if totals.gap:
                yield f"rows add up to   {totals.summed:>15,}  (total off by {totals.gap:+,})"
        else:
            yield f"rows add up to   {totals.summed:>15,}"
        if totals.effects or totals.rows:
            yield f"effect of {rows:<7}{totals.effects:>+15,}"
            yield f"right total      {totals.right:>15,}"


def _columns(audit: Audit) -> list[int]:
    """The columns that people are shown: those that were understood and hold something."""
    return [
        k
        for k, header in enumerate(audit.headers)
        if header not in (*audit.unmapped, *audit.remarks) and any(cells[k] for cells in audit.rows)
    ]


def _marked(audit: Audit, found: list[Note]) -> dict[tuple[int, int], int]:
    return {cell: k for k, note in enumerate(found, 1) for cell in note.cells}


def _shown_rows(audit: Audit, marks: Mapping[tuple[int, int], int], brief: bool) -> list[int]:
    wrong = {row for row, _ in marks}
    return [row for row in range(len(audit.rows)) if row in wrong or not brief]


def _table(audit: Audit, brief: bool) -> str:
    found = notes(audit)
    marks = _marked(audit, found)
    columns = _columns(audit)
    lines = [audit.name, "; ".join([checked(audit), *audit.notes]), ""]
    lines = [piece for line in lines for piece in (wrap(line, WIDTH) or [""])]
    rows = [["row", *(audit.headers[k] for k in columns)]]
    for row in _shown_rows(audit, marks, brief):
        cells = [
            f"{audit.rows[row][k]} [{marks[row, k]}]".strip()
            if (row, k) in marks
            else audit.rows[row][k]
            for k in columns
        ]
        rows.append([str(row + 1), *cells])
    if len(rows) > 1:
        lines += _grid(rows)
        lines.append("")
    for k, note in enumerate(found, 1):
        head, *rest = note.lines()
        mark = f"[{k}] "
        lines += wrap(mark + head, WIDTH, subsequent_indent=" " * 5)
        for line in rest:
            lines += wrap(line, WIDTH, initial_indent=" " * 5, subsequent_indent=" " * 7)
    lines += [""] if found else []
    lines += summary(audit)
    lines += _against(audit)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _grid(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = [
        all(not row[k] or row[k][0].isdigit() or row[k][0] in "-." for row in rows[1:])
        for k in range(len(widths))
    ]
    lines = [
        "  ".join(
            text.rjust(width) if flush else text.ljust(width)
            for text, width, flush in zip(row, widths, right, strict=True)
        )
        for row in rows
    ]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def _against(audit: Audit) -> Iterator[str]:
    if not audit.against:
        return
    yield ""
    if not audit.differences:
        yield f"no cell differs from {audit.against}"
        return
    count = len(audit.differences)
    yield f"{count} difference{'s' * (count != 1)} from {audit.against}:"
    rows = [["row", "layer", "column", "printed", "computed"]]
    rows += [list(_difference(each)) for each in audit.differences]
    yield from (f"  {line}" for line in _grid(rows))
    effect = sum(each.effect for each in audit.differences)
    if effect:
        yield f"  params: {effect:+,} in all"


def _difference(each: Difference) -> tuple[str, str, str, str, str]:
    row = "" if each.row is None else str(each.row + 1)
    return row, each.layer, each.column, each.printed, each.computed


def _markdown(audit: Audit, brief: bool) -> str:
    from archcalc.document.markdown import escaped as escape

    found = notes(audit)
    marks = _marked(audit, found)
    columns = _columns(audit)

    def row(texts: list[str]) -> str:
        return f"| {' | '.join(texts)} |".replace("|  |", "| |").replace("|  |", "| |")

    lines = [f"**{escape(audit.name)}**", "", escape("; ".join([checked(audit), *audit.notes])), ""]
    shown = _shown_rows(audit, marks, brief)
    if shown:
        lines.append(row(["row", *(escape(audit.headers[k]) for k in columns)]))
        lines.append(row(["---"] * (len(columns) + 1)))
    for at in shown:
        cells = [escape(audit.rows[at][k]) for k in columns]
        for place, k in enumerate(columns):
            if (at, k) in marks:
                bold = f"**{cells[place]}**" if cells[place] else ""
                cells[place] = f"{bold}<sup>{marks[at, k]}</sup>"
        lines.append(row([str(at + 1), *cells]))
    lines.append("")
    for k, note in enumerate(found, 1):
        head, *rest = map(escape, note.lines())
        lines.append(f"{k}. {head}")
        lines += [f"   - {line}" for line in rest]
    lines += [""] if found else []
    lines += [f"- {escape(' '.join(line.split()))}" for line in summary(audit)]
    if audit.against:
        lines += ["", f"Differences from {escape(audit.against)}: {len(audit.differences)}", ""]
        if audit.differences:
            lines.append(row(["row", "layer", "column", "printed", "computed"]))
            lines.append(row(["---:", "---", "---", "---:", "---:"]))
            lines += [row(list(map(escape, _difference(each)))) for each in audit.differences]
    return "\n".join(lines).rstrip("\n") + "\n"


_MARKS = """
mark { background: light-dark(#ffd7d5, #6b2521); color: inherit; padding: 0 .2rem; }
ol { max-width: 60rem; } li { margin-bottom: .5rem; } li p { margin: 0; }"""


def _html(audit: Audit, brief: bool) -> str:
    from html import escape

    from archcalc.document.html import STYLE

    found = notes(audit)
    marks = _marked(audit, found)
    columns = _columns(audit)

    def cell(row: int, k: int) -> str:
        text = escape(audit.rows[row][k])
        if (row, k) in marks:
            mark = marks[row, k]
            text = f'<mark>{text}</mark><sup><a href="#n{mark}">{mark}</a></sup>'
        return f"<td>{text}</td>"

    header = "".join(f"<th>{escape(audit.headers[k])}</th>" for k in columns)
    body = [
        f"<tr><td>{row + 1}</td>{''.join(cell(row, k) for k in columns)}</tr>"
        for row in _shown_rows(audit, marks, brief)
    ]
    items = []
    for k, note in enumerate(found, 1):
        paragraphs = "".join(f"<p>{escape(line)}</p>" for line in note.lines())
        items.append(f'<li id="n{k}">{paragraphs}</li>')
    differing = []
    if audit.against:
        differing.append(
            f"<p>{len(audit.differences)} differences from {escape(audit.against)}</p><table>"
        )
        for each in audit.differences:
            texts = "".join(f"<td>{escape(text)}</td>" for text in _difference(each))
            differing.append(f"<tr>{texts}</tr>")
        differing.append("</table>")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(audit.name)}</title>",
            f"<style>\n{STYLE}{_MARKS}\n</style>",
            f"<h1>{escape(audit.name)}</h1>",
            f"<p>{escape('; '.join([checked(audit), *audit.notes]))}</p>",
            f'<div class="wide"><table><thead><tr><th>row</th>{header}</tr></thead>',
            *["<tbody>", *body, "</tbody></table></div>"],
            *(["<ol>", *items, "</ol>"] if items else []),
            f"<pre>{escape(chr(10).join(summary(audit)))}</pre>",
            *differing,
            "</html>",
            "",
        ]
    )


def _json(audit: Audit, brief: bool) -> str:
    from json import dumps

    def cause(each: Any) -> dict[str, Any]:
        cell = None if each.cell is None else {"row": each.cell[0] + 1, "role": each.cell[1]}
        return {"text": each.text, "distance": round(each.distance, 3), "cell": cell}

    totals = audit.totals
    data = {
        "archcalc": FORMAT,
        "table": audit.name,
        "ok": audit.ok,
        "checked": dict(audit.checked),
        "notes": list(audit.notes),
        "headers": list(audit.headers),
        "unread_columns": list(audit.unmapped),
        "rows": list(map(list, audit.rows)),
        "findings": [
            {
                "row": each.row + 1,
                "column": audit.headers[each.column],
                "role": each.role,
                "layer": each.layer,
                "printed": each.printed,
                "right": each.right or None,
                "rule": each.rule,
                "effect": each.effect,
                "causes": [cause(one) for one in each.causes],
            }
            for each in audit.findings
        ],
        "unreadable": [
            {"row": row + 1, "column": audit.headers[column], "message": message}
            for row, column, message in audit.unreadable
        ],
        "totals": totals
        and {
            "printed": totals.printed,
            "rows_sum": totals.summed,
            "effects": totals.effects,
            "right": totals.right,
            "wrong_rows": totals.rows,
        },
        "against": audit.against or None,
        "differences": [
            {**each._asdict(), "row": None if each.row is None else each.row + 1}
            for each in audit.differences
        ],
    }
    return dumps(data, indent=1) + "\n"


_RENDER: Mapping[str, Callable[[Audit, bool], str]] = {
    "table": _table,
    "markdown": _markdown,
    "html": _html,
    "json": _json,
}

FORMATS = tuple(_RENDER)
"""The forms an audit takes."""
