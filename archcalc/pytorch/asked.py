"""What a run is asked: of which network, in which dtype, drawn from what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.frontends import sources
from archcalc.pytorch.build import DTYPES
from archcalc.spec import zoo
from archcalc.spec.expand import Input, expand
from archcalc.spec.graph import Graph
from archcalc.spec.model import Spec

PRECISIONS = (*DTYPES, "tf32")
"""The dtypes of a run; ``tf32`` is float32 whose products a GPU rounds to TensorFloat-32."""

SEED = 0
"""What weights and inputs are drawn from."""


def require_known(what: str, word: str, known: Sequence[str]) -> None:
    """Raise :class:`ArchcalcError` for a word that is none of the known ones."""
    if word not in known:
        raise ArchcalcError(f"no {what} '{word}'\n  {did_you_mean(word, known)}")


def graphs(
    network: zoo.Source | Spec | Graph,
    batch: int,
    input: Input | Callable[[Spec], Input],
    variables: Mapping[str, Any],
) -> tuple[Graph, Graph]:
    """The network for the batch, and for one that batch normalization can be trained on."""
    if isinstance(network, Graph):
        if input is not None or variables or batch != 1:
            raise TypeError("a graph has its shapes: give input, batch and variables to expand()")
        return network, network
    spec = network if isinstance(network, Spec) else sources.load(network)
    shapes = input(spec) if callable(input) else input
    graph = expand(spec, input=shapes, batch=batch, **variables)
    if batch > 1:
        return graph, graph
    return graph, expand(spec, input=shapes, batch=2, **variables)
