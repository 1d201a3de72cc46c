"""What pydantic found wrong, in the words of someone who writes specs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from archcalc.errors import Problem, did_you_mean
from archcalc.operators.base import Operator
from archcalc.spec.scope import Hint, Path, Wrong
from archcalc.spec.space import keys
from archcalc.spec.tree import Document
from archcalc.spec.words import field_hint, value_hint

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


def _is_written(part: int | str) -> bool:
    """Whether a step of a place is in the document, which ``[key]`` and ``[range]`` are not."""
    return not (isinstance(part, str) and part.startswith("["))


_OTHERWISE: dict[tuple[object, type], str] = {
    ("output", list): "several are its 'outputs'",
    ("args", list): "arguments are one line, 'a, b=1', or names with their defaults",
}
"""What else is meant by a value of another kind, by its key."""


def _keys(model: type[BaseModel], at: Path) -> list[str]:
    """The keys of the record that stands at a place in a ``model``."""
    for key in at:
        fields = {field.alias or name: field for name, field in model.__pydantic_fields__.items()}
        kinds = _records(fields[str(key)].annotation) if key in fields else []
        model = kinds[0] if kinds else model
    return [field.alias or name for name, field in model.__pydantic_fields__.items()]


def _records(kind: Any) -> list[type[BaseModel]]:
    """The models in an annotation."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [found for part in get_args(kind) for found in _records(part)]


def problems_of(
    document: Document, error: ValidationError, model: type[BaseModel]
) -> list[Problem]:
    """The errors of a document's validation against ``model``, at their places in the file."""
    return [
        document.problem(wrong.at, wrong.message, wrong.hint, wrong.key)
        for wrong in field_problems(error, model)
    ]


def field_problems(error: ValidationError, model: type[BaseModel]) -> Iterator[Wrong]:
    """Each error of a validation against ``model``, its place relative to what was validated."""
    known = _keys(model, ())
    is_operator = issubclass(model, Operator)
    if is_operator:
        no_field, needs = f"{model.__name__} has no field", f"{model.__name__} needs"
    else:
        no_field, needs = "unknown key", "needs"
    errors = error.errors(include_url=False, include_context=False)
    above = {found["loc"][:end] for found in errors for end in range(len(found["loc"]))}
    for found in errors:
        kind, at = found["type"], tuple(filter(_is_written, found["loc"]))
        value = found["input"]
        if kind == "too_short" and found["loc"] in above:
            continue  # what is wrong of its items, and left out for that, is told
        if kind == "extra_forbidden":
            hint: Hint = ""
            if is_operator:
                hint = partial(field_hint, str(at[-1]), known)
            elif at[0] == "space":
                hint = partial(did_you_mean, str(at[-1]), keys(len(at)))
            else:
                hint = partial(did_you_mean, str(at[-1]), _keys(model, at[:-1]))
            yield Wrong(f"{no_field} '{at[-1]}'", hint, at, key=True)
        elif kind == "missing":
            yield Wrong(f"{needs} '{at[-1]}'", at=at[:-1])
        elif kind in _MEANT:
            hint = _OTHERWISE.get((at[-1], type(value))) or ""
            yield Wrong(f"should be {_MEANT[kind]}, not {value!r}", hint, at)
        elif kind == "string_pattern_mismatch":
            hint = "a name has letters, digits, _ and -, and begins with a letter or _"
            if "(" in str(value):
                hint = "a block is one 'name(a, b=1)', and has no other 'args'"
            yield Wrong(f"{value!r} is no name", hint, at, key=True)
        elif kind == "literal_error":
            meant = found["msg"].replace("Input should", "should")
            hint = partial(did_you_mean, str(value), re.findall(r"'([^']+)'", meant))
            yield Wrong(f"{meant}, not {value!r}", hint, at)
        else:
            message = found["msg"].removeprefix("Value error, ").replace(" after validation", "")
            meant = re.sub(r"^(Input|Dictionary|List|Tuple|String) (?=should )", "", message)
            yield Wrong(meant, value_hint(str(at[0]), value) if is_operator and at else "", at)
