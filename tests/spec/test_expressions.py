from __future__ import annotations

import pickle
from contextlib import suppress
from dataclasses import FrozenInstanceError
from typing import Any

import numpy
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from archcalc.dims import Shape
from archcalc.errors import ExpressionError
from archcalc.spec.arithmetic import FUNCTIONS, LARGEST, bounded
from archcalc.spec.expressions import is_expression, parse

NAMES: dict[str, Any] = {
    "width": 64,
    "depths": [3, 4, 6, 3],
    "table": [[1, 2], [3, 4]],
    "block": "basic",
    "act": None,
    "zero": 0,
    "k": sympy.Symbol("k", integer=True, positive=True),
    "x": numpy.array([1, 2, 3]),
    "half": numpy.array([0.5, 1.5, 2.5]),
}
SHAPES: dict[str, Shape] = {
    "input": (1, 3, 224, 112),
    "layer1.conv2": (1, 64, 56, 56),
    "conv2-1": (1, 128, 28, 28),
    "sequence": (1, 16, 100),
    "volume": (1, 8, 4, 20, 30),
    "flat": (1, 4096),
}


def evaluate(text: str, **names: Any) -> Any:
    return parse(text)({**NAMES, **names}, SHAPES.__getitem__)


def refusal(text: str, **names: Any) -> str:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, **names)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("-width", -64),
        ("+width", 64),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("7 % 4", 3),
        ("2 ** 10", 1024),
        ("2 ** -1", 0.5),
        ("2 ** 62", 4611686018427387904),
        ("4 * width", 256),
        ("depths[0]", 3),
        ("depths[-2]", 6),
        ("table[1][0]", 3),
        ("[width, 2][1]", 2),
        ("(1, 2)", [1, 2]),
        ("width > 32", True),
        ("0 < width <= 32", False),
        ("1 < 2 < 3", True),
        ("block == 'basic'", True),
        ("block != 'basic'", False),
        ("block in ['basic', 'bottleneck']", True),
        ("width not in [64, 128]", False),
        ("act == None", True),
        ("[1, width] == [1, 64]", True),
        ("[1, width] == [1, 65]", False),
        ("[1, 2] == [1]", False),
        ("True and not False", True),
        ("zero or width", 64),
        ("zero and width / zero", 0),
        ("1 if width > 32 else 2", 1),
        ("1 if width > 64 else 2", 2),
        ("min(3, 2, 5)", 2),
        ("max(depths)", 6),
        ("min(1.5, 2)", 1.5),
        ("len(depths)", 4),
        ("sum(depths)", 16),
        ("sum([])", 0),
        ("abs(-3)", 3),
        ("floor(-2.5)", -3),
        ("ceil(-2.5)", -2),
        ("int(-2.5)", -2),
        ("floor(7)", 7),
        ("sqrt(49)", 7),
        ("sqrt(0.25)", 0.5),
        ("  width\n + 1 ", 65),
    ],
)
def test_an_expression_has_the_value_python_gives_it(text: str, value: Any) -> None:
    result = evaluate(text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(("text", "value"), [("8 / 2", 4), ("7 / 2", 3.5), ("8.0 / 2", 4.0)])
def test_division_of_ints_is_an_int_where_it_is_exact(text: str, value: float) -> None:
    assert evaluate(text) == value
    assert type(evaluate(text)) is type(value)


@pytest.mark.parametrize(("x", "value"), [(0.5, 0), (1.5, 2), (2.5, 2), (2.6, 3), (-0.5, 0)])
def test_round_takes_halves_to_the_even_neighbour(x: float, value: int) -> None:
    assert evaluate("round(a)", a=x) == value
    assert evaluate("round(a)", a=numpy.array([x, x])).tolist() == [value, value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("round_to(33.6, 8)", 32),  # 4.2 eights
        ("round_to(12, 8)", 16),  # one and a half: up
        ("round_to(11, 8)", 8),
        ("round_to(20, 8)", 24),
        ("round_to(1, 8)", 8),  # never none
        ("round_to(x, 2)", [2, 2, 4]),
        # 8 is below 0.9 * 11.2 = 10.08. MobileNetV2 0.35 begins with 16 channels, not with 8.
        ("round_to(32 * 0.35, 8, keep=0.9)", 16),
        ("round_to(24 * 0.35, 8, keep=0.9)", 8),
        # MobileNetV2 1.4 ends in 1792 channels and widens 96 to 136 (96 * 1.4 = 134.4).
        ("round_to(1280 * 1.4, 8, keep=0.9)", 1792),
        ("round_to(96 * 1.4, 8, keep=0.9)", 136),
        ("round_to(11 * x, 8, keep=0.9)", [16, 24, 32]),  # 8 < 9.9; 24 and 32 stay
    ],
)
def test_round_to_rounds_channels_as_mobilenet_does(text: str, value: Any) -> None:
    result = evaluate(text)
    assert (result.tolist() if isinstance(result, numpy.ndarray) else result) == value


