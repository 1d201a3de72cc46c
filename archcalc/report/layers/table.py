"""A network as a table, in any format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archcalc.analysis.analyze import Analysis, analyze
from archcalc.dims import Size
from archcalc.document import Document
from archcalc.document import render as rendered
from archcalc.errors import ArchcalcError
from archcalc.report.choice import choose
from archcalc.report.layers.layout import Request, lay_out
from archcalc.spec.expand import Input, expand
from archcalc.spec.graph import Graph
from archcalc.spec.model import Spec

FORMATS = ("table", "markdown", "csv", "json", "latex", "html")
"""The forms a table takes."""


def table(
    network: Spec | Graph | Analysis,
    *,
    detail: str = "layer",
    columns: str | Sequence[str] | None = None,
    format: str = "table",
    dtype: str = "float32",
    convention: str = "macs",
    training: bool = False,
    fold_bn: bool = False,
    allow_unknown: bool = False,
    unroll: bool = False,
    input: Input = None,
    batch: Size = 1,
    **variables: Any,
) -> str:
    """A network's layers with their shapes, parameters and work, and the totals.

    ``detail`` is ``stage`` (a line a block), ``layer`` (what carries weights, has a window,
    changes the number of elements or joins branches) or ``all``. What is not shown is summed in a
    line of its own, so that every column that adds up adds up to its printed total. Blocks that
    are repeated are shown once, below a line of what all of them have together, ``layers.0 ...
    layers.31 (x32)``; in CSV a line is of all repetitions of a layer. ``unroll`` shows each.
    ``columns`` are names, in a list or with commas between
    (``archcalc.report.layers.columns.COLUMNS``). ``format`` is ``table`` (plain text),
    ``markdown``, ``csv`` (lines only), ``json`` (the contract), ``latex`` or ``html``. ``dtype``
    says how large a weight is, ``convention`` how the MACs column counts. ``fold_bn`` folds batch
    normalizations into the layers before them, as for inference (:func:`archcalc.fold_batch_norm`).
    ``allow_unknown`` prints a partial table of a network with layers of unknown operators, whose
    totals are lower bounds (``≥``); the spec has to be loaded so, too. The rest is as in
    :func:`archcalc.analyze`.

    Raises :class:`ArchcalcError` for a word that is none of the known ones, and what
    :func:`archcalc.analyze` raises.
    """
    form = choose("format", format, FORMATS)
    request = Request.of(detail, columns, dtype, convention, unroll)
    if form == "json":
        if columns is not None:
            raise ArchcalcError("JSON has fixed keys: columns are for the other formats")
        if request.convention.name != "macs":
            raise ArchcalcError("JSON holds every kind of work: conventions are for other formats")
    analysis, note = _analysis(network, training, fold_bn, allow_unknown, input, batch, variables)
    if form == "json":
        from archcalc.report.layers.contract import render

        return render(analysis, detail=request.detail, dtype=request.dtype)
    usual = None if form == "csv" or fold_bn else _usual(network, analysis, input, variables)
    return rendered(lay_out(analysis, request, note, form != "csv", usual), form)


def laid_out(
    network: Spec | Graph | Analysis,
    request: Request,
    training: bool,
    fold_bn: bool,
    allow_unknown: bool,
    input: Input,
    batch: Size,
    variables: Mapping[str, Any],
) -> Document:
    """The table before it has a format, for a terminal that is to choose its columns."""
    analysis, note = _analysis(network, training, fold_bn, allow_unknown, input, batch, variables)
    usual = None if fold_bn else _usual(network, analysis, input, variables)
    return lay_out(analysis, request, note, usual=usual)


def _analysis(
    network: Spec | Graph | Analysis,
    training: bool,
    fold_bn: bool,
    allow_unknown: bool,
    input: Input,
    batch: Size,
    variables: Mapping[str, Any],
) -> tuple[Analysis, str]:
    """The analysis, and what was set: a network changed is no longer the edition it is headed."""
    note = ", ".join(f"{name} = {_written(value)}" for name, value in variables.items())
    if isinstance(network, Analysis):
        return network, note
    if fold_bn:
        from archcalc.spec.fold import fold_batch_norm

        if isinstance(network, Spec):
            network = expand(
                network, input=input, batch=batch, allow_unknown=allow_unknown, **variables
            )
        found = analyze(fold_batch_norm(network), training=training, allow_unknown=allow_unknown)
    else:
        found = analyze(
            network,
            training=training,
            allow_unknown=allow_unknown,
            input=input,
            batch=batch,
            **variables,
        )
    return found, note and f"with {note}"


def _usual(
    network: Spec | Graph | Analysis, found: Analysis, input: Input, variables: Mapping[str, Any]
) -> Analysis | None:
    """The network on its own input, where it has other parameters than on the one that was given.

    A classifier that takes a whole map grows with it: what is printed of the network is not meant.
    """
    if not isinstance(network, Spec) or input is None:
        return None
    try:
        own = analyze(network, allow_unknown=found.partial, **variables)
    except ArchcalcError:
        return None
    return own if str(own.params) != str(found.params) else None


def _written(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_written, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
