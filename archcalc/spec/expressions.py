"""The language after ``=``: arithmetic on a spec's variables and on the shapes of its layers.

Python's grammar, and of it only what a size needs: numbers, text, lists and an index into them;
``+ - * / // % **``, comparisons, ``and or not``, ``a if b else c``; and the functions

=========================  ========================================================================
``min max``                of numbers, or of one list
``floor ceil round abs``   ``round`` takes halves to the even neighbour, as Python does
``int sqrt len sum``       ``int`` drops the fraction
``round_to(x, m, keep=k)`` the multiple of ``m`` nearest to ``x``, halves up, ``m`` at least; with
                           ``keep``, one ``m`` more where less than ``k * x`` would be left
``channels(layer)``        the size along axis 1 of the layer's output
``length(layer)``          along axis 2 of (N, C, L)
``height width``           along the last two axes of (N, C, H, W) and (N, C, D, H, W)
``size(layer, axis)``      along any axis
=========================  ========================================================================

A layer is named bare (``channels(layer1.conv2)``) or as text (``channels('conv2-1')``).

Documented numbers add a little to it (``facts``): names with dots (``alexnet.params``), in quotes
where they are none of Python's (``'layer1.0'.params``), quotients that are exact, and
``distinct(list)``, each item of a list once.

``/`` gives an int where ints divide exactly. Values are ints, numpy arrays, sympy symbols, floats,
text, bools, None and lists. No number may exceed 2**62, and nothing unbounded is computed to find
out, so that an expression from a stranger does no harm.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from typing import Any, NoReturn, TypeAlias, final

from archcalc.dims import Shape
from archcalc.errors import ArchcalcError, ExpressionError, did_you_mean
from archcalc.spec.arithmetic import (
    ARITHMETIC,
    COMPARISONS,
    FUNCTIONS,
    FUNCTIONS_OF_FACTS,
    FUNCTIONS_OF_NUMBERS,
    SIZES,
    applied,
    bounded,
    extent,
    listed,
    mixed,
    negated,
    numeric,
    over,
    pointwise,
    quotient,
    truth,
    whole,
)

LONGEST = 500
"""Characters of an expression."""

DEEPEST = 50
"""Operations within one another."""

DOTTED = r"[\w][\w-]*(\.[\w-]+)*"
"""Names joined by dots."""

_NUMBERED = re.compile(r"(?<![\w.'\"])[A-Za-z_]\w*(?:\.\w+)*\.[0-9]+(?!\w)")
"""Names joined by dots, up to the last that is the number of a repetition."""

_BRACED = re.compile(r"\{([^{}]*)\}")

_ADVISED = re.compile(r"\\|[0-9][A-Za-z_]")
"""What Python may give advice on, which is for programmers: ``"\\d"``, ``1if``."""

_ONE_AT_A_TIME = Lock()

ShapeOf: TypeAlias = Callable[[str], Shape]
Code: TypeAlias = Callable[[Mapping[str, Any], ShapeOf | None], Any]


@final
@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression, to be called with values for its names as often as needed.

    ``names`` are its variables, ``whole`` those, as often as they stand there, of which it may look
    at every item if they are lists; ``references`` the layers whose shapes it asks for. ``steps``
    is how many operations, names and numbers it is made of.

    The call raises :class:`ExpressionError` where there is no value; what the mapping of names and
    ``shape_of`` raise passes through, but for the ``KeyError`` of an unknown name.
    """

    text: str
    names: frozenset[str] = field(compare=False)
    references: frozenset[str] = field(compare=False)
    whole: tuple[str, ...] = field(compare=False)
    steps: int = field(compare=False)
    _code: Code = field(compare=False, repr=False)
    facts: bool = False

    def __call__(self, names: Mapping[str, Any], shape_of: ShapeOf | None = None) -> Any:
        try:
            return self._code(names, shape_of)
        except ArchcalcError:
            raise
        except ZeroDivisionError:
            raise ExpressionError(f"divides by zero: {self.text}") from None
        except OverflowError:
            raise ExpressionError(f"overflows: {self.text}") from None
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ExpressionError(f"{error}: {self.text}") from error

    def __reduce__(self) -> tuple[Callable[[str, bool], Expression], tuple[str, bool]]:
        return parse, (self.text, self.facts)


