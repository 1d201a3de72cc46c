"""Tables of the generated pages."""

from __future__ import annotations

import re
from collections.abc import Sequence


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, numbers set right; a bar in a cell does not end it."""
    first, *rest = (f"| {' | '.join(map(_cell, row))} |" for row in (head, *rows))
    columns = zip(*rows, strict=True) if rows else ([()] * len(head))
    rule = "|".join("---:" if _numbers(column) else "---" for column in columns)
    return "\n".join([first, f"|{rule}|", *rest])


def _numbers(column: Sequence[str]) -> bool:
    """Whether a column holds numbers, with a unit perhaps, and nothing else."""
    return any(column) and all(_NUMBER.fullmatch(cell) for cell in column if cell)


_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?%?(?: [^\W\d]{1,3}(?:/s)?)?")


def _cell(text: str) -> str:
    # Readers of Markdown differ in how a bar within backticks is written; on this all agree.
    if "|" not in text:
        return text
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", text).replace("|", "&#124;")
