"""What numbers are stored in, as data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from archcalc.spec.bits import Rule


def rules(said: Iterable[Rule]) -> list[dict[str, Any]]:
    """Rules as JSON holds them, as they are written in a spec."""
    return [
        {
            "layers": list(rule.layers),
            "exclude": list(rule.exclude),
            "weights": rule.weights.name if rule.weights else None,
            "activations": rule.activations.name if rule.activations else None,
            "density": rule.density.text if rule.density else None,
        }
        for rule in said
    ]
