"""Closed forms as text, Markdown, LaTeX, and as a function in Python."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from keyword import iskeyword
from typing import Any

from archcalc.algebra.forms import Atom, Form, Letter
from archcalc.algebra.write import LATEX, PYTHON, TEXT, Notation
from archcalc.document import Document
from archcalc.document.model import Formula as Shown
from archcalc.document.model import Formulas, Head, Heading, Items, Math, Row, Table
from archcalc.report.rendering import renderer
from archcalc.space.formula import Formula, Line

NAMES = {"params": "params", "macs": "MACs", "flops": "FLOPs", "activations": "activations"}

_RELATIONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<="}


FORMATS = ("text", "markdown", "latex", "python", "json")
"""The forms of a formula."""


def said(found: Formula) -> list[str]:
    """Of what the formula is one, and where it holds: a sentence each."""
    sentences = []
    for symbol in found.symbols:
        if symbol.multiple:
            plus = f" + {symbol.plus}" if symbol.plus else ""
            own = (int(symbol.own) - symbol.plus) // symbol.times
            sentences.append(
                f"{symbol.variable} = {symbol.times} {symbol.name}{plus}, "
                f"{symbol.name} >= {symbol.least} ({symbol.own} is {symbol.name} = {own}): the "
                f"total stride is {symbol.times}, so that nothing is rounded"
            )
        elif type(symbol.own) is float:
            sentences.append(f"{symbol.name} from {symbol.least} on")
        else:
            sentences.append(f"{symbol.name} >= {symbol.least}")
    if len(found.conditions) > 3:
        count = len(found.conditions)
        sentences.append(f"only where {count} conditions hold, which --format python spells out")
    elif found.conditions:
        conditions = _conditions(found, TEXT, _named(found))
        sentences.append("only where " + " and ".join(conditions))
    used = _operations(found)
    if used & {"floordiv", "floor", "trunc", "isqrt"}:
        sentences.append("floor rounds down")
    if "less" in used:
        sentences.append("[a < b] is 1 where that is true and else 0")
    if "round_to" in used:
        sentences.append(
            "round_to(x, m, keep=k) is the multiple of m nearest to x, at least m, and m more "
            "where that is less than k x"
        )
    return sentences


def _operations(found: Formula) -> set[str]:
    """What is done beside adding and multiplying."""
    forms = [form for line in found.lines for form in line.forms.values()]
    return {atom.op for form in forms for atom in form.atoms()}


def _conditions(
    found: Formula, notation: Notation, names: Mapping[Atom, str] | None = None
) -> list[str]:
    return [
        f"{notation.write(a, names)} {_RELATIONS[op]} {notation.write(b, names)}"
        for op, a, b in found.conditions
    ]


def _named(found: Formula, conditions: bool = False) -> dict[Atom, str]:
    """What is neither sum nor product, each under a name and after what it is made of.

    What stands in one other only is spelled out there and has no name.
    """
    uses: dict[Atom, set[Atom | None]] = {}
    taken = {symbol.name for symbol in found.symbols} | {s.variable for s in found.symbols}

    def visit(terms: Form, parent: Atom | None) -> None:
        for monomial, _ in terms:
            for atom in monomial:
                if atom.op == "symbol":
                    continue
                known = atom in uses
                if not known:
                    for arg in atom.args:
                        visit(arg, atom)
                uses.setdefault(atom, set()).add(parent)

    if conditions:
        for _, a, b in found.conditions:
            visit(a, None)
            visit(b, None)
    for line in found.lines:
        for terms in line.forms.values():
            visit(terms, None)
    names: dict[Atom, str] = {}
    for atom, parents in uses.items():
        if None in parents or len(parents) > 1:
            count = len(names) + 1
            while f"n{count}" in taken:
                count += 100
            names[atom] = f"n{count}"
    return names


def document(found: Formula) -> Document:
    """What the formula is of, where it holds, and the forms of every line."""
    names = _named(found)
    in_latex = {atom: f"n_{{{name[1:]}}}" for atom, name in names.items()}
    *lines, last = found.lines

    def cells(line: Line, look: str = "") -> Row:
        forms = (Math(*_both(form, names, in_latex)) for form in line.forms.values())
        return Row((line.name or "total", *forms), look)

    heads = [Head("line", "")]
    heads += [Head(name, NAMES.get(name, name), wraps=True) for name in last.forms]
    total = tuple(
        Shown(NAMES.get(name, name), *_both(form, names, in_latex))
        for name, form in last.forms.items()
    )
    return Document.of(
        Heading(found.network),
        Items.of(said(found)),
        Formulas(tuple(_definitions(names, in_latex)), typed=False),
        Heading("" if lines else last.name, 2),
        Table(tuple(heads), tuple(map(cells, lines)), sums=(cells(last, "sums"),))
        if lines
        else Formulas(total, typed=False),
    )


def _both(form: Form, names: Mapping[Atom, str], in_latex: Mapping[Atom, str]) -> tuple[str, str]:
    """A form as it is typed, and in LaTeX."""
    return TEXT.write(form, names), LATEX.write(form, in_latex)


def _definitions(names: Mapping[Atom, str], in_latex: Mapping[Atom, str]) -> Iterator[Shown]:
    """What stands for what."""
    for atom, name in names.items():
        others = {other: called for other, called in names.items() if other != atom}
        written = {other: called for other, called in in_latex.items() if other != atom}
        yield Shown(
            "",
            f"{name} = {TEXT.atom(atom, others)}",
            f"{in_latex[atom]} = {LATEX.atom(atom, written)}",
        )


# As a program.


_ROUND_TO = (
    "def round_to(x, multiple, keep=0):",
    "    near = max(math.floor((2 * x + multiple) // (2 * multiple)) * multiple, multiple)",
    "    return near + multiple if near < keep * x else near",
)


def _identifier(name: str) -> str:
    """A name as Python takes it; what it would hide (``int``, ``lambda``) gets a ``_`` behind."""
    found = re.sub(r"\W", "_", name)
    found = f"_{found}" if found[0].isdigit() else found
    hidden = iskeyword(found) or hasattr(builtins, found) or found in ("math", "rest", "round_to")
    return f"{found}_" if hidden else found


def python(found: Formula) -> str:
    """A module with one function, which computes the same numbers and needs nothing else.

    It raises ``ValueError`` where the formula is not meant.
    """
    arguments = {symbol.variable: _identifier(symbol.variable) for symbol in found.symbols}
    letters = {symbol.name: _identifier(symbol.name) for symbol in found.symbols}
    body = [f'"""Totals of {found.network}. Raises ValueError where they are not these."""']
    named = _named(found, conditions=True)
    called = {Atom("symbol", (Letter(name),)): letter for name, letter in letters.items()}
    if any("round_to" in PYTHON.atom(atom, {}) for atom in named):
        body += _ROUND_TO
    for symbol in found.symbols:
        argument, letter = arguments[symbol.variable], letters[symbol.name]
        if symbol.multiple:
            less = f" - {symbol.plus}" if symbol.plus else ""
            body.append(f"{letter}, rest = divmod({argument}{less}, {symbol.times})")
            body.append(f"if rest or {letter} < {symbol.least}:")
        else:
            body.append(f"if {letter} < {symbol.least}:")
        body.append(f'    raise ValueError(f"{symbol.variable}={{{argument}}}")')
    for atom, name in named.items():
        body.append(f"{name} = {PYTHON.atom(atom, called)}")
        called[atom] = name
    for condition in _conditions(found, PYTHON, called):
        body.append(f"if not {condition}:")
        body.append('    raise ValueError("another network")')
    body.append("return {")
    body += [
        f'    "{name}": int({PYTHON.write(terms, called)}),' for name, terms in found.total.items()
    ]
    body.append("}")
    lead = "import math\n\n\n" if any("math." in line for line in body) else ""
    head = f"def {_identifier(found.network)}({', '.join(arguments.values())}):\n"
    return lead + head + "".join(f"    {line}\n" for line in body)


def as_data(found: Formula) -> dict[str, Any]:
    """Forms in Python's syntax, by line and quantity, and what the symbols are."""
    return {
        "network": found.network,
        "symbols": [
            {key: value for key, value in asdict(symbol).items() if key != "own"}
            for symbol in found.symbols
        ],
        "conditions": _conditions(found, PYTHON),
        "lines": [
            {"name": line.name, **{n: PYTHON.write(terms) for n, terms in line.forms.items()}}
            for line in found.lines
        ],
    }


render = renderer(document, FORMATS, python=python, json=as_data)
"""A formula in one of ``FORMATS``."""
