"""How expressions are written."""

from __future__ import annotations

from typing import Any

import pytest

from archcalc.algebra.forms import AsItReads, Form, Forms, Letter, letter
from archcalc.algebra.record import Record
from archcalc.algebra.write import equation, latex_name, write
from archcalc.dims import ceil_div, gcd, maximum, minimum

LETTERS = {
    each.name: each
    for each in (
        Letter("W", 227, "", 9, True),
        Letter("F", 11, "", 1),
        Letter("P", 2, "", 2),
        Letter("S", 4, "", 3),
        Letter("C", 96, "", 4),
        Letter("Z", -3, "", 5, True),
    )
}


def form(of: str) -> tuple[Form, Any]:
    """The form of an expression in these letters, and what it comes to."""
    record = Record()
    names = {name: record.variable(name, known.value) for name, known in LETTERS.items()}
    known = {"ceil_div": ceil_div, "minimum": minimum, "maximum": maximum, "gcd": gcd}
    result = eval(of, {"__builtins__": {}}, {**names, **known})  # of the tables below
    program = record.finish({"result": result})
    letters = {name: letter(known) for name, known in LETTERS.items()}
    found = Forms(program, letters, AsItReads())
    return found.form(program.outputs["result"]), getattr(result, "value", result)


WRITTEN: list[tuple[str, str, str]] = [
    ("W", "W", "227"),
    ("W - F + P + P", "W - F + 2P", "227 - 11 + 2*2"),
    ("-F + W", "W - F", "227 - 11"),
    ("(W - F) // 4 + 1", "(W - F)/4 + 1", "(227 - 11)/4 + 1"),
    ("(W - F + P) // S + 1", "floor((W - F + P)/S) + 1", "floor((227 - 11 + 2)/4) + 1"),
    ("ceil_div(W - F + P, S)", "ceil((W - F + P)/S)", "ceil((227 - 11 + 2)/4)"),
    ("ceil_div(W - F, S)", "(W - F)/S", "(227 - 11)/4"),
    ("(C // S) * F", "(C/S)*F", "(96/4)*11"),
    ("F * F * C + C", "(F*F + 1)*C", "(11*11 + 1)*96"),
    ("C - F * C", "-(F - 1)*C", "-(11 - 1)*96"),
    ("4 * F * C + 4 * S * C", "4*(F + S)*C", "4*(11 + 4)*96"),
    ("(W + F) * (P - 1)", "(P - 1)*(W + F)", "(2 - 1)*(227 + 11)"),
    ("minimum(W, F + 1)", "min(W, F + 1)", "min(227, 11 + 1)"),
    ("maximum(0, W - F)", "max(W - F, 0)", "max(227 - 11, 0)"),
    ("gcd(W, 4)", "gcd(W, 4)", "gcd(227, 4)"),
    ("Z - P", "Z - P", "-3 - 2"),
    ("2 * Z", "2Z", "2*(-3)"),
    ("W // (S * P)", "floor(W/(P*S))", "floor(227/(2*4))"),
]


@pytest.mark.parametrize(("size", "symbols", "numbers"), WRITTEN)
def test_with_symbols_and_with_numbers(size: str, symbols: str, numbers: str) -> None:
    of, _ = form(size)
    # Products stand in the order of their symbols, factors that are sums before them.
    assert (write(of), write(of, numbers=True)) == (symbols, numbers)


@pytest.mark.parametrize(("size", "symbols", "numbers"), WRITTEN)
def test_what_is_written_comes_to_the_number(size: str, symbols: str, numbers: str) -> None:
    del symbols
    from math import ceil, floor
    from math import gcd as divisor

    known = {"floor": floor, "ceil": ceil, "min": min, "max": max, "gcd": divisor}
    assert eval(numbers, {"__builtins__": {}}, known) == form(size)[1]  # our own table


@pytest.mark.parametrize(
    ("size", "symbols", "numbers"),
    [
        ("(W - F + P) // S", r"\left\lfloor \frac{W - F + P}{S} \right\rfloor", None),
        ("(W - F) // S", r"\frac{W - F}{S}", r"\frac{227 - 11}{4}"),
        ("F * F * C + C", r"\left(F^2 + 1\right) \, C", r"\left(11 \cdot 11 + 1\right) \cdot 96"),
        ("minimum(W, F)", r"\min(W, F)", r"\min(227, 11)"),
    ],
)
def test_in_latex(size: str, symbols: str, numbers: str | None) -> None:
    of, _ = form(size)
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
    assert equation(form("W - F")[0], "216") == "W - F = 227 - 11 = 216"
    assert equation(form("C")[0], "96") == "C = 96"
    assert equation(form("F * C")[0], "1,056", latex=True).endswith("= 1{,}056")