@pytest.mark.parametrize(
    ("text", "value", "reference"),
    [
        ("channels(input)", 3, "input"),
        ("height(input)", 224, "input"),
        ("width(input)", 112, "input"),
        ("channels(layer1.conv2)", 64, "layer1.conv2"),
        ("channels('conv2-1')", 128, "conv2-1"),
        ("length(sequence)", 100, "sequence"),
        ("height(volume)", 20, "volume"),
        ("width(volume)", 30, "volume"),
        ("size(volume, 2)", 4, "volume"),
        ("size(volume, -1)", 30, "volume"),
        ("channels(flat)", 4096, "flat"),
    ],
)
def test_shape_functions_measure_a_layer(text: str, value: int, reference: str) -> None:
    assert evaluate(text) == value
    assert parse(text).references == {reference}
    assert parse(text).names == frozenset()


def test_names_are_the_variables_and_references_the_layers() -> None:
    expression = parse("max(width, channels(a.b)) + depths[i] * size('c-1', axis)")
    assert expression.names == {"width", "depths", "i", "axis"}
    assert expression.references == {"a.b", "c-1"}


def test_only_text_that_begins_with_an_equals_sign_is_an_expression() -> None:
    assert is_expression("=width")
    assert not any(map(is_expression, ["width", " =width", "", 3, None, ["=width"]]))


def test_an_expression_is_a_value() -> None:
    assert parse("width + 1") == parse(" width + 1 ")
    assert hash(parse("width + 1")) == hash(parse(" width + 1 "))
    assert parse("width + 1") != parse("width + 2")
    assert pickle.loads(pickle.dumps(parse("width + 1")))({"width": 1}) == 2
    with pytest.raises(AttributeError):
        parse("width").text = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    "text",
    [
        "a + 3", "3 - a", "a * a", "a // 2", "a / 2", "a % 4", "a ** 2", "2 ** a", "-a",
        "floor(a / 2)", "ceil(a / 2)", "round_to(a, 8)", "min(a, 5)", "max(a, 5, 2)", "abs(-a)",
        "sqrt(a)",
    ],
)  # fmt: skip
def test_ints_arrays_and_symbols_agree(text: str) -> None:
    points = [1, 2, 3, 7, 8, 12]
    expected = [evaluate(text, a=a) for a in points]
    assert evaluate(text, a=numpy.array(points)).tolist() == expected
    closed = evaluate(text, a=NAMES["k"])
    assert [float(closed.subs(NAMES["k"], a)) for a in points] == pytest.approx(expected)


def test_a_condition_that_holds_at_every_point_is_decided() -> None:
    assert evaluate("1 if k > 0 else 2") == 1
    assert evaluate("1 if 2 * (k + 1) == 2 * k + 2 else 2") == 1
    assert evaluate("1 if x > 0 else 2") == 1
    assert evaluate("1 if x > 3 else 2") == 2
    assert evaluate("k in [1, k]", k=2) is True


