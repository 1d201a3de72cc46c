"""Arithmetic that does no harm: on ints, arrays, records and symbols, bounded before it is done.

No number may exceed :data:`LARGEST`, and nothing unbounded is computed to find out.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from functools import reduce
from numbers import Rational
from typing import Any

from archcalc.dims import (
    Shape,
    ceil,
    floor,
    is_array,
    is_recorded,
    is_symbolic,
    is_whole,
    maximum,
    minimum,
    round_to,
    settle,
)

LARGEST = 2**62
"""The largest magnitude of any number: twice as much still fits a numpy ``int64``."""


def _is_number(value: Any) -> bool:
    if is_array(value):
        return value.dtype.kind in "iuf"
    if is_symbolic(value):
        return hasattr(value, "as_coeff_Mul")  # a relation or a truth value has none
    if is_recorded(value):
        return True
    return isinstance(value, (int, float, Rational)) and not isinstance(value, bool)


def _is_fraction(value: Any) -> bool:
    # The whole numbers of numpy and sympy are Rational too.
    foreign = isinstance(value, int) or is_array(value) or is_symbolic(value)
    return isinstance(value, Rational) and not foreign


def numeric(value: Any) -> Any:
    """A number, or an error."""
    if type(value) is int or _is_number(value):
        return value
    raise TypeError(f"arithmetic needs numbers, not {value!r:.40}")


def whole(value: Any) -> Any:
    """A whole number without free variables, or an error."""
    if type(value) is int:
        return value
    if is_array(value) or is_symbolic(value):
        raise ValueError("depends on a free variable")
    if not is_whole(value):
        raise TypeError(f"needs a whole number, not {value!r:.40}")
    return settle(value)


def bounded(value: Any) -> Any:
    """``value``, if it is finite and not too large; numpy's and sympy's scalars become Python's."""
    kind = type(value)
    if kind is int:
        if -LARGEST <= value <= LARGEST:
            return value
        raise OverflowError
    if kind is str or kind is bool or isinstance(value, (list, tuple)):
        return value
    if kind is float or _is_fraction(value):
        if value != value:
            raise ValueError("is not a number")
        if -LARGEST <= value <= LARGEST:
            return value
        raise OverflowError
    if kind is complex:
        raise ValueError("has no real value")
    if is_array(value):
        return _bounded_array(value)
    if is_symbolic(value) and hasattr(value, "as_coeff_Mul"):
        return _bounded_symbolic(value)
    if is_recorded(value) and not -LARGEST <= value <= LARGEST:
        raise OverflowError
    return value


def _bounded_array(value: Any) -> Any:
    if value.ndim == 0:
        return bounded(value.item())
    if value.dtype.kind == "b" or not value.size:
        return value
    if value.dtype.kind not in "iuf":
        raise TypeError("mixes an array with something that is no number")
    if value.dtype.kind == "f" and (value != value).any():
        raise ValueError("is not a number")
    # As Python's numbers: the magnitude of the least int64 is none itself.
    if max(int(value.max()), -int(value.min())) > LARGEST:
        raise OverflowError
    return value if value.dtype.kind == "f" else value.astype("int64", copy=False)


def _bounded_symbolic(value: Any) -> Any:
    if value.is_Integer:
        return bounded(int(value))
    if value.is_number and value.is_finite is not True:
        raise ValueError("is not a finite number")
    if value.is_extended_real is False:
        raise ValueError("has no real value")
    factor = value.as_coeff_Mul()[0]
    if abs(factor) > LARGEST or (factor.is_Rational and factor.q > LARGEST):
        raise OverflowError
    if value.is_Pow and value.exp.is_number and abs(value.exp) > 62:
        raise OverflowError
    return value


def _largest(value: Any) -> Any:
    """The largest magnitude in a number or an array, as a Python number."""
    if not is_array(value):
        return abs(value)
    return max(value.max().item(), -value.min().item()) if value.size else 0


def _greatest(value: Any) -> Any:
    return (value.max().item() if value.size else 0) if is_array(value) else value


def _divisor(value: Any) -> Any:
    if type(value) is int and value:
        return value
    if value.is_zero if is_symbolic(value) else _any(value == 0):
        raise ZeroDivisionError
    return value


def _any(answer: Any) -> bool:
    return bool(answer.any()) if is_array(answer) else bool(answer)


def _all(answer: Any) -> bool:
    return bool(answer.all()) if is_array(answer) else bool(answer)


def _is_whole(value: Any) -> bool:
    return value.dtype.kind in "iu" if is_array(value) else is_whole(value)


