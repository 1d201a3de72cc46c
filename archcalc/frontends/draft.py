"""A graph in the making: what all frontends do alike, whatever they read.

Layers are added in order, each with the name that it should have; who owns which tensor, which
layers lead nowhere and what everything is called in the end is settled when all are known.

Others' axis 0 is the batch where an author keeps it so, and ours always is. A tensor of a graph
therefore has the captured shape, batch first, or stands one axis further, as a sample: a parameter
of [768] is (1, 768), windows of a map that an author joins to the batch are (1, 64, 49, 96).
Where an operator fits neither way, its inputs are brought to one form by a view, which costs
nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import copysign, prod
from typing import Any

from pydantic import ValidationError

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.frontends.words import as_way
from archcalc.operators import NAMES, operator
from archcalc.operators.base import LARGEST, Applied
from archcalc.operators.parameter import Parameter
from archcalc.spec.graph import Graph, Node, Origin
from archcalc.spec.problems import field_problems
from archcalc.spec.unknown import DeclaredOperator, UnknownOperator
from archcalc.spec.written import name_of


@dataclass
class Layer:
    """A node in the making: its name is not settled before all are known."""

    key: int
    wish: str
    """The name that it should have."""
    function: str
    applied: Applied
    inputs: tuple[int, ...]
    share: int | None = None
    depth: int = 0
    """How many layers lead to it at most."""
    origin: Origin | None = None


class Draft:
    """Layers of a network by number, of which 0 is the first; inputs have numbers below zero."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.keys = 0
        self.by_key: dict[int, Layer] = {}
        self.owners: dict[str, int] = {}
        """A tensor of the network -> the layer that has it first."""
        self.inputs: dict[int, tuple[str, Shape]] = {}
        self.recent = -1
        self.tensors: dict[int, tuple[str, ...]] = {}
        """The tensors of the network that a layer has."""
        self.kept: set[int] = set()
        """Layers that nothing takes, and that are there all the same."""
        self.converted: dict[tuple[int, Shape], int] = {}
        self.constants: set[int] = set()
        """Layers that are made of no input, and of nothing that is stored."""
        self.orders: dict[Hashable, bool] = {}
        """Whether the inputs of a line's sums and products were turned round."""

    def input(self, name: str, shape: Shape) -> int:
        """An input of the network, batch first; an author's names may be one in ours."""
        key = -1 - len(self.inputs)
        while name in (known for known, _ in self.inputs.values()):
            name += "_1"
        self.inputs[key] = (name, shape)
        return key

    def drafted(
        self,
        name: str,
        outputs: Sequence[int],
        unused: Sequence[int] = (),
        modules: Mapping[str, str] | None = None,
    ) -> Graph:
        """The graph of all layers; those that are ``unused`` are owned and not executed."""
        for key in unused:
            layer = self.by_key[key]
            assert isinstance(layer.applied.op, Parameter)
            idle = layer.applied.op.model_copy(update={"used": False})
            layer.applied = Applied.to(idle, *layer.applied.input_shapes)
        names = self.names()
        return Graph(
            name,
            name,
            "",
            "",
            dict(self.inputs.values()),
            tuple(
                Node(
                    names[layer.key],
                    layer.applied,
                    tuple(names[key] for key in layer.inputs),
                    None if layer.share is None else names[layer.share],
                    origin=layer.origin,
                )
                for layer in self.layers
            ),
            tuple(dict.fromkeys(names[key] for key in outputs)),
            modules={as_way(way): kind for way, kind in (modules or {}).items()},
        )

    def prune(self, outputs: Sequence[int]) -> list[int]:
        """Leave out what leads to no output, unless it works or is there all the same.

        What is left of that and not taken is given: it is an output, too. What makes a weight of
        weights alone, such as its largest singular value, is no work of the network.
        """
        by_key = {layer.key: layer for layer in self.layers}
        live: set[int] = set()
        computed = set(self.inputs)
        for layer in self.layers:
            alone = name_of(layer.applied.op) == "Parameter"
            if not alone and not computed.isdisjoint(layer.inputs):
                computed.add(layer.key)
        working = [
            layer.key
            for layer in self.layers
            if layer.applied.op.counted and layer.applied.cost.work.macs and layer.key in computed
        ]
        queue = [*outputs, *working, *self.kept]
        while queue:
            key = queue.pop()
            if key >= 0 and key not in live:
                live.add(key)
                queue += by_key[key].inputs
        self.layers = [layer for layer in self.layers if layer.key in live]
        self.by_key = {layer.key: layer for layer in self.layers}
        self.settle_parts()
        owners: dict[str, int] = {}
        for layer in self.layers:
            held = self.tensors.get(layer.key, ())
            layer.share = next((owners[name] for name in held if name in owners), None)
            for name in held:
                owners.setdefault(name, layer.key)
        self.owners = owners
        taken = {source for layer in self.layers for source in layer.inputs}
        found = dict.fromkeys((*working, *sorted(self.kept)))
        return [key for key in found if key not in taken and key not in outputs]

    def settle_parts(self) -> None:
        """Tensors by themselves that are part of a layer, such as its bias: that layer owns them.

        Only what is called ``weight`` and has one shape in both is shared.
        """
        whole = {
            name: layer.applied.cost.weights.get("weight")
            for layer in reversed(self.layers)
            if name_of(layer.applied.op) != "Parameter" and layer.applied.op.counted
            for name in self.tensors.get(layer.key, ())
        }
        for layer in self.layers:
            op = layer.applied.op
            names = self.tensors.get(layer.key, ())
            if isinstance(op, Parameter) and names and whole.get(names[0], op.shape) != op.shape:
                layer.applied = self.applied_to("Constant", layer.inputs[0], shape=list(op.shape))
                self.tensors[layer.key] = ()

    def fitted(
        self,
        op: str,
        fields: Mapping[str, Any],
        wanted: Shape,
        given: Sequence[tuple[int, Shape]],
        declared: bool = False,
        weights: Mapping[str, Shape] | None = None,
    ) -> tuple[Applied, tuple[int, ...]] | str:
        """The operator and what it takes, so that it gives a shape; else a reason why it can't.

        ``given`` are what it takes, with the shapes that the author gave them. One of which only
        the work is ``declared`` has its ``macs`` among the fields. ``weights`` are tensors that it
        has: their extents tell which axis has the channels.
        """
        fields = {name: _bounded(value) for name, value in fields.items()}
        reason = ""
        for form in ("as it is", "as a sample", "batch first"):
            found = self.in_form(op, fields, wanted, given, declared, form)
            if isinstance(found, tuple):
                other = _others(found[0], weights or {})
                if not other:
                    return found
                found = other
            reason = reason or found
        return reason

    def in_form(
        self,
        op: str,
        fields: Mapping[str, Any],
        wanted: Shape,
        given: Sequence[tuple[int, Shape]],
        declared: bool,
        form: str,
    ) -> tuple[Applied, tuple[int, ...]] | str:
        """The operator on its inputs, in one form; a reason where that is not what was captured."""
        taken: list[int] = []
        lifted = form == "as a sample"
        for key, captured in given:
            if form != "as it is":
                key = self.brought(key, captured, lifted)
            elif not taken:
                lifted = self.is_lifted(key, captured)
            taken.append(key)
        shapes = [self.shape(key) for key in taken]
        if declared:
            sample = tuple(sample_of(shapes[0], wanted))
            batch = shapes[0][0]
            said = DeclaredOperator(
                name=op.lower(), shape=sample, params=0, macs=fields["macs"] // batch
            )
            return Applied.to(said, *shapes), tuple(taken)
        if op not in NAMES:
            return f"no operator {op}"
        fields = dict(fields)
        if op in ("Reshape", "Expand"):
            fields = {"shape": sample_of(shapes[0], wanted)}
        elif op == "Repeat":
            times = list(fields["repeats"])
            fields = {"repeats": times if lifted or times[0] != 1 else times[1:]}
        elif op == "Permute" and given and not lifted and fields["dims"][0] % len(given[0][1]):
            return "moves the batch"
        elif lifted and given:
            fields = _shifted(op, fields, len(given[0][1]))
        if op in ("Parameter", "Constant") and not taken:
            taken, shapes = [self.batch()], [self.shape(self.batch())]
        try:
            found = Applied.to(operator(op)(**fields), *shapes)
        except (ValidationError, ShapeError, ValueError) as error:
            return reason(error)
        shape = tuple(found.shape)
        if not taken or shape not in (wanted, (1, *wanted), (shape[0], *(wanted or (1,)))):
            return f"{shape} is not {wanted}"
        if shape == wanted and shape[:1] != shapes[0][:1] and op not in _REGROUPING:
            return f"{shape} loses the batch of {shapes[0]}"
        return found, tuple(taken)

    def batch(self) -> int:
        """What gives a tensor that is held its batch: the layer before, so that it stays near."""
        return self.recent if self.recent in self.by_key else -1

    def is_lifted(self, key: int, captured: Shape) -> bool:
        return len(self.shape(key)) == len(captured) + 1

    def brought(self, key: int, captured: Shape, lifted: bool) -> int:
        """A value in one of the two forms."""
        shape = self.shape(key)
        is_lifted = self.is_lifted(key, captured)
        if lifted == is_lifted:
            return key
        wanted = (1, *captured) if lifted else captured
        cached = self.converted.get((key, wanted))
        if cached is not None:
            return cached
        if lifted:
            op = ("Unsqueeze", {"dim": 1}) if shape[:1] == (1,) else ("View", {"shape": captured})
        elif captured[:1] == (1,) and len(captured) > 1:
            op = "Squeeze", {"dim": 1}
        elif len(captured) > 1:
            op = "View", {"shape": captured[1:]}
        else:
            return key
        try:
            applied = self.applied_to(op[0], key, **op[1])
        except (ValidationError, ShapeError, ValueError, KeyError):
            return key
        wish = "input" if key < 0 else self.by_key[key].wish
        function = op[0].lower()
        above, dot, _ = wish.rpartition(".")
        made = self.add(f"{above}{dot}{function}", function, applied, (key,))
        self.converted[key, wanted] = made
        return made

    def applied_to(self, op: str, key: int, **fields: Any) -> Applied:
        return Applied.to(operator(op)(**fields), self.shape(key))

    def shape(self, key: int) -> Shape:
        """The sizes that a layer or an input has in the graph."""
        return self.inputs[key][1] if key < 0 else self.by_key[key].applied.shape

    def depth(self, key: int) -> int:
        return 0 if key < 0 else self.by_key[key].depth

    def add(
        self,
        wish: str,
        function: str,
        applied: Applied,
        inputs: tuple[int, ...],
        share: int | None = None,
        origin: Origin | None = None,
    ) -> int:
        key = self.keys
        self.keys += 1
        depth = 1 + max(map(self.depth, inputs), default=0)
        layer = Layer(key, wish, function, applied, inputs, share, depth, origin)
        self.layers.append(layer)
        self.by_key[key] = layer
        op = name_of(applied.op)
        if op == "Constant" or (op != "Parameter" and self.constants.issuperset(inputs)):
            self.constants.add(key)
        return key

    def put(self, wish: str, op: str, keys: Sequence[int], **fields: Any) -> int:
        """Add the layer of an operator. Raises :class:`ShapeError`, and ``ValidationError``."""
        applied = Applied.to(operator(op)(**fields), *map(self.shape, keys))
        if prod(applied.shape) > LARGEST:
            raise ShapeError(f"{op} gives the shape {applied.shape}")
        self.recent = self.add(wish, op.lower(), applied, tuple(keys))
        return self.recent

    def foreign(
        self, wish: str, name: str, shape: Sequence[int], keys: Sequence[int], **said: int
    ) -> int:
        """Add a layer of another program's operator, of which nothing is known but the shape of a
        sample, or ``params`` and ``macs`` are said too.
        """
        kind = DeclaredOperator if said else UnknownOperator
        applied = Applied.to(kind(name=name, shape=tuple(shape), **said), *map(self.shape, keys))
        function = name.rpartition(".")[2].lower()
        return self.add(wish, function, applied, tuple(dict.fromkeys(keys)))

    def tensor(self, name: str, kind: str, shape: Sequence[int]) -> int:
        """A tensor by itself: ``parameter``, ``buffer``, or ``constant``, that is not stored."""
        extents = list(shape) or [1]
        if extents[0] == 1 and len(extents) > 1:
            extents = extents[1:]  # an axis in the batch's place
        if kind == "constant":
            applied = self.applied_to("Constant", self.batch(), shape=extents)
        else:
            trained = kind == "parameter"
            applied = self.applied_to("Parameter", self.batch(), shape=extents, trained=trained)
        share = self.owners.get(name) if kind != "constant" else None
        key = self.add(name, "tensor", applied, (self.batch(),), share)
        self.tensors[key] = (name,)
        self.owners.setdefault(name, key)
        return key

    def branch_first(
        self, op: str, inputs: tuple[int, ...], line: Hashable = None
    ) -> tuple[int, ...]:
        """Inputs in the order in which a sum or product of two is written: the branch first.

        The shortcut comes after it, whichever the author wrote first: so the layers of a block are
        alike whether its shortcut has layers or not. A ``line`` of an author's loop has one order
        in all turns.
        """
        if op in ("Add", "Mul") and len(inputs) == 2:
            a, b = inputs
            turned = self.shape(a) == self.shape(b) and self.depth(a) < self.depth(b)
            if line is not None:
                turned = self.orders.setdefault(line, turned)
            return (b, a) if turned else inputs
        return inputs

    # Names ----------------------------------------------------------------------------------------

    def names(self) -> dict[int, str]:
        """A name of its own for each layer, none of which is the beginning of another's."""
        found = {key: name for key, (name, _) in self.inputs.items()}
        taken = set(found.values())
        blocks: set[str] = set()
        weighty: set[str] = set()
        for layer in self.layers:
            layer.wish = as_way(layer.wish)
            parts = layer.wish.split(".")
            above = {".".join(parts[:k]) for k in range(1, len(parts))}
            blocks |= above
            if layer.applied.op.counted and layer.applied.cost.weights:
                weighty |= above
        leaves: set[str] = set()
        for layer in self.layers:
            if layer.wish in blocks and layer.wish not in weighty:
                leaves.add(layer.wish)
        inner = blocks - leaves
        numbers: dict[str, int] = {}
        for layer in self.layers:
            name = layer.wish
            if name in blocks and name in weighty:
                name = f"{name}.{layer.function}"
            # A layer has no layers within it: they stand beside it.
            parts = name.split(".")
            kept = [p for k, p in enumerate(parts[:-1], 1) if ".".join(parts[:k]) not in leaves]
            name = ".".join([*kept, parts[-1]])
            unique = name
            if (name in taken or name in inner) and name.rpartition(".")[2].isdigit():
                # The next call of a module that has a number for a name.
                module, dot, _ = name.rpartition(".")
                unique = name = f"{module}{dot}{layer.function}"
            while unique in taken or unique in inner:
                number = numbers[name] = numbers.get(name, 0) + 1
                unique = f"{name}_{number}"
            taken.add(unique)
            found[layer.key] = unique
        return found