@pytest.mark.parametrize(
    "text",
    [
        "1 if x > 1 else 2", "depths[x]", "x in [2]", "1 if k > 1 else 2",
        "not k == 3", "k in [3]", "0 < k < 9", "depths[k]", "size(input, k)", "round_to(8, k)",
        "round_to(k, 8, keep=0.9)",
    ],
)  # fmt: skip
def test_what_is_undecided_depends_on_a_free_variable(text: str) -> None:
    assert "depends on a free variable" in refusal(text)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("not x > 1", [True, False, False]),
        ("x > 1 and x < 3", [False, True, False]),
        ("x == 2 or x == 3 or x > 9", [False, True, True]),
        ("1 < x <= 3", [False, True, True]),
        ("width == 64 and x > 2", [False, False, True]),
        ("x > 2 or block == 'basic'", [True, True, True]),
    ],
)
def test_conditions_on_an_array_are_joined_point_by_point(text: str, points: list[bool]) -> None:
    assert evaluate(text).tolist() == points


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("", "nothing after '='", 1),
        ("1 +", "can't be understood", 4),
        ("width.real", "attribute access is not allowed", 1),
        ("1 + open('x')", "call of unknown function 'open'", 5),
        ("mim(1, 2)", "call of unknown function 'mim': did you mean 'min'?", 1),
        ("width + channel(input)", "did you mean 'channels'?", 9),
        ("x.mean()", "only a function's name can be called", 1),
        ("__import__('os').system('ls')", "only a function's name can be called", 1),
        ("(lambda: 1)", "lambda is not allowed", 2),
        ("[i for i in depths]", "a comprehension is not allowed", 1),
        ("sum(i for i in depths)", "a comprehension is not allowed", 4),
        ("{1: 2}", "a mapping is not allowed", 1),
        ("{1}", "a set is not allowed", 1),
        ("f'{width}'", "an f-string is not allowed", 1),
        ("(a := 1)", "assignment is not allowed", 2),
        ("depths[1:2]", "a slice is not allowed", 8),
        ("max(*depths)", "unpacking with '*' is not allowed", 5),
        ("2 ^ 3", "'^' (a power is '**') is not allowed", 1),
        ("a & b", "'&' ('and' joins conditions) is not allowed", 1),
        ("a is b", "'is' ('==' compares) is not allowed", 1),
        ("~a", "'~' ('not' negates a condition) is not allowed", 1),
        ("b'x'", "is neither a number nor text", 1),
        ("1j", "is neither a number nor text", 1),
        ("...", "is neither a number nor text", 1),
        ("1e400", "overflows", 1),
        ("9999999999999999999", "overflows", 1),
        ("abs(1, 2)", "abs() takes 1 argument(s), not 2", 1),
        ("abs()", "abs() takes 1 argument(s), not 0", 1),
        *(
            (f"{name}(1, 2)", f"{name}() takes 1 argument(s), not 2", 1)
            for name in ("floor", "ceil", "round", "int", "sqrt", "len", "sum")
        ),
        ("round_to(1)", "round_to() takes 2 argument(s), not 1", 1),
        ("round_to(1, 2, 3)", "round_to() takes 2 argument(s), not 3", 1),
        ("abs(keep=1)", "abs() has no argument 'keep='", 1),
        ("round_to(1, 8, keeps=1)", "round_to() has no argument 'keeps='", 1),
        ("round_to(1, 8, **a)", "round_to() has no argument '**'", 1),
        ("channels()", "channels() is written channels(layer)", 1),
        ("size(input)", "size() is written size(layer, axis)", 1),
        ("channels(conv2-1)", "takes a layer's name", 10),
        ("channels(layer[0])", "takes a layer's name", 10),
        ("'é' + é.e", "attribute access is not allowed", 7),
        ("   open(1)", "call of unknown function 'open'", 4),
    ],
)
def test_what_is_not_in_the_language_is_refused_by_name(
    text: str, message: str, column: int
) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("widht", "unknown variable 'widht': did you mean 'width'?"),
        ("width / zero", "divides by zero: width / zero"),
        ("width // zero", "divides by zero"),
        ("width % zero", "divides by zero"),
        ("zero ** -1", "divides by zero"),
        ("width / (x - 1)", "divides by zero"),
        ("(x - 1) ** -1", "divides by zero"),
        ("k / zero", "divides by zero"),
        ("9 ** 9 ** 9", "overflows: 9 ** 9 ** 9"),
        ("2 ** 62 + 1", "overflows"),
        ("-(2 ** 62) - 1", "overflows"),
        ("10.0 ** 400", "overflows"),
        ("x * 2 ** 61", "overflows"),  # numpy alone wraps around to a negative number
        ("4 * x * 2 ** 62", "overflows"),  # to zero, which is not too large
        ("2 ** 62 * (4 * x)", "overflows"),
        ("(x * 2 ** 60) ** 2", "overflows"),
        ("x ** 62", "overflows"),
        ("(x - 1) * 2 ** 61 + (x - 1) * 2 ** 61", "overflows"),
        ("k ** 1000", "overflows"),
        ("((2 * k) ** 60) ** 60", "overflows"),
        ("2 ** 62 * k + k * 2 ** 62", "overflows"),
        ("(-8) ** 0.5", "has no real value"),
        ("sqrt(-1)", "square root of a negative number"),
        ("sqrt(x - 2)", "square root of a negative number"),
        ("'a' * 10 ** 9", "arithmetic needs numbers, not 'a'"),
        ("[0] * 10 ** 9", "arithmetic needs numbers, not [0]"),
        ("'%s' % 1", "arithmetic needs numbers, not '%s'"),
        ("True + 1", "arithmetic needs numbers, not True"),
        ("act + 1", "arithmetic needs numbers, not None"),
        ("-block", "arithmetic needs numbers, not 'basic'"),
        ("block < 1", "arithmetic needs numbers, not 'basic'"),
        ("(x > 1) + 1", "arithmetic needs numbers"),
        ("x + k", "mixes an array"),
        ("x + [1, 2]", "arithmetic needs numbers"),
        ("depths[4]", "index 4 is outside a list of 4"),
        ("depths[-5]", "index -5 is outside a list of 4"),
        ("depths['a']", "needs a whole number, not 'a'"),
        ("depths[True]", "needs a whole number, not True"),
        ("width[0]", "needs a list, not 64"),
        ("block[0]", "needs a list, not 'basic'"),
        ("1 in width", "needs a list, not 64"),
        ("min([])", "not an empty list"),
        ("max(block, 1)", "arithmetic needs numbers"),
        ("round_to(8, 0)", "a multiple of at least 1"),
        ("round(k)", "no closed form"),
        ("int(k)", "no closed form"),
        ("height(sequence)", "the output (1, 16, 100) of 'sequence' is not (N, C, H, W)"),
        ("length(input)", "the output (1, 3, 224, 112) of 'input' is not (N, C, L)"),
        ("size(flat, 2)", "axis 2 is none of a shape of 2 axes"),
    ],
)  # fmt: skip
def test_what_has_no_value_says_why(text: str, message: str) -> None:
    assert message in refusal(text)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**63, numpy.array([1.0, numpy.nan])]
)
def test_a_variable_must_be_a_number_that_can_be_computed_with(value: Any) -> None:
    refusal("a", a=value)


