"""Where specs come from: the networks that are shipped, files, standard input, and mappings."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from os.path import isdir
from pathlib import Path as File
from typing import Any, NamedTuple

from pydantic import ValidationError

from archcalc.errors import Problem, SpecError, did_you_mean
from archcalc.spec import text
from archcalc.spec.budget import MOST_STEPS, VARIANT, WRITTEN
from archcalc.spec.check import check
from archcalc.spec.documented import Recorded
from archcalc.spec.expand import attempt
from archcalc.spec.fields import LAYER
from archcalc.spec.model import Spec
from archcalc.spec.problems import field_problems, problems_of
from archcalc.spec.question import Question
from archcalc.spec.records import records, spec_of
from archcalc.spec.scope import Path
from archcalc.spec.shelf import documenting as documenting
from archcalc.spec.shelf import examples as examples
from archcalc.spec.shelf import families as families
from archcalc.spec.shelf import find as find
from archcalc.spec.shelf import folder as folder
from archcalc.spec.shelf import spaces as spaces
from archcalc.spec.shelf import words as words
from archcalc.spec.shelf import words_of as words_of
from archcalc.spec.space import Apart, amiss, is_apart
from archcalc.spec.sugar import written_out
from archcalc.spec.tree import Document

Source = str | File | Mapping[str, Any]
"""A zoo name, a file's path (``FILE::VARIANT`` for one of its variants), ``-``, or the data.

