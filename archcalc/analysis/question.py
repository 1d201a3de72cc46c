"""What is asked of a network: one value, made once and handed on whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archcalc.analysis.analyze import Analysis, analyze
from archcalc.dims import Size
from archcalc.errors import ArchcalcError
from archcalc.spec.expand import Input, expand
from archcalc.spec.graph import Graph
from archcalc.spec.model import Spec


@dataclass(frozen=True)
class Question:
    """On which input, with which variables, and what of it counts; as :func:`analyze` takes it."""

    input: Input = None
    batch: Size = 1
    variables: Mapping[str, Any] = field(default_factory=dict)
    training: bool = False
    fold_bn: bool = False
    """Whether batch normalizations are folded into the layers before them."""
    allow_unknown: bool = False

    def answer(self, network: Spec | Graph | Analysis) -> Analysis:
        """The analysis; of what is one already, itself. Raises what :func:`analyze` raises."""
        if isinstance(network, Analysis):
            return network
        known = {"training": self.training, "allow_unknown": self.allow_unknown}
        given = {"input": self.input, "batch": self.batch, **self.variables}
        if not self.fold_bn:
            return analyze(network, **known, **given)
        from archcalc.spec.fold import fold_batch_norm

        if isinstance(network, Spec):
            network = expand(network, allow_unknown=self.allow_unknown, **given)
        return analyze(fold_batch_norm(network), **known)

    def usual(self, network: Spec | Graph | Analysis, found: Analysis) -> Analysis | None:
        """The network on its own input, where it has other parameters than on the one given.

        A classifier that takes a whole map grows with it: what is printed of the network is not
        meant.
        """
        if not isinstance(network, Spec) or self.input is None or self.fold_bn:
            return None
        try:
            own = analyze(network, allow_unknown=found.partial, **self.variables)
        except ArchcalcError:
            return None
        return own if str(own.params) != str(found.params) else None

    @property
    def note(self) -> str:
        """What was set: a network changed is no longer the edition it is headed."""
        return ", ".join(f"{name} = {_written(value)}" for name, value in self.variables.items())


def _written(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_written, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
