"""What names stand for while a list of layers is expanded."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from archcalc.dims import Shape, Size
from archcalc.errors import did_you_mean
from archcalc.values import rows_of

if TYPE_CHECKING:  # completing a word asks for what is written, and not for operators
    from archcalc.operators.base import Applied

Path = tuple[str | int, ...]
"""A way into a document, or into a network's layers."""


Hint = str | Callable[[], str]


class Unknown(Exception):
    """Something rests on a layer that has a problem of its own, which is reported already."""


class Wrong(Exception):
    """A problem at a place below the layer, or whatever else, that is being looked at."""

    def __init__(self, message: str, hint: Hint = "", at: Path = (), key: bool = False) -> None:
        """``key`` says that the key at that place is wrong, and not the value.

        A hint that takes long to find may be a function, which is called if the hint is told.
        """
        super().__init__(message)
        self._hint = hint
        self.message, self.at, self.key = message, at, key or not at

    @property
    def hint(self) -> str:
        """What to do about it; ``""`` where nothing is to be said."""
        return self._hint if isinstance(self._hint, str) else self._hint()

    def within(self, *around: str | int) -> Wrong:
        """The same, its place being seen from further outside."""
        return Wrong(self.message, self._hint, (*around, *self.at), self.key and bool(self.at))


NOTHING: Mapping[str, Any] = MappingProxyType({})


def near(word: object, known: Iterable[str], otherwise: str = "") -> Hint:
    """A hint with the nearest of the known words, or else another."""
    return lambda: did_you_mean(str(word), known) or otherwise


class Local(NamedTuple):
    """A node of a block, before the block has a place.

    ``inputs`` and ``share`` count nodes of the same block from 0; ``-1 - k`` is the block's
    input ``k``. ``applied`` is None where a problem keeps it from being known.
    """

    name: str
    applied: Applied | None
    inputs: tuple[int, ...]
    share: int | None = None
    spare: bool = False
    trainable: bool | None = None
    """Whether it is trained, where that is said."""


def columns(nodes: Sequence[Local]) -> tuple[Sequence[Any], ...]:
    """The fields of nodes, one after the other."""
    return tuple(zip(*nodes, strict=True)) or ((),) * len(Local._fields)


class Unfoldable(Exception):
    """Something depends on which of many copies it is, so that none stands for the others."""


class Hidden(dict[str, Any]):
    """The copies behind a repetition of which one stands for many: who asks for one needs all."""

    def _asked(self, *_: Any) -> Any:
        raise Unfoldable

    __bool__ = __contains__ = __getitem__ = __iter__ = __len__ = _asked


class Value(NamedTuple):
    """What a layer's name stands for: an output, the nodes behind it, and the names inside it.

    Numbers of ``members`` are those of their own block; ``offset`` and ``inputs`` translate them.
    A ``size`` below 0 marks a layer that has a problem; ``block`` names the block it is a copy of.
    """

    output: int | None
    start: int
    size: int
    members: Mapping[str, Value]
    offset: int = 0
    inputs: tuple[int, ...] | None = None
    block: str = ""
    whole: tuple[int, ...] = ()
    """All outputs, of what has several that are handed on together; ``output`` is None then."""
    active: int | None = None
    """How many of the copies side by side work, where not all do."""

    @property
    def handed(self) -> tuple[int, ...]:
        """The outputs that are handed on where only the name stands; none of copies in parallel."""
        return self.whole or (() if self.output is None else (self.output,))

    def translate(self, number: int) -> int:
        if self.inputs is None:
            return number
        return number + self.offset if number >= 0 else self.inputs[-1 - number]

    def member(self, name: str) -> Value:
        inner = self.members[name]
        if self.inputs is None:
            return inner
        return inner._replace(
            output=None if inner.output is None else self.translate(inner.output),
            start=inner.start + self.offset,
            offset=inner.offset + self.offset,
            inputs=self.inputs
            if inner.inputs is None
            else tuple(self.translate(number) for number in inner.inputs),
            whole=tuple(self.translate(number) for number in inner.whole),
        )


