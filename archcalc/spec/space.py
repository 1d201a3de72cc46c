"""The design space of a network as it is written: what each of its variables may be.

A variable's choices stand in the order in which they are made, so that one may depend on those
above it. What the choices amount to, how many configurations there are and which, is worked out in
``archcalc/space``.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Field, StringConstraints, Tag

from archcalc.errors import ExpressionError
from archcalc.spec import expressions
from archcalc.spec.expressions import is_expression
from archcalc.spec.fields import Condition, Record, should_be
from archcalc.spec.scope import Wrong, near

INPUT = ("side", "H", "W")
"""What may be free of any network with images for input: both extents at once, or each."""

EXTENTS = ("side", "D", "H", "W", "length")
"""The same of all inputs: volumes and videos have a depth, sequences a length."""

BATCH = ("N", "batch")

VARIABLE = r"^[A-Za-z_][A-Za-z0-9_-]*$"


Bound = Annotated[
    int | float | str,
    should_be("a number or an expression", lambda v: type(v) in (int, float) or is_expression(v)),
]

Times = Annotated[
    int | str | list[int | str],
    should_be(
        "a whole number, a list of them or an expression",
        lambda v: type(v) is int or is_expression(v) or (isinstance(v, list) and v),
    ),
]

_CHOICES = should_be(
    "a list of choices, a range or an expression",
    lambda v: is_expression(v) or isinstance(v, dict) or (isinstance(v, list) and v),
)


class Range(Record):
    """Numbers from one to another."""

    from_: Annotated[Bound, Field(alias="from")]
    """The first number."""
    to: Bound
    """The last number, which is one of them where a step leads there."""
    step: Bound = 1
    """From each number to the next."""


Item = Annotated[
    Annotated[Range, Tag("[range]")] | Annotated[list[Any] | str, _CHOICES, Tag("[list]")],
    Discriminator(lambda value: "[range]" if isinstance(value, (Mapping, Range)) else "[list]"),
    should_be(
        "choices of single items: a list that is one is written in full",
        lambda v: not (isinstance(v, Mapping) and {"each", "places"} & v.keys()),
    ),
]


class Each(Record):
    """A list: at each place one of the choices."""

    each: Item
    """What each item may be."""
    times: Times
    """How many items there are, or a list of how many there may be."""


class Places(Record):
    """A list whose places have choices of their own."""

    places: Annotated[
        list[Item],
        Field(min_length=1),
        should_be("a list of what each place may be", lambda v: isinstance(v, list) and v),
    ]
    """What the item at each place may be."""


def _kind(value: Any) -> str:
    """Which of the kinds of choices is meant, so that a mistake is told once."""
    if isinstance(value, (Range, Each, Places)):
        return f"[{type(value).__name__.lower()}]"
    if not isinstance(value, Mapping):
        return "[list]"
    if {"each", "times"} & value.keys():
        return "[each]"
    return "[places]" if "places" in value else "[range]"


Choices = Annotated[
    Annotated[Each, Tag("[each]")]
    | Annotated[Places, Tag("[places]")]
    | Annotated[Range, Tag("[range]")]
    | Annotated[list[Any] | str, _CHOICES, Tag("[list]")],
    Discriminator(_kind),
]


class Space(Record):
    """The design space of a network: what each variable may be, and what goes together."""

    vars: Annotated[
        dict[Annotated[str, StringConstraints(pattern=VARIABLE)], Choices], Field(min_length=1)
    ]
    """The choices of each variable: a list, a range, a list of items that have choices each, or an
    expression of the variables above. What is no variable of the network helps others."""
    where: list[Condition] = []
    """What is true of every configuration: expressions of the variables."""
    title: str = ""
    """What is searched, in a few words; the network's own title by default."""


class Apart(Record):
    """A design space in a file of its own, of a network of the zoo or of another file."""

    network: str
    """The network: a name of the zoo, or a file beside this one; ``FILE::VARIANT``."""
    title: str = ""
    """What is searched, in a few words."""
    source: str | list[str] = []
    """Where the space is described."""
    space: Space
    """What each variable may be."""


