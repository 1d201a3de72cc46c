"""Spec -> closed forms: what a network costs as a polynomial in what was left free.

The engine is traced (``algebra/record.py``) and its sums and products are multiplied out. A window
that moves by more than one rounds down, so extents have floors in them. Written as a multiple of
the network's total stride they have none: ``side = 32 k``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from archcalc.algebra.forms import Form, Forms, Letter, MultipliedOut, letter
from archcalc.algebra.program import Program, run
from archcalc.algebra.symbolic import to_sympy
from archcalc.algebra.terms import constant, plus, times, value_of
from archcalc.analysis.counted import Analysis, Row
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike, load
from archcalc.space.trace import (
    free,
    listed,
    of_row,
    own_numbers,
    require_free,
    require_quantities,
    total,
    trace,
)
from archcalc.spec.model import Spec
from archcalc.spec.question import with_options
from archcalc.spec.space import EXTENTS

QUANTITIES = ("params", "macs", "flops", "activations")
"""What closed forms are given of."""

DETAILS = ("total", "stage", "layer")

LARGEST_STRIDE = 4096
"""A total stride beyond this is not looked for."""

LIMIT = 2**40
"""Questions about numbers from here on are about the limits of specs, not about a network."""


@dataclass(frozen=True)
class Symbol:
    """What a formula is in."""

    name: str
    """``k``, or the variable's own name where it is not written as a multiple."""
    variable: str
    """What may be given to a sweep: ``side``, ``width``, ``N``."""
    times: int = 1
    plus: int = 0
    """``variable = times * symbol + plus``."""
    own: int | float = 1
    """The variable's value in the network itself."""
    least: int | float = 1
    """The formula holds from this value of the symbol on."""

    @property
    def multiple(self) -> bool:
        """Whether it is another number than the variable."""
        return self.name != self.variable


class Line(NamedTuple):
    """The forms of a layer, a stage or the whole network."""

    name: str
    """``""`` for the whole network."""
    forms: Mapping[str, Form]
    """By quantity."""


@shown
@dataclass(frozen=True)
class Formula:
    """Closed forms of a network's totals, or of its layers'.

    ::

        >>> import archcalc
        >>> archcalc.formula("resnet18", "classes")(classes=10)["params"]
        11181642
    """

    network: str
    symbols: tuple[Symbol, ...]
    lines: tuple[Line, ...]
    """The stages or layers in their order, and the whole network last."""
    conditions: tuple[tuple[str, Form, Form], ...]
    """What must hold beside ``symbol >= least``: ``eq``, ``ne``, ``lt`` or ``le`` of two forms."""
    rounded: bool
    """Whether anything is left that rounds or chooses."""

    @property
    def total(self) -> Mapping[str, Form]:
        """The forms of the whole network, or of the layer that was asked for."""
        return self.lines[-1].forms

    def to_sympy(self) -> dict[str, Any]:
        """The total's forms as sympy expressions in positive whole symbols (real, of fractions).

        Raises :class:`ArchcalcError` where sympy is not installed.
        """
        whole = {symbol.name: type(symbol.own) is int for symbol in self.symbols}
        return {name: to_sympy(form, whole) for name, form in self.total.items()}

    def __call__(self, **values: int | float) -> dict[str, int]:
        """The total at values of the variables, in whole numbers.

        Raises :class:`ArchcalcError` where the formula is not meant, and for missing variables.
        """
        given: dict[str, Any] = {}
        for symbol in self.symbols:
            if symbol.variable not in values:
                raise ArchcalcError(f"{symbol.variable} is missing")
            value: Any = values[symbol.variable]
            if symbol.multiple:
                value, rest = divmod(value - symbol.plus, symbol.times)
                if rest:
                    raise ArchcalcError(
                        f"{symbol.variable}={values[symbol.variable]} is not "
                        f"{_line(symbol)}: ask for the form with floors"
                    )
            if value < symbol.least:
                raise ArchcalcError(f"the formula holds from {symbol.name} = {symbol.least} on")
            given[symbol.name] = value
        for op, a, b in self.conditions:
            x, y = a.at(given), b.at(given)
            if not {"eq": x == y, "ne": x != y, "lt": x < y, "le": x <= y}[op]:
                raise ArchcalcError("the formula is of another graph than there would be")
        return {name: int(form.at(given)) for name, form in self.total.items()}


def _line(symbol: Symbol) -> str:
    plus = f" + {symbol.plus}" if symbol.plus else ""
    return f"{symbol.times} {symbol.name}{plus}"


