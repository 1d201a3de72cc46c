"""A document on a terminal: in colours, and no wider than that is."""

from __future__ import annotations

from typing import TextIO

from archcalc.document.model import Document
from archcalc.document.text import lines

STYLES = {
    "title": "bold",
    "about": "dim",
    "header": "bold cyan",
    "rule": "dim",
    "group": "bold",
    "note": "dim",
    "bar": "cyan",
    "good": "green",
    "bad": "bold red",
    "row hidden": "dim",
    "row sums": "bold",
    "row good": "green",
    "row bad": "red",
    "row changed": "yellow",
    "row dim": "dim",
}
"""The look of each part. rich leaves colours out where NO_COLOR or TERM=dumb ask it."""


def show(document: Document, stream: TextIO) -> None:
    """Print a document on a terminal, as wide as that is."""
    from shutil import get_terminal_size

    from rich.console import Console
    from rich.text import Text

    # rich takes every dumb terminal for one of 80 columns unless it is told both sizes.
    width, height = get_terminal_size()
    console = Console(file=stream, highlight=False, width=width, height=height)
    for line in lines(document, width, narrow=True):
        text = Text(line.text, style=STYLES.get(line.part.removesuffix(" +"), ""))
        for start, end, look in line.spans:
            text.stylize(STYLES.get(look, ""), start, end)
        # Lines fit, or can't: wrapping them would break numbers.
        console.print(text, soft_wrap=True)
