"""What can be said of a spec without working out a single shape."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import Any

from pydantic import ValidationError

from archcalc.errors import IN_FULL, ExpressionError, Problem, did_you_mean
from archcalc.operators import NAMES, operator
from archcalc.operators.words import called_operator
from archcalc.spec import expressions
from archcalc.spec.documented import strangers
from archcalc.spec.layer import LAYER_KEYS, Block, Layer
from archcalc.spec.model import OVERRIDABLE, Spec
from archcalc.spec.problems import field_problems
from archcalc.spec.scope import Hint, Path, Wrong, is_like, near, root
from archcalc.spec.space import amiss
from archcalc.spec.sugar import AROUND
from archcalc.spec.unknown import known_by, unknown
from archcalc.spec.words import value_hint

RESERVED = ("batch", "i", "input")
"""Names that variables and arguments can't have: they mean something else where they are used."""


class _Together(Collection[str]):
    """The names in several collections. None is copied: there may be many, and as many of these."""

    def __init__(self, *parts: Collection[str]) -> None:
        self.parts = parts

    def __contains__(self, name: object) -> bool:
        return any(name in part for part in self.parts)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(chain(*self.parts)))

    def __len__(self) -> int:
        return sum(map(len, self.parts))


def check(
    spec: Spec, allow_unknown: bool = False, broken: Collection[str] = ()
) -> Iterator[tuple[Path, Problem]]:
    """What is wrong with names: operators, fields, blocks, arguments, references, expressions.

    With ``allow_unknown`` an operator that is not known is no problem if its layer has a ``shape``.
    Blocks in ``broken`` are there and not known, with ``*`` any. Each problem comes with the place
    of what it spoils: a layer, a variable, a variant.
    """
    found = chain(_texts(spec), _layers(spec, allow_unknown, broken))
    for number, (place, wrong) in enumerate(found):
        hint = wrong.hint if number < IN_FULL else ""  # near misses take long to look for
        at = (*place, *wrong.at)
        yield place, spec.document.problem(at, wrong.message, hint, key=wrong.key)


def _texts(spec: Spec) -> Iterator[tuple[Path, Wrong]]:
    variables = spec.vars
    for place, names in (
        (("vars",), variables),
        *((("blocks", name, "args"), block.args) for name, block in spec.blocks.items()),
    ):
        for name in names:
            passed = name == "i" and "." in str(place[1:2])  # a row is given it by name
            if (name in RESERVED and not passed) or (name in LAYER_KEYS and place != ("vars",)):
                yield (
                    place,
                    Wrong(f"'{name}' has a meaning of its own: choose another name", at=(name,)),
                )
    for name, written in variables.items():
        for wrong in _expressions(written, variables, ()):
            yield ("vars", name), wrong
    for name, axes in spec.inputs.items():
        at: Path = ("input", name) if isinstance(spec.input, dict) else ("input",)
        for wrong in _expressions(axes, variables, ()):
            yield at, wrong
    known = _Together(variables, OVERRIDABLE)
    for name, chosen in spec.variants.items():
        place = ("variants", name)
        for key, written in (chosen or {}).items():
            if key not in known:
                hint = near(key, known)
                yield place, Wrong(f"no variable '{key}'", hint, (key,), key=True)
            for wrong in _expressions(written, variables, ()):
                yield place, wrong.within(key)
        try:
            spec.differing(name)
        except ValidationError as error:
            for wrong in field_problems(error, Spec):
                yield place, wrong
    for key, outputs in (
        ("outputs", spec.outputs or []),
        ("training_outputs", spec.training_outputs),
    ):
        for reference in outputs:
            yield from (((key,), wrong) for wrong in _reference(reference, spec.layers, ()))
    for number, requirement in enumerate(spec.requires):
        for wrong in _expressions(requirement.that, variables, [*spec.inputs, *spec.layers]):
            yield ("requires", number), wrong.within("that")
    for at, variant in strangers(spec, spec.variants):
        wrong = Wrong(f"no variant '{variant}'", near(variant, spec.variants), at[-1:])
        yield at[:-1], wrong
    if spec.space is not None:
        for _, wrong in amiss(spec.space, variables, spec.inputs):
            yield ("space",), wrong


def _layers(
    spec: Spec, allow_unknown: bool, broken: Collection[str]
) -> Iterator[tuple[Path, Wrong]]:
    for place, inputs, layers in spec.scopes():
        block = spec.blocks[str(place[1])] if place else None
        names = _Together(spec.vars, block.args if block else ())
        repeated = _Together(names, ("i",))
        given = frozenset(inputs)
        around = spec.document.around.get(str(place[1]), ()) if place else ()
        before, previous = dict.fromkeys([*inputs, *around]), ""
        for name, layer in layers.items():
            at = (*place, "layers", name)
            if name in given:
                yield at, Wrong(f"'{name}' is the name of an input: choose another")
            if layer.block in spec.document.doubtful and layer.from_ is None and previous:
                yield _doubtful(spec, str(layer.block), previous)
            seen = repeated if layer.repeat or layer.parallel else names
            own = _Together(before, (name,)) if seen is repeated else before
            for wrong in _layer(spec, layer, seen, before, layers, allow_unknown, broken, own):
                yield at, wrong
            before[name], previous = None, name
        known = _Together(layers, given)
        for number, reference in enumerate(block.results if block is not None else ()):
            assert block is not None
            key: Path = ("output",) if block.outputs is None else ("outputs", number)
            for wrong in _reference(reference, known, ()):
                yield place, wrong.within(*key)