def root(reference: str) -> str:
    """The name that a reference begins with; none of one that begins with an expression."""
    if reference[:1] in ("=", "{"):
        return ""
    name, brace, _ = reference.partition("{")
    return name.partition(".")[0] if "." in name or not brace else f"{name}*"


_NONE: Mapping[str, Value] = {}


def is_like(name: str, pattern: str) -> bool:
    """Whether a layer's name is meant by ``layer*``."""
    return name.startswith(pattern[:-1])


class Fold(NamedTuple):
    """Nodes that stand for several copies of them, one after the other."""

    start: int
    size: int
    times: Size


class Template(NamedTuple):
    """A block expanded for given arguments and input shapes, to be copied to its places."""

    block: str
    args: Mapping[str, Any]
    shapes: tuple[Shape | None, ...]
    """Those of its inputs."""
    nodes: Sequence[Local]
    edges: int
    """How many inputs its nodes take together."""
    outputs: tuple[int, ...]
    values: Mapping[str, Value]
    key: Hashable
    """What it is found by in an expansion."""
    toll: Toll
    longest: int
    """Characters of the longest name of a node."""
    folds: Sequence[Fold]
    columns: tuple[Sequence[Any], ...]
    """Those of the nodes."""


class Toll:
    """What a list of layers took to expand, without the blocks in it."""

    def __init__(self) -> None:
        self.steps = 0
        self.met: dict[int, Any] = {}
        """The operators, and their uses on shapes, that it met."""
        self.inner: dict[Hashable, Template] = {}
        """The blocks in it."""


