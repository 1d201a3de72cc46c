"""A request of the page, in JSON, to its answer, in JSON: the one call that every engine has."""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError

from archcalc.analysis.analyze import answer
from archcalc.analysis.conventions import CONVENTIONS, convention, differences
from archcalc.analysis.counted import Analysis
from archcalc.analysis.diff import diff
from archcalc.analysis.memory import memory
from archcalc.analysis.receptive_field import Field
from archcalc.document import Document
from archcalc.document.data import dumps
from archcalc.document.html import fragment
from archcalc.document.model import Pairs, Table, number
from archcalc.errors import ArchcalcError, Problem, SpecError, did_you_mean
from archcalc.page.request import LARGEST_REQUEST, LARGEST_TAKEN, Asked, Network
from archcalc.report.choice import choose
from archcalc.report.layers.columns import COLUMNS, Column, Frame, columns
from archcalc.report.layers.lines import Line, depth, lines
from archcalc.spec import text, zoo
from archcalc.spec.bits import BYTES
from archcalc.spec.graph import Graph
from archcalc.spec.layer import LAYER_KEYS
from archcalc.spec.machines import Hardware, machines
from archcalc.spec.model import Spec
from archcalc.spec.question import Question

COLUMNS_SHOWN = ("layer", "output", "kernel", "stride", "params", "macs")
"""The columns of the table where none are chosen."""

MOST_ROWS = 3000
"""Of more layers than this the stages alone are shown."""

MOST_DRAWN = {"stage": 20_000, "layer": 4000}
"""A network of more layers is not drawn, with a box for each of what is named."""

TEXT = "spec.yaml"
"""What a text that has no file is called in messages."""

MOST_KEPT = 16
"""Texts that are kept as they were read: an answer is a click, and many are asked of one text."""


def respond(request: str) -> str:
    """The answer to a request (:class:`Asked`).

    An object with ``ok``. If that is false, ``problems`` says what is wrong, each with ``line`` and
    ``column`` (from 1; 0 for the text as a whole), ``message`` and ``hint``. Never raises for what
    a request says.
    """
    try:
        if len(request) > LARGEST_REQUEST:
            raise ArchcalcError("the request is too large")
        asked = Asked.model_validate_json(request)
        return dumps({"ok": True, **_ANSWERS[asked.ask](asked)})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return _refusal([Problem(where, 0, 0, (), f"request: {where}: {first['msg']}")])
    except SpecError as error:
        return _refusal(error.problems)
    except ArchcalcError as error:
        message, _, hint = str(error).partition("\n")
        return _refusal([Problem("", 0, 0, (), message, hint.strip())])
    except (RecursionError, MemoryError):
        return _refusal([Problem("", 0, 0, (), "this is too much to compute here")])


def _refusal(problems: Sequence[Problem]) -> str:
    told = [asdict(problem) for problem in problems]
    for problem in told:
        del problem["file"]  # the text has none
    return dumps({"ok": False, "problems": told})


def source_of(network: Network) -> tuple[str, str | None]:
    """The text of a network, and the variant that is meant.

    Raises :class:`ArchcalcError` for a name that is none of the zoo.
    """
    if network.text is not None:
        return network.text, network.variant
    name = network.name or ""
    file = zoo.find(name)
    if file is None:
        hint = did_you_mean(name, zoo.words())
        raise ArchcalcError(f"no network '{name}'\n{hint}".strip())
    return text.contents(file)[0], network.variant or (name if name != file.stem else None)


@lru_cache(MOST_KEPT)
def _parsed(content: str, variant: str | None) -> Spec:
    return zoo.parse(content, TEXT, variant)


def _spec(network: Network) -> Spec:
    return _parsed(*source_of(network))


def _question(network: Network, spec: Spec, training: bool = False) -> Question:
    given: Any = network.input
    return Question(given, network.batch, network.vars, training).of(spec)


def _networks(asked: Asked) -> dict[str, Any]:
    """The names of the zoo, family by family."""
    families = []
    for path in zoo.families():
        written = path.read_text(encoding="utf-8")
        title = re.search(r"^title: *(.*)$", written, re.MULTILINE)
        year = re.search(r"^year: *(\d+)", written, re.MULTILINE)
        families.append(
            {
                "family": path.stem,
                "title": title[1].strip("\"'") if title else path.stem,
                "year": int(year[1]) if year else None,
                "names": list(zoo.words_of(path)),
            }
        )
    return {
        "families": families,
        "columns": [[column.name, column.header] for column in COLUMNS.values()],
        "shown": list(COLUMNS_SHOWN),
        "conventions": [[each.name, each.about] for each in CONVENTIONS.values()],
        "dtypes": list(BYTES),
        "machines": [[name, machine.title] for name, machine in _machines().items()],
    }


