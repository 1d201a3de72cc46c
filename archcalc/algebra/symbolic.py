"""Forms as expressions of sympy, for whom its algebra is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archcalc.algebra.forms import Atom, Form
from archcalc.errors import needing


def to_sympy(form: Form, whole: Mapping[str, bool]) -> Any:
    """A form in positive symbols, of which ``whole`` says which are whole numbers.

    Raises :class:`ArchcalcError` where sympy is not installed.
    """
    with needing("this needs", "sympy", "'archcalc[sympy]'"):
        import sympy

    def number(value: Any) -> Any:
        return sympy.Integer(value) if type(value) is int else sympy.Rational(value)

    def rounded(x: Any, multiple: Any, keep: Any) -> Any:
        near = sympy.Max(multiple * sympy.floor(x / multiple + sympy.Rational(1, 2)), multiple)
        more = sympy.Piecewise((1, near < keep * x), (0, True)) if keep else 0
        return near + multiple * more

    def spelled(atom: Atom) -> Any:
        if atom.op == "symbol":
            name = atom.args[0].name
            kind = {"integer": True} if whole[name] else {"real": True}
            return sympy.Symbol(name, positive=True, **kind)
        args = [expression(arg) for arg in atom.args]
        return {
            "add": lambda a, b: a + b,
            "sub": lambda a, b: a - b,
            "mul": lambda a, b: a * b,
            "neg": lambda a: -a,
            "truediv": lambda a, b: a / b,
            "floordiv": lambda a, b: sympy.floor(a / b),
            "mod": lambda a, b: a - b * sympy.floor(a / b),
            "min": sympy.Min,
            "max": sympy.Max,
            "abs": sympy.Abs,
            "gcd": sympy.Function("gcd"),
            "less": lambda a, b: sympy.Piecewise((1, a < b), (0, True)),
            "floor": sympy.floor,
            "trunc": sympy.floor,  # of what is never negative
            "round": lambda a: sympy.floor(a + sympy.Rational(1, 2)),
            "sqrt": sympy.sqrt,
            "isqrt": lambda a: sympy.floor(sympy.sqrt(a)),
            "round_to": rounded,
        }[atom.op](*args)

    def expression(form: Form) -> Any:
        return sympy.Add(
            *[
                sympy.Mul(number(times), *[spelled(atom) for atom in monomial])
                for monomial, times in form
            ]
        )

    return expression(form)
