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
import math
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from numbers import Rational
from threading import Lock
from typing import Any, NoReturn, TypeAlias, final

from archcalc.dims import (
    Shape,
    ceil,
    floor,
    is_array,
    is_recorded,
    is_symbolic,
    is_whole,
    maximum,
    minimum,
    round_to,
    settle,
)
from archcalc.errors import ArchcalcError, ExpressionError, did_you_mean
from archcalc.operators.base import describe

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

LARGEST = 2**62
"""The largest magnitude of any number: twice as much still fits a numpy ``int64``."""

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


def _is_number(value: Any) -> bool:
    if is_array(value):
        return value.dtype.kind in "iuf"
    if is_symbolic(value):
        return hasattr(value, "as_coeff_Mul")  # a relation or a truth value has none
    if is_recorded(value):
        return True
    return isinstance(value, (int, float, Rational)) and not isinstance(value, bool)


def _is_fraction(value: Any) -> bool:
    # The whole numbers of numpy and sympy are Rational too.
    foreign = isinstance(value, int) or is_array(value) or is_symbolic(value)
    return isinstance(value, Rational) and not foreign


def _number(value: Any) -> Any:
    if type(value) is int or _is_number(value):
        return value
    raise TypeError(f"arithmetic needs numbers, not {value!r:.40}")


def _whole(value: Any) -> Any:
    """A whole number without free variables, or an error."""
    if type(value) is int:
        return value
    if is_array(value) or is_symbolic(value):
        raise ValueError("depends on a free variable")
    if not is_whole(value):
        raise TypeError(f"needs a whole number, not {value!r:.40}")
    return settle(value)


def _bounded(value: Any) -> Any:
    """``value``, if it is finite and not too large; numpy's and sympy's scalars become Python's."""
    kind = type(value)
    if kind is int:
        if -LARGEST <= value <= LARGEST:
            return value
        raise OverflowError
    if kind is str or kind is bool:
        return value
    if kind is float or _is_fraction(value):
        if value != value:
            raise ValueError("is not a number")
        if -LARGEST <= value <= LARGEST:
            return value
        raise OverflowError
    if kind is complex:
        raise ValueError("has no real value")
    if is_array(value):
        return _bounded_array(value)
    if is_symbolic(value) and hasattr(value, "as_coeff_Mul"):
        return _bounded_symbolic(value)
    if is_recorded(value) and not -LARGEST <= value <= LARGEST:
        raise OverflowError
    return value


def _bounded_array(value: Any) -> Any:
    if value.ndim == 0:
        return _bounded(value.item())
    if value.dtype.kind == "b" or not value.size:
        return value
    if value.dtype.kind not in "iuf":
        raise TypeError("mixes an array with something that is no number")
    if value.dtype.kind == "f" and (value != value).any():
        raise ValueError("is not a number")
    # As Python's numbers: the magnitude of the least int64 is none itself.
    if max(int(value.max()), -int(value.min())) > LARGEST:
        raise OverflowError
    return value if value.dtype.kind == "f" else value.astype("int64", copy=False)


def _bounded_symbolic(value: Any) -> Any:
    if value.is_Integer:
        return _bounded(int(value))
    if value.is_number and value.is_finite is not True:
        raise ValueError("is not a finite number")
    if value.is_extended_real is False:
        raise ValueError("has no real value")
    factor = value.as_coeff_Mul()[0]
    if abs(factor) > LARGEST or (factor.is_Rational and factor.q > LARGEST):
        raise OverflowError
    if value.is_Pow and value.exp.is_number and abs(value.exp) > 62:
        raise OverflowError
    return value


def _largest(value: Any) -> Any:
    """The largest magnitude in a number or an array, as a Python number."""
    if not is_array(value):
        return abs(value)
    return max(value.max().item(), -value.min().item()) if value.size else 0


def _greatest(value: Any) -> Any:
    return (value.max().item() if value.size else 0) if is_array(value) else value


def _divisor(value: Any) -> Any:
    if type(value) is int and value:
        return value
    if value.is_zero if is_symbolic(value) else _any(value == 0):
        raise ZeroDivisionError
    return value


def _any(answer: Any) -> bool:
    return bool(answer.any()) if is_array(answer) else bool(answer)


def _all(answer: Any) -> bool:
    return bool(answer.all()) if is_array(answer) else bool(answer)


def _is_whole(value: Any) -> bool:
    return value.dtype.kind in "iu" if is_array(value) else is_whole(value)


def _times(a: Any, b: Any) -> Any:
    # Asked before, because numpy's product would wrap around silently; an int's can't.
    if type(a) is int and type(b) is int:
        return a * b
    symbolic = is_symbolic(a) or is_symbolic(b)
    if not symbolic and _largest(a) * _largest(b) > LARGEST:
        raise OverflowError
    return a * b


