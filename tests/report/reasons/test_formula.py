"""How expressions are written."""

from __future__ import annotations

from typing import Any

import pytest

from archcalc.algebra.expression import Recorded, Symbol, atom, expression
from archcalc.dims import ceil_div, gcd, maximum, minimum
from archcalc.report.reasons.formula import equation, latex_name, write


def n(name: str, value: int, order: int = 0, leads: bool = False) -> Recorded:
    return Recorded(atom(Symbol(name, value, "", order, leads)))


W, F, P, S, C = n("W", 227, 9, True), n("F", 11, 1), n("P", 2, 2), n("S", 4, 3), n("C", 96, 4)
Z = n("Z", -3, 5, True)

WRITTEN: list[tuple[Any, str, str]] = [
    (W, "W", "227"),
    (W - F + P + P, "W - F + 2P", "227 - 11 + 2*2"),
    (-F + W, "W - F", "227 - 11"),
    ((W - F) // 4 + 1, "(W - F)/4 + 1", "(227 - 11)/4 + 1"),
    ((W - F + P) // S + 1, "floor((W - F + P)/S) + 1", "floor((227 - 11 + 2)/4) + 1"),
    (ceil_div(W - F + P, S), "ceil((W - F + P)/S)", "ceil((227 - 11 + 2)/4)"),
    (ceil_div(W - F, S), "(W - F)/S", "(227 - 11)/4"),
    ((C // S) * F, "(C/S)*F", "(96/4)*11"),
    (F * F * C + C, "(F*F + 1)*C", "(11*11 + 1)*96"),
    (C - F * C, "-(F - 1)*C", "-(11 - 1)*96"),
    (4 * F * C + 4 * S * C, "4*(F + S)*C", "4*(11 + 4)*96"),
    ((W + F) * (P - 1), "(P - 1)*(W + F)", "(2 - 1)*(227 + 11)"),
    (minimum(W, F + 1), "min(W, F + 1)", "min(227, 11 + 1)"),
    (maximum(0, W - F), "max(W - F, 0)", "max(227 - 11, 0)"),
    (gcd(W, 4), "gcd(W, 4)", "gcd(227, 4)"),
    (Z - P, "Z - P", "-3 - 2"),
    (2 * Z, "2Z", "2*(-3)"),
    (W // (S * P), "floor(W/(P*S))", "floor(227/(2*4))"),
]


@pytest.mark.parametrize(("size", "symbols", "numbers"), WRITTEN)
def test_with_symbols_and_with_numbers(size: Any, symbols: str, numbers: str) -> None:
    of = expression(size)
    # Products stand in the order of their symbols, factors that are sums before them.
    assert (write(of), write(of, numbers=True)) == (symbols, numbers)


@pytest.mark.parametrize(("size", "symbols", "numbers"), WRITTEN)
def test_what_is_written_comes_to_the_number(size: Any, symbols: str, numbers: str) -> None:
    del symbols
    from math import ceil, floor
    from math import gcd as divisor

    known = {"floor": floor, "ceil": ceil, "min": min, "max": max, "gcd": divisor}
    assert eval(numbers, {"__builtins__": {}}, known) == size  # our own tables, nobody else's


@pytest.mark.parametrize(
    ("size", "symbols", "numbers"),
    [
        ((W - F + P) // S, r"\left\lfloor \frac{W - F + P}{S} \right\rfloor", None),
        ((W - F) // S, r"\frac{W - F}{S}", r"\frac{227 - 11}{4}"),
        (F * F * C + C, r"\left(F^2 + 1\right) \, C", r"\left(11 \cdot 11 + 1\right) \cdot 96"),
        (minimum(W, F), r"\min(W, F)", r"\min(227, 11)"),
    ],
)
def test_in_latex(size: Any, symbols: str, numbers: str | None) -> None:
    of = expression(size)
    assert write(of, latex=True) == symbols
    if numbers is not None:
        assert write(of, numbers=True, latex=True) == numbers


@pytest.mark.parametrize(
    ("name", "written"),
    [("W", "W"), ("C_in", r"C_{\text{in}}"), ("C_1", "C_1"), ("F_H", "F_H"), ("X2", "X2")],
)
def test_names_have_indices_in_latex(name: str, written: str) -> None:
    assert latex_name(name) == written


def test_an_equation_is_the_rule_the_numbers_and_the_result() -> None:
    assert equation(expression(W - F), "216") == "W - F = 227 - 11 = 216"
    assert equation(expression(C), "96") == "C = 96"
    assert equation(expression(F * C), "1,056", latex=True).endswith("= 1{,}056")
