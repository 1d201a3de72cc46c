"""What an operator takes and counts, in words, from what its class says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, overload

from archcalc.dims import Shape
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError
from archcalc.operators import FAMILIES, NAMES, operator
from archcalc.operators.base import KINDS, Call, Example, Operator, how_many
from archcalc.operators.parametrization import STANDARDIZATIONS
from archcalc.operators.words import operator_hint


@dataclass(frozen=True, slots=True)
class OperatorField:
    """One field of an operator."""

    name: str
    type: str
    """What may be written, in words: ``whole number from 1``."""
    default: str | None
    """As a spec writes it; None where the field must be given."""
    doc: str
    """What it means."""


@dataclass(frozen=True, slots=True)
class Worked:
    """An example of an operator, worked out."""

    fields: Mapping[str, Any]
    inputs: tuple[Shape, ...]
    output: Shape
    weights: Mapping[str, Shape]
    buffers: Mapping[str, Shape]
    work: Mapping[str, int]
    """The arithmetic by kind, without the kinds of which there is none."""
    torch: str
    """The call in PyTorch, as source code."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One operator in a list of them."""

    name: str
    family: str
    """The module that defines it: ``conv``, ``pooling``."""
    summary: str
    """The first line of its text."""


@shown
@dataclass(frozen=True, slots=True)
class Description:
    """All there is to say of one operator."""

    name: str
    family: str
    text: str
    """What it computes and what is counted, in paragraphs."""
    counting: str
    """What the count of its arithmetic says of itself; ``""`` where ``text`` says it."""
    inputs: str
    """How many inputs it takes, in words, and which, in their order."""
    fields: tuple[OperatorField, ...]
    examples: tuple[Worked, ...]


@overload
def ops() -> tuple[Summary, ...]: ...
@overload
def ops(name: str) -> Description: ...
@overload
def ops(name: str | None) -> tuple[Summary, ...] | Description: ...
def ops(name: str | None = None) -> tuple[Summary, ...] | Description:
    """What the operator of this name takes and counts; without a name, all of them in brief.

    Raises :class:`ArchcalcError` for an
    unknown name.

    ::

        >>> import archcalc
        >>> archcalc.ops("Conv2d")
        <Description Conv2d: Convolution over an image (N, C, H, W), as torch.nn.Conv2d.>
    """
    if name is None:
        return tuple(
            Summary(known, family, docstring(operator(known)).partition("\n")[0])
            for family, names in FAMILIES.items()
            for known in names
        )
    if name not in NAMES:
        word = name.lower()
        alike = [known for known in NAMES if word in known.lower()] if len(word) > 2 else []
        if len(alike) > 1:
            raise ArchcalcError(f"unknown operator '{name}'\n  known: {', '.join(sorted(alike))}")
        hint = operator_hint(name, alike or NAMES) or "'archcalc ops' lists them"
        raise ArchcalcError(f"unknown operator '{name}': {hint}")
    kind = operator(name)
    return Description(
        name=name,
        family=next(family for family, names in FAMILIES.items() if name in names),
        text=docstring(kind),
        counting=docstring(kind.work),
        inputs=_inputs(kind),
        fields=tuple(_fields(kind)),
        examples=tuple(_worked(kind, example) for example in kind.examples),
    )


def docstring(thing: Any) -> str:
    """The text of a class, function or module, each paragraph on one line; code in backticks.

    Examples, which are indented, stay as they are, between fences.
    """
    import inspect

    paragraphs = inspect.cleandoc(thing.__doc__ or "").split("\n\n")
    return "\n\n".join(filter(None, map(_paragraph, paragraphs)))


def _paragraph(text: str) -> str:
    if not text.startswith("    >>> "):
        line = " ".join(text.split())
        return "" if line == "::" else _inline(re.sub(r"::$", ":", line))
    lines = [line[4:] for line in text.splitlines() if not line.endswith("import archcalc")]
    code = "\n".join(line.partition("  # doctest:")[0] for line in lines)
    return f"```python\n{code}\n```"


def _inline(text: str) -> str:
    text = re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"`\1`", text)
    return text.replace("``", "`")


def attribute_docs(kind: type[Any]) -> Mapping[str, str]:
    """The text under each attribute of a class and of its bases.

    They are read from the source, because Python does not keep them.
    """
    docs: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("archcalc."):
            docs |= _written(base.__module__).get(base.__qualname__, {})
    return docs


