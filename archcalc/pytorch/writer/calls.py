"""What an author calls where archcalc has no operator, as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from archcalc.dims import Shape
from archcalc.pytorch.joined import has_own_weights, keeps
from archcalc.pytorch.writer.code import literal
from archcalc.spec.graph import AuthorCall, Node, Taken, Word

MARK = "="
"""What the target of such a call begins with: what follows is the text."""

_HOLE = r"\{(\d+)(?:\|([^}]*))?\}"


def template(node: Node, call: AuthorCall, rows: Mapping[int, int]) -> str:
    """The text of a call with ``{0}`` for the first of what a layer takes.

    Behind a bar is what makes of it what its author has: ``{1|[0]}``. ``rows`` are those of one
    sample in what has the rows of all samples joined.
    """
    if has_own_weights(node, rows):
        return MARK + _in_groups(node, call)
    text = _text(call, node.input_shapes, rows)
    # What no sample is in is the same for all of them.
    if call.alone or (call.shape == node.shape[1:] and node.shape[0] > 1 and not rows):
        sizes = ", ".join(map(str, node.shape[1:]))
        return f"{MARK}{text}.expand(len({{0}}), {sizes})"
    if keeps(node, rows):
        return f"{MARK}{text}.unflatten(0, (-1, {call.shape[0]}))"
    return MARK + text + _turned(call.shape, node.shape)


def _in_groups(node: Node, call: AuthorCall) -> str:
    """The text of a convolution in which each sample has weights of its own."""
    defaults: tuple[Any, ...] = (None, 1, 0, 1, 1, 1)
    bias, *rest = [*call.args[2:], *defaults[len(call.args) - 2 :]]
    named = dict(call.kwargs)
    groups = named.get("groups", rest[3])
    rest[3] = Word("len({1})" if groups == 1 else f"{groups} * len({{1}})")
    texts = [
        _text(each, node.input_shapes, {})
        for each in rest[: 5 if "transpose" in call.target else 4]
    ]
    biases = "None" if bias is None else f"{_text(bias, node.input_shapes, {})}.repeat(len({{1}}))"
    spread = f"len({{1}}), {', '.join(['-1'] * (len(node.input_shapes[0]) - 1))}"
    given = [f"{{0}}.expand({spread}).flatten(0, 1)[None]", "{1}.flatten(0, 1)", biases, *texts]
    return f"{call.target}({', '.join(given)})[0].unflatten(0, (len({{1}}), -1))"


def alone(call: AuthorCall) -> str:
    """The text of a call that takes nothing."""
    return _text(call, (), {})


def filled(target: str, operands: Sequence[tuple[str, bool]]) -> str:
    """The text of a call of these operands, each with whether it is what its author has already."""

    def found(match: re.Match[str]) -> str:
        text, own = operands[int(match[1])]
        return text + ("" if own else match[2] or "")

    return re.sub(_HOLE, found, target.removeprefix(MARK))


def repeats(target: str) -> bool:
    """Whether a call has something that it takes at several places."""
    holes = [match[1] for match in re.finditer(_HOLE, target)]
    return len(set(holes)) < len(holes)


def _turned(given: Shape, wanted: Shape) -> str:
    """What makes a tensor of other axes of one."""
    if len(given) == len(wanted) and given[1:] == wanted[1:]:
        return ""
    if wanted == (1, *given):
        return "[None]"
    if prod(given[1:]) == prod(wanted) < prod(given):
        return "[0]" + _turned((1, *given[1:]), wanted)
    return "[0]" if given[1:] == wanted else f".reshape({', '.join(map(str, wanted)) or '()'})"


def _text(value: Any, shapes: Sequence[Shape], rows: Mapping[int, int]) -> str:
    match value:
        case Taken(number, shape):
            turned = ".flatten(0, 1)" if number in rows else _turned(shapes[number], shape)
            return f"{{{number}|{turned}}}" if turned else f"{{{number}}}"
        case AuthorCall(target, args, kwargs):
            home, _, name = target.partition(".")
            if home == "operator":
                inside = ", ".join(_place(each, shapes, rows) for each in value.place)
                return f"{_text(args[0], shapes, rows)}[{inside}]"
            texts = [_text(each, shapes, rows) for each in args]
            head = f"{texts.pop(0)}.{name}" if home == "Tensor" else target
            head = head.removeprefix("archcalc.")
            texts += [f"{key}={_text(each, shapes, rows)}" for key, each in kwargs]
            return f"{head}({', '.join(texts)})"
        case Word():
            return str(value)
        case tuple():
            items = [_text(each, shapes, rows) for each in value]
            return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
        case _:
            return literal(value)


def _place(value: Any, shapes: Sequence[Shape], rows: Mapping[int, int]) -> str:
    if value is ...:
        return "..."
    if not isinstance(value, slice):
        return _text(value, shapes, rows)
    start, end, step = value.start or "", value.stop, value.step
    end = "" if end is None or end >= 2**31 else end
    return f"{start}:{end}" + ("" if step in (None, 1) else f":{step}")
