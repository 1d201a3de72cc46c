"""Tables of the generated pages."""

from __future__ import annotations

import re
from collections.abc import Sequence


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; a bar in a cell does not end it."""
    first, *rest = (f"| {' | '.join(map(_cell, row))} |" for row in (head, *rows))
    return "\n".join([first, "|---" * len(head) + "|", *rest])


def _cell(text: str) -> str:
    # Readers of Markdown differ in how a bar within backticks is written; on this all agree.
    if "|" not in text:
        return text
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", text).replace("|", "&#124;")
