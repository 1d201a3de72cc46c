"""The diagram of a network in any form."""

from __future__ import annotations

from archcalc.report.diagrams.markup import dot, mermaid
from archcalc.report.diagrams.picture import picture
from archcalc.report.diagrams.svg import svg
from archcalc.spec.graph import Graph
from archcalc.spec.model import Spec

FORMS = {"mermaid": mermaid, "dot": dot, "svg": svg}


def diagram(graph: Graph, form: str, detail: str = "stage", spec: Spec | None = None) -> str:
    """The diagram of a graph as ``mermaid``, ``dot`` or ``svg``."""
    return FORMS[form](*picture(graph, detail, spec))


def linked(graph: Graph, detail: str = "stage", spec: Spec | None = None) -> str:
    """The diagram as ``svg``, in which what is drawn of a layer has its name (``data-layer``)."""
    return svg(*picture(graph, detail, spec), linked=True)
