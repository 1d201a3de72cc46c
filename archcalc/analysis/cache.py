"""Keys and values that a decoder keeps of each token, so that the next one needs only itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archcalc.dims import Size
from archcalc.document.shown import shown
from archcalc.operators.attention import Attending

if TYPE_CHECKING:
    from archcalc.analysis.counted import Analysis


@shown
@dataclass(frozen=True)
class Cache:
    """Numbers that are kept of each token of a sample, by layer of attention.

    ::

        >>> import archcalc
        >>> archcalc.analyze("llama3_8b").cache.numbers == 2 * 32 * 8 * 128
        True
    """

    layers: Mapping[str, Size | None]
    """None where a mask or a bias is added to the scores, which may hide later tokens or not."""

    @property
    def numbers(self) -> Size:
        """Of the whole network; a lower bound if there is something ``not_counted``."""
        return sum(numbers for numbers in self.layers.values() if numbers is not None)

    @property
    def not_counted(self) -> tuple[str, ...]:
        """The layers of which it can't be said."""
        return tuple(name for name, numbers in self.layers.items() if numbers is None)


def cache(analysis: Analysis) -> Cache:
    """What a network that writes one token after the other keeps of each, at inference.

    Kept are keys and values as attention takes them, of each of their heads: a tensor that
    several layers attend to is kept once, by the first. A layer keeps them that is causal, or
    whose keys are joined to an input of the network: where a token sees later ones, all are
    computed anew, and nothing is kept. A window that slides limits of how many tokens, not how
    much of each.
    """
    layers: dict[str, Size | None] = {}
    seen: set[str] = set()
    joined = _joined(analysis)
    for row in analysis.rows:
        op, node = row.node.op, row.node
        if not (isinstance(op, Attending) and row.executed):
            continue
        kept = [node.inputs[number] for number in op.keeps] or [node.name]
        if not (getattr(op, "is_causal", False) or joined.intersection(kept)):
            layers[node.name] = None if len(node.inputs) > 3 else 0
            continue
        numbers = op.kept(*node.input_shapes)
        new = {name: n for name, n in zip(kept, numbers, strict=True) if name not in seen}
        layers[node.name] = sum(new.values())
        seen.update(new)
    return Cache(layers)


def _joined(analysis: Analysis) -> set[str]:
    """What has an input of the network joined to it: the tokens before."""
    inputs = analysis.graph.inputs.keys()
    return {
        row.name for row in analysis.rows if row.op == "Concat" and inputs & set(row.node.inputs)
    }
