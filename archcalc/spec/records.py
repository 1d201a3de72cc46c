"""What others print of networks, apart from the networks: ``records/NAME`` beside a spec ``NAME``.

A reader with a paper looks for the network, a reviewer of a record for what was printed, and where.
So a spec holds what is said of it in itself or in a file of its own, which is read only when it is
asked for: a table needs none of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path as File

from pydantic import ValidationError

from archcalc.errors import Problem, SpecError, did_you_mean
from archcalc.spec import text
from archcalc.spec.documented import Budget, Documented, Fact, Recorded, strangers
from archcalc.spec.model import Spec
from archcalc.spec.problems import problems_of
from archcalc.spec.scope import Path
from archcalc.spec.tree import Document

FOLDER = "records"
"""The folder, beside specs, of what is recorded of them."""


@dataclass(frozen=True)
class Records:
    """What is said of a family's networks, and the document in which each kind of it stands."""

    documented: tuple[Documented, ...]
    facts: tuple[Fact, ...]
    budget: tuple[Budget, ...]
    spec: Document
    apart: Document | None = field(default=None)

    def problem(self, at: Path, message: str, hint: str = "") -> Problem:
        """A problem at a place such as ``("documented", 3)``, in the file in which that stands."""
        apart = self.apart is not None and bool(at) and at[0] in self.apart.data
        document = self.apart if apart and self.apart else self.spec
        return document.problem(at, message, hint)


def file_of(spec: str | File) -> File | None:
    """The file of what is recorded of a spec's networks; None if there is none."""
    path = File(spec)
    found = path.parent / FOLDER / path.name
    return found if found.is_file() else None


def spec_of(records: str | File) -> File | None:
    """The spec that a file of records is about; None for any other file."""
    path = File(records)
    found = path.parent.parent / path.name
    return found if path.parent.name == FOLDER and found.is_file() else None


def records(spec: Spec) -> Records:
    """What is printed of a spec's networks, in the spec and beside it.

    Raises :class:`SpecError` with every problem of the file beside it.
    """
    own = Records(tuple(spec.documented), tuple(spec.facts), tuple(spec.budget), spec.document)
    try:
        path = file_of(spec.document.file)
        stat = path.stat() if path else None
    except (OSError, ValueError):  # what is no file has no folder
        return own
    if path is None or stat is None:
        return own
    document, stated = _read(str(path), stat.st_mtime_ns, stat.st_size)
    problems = list(_problems(spec, document, stated))
    if problems:
        raise SpecError(problems)
    return Records(
        own.documented or tuple(stated.documented),
        own.facts or tuple(stated.facts),
        own.budget,
        spec.document,
        document,
    )


@lru_cache(maxsize=64)
def _read(path: str, changed: int, size: int) -> tuple[Document, Recorded]:
    """A file of records. When it changed, and its size, say whether it has to be read again."""
    document = text.read(path)
    try:
        return document, Recorded.model_validate(document.data)
    except ValidationError as error:
        raise SpecError(problems_of(document, error, Recorded)) from None


def _problems(spec: Spec, document: Document, stated: Recorded) -> Iterator[Problem]:
    for key in document.data:
        if key in spec.document.data:
            message = f"'{key}' stands in {File(spec.document.file).name}, too: one has to hold all"
            yield document.problem((key,), message, key=True)
    for at, variant in strangers(stated, spec.variants):
        hint = did_you_mean(variant, spec.variants)
        yield document.problem(at, f"no variant '{variant}'", hint)
