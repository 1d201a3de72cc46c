"""Numbers of a written spec as variables: ``width``, ``depth``, ``classes``, or one by its value.

``width`` is the number of channels, or of features, of the first layer that has weights. What
others have are so many times it, or a part of it, wherever they stand: in fields, in shapes, in the
arguments of blocks, in expressions. With ``growth=32`` it is that number, and what is so many times
it. ``depth`` are the repetitions, ``classes`` is what the last layer gives. The spec with its
variables is expanded again: with their values it is the same network, and with others it has to be
one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from fractions import Fraction
from typing import Any, NamedTuple

from archcalc.errors import ArchcalcError, ExpressionError, Problem
from archcalc.frontends.fold import batch_of, same_layers
from archcalc.spec.check import RESERVED
from archcalc.spec.expand import attempt
from archcalc.spec.expressions import is_expression, parse
from archcalc.spec.fields import NAME
from archcalc.spec.graph import Graph
from archcalc.spec.question import Question
from archcalc.spec.zoo import load

Layer = dict[str, Any]

SIZES = frozenset(
    (
        *("out_channels", "out_features", "embedding_dim", "hidden_size", "proj_size"),
        *("shape", "split_size_or_sections", "normalized_shape"),
    )
)
"""Fields that say how many channels, or features, there are."""

LARGEST_PART = 16
"""A number that is no such part of the width, nor so many of these, is kept."""


class Lifted(NamedTuple):
    """A spec with variables, and what is to say of them."""

    data: dict[str, Any]
    notes: tuple[str, ...]


def not_lifted(name: str, reason: str) -> ArchcalcError:
    """Why a number can't be a variable."""
    return ArchcalcError(f"--lift {name}: {reason}")


def lifted(data: Mapping[str, Any], graph: Graph, names: Sequence[str]) -> Lifted:
    """The data of a spec with numbers as variables, named as on the command line.

    ``graph`` is what it was written of. Raises :class:`ArchcalcError`.
    """
    found = deepcopy(dict(data))
    question = Question(batch=batch_of(graph), allow_unknown=True)
    tried = attempt(load(data, allow_unknown=True), question).graph
    assert tried is not None, "what is written expands"
    graph = tried
    values: dict[str, Any] = {}
    others: dict[str, Any] = {}
    liftings: dict[str, _Lifting] = {}
    for text in names:
        name, equals, number = (part.strip() for part in text.partition("="))
        _require_name(name, found, values)
        lifting = _Lifting(found, graph, name)
        if equals:
            if not re.fullmatch(r"[1-9][0-9]{0,12}", number):
                raise not_lifted(text, "write a number behind the sign, growth=32")
            value: Any = lifting.size(int(number), times_only=True)
        elif name in _LIFTS:
            value = _LIFTS[name](lifting)
        else:
            known = ", ".join(_LIFTS)
            raise not_lifted(text, f"which number? known are {known}, or say it: {name}=32")
        values[name] = value
        others[name] = [n + 1 for n in value] if isinstance(value, list) else lifting.other(value)
        liftings[name] = lifting
    named = ("name", "title", "edition", "year", "input", "batched")
    head = {key: found.pop(key) for key in named if key in found}
    result = {**head, "vars": values, **found}
    written = _Lifting(deepcopy(dict(data)), graph, "")
    for _ in range(MOST_KEPT):
        unfit = _unfit(result, question, others)
        if unfit is None:
            break
        name, problem = unfit
        where = tuple(part for part in problem.path if part not in ("layers", "blocks"))
        kept = _kept(liftings[name], written, where) if liftings[name].base else ""
        if not kept:
            said = f"with {name} = {others[name]} there is no such network"
            raise not_lifted(name, f"{said}: {'.'.join(where)}: {problem.message}".strip())
        liftings[name].kept.append(f"kept: {kept}, which fits no other {name}")
    _require_same(result, graph, question, values)
    notes: list[str] = []
    for name, lifting in liftings.items():
        notes += [f"{name} is {values[name]}, in {_places(lifting.places)}", *lifting.kept]
    return Lifted(result, tuple(notes))


MOST_KEPT = 64
"""How many layers may turn out to have numbers that only look like so many times a variable."""