@with_options
def formula(
    network: NetworkLike,
    free_in: Sequence[str] | str | None = None,
    *,
    quantities: Sequence[str] | str = QUANTITIES,
    layer: str | None = None,
    detail: str = "total",
    floors: bool = False,
    **variables: Any,
) -> Formula:
    """Closed forms of a network's totals in some of its variables.

    ``free_in`` names them: variables of the spec, ``N``, of images ``side``, ``H`` and ``W``, of
    volumes ``D`` too, and of sequences ``length``; the side by default, or the batch where there is
    none. ``variables`` fixes others. Extents are written as ``32 k`` (plus a rest where the
    network's own is none), which leaves nothing to round, unless ``floors`` are wanted. ``layer``
    asks for a layer or a block, ``detail`` for all
    stages or layers. Raises :class:`ArchcalcError` for what can't be free, :class:`SpecError`
    where there is no network.

    513 parameters a class, of 512 features and a bias::

        >>> import archcalc
        >>> found = archcalc.formula("resnet18", "classes")
        >>> found(classes=1000)["params"] - found(classes=10)["params"] == 990 * 513
        True
    """
    network = load(network)
    quantities = listed(quantities)
    require_quantities(quantities)
    known = free(network)
    sides = sorted(_sides(network))
    # A network that is made for a size is asked for others by its variable, and not by an input.
    usual = "N" if "side" not in known else sides[0] if len(sides) == 1 else "side"
    names = listed(free_in) if free_in else [usual]
    require_free(network, [*names, *variables])
    point = own_numbers(network, names, variables, batch=3)

    def measure(analysis: Analysis) -> dict[str, Any]:
        groups = _groups(analysis, layer, detail)
        return {
            f"{name}|{quantity}": _measured(analysis, rows, quantity)
            for name, rows in groups.items()
            for quantity in quantities
        }

    def traced(point: Mapping[str, Any]) -> Program:
        if layer is None and detail == "total":  # copies are counted, and need not be named
            return trace(network, point, quantities, fixed=variables, bounded=False)
        return trace(network, point, fixed=variables, measure=measure)

    program = traced(point)
    if program.error:
        raise program.error
    times = dict.fromkeys(names, 1)
    extents = [name for name in names if name in EXTENTS or name in _sides(network)]
    if not floors:
        for name in extents:
            times[name] = _stride(program, name, point)
    symbols = _symbols(names, times, point)
    rule = MultipliedOut()
    forms = _forms(program, symbols, rule)
    symbols, conditions = _held(program, forms, rule, symbols)
    if len(symbols) == 1 and not conditions:
        symbols = (_lower(program, symbols[0], forms, traced),)
    lines: dict[str, dict[str, Form]] = {}
    for key, step in program.outputs.items():
        name, _, quantity = key.rpartition("|")
        lines.setdefault(name, {})[quantity] = forms.form(step)
    rounded = any(
        atom.op != "symbol"
        for line in lines.values()
        for form in line.values()
        for atom in form.atoms()
    )
    ordered = [Line(name, found) for name, found in lines.items()]
    return Formula(network.label, symbols, tuple(ordered), conditions, rounded)


def _sides(spec: Spec) -> set[str]:
    """The variables that are extents of the input as they stand."""
    axes = [axis for shape in spec.inputs.values() for axis in shape[1:]]
    return {name for name in spec.vars if f"={name}" in axes}


def _groups(analysis: Analysis, layer: str | None, detail: str) -> dict[str, Sequence[Row]]:
    if detail not in DETAILS:
        raise ArchcalcError(f"no detail '{detail}'\n  known: {', '.join(DETAILS)}")
    rows: Sequence[Row] = analysis.rows
    if layer is not None:
        rows = analysis.under(layer)
        if not rows:
            raise analysis.missing(layer)
    groups: dict[str, Sequence[Row]] = {}
    if detail != "total":
        for row in rows:
            name = row.stage if detail == "stage" and row.stage else row.name
            groups.setdefault(name, [])
            groups[name] = [*groups[name], row]
        if detail == "layer":
            groups = {n: r for n, r in groups.items() if r[0].weights or r[0].op.endswith("2d")}
    groups[layer or ""] = rows
    return groups


def _measured(analysis: Analysis, rows: Sequence[Row], quantity: str) -> Any:
    if len(rows) == len(analysis.rows):
        return total(analysis, quantity)
    return sum(of_row(row, quantity) for row in rows)


