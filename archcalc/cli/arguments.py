"""What is typed on the command line, as values."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

from archcalc.errors import ArchcalcError
from archcalc.operators.base import LARGEST
from archcalc.spec.model import Spec
from archcalc.spec.question import Question, of_side

Axes = list[Any]

_SHAPE = re.compile(r"\d+(?:[x,]\d+)*", re.ASCII)


def addressed(network: str, inputs: Sequence[str] | None) -> str:
    """A network as the library takes it: another program's model with its inputs in the address."""
    from archcalc.frontends.sources import is_foreign, with_inputs

    if is_foreign(network):
        from archcalc.cli.waiting import watch

        watch()
    return with_inputs(network, inputs or ()) if is_foreign(network) else network


def asked(
    function: Callable[..., Any],
    input: Sequence[str] | None,
    set_: Sequence[str] | None,
    batch: int = 1,
) -> Question:
    """What ``--input``, ``--set`` and ``--batch`` ask, of a function of the library.

    Raises :class:`ArchcalcError` for what can't be read.
    """
    variables = parse_variables(set_ or (), parameters(function)) if set_ else {}
    return Question(partial(parse_inputs, input) if input else None, batch, variables)


def parse_inputs(texts: Sequence[str], spec: Spec) -> Axes | dict[str, Axes] | None:
    """Shapes without the batch: ``227``, ``3x227x227``, ``3,227,227``, ``name=3x227x227``.

    One number is the extent of every axis of the spec's input but the first, of volumes that are
    no cubes only that of the last two: a video keeps its frames. None without texts.
    Raises :class:`ArchcalcError` for what is no shape.
    """
    named: dict[str, Axes] = {}
    for text in texts:
        name, equals, shape = text.rpartition("=")
        if not equals and len(spec.inputs) > 1:
            known = ", ".join(spec.inputs)
            raise ArchcalcError(f"--input {text}: name one of the inputs {known}: NAME={text}")
        name = name.strip() if equals else next(iter(spec.inputs))
        if name in named:
            raise ArchcalcError(f"--input {text}: '{name}' is given twice")
        named[name] = _axes(text, shape.strip(), spec.inputs.get(name, ()))
    return named or None


def _axes(text: str, shape: str, written: Sequence[Any]) -> Axes:
    dtype, colon, sizes_ = shape.rpartition(":")
    if colon and dtype.isalnum():  # what a model is captured with; a spec's sizes have none
        shape = sizes_.removeprefix("1x")
    if not written and shape.isidentifier():
        from archcalc.frontends.torch.source import DTYPES

        if shape in ("true", "false", *DTYPES):
            return []  # a truth value, or one number a sample: what a model is taken in with
    if not _SHAPE.fullmatch(shape):
        raise ArchcalcError(
            f"--input {text}: is no shape\n  write 224 or 3x224x224, without the batch"
        )
    sizes = []
    for digits in re.split("[x,]", shape):
        # The digits are counted first: making a number of very many takes very long.
        if len(digits) > len(str(LARGEST)) or not 1 <= int(digits) <= LARGEST:
            raise ArchcalcError(f"--input {text}: an extent should be from 1 to {LARGEST:,}")
        sizes.append(int(digits))
    return of_side(sizes[0], written) if len(sizes) == 1 else sizes


_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(s|m|h)?", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def parse_duration(text: str, option: str) -> float:
    """Seconds of ``90``, ``90s``, ``8m`` or ``1.5h``. Raises :class:`ArchcalcError`."""
    found = _DURATION.fullmatch(text.strip())
    if not found or not float(found[1]):
        raise ArchcalcError(f"{option} {text}: is no time\n  write 90s, 8m or 1h")
    return float(found[1]) * _SECONDS[found[2] or "s"]


def parse_count(text: str, option: str) -> int:
    """A number of things: ``10000``, ``1e6`` or ``1M``. Raises :class:`ArchcalcError`."""
    found = re.fullmatch(r"(\d{1,15})(?:e(\d{1,2})|([kKM]))?", text.strip().replace(",", ""))
    if not found or not int(found[1]):
        raise ArchcalcError(
            f"{option} {text}: is no number of configurations, such as 10000 or 1e6"
        )
    times: int = 10 ** (int(found[2] or 0) + {"k": 3, "K": 3, "M": 6}.get(found[3], 0))
    return int(found[1]) * times


def parse_variables(texts: Sequence[str], taken: Collection[str] = ()) -> Mapping[str, Any]:
    """``VAR=VALUE`` with a value as a spec writes it: ``0.5``, ``true``, ``[2, 2]``, ``=2 * side``.

    ``taken`` are words that mean something else to the library, so that it can't set variables of
    these names. Raises :class:`ArchcalcError` for what has no ``=`` or can't be read.
    """
    from archcalc.spec.text import parse

    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ArchcalcError(f"--set {text}: write VAR=VALUE")
        if name in taken:
            raise ArchcalcError(f"--set {text}: '{name}' can only be set in the spec")
        if name in values:
            raise ArchcalcError(f"--set {text}: '{name}' is set twice")
        if value.startswith("="):
            values[name] = value
            continue
        data = parse(f"value: {value}", f"--set {text}").data
        if list(data) != ["value"] or data["value"] is None:
            raise ArchcalcError(f"--set {text}: is no single value")
        values[name] = data["value"]
    return values


_BYTES = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s*([kKMGT]?)(i?)B?")


def parse_bytes(option: str, text: str) -> int:
    """``24GB`` as 24 x 10^9, ``24GiB`` as 24 x 2^30, ``512`` as it is; rounded down.

    Raises :class:`ArchcalcError` for what is no number of bytes.
    """
    found = _BYTES.fullmatch(text.strip())
    power = "kmgt".find(found[2].lower()) + 1 if found and found[2] else 0
    if found is None or (found[3] and not power):
        raise ArchcalcError(f"{option} {text}: write bytes, such as 24GB, 24GiB or 512MB")
    return int(Fraction(found[1]) * (1024 if found[3] else 1000) ** power)


def parameters(function: Callable[..., Any]) -> frozenset[str]:
    """What a function calls its parameters, but for the variables of a spec."""
    from inspect import Parameter, signature

    found = signature(function).parameters.values()
    return frozenset(each.name for each in found if each.kind is not Parameter.VAR_KEYWORD)