def _kept(lifting: _Lifting, before: _Lifting, where: Sequence[str]) -> str:
    """Write a layer without weights as it was before: the one that does not fit, or one of those
    that lead to it. ``""`` where no number of them was lifted.
    """
    nodes = {node.name: node for node in before.graph.nodes}
    names = [".".join(where[:end]) for end in (len(where), len(where) - 1)]  # or a field of it
    queue = [name for name in names if name in nodes]
    for name in queue:
        if nodes[name].applied.cost.weights:
            continue
        layer, was = lifting.written(name), before.written(name)
        if layer != was and "layers" not in was:
            lifting.places -= sum(_times(value, lifting.name) for value in layer.values())
            layer.clear()
            layer.update(deepcopy(was))
            return name
        queue += [each for each in nodes[name].inputs if each in nodes and each not in queue]
    return ""


def _places(number: int) -> str:
    return f"{number} place{'s' if number != 1 else ''}"


def _require_name(name: str, data: Mapping[str, Any], taken: Mapping[str, Any]) -> None:
    if not re.fullmatch(NAME, name) or name in RESERVED or not name.isidentifier():
        raise not_lifted(name, "is no name of a variable")
    if name in taken:
        raise not_lifted(name, "is named twice")
    for block, written in data.get("blocks", {}).items():
        if name in written.get("args", {}):
            said = f"block '{block}' has an argument of this name: choose another, and its number"
            raise not_lifted(name, said)


def _require_same(
    data: Mapping[str, Any], graph: Graph, question: Question, values: Mapping[str, Any]
) -> None:
    """Raise where the spec is another network at its values."""
    same = attempt(load(data, allow_unknown=True), question).graph
    if same is None or not same_layers(same, graph):
        raise not_lifted(", ".join(values), "the spec would be another network: left as it is")


def _unfit(
    data: Mapping[str, Any], question: Question, others: Mapping[str, Any]
) -> tuple[str, Problem] | None:
    """A variable of which another value makes no network, and what is wrong with that one."""
    spec = load(data, allow_unknown=True)
    for name, value in others.items():
        tried = attempt(spec, question._replace(variables={name: value}))
        if tried.graph is None:
            return name, tried.problems[0]
    return None


