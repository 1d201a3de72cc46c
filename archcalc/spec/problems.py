"""What pydantic found wrong, in the words of someone who writes specs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pydantic import BaseModel, ValidationError

from archcalc.errors import did_you_mean
from archcalc.operators.base import Operator
from archcalc.spec.scope import Hint, Wrong
from archcalc.spec.words import field_hint

_MEANT = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "float_type": "a number",
    "float_parsing": "a number",
    "dict_type": "a mapping",
    "list_type": "a list",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def field_problems(error: ValidationError, model: type[BaseModel]) -> Iterator[Wrong]:
    """Each error of a validation against ``model``, its place relative to what was validated."""
    known = [field.alias or name for name, field in model.__pydantic_fields__.items()]
    is_operator = issubclass(model, Operator)
    if is_operator:
        no_field, needs = f"{model.__name__} has no field", f"{model.__name__} needs"
    else:
        no_field, needs = "unknown key", "needs"
    for found in error.errors(include_url=False, include_context=False):
        kind, at = found["type"], tuple(part for part in found["loc"] if part != "[key]")
        value = found["input"]
        if kind == "extra_forbidden":
            hint: Hint = ""
            if len(at) == 1:
                look = field_hint if is_operator else did_you_mean
                hint = partial(look, str(at[-1]), known)
            yield Wrong(f"{no_field} '{at[-1]}'", hint, at, key=True)
        elif kind == "missing":
            yield Wrong(f"{needs} '{at[-1]}'", at=at[:-1])
        elif kind in _MEANT:
            yield Wrong(f"should be {_MEANT[kind]}, not {value!r}", at=at)
        elif kind == "string_pattern_mismatch":
            hint = "a name has letters, digits, _ and -, and begins with a letter or _"
            yield Wrong(f"{value!r} is no name", hint, at, key=True)
        elif kind == "literal_error":
            yield Wrong(f"{found['msg'].replace('Input should', 'should')}, not {value!r}", at=at)
        else:
            yield Wrong(found["msg"].removeprefix("Value error, ").removeprefix("Input "), at=at)
