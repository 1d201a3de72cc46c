"""Patterns of modules that a user adds: what layers the rows of one's own notation stand for.

A file says, for each notation, what its rows are called, which columns hold which widths, and the
convolutions in terms of those::

    bottleneck:
      rows: bottleneck
      columns: {t: t, c: c, n: n}
      layers:
        - [1, in, t*in]
        - [3, t*in, t*in, t*in]
        - [1, t*in, c]
      out: [c]
      times: n

A layer is the side of its kernel, channels in, channels out and, where there are some, groups: each
a number, a width, ``in`` (what the row takes), or a product of those. ``out`` adds up to what the
row gives; ``times`` is the width that says how often it is repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from archcalc.claims.tables.modules import Conv, Pattern
from archcalc.errors import Problem, SpecError, did_you_mean
from archcalc.spec.text import read
from archcalc.spec.tree import Document

KEYS = ("rows", "columns", "layers", "out", "times")
MOST = 50
"""Notations of a file, and layers of one."""


def read_patterns(path: str | Path) -> tuple[Pattern, ...]:
    """The notations of a file. Raises :class:`SpecError` with the line of what can't be meant."""
    document = read(path)
    problems = list(_problems(document))
    if problems:
        raise SpecError(problems)
    return tuple(_pattern(name, said) for name, said in document.data.items())


def _pattern(name: str, said: Mapping[str, Any]) -> Pattern:
    heads = {str(width): str(head) for width, head in said["columns"].items()}
    layers = tuple(Conv(*layer) for layer in said["layers"])
    words = "|".join(re.escape(word.strip()) for word in str(said.get("rows", name)).split("|"))
    out = tuple(said["out"])
    return Pattern(name, tuple(heads), layers, out, heads, words, str(said.get("times", "")))


def _problems(document: Document) -> Iterator[Problem]:
    """Everything that is wrong with a file of notations."""
    problem, value = document.problem, document.data
    if not value or len(value) > MOST:
        yield problem((), f"should be notations by their names, {MOST} at most")
        return
    for name, said in value.items():
        if not isinstance(said, dict):
            yield problem((name,), "should say its columns, layers and out")
            continue
        for key in said.keys() - set(KEYS):
            yield problem((name, key), f"unknown key '{key}'", did_you_mean(str(key), KEYS))
        for key in ("columns", "layers", "out"):
            if key not in said:
                yield problem((name,), f"lacks '{key}'")
        columns = said.get("columns")
        if "columns" in said and not (isinstance(columns, dict) and columns):
            yield problem((name, "columns"), "should be headers by their widths: {c: channels}")
        known = {"in", *map(str, columns)} if isinstance(columns, dict) else {"in"}
        layers = said.get("layers")
        if "layers" in said and not (isinstance(layers, list) and 0 < len(layers) <= MOST):
            yield problem((name, "layers"), f"should be a list of layers, {MOST} at most")
            layers = []
        for k, layer in enumerate(layers or []):
            if not isinstance(layer, list) or len(layer) not in (3, 4):
                hint = "such as [3, in, c]"
                yield problem((name, "layers", k), "should be kernel, channels in and out", hint)
                continue
            yield from (
                problem((name, "layers", k, at), f"'{each}' is no number and no width")
                for at, each in enumerate(layer)
                if not _fits(each, known if at else set())
            )
        out = said.get("out")
        if "out" in said and not (isinstance(out, list) and all(_fits(o, known) for o in out)):
            yield problem((name, "out"), "should be a list of widths that add up")
        if "times" in said and str(said["times"]) not in known - {"in"}:
            yield problem((name, "times"), "should be one of its widths")
        if "rows" in said and not _words(said["rows"]):
            yield problem((name, "rows"), "should be words that its rows are called by")


def _fits(value: object, known: set[str]) -> bool:
    """Whether a number or a product of widths stands there."""
    if isinstance(value, int) and not isinstance(value, bool):
        return 0 < value < 10**6
    return isinstance(value, str) and all(
        part.strip() in known or re.fullmatch(r"\d{1,6}", part.strip()) for part in value.split("*")
    )


def _words(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[\w #|./-]{1,200}", value))