class _Lifting:
    """One variable, put in the place of numbers."""

    def __init__(self, data: dict[str, Any], graph: Graph, name: str) -> None:
        self.data = data
        self.graph = graph
        self.name = name
        self.places = 0
        self.kept: list[str] = []
        self.base = 0
        self.widths = {
            size
            for node in graph.nodes
            for key in ("out_channels", "out_features", "embedding_dim", "hidden_size")
            if type(size := getattr(node.op, key, None)) is int
        }
        self.times_only = False
        self.split = True
        """Whether two numbers of a shape may be the variable together."""
        self.blocks: Mapping[str, Any] = data.get("blocks", {})
        self.before: list[Layer] = []
        """Layers before the first whose size is the variable."""

    def other(self, value: int) -> int:
        """Another value to try: one that all parts divide."""
        return 2 * value if self.base else value + 1

    # Depth and classes ----------------------------------------------------------------------------

    def depth(self) -> Any:
        """How often is repeated what is, as one number or one for each."""
        found = [
            layer
            for _, layer in self.layers()
            if type(layer.get("repeat")) is int and layer["repeat"] > 1
        ]
        if not found:
            said = "nothing is repeated in a row: members with names of their own are no repetition"
            raise not_lifted(self.name, said)
        times = [layer["repeat"] for layer in found]
        for k, layer in enumerate(found):
            layer["repeat"] = f"={self.name}" if len(found) == 1 else f"={self.name}[{k}]"
            for key, value in layer.items():
                if is_expression(value) and re.search(r"\[[^\]]*\]\s*\[i\]", value):
                    said = f"each repetition has a number of its own, '{key}: {value}'"
                    raise not_lifted(self.name, said)
        self.places = len(found)
        return times[0] if len(found) == 1 else times

    def classes(self) -> Any:
        """What the layer that gives the output has of features, or of channels."""
        layer = self.last()
        key = next((k for k in ("out_features", "out_channels") if k in layer), None)
        if key is None or type(layer[key]) is not int:
            raise not_lifted(self.name, "the last layer with weights says no number of outputs")
        value = layer[key]
        layer[key] = f"={self.name}"
        self.places = 1
        return value

    def last(self) -> Layer:
        """The last layer with weights before the output."""
        by_name = {node.name: node for node in self.graph.nodes}
        node = by_name.get(self.graph.outputs[0])
        while node is not None and not node.applied.cost.weights:
            node = by_name.get(node.inputs[0])
        return {} if node is None else self.written(node.name)

    def written(self, name: str) -> Layer:
        """A layer of the network as the spec says it; an empty one where none is found."""
        layers, found = self.data["layers"], dict[str, Any]()
        for part in name.split("."):
            if "block" in found and "layers" not in found:
                layers = self.blocks[found["block"]]["layers"]
            if part.isdigit() and "repeat" in found and part not in layers:
                continue  # one of its repetitions
            found = layers.get(part, {})
            layers = found.get("layers", {})
        return found if isinstance(found, dict) else {}

    # Sizes ----------------------------------------------------------------------------------------

    def width(self) -> Any:
        """The channels, or features, of the first layer with weights, and all in proportion."""
        for node in self.graph.nodes:
            size = next((s for f in sorted(SIZES) if (s := getattr(node.op, f, None))), None)
            if node.applied.cost.weights and type(size) is int:
                return self.size(size)
            # What cuts the input in patches knows nothing of what comes of them.
            self.before.append(self.written(node.name))
        raise not_lifted(self.name, "no layer says how many channels or features it gives")

    def size(self, base: int, times_only: bool = False) -> Any:
        """A number, with all that are so many times it, or a part of it."""
        self.base, self.times_only = base, times_only
        kinds = self.kinds()
        last = self.last()
        for where, layer in self.layers():
            block = self.blocks.get(layer.get("block", ""))
            if layer is last or any(layer is each for each in self.before):
                continue
            channels = layer.get("out_channels")
            for key in [*layer]:
                kind = key if block is None else kinds.get((layer["block"], key), "")
                value = layer[key]
                if kind == "groups" and channels != 1 and channels in _numbers(value):
                    kind = "out_channels"
                if kind in SIZES and not (block is None and "op" not in layer):
                    # What is made of nothing, such as a mask, has no channels split in heads.
                    self.split = layer.get("op", "Reshape") in ("Reshape", "View", "Expand")
                    layer[key] = self.scaled(value, kind, f"{where}.{key}")
        for block in self.blocks.values():
            name = next(n for n, each in self.blocks.items() if each is block)
            for key, value in block.get("args", {}).items():
                kind = kinds.get((name, key), "")
                if kind in SIZES and value is not None:
                    block["args"][key] = self.scaled(value, kind, f"{name}.{key}")
        if not self.places:
            raise not_lifted(
                self.name, f"no layer has {base} channels or features, or times so many"
            )
        return base

    def kinds(self) -> dict[tuple[str, str], str]:
        """Arguments of blocks -> the field that they are in the end."""
        found: dict[tuple[str, str], str] = {}
        for name, block in reversed(list(self.blocks.items())):
            for arg in block.get("args", {}):
                found[name, arg] = self.kind(name, arg, 0)
        return found

    def kind(self, block: str, arg: str, depth: int) -> str:
        """The field of operators that an argument is, a size if it is one among others."""
        kinds = []
        for _, layer in _within(self.blocks[block]["layers"], ""):
            for key, value in layer.items():
                if key in ("layers", "from") or arg not in _names(value):
                    continue
                inner = layer.get("block")
                if inner is None:
                    kinds.append(key)
                elif inner in self.blocks and depth < 50:
                    kinds.append(self.kind(inner, key, depth + 1))
        sizes = [kind for kind in kinds if kind in SIZES]
        rest = [kind for kind in kinds if kind not in SIZES and kind != "groups"]
        if rest or not kinds:
            return ""
        return sizes[0] if sizes else "groups"

    def layers(self) -> Iterator[tuple[str, Layer]]:
        """Every layer, with the way to it, those in rows among them."""
        for name, block in self.blocks.items():
            yield from _within(block["layers"], f"{name}.")
        yield from _within(self.data["layers"], "")

    def scaled(self, value: Any, kind: str, where: str) -> Any:
        """A field's value with the variable in it."""
        if isinstance(value, list) and kind in ("shape", "split_size_or_sections"):
            return self.shaped(value)
        if isinstance(value, list):
            return [self.scaled(each, kind, where) for each in value]
        if type(value) is int:
            text = self.text(value)
            if kind == "shape" and value % self.base:
                text = None  # it may be anything: positions, heads
            elif text is None and value > 1:
                self.kept.append(f"kept: {where} = {value}, which is no part of {self.name}")
            return value if text is None else self.said(text)
        if is_expression(value):
            try:
                tree = ast.parse(value[1:], mode="eval")
                parse(value[1:])
            except (SyntaxError, ExpressionError):
                return value
            before = self.places
            body = self.rescaled(tree.body)
            return value if self.places == before else f"={ast.unparse(body)}"
        return value

    def shaped(self, items: list[Any]) -> list[Any]:
        """A shape in which a number is so many times the base, or two are together."""
        found = list(items)
        numbers = [n if type(n) is int else 0 for n in items]
        times = [k for k, n in enumerate(numbers) if n and n % self.base == 0]
        for k in [k for k in times if numbers[k] in self.widths] or times[-1:]:
            found[k] = self.said(self.text(numbers[k]) or "")
        if times:
            return found
        for k in reversed(range((len(numbers) - 1) * self.split)):
            both = numbers[k] * numbers[k + 1]
            if both and both % self.base == 0 and not self.times_only:
                ratio = Fraction(both // self.base, numbers[k])
                found[k + 1] = self.said(_fraction(self.name, ratio))
                return found
        return found

    def said(self, text: str) -> str:
        self.places += 1
        return f"={text}"

    def text(self, number: int) -> str | None:
        """A number as so many times the variable, or as a part; None where it is neither."""
        ratio = Fraction(number, self.base)
        if ratio.denominator > (1 if self.times_only else LARGEST_PART) or number <= 1:
            return None
        return _fraction(self.name, ratio)

    def rescaled(self, node: ast.expr) -> ast.expr:
        """An expression whose numbers stand for sizes, with the variable in it."""
        if isinstance(node, ast.Constant) and type(node.value) is int:
            text = self.text(node.value)
            if text is None:
                return node
            self.places += 1
            return ast.parse(text, mode="eval").body
        if isinstance(node, ast.IfExp):
            node.body, node.orelse = self.rescaled(node.body), self.rescaled(node.orelse)
        elif isinstance(node, ast.Subscript):
            node.value = self.rescaled(node.value)
        elif isinstance(node, ast.List):
            node.elts = [self.rescaled(each) for each in node.elts]
        elif isinstance(node, ast.BinOp):
            if isinstance(node.op, (ast.Add, ast.Sub)):
                node.left, node.right = self.rescaled(node.left), self.rescaled(node.right)
            elif isinstance(node.op, (ast.Mult, ast.FloorDiv)) and not _grows(node):
                node.left = self.rescaled(node.left)
        return node


def _grows(node: ast.expr) -> bool:
    """Whether a product has a factor that the variable is in already: an argument, or a size."""
    return any(
        isinstance(each, ast.Call) or (isinstance(each, ast.Name) and each.id != "i")
        for each in ast.walk(node)
    )


def _fraction(name: str, ratio: Fraction) -> str:
    times = name if ratio.numerator == 1 else f"{ratio.numerator} * {name}"
    return times if ratio.denominator == 1 else f"{times} // {ratio.denominator}"


def _names(value: Any) -> frozenset[str]:
    if isinstance(value, list):
        return frozenset().union(*map(_names, value))
    try:
        return parse(value[1:]).names if is_expression(value) else frozenset()
    except ExpressionError:
        return frozenset()


def _numbers(value: Any) -> set[Any]:
    """A number, or those that an expression has."""
    if not is_expression(value):
        return {value} if type(value) is int else set()
    with suppress(SyntaxError):
        tree = ast.walk(ast.parse(value[1:], mode="eval"))
        return {each.value for each in tree if isinstance(each, ast.Constant)}
    return set()


def _times(value: Any, name: str) -> int:
    """In how many places of a field's value a name is."""
    if isinstance(value, list):
        return sum(_times(each, name) for each in value)
    return int(name in _names(value))


def _within(layers: Mapping[str, Any], above: str) -> Iterator[tuple[str, Layer]]:
    for name, layer in layers.items():
        yield f"{above}{name}", layer
        if "layers" in layer:
            yield from _within(layer["layers"], f"{above}{name}.")


_LIFTS: Mapping[str, Callable[[_Lifting], Any]] = {
    "width": _Lifting.width,
    "depth": _Lifting.depth,
    "classes": _Lifting.classes,
}
"""What is lifted by its name alone."""
