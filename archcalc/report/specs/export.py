"""``export``: a network in the form that another program takes."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from archcalc.dims import Size
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike, one_of
from archcalc.report.choice import choose
from archcalc.report.specs import hardware
from archcalc.spec.expand import settled
from archcalc.spec.graph import Graph
from archcalc.spec.model import Spec
from archcalc.spec.question import Input, Question, with_options

FORMS = ("torch", "onnx", "json", "yaml", "mermaid", "dot", "svg", "timeloop", "zigzag")
"""What a network can be exported to."""

DETAILS = ("stage", "layer")
"""How much a diagram shows."""


@with_options
def export(
    network: NetworkLike,
    *,
    to: str = "torch",
    detail: str = "stage",
    input: Input = None,
    batch: Size = 1,
    **variables: Any,
) -> str | bytes:
    """The network as text, or as bytes where the form is no text (``onnx``).

    ``to`` is ``torch`` (source code of a PyTorch module), ``onnx`` (a file, with new weights),
    ``json`` or ``yaml`` (a flat spec with nothing left to expand), ``mermaid``, ``dot`` or ``svg``
    (a diagram: a box a block with ``detail`` ``stage``, a box a layer with ``layer``), ``timeloop``
    or ``zigzag`` (its loops, as these tools read them; comments say what can't be said). The rest
    is as in :func:`archcalc.expand`; a graph has its shapes, so with one they raise ``TypeError``.

    Raises :class:`ArchcalcError` for a word that is none of the known ones, where PyTorch or the
    onnx packages are needed and not installed, and what :func:`archcalc.expand` raises.

    ::

        >>> import archcalc
        >>> archcalc.export("lenet5", to="yaml").splitlines()[1]
        'name: lenet5'
    """
    form = choose("form", to, FORMS)
    shown = choose("detail", detail, DETAILS)
    network = one_of(network)
    spec = network if isinstance(network, Spec) else None
    graph = settled(network, Question(input, batch, variables))
    _require_numbers(graph)
    if form in ("torch", "onnx"):
        from archcalc.pytorch import require_torch

        require_torch()
    if form == "torch":
        from archcalc.pytorch.source import source

        return source(graph, spec)
    if form == "onnx":
        from archcalc.pytorch.onnx import onnx

        return onnx(graph)
    if form in hardware.FORMS:
        return hardware.hardware(graph, form)[0]
    if form in ("json", "yaml"):
        from archcalc.report.specs.expanded import expanded
        from archcalc.spec.form import SCHEMA, as_json, as_yaml

        data = expanded(graph, spec)
        return as_json(data) if form == "json" else as_yaml(data, SCHEMA)
    from archcalc.report.diagrams.diagram import diagram

    return diagram(graph, form, shown, spec)


def unsaid(text: str | bytes, to: str) -> list[str]:
    """What an exported text says that its form can't say, a line each; of others nothing."""
    if to == "torch" and isinstance(text, str):
        from archcalc.pytorch.source import LOST

        said = " ".join(text.split())
        return [LOST + said.split(LOST)[-1].split(' """')[0]] if LOST in said else []
    if to not in hardware.FORMS or isinstance(text, bytes):
        return []
    _, *lines = text.split("\n")
    return [line.removeprefix("# ") for line in takewhile(lambda line: line[:1] == "#", lines)]


def _require_numbers(graph: Graph) -> None:
    shapes = [*graph.inputs.values(), *(node.shape for node in graph.nodes)]
    if any(type(size) is not int for shape in shapes for size in shape):
        raise ArchcalcError("a network is exported for numbers: neither arrays nor symbols")