def _over(a: Any, b: Any) -> Any:
    _divisor(b)
    if _is_whole(a) and _is_whole(b) and _all(a % b == 0):
        return a // b
    return a / b


def _quotient(a: Any, b: Any) -> Any:
    from fractions import Fraction  # it brings decimal, which no spec needs to be read

    whole = (int, Fraction)
    if isinstance(a, whole) and isinstance(b, whole):
        return Fraction(a) / Fraction(_divisor(b))
    return _over(a, b)


def _to_the(a: Any, b: Any) -> Any:
    # A fraction's power has as many digits as it likes.
    a, b = (float(n) if _is_fraction(n) else n for n in (a, b))
    if is_recorded(b) or (is_recorded(a) and not (_is_whole(a) and _is_whole(b) and 0 <= b <= 8)):
        a, b = settle(a), settle(b)  # powers are rarely of a variable, and numpy's are others
    if is_symbolic(a) or is_symbolic(b):
        if not is_symbolic(b) and _largest(b) > 62:
            raise OverflowError
        if is_symbolic(b) and b.is_number and abs(b) > 62:
            raise OverflowError
        return a**b
    if is_recorded(a):
        return a**b  # at most the eighth power, so it is bounded like any other result
    if _any(b < 0):
        if _any(a == 0):
            raise ZeroDivisionError
        a = a * 1.0
    base, exponent = _largest(a), _greatest(b)
    if base > 1 and exponent * math.log2(base) > 62.1 and (_is_whole(a) or is_array(a)):
        raise OverflowError
    return a**b


_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: _times,
    ast.Div: _over,
    ast.FloorDiv: lambda a, b: a // _divisor(b),
    ast.Mod: lambda a, b: a % _divisor(b),
    ast.Pow: _to_the,
}


def _apply(apply: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """One operation on two numbers, with the checks that make it safe."""
    if type(a) is int and type(b) is int:
        return _bounded(apply(a, b))
    a, b = _number(a), _number(b)
    if is_array(a) or is_array(b):
        import numpy

        with numpy.errstate(all="ignore"):  # what is not finite is found in the result
            return _bounded(apply(a, b))
    return _bounded(apply(a, b))


def _truth(answer: Any) -> bool:
    """Whether a condition holds. Raises ``ValueError`` where it does at some points only."""
    if answer is True or answer is False:
        return bool(answer)
    if is_array(answer):
        if answer.size and answer.all():
            return True
        if answer.size and not answer.any():
            return False
        raise ValueError("depends on a free variable")
    if is_symbolic(answer):
        if not _is_number(answer):
            raise ValueError("depends on a free variable")
        if answer.is_zero is None:
            raise ValueError("depends on a free variable")
        return not answer.is_zero
    return bool(answer)


def _mixed(answer: Any) -> bool:
    """Whether an array's points have different answers: what follows is asked of each then."""
    return is_array(answer) and bool(answer.any()) and not bool(answer.all())


def _pointwise(answer: Any) -> Any:
    """A condition as truth values that numpy can join point by point."""
    return answer.astype(bool) if is_array(answer) else _truth(answer)


def _not(answer: Any) -> Any:
    return ~answer.astype(bool) if _mixed(answer) else not _truth(answer)


def _decided(answer: Any) -> Any:
    """A comparison's answer; sympy's true and false become Python's."""
    if is_symbolic(answer) and (answer == True or answer == False):  # noqa: E712
        return bool(answer)
    return answer


def _equal(a: Any, b: Any) -> Any:
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        # Those of a spec's variables are tuples, and those written in an expression lists.
        return len(a) == len(b) and all(_truth(_equal(*items)) for items in zip(a, b, strict=True))
    if not (is_symbolic(a) or is_symbolic(b) or is_array(a) or is_array(b)):
        return a == b
    if not (_is_number(a) and _is_number(b)):
        return False
    if is_array(a) or is_array(b):
        return a == b
    zero = (a - b).is_zero  # not simplified: that takes seconds for what a stranger may write
    if zero is not None:
        return zero
    import sympy

    return sympy.Eq(a, b, evaluate=False)


def _unequal(a: Any, b: Any) -> Any:
    equal = _equal(a, b)
    return not equal if isinstance(equal, bool) else ~equal


def _within(a: Any, b: Any) -> bool:
    return any(_truth(_equal(a, item)) for item in _list(b))


_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: _equal,
    ast.NotEq: _unequal,
    ast.Lt: lambda a, b: _decided(_number(a) < _number(b)),
    ast.LtE: lambda a, b: _decided(_number(a) <= _number(b)),
    ast.Gt: lambda a, b: _decided(_number(a) > _number(b)),
    ast.GtE: lambda a, b: _decided(_number(a) >= _number(b)),
    ast.In: _within,
    ast.NotIn: lambda a, b: not _within(a, b),
}


