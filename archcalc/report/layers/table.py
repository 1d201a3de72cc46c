"""A network as a table, in any format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from archcalc.analysis.analyze import answer
from archcalc.analysis.counted import Analysis
from archcalc.dims import Size
from archcalc.document import Document
from archcalc.document import render as rendered
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike
from archcalc.report.choice import choose
from archcalc.report.layers.layout import Request, lay_out
from archcalc.spec.model import Spec
from archcalc.spec.question import Input, Question, with_options

FORMATS = ("table", "markdown", "csv", "json", "latex", "siunitx", "html")
"""The forms a table takes."""


@with_options
def table(
    network: NetworkLike,
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
    layers.31 (x32)``; a layer that is, as ``conv.0 ... conv.3 (x4)``, in a line of all of them, and
    in CSV every line is. ``unroll`` shows each.
    ``columns`` are names, in a list or with commas between
    (``archcalc.report.layers.columns.COLUMNS``). ``format`` is ``table`` (plain text),
    ``markdown``, ``csv`` (lines only), ``json`` (the contract), ``latex`` (no wider than the text
    of an article: what a reader misses least is left out, and of more than fifty layers the stages
    are shown, unless ``unroll`` or columns ask for more) or ``html``. ``dtype``
    says how large a weight is, ``convention`` how the MACs column counts. ``fold_bn`` folds batch
    normalizations into the layers before them, as for inference (:func:`archcalc.fold_batch_norm`).
    ``allow_unknown`` prints a partial table of a network with layers of unknown operators, whose
    totals are lower bounds (``≥``); the spec has to be loaded so, too. The rest is as in
    :func:`archcalc.analyze`.

    Raises :class:`ArchcalcError` for a word that is none of the known ones, and what
    :func:`archcalc.analyze` raises.

    ::

        >>> import archcalc
        >>> print(archcalc.table("resnet18", columns="layer,params", format="csv"))
        ... # doctest: +ELLIPSIS
        layer,params
        conv1,9408
        ...
    """
    form = choose("format", format, FORMATS)
    request = Request.of(detail, columns, dtype, convention, unroll)
    question = Question(input, batch, variables, training, allow_unknown, fold_bn)
    return render((network, question), form, request)


MOST_PRINTED = 50
"""Rows on paper; of more layers the stages are shown."""

Asked: TypeAlias = tuple[NetworkLike, Question]
"""A network, and what is asked of it."""


def render(asked: Asked, format: str, request: Request) -> str:
    """The table in one of ``FORMATS``. Raises :class:`ArchcalcError`."""
    if format != "json":
        found = document(asked, request, format != "csv")
        chosen = request.unroll or request.columns or request.detail != "layer"
        if (
            format in ("latex", "siunitx")
            and not chosen
            and len(list(found.tables[0].lines())) > MOST_PRINTED
        ):
            found = document(asked, request._replace(detail="stage"))
        return rendered(found, format, request.width)
    if request.columns is not None:
        raise ArchcalcError("JSON has fixed keys: columns are for the other formats")
    if request.convention.name != "macs":
        raise ArchcalcError("JSON holds every kind of work: conventions are for other formats")
    from archcalc.report.layers import contract

    network, question = asked
    analysis = answer(network, question)
    return contract.render(analysis, detail=request.detail, dtype=request.dtype)


def document(asked: Asked, request: Request, brief: bool = True) -> Document:
    """The table before it has a format."""
    network, question = asked
    found = answer(network, question)
    note = question.note
    if note and not isinstance(network, Analysis):
        note = f"with {note}"
    usual = _usual(network, question, found) if brief else None
    return lay_out(found, request, note, brief, usual)


def _usual(network: NetworkLike, question: Question, found: Analysis) -> Analysis | None:
    """The network on its own input, where it has other parameters than on the one given.

    A classifier that takes a whole map grows with it: what is printed of the network is not meant.
    """
    if not isinstance(network, Spec) or question.input is None or question.fold_bn:
        return None
    try:
        own = Question(variables=question.variables, allow_unknown=found.partial)
        usual = answer(network, own)
    except ArchcalcError:
        return None
    return usual if str(usual.params) != str(found.params) else None
