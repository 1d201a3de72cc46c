"""A stranger's text, made safe where it leaves: what would be obeyed is shown.

Names, titles and sources are written by whoever wrote a spec or a table. On a terminal control
characters would move the cursor, bidirectional marks reorder what is read, and in the log of a
build some words at the beginning of a line are commands.
"""

from __future__ import annotations

import re
from unicodedata import category, east_asian_width

_SPACES = ("\t", "\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029")


def visible(text: str) -> str:
    """Text on one line, with control characters and bidirectional marks as ``\\x1b``, ``\\u202e``.

    What breaks lines is a blank.
    """
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    return "".join(mark if mark.isprintable() else _shown(mark) for mark in text)


def _shown(mark: str) -> str:
    if mark in _SPACES:
        return " "
    return mark if category(mark) == "Zs" else mark.encode("unicode_escape").decode("ascii")


def harmless(text: str) -> str:
    """A line that no log of a build takes for a command: ``::stop-commands::``, ``##[error]``.

    GitHub's runners obey the one at the beginning of a line, the other anywhere in it.
    """
    if "##[" in text:
        text = text.replace("##[", r"#\x23[")
    if "::" in text and text.lstrip().startswith("::"):
        text = text.replace("::", r"\x3a:", 1)
    return text


def safe(text: str) -> str:
    """Several lines, each of them visible and harmless."""
    return "\n".join(harmless(visible(line)) for line in text.split("\n"))


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: wide characters take two."""
    if text.isascii():
        return len(text)
    return sum(
        0 if category(c) in ("Mn", "Me") else 2 if east_asian_width(c) in "WF" else 1 for c in text
    )


_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?\d[\d,.]*(?:e[+-]?\d+)?\s?%?", re.ASCII)


def inert(cell: str) -> str:
    """A cell of a spreadsheet that is no formula: one that would be has an apostrophe in front."""
    text = visible(cell)
    if cell[:1] in _BEGINS and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return harmless(text)