def _words(asked: Asked) -> dict[str, Any]:
    """What a spec is written with, for completion: operators, their fields, keys of a layer."""
    from archcalc.operators.describe import ops

    told = {}
    for each in ops():
        found = ops(each.name)
        fields = [[field.name, field.doc] for field in found.fields]
        told[each.name] = {"about": each.summary, "fields": fields}
    return {"operators": told, "layer": sorted(LAYER_KEYS), "spec": list(Spec.model_fields)}


def _analyze(asked: Asked) -> dict[str, Any]:
    """All that the page shows of a network at once."""
    content, variant = source_of(asked)
    spec = _parsed(content, variant)
    question = _question(asked, spec, asked.training)
    analysis = answer(spec, question)
    graph = analysis.graph
    counted = convention(asked.convention)
    totals = {
        "params": number(analysis.params),
        "buffers": number(analysis.buffers),
        counted.header if counted.name != "macs" else "MACs": number(counted.total(analysis)),
        "FLOPs": number(analysis.work.flops),
        "activations": number(analysis.activations),
        "depth": number(depth(analysis.rows)),
    }
    return {
        "text": content,
        "network": {
            "name": graph.name,
            "family": spec.name,
            "variant": spec.variant,
            "title": " ".join(spec.title.split()),
            "edition": " ".join(spec.edition.split()),
            "year": spec.year,
            "source": list(spec.source),
        },
        "variants": list(spec.variants),
        "vars": {name: _plain(asked.vars.get(name, value)) for name, value in spec.vars.items()},
        "inputs": {name: list(shape[1:]) for name, shape in graph.inputs.items()},
        "totals": totals,
        "table": _table(analysis, asked),
        "conventions": list(_conventions(analysis)),
        "fields": dict(_fields(analysis)),
        "memory": _memory(graph, asked),
        "places": _places(spec),
        "diagram": _diagram(analysis, spec, asked.diagram),
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str, list, type(None))) else str(value)


def _table(analysis: Analysis, asked: Asked) -> dict[str, Any]:
    """Stages that open to layers. A cell is text as people read it."""
    counted = convention(asked.convention)
    chosen = columns(asked.columns or COLUMNS_SHOWN, counted)
    frame = Frame(analysis, counted.within(analysis), asked.dtype, False, True)
    stages, hidden = lines(analysis, "stage")
    inner: dict[str, list[Line]] = {}
    if len(analysis.rows) <= MOST_ROWS:
        for line in lines(analysis, "all")[0]:
            inner.setdefault(line.stage, []).append(line)
    rows = []
    for line in stages:
        within = inner.get(line.name, []) if line.row is None else []
        told = _told(line, chosen, frame)
        if within:
            told["layers"] = [_told(each, chosen, frame) for each in within]
        rows.append(told)
    sums = [number(c.cell(analysis.rows, frame)) if c.value is not None else "" for c in chosen]
    return {
        "columns": [{"name": c.name, "header": c.header, "right": c.right} for c in chosen],
        "rows": rows,
        "sums": sums,
        "hidden": [row.name for row in hidden],
        "whole": len(analysis.rows) <= MOST_ROWS,
    }


def _told(line: Line, chosen: Sequence[Column], frame: Frame) -> dict[str, Any]:
    cells = [
        number(column.text(line, frame) if column.text else column.cell(line.rows, frame))
        for column in chosen
    ]
    return {"name": line.name, "cells": cells}


def _conventions(analysis: Analysis) -> Iterator[dict[str, Any]]:
    """One network under every convention, and what each leaves out."""
    for each in differences(analysis):
        yield {
            "name": each.convention.name,
            "header": each.convention.header,
            "about": each.convention.about,
            "tool": each.convention.tool,
            "number": None if each.number is None else number(each.number),
            "blind": list(each.blind),
            "failure": each.failure,
        }


