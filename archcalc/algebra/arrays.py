"""A program on arrays: many points at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from archcalc.algebra.program import PYTHON, Program
from archcalc.dims import round_to
from archcalc.errors import needing


def import_numpy() -> Any:
    """The library. Raises :class:`ArchcalcError` where it is not installed."""
    with needing("many configurations at once need", "numpy", "numpy"):
        import numpy
    return numpy


def _on_arrays(np: Any) -> Mapping[str, Callable[..., Any]]:
    """PYTHON's operations on int64 and double, where :func:`fits` says that they are the same."""
    return {
        "add": np.add,
        "sub": np.subtract,
        "mul": np.multiply,
        "floordiv": np.floor_divide,
        "mod": np.remainder,
        "truediv": np.true_divide,
        "neg": np.negative,
        "abs": np.absolute,
        "min": np.minimum,
        "max": np.maximum,
        "gcd": np.gcd,
        "less": lambda a, b: np.less(a, b).astype(np.int64),
        "floor": lambda a: np.floor(a).astype(np.int64),
        "trunc": lambda a: np.trunc(a).astype(np.int64),
        "round": lambda a: np.rint(a).astype(np.int64),
        "sqrt": np.sqrt,
        "isqrt": lambda a: np.sqrt(a).astype(np.int64),
        "round_to": round_to,
    }


def _by_python(np: Any) -> Mapping[str, Callable[..., Any]]:
    """The same on arrays of Python's numbers, for what 64 bits can't hold."""

    def safely(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            try:
                return function(*args)
            except (ArithmeticError, ValueError):
                return 0  # at points that an earlier guard excludes

        return call

    arity = dict.fromkeys(("neg", "abs", "floor", "trunc", "round", "sqrt", "isqrt"), 1)
    arity["round_to"] = 3
    return {
        name: np.frompyfunc(safely(function), arity.get(name, 2), 1)
        for name, function in PYTHON.items()
    }


_TABLES: dict[bool, Mapping[str, Callable[..., Any]]] = {}


def execute(
    program: Program,
    steps: Sequence[int],
    env: dict[int, Any],
    exact: bool,
    np: Any,
    last: Mapping[int, Sequence[int]] | None = None,
) -> None:
    """Run ``steps``, adding their values to ``env``. What ``last`` names is dropped after use."""
    if exact not in _TABLES:
        _TABLES[exact] = _by_python(np) if exact else _on_arrays(np)
    table = _TABLES[exact]
    with np.errstate(all="ignore"):
        for k in steps:
            op, args = program.steps[k]
            if op == "const":
                env[k] = args[0]
            elif op == "var":
                if exact:
                    env[k] = env[k].astype(object)
            else:
                env[k] = table[op](*[env[arg] for arg in args])
            if last is not None:
                for done in last.get(k, ()):
                    del env[done]
