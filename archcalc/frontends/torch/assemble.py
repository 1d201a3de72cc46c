"""Capture -> Graph: operators, who owns which tensor, and names.

PyTorch's axis 0 is the batch where an author keeps it so, and ours always is. A tensor of a graph
therefore has the captured shape, batch first, or stands one axis further, as a sample: a parameter
of [768] is (1, 768), windows of a map that an author joins to the batch are (1, 64, 49, 96).
Where an operator fits neither way, its inputs are brought to one form by a view, which costs
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from pydantic import ValidationError
from torch import fx

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.frontends.torch import aten
from archcalc.frontends.torch.capture import GETITEM, Capture, Held, shape_of, stack
from archcalc.operators import NAMES, operator
from archcalc.operators.base import Applied, Operator
from archcalc.spec.graph import Graph, Node
from archcalc.spec.unknown import DeclaredOperator, UnknownOperator


def assemble(capture: Capture, name: str) -> Graph:
    """The graph of what was captured."""
    return Assembler(capture).graph(name)


@dataclass
class _Layer:
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


class Assembler:
    """Makes a graph of a capture, call by call."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.layers: list[_Layer] = []
        self.keys = 0
        self.by_key: dict[int, _Layer] = {}
        self.values: dict[fx.Node, int] = {}
        """fx node -> a layer, or an input below zero."""
        self.latest: dict[fx.Node, fx.Node] = {}
        """A tensor that was written into, or only handed on -> what it is now."""
        self.owners: dict[str, int] = {}
        """A tensor of the module -> the layer that has it first."""
        self.inputs: dict[int, tuple[str, Shape]] = {}
        self.recent = -1
        self.firsts: dict[fx.Node, int] = {}
        self.tensors: dict[int, tuple[str, ...]] = {}
        """The tensors of the module that a layer has."""
        self.kept: set[int] = set()
        """Layers that nothing takes, and that are there all the same."""
        self.converted: dict[tuple[int, Shape], int] = {}
        self.unknown: dict[str, str] = {}
        """Why a call is not counted, or is known by its shape alone, by the call."""

    def graph(self, name: str) -> Graph:
        """The graph; ``unknown`` says afterwards what is not counted, and why."""
        alone = len(self.capture.inputs) == 1
        attention = self.attention()
        for node in self.capture.graph.nodes:
            if node in attention:
                whole = attention[node]
                if whole is not None:
                    self.values[node] = self.recent = self.made(node, node, whole)
            elif node.name in self.capture.inputs:
                key = -1 - len(self.inputs)
                said = "input" if alone else self.capture.inputs[node.name]
                self.inputs[key] = (said, shape_of(node) or (1,))
                self.values[node] = key
            elif node.op == "call_function":
                self.call(node)
        outputs = list(map(self.output, self.capture.outputs))
        self.prune(outputs)
        used = {held for layer in self.layers for held in self.tensors.get(layer.key, ())}
        unused = [
            self.tensor(Held(held, "parameter", shape))
            for held, shape in self.capture.parameters.items()
            if held not in used
        ]
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
                )
                for layer in self.layers
            ),
            tuple(dict.fromkeys(names[key] for key in outputs)),
            tuple(names[key] for key in unused),
            modules=self.capture.classes,
        )

    def output(self, node: fx.Node) -> int:
        """The layer that gives an output of the network."""
        key = self.value(node)
        if key is None:  # made of nothing that is a tensor
            constant = self.applied_to("Constant", -1, shape=list(shape_of(node) or (1,)))
            return self.add("constant", "constant", constant, (-1,))
        if key < 0:
            return self.add("output", "output", self.applied_to("Identity", key), (key,))
        return key

    def attention(self) -> dict[fx.Node, aten.Made | None]:
        """The calls inside of ``nn.MultiheadAttention``: the last of them is the whole module."""
        module = self.capture.module
        groups: dict[tuple[str, int], list[fx.Node]] = {}
        for node in self.capture.graph.nodes:
            for path, kind, call in stack(node) if node.op == "call_function" else ():
                if kind.endswith(".MultiheadAttention") and _is_attention(module, path):
                    groups.setdefault((path, call), []).append(node)
        found: dict[fx.Node, aten.Made | None] = {}
        for (path, _), nodes in groups.items():
            made = None if module is None else _attention(self, module.get_submodule(path), nodes)
            if made is not None:
                last, whole = made
                found.update(dict.fromkeys(nodes))
                found[last] = whole
        return found

    def prune(self, outputs: Sequence[int]) -> None:
        """Leave out what leads to no output, unless it multiplies and accumulates all the same."""
        by_key = {layer.key: layer for layer in self.layers}
        live: set[int] = set()
        working = [
            layer.key
            for layer in self.layers
            if layer.applied.op.counted and layer.applied.cost.work.macs
        ]
        queue = [*outputs, *working, *self.kept]
        while queue:
            key = queue.pop()
            if key >= 0 and key not in live:
                live.add(key)
                queue += by_key[key].inputs
        self.layers = [layer for layer in self.layers if layer.key in live]
        owners: dict[str, int] = {}
        for layer in self.layers:
            held = self.tensors.get(layer.key, ())
            layer.share = next((owners[name] for name in held if name in owners), None)
            for name in held:
                owners.setdefault(name, layer.key)
        self.owners = owners

    # Calls ----------------------------------------------------------------------------------------

    def call(self, node: fx.Node) -> None:
        """Take in one call."""
        shape = shape_of(node)
        if node.target is GETITEM:
            origin, index = node.args
            assert isinstance(origin, fx.Node)
            assert isinstance(index, int)
            if shape is None:
                return
            made = aten.piece(origin, index, shape_of)
        elif isinstance(shape, list) or shape is None:
            return  # its pieces are taken one by one; or it is a number
        else:
            origin = node
            made = aten.read(node, shape_of)
        if isinstance(made, aten.Same):
            self.latest[node] = made.node
            return
        if 0 in shape:
            return  # nothing, which is only ever joined to something
        if (
            isinstance(made, aten.Made)
            and origin is not node
            and index == 0
            and not any(isinstance(source, aten.Made) for source in made.inputs)
        ):
            self.values[node] = self.first(origin, node)
        else:
            self.values[node] = self.made(node, origin, made)
        if node.users and self.shape(self.values[node])[:1] == self.shape(-1)[:1]:
            self.recent = self.values[node]
        name = str(node.target).removeprefix("aten.").split(".")[0]
        if name.endswith("_") and not name.endswith("__") and node.args:
            target = node.args[0]
            if isinstance(target, fx.Node):
                written = self.now(target)
                if written is not node:
                    self.latest[written] = node

    def now(self, node: fx.Node) -> fx.Node:
        """What stands for a tensor now."""
        seen = {node}
        while node in self.latest and self.latest[node] not in seen:
            node = self.latest[node]
            seen.add(node)
        return node

    def value(self, node: fx.Node) -> int | None:
        """The layer or the input that gives a tensor."""
        node = self.now(node)
        if node not in self.values:
            held = self.held(node)
            if held is None:
                return None
            self.values[node] = self.tensor(held)
        return self.values[node]

    def held(self, node: Any) -> Held | None:
        """The tensor of the module that a node is."""
        return self.capture.held.get(self.now(node).name) if isinstance(node, fx.Node) else None

    def made(self, node: fx.Node, origin: fx.Node, made: Any) -> int:
        """The layer that a call is."""
        reason = "unknown"
        if isinstance(made, aten.Made):
            found = self.emit(made, node, tuple(shape_of(node)))
            if isinstance(found, int):
                return found
            reason = f"{made.op}: {found}"
        target = str(origin.target).removeprefix("aten.")
        if isinstance(made, aten.Beside):
            inputs: tuple[int, ...] = (self.first(origin, node),)
        else:
            sources = (self.value(source) for source in origin.all_input_nodes)
            inputs = tuple(dict.fromkeys(key for key in sources if key is not None))
        inputs = inputs or (self.batch(),)
        shapes = [self.shape(key) for key in inputs]
        sample = tuple(_sample(shapes[0], tuple(shape_of(node))))
        op: Operator
        if isinstance(made, (aten.Moves, aten.Beside)):
            op = DeclaredOperator(name=target, shape=sample, params=0, macs=0)
        else:
            self.unknown[node.name] = f"{target}: {reason}"
            op = UnknownOperator(name=target, shape=sample)
        applied = Applied.to(op, *shapes)
        module, function = self.place(node)
        return self.add(f"{module}.{function}" if module else function, function, applied, inputs)

    def first(self, origin: fx.Node, node: fx.Node) -> int:
        """The layer of the first of several outputs."""
        if origin not in self.firsts:
            made = aten.piece(origin, 0, shape_of)
            assert isinstance(made, aten.Made)
            found = self.emit(made, node, tuple(shape_of(origin)[0]))
            self.firsts[origin] = found if isinstance(found, int) else self.batch()
        return self.firsts[origin]

    def emit(self, made: aten.Made, node: fx.Node, wanted: Shape) -> int | str:
        """Add the layer of an operator; a reason where it does not fit what was captured."""
        made = self.weighed(made, node, wanted)
        given: list[tuple[int, Shape]] = []
        for source in made.inputs:
            # A tensor that is held takes its batch of what it meets.
            if isinstance(source, fx.Node) and self.held(source) is None:
                key = self.value(source)
                if key is not None and self.shape(key)[:1] == self.shape(-1)[:1]:
                    self.recent = key
        for source in made.inputs:
            if isinstance(source, aten.Made):
                assert source.shape is not None
                cached = None if source.once is None else self.firsts.get(source.once)
                inner = self.emit(source, node, source.shape) if cached is None else cached
                if isinstance(inner, str):
                    return inner
                if source.once is not None:
                    self.firsts[source.once] = inner
                given.append((inner, source.shape))
                continue
            key = self.value(source)
            if key is None:
                return "takes what is no tensor"
            given.append((key, tuple(shape_of(self.now(source)) or ())))
        reason = ""
        for form in ("as it is", "as a sample", "batch first"):
            found = self.fitted(made, wanted, given, form)
            if isinstance(found, tuple):
                if made.op in ("Reshape", "Expand") and found[0].shape == self.shape(found[1][0]):
                    return found[1][0]
                return self.layer(node, made, *found)
            reason = reason or found
        return reason

    def weighed(self, made: aten.Made, node: fx.Node, wanted: Shape) -> aten.Made:
        """The same call, where its weight is a part of a tensor or comes of the input: a product.

        It is none of our layers then, which own their weights; what it computes is known all the
        same.
        """
        weight, bias = made.weights.get("weight"), made.weights.get("bias")
        if bias is not None and made.op in _WEIGHING and not self.is_own(bias):
            # Such as that of queries and values, with zeros for the keys between.
            rest = {name: source for name, source in made.weights.items() if name != "bias"}
            without = replace(
                made, fields={**made.fields, "bias": False}, weights=rest, shape=wanted
            )
            extents = (*shape_of(bias), *(1,) * (0 if made.op == "Linear" else len(wanted) - 2))
            return aten.Made("Add", {}, (without, aten.Made("Reshape", {}, (bias,), shape=extents)))
        if weight is None or made.op not in _WEIGHING:
            return made
        held = self.held(weight)
        if held is not None and held.kind == "parameter":
            return made
        trained = any(each.kind == "parameter" for each in self.behind(weight))
        if trained and self.is_own(weight) and not self.depends(weight):
            return made
        shape = shape_of(weight)
        taps = prod(shape[1:]) if not made.op.startswith("ConvTranspose") else prod(shape[2:])
        times = prod(wanted)
        if made.op.startswith("ConvTranspose"):
            x = made.inputs[0]
            assert isinstance(x, fx.Node)
            times, taps = prod(shape_of(x)), prod(shape[1:])
        return aten.Made(
            made.op,
            {"macs": times * taps},
            (*made.inputs, *made.weights.values()),
            declared=True,
        )

    def is_own(self, node: fx.Node) -> bool:
        """Whether a tensor is one that the module holds, or made of one of as many numbers."""
        if self.held(node) is not None:
            return True
        size = prod(shape_of(node))
        return any(prod(held.shape) == size for held in self.behind(node))

    def depends(self, node: fx.Node) -> bool:
        """Whether the network's input is in a tensor."""
        queue, seen = [node], set()
        while queue:
            each = self.now(queue.pop())
            if each in seen:
                continue
            seen.add(each)
            if each.name in self.capture.inputs:
                return True
            queue += each.all_input_nodes
        return False

    def fitted(
        self, made: aten.Made, wanted: Shape, given: Sequence[tuple[int, Shape]], form: str
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
        if made.declared:
            sample = tuple(_sample(shapes[0], wanted))
            batch = shapes[0][0]
            op = DeclaredOperator(
                name=made.op.lower(), shape=sample, params=0, macs=made.fields["macs"] // batch
            )
            return Applied.to(op, *shapes), tuple(taken)
        if made.op not in NAMES:
            return f"no operator {made.op}"
        fields = dict(made.fields)
        if made.op in ("Reshape", "Expand"):
            fields = {"shape": _sample(shapes[0], wanted)}
        elif made.op == "Repeat":
            times = list(fields["repeats"])
            fields = {"repeats": times if lifted or times[0] != 1 else times[1:]}
        elif lifted and given:
            fields = _shifted(made.op, fields, len(given[0][1]))
        if made.op in ("Parameter", "Constant") and not taken:
            taken, shapes = [self.batch()], [self.shape(self.batch())]
        try:
            found = Applied.to(operator(made.op)(**fields), *shapes)
        except (ValidationError, ShapeError, ValueError) as error:
            return " ".join(str(error).split())
        shape = tuple(found.shape)
        if not taken or shape not in (wanted, (1, *wanted), (shape[0], *(wanted or (1,)))):
            return f"{shape} is not {wanted}"
        if shape == wanted and shape[:1] != shapes[0][:1] and made.op != "View":
            return f"{shape} loses the batch of {shapes[0]}"
        return found, tuple(taken)

    def batch(self) -> int:
        """What gives a tensor that is held its batch: the layer before, so that it stays near."""
        return self.recent

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

    def layer(
        self, node: fx.Node, made: aten.Made, applied: Applied, inputs: tuple[int, ...]
    ) -> int:
        """Add the layer of a call, with the tensors of the module that are its own."""
        if made.op in ("Add", "Mul") and len(inputs) == 2:
            # The branch before the shortcut, whichever the author wrote first: so the layers of
            # a block are alike whether its shortcut has layers or not.
            a, b = inputs
            if self.shape(a) == self.shape(b) and self.depth(a) < self.depth(b):
                inputs = b, a
        names = self.own(made)
        share = next((self.owners[h] for h in names.values() if h in self.owners), None)
        module, function = self.place(node)
        wish = f"{module}.{function}" if module else function
        homes = {held.removesuffix(f".{name}") for name, held in names.items()}
        exact = all(f".{held}".endswith(f".{name}") for name, held in names.items())
        plain = module and stack(node)[-1][1].startswith("torch.nn.modules.")
        if plain and (share is not None or not names):
            wish = module
        elif names and len(homes) == 1 and exact:
            wish = homes.pop() or function
        key = self.add(wish, function, applied, inputs, share)
        self.tensors[key] = tuple(names.values())
        for held in names.values():
            self.owners.setdefault(held, key)
        return key

    def own(self, made: aten.Made) -> dict[str, str]:
        """The tensors of the module that a layer has as its own, by its names for them."""
        found: dict[str, str] = {}
        for name, source in made.weights.items():
            held = self.held(source)
            if held is not None:
                found[name] = held.name
                continue
            # A weight that is made when it runs, by weight normalization or standardization: the
            # largest of the tensors that it is made of is the layer's, the others stand alone.
            behind = sorted(self.behind(source), key=lambda held: -prod(held.shape))
            for other in behind[:1]:
                if prod(other.shape) == prod(shape_of(source)):
                    found[name] = other.name
            for other in behind:
                if other.name not in found.values() and other.kind == "parameter":
                    if other.name not in self.owners:
                        self.tensor(other)
                    self.kept.add(self.owners[other.name])
        return found

    def behind(self, node: fx.Node) -> list[Held]:
        """The tensors of the module that a computed one is made of."""
        found: list[Held] = []
        queue, seen = [node], set()
        while queue:
            each = self.now(queue.pop())
            if each not in seen:
                seen.add(each)
                held = self.held(each)
                if held is not None:
                    found.append(held)
                queue += each.all_input_nodes
        return found

    def place(self, node: fx.Node) -> tuple[str, str]:
        """The submodule that a call stands in, and what it is called there."""
        modules = stack(node)
        origin = node.args[0] if node.target is GETITEM else node
        name = str(getattr(origin, "target", "")).removeprefix("aten.").split(".")[0].strip("_")
        return modules[-1][0] if modules else "", name or "call"

    def add(
        self,
        wish: str,
        function: str,
        applied: Applied,
        inputs: tuple[int, ...],
        share: int | None = None,
    ) -> int:
        key = self.keys
        self.keys += 1
        depth = 1 + max(map(self.depth, inputs), default=0)
        layer = _Layer(key, wish, function, applied, inputs, share, depth)
        self.layers.append(layer)
        self.by_key[key] = layer
        return key

    def tensor(self, held: Held) -> int:
        """A tensor of the module by itself."""
        shape = list(held.shape) or [1]
        if shape[0] == 1 and len(shape) > 1:
            shape = shape[1:]  # an axis in the batch's place
        if held.kind == "constant":
            applied = self.applied_to("Constant", self.batch(), shape=shape)
        else:
            trained = held.kind == "parameter"
            applied = self.applied_to("Parameter", self.batch(), shape=shape, trained=trained)
        share = self.owners.get(held.name) if held.kind != "constant" else None
        key = self.add(held.name, "tensor", applied, (self.batch(),), share)
        self.tensors[key] = (held.name,)
        self.owners.setdefault(held.name, key)
        return key

    # Names ----------------------------------------------------------------------------------------

    def names(self) -> dict[int, str]:
        """A name of its own for each layer, none of which is the beginning of another's."""
        found = {key: name for key, (name, _) in self.inputs.items()}
        taken = set(found.values())
        blocks: set[str] = set()
        weighty: set[str] = set()
        for layer in self.layers:
            parts = layer.wish.split(".")
            above = {".".join(parts[:k]) for k in range(1, len(parts))}
            blocks |= above
            if layer.applied.op.counted and layer.applied.cost.weights:
                weighty |= above
        leaves: set[str] = set()
        for layer in self.layers:
            if layer.wish in blocks and layer.wish not in weighty:
                leaves.add(layer.wish)
        for layer in self.layers:
            name = layer.wish
            if name in blocks and name in weighty:
                name = f"{name}.{layer.function}"
            parts = name.split(".")
            for k in range(1, len(parts)):
                if ".".join(parts[:k]) in leaves:
                    # A layer has no layers within it: they stand beside it.
                    name = ".".join([*parts[: k - 1], *parts[k:]])
                    break
            unique, number = name, 1
            while unique in taken or unique in blocks - leaves:
                unique = f"{name}_{number}"
                number += 1
            taken.add(unique)
            found[layer.key] = unique
        return found


def _is_attention(module: Any, path: str) -> bool:
    from torch import nn

    return module is not None and isinstance(module.get_submodule(path), nn.MultiheadAttention)


def _attention(
    assembler: Assembler, module: Any, nodes: Sequence[fx.Node]
) -> tuple[fx.Node, aten.Made] | None:
    """The operator of a module's calls, and the call that gives its output; None if it is more."""
    inside = set(nodes)
    given: dict[fx.Node, None] = {}
    weights: dict[str, fx.Node] = {}
    known = {id(tensor): name for name, tensor in module.named_parameters()}
    for node in nodes:
        for source in node.all_input_nodes:
            held = assembler.held(source)
            if held is not None:
                inner = assembler.capture.module
                assert inner is not None
                tensor = dict(inner.named_parameters()).get(held.name)
                if id(tensor) not in known:
                    return None
                weights[known[id(tensor)]] = source
            elif source not in inside:
                given.setdefault(source)
    outputs = [node for node in nodes if any(user not in inside for user in node.users)]
    inputs = list(given)
    if len(outputs) != 1 or not 1 <= len(inputs) <= 3 or module.bias_k is not None:
        return None
    shapes = [shape_of(source) for source in inputs]
    if any(shape is None or len(shape) != 3 for shape in (*shapes, shape_of(outputs[0]))):
        return None
    taken: list[fx.Node | aten.Made] = list(inputs)
    shape = shape_of(outputs[0])
    if not module.batch_first:
        taken = [
            aten.Made("Permute", {"dims": [1, 0, 2]}, (source,), shape=(s[1], s[0], s[2]))
            for source, s in zip(inputs, shapes, strict=True)
        ]
        shape = (shape[1], shape[0], shape[2])
    if len(taken) == 2:
        taken.append(taken[1])
    fields = {"num_heads": module.num_heads, "bias": module.in_proj_bias is not None}
    made = aten.Made("MultiheadAttention", fields, tuple(taken), weights, shape)
    if not module.batch_first:
        made = aten.Made("Permute", {"dims": [1, 0, 2]}, (made,))
    return outputs[0], made


_WEIGHING = ("Linear", *(f"Conv{t}{n}d" for t in ("", "Transpose") for n in (1, 2, 3)))
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


def _sample(given: Shape, wanted: Shape) -> list[int]:
    """A captured shape without the batch, which it may or may not have an axis for."""
    whole = len(wanted) > 1 and wanted[0] == given[0]
    return list(wanted[1:] if whole else wanted) or [1]