def is_apart(data: Mapping[str, Any]) -> bool:
    """Whether a document is a design space in a file of its own."""
    return "network" in data and "space" in data and "layers" not in data


def keys(depth: int) -> list[str]:
    """What may be a key in a space, so many keys deep in a spec."""
    kinds: tuple[type[BaseModel], ...] = (Space,) if depth == 2 else (Each, Places, Range)
    return [f.alias or name for kind in kinds for name, f in kind.model_fields.items()]


def extents(inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of an input's extents, where they may be free."""
    if len(inputs) != 1:
        return ()
    ((_, axes),) = inputs.items()
    return {1: EXTENTS[4:], 2: EXTENTS[4:], 3: INPUT, 4: EXTENTS[:4]}.get(len(axes), ())


def written(choices: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every expression in some choices, with its place in them."""
    dumped = choices.model_dump(by_alias=True) if isinstance(choices, BaseModel) else choices
    return (found for found in expressions.texts(dumped) if is_expression(found[1]))


def amiss(
    space: Space, variables: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Iterator[tuple[str, Wrong]]:
    """What is wrong with the names in a space, each with the key below which it stands."""
    plain = {name for name, value in variables.items() if not is_expression(value)}
    free = [*variables, *(name for name in (*extents(inputs), *BATCH) if name not in variables)]
    above: list[str] = []
    used: set[str] = set()
    for name, choices in space.vars.items():
        known = [*above, *sorted(plain - space.vars.keys())]
        for at, text in written(choices):
            found = _names(text, known, space.vars)
            yield from (("vars", wrong.within("vars", name, *at)) for wrong in found[1])
            used |= found[0]
        above.append(name)
    for number, text in enumerate(space.where):
        found = _names(text, [*above, *sorted(plain - space.vars.keys())], space.vars)
        yield from (("where", wrong.within("where", number)) for wrong in found[1])
        used |= found[0]
    for name in space.vars:
        if name not in free and name not in used:
            message = f"no variable '{name}' in the network, and nothing here uses it"
            yield "vars", Wrong(message, near(name, free), ("vars", name), key=True)


def _names(
    text: str, known: Collection[str], declared: Collection[str]
) -> tuple[frozenset[str], list[Wrong]]:
    """The names in an expression, and what is wrong with it."""
    try:
        expression = expressions.parse(text[1:])
    except ExpressionError as error:
        return frozenset(), [Wrong(str(error))]
    wrong = []
    for name in sorted(expression.names):
        if name in known:
            continue
        if name in declared:
            message = f"'{name}' comes later: choices depend only on those above"
            wrong.append(Wrong(message, "move one of the two"))
        else:
            wrong.append(Wrong(f"unknown name '{name}' in '{text}'", near(name, known)))
    if expression.references:
        wrong.append(Wrong(f"'{text}' asks for a layer, and a space has none"))
    return expression.names, wrong


@lru_cache(maxsize=4096)
def features(text: str) -> dict[str, set[Any]]:
    """What an expression needs to know of each of its names, if that is a list: its ``sum``,
    ``len``, ``min`` or ``max``, the item at a place, or all of it (``None``).
    """
    found: dict[str, set[Any]] = {}

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            told = node.func.id
            if told in ("sum", "len", "min", "max") and len(node.args) == 1:
                (only,) = node.args
                if isinstance(only, ast.Name):
                    found.setdefault(only.id, set()).add(told)
                    return
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                visit(argument)
            return
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            place = _place(node.slice)
            found.setdefault(node.value.id, set()).add(place)
            if place is None:
                visit(node.slice)
            return
        if isinstance(node, ast.Name):
            found.setdefault(node.id, set()).add(None)
        for inner in ast.iter_child_nodes(node):
            visit(inner)

    visit(ast.parse(expressions.parse(text.removeprefix("=")).text, mode="eval").body)
    return found


def _place(node: ast.expr) -> int | None:
    """The number that an index is, if it is one."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _place(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    return None
