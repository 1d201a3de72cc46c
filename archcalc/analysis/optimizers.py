"""What optimizers keep of each parameter, as PyTorch 2.13's implementations do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from archcalc.dims import Shape, Size
from archcalc.operators.autograd import FLOAT32
from archcalc.operators.base import elements

State: TypeAlias = Callable[[Shape], Size]
"""How many numbers are kept of a parameter of a shape."""

COUNTERS = frozenset({"step", "mu_product", "eta", "mu"})
"""States that are one float32 number a parameter; all others are of its dtype."""


_alike = elements


def _one(shape: Shape) -> Size:
    return 1


def _rows(shape: Shape) -> Size:
    return elements(shape[:-1]) if len(shape) > 1 else 0


def _columns(shape: Shape) -> Size:
    return elements((*shape[:-2], shape[-1])) if len(shape) > 1 else 0


def _vector(shape: Shape) -> Size:
    return elements(shape) if len(shape) < 2 else 0


_ADAM: Mapping[str, State] = {"step": _one, "exp_avg": _alike, "exp_avg_sq": _alike}

OPTIMIZERS: Mapping[str, Mapping[str, State]] = {
    "sgd": {},
    "momentum": {"momentum_buffer": _alike},
    "adagrad": {"step": _one, "sum": _alike},
    "rmsprop": {"step": _one, "square_avg": _alike},
    "rmsprop-momentum": {"step": _one, "square_avg": _alike, "momentum_buffer": _alike},
    "adadelta": {"step": _one, "square_avg": _alike, "acc_delta": _alike},
    "adam": _ADAM,
    "adamw": _ADAM,
    "amsgrad": {**_ADAM, "max_exp_avg_sq": _alike},
    "adamax": {"step": _one, "exp_avg": _alike, "exp_inf": _alike},
    "nadam": {**_ADAM, "mu_product": _one},
    "radam": _ADAM,
    "asgd": {"step": _one, "eta": _one, "mu": _one, "ax": _alike},
    "rprop": {"step": _one, "prev": _alike, "step_size": _alike},
    "adafactor": {"step": _one, "row_var": _rows, "col_var": _columns, "variance": _vector},
    "lion": {"exp_avg": _alike},
}
"""States by optimizer, by the names they have in ``optimizer.state``.

``momentum`` is SGD with it, ``amsgrad`` Adam with that, ``rmsprop-momentum`` RMSprop with a
momentum. Lion is not in PyTorch: its authors' implementation keeps one average (Chen et al. 2023,
"Symbolic Discovery of Optimization Algorithms", program 2).
"""


def states(optimizer: str, shapes: Iterable[Shape], size: int) -> dict[str, Size]:
    """Bytes of each state over all parameters, which have ``size`` bytes a number.

    Raises ``KeyError`` for an optimizer that is not in ``OPTIMIZERS``.
    """
    kept = OPTIMIZERS[optimizer]
    parameters = list(shapes)
    return {
        name: sum(map(of, parameters)) * (FLOAT32 if name in COUNTERS else size)
        for name, of in kept.items()
    }
