"""Functions of single elements, and of the elements of two inputs: a table of them.

They differ in nothing but their work and in what their derivative depends on, so each is a row
here, and its class is made when it is asked for.
"""

from typing import Any, ClassVar, NamedTuple, final

from archcalc.dims import Shape
from archcalc.operators.autograd import SavesInputs, SavesNothing, SavesOutput, Untrained
from archcalc.operators.base import Call, Example, Keeping, Operator, PerElement, Weightless, Work
from archcalc.operators.join import Combining, Meeting, spelled
from archcalc.operators.taps import Pointwise


class _Function(Weightless, Keeping, PerElement, Pointwise):
    function: ClassVar[str]
    """Its name in ``torch``."""

    def torch(self, *inputs: Shape) -> Call:
        return Call(f"torch.{self.function}")


class _OfTwo(Meeting, PerElement):
    function: ClassVar[str]
    """Its name in ``torch``."""

    def torch(self, *inputs: Shape) -> Call:
        return spelled(self.function, inputs)


class _OfTwoOrNumber(Combining, PerElement):
    function: ClassVar[str]
    """Its name in ``torch``."""
    with_number: ClassVar[tuple[str, str]]
    """The function of a tensor and a number, and what it calls the number."""

    def torch(self, *inputs: Shape) -> Call:
        if self.by is None:
            return spelled(self.function, inputs)
        function, name = self.with_number
        return Call(f"torch.{function}", {name: self.by})


class _Row(NamedTuple):
    function: str
    summary: str
    work: Work
    saves: type[Any] = SavesInputs
    """What it is besides, which says what autograd keeps."""
    with_number: tuple[str, str] | None = None


_COMPARED = Work(comparisons=1)
_TRANSCENDENTAL = Work(transcendentals=1)

ELEMENTS = {
    "Neg": _Row("neg", "``-x``: a change of sign is not counted", Work(), SavesNothing),
    "Abs": _Row("abs", "``|x|``: 1 comparison", _COMPARED),
    "Sign": _Row("sign", "-1, 0 or 1: 2 comparisons", Work(comparisons=2), SavesNothing),
    "Exp": _Row("exp", "``e^x``: 1 transcendental", _TRANSCENDENTAL, SavesOutput),
    "Log": _Row("log", "The natural logarithm: 1 transcendental", _TRANSCENDENTAL),
    "Log2": _Row("log2", "The logarithm to base 2: 1 transcendental", _TRANSCENDENTAL),
    "Log10": _Row("log10", "The logarithm to base 10: 1 transcendental", _TRANSCENDENTAL),
    "Log1p": _Row(
        "log1p", "``log(1 + x)``: 1 transcendental, 1 add", Work(adds=1, transcendentals=1)
    ),
    "Sqrt": _Row("sqrt", "The square root: 1 transcendental", _TRANSCENDENTAL, SavesOutput),
    "Rsqrt": _Row(
        "rsqrt",
        "``1 / sqrt(x)``: 1 transcendental, 1 division",
        Work(transcendentals=1, divisions=1),
        SavesOutput,
    ),
    "Square": _Row("square", "``x^2``: 1 multiply", Work(multiplies=1)),
    "Reciprocal": _Row("reciprocal", "``1 / x``: 1 division", Work(divisions=1), SavesOutput),
    "Sin": _Row("sin", "The sine: 1 transcendental", _TRANSCENDENTAL),
    "Cos": _Row("cos", "The cosine: 1 transcendental", _TRANSCENDENTAL),
    "Tan": _Row("tan", "The tangent: 1 transcendental", _TRANSCENDENTAL, SavesOutput),
    "Atan": _Row("atan", "The arc tangent: 1 transcendental", _TRANSCENDENTAL),
    "Erf": _Row("erf", "The error function: 1 transcendental", _TRANSCENDENTAL),
    "Floor": _Row(
        "floor", "The whole number not above ``x``: 1 comparison", _COMPARED, SavesNothing
    ),
    "Ceil": _Row("ceil", "The whole number not below ``x``: 1 comparison", _COMPARED, SavesNothing),
    "Round": _Row("round", "The nearest whole number: 1 comparison", _COMPARED, SavesNothing),
    "Trunc": _Row("trunc", "``x`` without its fraction: 1 comparison", _COMPARED, SavesNothing),
    "LogicalNot": _Row("logical_not", "Whether ``x`` is 0: 1 comparison", _COMPARED, Untrained),
}
"""Functions of one element."""

PAIRS = {
    "Minimum": _Row(
        "minimum",
        "The smaller of two elements: 1 comparison",
        _COMPARED,
        with_number=("clamp_max", "max"),
    ),
    "Maximum": _Row(
        "maximum",
        "The larger of two elements: 1 comparison",
        _COMPARED,
        with_number=("clamp_min", "min"),
    ),
    **{
        name: _Row(
            name.lower(),
            f"Whether ``{sign}``: 1 comparison",
            _COMPARED,
            Untrained,
            (name.lower(), "other"),
        )
        for name, sign in (
            ("Eq", "x == y"),
            ("Ne", "x != y"),
            ("Lt", "x < y"),
            ("Le", "x <= y"),
            ("Gt", "x > y"),
            ("Ge", "x >= y"),
        )
    },
    "LogicalAnd": _Row("logical_and", "Whether both are not 0: 1 comparison", _COMPARED, Untrained),
    "LogicalOr": _Row("logical_or", "Whether one is not 0: 1 comparison", _COMPARED, Untrained),
    "LogicalXor": _Row(
        "logical_xor",
        "Whether one and not both is not 0: 1 comparison",
        _COMPARED,
        Untrained,
    ),
    "Atan2": _Row(
        "atan2",
        "The angle of the point (y, x): 1 transcendental, 1 division",
        Work(transcendentals=1, divisions=1),
    ),
}
"""Functions of the elements of two inputs, or of one and a number."""


def __getattr__(name: str) -> Any:
    if name in ELEMENTS:
        row = ELEMENTS[name]
        base: type[Operator] = _Function
        more = ""
        examples: tuple[Example, ...] = (Example({}, ((2, 6, 5, 5),)),)
    elif name in PAIRS:
        row = PAIRS[name]
        base = _OfTwo if row.with_number is None else _OfTwoOrNumber
        more = " Two inputs broadcast sample by sample."
        examples = (
            Example({}, ((2, 8, 5), (2, 8, 5))),
            Example({}, ((2, 8, 5), (2, 5))),
            *(() if row.with_number is None else (Example({"by": 0.5}, ((2, 8, 5),)),)),
        )
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    facts = {
        "__module__": __name__,
        "__qualname__": name,
        "__doc__": f"{row.summary}. As ``torch.{row.function}``.{more}",
        "per_element": row.work,
        "function": row.function,
        "examples": examples,
    }
    if row.with_number is not None:
        facts["with_number"] = row.with_number
    metaclass: Any = type(base)
    made = final(metaclass(name, (base, row.saves), facts))
    globals()[name] = made
    return made
