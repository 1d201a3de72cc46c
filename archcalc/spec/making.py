"""What a layer is made of: an operator on inputs of some shapes, or a block with its arguments.

What was made once is found again by value: within an expansion, and in the family's memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from pydantic import ValidationError

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators import NAMES, operator
from archcalc.operators.base import Applied, describe, how_many
from archcalc.spec.budget import MADE, TAKEN
from archcalc.spec.dependence import variables_of
from archcalc.spec.evaluation import MOST_AXES, Evaluation, ShapeOf
from archcalc.spec.layer import Block, Layer
from archcalc.spec.memory import Made, Memory
from archcalc.spec.model import Spec
from archcalc.spec.problems import field_problems
from archcalc.spec.refusal import misread
from archcalc.spec.scope import (
    NOTHING,
    Local,
    Path,
    Scope,
    Template,
    Toll,
    Unknown,
    Value,
    Wrong,
    columns,
    near,
)
from archcalc.spec.sugar import AROUND
from archcalc.spec.unknown import DECLARED, declared, known_by, unknown
from archcalc.values import exact

MOST_NODES = 120_000
"""The most operators a network may expand to."""

DEEPEST = 50
"""Blocks within one another."""

MOST_EDGES = 500_000
"""The most inputs that these may take together."""

LONGEST_NAME = 200
"""Characters of a layer's full name."""