@cache
def _written(module: str) -> dict[str, dict[str, str]]:
    """The texts under the attributes of the classes of a module, by class."""
    import ast
    import inspect
    import sys

    found: dict[str, dict[str, str]] = {}
    for kind in ast.parse(inspect.getsource(sys.modules[module])).body:
        if isinstance(kind, ast.ClassDef):
            found[kind.name] = {
                ast.unparse(statement.target): _inline(" ".join(text.value.value.split()))
                for statement, text in zip(kind.body, kind.body[1:], strict=False)
                if isinstance(statement, ast.AnnAssign)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            }
    return found


def _inputs(kind: type[Operator]) -> str:
    number = how_many(*kind.arity)
    return f"{number}: {', '.join(kind.takes)}" if kind.takes else number


def _fields(kind: type[Operator]) -> Iterator[OperatorField]:
    schema = kind.model_json_schema()
    docs = attribute_docs(kind)
    for name, field in schema.get("properties", {}).items():
        default = None if name in schema.get("required", ()) else literal(field["default"])
        yield OperatorField(name, words(field), default, docs[name])


def words(schema: Mapping[str, Any]) -> str:
    """What a JSON Schema of a field allows: ``whole number from 1 or list of 1 to 3 of them``."""
    alternatives = schema.get("anyOf", [schema])
    *some, last = (word for each in alternatives for word in _words(each, alternatives))
    return f"{', '.join(some)} or {last}" if some else last


def _words(schema: Mapping[str, Any], beside: Sequence[Any]) -> list[str]:
    if "enum" in schema:
        return [literal(value) for value in schema["enum"]]
    if "const" in schema:
        return [literal(schema["const"])]
    if schema["type"] == "array":
        items, *_ = schema.get("prefixItems") or [schema["items"]]
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        some = "" if most is None else f"{most} " if least == most else f"{least} to {most} "
        each = f"{some and 'of '}them" if items in beside else f"({words(items)})"
        return [f"list of {some}{each}"]
    names = {"integer": "whole number", "boolean": "true or false"}
    return [names.get(schema["type"], schema["type"]) + _bounds(schema)]


def _bounds(schema: Mapping[str, Any]) -> str:
    above = schema.get("exclusiveMinimum")
    least, most = schema.get("minimum"), schema.get("maximum")
    return "".join(
        f" {word} {bound}"
        for word, bound in (("above", above), ("from", least), ("to", most))
        if bound is not None
    )


def literal(value: Any) -> str:
    """A value as a spec writes it."""
    import json

    return f"{value}" if isinstance(value, str) else json.dumps(value)


def _worked(kind: type[Operator], example: Example) -> Worked:
    op, inputs = kind(**example.fields), example.inputs
    output = op.infer(*inputs)
    work = op.work(output, *inputs)
    return Worked(
        fields=example.fields,
        inputs=inputs,
        output=output,
        weights=op.weights(*inputs),
        buffers=op.buffers(*inputs),
        work={name: amount for name in KINDS if (amount := getattr(work, name))},
        torch=call_source(op.torch(*inputs), len(inputs)),
    )


def call_source(call: Call, inputs: int) -> str:
    """A call as Python would be written: ``nn.Linear(in_features=84, ...)``.

    Inputs of a function are ``x``, or ``x0``, ``x1``, ... where there are several.
    """
    home, _, name = call.target.partition(".")
    target = f"archcalc.pytorch.modules.{name}" if home == "archcalc" else call.target
    arguments = [f"{key}={value!r}" for key, value in call.kwargs.items()]
    tensors = ["x"] if inputs == 1 else [f"x{k}" for k in range(inputs)]
    if home in ("F", "torch"):
        passed = [f"[{', '.join(tensors)}]"] if call.gather else tensors
        source = f"{target}({', '.join(passed + arguments)})"
    else:
        source = f"{target}({', '.join(arguments)})"
        by = call.parametrization
        if by is not None:
            ours = "archcalc.pytorch.modules"
            how = f"{ours if by in STANDARDIZATIONS else 'nn.utils.parametrizations'}.{by}"
            source = f"{ours}.each_weight({source}, {how})" if call.several else f"{how}({source})"
        if call.unpack is not None:
            source = f"{source}({', '.join(tensors)})"
    return source if call.unpack is None else f"{source}[{call.unpack}]"
