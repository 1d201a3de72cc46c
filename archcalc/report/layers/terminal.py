"""A table on a terminal: colours, and no more columns than fit."""

from __future__ import annotations

from typing import TextIO

from archcalc.report.layers.layout import Table
from archcalc.report.layers.plain import PROSE, fit

STYLES = {
    "title": "bold",
    "about": "dim",
    "header": "bold cyan",
    "row": "",
    "rule": "dim",
    "hidden": "dim",
    "sums": "bold",
    "totals": "",
    "note": "dim",
    "": "",
}
"""The look of each part of a table. rich leaves colours out where NO_COLOR or TERM=dumb ask it."""


def show(table: Table, stream: TextIO) -> None:
    """Print a table on a terminal, as wide as that is."""
    from shutil import get_terminal_size

    from rich.console import Console
    from rich.text import Text

    # rich takes every dumb terminal for one of 80 columns unless it is told both sizes.
    columns, height = get_terminal_size()
    console = Console(file=stream, highlight=False, width=columns, height=height)
    for text, part in fit(table, columns):
        # Lines of the grid fit, or can't: wrapping them would break numbers.
        console.print(Text(text, style=STYLES[part]), soft_wrap=part not in PROSE)