def _times(a: Any, b: Any) -> Any:
    # Asked before, because numpy's product would wrap around silently; an int's can't.
    if type(a) is int and type(b) is int:
        return a * b
    symbolic = is_symbolic(a) or is_symbolic(b)
    if not symbolic and _largest(a) * _largest(b) > LARGEST:
        raise OverflowError
    return a * b


def over(a: Any, b: Any) -> Any:
    """The quotient, an int where ints divide exactly."""
    _divisor(b)
    if _is_whole(a) and _is_whole(b) and _all(a % b == 0):
        return a // b
    return a / b


def quotient(a: Any, b: Any) -> Any:
    """The quotient, exact."""
    from fractions import Fraction  # it brings decimal, which no spec needs to be read

    whole = (int, Fraction)
    if isinstance(a, whole) and isinstance(b, whole):
        return Fraction(a) / Fraction(_divisor(b))
    return over(a, b)


def _to_the(a: Any, b: Any) -> Any:
    # A fraction's power has as many digits as it likes.
    a, b = (float(n) if _is_fraction(n) else n for n in (a, b))
    if is_recorded(b) or (is_recorded(a) and not (_is_whole(a) and _is_whole(b) and 0 <= b <= 8)):
        a, b = settle(a), settle(b)  # powers are rarely of a variable, and numpy's are others
    if is_symbolic(a) or is_symbolic(b):
        if not is_symbolic(b) and _largest(b) > 62:
            raise OverflowError
        if is_symbolic(b) and b.is_number and abs(b) > 62:
            raise OverflowError
        return a**b
    if is_recorded(a):
        return a**b  # at most the eighth power, so it is bounded like any other result
    if _any(b < 0):
        if _any(a == 0):
            raise ZeroDivisionError
        a = a * 1.0
    base, exponent = _largest(a), _greatest(b)
    if base > 1 and exponent * math.log2(base) > 62.1 and (_is_whole(a) or is_array(a)):
        raise OverflowError
    return a**b


ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: _times,
    ast.Div: over,
    ast.FloorDiv: lambda a, b: a // _divisor(b),
    ast.Mod: lambda a, b: a % _divisor(b),
    ast.Pow: _to_the,
}


def applied(apply: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """One operation on two numbers, with the checks that make it safe."""
    if type(a) is int and type(b) is int:
        return bounded(apply(a, b))
    a, b = numeric(a), numeric(b)
    if is_array(a) or is_array(b):
        import numpy

        with numpy.errstate(all="ignore"):  # what is not finite is found in the result
            return bounded(apply(a, b))
    return bounded(apply(a, b))


def truth(answer: Any) -> bool:
    """Whether a condition holds. Raises ``ValueError`` where it does at some points only."""
    if answer is True or answer is False:
        return bool(answer)
    if is_array(answer):
        if answer.size and (answer.all() or not answer.any()):
            return bool(answer.all())
    elif not is_symbolic(answer):
        return bool(answer)
    elif _is_number(answer) and answer.is_zero is not None:
        return not answer.is_zero
    raise ValueError("depends on a free variable")


def mixed(answer: Any) -> bool:
    """Whether an array's points have different answers: what follows is asked of each then."""
    return is_array(answer) and bool(answer.any()) and not bool(answer.all())


def pointwise(answer: Any) -> Any:
    """A condition as truth values that numpy can join point by point."""
    return answer.astype(bool) if is_array(answer) else truth(answer)


def negated(answer: Any) -> Any:
    """Whether a condition does not hold, point by point where it differs."""
    return ~answer.astype(bool) if mixed(answer) else not truth(answer)


def _decided(answer: Any) -> Any:
    """A comparison's answer; sympy's true and false become Python's."""
    if is_symbolic(answer) and (answer == True or answer == False):  # noqa: E712
        return bool(answer)
    return answer


def _equal(a: Any, b: Any) -> Any:
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        # Those of a spec's variables are tuples, and those written in an expression lists.
        return len(a) == len(b) and all(truth(_equal(*items)) for items in zip(a, b, strict=True))
    if not (is_symbolic(a) or is_symbolic(b) or is_array(a) or is_array(b)):
        return a == b
    if not (_is_number(a) and _is_number(b)):
        return False
    if is_array(a) or is_array(b):
        return a == b
    zero = (a - b).is_zero  # not simplified: that takes seconds for what a stranger may write
    if zero is not None:
        return zero
    import sympy

    return sympy.Eq(a, b, evaluate=False)


def _unequal(a: Any, b: Any) -> Any:
    equal = _equal(a, b)
    return not equal if isinstance(equal, bool) else ~equal


def _within(a: Any, b: Any) -> bool:
    return any(truth(_equal(a, item)) for item in listed(b))


COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: _equal,
    ast.NotEq: _unequal,
    ast.Lt: lambda a, b: _decided(numeric(a) < numeric(b)),
    ast.LtE: lambda a, b: _decided(numeric(a) <= numeric(b)),
    ast.Gt: lambda a, b: _decided(numeric(a) > numeric(b)),
    ast.GtE: lambda a, b: _decided(numeric(a) >= numeric(b)),
    ast.In: _within,
    ast.NotIn: lambda a, b: not _within(a, b),
}


