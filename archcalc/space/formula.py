"""Spec -> closed forms: what a network costs as a polynomial in what was left free.

The engine is traced (``algebra/tape.py``) and its sums and products are multiplied out. A window
that moves by more than one rounds down, so extents have floors in them. Written as a multiple of
the network's total stride they have none: ``side = 32 k``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

from archcalc.algebra.program import PYTHON, Program, needed, run
from archcalc.analysis.analyze import Analysis, Row
from archcalc.dims import Size
from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.operators.base import elements
from archcalc.space.trace import INPUT, free, require_free, settings, total, trace
from archcalc.spec.expand import expand
from archcalc.spec.model import Spec

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


@dataclass(frozen=True)
class Atom:
    """What is neither sum nor product: an operation of ``PYTHON`` on terms, or a symbol."""

    op: str
    args: tuple[Any, ...]


Monomial: TypeAlias = tuple[Atom, ...]
Terms: TypeAlias = "tuple[tuple[Monomial, int | float], ...]"
"""A polynomial: products of atoms, and what each is multiplied by."""

_Poly: TypeAlias = dict[Monomial, Any]


class Line(NamedTuple):
    """The forms of a layer, a stage or the whole network."""

    name: str
    """``""`` for the whole network."""
    forms: Mapping[str, Terms]
    """By quantity."""


@dataclass(frozen=True)
class Formula:
    """Closed forms of a network's totals, or of its layers'."""

    network: str
    symbols: tuple[Symbol, ...]
    lines: tuple[Line, ...]
    """The stages or layers in their order, and the whole network last."""
    conditions: tuple[tuple[str, Terms, Terms], ...]
    """What must hold beside ``symbol >= least``: ``eq``, ``ne``, ``lt`` or ``le`` of two forms."""
    rounded: bool
    """Whether anything is left that rounds or chooses."""

    @property
    def total(self) -> Mapping[str, Terms]:
        """The forms of the whole network, or of the layer that was asked for."""
        return self.lines[-1].forms

    @cached_property
    def expressions(self) -> Mapping[str, Any]:
        """The total's forms as sympy expressions in positive whole symbols (real, of fractions)."""
        return {name: as_sympy(terms, self.symbols) for name, terms in self.total.items()}

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
            x, y = evaluate(a, given), evaluate(b, given)
            if not {"eq": x == y, "ne": x != y, "lt": x < y, "le": x <= y}[op]:
                raise ArchcalcError("the formula is of another graph than there would be")
        return {name: int(evaluate(terms, given)) for name, terms in self.total.items()}


def _line(symbol: Symbol) -> str:
    plus = f" + {symbol.plus}" if symbol.plus else ""
    return f"{symbol.times} {symbol.name}{plus}"


def formula(
    network: Spec,
    free_in: Sequence[str] | str | None = None,
    *,
    quantities: Sequence[str] = QUANTITIES,
    layer: str | None = None,
    detail: str = "total",
    floors: bool = False,
    **variables: Any,
) -> Formula:
    """Closed forms of a network's totals in some of its variables.

    ``free_in`` names them: variables of the spec, ``N``, and of images ``side``, ``H`` and ``W``;
    the side by default, or the batch where there is none. ``variables`` fixes others. Extents are
    written as ``32 k`` (plus a rest where the network's own is none), which leaves nothing to
    round, unless ``floors`` are wanted. ``layer`` asks for a layer or a block, ``detail`` for all
    stages or layers. Raises :class:`ArchcalcError` for what can't be free, :class:`SpecError`
    where there is no network.
    """
    if isinstance(free_in, str):
        free_in = [name.strip() for name in free_in.split(",")]
    known = free(network)
    names = list(free_in) if free_in else ["side" if "side" in known else "N"]
    require_free(network, [*names, *variables])
    point = _own(network, names, variables)

    def measure(analysis: Analysis) -> dict[str, Any]:
        groups = _groups(analysis, layer, detail)
        return {
            f"{name}|{quantity}": _measured(analysis, rows, quantity)
            for name, rows in groups.items()
            for quantity in quantities
        }

    program = trace(network, point, fixed=variables, measure=measure)
    if program.error:
        raise program.error
    times = dict.fromkeys(names, 1)
    extents = [name for name in names if name in INPUT or name in _sides(network)]
    if not floors:
        for name in extents:
            times[name] = _stride(program, name, point)
    symbols = _symbols(names, times, point)
    forms = _Forms(program, symbols)
    symbols, conditions = _held(program, forms, symbols)
    if len(symbols) == 1 and not conditions:
        symbols = (_lower(network, program, symbols[0], forms, measure, variables),)
    lines: dict[str, dict[str, Terms]] = {}
    for key, step in program.outputs.items():
        name, _, quantity = key.rpartition("|")
        lines.setdefault(name, {})[quantity] = _frozen(forms.of(step))
    rounded = any(
        atom.op != "symbol"
        for line in lines.values()
        for terms in line.values()
        for monomial, _ in terms
        for atom in monomial
    )
    ordered = [Line(name, found) for name, found in lines.items()]
    return Formula(network.label, symbols, tuple(ordered), conditions, rounded)