def _layer(
    spec: Spec,
    layer: Layer,
    names: Collection[str],
    before: Collection[str],
    layers: Collection[str],
    allow_unknown: bool,
    broken: Collection[str],
    shared: Collection[str],
) -> Iterator[Wrong]:
    yield from _expressions(layer.written, names, before, layers)
    references: list[tuple[Path, str]] = [
        *((("from", number), each) for number, each in enumerate(layer.from_ or ())),
        *([(("share",), layer.share)] if layer.share is not None else ()),
    ]
    for place, reference in references:
        for wrong in _reference(reference, before if place[0] == "from" else shared, layers):
            yield wrong.within(*place)
        if reference in before:
            continue  # what a row takes of the layers around it is looked at there
        for text in expressions.braced(reference):
            for wrong in _expressions(f"={text}", names, before, layers):
                yield wrong.within(*place)
    for number, reference in enumerate(spec.document.around.get(layer.block or "", ())):
        inner = spec.blocks[str(layer.block)].layers
        for wrong in _reference(reference, before, layers, inner):
            yield wrong.within(AROUND, number)
        for text in expressions.braced(reference):
            for wrong in _expressions(f"={text}", names, before, layers):
                yield wrong.within(AROUND, number)
    if layer.op is not None and not layer.op.startswith("="):
        for wrong in _operator(layer.op, layer.fields, allow_unknown):
            yield Wrong(wrong.message, _of_value(wrong, layer, names, before), wrong.at, wrong.key)
    if layer.block is not None and not layer.block.startswith("="):
        if layer.block in spec.blocks:
            yield from _arguments(layer.block, spec.blocks[layer.block], layer.fields)
        elif layer.block not in broken and "*" not in broken:
            yield Wrong(
                f"unknown block '{layer.block}'", _near_block(layer.block, spec), ("block",)
            )


def _doubtful(spec: Spec, row: str, before: str) -> tuple[Path, Wrong]:
    """A row says ``input`` where it may mean what it takes, or what the block around it does."""
    first = next(iter(spec.blocks[row].layers))
    return ("blocks", row, "layers", first), Wrong(
        f"'input' may be '{before}', which the row takes, or what is around it",
        f"say '{before}', or give the block's own a name, inputs: [x]",
        ("from",),
    )


def _near_block(name: str, spec: Spec) -> Hint:
    def hint() -> str:
        named = [each for each in spec.blocks if "." not in each]
        found = did_you_mean(name, named) or called_operator(name, NAMES)
        return found or ("" if named else "the spec has no blocks")

    return hint


def _of_value(wrong: Wrong, layer: Layer, names: Collection[str], before: Collection[str]) -> Hint:
    field = str(wrong.at[0]) if wrong.at else ""
    if wrong.key and field in before and layer.from_:
        return f"several inputs are a list: from: [{', '.join([*layer.from_, field])}]"
    return lambda: wrong.hint or value_hint(field, layer.fields.get(field), names)


def _operator(name: str, fields: Mapping[str, Any], allow_unknown: bool) -> Iterator[Wrong]:
    if name not in NAMES:
        if not known_by(fields, allow_unknown):
            yield unknown(name, fields, allow_unknown)
        return
    known = operator(name)
    try:
        known(**fields)
    except ValidationError as error:
        for wrong in field_problems(error, known):
            said = fields.get(str(wrong.at[0])) if wrong.at else None
            if not any(text.startswith("=") for _, text in expressions.texts(said)):
                yield wrong


def _arguments(name: str, block: Block, given: Mapping[str, Any]) -> Iterator[Wrong]:
    for key in given:
        if key not in block.args:
            hint = near(key, block.args, "" if block.args else "it takes none")
            yield Wrong(f"block '{name}' has no argument '{key}'", hint, (key,), key=True)
    for key in block.needed:
        if key not in given:
            yield Wrong(f"block '{name}' needs the argument '{key}'")


def _reference(
    reference: str,
    before: Collection[str],
    layers: Collection[str],
    inside: Collection[str] = (),
) -> Iterator[Wrong]:
    """What is wrong with a reference; what is named in a row may be meant of the layers there."""
    name = root(reference)
    if name in before or reference in before or (not name and expressions.braced(reference)):
        return
    if name.endswith("*") and any(is_like(each, name) for each in before):
        return
    if name in layers or name in inside:
        yield Wrong(
            f"'{name}' comes later: a layer takes only what is above it",
            "a network has no cycles; move one of the two",
        )
    else:
        parts = [part.strip() for part in reference.split(",")]
        several = len(parts) > 1 and all(part.split(".")[0] in before for part in parts)
        known = _Together(before, inside)
        hint: Hint = f"several are a list: [{reference}]" if several else near(name, known)
        yield Wrong(f"no layer '{name}'", hint)


def _expressions(
    written: Any,
    names: Collection[str],
    before: Collection[str],
    layers: Collection[str] = (),
) -> Iterator[Wrong]:
    """What is wrong with the names in a value's expressions."""
    for at, text in expressions.texts(written):
        if text.startswith("="):
            for wrong in _expression(text, names, before, layers):
                yield wrong.within(*at)


def _expression(
    written: str, names: Collection[str], before: Collection[str], layers: Collection[str]
) -> Iterator[Wrong]:
    try:
        expression = expressions.parse(written[1:])
    except ExpressionError as error:
        hint = "quote it: in { } and [ ] a comma ends it" if "never closed" in str(error) else ""
        numbered = re.search(r"(?<![\w.'\"])[A-Za-z_][\w.]*\.\d[\w.]*", written)
        if numbered:
            hint = f"quote the layer: {written.replace(numbered[0], repr(numbered[0]))}"
        yield Wrong(str(error), hint)
        return
    for name in sorted(name for name in expression.names if name not in names):
        yield Wrong(f"unknown name '{name}' in '{written}'", near(name, names))
    for reference in sorted(expression.references):
        yield from _reference(reference, before, layers)