def _list(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"needs a list, not {value!r:.40}")
    return value


def _extreme(pick: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def extreme(*values: Any) -> Any:
        numbers = _list(values[0]) if len(values) == 1 else values
        if not numbers:
            raise ValueError("needs a number, not an empty list")
        return reduce(pick, (_bounded(_number(number)) for number in numbers))

    return extreme


def _round(x: Any) -> Any:
    if is_symbolic(x):
        raise ValueError("round has no closed form: floor(x + 1/2) has")
    if is_array(_number(x)):
        return x.round().astype("int64")
    return round(x)


def _int(x: Any) -> Any:
    if is_symbolic(x):
        raise ValueError("int has no closed form: floor has")
    if is_array(_number(x)):
        return x.astype("int64")
    return x.truncated() if is_recorded(x) else int(x)


def _sqrt(x: Any) -> Any:
    """The square root, an int where it is one."""
    if is_symbolic(_number(x)):
        import sympy

        return sympy.sqrt(x)
    if _any(x < 0):
        raise ValueError("square root of a negative number")
    if is_array(x):
        return x**0.5
    if is_recorded(x):
        return x.root()
    root = math.isqrt(x) if type(x) is int else 0
    return root if type(x) is int and root * root == x else math.sqrt(x)


def _total(values: Any) -> Any:
    return reduce(lambda a, b: _apply(_ARITHMETIC[ast.Add], a, b), _list(values), 0)


def _round_to(x: Any, multiple: Any, keep: Any = None) -> Any:
    """As MobileNet rounds channels, ``_make_divisible`` in torchvision with ``keep=0.9``."""
    _number(x)
    if _whole(multiple) < 1:
        raise ValueError(f"needs a multiple of at least 1, not {multiple}")
    multiple = _whole(multiple)
    if is_symbolic(x) or is_array(keep) or is_symbolic(keep):
        rounded = round_to(x, multiple)
        short = False if keep is None else _decided(rounded < _times(_number(keep), x))
        return rounded + multiple * short if is_array(short) else rounded + multiple * _truth(short)
    _bounded(2 * _largest(x) + multiple)
    if keep is not None:
        _times(_number(keep), x)
    return round_to(x, multiple, 0 if keep is None else settle(keep))


def _size(shape: Shape, axis: Any) -> Any:
    if not -len(shape) <= _whole(axis) < len(shape):
        raise ValueError(f"axis {axis} is none of a shape of {len(shape)} axes")
    return shape[axis]


_SIZES: dict[str, tuple[int, tuple[int, ...], str]] = {
    "channels": (1, (2, 3, 4, 5), "(N, C, ...)"),
    "length": (2, (3,), "(N, C, L)"),
    "height": (-2, (4, 5), "(N, C, H, W) or (N, C, D, H, W)"),
    "width": (-1, (4, 5), "(N, C, H, W) or (N, C, D, H, W)"),
}
"""Function of a layer -> the axis it measures, the ranks it is defined for, and their axes."""

_FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int | None]] = {
    "min": (_extreme(minimum), 1, None),
    "max": (_extreme(maximum), 1, None),
    "floor": (lambda x: floor(_number(x)), 1, 1),
    "ceil": (lambda x: ceil(_number(x)), 1, 1),
    "round": (_round, 1, 1),
    "int": (_int, 1, 1),
    "abs": (lambda x: abs(_number(x)), 1, 1),
    "sqrt": (_sqrt, 1, 1),
    "len": (lambda values: len(_list(values)), 1, 1),
    "sum": (_total, 1, 1),
    "round_to": (_round_to, 2, 2),
}
"""Function -> what it computes, and the fewest and the most of its arguments."""

_OF_FACTS: dict[str, tuple[Callable[..., Any], int, int | None]] = {
    **_FUNCTIONS,
    "distinct": (lambda values: list(dict.fromkeys(_list(values))), 1, 1),
}

