"""Arithmetic on sizes that are Python ints, numpy integer arrays or sympy expressions.

``+ - * // %`` dispatch on their operands and need no help. Questions do: an array has many
answers and a symbol may have none. They live here alone, each meaning *true unless it is known
to be false at some point*, so that no formula asks one on its own. Neither numpy nor sympy is
imported unless its numbers are already in play.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

Size: TypeAlias = int
"""A count or an extent: an int, as type checkers see it, who asks in ints being given ints.

In its place may stand an integer ``numpy.ndarray`` or a ``sympy.Expr``, with which the formulas do
the same arithmetic, or an int that records how it is computed, which has ``least``, ``most`` and
``divisor`` of its own. The functions below, which tell these apart, take ``AnySize``."""

AnySize: TypeAlias = Any
"""A size of any of these kinds."""

Shape: TypeAlias = tuple[Size, ...]
"""Sizes of a tensor's axes, batch first: ``(N, C, H, W)`` for images, ``(N, T, C)`` for text."""


LARGEST = 2**40
"""The largest number a field takes: far above any network, far below what overflows."""


def is_array(x: object) -> bool:
    """Whether ``x`` is a numpy array or numpy scalar."""
    return hasattr(x, "__array_priority__") and hasattr(x, "dtype")


def is_symbolic(x: object) -> bool:
    """Whether ``x`` is a sympy expression (a sympy integer included)."""
    return hasattr(x, "free_symbols")


def is_recorded(x: object) -> bool:
    """Whether ``x`` is a number whose use is put on record (``algebra/record.py``)."""
    return hasattr(x, "settled")


def is_whole(x: Any) -> bool:
    """Whether ``x``, an int, a float or a recorded one, is of the type of whole numbers."""
    return type(x) is int or (hasattr(x, "settled") and x.is_whole)


def is_size(x: object) -> bool:
    """Whether ``x`` is one of the kinds of number that sizes are made of."""
    return is_whole(x) or is_array(x) or is_symbolic(x)


def settle(x: Any) -> Any:
    """The plain number that a recorded one is, where no other will do: how often to repeat."""
    return x.settled() if is_recorded(x) else x


def plain(x: Any) -> Any:
    """A number of Python's for a scalar of numpy or a whole number of sympy; all else as it is.

    So that numbers which are equal are the same, and none overflows.
    """
    if type(x) is int:
        return x
    if is_array(x):
        return x.item() if x.ndim == 0 else x
    if is_symbolic(x):
        return int(x) if getattr(x, "is_Integer", False) else x
    return x


def holds(answer: Any) -> bool:
    """Whether a comparison's ``answer`` is true, or not known to be false, at every point."""
    if answer is True or answer is False:
        return bool(answer)
    if is_array(answer):
        return bool(answer.all())
    return bool(answer != False)  # noqa: E712  (sympy.false equals False, an open relation does not)


def same(a: AnySize, b: AnySize) -> bool:
    """Whether ``a`` equals ``b``; symbols are compared by value, not by how they are written."""
    if is_symbolic(a) or is_symbolic(b):
        difference = a - b
        zero = difference.is_zero
        if zero is None:
            zero = difference.expand().is_zero
        return zero is not False
    return holds(a == b)


def divides(divisor: AnySize, n: AnySize) -> bool:
    """Whether ``n`` is a multiple of ``divisor``."""
    if is_symbolic(divisor) or is_symbolic(n):
        return (n / divisor).is_integer is not False
    return holds(n % divisor == 0)


def ceil_div(a: AnySize, b: AnySize) -> Size:
    """``a / b`` rounded up."""
    return -(-a // b)


def floor(x: AnySize) -> Size:
    """The largest whole number not above ``x``."""
    if is_symbolic(x):
        return x // 1
    if is_array(x):
        return (x // 1).astype("int64")
    return math.floor(x)


def ceil(x: AnySize) -> Size:
    """The smallest whole number not below ``x``."""
    return -floor(-x)


def minimum(a: AnySize, b: AnySize) -> Size:
    """The smaller of two sizes, point by point."""
    if hasattr(a, "least"):
        return a.least(b)
    if hasattr(b, "least"):
        return b.least(a)
    if is_symbolic(a) or is_symbolic(b):
        import sympy

        return sympy.Min(a, b)
    if is_array(a) or is_array(b):
        import numpy

        return numpy.minimum(a, b)
    return min(a, b)


def maximum(a: AnySize, b: AnySize) -> Size:
    """The larger of two sizes, point by point."""
    if hasattr(a, "most"):
        return a.most(b)
    if hasattr(b, "most"):
        return b.most(a)
    return -minimum(-a, -b)


def round_to(x: Any, multiple: int, keep: Any = 0) -> Size:
    """The multiple nearest to ``x``, halves up and one at least; one more if less than
    ``keep * x`` would be left: ``_make_divisible`` of torchvision with ``keep=0.9``.
    """
    if hasattr(x, "rounded_to"):
        return x.rounded_to(multiple, keep)
    near = maximum(floor((2 * x + multiple) // (2 * multiple)) * multiple, multiple)
    if type(keep) is int and keep == 0:
        return near
    if is_array(x):
        return near + multiple * (near < keep * x)
    return near + multiple if near < keep * x else near


def gcd(n: AnySize, k: int) -> Size:
    """The greatest common divisor of a size and a positive int."""
    if hasattr(n, "divisor"):
        return n.divisor(k)
    if is_array(n):
        import numpy

        return numpy.gcd(n, k)
    if is_symbolic(n):
        # sympy's own gcd is that of polynomials: gcd(32*k, 7) would be 1 for every k.
        return sum((j * n // k - ceil_div(j * n, k) + 1 for j in range(1, k + 1)), 0 * n)
    return math.gcd(n, k)
