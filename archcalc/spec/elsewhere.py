"""What must hold of a network that stands elsewhere: another program's model, a spec, the zoo's.

A file, or a table of ``pyproject.toml``, names the network and its input and says of it what a spec
says of its own: documented numbers, facts and budgets.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Annotated, Any

from pydantic import BeforeValidator, StringConstraints, ValidationError

from archcalc.errors import Problem, SpecError, did_you_mean
from archcalc.spec import text
from archcalc.spec.documented import Budget, Recorded, strangers
from archcalc.spec.fields import Name
from archcalc.spec.model import Spec
from archcalc.spec.problems import problems_of
from archcalc.spec.records import Records
from archcalc.spec.tree import Document, Place, TreePath

PROJECT = "pyproject.toml"
"""The file of a project in Python, whose table ``tool.archcalc`` is read."""

MOST_LINES = 400
"""Lines of ``tool.archcalc`` whose places are known; what stands below has that of the first."""

_EXTENT = r"[1-9][0-9]{0,12}"

_KEY = re.compile(rb"network[\"']?\s*:")
"""What is in every file that has the key, and in few others."""


def _as_inputs(value: Any) -> dict[str, str]:
    """Shapes by name, as on the command line; the name of one alone is empty."""
    named = value if isinstance(value, dict) else {"": value}
    found = {}
    for name, shape in named.items():
        numbers = isinstance(shape, list) and shape and all(type(size) is int for size in shape)
        text = "x".join(map(str, shape)) if numbers else str(shape)
        if not re.fullmatch(rf"(\w+:)?{_EXTENT}(x{_EXTENT})*|[a-z]+\d*", text):
            said = f" of '{name}'" if name else ""
            meant = f"should be a shape{said} without the batch, 3x224x224"
            raise ValueError(f"{meant}, not {shape!r}")
        found[str(name)] = text
    return found


class Elsewhere(Recorded):
    """What must hold of a network that stands elsewhere."""

    network: Annotated[str, StringConstraints(min_length=1)]
    """The network, as a command takes it; a file is looked for beside this one."""
    name: Name | None = None
    """What it is called here; by default what it calls itself."""
    input: Annotated[dict[str, str], BeforeValidator(_as_inputs)] = {}
    """Its input without the batch, ``3x224x224``; several by name, ``int64:128`` with a dtype."""
    budget: list[Budget] = []
    """What it must not exceed, or not fall short of."""

    @property
    def texts(self) -> list[str]:
        """The input as it is written on the command line: ``3x224x224``, ``ids=int64:128``."""
        return [f"{name}={shape}" if name else shape for name, shape in self.input.items()]

    @property
    def shapes(self) -> dict[str, list[int]]:
        """The input's sizes by name, which is empty for one alone."""
        sizes = {name: shape.rpartition(":")[2] for name, shape in self.input.items()}
        return {k: [int(n) for n in shape.split("x") if n.isdigit()] for k, shape in sizes.items()}


@dataclass(frozen=True)
class Entry:
    """One network that a file says something of."""

    stated: Elsewhere
    document: Document
    """The part of the file that is about it."""

    def records(self, spec: Spec) -> Records:
        """What is said of the network, which was found to be this one.

        Raises :class:`SpecError` for variants that it does not have.
        """
        problems = [
            self.document.problem(
                at, f"no variant '{variant}'", did_you_mean(variant, spec.variants) or "it has none"
            )
            for at, variant in strangers(self.stated, spec.variants)
        ]
        if problems:
            raise SpecError(problems)
        chosen = {"variant": spec.variant} if spec.variant else {}
        listed: dict[str, tuple[Any, ...]] = {
            key: tuple(
                record if record.variant else record.model_copy(update=chosen)
                for record in getattr(self.stated, key)
            )
            for key in ("documented", "facts", "budget")
        }
        return Records(**listed, spec=spec.document, apart=self.document)


def entries(path: str | File) -> list[Entry] | None:
    """The networks elsewhere that a file says something of; None for any other file.

    Raises :class:`SpecError` with everything that is wrong with it, at its place.
    """
    file = File(path)
    if file.name == PROJECT:
        documents = list(_tables(file))
    elif file.suffix in (".yaml", ".yml", ".json") and file.is_file():
        if not _KEY.search(file.read_bytes()):
            return None
        document = text.read(file)
        if "network" not in document.data or {"layers", "space"} & document.data.keys():
            return None
        documents = [document]
    else:
        return None
    found, problems = [], []
    for document in documents:
        try:
            found.append(Entry(Elsewhere.model_validate(document.data), document))
        except ValidationError as error:
            problems += problems_of(document, error, Elsewhere)
    if problems:
        raise SpecError(problems)
    return found


def _tables(file: File) -> Iterator[Document]:
    """Each ``[[tool.archcalc.check]]`` of a project's file. Raises :class:`SpecError`."""
    content, name = text.contents(file)
    try:
        tool = tomllib.loads(content).get("tool", {}).get("archcalc", {})
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        at = re.search(r"at line (\d+), column (\d+)", str(error))
        place = (int(at[1]), int(at[2])) if at else (0, 0)
        said = f"is no TOML: {str(error).partition(' (at ')[0]}"
        raise SpecError([Problem(name, *place, (), said)]) from None
    marks = _places(content)
    whole = Document(name, tool, marks, marks)
    for key in tool:
        if key != "check":
            hint = did_you_mean(key, ["check"])
            raise SpecError([whole.problem((key,), f"unknown key '{key}'", hint)])
    tables = tool.get("check", [])
    if not tables or not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        said = "says of no network what must hold: write [[tool.archcalc.check]]"
        raise SpecError([whole.problem(("check",), said)])
    for number, table in enumerate(tables):
        start = ("check", number)
        inner = {path[2:]: place for path, place in marks.items() if path[:2] == start}
        yield Document(name, table, {(): whole.marks.get(start, marks[()]), **inner}, inner)


def _places(content: str) -> Mapping[TreePath, Place]:
    """Where in a TOML text everything in ``tool.archcalc`` stands, by the way to it.

    tomllib says no places: the text is read again up to each line, and what is new stands there.
    """
    lines: list[tuple[int, str]] = []
    inside = False
    for number, line in enumerate(content.splitlines(), 1):
        if re.match(r"\s*\[\[?\s*[\w\"']", line) and not line.rstrip().endswith((",", "[")):
            inside = bool(re.match(r"\s*\[\[?\s*tool\s*\.\s*archcalc\b", line))
        if inside:
            lines.append((number, line))
    found: dict[TreePath, Place] = {(): (lines[0][0] if lines else 1, 1)}
    so_far = ""
    for number, line in lines[:MOST_LINES]:
        so_far += f"{line}\n"
        for end in ("", "]", "]]"):
            try:
                tree = tomllib.loads(so_far + end)
            except tomllib.TOMLDecodeError:
                continue
            place = (number, 1 + len(line) - len(line.lstrip()))
            for path in _paths(tree.get("tool", {}).get("archcalc", {})):
                found.setdefault(path, place)
            break
    return found


def _paths(value: Any, path: TreePath = ()) -> Iterator[TreePath]:
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _paths(inner, (*path, number))
