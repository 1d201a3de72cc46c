"""What completes the words of a command line, on which a network may stand already."""

import os
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any, TypeAlias

Completion: TypeAlias = Callable[[str], list[str]]
"""The words that begin as an incomplete one does."""


def line() -> list[str]:
    """The words on the command line that a shell wants completed; none where it runs."""
    for name in ("COMP_WORDS", "_TYPER_COMPLETE_ARGS"):
        if name in os.environ and "_ARCHCALC_COMPLETE" in os.environ:
            return os.environ[name].split()
    return []


def networks(incomplete: str) -> list[str]:
    """Names of networks, and files, that begin like this: read from the specs as plain text."""
    from glob import escape, glob

    from archcalc.spec.shelf import words as names

    ends = ("yaml", "yml", "json")
    files = [path for end in ends for path in glob(f"{escape(incomplete)}*.{end}")]
    return [name for name in (*sorted(names()), *sorted(files)) if name.startswith(incomplete)]


def machines(incomplete: str) -> list[str]:
    """Names of machines that begin like this."""
    from archcalc.spec.shelf import MACHINES, folder

    names = ["here", *sorted(path.stem for path in (folder() / MACHINES).glob("*.yaml"))]
    return [name for name in names if name.startswith(incomplete)]


def words(*known: str) -> Completion:
    """Completes one of some words."""
    return lambda incomplete: [word for word in known if word.startswith(incomplete)]


def known(*homes: str) -> Completion:
    """Completes one of the words that stand elsewhere, ``module:NAME``, or are given here."""

    def complete(incomplete: str) -> list[str]:
        found: list[str] = []
        for home in homes:
            module, colon, name = home.partition(":")
            found += getattr(import_module(f"archcalc.{module}"), name) if colon else [home]
        return [word for word in dict.fromkeys(found) if word.startswith(incomplete)]

    return complete


def several(complete: Completion) -> Completion:
    """Completes the last of some words with commas between them."""

    def last(incomplete: str) -> list[str]:
        before, comma, word = incomplete.rpartition(",")
        return [f"{before}{comma}{found}" for found in complete(word)]

    return last


def variables(*more: str, end: str = "") -> Completion:
    """Completes a variable of the network on the line, or one that any has, with an ``end``."""

    def complete(incomplete: str) -> list[str]:
        found = dict.fromkeys([*_settings(_document()), *more])
        return [f"{name}{end}" for name in found if name.startswith(incomplete)]

    return complete


def layers(incomplete: str) -> list[str]:
    """Layers and blocks of the network on the line that begin like this, each part by its own."""
    from archcalc.errors import ArchcalcError
    from archcalc.frontends.network import expand

    network = _network()
    try:
        names = [node.name for node in expand(network).nodes] if network else []
    except (ArchcalcError, OSError):  # whoever runs it is told
        return []
    depth = incomplete.count(".") + 1
    parts = (".".join(name.split(".")[:depth]) for name in names if name.startswith(incomplete))
    return list(dict.fromkeys(parts))


def _network() -> str | None:
    """The first word after the command that is a network."""
    from archcalc.spec.shelf import find

    for word in line()[2:]:
        name = word.partition("::")[0]
        if not word.startswith("-") and (os.path.isfile(name) or find(name) is not None):
            return word
    return None


def _document() -> Any:
    """The text of the network on the line as data; None where there is none to be read."""
    from archcalc.errors import ArchcalcError
    from archcalc.spec.shelf import find
    from archcalc.spec.text import read

    network = _network()
    name = (network or "").partition("::")[0]
    try:
        return read(find(name) or name).data if network else None
    except (ArchcalcError, OSError):
        return None


def _settings(data: Any) -> Iterator[str]:
    variables_: Iterable[Any] = (data or {}).get("vars") or {}
    yield from (str(name) for name in variables_)