class Scope:
    """The layers expanded so far in one list of layers, and the names they go by."""

    def __init__(
        self,
        names: Mapping[str, Any],
        inputs: Mapping[str, tuple[Shape | None, str]],
        around: Mapping[str, Sequence[tuple[Shape | None, str]]] = NOTHING,
    ) -> None:
        """``names`` are what expressions see; ``inputs`` have a shape and a name for messages.

        Inputs called ``xs.0``, ``xs.1`` and so on are those behind one name. Further inputs are
        what is taken of the layers ``around``, by references, each to one or several outputs.
        """
        self.names = names
        self.nodes: list[Local] = []
        self.edges = 0
        self.longest = 0
        self.inputs = list(inputs.values())
        self.given = frozenset(name.partition(".")[0] for name in inputs)
        self.folds: list[Fold] = []
        self.values: dict[str, Value] = {}
        self.around: dict[str, tuple[int, ...]] = {}
        for reference, outputs in around.items():
            first = len(self.inputs)
            self.inputs += outputs
            self.around[reference] = tuple(-1 - k for k in range(first, len(self.inputs)))
        rows: dict[str, dict[str, int]] = {}
        for k, name in enumerate(inputs):
            outer, dot, number = name.partition(".")
            if dot:
                rows.setdefault(outer, {})[number] = -1 - k
            else:
                self.values[name] = Value(-1 - k, 0, 0, {})
        for name, row in rows.items():
            members = {number: Value(output, 0, 0, {}) for number, output in row.items()}
            first, *others = row.values()
            whole = (first, *others) if others else ()
            self.values[name] = Value(None if others else first, 0, 0, members, whole=whole)

    def is_around(self, reference: str) -> bool:
        """Whether a reference means what stands around a row, and nothing above in the row."""
        return reference in self.around and root(reference) not in self.values

    def find(self, reference: str) -> Value:
        """What a name, or a dotted way into a block, stands for."""
        if self.is_around(reference):
            first, *others = self.around[reference]
            whole = (first, *others) if others else ()
            return Value(None if others else first, 0, 0, {}, whole=whole)
        name, *rest = reference.split(".")
        if name.endswith("*") and name != "*":
            raise Wrong(f"'{reference}' means several layers, and one is needed")
        if "*" in rest:
            raise Wrong(
                f"'{reference}' has several outputs, and one is needed",
                f"write '{reference.replace('*', '0')}' for the first",
            )
        if name not in self.values:
            raise Wrong(f"no layer '{name}' before this one", near(name, self.values))
        value = self.values[name]
        for part in rest:
            if value.size < 0:
                raise Unknown
            if not value.members:
                raise Wrong(f"'{name}' has no layers of its own, so there is no '{reference}'")
            if part not in value.members and value.handed and not value.block:
                last = list(value.members)[-1]  # of what is repeated the name stands for the last
                if part in value.member(last).members:
                    value = value.member(last)
            if part not in value.members:
                raise Wrong(f"no '{part}' in '{name}'", near(part, value.members))
            value, name = value.member(part), f"{name}.{part}"
        return value

    def output(self, reference: str) -> int:
        """The node whose output a reference means."""
        return self.single(self.find(reference), reference)

    @staticmethod
    def single(value: Value, reference: str) -> int:
        """The one output of a value; raises where there are several side by side."""
        if value.whole:
            raise Wrong(
                f"'{reference}' has {len(value.whole)} outputs, and one is needed",
                f"name one: {reference}.{[*value.members, '0'][0]}",
            )
        if value.output is None:
            raise Wrong(
                f"'{reference}' has several outputs side by side",
                f"write '{reference}.*' for all of them, '{reference}.0' for the first",
            )
        return value.output

    def outputs(self, reference: str) -> list[int]:
        """The nodes a reference means: one, or several where it has a ``*``.

        ``stage.*`` are all repetitions, ``layer*`` the layers above whose names begin so, without
        those that are left out.
        """
        if self.is_around(reference):
            return list(self.around[reference])
        known = self.values.get(reference)
        if known is not None and known.output is not None:
            return [known.output]
        parts = reference.split(".")
        if parts[0].endswith("*") and parts[0] != "*":
            alike = [
                each for each in self.values if is_like(each, parts[0]) and each not in self.given
            ]
            if not alike:
                raise Wrong(f"no layer '{parts[0]}' before this one", near(parts[0], self.values))
            there = [each for each in alike if self.values[each].size]
            if any(self.values[each].size < 0 for each in there):
                raise Unknown
            return [n for each in there for n in self.outputs(".".join([each, *parts[1:]]))]
        if "*" not in parts:
            value = self.find(reference)
            return list(value.whole) or [self.single(value, reference)]
        star = parts.index("*")
        before = ".".join(parts[:star])
        value = self.find(before)
        if value.size < 0:
            raise Unknown
        if "0" not in value.members:
            raise Wrong(f"'{before}.*' needs a layer with 'repeat' or 'parallel'")
        return [
            number
            for i in islice(value.members, value.active)
            for number in self.outputs(".".join([before, i, *parts[star + 1 :]]))
        ]

    def is_there(self, reference: str) -> bool:
        """Whether a reference means a layer that is not left out."""
        name = reference.split(".")[0]
        return name not in self.values or self.values[name].size != 0

    def shape(self, number: int) -> Shape | None:
        """The shape of a node's output or of an input, None where it is unknown."""
        if number < 0:
            return self.inputs[-1 - number][0]
        applied = self.nodes[number].applied
        return None if applied is None else applied.shape

    def is_unknown(self, number: int) -> bool:
        """Whether a node, or what stands behind an input, has a problem."""
        return self.shape(number) is None

    def shapes(self, numbers: Sequence[int]) -> tuple[Shape, ...]:
        """Shapes by number; raises :class:`Unknown` where one is."""
        found = []
        for number in numbers:
            shape = self.shape(number)
            if shape is None:
                raise Unknown
            found.append(shape)
        return tuple(found)

    def shape_of(self, reference: str) -> Shape:
        """The shape that a reference in an expression means."""
        return self.shapes([self.output(reference)])[0]

    def label(self, number: int, trail: Path) -> str:
        """The full name of a node, or of what stands behind an input, for messages."""
        if number < 0:
            return self.inputs[-1 - number][1]
        return ".".join([*map(str, trail), self.nodes[number].name])

    def add(self, node: Local) -> Value:
        """Append one node."""
        self.nodes.append(node)
        self.edges += len(node.inputs)
        if len(node.name) > self.longest:
            self.longest = len(node.name)
        number = len(self.nodes) - 1
        return Value(number, number, 1, _NONE)

    def unknown(self, name: str) -> Value:
        """Append a node of which nothing is known, so that what rests on it can be passed over."""
        return self.add(Local(name, None, ()))._replace(size=-1)

    def stand_in(self, sources: Sequence[int], outputs: int = 1) -> Value:
        """What a layer that is left out stands for: its first inputs, as many as its outputs."""
        whole = tuple(sources[:outputs]) if outputs > 1 else ()
        return Value(None if whole else sources[0], len(self.nodes), 0, {}, whole=whole)

    def inline(self, name: str, template: Template, sources: Sequence[int]) -> Value:
        """Copy a block's nodes to here, its inputs being ``sources``."""
        offset, inputs = len(self.nodes), tuple(sources)
        self.edges += template.edges
        self.longest = max(self.longest, len(name) + 1 + template.longest)
        self.folds += [fold._replace(start=fold.start + offset) for fold in template.folds]
        inner, applied, taken, shares, spares, trainable = template.columns
        self.nodes += rows_of(
            Local,
            [f"{name}.{each}" for each in inner],
            applied,
            [
                (numbers[0] + offset,)
                if len(numbers) == 1 and numbers[0] >= 0
                else tuple([k + offset if k >= 0 else inputs[-1 - k] for k in numbers])
                for numbers in taken
            ],
            [None if share is None else share + offset for share in shares],
            spares,
            trainable,
        )
        outputs = tuple([k + offset if k >= 0 else inputs[-1 - k] for k in template.outputs])
        whole = outputs if len(outputs) > 1 else ()
        output = None if whole else outputs[0]
        return Value(
            *(output, offset, len(template.nodes), template.values, offset, inputs),
            *(template.block, whole),
        )

    def share(self, name: str, value: Value, reference: str) -> None:
        """Let every node of ``value``, which is called so, use the tensors of the like node of an
        earlier layer: that of its name, or, where names differ, that in its place.

        Tensors of the same name are shared and must have the same shape; a layer may have others
        of its own (the bias of a classifier whose weight is that of the embedding).
        """
        other = self.find(reference)
        if other.size < 0:
            raise Unknown
        for number, source in self.pairs(name, value, other, reference):
            node = self.nodes[number]
            mine, theirs = self.tensors(number), self.tensors(source)
            if mine and not mine.keys() & theirs.keys():
                raise Wrong(
                    f"can't use the tensors of '{reference}': none has a name in common",
                    f"here: {', '.join(mine)}; there: {', '.join(theirs) or 'none'}",
                    ("share",),
                )
            for each in mine.keys() & theirs.keys():
                if mine[each] != theirs[each]:
                    from archcalc.operators.base import describe

                    raise Wrong(
                        f"can't use the tensors of '{reference}': "
                        f"{each} is {describe(mine[each])} here, {describe(theirs[each])} there",
                        at=("share",),
                    )
            root = self.nodes[source].share
            self.nodes[number] = node._replace(share=source if root is None else root)

    def pairs(
        self, name: str, value: Value, other: Value, reference: str
    ) -> Iterator[tuple[int, int]]:
        """The nodes of a layer, each with the one of an earlier layer whose tensors it uses."""
        here = range(value.start, value.start + value.size)
        there = range(other.start, other.start + other.size)
        names = {self.nodes[k].name.removeprefix(f"{reference}."): k for k in there}
        inner = {self.nodes[k].name.removeprefix(f"{name}."): k for k in here}
        missing = [each for each, k in inner.items() if each not in names and self.tensors(k)]
        if not missing:
            yield from ((k, names[each]) for each, k in inner.items() if each in names)
        elif other.size == value.size:
            yield from zip(here, there, strict=True)
        else:
            raise Wrong(
                f"can't use the tensors of '{reference}': it has no '{missing[0]}'",
                f"it has {other.size} layers where this has {value.size}, so names tell which",
                ("share",),
            )

    def tensors(self, number: int) -> dict[str, Shape]:
        """Weights and buffers of a node by name."""
        applied = self.nodes[number].applied
        if applied is None:
            raise Unknown
        return {**applied.cost.weights, **applied.cost.buffers}