def is_expression(value: object) -> bool:
    """Whether a value of a spec is an expression: text that begins with ``=``."""
    return isinstance(value, str) and value.startswith("=")


def texts(written: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, str]]:
    """The texts in a value, within lists and mappings, with their places in it."""
    if isinstance(written, str):
        yield at, written
    elif isinstance(written, (dict, list, tuple)):
        items = written.items() if isinstance(written, dict) else enumerate(written)
        for key, inner in items:
            yield from texts(inner, (*at, key))


def braced(reference: str) -> list[str]:
    """The expressions in a reference, each in braces: ``skips.{n - 1 - i}``; or all of it."""
    if is_expression(reference):
        return [reference[1:]]
    return _BRACED.findall(reference) if "{" in reference else []


def fill(reference: str, value: Callable[[str], Any]) -> str:
    """A reference with the ``value`` of each expression in the place of its braces."""
    if is_expression(reference):
        return str(value(reference[1:]))
    return _BRACED.sub(lambda found: str(value(found[1])), reference)


@lru_cache(maxsize=4096)
def parse(text: str, facts: bool = False) -> Expression:
    """The expression that ``text``, without its ``=``, spells; with ``facts``, one on networks.

    Raises :class:`ExpressionError`, whose ``column`` counts from 1 in ``text``.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"expression of {len(text)} characters; the limit is {LONGEST}")
    line = text.translate({ord("\n"): " ", ord("\r"): " ", ord("\f"): " "})
    source = line.strip()
    indent = len(line) - len(line.lstrip())
    if not source:
        raise ExpressionError("nothing after '='", 1)
    try:
        tree = _tree(source)
        compiler = _Compiler(source, indent, facts)
        code = compiler.code(tree.body)
    except SyntaxError as error:
        if "nested" in error.msg:
            _too_deep()
        column = indent + (error.offset or len(source) + 1)  # 0 where the text ends too early
        if facts and (numbered := _NUMBERED.search(source)):
            said = f"can't be understood: write '{numbered[0]}' in quotes: {source}"
            raise ExpressionError(said, column) from None
        raise ExpressionError(f"can't be understood ({error.msg}): {source}", column) from None
    except (MemoryError, RecursionError):
        _too_deep()
    except ValueError as error:
        if isinstance(error, ArchcalcError):
            raise
        raise ExpressionError("is not text", 1) from None
    return Expression(
        source,
        frozenset(compiler.names),
        frozenset(compiler.references),
        tuple(compiler.whole),
        compiler.steps,
        code,
        facts,
    )


def _tree(source: str) -> ast.Expression:
    if not _ADVISED.search(source):
        return ast.parse(source, mode="eval")
    # What is done about warnings is done for all threads: two at a time would undo each other's.
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source, mode="eval")


def _too_deep() -> NoReturn:
    raise ExpressionError(f"is nested more than {DEEPEST} deep") from None


_WORDS: dict[type[ast.AST], str] = {
    ast.Attribute: "attribute access",
    ast.Lambda: "lambda",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.Dict: "a mapping",
    ast.Set: "a set",
    ast.JoinedStr: "an f-string",
    ast.NamedExpr: "assignment",
    ast.Slice: "a slice",
    ast.Starred: "unpacking with '*'",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
    ast.BitXor: "'^' (a power is '**')",
    ast.BitAnd: "'&' ('and' joins conditions)",
    ast.BitOr: "'|' ('or' joins conditions)",
    ast.LShift: "'<<'",
    ast.RShift: "'>>'",
    ast.MatMult: "'@'",
    ast.Invert: "'~' ('not' negates a condition)",
    ast.Is: "'is' ('==' compares)",
    ast.IsNot: "'is not' ('!=' compares)",
}
"""What is not allowed, in the words of who wrote it."""


class _Compiler:
    """From Python's syntax tree to nested closures; what has no method here is refused."""

    def __init__(self, source: str, indent: int, facts: bool = False) -> None:
        self.facts = facts
        self.functions = FUNCTIONS_OF_FACTS if facts else FUNCTIONS_OF_NUMBERS
        self.names: set[str] = set()
        self.references: set[str] = set()
        self.whole: list[str] = []
        self.steps = 0
        self._source = source.encode()
        self._indent = indent
        self._depth = 0

    def column(self, node: ast.expr) -> int:
        """Where ``node`` begins in the text, from 1; Python counts bytes."""
        return self._indent + len(self._source[: node.col_offset].decode()) + 1

    def refuse(self, node: ast.expr, message: str) -> NoReturn:
        raise ExpressionError(message, self.column(node)) from None

    def code(self, node: ast.expr) -> Code:
        """The closure that computes ``node``."""
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            self.forbid(node, node)
        self.steps += 1
        self._depth += 1
        if self._depth > DEEPEST:
            _too_deep()
        code: Code = method(node)
        self._depth -= 1
        return code

    def forbid(self, node: ast.expr, construct: ast.AST) -> NoReturn:
        words = _WORDS.get(type(construct), type(construct).__name__)
        self.refuse(node, f"{words} is not allowed")

    def _constant(self, node: ast.Constant) -> Code:
        value = node.value
        if not isinstance(value, (bool, int, float, str, type(None))):
            self.refuse(node, f"{value!r:.40} is neither a number nor text")
        try:
            bounded(value)
        except OverflowError:
            self.refuse(node, f"overflows: {self._source.decode()}")
        return lambda names, shape_of: value

    def _attribute(self, node: ast.Attribute) -> Code:
        part, rest = _dotted(node)
        if self.facts and isinstance(part, ast.Name):
            head = part.id
        elif self.facts and isinstance(part, ast.Constant) and isinstance(part.value, str):
            head = part.value
            if not re.fullmatch(DOTTED, head):
                self.refuse(node, f"{head!r:.40} is no name of a layer or a network")
        else:
            self.forbid(node, node)
        return self._variable(node, head + rest)

    def _name(self, node: ast.Name) -> Code:
        self.whole.append(node.id)
        return self._variable(node, node.id)

    def _variable(self, node: ast.expr, name: str) -> Code:
        self.names.add(name)
        column = self.column(node)

        def variable(names: Mapping[str, Any], shape_of: ShapeOf | None) -> Any:
            try:
                value = names[name]
            except KeyError:
                raise ExpressionError(
                    _hinted(f"unknown variable '{name}'", did_you_mean(name, names)), column
                ) from None
            return bounded(value)

        return variable

    def _list(self, node: ast.List | ast.Tuple) -> Code:
        items = [self.code(item) for item in node.elts]
        return lambda names, shape_of: [item(names, shape_of) for item in items]

    _tuple = _list

    def _subscript(self, node: ast.Subscript) -> Code:
        if isinstance(node.value, ast.Name):  # an item is found without looking at the others
            value = self._variable(node.value, node.value.id)
        else:
            value = self.code(node.value)
        index = self.code(node.slice)

        def item(names: Mapping[str, Any], shape_of: ShapeOf | None) -> Any:
            items, at = listed(value(names, shape_of)), whole(index(names, shape_of))
            if not -len(items) <= at < len(items):
                raise ValueError(f"index {at} is outside a list of {len(items)}")
            return bounded(items[at])

        return item

    def _binop(self, node: ast.BinOp) -> Code:
        operation = ARITHMETIC.get(type(node.op))
        if operation is None:
            self.forbid(node, node.op)
        if self.facts and operation is over:
            operation = quotient
        apply, left, right = operation, self.code(node.left), self.code(node.right)
        return lambda names, shape_of: applied(apply, left(names, shape_of), right(names, shape_of))

    def _unaryop(self, node: ast.UnaryOp) -> Code:
        operand = self.code(node.operand)
        if isinstance(node.op, ast.Not):
            return lambda names, shape_of: negated(operand(names, shape_of))
        if isinstance(node.op, ast.USub):
            return lambda names, shape_of: -numeric(operand(names, shape_of))
        if isinstance(node.op, ast.Invert):
            self.forbid(node, node.op)
        return lambda names, shape_of: numeric(operand(names, shape_of))

    def _compare(self, node: ast.Compare) -> Code:
        for op in node.ops:
            if type(op) not in COMPARISONS:
                self.forbid(node, op)
        compare = [COMPARISONS[type(op)] for op in node.ops]
        first, *rest = (self.code(operand) for operand in (node.left, *node.comparators))
        if len(rest) == 1:
            single, second = compare[0], rest[0]
            return lambda names, shape_of: single(first(names, shape_of), second(names, shape_of))

        def chain(names: Mapping[str, Any], shape_of: ShapeOf | None) -> Any:
            left = first(names, shape_of)
            found: Any = True
            for holds, operand in zip(compare, rest, strict=True):
                right = operand(names, shape_of)
                answer = holds(left, right)
                if mixed(answer):
                    found = found & answer
                elif not truth(answer):
                    return False
                left = right
            return found

        return chain

    def _boolop(self, node: ast.BoolOp) -> Code:
        *conditions, last = (self.code(value) for value in node.values)
        ends = isinstance(node.op, ast.Or)

        def junction(names: Mapping[str, Any], shape_of: ShapeOf | None) -> Any:
            found: Any = None  # of an array whose points have different answers
            for condition in (*conditions, last):
                value = condition(names, shape_of)
                if found is None and not mixed(value):
                    if condition is last or truth(value) is ends:
                        return value
                    continue
                value = pointwise(value)
                found = value if found is None else found | value if ends else found & value
            return found

        return junction

    def _ifexp(self, node: ast.IfExp) -> Code:
        test, body, orelse = (self.code(part) for part in (node.test, node.body, node.orelse))
        return lambda names, shape_of: (
            body(names, shape_of) if truth(test(names, shape_of)) else orelse(names, shape_of)
        )

    def _call(self, node: ast.Call) -> Code:
        if not isinstance(node.func, ast.Name):
            self.refuse(node, "only a function's name can be called")
        name = node.func.id
        if name in SIZES or name == "size":
            return self._measure(name, node)
        if name not in self.functions:
            message = f"call of unknown function '{name}'"
            known = f"known: {', '.join(FUNCTIONS)}"
            self.refuse(node, _hinted(message, did_you_mean(name, FUNCTIONS) or known))
        compute, fewest, most = self.functions[name]
        keep = self._keep(name, node)
        if len(node.args) < fewest or (most is not None and len(node.args) > most):
            counted = f"{fewest}" if most == fewest else f"at least {fewest}"
            self.refuse(node, f"{name}() takes {counted} argument(s), not {len(node.args)}")
        codes = [self.code(argument) for argument in node.args] + keep
        if len(codes) == 1:
            (only,) = codes
            return lambda names, shape_of: bounded(compute(only(names, shape_of)))
        return lambda names, shape_of: bounded(compute(*[code(names, shape_of) for code in codes]))

    def _keep(self, name: str, node: ast.Call) -> list[Code]:
        for keyword in node.keywords:
            if name != "round_to" or keyword.arg != "keep":
                written = f"'{keyword.arg}='" if keyword.arg else "'**'"
                self.refuse(node, f"{name}() has no argument {written}")
        return [self.code(keyword.value) for keyword in node.keywords]

    def _measure(self, name: str, node: ast.Call) -> Code:
        takes = 2 if name == "size" else 1
        if len(node.args) != takes or node.keywords:
            called = "size(layer, axis)" if name == "size" else f"{name}(layer)"
            self.refuse(node, f"{name}() is written {called}")
        layer = self._reference(node.args[0], name)
        self.references.add(layer)
        if name == "size":
            axis = self.code(node.args[1])
            return lambda names, shape_of: bounded(
                extent(_ask(shape_of, layer), axis(names, shape_of))
            )
        place, ranks, axes = SIZES[name]

        def measure(names: Mapping[str, Any], shape_of: ShapeOf | None) -> Any:
            shape = _ask(shape_of, layer)
            if len(shape) not in ranks:
                from archcalc.operators.base import describe

                raise ValueError(f"the output {describe(shape)} of '{layer}' is not {axes}")
            return bounded(shape[place])

        return measure

    def _reference(self, node: ast.expr, function: str) -> str:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
            return node.value
        part, rest = _dotted(node)
        if not isinstance(part, ast.Name):
            self.refuse(
                node, f"{function}() takes a layer's name: in quotes where it is more than a word"
            )
        return part.id + rest


def _dotted(node: ast.expr) -> tuple[ast.expr, str]:
    """What stands before the first dot, and the rest."""
    rest = ""
    while isinstance(node, ast.Attribute):
        rest = f".{node.attr}{rest}"
        node = node.value
    return node, rest


def _ask(shape_of: ShapeOf | None, layer: str) -> Shape:
    if shape_of is None:
        raise ValueError(f"the shape of '{layer}' is not known here")
    return shape_of(layer)


def _hinted(message: str, hint: str) -> str:
    return f"{message}: {hint}" if hint else message