class Making(Evaluation, ABC):
    """The operators and the blocks that an expansion has made, or met, so far."""

    def __init__(
        self, spec: Spec, known: frozenset[Path], allow_unknown: bool, memory: Memory
    ) -> None:
        super().__init__(spec, known)
        self.allow_unknown = allow_unknown
        self.memory = memory
        self.templates: dict[Hashable, Template] = {}
        """Blocks expanded so far, by name, arguments and input shapes."""
        self.remembering = False
        """Whether those without a problem are left for later expansions, and those of earlier ones
        used: for the same values of the variables that a block names.
        """
        self.valued: dict[str, Hashable] = {}
        """The values of the variables that each block names."""
        self.contexts: dict[str, dict[Hashable, Template]] = {}
        """Where those of each block are."""
        self.given: tuple[str, Mapping[str, Any] | None] = ("", None)
        """The operator's or the block's name, and the fields or arguments of the last layer; None
        where these are not all of it.
        """
        self.met: dict[int, Any] = {}
        """The operators, and their uses on shapes, that were met so far."""
        self.expanding: list[str] = []
        self.full = False

    @abstractmethod
    def layers(self, scope: Scope, layers: Mapping[str, Layer], place: Path, trail: Path) -> None:
        """Expand a list of layers. ``place`` is where it is written, ``trail`` where it is used."""

    def meet(self, made: Any) -> None:
        """Count an operator, or its use on shapes, where it is met for the first time."""
        key = id(made)
        self.toll.met[key] = made
        if key not in self.met:
            self.met[key] = made
            self.budget.spend(MADE)

    def adopt(self, template: Template) -> None:
        """Count a block of an earlier expansion as if it had been expanded in this one."""
        self.templates[template.key] = template
        self.budget.spend(MADE + template.toll.steps)
        for made in template.toll.met.values():
            if id(made) not in self.met:
                self.met[id(made)] = made
                self.budget.spend(MADE)
        for inner in template.toll.inner.values():
            if inner.key not in self.templates:
                self.adopt(inner)

    def too_many(self, *at: str) -> Wrong | Unknown:
        """The error of a network that is too large; it is said once, not at every level."""
        return self.once_only(Wrong(f"makes the network larger than {MOST_NODES:,} layers", at=at))

    def require_few(self, edges: int) -> None:
        """Raise where the layers take more inputs together than is bearable."""
        if edges > MOST_EDGES:
            message = f"makes the network's layers take more than {MOST_EDGES:,} inputs together"
            raise self.once_only(Wrong(message, at=("from",)))

    def require_short(self, characters: int) -> None:
        """Raise where the full name of a layer would be longer than anybody reads."""
        if characters > LONGEST_NAME:
            message = f"makes a layer's full name longer than {LONGEST_NAME} characters"
            raise self.once_only(Wrong(message))

    def once_only(self, wrong: Wrong) -> Wrong | Unknown:
        if self.full:
            return Unknown()
        self.full = True
        return wrong

    def operator(
        self,
        scope: Scope,
        name: str,
        layer: Layer,
        sources: Sequence[int],
        names: Mapping[str, Any],
        at: Path,
        trail: Path,
    ) -> Value:
        self.given = layer.op or "", None if layer.computed else {}
        made = self.memory.literal.get(at) or self.make(
            layer, names, scope.shape_of, at, (*trail, name)
        )
        self.meet(made)
        if scope.edges + len(sources) > MOST_EDGES or len(name) > LONGEST_NAME:
            self.require_few(scope.edges + len(sources))
            self.require_short(len(name))
        shapes = scope.shapes(sources)
        applied = self.applied(made, shapes, scope, sources, trail)
        self.meet(applied)
        return scope.add(Local(name, applied, tuple(sources)))

    def applied(
        self,
        made: Made,
        shapes: tuple[Shape, ...],
        scope: Scope,
        sources: Sequence[int],
        trail: Path,
    ) -> Applied:
        """An operator on inputs of some shapes, the same object wherever both are the same."""
        op = made.op
        try:
            found = made.applied.get(shapes)
        except TypeError:
            found = None
        if found is not None:
            return found
        least, most = op.arity
        if len(sources) < least or (most is not None and len(sources) > most):
            which = f" ({', '.join(op.takes)})" if op.takes else ""
            wanted = f"{how_many(least, most)} input(s){which}"
            raise Wrong(f"{type(op).__name__} takes {wanted}, not {len(sources)}")
        try:
            applied = Applied.to(op, *shapes)
        except ShapeError as error:
            origins = [
                f"input {describe(shape)} comes from '{scope.label(source, trail)}'"
                for source, shape in zip(sources, shapes, strict=True)
            ]
            if not trail:
                own = [shape for k, shape in zip(sources, shapes, strict=True) if k < 0]
                origins += filter(None, map(misread, own))
            raise Wrong(str(error), "\n".join(origins)) from None
        if len(applied.shape) > MOST_AXES:
            raise Wrong(f"has an output of {len(applied.shape)} axes; {MOST_AXES} are the most")
        with suppress(TypeError):  # an array can't be hashed
            made.applied[shapes] = applied
            self.memory.size += 1
        return applied

    def make(
        self, layer: Layer, names: Mapping[str, Any], shape_of: ShapeOf, at: Path, path: Path
    ) -> Made:
        """The operator of a layer. One without expressions is made once for all its places."""
        kind = self.evaluate(layer.op, names, shape_of, ("op",))
        if kind not in NAMES:
            if not known_by(layer.fields, self.allow_unknown):
                raise unknown(kind, layer.fields, self.allow_unknown)
            said = {
                key: self.evaluate(layer.fields[key], names, shape_of, (key,))
                for key in DECLARED
                if key in layer.fields
            }
            return Made(declared(str(kind), said), {})
        computed = layer.computed
        fields = {
            key: self.evaluate(written, names, shape_of, (key,)) if key in computed else written
            for key, written in layer.fields.items()
        }
        self.given = kind, fields
        key: Hashable = (kind, *items_of(fields))
        try:
            made = self.memory.operators.get(key)
        except TypeError:
            key = made = None
        try:
            made = made or Made(operator(kind)(**fields), {})
        except ValidationError as error:
            for wrong in field_problems(error, operator(kind)):
                self.report((*at, *wrong.at), ("layers", *path, *wrong.at), wrong)
            raise Unknown from None
        if key is not None:
            self.memory.operators[key] = made
        if not computed and kind == layer.op:
            self.memory.literal[at] = made
        return made

    def block(
        self,
        scope: Scope,
        name: str,
        layer: Layer,
        sources: Sequence[int],
        names: Mapping[str, Any],
        trail: Path,
    ) -> Value:
        blocks = self.spec.blocks
        kind = self.evaluate(layer.block, names, scope.shape_of, ("block",))
        if type(kind) is not str or kind not in blocks:
            raise Wrong(f"unknown block {kind!r}", near(kind, blocks), ("block",))
        if kind in self.expanding:
            loop = " -> ".join([*self.expanding[self.expanding.index(kind) :], kind])
            raise Wrong(f"block contains itself: {loop}", at=("block",))
        if len(self.expanding) == DEEPEST:
            raise Wrong(f"blocks stand more than {DEEPEST} deep in one another", at=("block",))
        block = blocks[kind]
        around = self.around(kind, scope, names)
        if block.ports(len(sources)) is None and (sources or not around):
            if any(scope.is_unknown(source) for source in sources):
                raise Unknown  # it may have more outputs than one
            raise Wrong(
                f"block '{kind}' takes {len(block.inputs)}{' or more' * block.any_number} input(s) "
                f"({', '.join(block.inputs)}), not {len(sources)}"
            )
        args = self.arguments(kind, block, layer, names, scope.shape_of)
        template = self.template(kind, block, args, scope, name, sources, around, trail)
        self.given = kind, None if around else args
        sources = [*sources, *chain(*around.values())]
        if len(scope.nodes) + len(template.nodes) > MOST_NODES:
            raise self.too_many()
        self.require_few(scope.edges + template.edges)
        self.require_short(len(name) + 1 + template.longest)
        return scope.inline(name, template, sources)

    def around(
        self, kind: str, scope: Scope, names: Mapping[str, Any]
    ) -> Mapping[str, Sequence[int]]:
        """What a row takes of the layers around it, by its references."""
        references = self.spec.document.around.get(kind)
        if not references:
            return NOTHING
        found = {}
        for k, reference in enumerate(references):
            try:
                found[reference] = scope.outputs(self.reference(reference, scope, names))
            except Wrong as wrong:
                raise Wrong(wrong.message, wrong.hint, (AROUND, k)) from None
            self.spend(TAKEN * len(found[reference]))
        return found

    def reference(self, reference: str, scope: Scope, names: Mapping[str, Any]) -> str:
        """A reference as the layers here are called."""
        if scope.is_around(reference):
            return reference
        return self.filled(reference, names, scope.shape_of)

    def arguments(
        self, kind: str, block: Block, layer: Layer, names: Mapping[str, Any], shape_of: ShapeOf
    ) -> dict[str, Any]:
        args: dict[str, Any] = {}
        for key, written in layer.fields.items():
            if key not in block.args:
                hint = near(key, block.args)
                raise Wrong(f"block '{kind}' has no argument '{key}'", hint, (key,), key=True)
            if key in layer.computed:
                written = self.evaluate(written, names, shape_of, (key,))
            args[key] = written
        for key, default in block.args.items():
            if key not in args:
                if default is None:
                    raise Wrong(f"block '{kind}' needs the argument '{key}'")
                args[key] = (
                    self.evaluate(default, self.seen(args), None, ())
                    if isinstance(default, (str, list))
                    else default
                )
        return args

    def seen(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """What expressions in a block with these arguments see."""
        self.spend(len(self.names) + len(args))
        return {**self.names, **args}

    def template(
        self,
        kind: str,
        block: Block,
        args: Mapping[str, Any],
        scope: Scope,
        name: str,
        sources: Sequence[int],
        around: Mapping[str, Sequence[int]],
        trail: Path,
    ) -> Template:
        shapes = tuple(scope.shape(source) for source in sources)
        seen = tuple(tuple(map(scope.shape, numbers)) for numbers in around.values())
        key: Hashable = (kind, items_of(args), shapes, *((seen,) if seen else ()))
        try:
            found = self.templates.get(key) or self.context(kind).get(key)
        except TypeError:
            key = found = None
        if found is None:
            found = self.expanded(
                kind, block, args, shapes, key, scope, name, sources, around, trail
            )
        elif key not in self.templates:
            self.adopt(found)
        if key is not None:
            self.toll.inner[key] = found
        return found

    def context(self, kind: str) -> dict[Hashable, Template]:
        """The templates of a block for the values that the variables it names have."""
        if not self.remembering:
            return {}
        if kind not in self.contexts:
            key = (self.allow_unknown, kind, self.values_of(kind))
            self.contexts[kind] = self.memory.blocks.setdefault(key, {})
        return self.contexts[kind]

    def values_of(self, kind: str) -> tuple[Hashable, ...]:
        """The values of the variables that a block names."""
        named = self.memory.named.get(kind)
        if named is None:
            named = self.memory.named[kind] = variables_of(self.spec, kind)
        return tuple([(name, exact(self.names[name])) for name in sorted(named)])

    def expanded(
        self,
        kind: str,
        block: Block,
        args: Mapping[str, Any],
        shapes: tuple[Shape | None, ...],
        key: Hashable,
        scope: Scope,
        name: str,
        sources: Sequence[int],
        around: Mapping[str, Sequence[int]],
        trail: Path,
    ) -> Template:
        """A block that is met for the first time."""
        self.budget.spend(MADE)
        outer, self.toll = self.toll, Toll()
        origins = [(shape, scope.label(k, trail)) for shape, k in zip(shapes, sources, strict=True)]
        others = {
            reference: [(scope.shape(k), scope.label(k, trail)) for k in numbers]
            for reference, numbers in around.items()
        }
        ports = block.ports(len(sources)) or ()
        self.expanding.append(kind)
        try:
            inner = Scope(self.seen(args), dict(zip(ports, origins, strict=True)), others)
            self.layers(inner, block.layers, ("blocks", kind), (*trail, *name.split(".")))
            outputs = tuple([k for each in block.results for k in inner.outputs(each)])
        finally:
            self.expanding.pop()
            toll, self.toll = self.toll, outer
        template = Template(
            *(
                kind,
                args,
                shapes,
                inner.nodes,
                inner.edges,
                outputs,
                inner.values,
                key,
                toll,
                inner.longest,
                inner.folds,
                columns(inner.nodes),
            )
        )
        if key is not None:
            self.templates[key] = template
            if self.remembering and not self.problems:
                self.context(kind)[key] = template
                self.memory.size += 1 + len(template.nodes)
        return template


def items_of(values: Mapping[str, Any]) -> tuple[Hashable, ...]:
    """A key for named values."""
    return tuple([(name, exact(value)) for name, value in values.items()])