def _symbols(
    names: Sequence[str], times: Mapping[str, int], point: Mapping[str, Any]
) -> tuple[Symbol, ...]:
    found = []
    taken = set(names)
    letters = {"side": "k", "H": "h", "W": "w"}
    for name in names:
        if times[name] == 1:
            found.append(Symbol(name, name, own=point[name]))
            continue
        called = letters.get(name, "k")
        while called in taken:
            called += "k"
        taken.add(called)
        found.append(Symbol(called, name, times[name], point[name] % times[name], point[name]))
    return tuple(found)


def _forms(program: Program, symbols: Sequence[Symbol], rule: MultipliedOut) -> Forms:
    """The steps of a program as polynomials in the symbols."""
    letters = {
        symbol.variable: plus(
            times(constant(symbol.times), letter(Letter(symbol.name))), constant(symbol.plus)
        )
        for symbol in symbols
    }
    return Forms(program, letters, rule)


def _stride(program: Program, name: str, point: Mapping[str, Any]) -> int:
    """The least number such that no floor is left if an extent is a multiple of it, plus a rest.

    1 if there is none.
    """
    times = 1
    while times <= LARGEST_STRIDE:
        values = {n: times if n == name else 1 for n in point}
        symbols = [
            Symbol(n, n, values[n], point[n] % times if n == name else 0, point[n]) for n in point
        ]
        rule = MultipliedOut()
        forms = _forms(program, symbols, rule)
        for step in program.outputs.values():
            forms.terms(step)
        factor = 1
        ((mine, _),) = letter(Letter(name)).items()
        for rest, by in rule.stuck:
            if set(rest) <= {mine, ()} and mine in rest:
                factor = math.lcm(factor, by // math.gcd(rest[mine], by))
                break
        if factor == 1:
            return times
        times *= factor
    return 1


def _held(
    program: Program, forms: Forms, rule: MultipliedOut, symbols: tuple[Symbol, ...]
) -> tuple[tuple[Symbol, ...], tuple[tuple[str, Form, Form], ...]]:
    """From which values of the symbols on the guards hold, and those that stay to be asked."""
    asked = []
    for op, a, b, answer in program.guards:
        if any(
            program.steps[k].op == "const" and abs(program.steps[k].args[0]) >= LIMIT
            for k in (a, b)
        ):
            continue
        x, y = forms.terms(a), forms.terms(b)
        gap = plus(x, y, -1)
        if value_of(gap) is not None:
            continue
        asked.append((op, a, b, answer, gap))
    own = {s.name: (s.own - s.plus) // s.times if s.times > 1 else s.own for s in symbols}
    best: tuple[int, dict[str, Any], list[Any]] | None = None
    for start in (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 64, 128, 256):
        least = {name: min(start, value) for name, value in own.items()}
        left = [one for one in asked if not rule.certain(one[0], one[4], one[3], least)]
        if best is None or len(left) < best[0]:
            best = (len(left), least, left)
        if not left or start >= max(own.values()):
            break
    assert best is not None
    _, least, left = best
    for name, most in least.items():  # of several, one may be lower than the others
        for start in range(1, int(most)):
            lower = {**least, name: start}
            if all(one in left or rule.certain(one[0], one[4], one[3], lower) for one in asked):
                least = lower
                break
    found = tuple(
        Symbol(s.name, s.variable, s.times, s.plus, s.own, least[s.name]) for s in symbols
    )
    conditions = []
    for op, a, b, answer, _ in left:
        if not answer:
            op = {"eq": "ne", "lt": "le", "le": "lt"}[op]
            if op != "ne":
                a, b = b, a
        conditions.append((op, forms.form(a), forms.form(b)))
    return found, tuple(dict.fromkeys(conditions))


def _lower(
    program: Program,
    symbol: Symbol,
    forms: Forms,
    traced: Callable[[Mapping[str, Any]], Program],
) -> Symbol:
    """From where on the formula gives what the engine gives: other graphs may cost the same."""
    least = symbol.least
    while type(least) is int and 1 < least <= 16:
        value = symbol.times * (least - 1) + symbol.plus
        below = traced({symbol.variable: value})
        if below.error is not None:
            break
        numbers = run(below, {symbol.variable: value})
        at = {symbol.name: least - 1}
        if any(
            forms.form(step).at(at) != numbers.get(name) for name, step in program.outputs.items()
        ):
            break
        least -= 1
    return replace(symbol, least=least)