_REGROUPING = ("View", "RoIAlign")
"""Operators that put other samples in the batch's place."""

_DIMS = ("dim", "dims", "start_dim", "end_dim", "dim0", "dim1")


def _shifted(op: str, fields: Mapping[str, Any], rank: int) -> dict[str, Any]:
    """Fields for a tensor that stands one axis further: an axis counted from 0 is the next one."""
    found = dict(fields)
    if op == "Permute":
        return {"dims": [0, *(dim % rank + 1 for dim in fields["dims"])]}
    for name in _DIMS:
        value = found.get(name)
        if isinstance(value, int):
            found[name] = value + 1 if value >= 0 else value
        elif isinstance(value, (list, tuple)):
            found[name] = [dim + 1 if dim >= 0 else dim for dim in value]
        elif name == "dim" and op in ("Concat", "Stack") and value is None:
            found[name] = 2
    if op == "Flatten":
        found["start_dim"] = found.get("start_dim", 1)
    return found


def _others(applied: Applied, weights: Mapping[str, Shape]) -> str:
    """How tensors of a layer differ from those that it should have; ``""`` if they don't."""
    for name, shape in applied.cost.weights.items() if weights else ():
        if name in weights and prod(shape) != prod(weights[name]):
            return f"{name} is {weights[name]}, not {shape}"
    return ""


def is_beyond(value: Any) -> bool:
    """Whether a value is a number that no spec can have: infinite, or none."""
    return type(value) in (int, float) and not abs(value) <= _MOST


def _bounded(value: Any) -> Any:
    """A number that a spec can have: masks are made of infinite ones, and of the largest."""
    if not is_beyond(value):
        return value
    return 0.0 if value != value else type(value)(copysign(_MOST, value))


_MOST = 10**17


def sample_of(given: Shape, wanted: Shape) -> list[int]:
    """A captured shape without the batch, which it may or may not have an axis for."""
    whole = len(wanted) > 1 and wanted[0] == given[0]
    return list(wanted[1:] if whole else wanted) or [1]


def guessed(names: Sequence[str]) -> str:
    """What is said of layers whose sizes nothing says."""
    return f"taken to keep the sizes of its input: {', '.join(names[:3])}" if names else ""


def reason(error: Exception) -> str:
    """Why an operator can't be had, in a line."""
    if isinstance(error, ValidationError) and error.title in NAMES:
        wrong = field_problems(error, operator(error.title))
        return "; ".join(f"{'.'.join(map(str, each.at))} {each}" for each in wrong)
    if isinstance(error, KeyError):
        return f"lacks {error}"
    return " ".join(str(error).split())
