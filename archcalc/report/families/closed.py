"""Closed forms as text, Markdown, LaTeX, and as a function in Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import groupby
from textwrap import wrap
from typing import Any

from archcalc.report.choice import choose
from archcalc.space.formula import Atom, Formula, Terms

NAMES = {"params": "params", "macs": "MACs", "flops": "FLOPs", "activations": "activations"}

WIDTH = 100

_RELATIONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<="}


def render(found: Formula, format: str = "text") -> str:
    """A formula in one of ``FORMATS``. Raises :class:`ArchcalcError` for any other."""
    return FORMATS[choose("format", format, FORMATS)](found)


# In words and signs.


def spelled(terms: Terms, python: bool = False, names: Mapping[Atom, str] | None = None) -> str:
    """A form as it is typed: ``234,930,176 k^2 + 2,048,000``, or in Python's syntax.

    ``names`` are what atoms are called that are spelled elsewhere.
    """
    if not terms:
        return "0"
    text = ""
    for monomial, times in terms:
        sign, size = ("-", -times) if times < 0 else ("+", times)
        factors = [_power(a, len(list(same)), python, names) for a, same in groupby(monomial)]
        count = repr(size) if python else f"{size:,}" if type(size) is int else f"{size}"
        if size != 1 or not factors:
            factors.insert(0, count)
        joined = ("*" if python else " ").join(factors)
        text += f" {sign} {joined}" if text else f"{'-' if sign == '-' else ''}{joined}"
    return text


def _power(atom: Atom, times: int, python: bool, names: Mapping[Atom, str] | None) -> str:
    base = _atom(atom, python, names)
    if times == 1:
        return base
    return f"{base}**{times}" if python else f"{base}^{times}"


_TEXT: Mapping[str, str] = {
    "add": "({} + {})",
    "sub": "({} - {})",
    "mul": "{} {}",
    "neg": "(-{})",
    "floordiv": "floor({} / {})",
    "truediv": "({} / {})",
    "mod": "({} mod {})",
    "less": "[{} < {}]",
    "trunc": "floor({})",
}
_PYTHON: Mapping[str, str] = {
    "add": "({} + {})",
    "sub": "({} - {})",
    "mul": "({} * {})",
    "neg": "(-{})",
    "floordiv": "({} // {})",
    "truediv": "({} / {})",
    "mod": "({} % {})",
    "less": "int({} < {})",
    "trunc": "int({})",
    "floor": "math.floor({})",
    "sqrt": "math.sqrt({})",
    "isqrt": "math.isqrt({})",
    "gcd": "math.gcd({}, {})",
}
_TEX: Mapping[str, str] = {
    "add": r"\left({} + {}\right)",
    "sub": r"\left({} - {}\right)",
    "mul": r"{} \, {}",
    "neg": r"\left(-{}\right)",
    "floordiv": r"\left\lfloor\frac{{{}}}{{{}}}\right\rfloor",
    "truediv": r"\frac{{{}}}{{{}}}",
    "mod": r"\left({} \bmod {}\right)",
    "less": r"\left[{} < {}\right]",
    "floor": r"\left\lfloor{}\right\rfloor",
    "trunc": r"\left\lfloor{}\right\rfloor",
    "round": r"\operatorname{{round}}\left({}\right)",
    "abs": r"\left|{}\right|",
    "sqrt": r"\sqrt{{{}}}",
    "isqrt": r"\left\lfloor\sqrt{{{}}}\right\rfloor",
    "min": r"\min\left({}, {}\right)",
    "max": r"\max\left({}, {}\right)",
    "gcd": r"\gcd\left({}, {}\right)",
    "round_to": r"\operatorname{{round}}\left({}\right)",
}

_OPEN = ("add", "sub", "mul", "neg", "mod")
"""Whose operands stand in brackets in LaTeX where they are sums or products."""

_ROUND_TO = (
    "def round_to(x, multiple, keep=0):",
    "    near = max(math.floor((2 * x + multiple) // (2 * multiple)) * multiple, multiple)",
    "    return near + multiple if near < keep * x else near",
)


def _atom(atom: Atom, python: bool, names: Mapping[Atom, str] | None = None) -> str:
    if atom.op == "symbol":
        return str(atom.args[0])
    if names and atom in names:
        return names[atom]
    args = _ordered(atom, [spelled(arg, python, names) for arg in atom.args])
    if atom.op in ("min", "max", "gcd", "abs", "floor", "trunc", "round_to"):
        args = [re.sub(r"^\(([^()]*)\)$", r"\1", arg) for arg in args]
    else:
        # A sum or a product within another operation stands in brackets.
        args = [arg if re.fullmatch(r"[\w.,]+", arg) else f"({arg})" for arg in args]
    if atom.op == "round_to":
        args = [_rounding(args, "keep=")]
    form = (_PYTHON if python else _TEXT).get(atom.op)
    if form is not None:
        return form.format(*args)
    return f"{atom.op}({', '.join(args)})"


def _ordered(atom: Atom, args: list[str]) -> list[str]:
    """What is multiplied with its number first, as it is written everywhere."""
    numbers = [not any(monomial for monomial, _ in arg) for arg in atom.args]
    return args[::-1] if atom.op == "mul" and numbers == [False, True] else args


def _rounding(args: list[str], keep: str) -> str:
    """What ``round_to`` is given, without a ``keep`` that asks for nothing."""
    x, multiple, least = args
    return f"{x}, {multiple}" + (f", {keep}{least}" if least != "0" else "")


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
        conditions = _conditions(found, False, _named(found))
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
    used: set[str] = set()

    def visit(terms: Terms) -> None:
        for monomial, _ in terms:
            for atom in monomial:
                used.add(atom.op)
                if atom.op != "symbol":
                    for arg in atom.args:
                        visit(arg)

    for line in found.lines:
        for terms in line.forms.values():
            visit(terms)
    return used


def _conditions(found: Formula, python: bool, names: Mapping[Atom, str] | None = None) -> list[str]:
    return [
        f"{spelled(a, python, names)} {_RELATIONS[op]} {spelled(b, python, names)}"
        for op, a, b in found.conditions
    ]


def _named(found: Formula, conditions: bool = False) -> dict[Atom, str]:
    """What is neither sum nor product, each under a name and after what it is made of.

    What stands in one other only is spelled out there and has no name.
    """
    uses: dict[Atom, set[Atom | None]] = {}
    taken = {symbol.name for symbol in found.symbols} | {s.variable for s in found.symbols}

    def visit(terms: Terms, parent: Atom | None) -> None:
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
        parts.append(f"{name} = {_atom(atom, False, others)}")
    for line in found.lines:
        parts.append("")
        if several or line.name:
            parts.append(line.name or "total")
        width = max(len(NAMES.get(name, name)) for name in line.forms)
        for name, terms in line.forms.items():
            head = f"{NAMES.get(name, name).ljust(width)}  "
            parts += wrap(
                head + spelled(terms, names=names),
                WIDTH,
                initial_indent="  " if several else "",
                subsequent_indent=" " * (len(head) + 2 * several),
                break_long_words=False,
                drop_whitespace=True,
            )
    return "\n".join(parts) + "\n"


# For papers and pages.


def _tex_terms(terms: Terms, names: Mapping[Atom, str]) -> list[str]:
    """The terms of a form, each with its sign but for a plus before the first."""
    made: list[str] = []
    for monomial, times in terms:
        sign, size = ("-", -times) if times < 0 else ("+", times)
        factors = []
        for atom, same in groupby(monomial):
            count = len(list(same))
            base = _tex_atom(atom, names)
            if count > 1 and not re.fullmatch(r"\w|\\mathrm\{\w+\}|n_\{\d+\}", base):
                base = rf"\left({base}\right)"
            factors.append(base if count == 1 else f"{base}^{{{count}}}")
        if size != 1 or not factors:
            factors.insert(0, f"{size:,}".replace(",", "{,}"))
        joined = r" \, ".join(factors)
        made.append(f"{sign} {joined}" if made else f"{'-' if sign == '-' else ''}{joined}")
    return made or ["0"]


def _tex(terms: Terms, names: Mapping[Atom, str]) -> str:
    return " ".join(_tex_terms(terms, names))


def _tex_atom(atom: Atom, names: Mapping[Atom, str]) -> str:
    if atom.op == "symbol":
        name = str(atom.args[0])
        return name if len(name) == 1 else rf"\mathrm{{{name}}}".replace("_", r"\_")
    if atom in names:
        return f"n_{{{names[atom][1:]}}}"
    args = _ordered(atom, [_tex(arg, names) for arg in atom.args])
    if atom.op == "round_to":
        args = [_rounding(args, "")]
    if atom.op in _OPEN:
        args = [rf"\left({arg}\right)" if re.search(" [+-] ", arg) else arg for arg in args]
    return _TEX[atom.op].format(*args)


def _definitions(names: Mapping[Atom, str]) -> list[tuple[str, str]]:
    """What stands for what, in LaTeX."""
    found = []
    for atom in names:
        others = {other: called for other, called in names.items() if other != atom}
        found.append((_tex_atom(atom, names), _tex_atom(atom, others)))
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
            name = (line.name or "total").replace("_", r"\_")
            parts.append(rf"\paragraph{{{name}}}")
        rows = []
        for quantity, terms in line.forms.items():
            spelled_out = _tex_terms(terms, names)
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
    called = _named(found)
    parts += [f"- ${name} = {meaning}$" for name, meaning in _definitions(called)]
    names = list(found.total)
    several = len(found.lines) > 1
    if not several:
        parts += ["", "| | |", "|---|---|"]
        parts += [
            f"| {NAMES.get(name, name)} | ${_tex(terms, called)}$ |"
            for name, terms in found.total.items()
        ]
        return "\n".join(parts) + "\n"
    parts += ["", f"| | {' | '.join(NAMES.get(name, name) for name in names)} |"]
    parts.append("|---" * (len(names) + 1) + "|")
    for line in found.lines:
        cells = [f"${_tex(line.forms[name], called)}$" for name in names]
        parts.append(f"| {line.name or '**total**'} | {' | '.join(cells)} |")
    return "\n".join(parts) + "\n"


# As a program.


def python(found: Formula) -> str:
    """A module with one function, which computes the same numbers and needs nothing else.

    It raises ``ValueError`` where the formula is not meant.
    """
    name = "".join(c if c.isalnum() else "_" for c in found.network)
    name = f"_{name}" if name[:1].isdigit() else name
    arguments = ", ".join(symbol.variable for symbol in found.symbols)
    body = [f'"""Totals of {found.network}. Raises ValueError where they are not these."""']
    names = _named(found, conditions=True)
    if any("round_to" in _atom(atom, True) for atom in names):
        body += _ROUND_TO
    for symbol in found.symbols:
        if symbol.multiple:
            less = f" - {symbol.plus}" if symbol.plus else ""
            body.append(f"{symbol.name}, rest = divmod({symbol.variable}{less}, {symbol.times})")
            body.append(f"if rest or {symbol.name} < {symbol.least}:")
        else:
            body.append(f"if {symbol.name} < {symbol.least}:")
        body.append(f'    raise ValueError(f"{symbol.variable}={{{symbol.variable}}}")')
    for atom, called in names.items():
        others = {other: each for other, each in names.items() if other != atom}
        body.append(f"{called} = {_atom(atom, True, others)}")
    for condition in _conditions(found, True, names):
        body.append(f"if not {condition}:")
        body.append('    raise ValueError("another network")')
    body.append("return {")
    body += [
        f'    "{name}": int({spelled(terms, True, names)}),' for name, terms in found.total.items()
    ]
    body.append("}")
    lead = "import math\n\n\n" if any("math." in line for line in body) else ""
    return lead + f"def {name}({arguments}):\n" + "".join(f"    {line}\n" for line in body)


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
        "conditions": _conditions(found, True),
        "lines": [
            {"name": line.name, **{n: spelled(terms, True) for n, terms in line.forms.items()}}
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