def test_narrow_integers_of_numpy_do_not_wrap_around() -> None:
    assert evaluate("a * a", a=numpy.array([2**20, 2], dtype="int32")).tolist() == [2**40, 4]
    assert type(evaluate("a", a=numpy.int32(7))) is int


def test_shapes_may_be_unknown() -> None:
    with pytest.raises(ExpressionError, match="the shape of 'input' is not known here"):
        parse("channels(input)")({})


def test_what_shape_of_raises_passes_through() -> None:
    class Unknown(Exception):
        pass

    def shape_of(layer: str) -> Shape:
        raise Unknown(layer)

    with pytest.raises(Unknown, match="input"):
        parse("channels(input)")({}, shape_of)


@pytest.mark.parametrize(
    "text",
    [
        "1" + " + 1" * 60, "(" * 240 + "1" + ")" * 240, "-" * 60 + "1", "(" * 499, "[" * 499,
        "not " * 100 + "1", "a" + "[0]" * 100, "a" + "()" * 200,
    ],
)  # fmt: skip
def test_nesting_is_bounded(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


def test_fifty_operations_within_one_another_are_allowed() -> None:
    assert evaluate("-" * 48 + "1") == 1
    assert "nested more than 50 deep" in refusal("-" * 50 + "1")


def test_length_is_bounded() -> None:
    assert evaluate("1" + " " * 498 + "\n") == 1
    assert refusal("1" * 501) == "expression of 501 characters; the limit is 500"


TOKENS = [
    *NAMES, *FUNCTIONS, "0", "1", "-2", "2.5", "62", "'a'", "[", "]", "(", ")", ",", "+", "-", "*",
    "/", "//", "%", "**", "<", "==", "!=", "and", "or", "not", "in", "if", "else", "input", ".",
    "keep=", "None", "True", ":", "lambda", "{", "}", "\\", "#", "\0", "é", "\ud800",
]  # fmt: skip


@given(st.text() | st.lists(st.sampled_from(TOKENS), max_size=30).map(" ".join))
def test_any_text_has_a_value_or_is_refused(text: str) -> None:
    with suppress(ExpressionError):
        parse(text)(NAMES, lambda layer: (1, 3, 224, 112))


OPERATIONS = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "<", "==", "and", "or"])
CALLS = st.sampled_from(["floor", "ceil", "round", "int", "abs", "sqrt", "sum", "len", "min"])


@given(
    st.recursive(
        st.sampled_from([*NAMES, "0", "3", "-7", "0.5", "61"]),
        lambda inner: (
            st.tuples(inner, OPERATIONS, inner).map("({0[0]} {0[1]} {0[2]})".format)
            | st.tuples(CALLS, inner).map("{0[0]}({0[1]})".format)
            | st.tuples(inner, inner).map("[{0[0]}, {0[1]}]".format)
            | st.tuples(inner, inner).map("{0[0]}[{0[1]}]".format)
            | st.tuples(inner, inner, inner).map("({0[0]} if {0[1]} else {0[2]})".format)
            | st.tuples(inner, inner, inner).map("round_to({0[0]}, 8, keep={0[1]})".format)
        ),
        max_leaves=8,
    )
)
def test_any_expression_of_the_language_has_a_value_or_is_refused(text: str) -> None:
    with suppress(ExpressionError):
        evaluate(text)


def test_an_expression_that_others_hold_does_not_change() -> None:
    expression = parse("1 + x")
    with pytest.raises(FrozenInstanceError):
        expression.text = "2"  # type: ignore[misc]  # which is why
    assert hash(expression) == hash(parse("1 + x"))


def test_symbols_are_multiplied_by_what_may_be_computed_with() -> None:
    n = sympy.Symbol("n", positive=True, integer=True)
    assert bounded(LARGEST * n) == LARGEST * n
    assert bounded(n / LARGEST) == n / LARGEST
    for beyond in ((LARGEST + 1) * n, n / (LARGEST + 1)):
        with pytest.raises(OverflowError):
            bounded(beyond)
