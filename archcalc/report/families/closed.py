"""Closed forms as text, Markdown, LaTeX, and as a function in Python."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Mapping
from keyword import iskeyword
from textwrap import wrap
from typing import Any

from archcalc.algebra.forms import Atom, Form, Letter
from archcalc.algebra.write import LATEX, PYTHON, TEXT, Notation, escaped
from archcalc.report.choice import choose
from archcalc.space.formula import Formula

NAMES = {"params": "params", "macs": "MACs", "flops": "FLOPs", "activations": "activations"}

WIDTH = 100

_RELATIONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<="}


def render(found: Formula, format: str = "text") -> str:
    """A formula in one of ``FORMATS``. Raises :class:`ArchcalcError` for any other."""
    return FORMATS[choose("format", format, FORMATS)](found)


# In words and signs.


def said(found: Formula, tex: bool = False) -> list[str]:
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
    if not tex and used & {"floordiv", "floor", "trunc", "isqrt"}:
        sentences.append("floor rounds down")
    if "less" in used:
        sentences.append("[a < b] is 1 where that is true and else 0")
    if "round_to" in used:
        sentences.append(
            f"{'round(x, m, k)' if tex else 'round_to(x, m, keep=k)'} is the multiple of m nearest "
            "to x, at least m, and m more where that is less than k x"
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


def text(found: Formula) -> str:
    """For a terminal."""
    parts = [found.network]
    for sentence in said(found):
        parts += wrap(sentence, WIDTH, subsequent_indent="  ")
    several = len(found.lines) > 1
    names = _named(found)
    if names:
        parts.append("")
    for atom, name in names.items():
        others = {other: called for other, called in names.items() if other != atom}
        parts.append(f"{name} = {TEXT.atom(atom, others)}")
    for line in found.lines:
        parts.append("")
        if several or line.name:
            parts.append(line.name or "total")
        width = max(len(NAMES.get(name, name)) for name in line.forms)
        for name, terms in line.forms.items():
            head = f"{NAMES.get(name, name).ljust(width)}  "
            parts += wrap(
                head + TEXT.write(terms, names),
                WIDTH,
                initial_indent="  " if several else "",
                subsequent_indent=" " * (len(head) + 2 * several),
                break_long_words=False,
                drop_whitespace=True,
            )
    return "\n".join(parts) + "\n"


# For papers and pages.


def _in_latex(names: Mapping[Atom, str]) -> dict[Atom, str]:
    return {atom: f"n_{{{name[1:]}}}" for atom, name in names.items()}


def _definitions(names: Mapping[Atom, str]) -> list[tuple[str, str]]:
    """What stands for what, in LaTeX."""
    found = []
    for atom in names:
        others = {other: called for other, called in names.items() if other != atom}
        found.append((LATEX.atom(atom, _in_latex(names)), LATEX.atom(atom, _in_latex(others))))
    return found


TERMS = 6
"""The most terms on a line of LaTeX."""


def latex(found: Formula) -> str:
    """An ``align*`` of amsmath for every line, and one for what stands for what in them."""
    parts = [f"% {sentence}" for sentence in said(found, tex=True)]
    names = _named(found)
    if names:
        parts += _aligned([rf"{name} &= {meaning}" for name, meaning in _definitions(names)])
    for line in found.lines:
        if len(found.lines) > 1 or line.name:
            name = escaped(line.name or "total")
            parts.append(rf"\paragraph{{{name}}}")
        rows = []
        for quantity, terms in line.forms.items():
            spelled_out = LATEX.summands(terms, _in_latex(names))
            cut = [spelled_out[k : k + TERMS] for k in range(0, len(spelled_out), TERMS)]
            rows.append(rf"\text{{{NAMES.get(quantity, quantity)}}} &= {' '.join(cut[0])}")
            rows += [rf"&\quad {' '.join(part)}" for part in cut[1:]]
        parts += _aligned(rows)
    return "\n".join(parts) + "\n"


def _aligned(rows: list[str]) -> list[str]:
    broken = [row + r" \\" for row in rows[:-1]]
    return [r"\begin{align*}", *broken, rows[-1], r"\end{align*}"]


def markdown(found: Formula) -> str:
    """A list of sentences, and a table of forms as mathematics between dollar signs."""
    parts = [f"**{found.network}**", ""]
    parts += [f"- {sentence}" for sentence in said(found, tex=True)]
    named = _named(found)
    parts += [f"- ${name} = {meaning}$" for name, meaning in _definitions(named)]
    called = _in_latex(named)
    names = list(found.total)
    several = len(found.lines) > 1
    if not several:
        parts += ["", "| | |", "|---|---|"]
        parts += [
            f"| {NAMES.get(name, name)} | ${LATEX.write(terms, called)}$ |"
            for name, terms in found.total.items()
        ]
        return "\n".join(parts) + "\n"
    parts += ["", f"| | {' | '.join(NAMES.get(name, name) for name in names)} |"]
    parts.append("|---" * (len(names) + 1) + "|")
    for line in found.lines:
        cells = [f"${LATEX.write(line.forms[name], called)}$" for name in names]
        parts.append(f"| {line.name or '**total**'} | {' | '.join(cells)} |")
    return "\n".join(parts) + "\n"


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


def as_json(found: Formula) -> str:
    """Forms in Python's syntax, by line and quantity, and what the symbols are."""
    import json

    data: dict[str, Any] = {
        "network": found.network,
        "symbols": [
            {
                "name": s.name,
                "variable": s.variable,
                "times": s.times,
                "plus": s.plus,
                "least": s.least,
            }
            for s in found.symbols
        ],
        "conditions": _conditions(found, PYTHON),
        "lines": [
            {"name": line.name, **{n: PYTHON.write(terms) for n, terms in line.forms.items()}}
            for line in found.lines
        ],
    }
    return json.dumps(data, indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Formula], str]] = {
    "text": text,
    "markdown": markdown,
    "latex": latex,
    "python": python,
    "json": as_json,
}
"""The forms of a formula."""