A file of records stands for the spec that they are about.
"""


def named(source: str, keys: Collection[str] = ("layers",)) -> list[str]:
    """What a word of the command line names: a network, or all spec files of a folder, by name.

    Of the YAML and JSON files of a folder, and of those inside it, those with one of the keys are
    meant: specs have layers.
    Raises :class:`SpecError` for a folder without any.
    """
    # A network is meant where a folder has its name.
    if not isdir(source) or not (_is_path(source) or find(source) is None):
        return [source]
    return _within(source, keys)


def files(source: str) -> list[str]:
    """A file, or all files of specs and of records in a folder, by name.

    Raises :class:`SpecError` for a folder without any.
    """
    return _within(source, ["layers", *Recorded.model_fields]) if isdir(source) else [source]


def _within(folder: str, keys: Collection[str]) -> list[str]:
    ends = ("yaml", "yml", "json")
    paths = sorted(file for end in ends for file in File(folder).rglob(f"*.{end}"))
    found = [str(file) for file in paths if _has(file, keys)]
    if not found:
        raise SpecError([Problem(folder, 0, 0, (), "is a folder without a spec")])
    return found


def _has(path: File, keys: Collection[str]) -> bool:
    """Whether one of the keys is among those of a file."""
    if not path.is_file() or any(part.startswith(".") for part in path.parts[1:]):
        return False
    try:
        content = path.read_bytes()
        if not any(key.encode() in content for key in keys):
            return False
        data = text.read(path).data
        return any(key in data for key in keys)
    except (OSError, SpecError):
        return True  # what is wrong with it, reading it once more says


def shipped() -> Iterator[Spec]:
    """The shipped families in order. Raises :class:`SpecError` at one that is malformed."""
    yield from map(family, families())


def family(path: File) -> Spec:
    """The family in a shipped file. Raises :class:`SpecError` where it is malformed."""
    try:
        return Spec.of(text.read(path))
    except ValidationError:
        return load(path)  # which says what is wrong, and where


def names() -> Iterator[str]:
    """The names of all shipped networks, family by family; a family without variants is one."""
    for spec in shipped():
        yield from spec.variants or [spec.name]


def load(source: Source, *, allow_unknown: bool = False) -> Spec:
    """The spec of a network: from the zoo by name, from a file, from ``-``, or from a mapping.

    A string that names an existing file, has a path separator or ends in ``.yaml``, ``.yml`` or
    ``.json`` is a path; ``FILE::VARIANT`` chooses a variant of a file. With ``allow_unknown`` a
    layer may have an operator that is not known if it declares its output's ``shape``; what works
    with the spec has to be told so again.
    Raises :class:`SpecError` with every problem found, at its place in the file, and
    :class:`TypeError` for what is none of these.
    """
    document, variant = _document(source)
    if is_apart(document.data):
        found, problems = _spaced(document, variant, allow_unknown)
        if found is None:
            raise SpecError(problems)
        return found
    reading = _read(document, allow_unknown)
    if reading.problems or reading.spec is None:
        raise SpecError(_problems(reading, variant, allow_unknown))
    spec = reading.spec
    if variant is None:
        return spec.choose(spec.name) if spec.name in spec.variants else spec
    _require_variant(spec, variant)
    return spec.choose(variant)


def parse(content: str, file: str, variant: str | None = None) -> Spec:
    """The spec in a text, with a variant chosen: the one named, else the one that has the family's
    name, else the first. ``file`` is the text's name in messages.

    Only the chosen variant is looked at. Raises :class:`SpecError` with every problem found.
    """
    reading = _read(text.parse(content, file))
    variants = reading.spec.variants if reading.spec is not None else {}
    if variant is None and reading.spec is not None and variants:
        variant = reading.spec.name if reading.spec.name in variants else next(iter(variants))
    problems = _problems(reading, variant)
    if problems or reading.spec is None:
        raise SpecError(problems)
    return reading.spec if variant is None else reading.spec.choose(variant)


def validate(source: Source | Spec) -> list[Problem]:
    """Everything wrong with a spec: :func:`archcalc.validate`."""
    return look_through(source)[0]


def look_through(source: Source | Spec) -> tuple[list[Problem], int]:
    """What :func:`validate` finds, and how many variants it looked at where none was chosen."""
    try:
        document, variant = _document(source)
        if is_apart(document.data):
            return _spaced(document, variant)[1], 0
        reading = _read(document)
        found = _problems(reading, variant)
    except SpecError as error:
        return list(error.problems), 0
    if reading.spec is None:
        return found, 0
    try:
        records(reading.spec)
    except SpecError as error:
        found += error.problems
    return found, 0 if variant else len(reading.spec.variants)


def _spaced(
    document: Document, variant: str | None, allow_unknown: bool = False
) -> tuple[Spec | None, list[Problem]]:
    """The network that a space in a file of its own is of, with that space; or what is wrong."""
    named = document.data["network"]
    folder_ = File(document.file).parent
    if not isinstance(named, str) or named == "-" or ".." in File(named).parts or named[:1] in "/~":
        hint = "a network of the zoo, or a file beside this one or in a folder there"
        message = f"should be the name of a network or of a file, not {named!r:.60}"
        return None, [document.problem(("network",), message, hint)]
    file = named.partition("::")[0]
    try:
        beside = file.endswith((".yaml", ".yml", ".json")) or (folder_ / file).is_file()
        source = str(folder_ / named) if beside and find(file) is None else named
        spec = load(source, allow_unknown=allow_unknown)
        if variant is not None:
            _require_variant(spec, variant)
            spec = spec.choose(variant)
    except SpecError as error:
        first = error.problems[0]
        if first.line:
            return None, list(error.problems)
        return None, [document.problem(("network",), first.message, first.hint)]
    try:
        apart = Apart.model_validate(document.data)
    except ValidationError as error:
        return None, problems_of(document, error, Apart)
    problems = [
        document.problem(("space", *wrong.at), wrong.message, wrong.hint, key=wrong.key)
        for _, wrong in amiss(apart.space, spec.vars, spec.inputs)
    ]
    titled = apart.space.model_copy(update={"title": apart.title or apart.space.title})
    return (None if problems else spec.spaced(titled, document)), problems


class _Reading(NamedTuple):
    """What could be made of a document: a spec to go on with, and what is wrong so far."""

    spec: Spec | None
    problems: list[Problem]
    places: list[Path]
    """Where something is wrong, not to be looked at again."""


def _read(document: Document, allow_unknown: bool = False) -> _Reading:
    if "network" in document.data and "layers" not in document.data:
        said = "says what must hold of a network that stands elsewhere, and is none itself"
        problem = document.problem(("network",), said, "'archcalc check' reads it", key=True)
        return _Reading(None, [problem], [])
    document = written_out(document)
    try:
        spec = Spec.of(document)
    except ValidationError as error:
        reading = _without(document, error)
    else:
        reading = _Reading(spec, [], [])
    if reading.spec is not None:
        spoiled = set(reading.places)
        broken = {str(at[1]) if len(at) > 1 else "*" for at in spoiled if at[0] == "blocks"}
        for place, problem in check(reading.spec, allow_unknown, broken):
            if not any(place[:k] in spoiled for k in range(1, len(place) + 1)):
                reading.problems.append(problem)
                reading.places.append(place)
    return reading


def _without(document: Document, error: ValidationError) -> _Reading:
    """The problems of a document that is no spec, and the spec that is left without their places.

    A layer is replaced by one that does nothing, and known to be unknown; any other key is left
    out where a spec can be without it. So the rest of the file is looked at in the same go.
    """
    from copy import deepcopy

    problems: list[Problem] = []
    places: dict[Path, None] = {}

    data = deepcopy(document.data)
    for wrong in field_problems(error, Spec):
        at = wrong.at
        while at and document.written(at) not in document.marks:
            at = at[:-1]  # pydantic names the kind it tried, where several are possible
        in_layers = (k for k in (2, 4) if len(at) >= k and at[k - 2] == "layers")
        steps = next(in_layers, 1)
        if steps == 1 and at[:1] == ("blocks",):
            steps = min(len(at), 2)
        by_key = wrong.key or len(at) == steps > 1
        problems.append(document.problem(wrong.at, wrong.message, wrong.hint, by_key))
        place = at[:steps]
        if not place or any(place[:k] in places for k in range(1, len(place) + 1)):
            continue
        places[place] = None
        around: Any = data
        for key in place[:-1]:
            around = around[key]
        if place[-2:-1] != ("layers",) or not re.fullmatch(LAYER, str(place[-1])):
            around.pop(place[-1], None)
        else:
            around[place[-1]] = {"op": "Identity"}
    try:
        return _Reading(Spec.of(replace(document, data=data)), problems, list(places))
    except ValidationError:
        return _Reading(None, problems, list(places))


def _problems(reading: _Reading, variant: str | None, allow_unknown: bool = False) -> list[Problem]:
    """The problems of a reading and those of expanding it, one for each place in the file."""
    spec, problems, places = reading
    found = {(problem.line, problem.column, problem.message): problem for problem in problems}
    broken = {place[1] for place in places if place[0] == "variants" and len(place) > 1}
    if spec is not None and not any(
        place[0] in ("vars", "input", "blocks") and len(place) < 4 for place in places
    ):
        if variant is not None:
            _require_variant(spec, variant)
        names = [variant] if variant else [name for name in spec.variants if name not in broken]
        taken = {(problem.line, problem.column) for problem in problems}
        known, question = frozenset(places), Question(allow_unknown=allow_unknown)
        steps = written = WRITTEN * len(spec.document.marks)
        for candidate in map(spec.choose, names) if spec.variants else [spec]:
            tried = attempt(candidate, question, known)
            steps += max(tried.steps - written, 0) + VARIANT
            for problem in tried.problems:
                # One place that is wrong in ten variants is one problem.
                if (problem.line, problem.column) not in taken:
                    taken.add((problem.line, problem.column))
                    note = f"in the variant '{candidate.variant}'" if candidate.variant else ""
                    hint = "\n".join(filter(None, (problem.hint, note)))
                    found[problem.line, problem.column, problem.message] = replace(
                        problem, hint=hint
                    )
            if steps > MOST_STEPS and len(names) > 1:
                message = f"the variants together take more than {MOST_STEPS:,} steps to expand"
                hint = f"look at one at a time, {spec.document.file}::{candidate.variant}"
                problem = spec.document.problem(("variants",), message, hint, key=True)
                found[problem.line, problem.column, problem.message] = problem
                break
    return sorted(found.values())


def _require_variant(spec: Spec, variant: str) -> None:
    if variant not in spec.variants:
        many = f"it has {len(spec.variants)}, such as {next(iter(spec.variants), '')}"
        hint = did_you_mean(variant, spec.variants) or many
        if not spec.variants:
            hint = "the spec has no variants"
        raise SpecError([spec.document.problem(("variants",), f"no variant '{variant}'", hint)])


def _document(source: Source | Spec) -> tuple[Document, str | None]:
    if isinstance(source, Spec):
        return source.document, source.variant
    if isinstance(source, Mapping):
        return text.parse(_written(source), "<mapping>"), None
    if isinstance(source, File):
        return text.read(spec_of(source) or source), None
    if not isinstance(source, str):
        raise TypeError(
            "a network is the name of one of the zoo, a file, a mapping that is a spec, a Spec, a "
            f"Graph or an Analysis, not {type(source).__name__}"
        )
    name, _, variant = source.partition("::")
    if name == "-" or _is_path(name):
        written = spec_of(name)
        hint = "" if written else _from_pytorch(name)
        if hint:
            raise SpecError([Problem(name, 0, 0, (), "is no spec", hint)])
        return text.read(written or name), variant or None
    path = find(name)
    if path is None and isdir(name):
        return text.read(name), None  # which says that it is one
    if path is None:
        hint = _from_pytorch(name) or did_you_mean(name, words()) or "'archcalc list' lists them"
        raise SpecError(
            [Problem(name, 0, 0, (), "no network of this name, and no such file", hint)]
        )
    return text.read(path), name if name != path.stem else None


def _from_pytorch(name: str) -> str:
    """How a network gets in that a file of PyTorch has, or ``""``."""
    end = File(name).suffix.removeprefix(".")
    if end == "py":
        return f"of a PyTorch module write 'torch:{name}:FACTORY@3x224x224', which runs its code"
    if end in ("pt", "pth", "ckpt", "bin", "safetensors"):
        return (
            "weights don't say how they are wired: write 'torch:FILE.py:FACTORY@3x224x224' for the "
            "code that makes the module, or take an .onnx file of it"
        )
    if end in ("h5", "hdf5"):
        return "of Keras take a .keras file, or what model.to_json() says"
    return ""


def _written(data: Mapping[str, Any]) -> str:
    """Plain data as text, numpy's numbers and arrays among it. Raises :class:`SpecError`."""
    from json import dumps

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return dict(value)
        if isinstance(value, range):
            return list(value)
        if hasattr(value, "tolist"):
            return value.tolist()
        raise TypeError(f"a {type(value).__name__} is no plain data")

    try:
        return dumps(data, default=plain)
    except TypeError as error:
        said = str(error)
    except (ValueError, RecursionError):
        said = "is nested without end"
    hint = "a spec has mappings with text as keys, lists, texts, numbers, true, false and null"
    raise SpecError([Problem("<mapping>", 0, 0, (), said, hint)])


def _is_path(name: str) -> bool:
    return (
        "/" in name
        or "\\" in name
        or name.endswith((".yaml", ".yml", ".json"))
        or (os.path.exists(name) and not isdir(name))  # a name may be longer than any file's
    )
