"""Weights that are computed of other tensors, by PyTorch's own parametrizations."""

from __future__ import annotations

from collections.abc import Iterable

from torch import fx

from archcalc.frontends.table import Made
from archcalc.frontends.torch.captured import shape_of
from archcalc.frontends.torch.holding import Holding
from archcalc.operators import NAMES, operator

_KINDS = {
    "_WeightNorm": ("weight_norm", ("original0", "original1")),
    "_SpectralNorm": ("spectral_norm", ("original", "0._u", "0._v")),
}
"""The class of a parametrization -> how it is called, and what a weight is computed of."""

_OLDER = {
    "weight_norm": {"g": "original0", "v": "original1"},
    "spectral_norm": {"orig": "original", "u": "0._u", "v": "0._v"},
}
"""What the same are called by ``torch.nn.utils``, which hooks a module: ``weight_g``."""


def parametrized(holding: Holding, made: Made[fx.Node]) -> Made[fx.Node]:
    """The same layer with the tensors that its weights are computed of, if that is how they are."""
    if made.op not in NAMES or "parametrization" not in operator(made.op).model_fields:
        return made
    found: dict[str, fx.Node] = {}
    kinds: set[str] = set()
    for name, source in made.weights.items():
        if holding.held(source) is not None:
            found[name] = source
            kinds |= {""} if "weight" in name.rpartition(".")[2] else set()
            continue
        stored = {held.name: node for node, held in holding.behind(source).items()}
        kind, parts = _kind(holding, name, stored)
        kinds.add(kind)
        found.update(parts)
    if len(kinds) != 1 or not (kind := kinds.pop()):
        return made
    return Made(
        made.op,
        {**made.fields, "parametrization": kind},
        made.inputs,
        found,
        made.shape,
        made.declared,
        made.said,
        made.once,
    )


def kind_of(names: Iterable[str]) -> str:
    """How the weights of a module are computed, by the names of what is stored."""
    return "weight_norm" if any(name.endswith(".original0") for name in names) else "spectral_norm"


def _kind(
    holding: Holding, name: str, stored: dict[str, fx.Node]
) -> tuple[str, dict[str, fx.Node]]:
    """How a weight is computed, and of what, by our names; ``""`` if in no way of PyTorch's."""
    above, dot, own = name.rpartition(".")
    home = f"{above}{dot}parametrizations.{own}"
    ways = [
        (cls, kind, {f"{home}.{p}": f"{home}.{p}" for p in parts})
        for cls, (kind, parts) in _KINDS.items()
    ]
    ways += [
        ("", kind, {f"{name}_{old}": f"{home}.{part}" for old, part in parts.items()})
        for kind, parts in _OLDER.items()
    ]
    for cls, kind, names in ways:
        first = next(iter(names))
        starts = [p.removesuffix(first) for p in stored if f".{p}".endswith(f".{first}")]
        if not starts or {f"{starts[0]}{end}" for end in names} != stored.keys():
            continue
        if kind == "weight_norm":
            lengths, weight = (shape_of(stored[starts[0] + end]) for end in names)
            if lengths != (weight[0], *(1,) * (len(weight) - 1)):
                continue  # of another axis than the first
        if holding.capture.classes.get(f"{starts[0]}{home}.0", "").endswith(cls):
            return kind, {ours: stored[starts[0] + end] for end, ours in names.items()}
    return "", {}
