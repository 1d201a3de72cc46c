"""What every operator keeps to, whoever wrote it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import astuple
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy
import pytest
import sympy
from pydantic import ValidationError

import archcalc
from archcalc.dims import Shape, Size, is_array, is_symbolic
from archcalc.errors import ShapeError
from archcalc.operators import FAMILIES, MODULES, NAMES, operator
from archcalc.operators.autograd import Multiplying
from archcalc.operators.base import Example, Operator, Work

every_operator = pytest.mark.parametrize("name", NAMES)

MODULE_FILES = sorted(Path(archcalc.operators.__file__).parent.glob("[a-z]*.py"))


def examples() -> Iterator[Any]:
    for name in NAMES:
        for number, example in enumerate(operator(name).examples):
            yield pytest.param(operator(name), example, id=f"{name}-{number}")


every_example = pytest.mark.parametrize(("cls", "example"), list(examples()))

Resize = Callable[[int, int], Size]
"""An axis and its extent -> the extent to put in its place."""


def resized(inputs: tuple[Shape, ...], resize: Resize) -> tuple[Shape, ...]:
    return tuple(tuple(resize(axis, n) for axis, n in enumerate(shape)) for shape in inputs)


Grows = Callable[[int, int], bool]
"""An axis and its extent -> whether it grows."""


def the_batch(axis: int, n: int) -> bool:
    return axis == 0


def times(factor: int, grows: Grows = the_batch) -> Resize:
    return lambda axis, n: n * factor if grows(axis, n) else n


def facts(op: Operator, inputs: tuple[tuple[Any, ...], ...]) -> dict[str, Any]:
    """Every number that an operator says of these inputs, by what it is."""
    output = op.infer(*inputs)
    shapes = {"output": output, **op.weights(*inputs), **op.buffers(*inputs)}
    numbers = {f"{key}[{axis}]": n for key, shape in shapes.items() for axis, n in enumerate(shape)}
    return {**numbers, **vars_of(op.work(output, *inputs))}


def vars_of(work: Work) -> dict[str, Size]:
    return dict(zip(Work.__dataclass_fields__, astuple(work), strict=True))


@pytest.mark.parametrize("name", [path.stem for path in MODULE_FILES])
def test_a_module_is_listed_with_exactly_the_operators_it_defines(name: str) -> None:
    module = import_module(f"archcalc.operators.{name}")
    for listed, home in MODULES.items():
        assert home != name or operator(listed)  # those of a table are made when asked for
    defined = {
        name
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, Operator)
        and value.__module__ == module.__name__
        and getattr(value, "__final__", False)
    }

    assert defined == {listed for listed, home in MODULES.items() if home == name}


def test_no_name_is_listed_twice() -> None:
    assert len(NAMES) == len(set(NAMES))


@every_operator
def test_says_what_it_counts(name: str) -> None:
    assert (vars(operator(name)).get("__doc__") or "").strip()


@every_operator
def test_is_final_and_what_it_derives_from_abstract(name: str) -> None:
    cls = operator(name)
    parents = [c for c in cls.__mro__[1:] if issubclass(c, Operator)]

    assert vars(cls).get("__final__") is True
    assert not inspect.isabstract(cls)
    # What only holds formulas in common is no operator: it has no examples and is not listed.
    assert not any(hasattr(parent, "examples") or parent.__name__ in NAMES for parent in parents)


@every_operator
def test_overrides_no_method_that_was_implemented(name: str) -> None:
    ours = [c for c in reversed(operator(name).__mro__) if issubclass(c, Operator)]
    implemented: set[str] = set()
    for cls in ours:
        defined = {k: v for k, v in list(vars(cls).items()) if is_method(k, v)}
        assert not implemented & defined.keys(), cls
        implemented |= {k for k, v in defined.items() if not is_abstract(v)}


def is_method(key: str, value: object) -> bool:
    function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    return inspect.isfunction(function) and not key.startswith("__")


def is_abstract(value: object) -> bool:
    return bool(getattr(value, "__isabstractmethod__", False))


@every_operator
def test_has_examples_with_as_many_inputs_as_it_takes(name: str) -> None:
    cls = operator(name)
    fewest, most = cls.arity

    assert cls.examples
    for example in cls.examples:
        assert fewest <= len(example.inputs) <= (most or len(example.inputs))


@every_operator
def test_says_which_inputs_it_takes_where_they_are_not_alike(name: str) -> None:
    """As many names as inputs; one that takes any number takes them alike."""
    cls = operator(name)
    most = cls.arity[1]
    assert len(cls.takes) == (0 if most is None or most == 1 else most)


@every_example
def test_shapes_are_positive_ints(cls: type[Operator], example: Example) -> None:
    op = cls(**example.fields)
    output = op.infer(*example.inputs)

    for shape in [output, *op.weights(*example.inputs).values()]:
        assert all(type(n) is int and n >= 1 for n in shape)
    # A buffer may be a scalar, and its shape then empty, but no extent is nothing.
    for shape in op.buffers(*example.inputs).values():
        assert all(type(n) is int and n >= 1 for n in shape)


@every_example
def test_work_is_in_natural_numbers(cls: type[Operator], example: Example) -> None:
    op = cls(**example.fields)
    work = op.work(op.infer(*example.inputs), *example.inputs)

    assert all(type(n) is int and n >= 0 for n in astuple(work)), work


@every_example
def test_is_its_own_json(cls: type[Operator], example: Example) -> None:
    op = cls(**example.fields)

    assert cls.model_validate_json(op.model_dump_json()) == op


@every_example
def test_refuses_an_unknown_field(cls: type[Operator], example: Example) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        cls.model_validate({**example.fields, "in_channel": 3})


@every_example
def test_can_not_be_changed(cls: type[Operator], example: Example) -> None:
    op = cls(**example.fields)
    for name in [*cls.model_fields, "anything"]:
        with pytest.raises(ValidationError):
            setattr(op, name, 1)


@every_example
def test_batch_weighs_nothing(cls: type[Operator], example: Example) -> None:
    op = cls(**example.fields)
    larger = resized(example.inputs, times(3))

    assert op.weights(*larger) == op.weights(*example.inputs)
    assert op.buffers(*larger) == op.buffers(*example.inputs)


ONCE = {
    **dict.fromkeys(FAMILIES["loss"], "n losses are reduced by n - 1 adds and one division"),
    **dict.fromkeys(
        (name for name in FAMILIES["normalization"] if name.startswith(("Batch", "Instance"))),
        "the scale and shift, or the statistics, of a channel serve the whole batch",
    ),
    "FrozenBatchNorm2d": "the scale and shift of a channel serve the whole batch",
}
"""Operators with work that is done once, however many samples there are, and what work that is."""


@every_example
def test_work_is_linear_in_the_batch(cls: type[Operator], example: Example) -> None:
    op = cls(**example.fields)
    one, two, three = (
        numpy.array(astuple(op.work(op.infer(*inputs), *inputs)), dtype=object)
        for inputs in (resized(example.inputs, times(batch)) for batch in (1, 2, 3))
    )

    assert list(three - two) == list(two - one)
    assert cls.__name__ in ONCE or list(two) == list(2 * one)


@every_example
def test_symbols_give_the_numbers_that_ints_give(cls: type[Operator], example: Example) -> None:
    """Equal extents become equal symbols; 1 stays, because it broadcasts, but as a batch."""
    op = cls(**example.fields)
    symbols: dict[sympy.Symbol, int] = {}

    def symbol(axis: int, n: int) -> Any:
        if n == 1 and axis > 0:
            return n
        name = sympy.Symbol(f"n{n}", integer=True, positive=True)
        symbols[name] = n
        return name

    closed_form = facts(op, resized(example.inputs, symbol))

    assert {
        key: int(n.subs(symbols)) if is_symbolic(n) else n for key, n in closed_form.items()
    } == facts(op, example.inputs)


def of_extent(extent: int) -> Grows:
    return lambda axis, n: n == extent


def growths(inputs: tuple[Shape, ...]) -> dict[str, Grows]:
    """Which axes grow together: the batch, all, and those of each extent there is."""
    extents = {n for shape in inputs for n in shape[1:]}
    return {
        "batch": the_batch,
        "all": lambda axis, n: True,
        **{f"extent {extent}": of_extent(extent) for extent in extents},
    }


@every_example
def test_arrays_give_the_numbers_that_ints_give_at_every_point(
    cls: type[Operator], example: Example
) -> None:
    """And are refused where any point is."""
    op = cls(**example.fields)
    for what, grows in growths(example.inputs).items():
        points = [resized(example.inputs, times(factor, grows)) for factor in (1, 2, 3)]
        arrays = tuple(
            tuple(numpy.array(ns) if len(set(ns)) > 1 else ns[0] for ns in zip(*axes, strict=True))
            for axes in zip(*points, strict=True)
        )
        try:
            expected = [facts(op, point) for point in points]
        except ShapeError:
            with pytest.raises(ShapeError):
                facts(op, arrays)
            assert what != "batch"
            continue
        swept = facts(op, arrays)
        for i, fact in enumerate(expected):
            assert {key: n[i] if is_array(n) and n.shape else n for key, n in swept.items()} == fact


@every_example
def test_what_is_multiplied_with_a_gradient_is_multiplied_forward(
    cls: type[Operator], example: Example
) -> None:
    op = cls(**example.fields)
    if isinstance(op, Multiplying):
        output = op.infer(*example.inputs)
        products = op.products(output, *example.inputs)
        assert sum(each.macs for each in products) == op.work(output, *example.inputs).macs
