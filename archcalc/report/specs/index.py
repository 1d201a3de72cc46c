"""The shipped networks with their numbers, as they were when the package was made.

To parse and analyze all of them takes a second. What is listed of a family is kept beside the
specs under a digest of its file's bytes, so it is used for the file that it was made from only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from archcalc.analysis.analyze import analyze
from archcalc.spec.model import Spec
from archcalc.spec.zoo import families, family

NAME = "index.json"


def entries(path: Path) -> list[dict[str, Any]]:
    """What is listed of the networks of a family: from the index, where its file is the same."""
    known = _index(path.parent).get(path.name, {})
    if known.get("digest") == _digest(path):
        return list(known["networks"])
    return list(_made(path))


def text() -> str:
    """The index as it should be, a network on each line."""
    parts = []
    for path in families():
        networks = ",\n".join(f"  {json.dumps(entry)}" for entry in _made(path))
        head = f'{json.dumps(path.name)}: {{"digest": "{_digest(path)}", "networks": ['
        parts.append(f"{head}\n{networks}]}}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def specs(path: Path) -> Iterator[Spec]:
    """The networks of a family."""
    spec = family(path)
    yield from map(spec.choose, spec.variants) if spec.variants else [spec]


@cache
def _index(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / NAME).read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:32]


def _made(path: Path) -> Iterator[dict[str, Any]]:
    return map(_entry, specs(path))


def _entry(spec: Spec) -> dict[str, Any]:
    analysis = analyze(spec)
    return {
        "name": spec.label,
        "family": spec.name,
        "title": spec.title,
        "edition": spec.edition,
        "year": spec.year,
        "feature": spec.feature,
        "input": {name: list(shape) for name, shape in analysis.graph.inputs.items()},
        "params": analysis.params,
        "macs": analysis.macs,
    }