FUNCTIONS: tuple[str, ...] = (*_FUNCTIONS, *_SIZES, "size")
"""The names of all functions."""

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
        self.functions = _OF_FACTS if facts else _FUNCTIONS
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
            _bounded(value)
        except OverflowError:
            self.refuse(node, f"overflows: {self._source.decode()}")
        return lambda names, shape_of: value

    def _attribute(self, node: ast.Attribute) -> Code:
        parts: list[str] = []
        part: ast.expr = node
        while isinstance(part, ast.Attribute):
            parts.append(part.attr)
            part = part.value
        if self.facts and isinstance(part, ast.Name):
            head = part.id
        elif self.facts and isinstance(part, ast.Constant) and isinstance(part.value, str):
            head = part.value
            if not re.fullmatch(DOTTED, head):
                self.refuse(node, f"{head!r:.40} is no name of a layer or a network")
        else:
            self.forbid(node, node)
        return self._variable(node, ".".join([head, *reversed(parts)]))

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
            return _bounded(value)

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
            items, at = _list(value(names, shape_of)), _whole(index(names, shape_of))
            if not -len(items) <= at < len(items):
                raise ValueError(f"index {at} is outside a list of {len(items)}")
            return _bounded(items[at])

        return item

    def _binop(self, node: ast.BinOp) -> Code:
        operation = _ARITHMETIC.get(type(node.op))
        if operation is None:
            self.forbid(node, node.op)
        if self.facts and operation is _over:
            operation = _quotient
        apply, left, right = operation, self.code(node.left), self.code(node.right)
        return lambda names, shape_of: _apply(apply, left(names, shape_of), right(names, shape_of))

    def _unaryop(self, node: ast.UnaryOp) -> Code:
        operand = self.code(node.operand)
        if isinstance(node.op, ast.Not):
            return lambda names, shape_of: _not(operand(names, shape_of))
        if isinstance(node.op, ast.USub):
            return lambda names, shape_of: -_number(operand(names, shape_of))
        if isinstance(node.op, ast.Invert):
            self.forbid(node, node.op)
        return lambda names, shape_of: _number(operand(names, shape_of))

    def _compare(self, node: ast.Compare) -> Code:
        for op in node.ops:
            if type(op) not in _COMPARISONS:
                self.forbid(node, op)
        compare = [_COMPARISONS[type(op)] for op in node.ops]
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
                if _mixed(answer):
                    found = found & answer
                elif not _truth(answer):
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
                if found is None and not _mixed(value):
                    if condition is last or _truth(value) is ends:
                        return value
                    continue
                value = _pointwise(value)
                found = value if found is None else found | value if ends else found & value
            return found

        return junction

    def _ifexp(self, node: ast.IfExp) -> Code:
        test, body, orelse = (self.code(part) for part in (node.test, node.body, node.orelse))
        return lambda names, shape_of: (
            body(names, shape_of) if _truth(test(names, shape_of)) else orelse(names, shape_of)
        )

    def _call(self, node: ast.Call) -> Code:
        if not isinstance(node.func, ast.Name):
            self.refuse(node, "only a function's name can be called")
        name = node.func.id
        if name in _SIZES or name == "size":
            return self._measure(name, node)
        if name not in self.functions:
            message = f"call of unknown function '{name}'"
            self.refuse(node, _hinted(message, did_you_mean(name, FUNCTIONS)))
        compute, fewest, most = self.functions[name]
        keep = self._keep(name, node)
        if len(node.args) < fewest or (most is not None and len(node.args) > most):
            counted = f"{fewest}" if most == fewest else f"at least {fewest}"
            self.refuse(node, f"{name}() takes {counted} argument(s), not {len(node.args)}")
        codes = [self.code(argument) for argument in node.args] + keep
        if len(codes) == 1:
            (only,) = codes
            return lambda names, shape_of: _bounded(compute(only(names, shape_of)))
        return lambda names, shape_of: _bounded(compute(*[code(names, shape_of) for code in codes]))

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
            return lambda names, shape_of: _bounded(
                _size(_ask(shape_of, layer), axis(names, shape_of))
            )
        place, ranks, axes = _SIZES[name]

        def measure(names: Mapping[str, Any], shape_of: ShapeOf | None) -> Any:
            shape = _ask(shape_of, layer)
            if len(shape) not in ranks:
                raise ValueError(f"the output {describe(shape)} of '{layer}' is not {axes}")
            return _bounded(shape[place])

        return measure

    def _reference(self, node: ast.expr, function: str) -> str:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
            return node.value
        parts: list[str] = []
        part = node
        while isinstance(part, ast.Attribute):
            parts.append(part.attr)
            part = part.value
        if not isinstance(part, ast.Name):
            self.refuse(
                node, f"{function}() takes a layer's name: in quotes where it is more than a word"
            )
        return ".".join([part.id, *reversed(parts)])


def _ask(shape_of: ShapeOf | None, layer: str) -> Shape:
    if shape_of is None:
        raise ValueError(f"the shape of '{layer}' is not known here")
    return shape_of(layer)


def _hinted(message: str, hint: str) -> str:
    return f"{message}: {hint}" if hint else message