def _own(spec: Spec, names: Sequence[str], variables: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the free names in the network itself."""
    graph = expand(spec, **settings(spec, variables))
    (first, *_) = graph.inputs.values()
    found: dict[str, Any] = {}
    for name in names:
        if name in spec.vars:
            value: Any = graph.variables[name]
            if type(value) not in (int, float):
                raise ArchcalcError(
                    f"'{name}' is {value!r:.60}, no number: it has no place in a formula\n"
                    f"  free: {', '.join(_numbers(graph.variables, spec))}"
                )
            variants = [chosen or {} for chosen in spec.variants.values()]
            fraction = any(type(chosen.get(name)) is float for chosen in variants)
            found[name] = float(value) if fraction else value
        else:
            found[name] = {"N": 3, "batch": 3, "W": first[-1]}.get(name, first[2 % len(first)])
    return found


def _numbers(variables: Mapping[str, Any], spec: Spec) -> list[str]:
    numbers = [name for name, value in variables.items() if type(value) in (int, float)]
    return [*numbers, *(name for name in free(spec) if name not in spec.vars)]


def _sides(spec: Spec) -> set[str]:
    """The variables that are extents of the input as they stand."""
    axes = [axis for shape in spec.inputs.values() for axis in shape[1:]]
    return {name for name in spec.vars if f"={name}" in axes}


def _groups(analysis: Analysis, layer: str | None, detail: str) -> dict[str, Sequence[Row]]:
    if detail not in DETAILS:
        raise ArchcalcError(f"no detail '{detail}'\n  known: {', '.join(DETAILS)}")
    rows: Sequence[Row] = analysis.rows
    if layer is not None:
        rows = [row for row in rows if row.name == layer or row.name.startswith(f"{layer}.")]
        if not rows:
            names = [row.name for row in analysis.rows]
            hint = did_you_mean(layer, [*names, *{row.stage for row in analysis.rows}])
            raise ArchcalcError(f"no layer '{layer}'" + (f"\n  {hint}" if hint else ""))
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


def _measured(analysis: Analysis, rows: Sequence[Row], quantity: str) -> Size:
    if len(rows) == len(analysis.rows):
        return total(analysis, quantity)
    if quantity == "activations":
        return sum(elements(row.shape) for row in rows if row.executed)
    if quantity == "flops":
        return sum(row.work.flops for row in rows)
    return sum(getattr(row, quantity) for row in rows)


# Steps as polynomials in the symbols.


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
        letter = letters.get(name, "k")
        while letter in taken:
            letter += "k"
        taken.add(letter)
        found.append(Symbol(letter, name, times[name], point[name] % times[name], point[name]))
    return tuple(found)


class _Forms:
    """The steps of a program as polynomials, worked out as they are asked for."""

    def __init__(self, program: Program, symbols: Sequence[Symbol]) -> None:
        self.program = program
        self.symbols = {symbol.variable: symbol for symbol in symbols}
        self.known: dict[int, _Poly] = {}
        self.stuck: list[tuple[_Poly, int]] = []
        """What was to be divided and by what, where a rest stays open."""

    def of(self, step: int) -> _Poly:
        for k in needed(self.program, [step], self.known):
            op, args = self.program.steps[k]
            if op == "const":
                self.known[k] = {(): args[0]} if args[0] else {}
            elif op == "var":
                symbol = self.symbols[args[0]]
                self.known[k] = {(Atom("symbol", (symbol.name,)),): symbol.times}
                if symbol.plus:
                    self.known[k][()] = symbol.plus
            else:
                self.known[k] = self._apply(
                    op, self.program.floats[k], [self.known[arg] for arg in args]
                )
        return self.known[step]

    def _apply(self, op: str, is_float: bool, args: list[_Poly]) -> _Poly:
        if all(set(arg) <= {()} for arg in args):
            value = PYTHON[op](*[arg.get((), 0) for arg in args])
            return {(): value} if value else {}
        if not is_float:
            if op in ("add", "sub"):
                return _add(args[0], args[1], 1 if op == "add" else -1)
            if op == "neg":
                return {monomial: -n for monomial, n in args[0].items()}
            if op == "mul":
                return _multiply(args[0], args[1])
            if op in ("min", "max"):
                # Where one is never the larger, whatever the symbols, there is nothing to choose.
                gap = _add(args[0], args[1], -1)
                for question, first in (("le", True), ("lt", False)):
                    if _certain((question, *args, first, gap), None):
                        return args[first is not (op == "min")]
            if op in ("floordiv", "mod") and set(args[1]) == {()} and args[1][()] > 0:
                whole, rest = self._divided(args[0], args[1][()])
                if op == "floordiv" and not rest:
                    return whole
                if op == "mod" and not rest:
                    return {}
                if set(rest) == {()}:
                    quotient, left = divmod(rest[()], args[1][()])
                    if op == "mod":
                        return {(): left} if left else {}
                    return _add(whole, {(): quotient} if quotient else {}, 1)
                self.stuck.append((rest, args[1][()]))
                if op == "floordiv":
                    rest, by = _flattened(rest, args[1][()])
                    atom = Atom(op, (_frozen(rest), (((), by),)))
                    return _add(whole, {(atom,): 1}, 1)
                atom = Atom(op, (_frozen(rest), _frozen(args[1])))
                return {(atom,): 1}
        return {(Atom(op, tuple(map(_frozen, args))),): 1}

    @staticmethod
    def _divided(poly: _Poly, by: int) -> tuple[_Poly, _Poly]:
        """A polynomial divided term by term, and the terms that ``by`` does not divide."""
        if any(type(n) is not int for n in poly.values()):
            return {}, poly
        whole = {monomial: n // by for monomial, n in poly.items() if n % by == 0}
        rest = {monomial: n for monomial, n in poly.items() if n % by}
        return whole, rest


def _flattened(rest: _Poly, by: int) -> tuple[_Poly, int]:
    """``floor((floor(a / b) + c) / d)`` is ``floor((a + b c) / (b d))``, of whole numbers."""
    while True:
        atoms = [monomial for monomial in rest if monomial]
        if len(atoms) != 1 or len(atoms[0]) != 1 or rest[atoms[0]] != 1:
            return rest, by
        (atom,) = atoms[0]
        if atom.op != "floordiv" or len(atom.args[1]) != 1 or atom.args[1][0][0]:
            return rest, by
        inner = atom.args[1][0][1]
        more = rest.get((), 0) * inner
        rest = _add(dict(atom.args[0]), {(): more} if more else {}, 1)
        by *= inner


def _add(a: _Poly, b: _Poly, sign: int) -> _Poly:
    found = dict(a)
    for monomial, n in b.items():
        both = found.get(monomial, 0) + sign * n
        if both:
            found[monomial] = both
        else:
            found.pop(monomial, None)
    return found


def _multiply(a: _Poly, b: _Poly) -> _Poly:
    found: _Poly = {}
    for monomial, n in a.items():
        for other, m in b.items():
            key = (
                tuple(sorted((*monomial, *other), key=_place))
                if monomial and other
                else (monomial or other)
            )
            both = found.get(key, 0) + n * m
            if both:
                found[key] = both
            else:
                found.pop(key, None)
    return found


_PLACES: dict[Atom, tuple[int, str]] = {}


def _place(atom: Atom) -> tuple[int, str]:
    """Symbols first, each kind by name."""
    found = _PLACES.get(atom)
    if found is None:
        if len(_PLACES) > 10_000:
            _PLACES.clear()
        found = (0, atom.args[0]) if atom.op == "symbol" else (1, f"{atom.op}{atom.args}")
        _PLACES[atom] = found
    return found


def _frozen(poly: _Poly) -> Terms:
    """The terms in the order in which they are printed: the highest powers first."""

    def order(term: tuple[Monomial, Any]) -> Any:
        return -len(term[0]), [_place(atom) for atom in term[0]]

    return tuple(sorted(poly.items(), key=order))


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
        forms = _Forms(program, symbols)
        for step in program.outputs.values():
            forms.of(step)
        factor = 1
        for rest, by in forms.stuck:
            mine = (Atom("symbol", (name,)),)
            if set(rest) <= {mine, ()} and mine in rest:
                factor = math.lcm(factor, by // math.gcd(rest[mine], by))
                break
        if factor == 1:
            return times
        times *= factor
    return 1


def _held(
    program: Program, forms: _Forms, symbols: tuple[Symbol, ...]
) -> tuple[tuple[Symbol, ...], tuple[tuple[str, Terms, Terms], ...]]:
    """From which values of the symbols on the guards hold, and those that stay to be asked."""
    asked = []
    for op, a, b, answer in program.guards:
        if any(
            program.steps[k].op == "const" and abs(program.steps[k].args[0]) >= LIMIT
            for k in (a, b)
        ):
            continue
        x, y = forms.of(a), forms.of(b)
        gap = _add(x, y, -1)
        if set(gap) <= {()}:
            continue
        asked.append((op, x, y, answer, gap))
    own = {s.name: (s.own - s.plus) // s.times if s.times > 1 else s.own for s in symbols}
    best: tuple[int, dict[str, Any], list[Any]] | None = None
    for start in (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 64, 128, 256):
        least = {name: min(start, value) for name, value in own.items()}
        left = [question for question in asked if not _certain(question, least)]
        if best is None or len(left) < best[0]:
            best = (len(left), least, left)
        if not left or start >= max(own.values()):
            break
    assert best is not None
    _, least, left = best
    found = tuple(
        Symbol(s.name, s.variable, s.times, s.plus, s.own, least[s.name]) for s in symbols
    )
    conditions = []
    for op, x, y, answer, _ in left:
        if not answer:
            op = {"eq": "ne", "lt": "le", "le": "lt"}[op]
            if op != "ne":
                x, y = y, x
        conditions.append((op, _frozen(x), _frozen(y)))
    return found, tuple(dict.fromkeys(conditions))


def _lower(
    spec: Spec,
    program: Program,
    symbol: Symbol,
    forms: _Forms,
    measure: Callable[[Analysis], Mapping[str, Any]],
    variables: Mapping[str, Any],
) -> Symbol:
    """From where on the formula gives what the engine gives: other graphs may cost the same."""
    least = symbol.least
    while type(least) is int and 1 < least <= 16:
        value = symbol.times * (least - 1) + symbol.plus
        below = trace(spec, {symbol.variable: value}, fixed=variables, measure=measure)
        if below.error is not None:
            break
        numbers = run(below, {symbol.variable: value})
        at = {symbol.name: least - 1}
        if any(
            evaluate(_frozen(forms.of(step)), at) != numbers.get(name)
            for name, step in program.outputs.items()
        ):
            break
        least -= 1
    return replace(symbol, least=least)


def _certain(question: Any, least: Mapping[str, Any] | None) -> bool:
    """Whether a guard gets its answer wherever the symbols are at least so large, or from 1 on."""
    op, _, _, answer, gap = question
    if any(atom.op not in ("symbol", "round_to") for monomial in gap for atom in monomial):
        return False
    if least is None and any(type(n) is not int for n in gap.values()):
        return False
    # In how far they exceed it all terms are products of numbers from 0 on.
    beyond: _Poly = {}
    for monomial, n in gap.items():
        product: _Poly = {(): n}
        for atom in monomial:
            if atom.op == "symbol":
                start = least[atom.args[0]] if least else 1
            else:
                ((_, start),) = atom.args[1]  # the multiple that it is rounded to
            product = _multiply(product, {(atom,): 1, (): start})
        beyond = _add(beyond, product, 1)
    least_gap = beyond.get((), 0)
    up = all(n >= 0 for n in beyond.values())
    down = all(n <= 0 for n in beyond.values())
    positive, negative = up and least_gap > 0, down and least_gap < 0
    if op == "eq":
        return not answer and (positive or negative)
    if op == "lt":  # a < b
        return negative if answer else up
    return down if answer else positive


# What a form is worth, and in which words.


def evaluate(terms: Terms, values: Mapping[str, Any]) -> Any:
    """A form at values of its symbols, in Python's numbers."""
    result: Any = 0
    for monomial, times in terms:
        for atom in monomial:
            times *= (
                values[atom.args[0]]
                if atom.op == "symbol"
                else PYTHON[atom.op](*[evaluate(arg, values) for arg in atom.args])
            )
        result += times
    return result


def symbols_of(terms: Iterable[tuple[Monomial, Any]]) -> set[str]:
    """The names of the symbols in a form."""
    found: set[str] = set()
    for monomial, _ in terms:
        for atom in monomial:
            if atom.op == "symbol":
                found.add(atom.args[0])
            else:
                for arg in atom.args:
                    found |= symbols_of(arg)
    return found


def as_sympy(terms: Terms, symbols: Sequence[Symbol]) -> Any:
    """A form as a sympy expression."""
    import sympy

    whole = {s.name: type(s.own) is int for s in symbols}

    def number(value: Any) -> Any:
        return sympy.Integer(value) if type(value) is int else sympy.Rational(value)

    def rounded(x: Any, multiple: Any, keep: Any) -> Any:
        near = sympy.Max(multiple * sympy.floor(x / multiple + sympy.Rational(1, 2)), multiple)
        more = sympy.Piecewise((1, near < keep * x), (0, True)) if keep else 0
        return near + multiple * more

    def spelled(atom: Atom) -> Any:
        if atom.op == "symbol":
            name = atom.args[0]
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

    def expression(form: Terms) -> Any:
        return sympy.Add(
            *[
                sympy.Mul(number(times), *[spelled(atom) for atom in monomial])
                for monomial, times in form
            ]
        )

    return expression(terms)
