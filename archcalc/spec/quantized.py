"""What numbers are stored in, said from outside of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar, cast

from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.spec.bits import ENDS, Formats, Rule
from archcalc.spec.graph import Graph
from archcalc.spec.model import Spec
from archcalc.spec.patterns import matching, ways

N = TypeVar("N", bound="Spec | Graph")


def quantize(
    network: N,
    *,
    weights: str | Sequence[str] | None = None,
    activations: str | Sequence[str] | None = None,
    density: str | float | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
) -> N:
    """The network with other formats: :func:`archcalc.quantize`."""
    found = Formats.of("float32", weights, activations, density, exclude)
    return with_rules(network, found.rules)


def with_rules(network: N, rules: Sequence[Rule]) -> N:
    """The network with more rules. Raises as :func:`quantize` does."""
    if not rules:
        return network
    if isinstance(network, Spec):
        return cast("N", network.quantized(rules))
    _require_known(network, rules)
    return cast("N", replace(network, bits=(*network.bits, *rules)))


def _require_known(graph: Graph, rules: Sequence[Rule]) -> None:
    names = [node.name for node in graph.nodes]
    kinds = {type(node.op).__name__ for node in graph.nodes}
    for pattern in (each for rule in rules for each in (*rule.layers, *rule.exclude)):
        if pattern != ENDS and pattern not in kinds and not matching(names, pattern):
            known = {ENDS, *kinds, *(way for name in names for way in ways(name))}
            hint = did_you_mean(pattern, known)
            said = f"no layer, block or operator is called '{pattern}'"
            raise ArchcalcError("\n  ".join(filter(None, (said, hint))))
