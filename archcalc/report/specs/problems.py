"""The outcome of validating files, for people, for CI and for programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

from archcalc.document.data import versioned
from archcalc.document.model import many
from archcalc.document.safe import harmless, visible
from archcalc.errors import Problem

FORMATS = ("text", "github", "json")
"""The forms the outcome takes; ``github`` marks the places in a pull request."""


class Outcome(NamedTuple):
    """What validating one file or network found."""

    source: str
    """As it was named."""
    variants: int
    problems: tuple[Problem, ...]

    @property
    def verdict(self) -> str:
        """``resnet.yaml: ok (14 variants)``; of a file with problems, how many there are."""
        if self.problems:
            return f"{self.source}: {many(len(self.problems), 'problem')}"
        found = f" ({many(self.variants, 'variant')})"
        return f"{self.source}: ok{found if self.variants else ''}"


def annotation(problem: Problem) -> str:
    """A problem as a command of GitHub Actions, which shows it at its line.

    Escapes as documented for workflow commands: ``%``, carriage return and line feed everywhere,
    ``:`` and ``,`` in properties too.
    """
    properties = {"file": problem.file}
    if problem.line:
        properties |= {"line": str(problem.line), "col": str(problem.column)}
    properties["title"] = " > ".join(problem.path) or "archcalc"
    given = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    message = "\n".join(filter(None, [problem.message, problem.hint]))
    return f"::error {given}::{_data(message)}"


def _data(text: str) -> str:
    breaks = {"\r": "%0D", "\n": "%0A"}
    parts = re.split("([\r\n])", harmless(text).replace("%", "%25"))
    return "".join(breaks.get(part) or visible(part) for part in parts)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def as_json(outcomes: Sequence[Outcome]) -> str:
    """All outcomes as JSON: each file, whether it is ok, and its problems with their places."""
    files = [
        {
            "file": outcome.source,
            "ok": not outcome.problems,
            "variants": outcome.variants,
            "problems": list(map(asdict, outcome.problems)),
        }
        for outcome in outcomes
    ]
    ok = not any(outcome.problems for outcome in outcomes)
    return versioned({"ok": ok, "files": files})
