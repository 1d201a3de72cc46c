"""What numbers are stored in, said from outside of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar, cast

from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.spec.bits import ENDS, Rule, rules_of
from archcalc.spec.frozen import matching, ways
from archcalc.spec.graph import Graph
from archcalc.spec.model import Spec

N = TypeVar("N", bound="Spec | Graph")


def quantize(
    network: N,
    *,
    weights: str | Sequence[str] | None = None,
    activations: str | Sequence[str] | None = None,
    density: str | float | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
) -> N:
    """The network with other formats than the dtype that it is asked for.

    ``weights`` is the format in which matrices and kernels that multiply are stored:
    ``int4``, ``int4:128`` with a scale for each 128 numbers, ``int4:128:zero`` with zero points,
    too. ``activations`` is that in which layers take their inputs, and ``density`` how many weights
    are no zero: ``2:4``, two of every four in a row, or a share such as 0.1. ``fc=int8`` says it of
    a layer or block by its name or a pattern, ``Linear=int8`` of an operator, and
    ``ends=float32`` of the first and the last layer that multiply with weights; of several that are
    about the same layer the last one counts. ``exclude`` names, likewise, what is excepted from
    what is said of all. It counts after what the spec says. Raises :class:`ArchcalcError` for what
    is no format, and where nothing is called so, of a spec when it is expanded.

    Four bits a weight of a matrix, and four bytes a bias::

        >>> import archcalc
        >>> lenet = archcalc.quantize(archcalc.load("lenet"), weights="int4")
        >>> archcalc.memory(lenet).weights
        31314
    """
    rules = tuple(rules_of(weights, activations, density, exclude))
    if not rules:
        if exclude:
            raise ArchcalcError("nothing is said from which layers could be excluded")
        return network
    return with_rules(network, rules)


def with_rules(network: N, rules: Sequence[Rule]) -> N:
    """The network with more rules. Raises as :func:`quantize` does."""
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
