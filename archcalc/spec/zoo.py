"""Where specs come from: the networks that are shipped, files, standard input, and mappings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archcalc.errors import Problem, SpecError, did_you_mean
from archcalc.spec import text
from archcalc.spec.check import check
from archcalc.spec.expand import attempt
from archcalc.spec.model import Spec
from archcalc.spec.problems import field_problems

Source = str | Path | Mapping[str, Any]
"""A zoo name, a file's path (``FILE::VARIANT`` for one of its variants), ``-``, or the data."""


@cache
def folder() -> Path:
    """The folder of the shipped specs: inside the package when installed, beside it otherwise."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "specs"
    return shipped if shipped.is_dir() else package.parent / "specs"


def families() -> list[Path]:
    """The files of the shipped specs, by name."""
    return sorted(folder().glob("*.yaml"))


def names() -> Iterator[str]:
    """The names of all shipped networks, family by family; a family without variants is one."""
    for path in families():
        spec = _spec(text.read(path))
        yield from spec.variants or [spec.name]


def find(name: str) -> Path | None:
    """The file of the family that has a network of this name; None if there is none."""
    own = folder() / f"{name}.yaml"
    if own.is_file():
        return own
    for path in families():
        # A variant is a key on a line of its own: reading is enough to find it, without parsing.
        if f"\n  {name}:" in path.read_text(encoding="utf-8"):
            spec = _spec(text.read(path))
            if name in spec.variants:
                return path
    return None


def load(source: Source) -> Spec:
    """The spec of a network: from the zoo by name, from a file, from ``-``, or from a mapping.

    A string that names an existing file, has a path separator or ends in ``.yaml``, ``.yml`` or
    ``.json`` is a path; ``FILE::VARIANT`` chooses a variant of a file.
    Raises :class:`SpecError` with every problem found, at its place in the file.
    """
    document, variant = _document(source)
    spec = _spec(document)
    findings = check(spec)
    if findings.problems:
        raise SpecError(_problems(spec))
    if variant is None:
        variant = spec.name if spec.name in spec.variants else None
        return spec.choose(variant) if variant else spec
    if variant not in spec.variants:
        hint = did_you_mean(variant, spec.variants) or "the spec has no variants"
        raise SpecError([document.problem(("variants",), f"no variant '{variant}'", hint)])
    return spec.choose(variant)


def validate(source: Source) -> list[Problem]:
    """Everything wrong with a spec, in file order; empty if nothing is.

    Without a chosen variant all of them are expanded, so that shapes are known to fit in each.
    """
    try:
        document, variant = _document(source)
        spec = _spec(document)
    except SpecError as error:
        return list(error.problems)
    if variant is not None and variant not in spec.variants:
        hint = did_you_mean(variant, spec.variants) or "the spec has no variants"
        return [document.problem(("variants",), f"no variant '{variant}'", hint)]
    return _problems(spec, variant)


def _problems(spec: Spec, variant: str | None = None) -> list[Problem]:
    findings = check(spec)
    if any(place[0] in ("vars", "variants", "input") for place in findings.places):
        return sorted(set(findings.problems))
    found = {(problem.line, problem.column): problem for problem in findings.problems}
    chosen = [variant] if variant else list(spec.variants)
    for candidate in [spec.choose(name) for name in chosen] or [spec]:
        for problem in attempt(candidate, known=findings.places)[1]:
            # One place that is wrong in ten variants is one problem.
            found.setdefault((problem.line, problem.column), problem)
    return sorted(found.values())


def _spec(document: text.Document) -> Spec:
    try:
        return Spec.of(document)
    except ValidationError as error:
        problems = []
        for wrong in field_problems(error, Spec):
            at = wrong.at
            while at and at not in document.marks:
                at = at[:-1]
            problems.append(document.problem(at, wrong.message, wrong.hint))
        raise SpecError(problems) from None


def _document(source: Source) -> tuple[text.Document, str | None]:
    if isinstance(source, Mapping):
        return text.parse(json.dumps(source), "<mapping>"), None
    if isinstance(source, Path):
        return text.read(source), None
    name, _, variant = source.partition("::")
    if name == "-" or _is_path(name):
        return text.read(name), variant or None
    path = find(name)
    if path is None:
        hint = did_you_mean(name, names()) or "'archcalc list' lists them"
        raise SpecError(
            [Problem(name, 0, 0, (), "no network of this name, and no such file", hint)]
        )
    return text.read(path), name if name != path.stem else None


def _is_path(name: str) -> bool:
    return (
        "/" in name
        or "\\" in name
        or name.endswith((".yaml", ".yml", ".json"))
        or Path(name).is_file()
    )