def _fields(analysis: Analysis) -> Iterator[tuple[str, Any]]:
    """What the first position and the middle one of each layer see of the input, axis by axis."""

    def axis(field: Field) -> dict[str, Any]:
        start, end = field.at(field.positions // 2)
        return {
            "size": field.size,
            "stride": field.stride,
            "start": field.start,
            "middle": [start, end],
            "extent": field.extent,
            "whole": field.whole,
        }

    for name, found in analysis.receptive_fields.items():
        if found is not None:
            yield name, [axis(field) for field in found]


def _memory(graph: Graph, asked: Asked) -> dict[str, Any] | None:
    """Bytes by what they are for, and what is there while each layer runs."""
    dtype = choose("dtype", asked.dtype, BYTES)
    try:
        found = memory(graph, dtype, asked.training)
    except ArchcalcError:
        return None
    moments = [[m.layer, m.activations + m.gradients, m.backward] for m in found.moments]
    if len(moments) > MOST_ROWS:
        moments = []
    return {
        "parts": {name: size for name, size in found.parts.items() if size},
        "most": found.most,
        "peak": found.peak,
        "moments": moments,
    }


def _places(spec: Spec) -> dict[str, int]:
    """Outermost layer -> its line in the text."""
    keys = spec.document.keys
    places = {}
    for name in spec.layers:
        written = spec.document.written(("layers", name))
        line = keys.get(written) or spec.document.marks.get(written)
        if line is not None:
            places[name] = line[0]
    return places


def _diagram(analysis: Analysis, spec: Spec, detail: str) -> str:
    from archcalc.report.diagrams.diagram import linked

    few = len(analysis.rows) <= MOST_DRAWN[detail]
    return linked(analysis.graph, detail, spec) if few else ""


def _explain(asked: Asked) -> dict[str, Any]:
    """Why a layer's numbers are what they are, as a part of a page."""
    from archcalc.report.reasons.explain import document

    spec = _spec(asked)
    analysis = answer(spec, _question(asked, spec))
    told = document(analysis, asked.layer, asked.convention)
    if asked.layer is None:  # the table is there already
        told = Document.of(*(b for b in told.blocks if not isinstance(b, (Table, Pairs))))
    return {"html": fragment(told)}


def _compare(asked: Asked) -> dict[str, Any]:
    from archcalc.report.layers.diff import document

    if asked.other is None:
        raise ArchcalcError("compared with what?")
    one, other = _spec(asked), _spec(asked.other)
    pair = [answer(spec, _question(n, spec)) for spec, n in ((one, asked), (other, asked.other))]
    return {"html": fragment(document(diff(*pair, convention=asked.convention)))}


def _reconcile(asked: Asked) -> dict[str, Any]:
    from archcalc.claims.reconcile import search
    from archcalc.report.claims.reconciled import document

    return {"html": fragment(document(search(asked.value, _spec(asked), layer=asked.layer), 8))}


def _audit(asked: Asked) -> dict[str, Any]:
    from archcalc.claims.audit import audit
    from archcalc.report.claims.audits import document

    with TemporaryDirectory() as folder:
        file = Path(folder) / "table.txt"
        file.write_text(asked.table, encoding="utf-8")
        found = replace(audit(file, _spec(asked)), name="the table")  # where it lay is nothing
        return {"html": fragment(document(found))}


def _machines() -> dict[str, Hardware]:
    return {machine.name: machine for machine in machines()}


def _roofline(asked: Asked) -> dict[str, Any]:
    from archcalc.analysis.roofline import roofline
    from archcalc.report.needs.roofline import document

    # Found here: another name is a file's to what finds machines.
    found = _machines()[choose("machine", asked.machine, _machines())]
    spec = _spec(asked)
    analysis = answer(spec, _question(asked, spec))
    return {"html": fragment(document(roofline(analysis, found, dtype=asked.dtype)))}


def _take(asked: Asked) -> dict[str, Any]:
    """A dropped file of another program, as the text of a spec."""
    from archcalc.frontends.fold import written
    from archcalc.frontends.sources import FILES, graph
    from archcalc.spec.form import SCHEMA, as_yaml

    ending = Path(asked.file).suffix.lower()
    if ending == ".onnx" and sys.platform == "emscripten":
        message = "an ONNX file is read by the package onnx, which does not run inside a page"
        raise ArchcalcError(f"{message}\nthe page of 'archcalc serve' takes it")
    try:
        content = base64.b64decode(asked.content, validate=True)
    except ValueError:
        raise ArchcalcError("the file did not arrive whole") from None
    if len(content) > LARGEST_TAKEN:
        most = LARGEST_TAKEN // 2**20
        raise ArchcalcError(
            f"the file has more than {most} MiB\nuse 'archcalc import' for large files"
        )
    if ending in (".yaml", ".yml"):
        return {"text": _decoded(content)}
    if ending not in (*FILES, ".json"):
        known = ", ".join((".yaml", ".json", *FILES))
        raise ArchcalcError(f"'{ending or asked.file}' can't be read\nknown are {known}")
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"model{ending}"
        file.write_bytes(content)
        if ending == ".json" and b"class_name" not in content:
            return {"text": _decoded(content)}
        try:
            return {"text": as_yaml(written(graph(file)), SCHEMA)}
        except ArchcalcError as error:
            # Where the file lies is nothing to whoever dropped it.
            raise ArchcalcError(str(error).replace(str(file), asked.file)) from None


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ArchcalcError("the file is not text in UTF-8") from None


_ANSWERS: Mapping[str, Callable[[Asked], dict[str, Any]]] = {
    "networks": _networks,
    "words": _words,
    "analyze": _analyze,
    "explain": _explain,
    "compare": _compare,
    "reconcile": _reconcile,
    "audit": _audit,
    "roofline": _roofline,
    "take": _take,
}