def listed(value: Any) -> Any:
    """A list, or an error."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"needs a list, not {value!r:.40}")
    return value


def _extreme(pick: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def extreme(*values: Any) -> Any:
        numbers = listed(values[0]) if len(values) == 1 else values
        if not numbers:
            raise ValueError("needs a number, not an empty list")
        return reduce(pick, (bounded(numeric(number)) for number in numbers))

    return extreme


def _round(x: Any) -> Any:
    if is_symbolic(x):
        raise ValueError("round has no closed form: floor(x + 1/2) has")
    if is_array(numeric(x)):
        return x.round().astype("int64")
    return round(x)


def _int(x: Any) -> Any:
    if is_symbolic(x):
        raise ValueError("int has no closed form: floor has")
    if is_array(numeric(x)):
        return x.astype("int64")
    return x.truncated() if is_recorded(x) else int(x)


def _sqrt(x: Any) -> Any:
    """The square root, an int where it is one."""
    if is_symbolic(numeric(x)):
        import sympy

        return sympy.sqrt(x)
    if _any(x < 0):
        raise ValueError("square root of a negative number")
    if is_array(x):
        return x**0.5
    if is_recorded(x):
        return x.root()
    root = math.isqrt(x) if type(x) is int else 0
    return root if type(x) is int and root * root == x else math.sqrt(x)


def _total(values: Any) -> Any:
    return reduce(lambda a, b: applied(ARITHMETIC[ast.Add], a, b), listed(values), 0)


def _round_to(x: Any, multiple: Any, keep: Any = None) -> Any:
    """As MobileNet rounds channels, ``_make_divisible`` in torchvision with ``keep=0.9``."""
    numeric(x)
    if whole(multiple) < 1:
        raise ValueError(f"needs a multiple of at least 1, not {multiple}")
    multiple = whole(multiple)
    if is_symbolic(x) or is_array(keep) or is_symbolic(keep):
        rounded = round_to(x, multiple)
        short = False if keep is None else _decided(rounded < _times(numeric(keep), x))
        return rounded + multiple * short if is_array(short) else rounded + multiple * truth(short)
    bounded(2 * _largest(x) + multiple)
    if keep is not None:
        _times(numeric(keep), x)
    return round_to(x, multiple, 0 if keep is None else settle(keep))


def extent(shape: Shape, axis: Any) -> Any:
    """The size along an axis, or an error."""
    if not -len(shape) <= whole(axis) < len(shape):
        raise ValueError(f"axis {axis} is none of a shape of {len(shape)} axes")
    return shape[axis]


SIZES: dict[str, tuple[int, tuple[int, ...], str]] = {
    "channels": (1, (2, 3, 4, 5), "(N, C, ...)"),
    "length": (2, (3,), "(N, C, L)"),
    "height": (-2, (4, 5), "(N, C, H, W) or (N, C, D, H, W)"),
    "width": (-1, (4, 5), "(N, C, H, W) or (N, C, D, H, W)"),
}
"""Function of a layer -> the axis it measures, the ranks it is defined for, and their axes."""

FUNCTIONS_OF_NUMBERS: dict[str, tuple[Callable[..., Any], int, int | None]] = {
    "min": (_extreme(minimum), 1, None),
    "max": (_extreme(maximum), 1, None),
    "floor": (lambda x: floor(numeric(x)), 1, 1),
    "ceil": (lambda x: ceil(numeric(x)), 1, 1),
    "round": (_round, 1, 1),
    "int": (_int, 1, 1),
    "abs": (lambda x: abs(numeric(x)), 1, 1),
    "sqrt": (_sqrt, 1, 1),
    "len": (lambda values: len(listed(values)), 1, 1),
    "sum": (_total, 1, 1),
    "round_to": (_round_to, 2, 2),
}
"""Function -> what it computes, and the fewest and the most of its arguments."""

FUNCTIONS_OF_FACTS: dict[str, tuple[Callable[..., Any], int, int | None]] = {
    **FUNCTIONS_OF_NUMBERS,
    "distinct": (lambda values: list(dict.fromkeys(listed(values))), 1, 1),
}

FUNCTIONS: tuple[str, ...] = (*FUNCTIONS_OF_NUMBERS, *SIZES, "size")
"""The names of all functions."""
