"""Where the shipped specs lie and what is in them by name: found as text, before any is read.

A word that a shell completes needs no more, and must not wait for more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path as File

MACHINES = "machines"
"""The folder, beside the specs, of the machines that are shipped."""


@cache
def folder() -> File:
    """The folder of the shipped specs: inside the package when installed, beside it otherwise."""
    package = File(__file__).resolve().parent.parent
    shipped = package / "specs"
    return shipped if shipped.is_dir() else package.parent / "specs"


def families() -> list[File]:
    """The files of the shipped specs, by name."""
    return sorted(folder().glob("*.yaml"))


def examples() -> list[File]:
    """The files of small specs that document what is no network, by name; they are not listed."""
    return sorted((folder() / "examples").glob("*.yaml"))


def spaces() -> list[File]:
    """The files of shipped design spaces, by name; they are found by name, and not listed."""
    return sorted((folder() / "spaces").glob("*.yaml"))


def documenting() -> list[File]:
    """All shipped files with numbers of their own: spaces of networks that stand elsewhere have
    none.
    """
    own = [path for path in spaces() if not _ELSEWHERE.search(path.read_text(encoding="utf-8"))]
    return [*families(), *examples(), *own]


_ELSEWHERE = re.compile(r"^network:", re.MULTILINE)
_VARIANTS = re.compile(r"^variants:.*\n((?:[ #].*\n|\n)+)", re.MULTILINE)
_KEY = re.compile(r"^  (\w[\w-]*):", re.MULTILINE)


def words() -> Iterator[str]:
    """What looks like the name of a shipped network: enough for a hint, without any parsing."""
    for path in families():
        yield from words_of(path)


def words_of(path: File) -> list[str]:
    """The same of one shipped file."""
    found = _VARIANTS.search(path.read_text(encoding="utf-8"))
    return (found and _KEY.findall(found[1])) or [path.stem]


_NAME = re.compile(r"\w[\w.-]*", re.ASCII)


def find(name: str) -> File | None:
    """The file of the family that has a network of this name; None if there is none.

    What is a way through folders is no name, so that nothing outside the zoo is found.
    """
    if not _NAME.fullmatch(name):
        return None
    for own in (folder() / f"{name}.yaml", folder() / "spaces" / f"{name}.yaml"):
        if os.path.isfile(own):
            return own
    for path in (*families(), *spaces()):
        if name in words_of(path):
            return path
    return None
