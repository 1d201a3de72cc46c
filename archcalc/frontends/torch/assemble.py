"""Capture -> Graph: operators, who owns which tensor, and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from torch import fx

from archcalc.dims import Shape
from archcalc.frontends.draft import sample_of
from archcalc.frontends.table import Beside, Made, Moves
from archcalc.frontends.torch.aten.call import Same, name_of
from archcalc.frontends.torch.aten.moves import is_rounding
from archcalc.frontends.torch.aten.read import piece, read
from archcalc.frontends.torch.attention import attention
from archcalc.frontends.torch.authored import Authored
from archcalc.frontends.torch.captured import (
    GETITEM,
    Capture,
    outputs_of,
    shape_of,
    stack,
)
from archcalc.frontends.torch.follow import PLAIN
from archcalc.frontends.torch.formats import rules
from archcalc.frontends.torch.holding import COUNTER, counter_of
from archcalc.frontends.torch.parametrized import parametrized
from archcalc.frontends.torch.spelled import spelled
from archcalc.frontends.torch.steps import take_apart
from archcalc.frontends.torch.written import settle
from archcalc.frontends.words import as_way
from archcalc.operators.base import Applied, Operator
from archcalc.operators.parameter import Parameter
from archcalc.spec.graph import Graph, Origin
from archcalc.spec.unknown import DeclaredOperator, UnknownOperator


def assemble(capture: Capture, name: str, whole: bool = False) -> Graph:
    """The graph of what was captured.

    Axis 0 of the inputs is the batch; where it isn't, as with the nodes and edges of a graph, or
    rows that are picked of a batch, the ``whole`` of an input is one sample.
    """
    take_apart(capture.graph)
    settle(capture.graph)
    capture = replace(capture, outputs=outputs_of(capture.graph))
    extents = {(shape_of(n) or (1,))[0] for n in capture.graph.nodes if n.name in capture.inputs}
    if len(extents) < 2 and not whole:
        first = Assembler(capture)
        graph = first.graph(name)
        if not first.misfits() or extents == {1}:
            return graph
    second = Assembler(capture, whole=True)
    other = second.graph(name)
    if len(extents) > 1 or whole:
        return other
    return other if second.misfits() < first.misfits() else graph


class Assembler(Authored):
    """Makes a graph of a capture, call by call."""

    def __init__(self, capture: Capture, whole: bool = False) -> None:
        super().__init__(capture)
        self.whole = whole
        """Whether an input is a sample, and not a batch of them."""
        self.larger: set[int] = set()
        """Layers that give more than the author's call: its shape has no batch."""
        self.stored: set[int] = set()
        """Layers that are made of the module's tensors alone."""
        self.unfit: set[int] = set()
        """Calls of what archcalc has, that can't be said of these shapes."""
        self.firsts: dict[fx.Node, int] = {}
        self.unknown: dict[str, str] = {}
        """Why a call is not counted, or is known by its shape alone, by the call."""

    def graph(self, name: str) -> Graph:
        """The graph; ``unknown`` says afterwards what is not counted, and why."""
        alone = len(self.capture.inputs) == 1 and not self.capture.called
        inside = attention(self)
        for node in self.capture.graph.nodes:
            if node in inside:
                whole = inside[node]
                if whole is not None:
                    self.values[node] = self.recent = self.made(node, node, whole)
            elif node.name in self.capture.inputs:
                said = "input" if alone else self.capture.inputs[node.name]
                shape = shape_of(node) or (1,)
                self.values[node] = self.input(said, (1, *shape) if self.whole else shape)
            elif node.op == "call_function":
                self.call(node)
        outputs: list[int] = []
        for node in self.capture.outputs:
            if 0 not in (shape_of(node) or ()):
                key = self.output(node)
                outputs.append(self.again(key) if key in outputs else key)
        dropped = self.prune(outputs)
        for key in dropped:
            layer = self.by_key[key]
            layer.origin = layer.origin and layer.origin._replace(dropped=True)
        outputs += dropped
        used = {held for layer in self.layers for held in self.tensors.get(layer.key, ())}
        # Batches are counted without a call that says so.
        for layer in self.layers:
            if COUNTER in layer.applied.cost.buffers:
                used |= {counter_of(held) for held in self.tensors.get(layer.key, ())}
        unused = [
            self.tensor(held, kind, shape)
            for kind, tensors in (
                ("parameter", self.capture.parameters),
                ("buffer", self.capture.buffers),
            )
            for held, shape in tensors.items()
            if held not in used and 0 not in shape
        ]
        for key in unused:
            self.place_beside(key, unused)
        graph = self.drafted(name, outputs, unused, self.capture.classes)
        how = self.capture.how
        edition = [f"captured by {how}"] if how != PLAIN else []
        if self.loose:
            each = ", ".join(f"{name} of {size:,} numbers" for name, size in self.loose.items())
            edition.append(f"neither parameters nor buffers are the weights {each}")
        others = {**self.capture.aliases, **self.capture.tied}
        aliases = {as_way(way): as_way(first) for way, first in others.items()}
        return replace(
            graph,
            edition="; ".join(edition),
            aliases=aliases,
            batched=not self.whole,
            bits=rules(graph, self.capture.dtypes),
        )

    def place_beside(self, key: int, unused: Sequence[int]) -> None:
        """Put a tensor that nothing takes behind the first layer of its module, if that has one.

        So it stands in what is of that module, whatever comes before.
        """
        layer = self.by_key[key]
        home = f"{layer.wish.rpartition('.')[0]}."
        for k, first in enumerate(self.layers):
            if first.key not in unused and home != "." and first.wish.startswith(home):
                assert isinstance(layer.applied.op, Parameter)
                layer.applied = Applied.to(layer.applied.op, self.shape(first.key))
                layer.inputs = (first.key,)
                self.layers.remove(layer)
                self.layers.insert(k + 1, layer)
                return

    def again(self, key: int) -> int:
        """The layer that gives once more what the network has given."""
        made = self.add("output", "output", self.applied_to("Identity", key), (key,))
        origin = self.by_key[key].origin
        self.by_key[made].origin = origin and Origin("", True, gives=origin.gives)
        return made

    def output(self, node: fx.Node) -> int:
        """The layer that gives an output of the network."""
        key = self.value(node)
        wanted = tuple(shape_of(node))
        if key is None:  # made of nothing that is a tensor
            constant = self.applied_to("Constant", -1, shape=list(shape_of(node) or (1,)))
            origin = Origin("", True, call=spelled(node, {}, self.capture.numbers))
            return self.add("constant", "constant", constant, (-1,), origin=origin)
        if key < 0:
            return self.add("output", "output", self.applied_to("Identity", key), (key,))
        shape = self.shape(key)
        if self.whole:  # whose author has no batch
            layer = self.by_key[key]
            layer.origin = (layer.origin or Origin("", True))._replace(gives=wanted)
        # What was done by joining axes to the batch may have others left.
        elif key in self.by_key and self.is_stored(key):
            layer = self.by_key[key]
            layer.origin = layer.origin and layer.origin._replace(gives=wanted)
        elif shape != wanted and prod(shape) == prod(wanted):
            if shape[:1] == wanted[:1] and wanted[1:]:
                reshape = self.applied_to("Reshape", key, shape=list(wanted[1:]))
                return self.add("output", "output", reshape, (key,))
            layer = self.by_key[key]
            if layer.origin is not None:
                layer.origin = layer.origin._replace(gives=wanted)
        return key

    # Calls ----------------------------------------------------------------------------------------

    def call(self, node: fx.Node) -> None:
        """Take in one call."""
        modules = [path for path, _, _ in stack(node)]
        for path in modules:
            self.entered.setdefault(path, self.recent)
        self.here = modules[-1] if modules else ""
        shape = shape_of(node)
        if node.target is GETITEM:
            origin, index = node.args
            assert isinstance(origin, fx.Node)
            assert isinstance(index, int)
            if shape is None:
                return
            made = piece(origin, index, shape_of)
        elif isinstance(shape, list) or shape is None:
            return  # its pieces are taken one by one; or it is a number
        else:
            origin = node
            made = read(node, shape_of)
        if isinstance(made, Same):
            self.latest[node] = made.source
            self.written(node)
            return
        if 0 in shape:
            return  # nothing, which is only ever joined to something
        if isinstance(made, Made) and origin is not node and index == 0 and not _is_part(made):
            self.values[node] = self.first(origin, node)
        else:
            self.values[node] = self.made(node, origin, made)
        key = self.values[node]
        batched = self.shape(key)[:1] == self.shape(-1)[:1]
        if node.users and batched and key not in self.constants:
            self.recent = key
        self.written(node)

    def written(self, node: fx.Node) -> None:
        """Take in that a call wrote into what it was given, if it did."""
        name = name_of(node)
        target = node.args[0] if node.args else None
        if name.endswith("_") and not name.endswith("__") and isinstance(target, fx.Node):
            if self.now(target) is self.now(node):
                return
            while target in self.latest and name_of(target) not in _COPYING:
                target = self.latest[target]
            self.latest[target] = node

    def made(self, node: fx.Node, origin: fx.Node, made: Any, wanted: Shape | None = None) -> int:
        """The layer that a call is, which gives a tensor of these extents, or of the node's."""
        wanted = tuple(shape_of(node)) if wanted is None else wanted
        reason, misfit = "unknown", False
        if isinstance(made, Made):
            found = self.emit(made, node, wanted)
            if isinstance(found, int):
                return found
            reason = f"{made.op}: {found}"
            misfit = True
        target = name_of(origin)
        taken: dict[fx.Node, int] = {}
        if isinstance(made, Beside):
            inputs: tuple[int, ...] = (self.first(origin, node),)
        else:
            keys = {source: self.value(source) for source in origin.all_input_nodes}
            inputs = tuple(dict.fromkeys(key for key in keys.values() if key is not None))
            taken = {source: inputs.index(key) for source, key in keys.items() if key is not None}
        inputs = inputs or (self.batch(),)
        shapes = [self.shape(key) for key in inputs]
        sample = tuple(sample_of(shapes[0], wanted))
        op: Operator
        unmade = self.constants.issuperset(inputs)
        if isinstance(made, Moves) and unmade:
            # What writes numbers into a mask that rests on no input: the mask alone counts, and
            # as it is not known what is in it, it is no Constant, which could be written out.
            inputs, shapes, taken = (self.batch(),), [self.shape(self.batch())], {}
        if isinstance(made, (Moves, Beside)):
            op = DeclaredOperator(name=target, shape=sample, params=0, macs=0)
        else:
            self.unknown[node.name] = f"{target}: {reason}"
            op = UnknownOperator(name=target, shape=sample)
        applied = Applied.to(op, *shapes)
        module, function = self.place(node)
        wish = f"{module}.{function}" if module else function
        call = None if isinstance(made, Beside) else self.spelled(node, taken)
        key = self.add(wish, function, applied, inputs, origin=self.origin(node, call))
        if isinstance(made, Moves) and unmade:
            self.constants.add(key)
        if misfit:
            self.unfit.add(key)
        return self.measured(key, wanted)

    def measured(self, key: int, wanted: Shape) -> int:
        """A layer, after a look at whether it gives what was captured."""
        # What is made of the module's tensors alone has no batch in its author's code.
        if all(map(self.is_stored, self.by_key[key].inputs)):
            self.stored.add(key)
        elif prod(self.shape(key)) > prod(wanted) > 1:
            self.larger.add(key)
        return key

    def is_stored(self, key: int) -> bool:
        """Whether a layer is a tensor of the module, or made of these and of constants."""
        if key in self.stored or key in self.constants:
            return True
        return key in self.by_key and isinstance(self.by_key[key].applied.op, Parameter)

    def misfits(self) -> int:
        """How many layers of the graph don't do what was captured."""
        return sum(key in self.by_key for key in (*self.unfit, *self.larger))

    def first(self, origin: fx.Node, node: fx.Node) -> int:
        """The layer of the first of several outputs."""
        if origin not in self.firsts:
            shape = tuple(shape_of(origin)[0])
            self.firsts[origin] = self.made(node, origin, piece(origin, 0, shape_of), shape)
        return self.firsts[origin]

    def emit(self, made: Made[fx.Node], node: fx.Node, wanted: Shape) -> int | str:
        """Add the layer of an operator; a reason where it does not fit what was captured."""
        by = parametrized(self, made)
        found = self.emitted(by, node, wanted)
        return found if isinstance(found, int) or by is made else self.emitted(made, node, wanted)

    def emitted(self, made: Made[fx.Node], node: fx.Node, wanted: Shape) -> int | str:
        """The same, with the weights that are told."""
        made = self.weighed(made, node, wanted)
        like = self.like(node, made)
        if like is not None and (key := self.value(like)) is not None:
            if self.shape(key)[:1] == self.shape(-1)[:1] == wanted[:1]:
                sample = list(wanted[1:]) or [1]  # which has the batch of what it is like
                made = replace(made, fields={**made.fields, "shape": sample})
            if not made.said:
                self.recent = key
        given: list[tuple[int, Shape]] = []
        for source in made.inputs:
            # A tensor that is held takes its batch of what it meets.
            if isinstance(source, fx.Node) and self.held(source) is None:
                key = self.value(source)
                batched = key is not None and self.shape(key)[:1] == self.shape(-1)[:1]
                if key is not None and batched and key not in self.constants:
                    self.recent = key
        for source in made.inputs:
            if isinstance(source, Made):
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
        weights = {name: tuple(shape_of(source)) for name, source in made.weights.items()}
        found = self.fitted(made.op, made.fields, wanted, given, made.declared, weights)
        if isinstance(found, str):
            return found
        if made.op in ("Reshape", "Expand") and found[0].shape == self.shape(found[1][0]):
            return found[1][0]
        return self.layer(node, made, *found, wanted)

    def layer(
        self,
        node: fx.Node,
        made: Made[fx.Node],
        applied: Applied,
        inputs: tuple[int, ...],
        wanted: Shape,
    ) -> int:
        """Add the layer of a call, with the tensors of the module that are its own."""
        path = stack(node)[-1][0] if stack(node) else ""
        line = node.meta.get("stack_trace")
        inputs = self.branch_first(made.op, inputs, line and (path, line))
        names = self.own(made)
        share = next((self.owners[h] for h in names.values() if h in self.owners), None)
        module, function = self.place(node)
        wish = f"{module}.{function}" if module else function
        homes = {held.removesuffix(f".{name}") for name, held in names.items()}
        exact = all(f".{held}".endswith(f".{name}") for name, held in names.items())
        origin = self.origin(node, self.unsaid(node, made, inputs))
        direct = all(self.held(source) is not None for source in made.weights.values())
        home = next(iter(homes), "")
        kind = self.capture.classes.get(home, "")
        mine = kind.endswith(made.op) or (stack(node)[-1:] and stack(node)[-1][0] == home)
        ours = len(homes) == 1 and exact and direct and mine and self.is_whole(home, names)
        ours = ours or (direct and self.tied(node, made.op, names))
        if made.declared or (names and not ours) or is_rounding(node):
            origin = self.with_tensors(node, made, inputs, origin)
        if not made.said and (origin is None or origin.call is None):
            origin = (origin or Origin("", True))._replace(unsaid=True)
        plain = module and stack(node)[-1][1].startswith("torch.nn.modules.")
        if origin is not None and len(homes) == 1 and exact:
            origin = origin._replace(name=next(iter(homes)))
        if plain and (share is not None or not names):
            wish = module
        elif names and len(homes) == 1 and exact:
            home = homes.pop()
            path = stack(node)[-1][0] if stack(node) else ""
            again = share is not None and f"{home}.".startswith(f"{path}.")
            wish = (module + home[len(path) :] if again and path else home) or function
        key = self.add(wish, function, applied, inputs, share, origin)
        self.tensors[key] = tuple(names.values())
        for held in names.values():
            self.owners.setdefault(held, key)
        return self.measured(key, wanted)


_COPYING = ("clone", "_to_copy", "lift_fresh_copy")
"""Calls that give the same numbers anew: what is written into these is not written into those."""


def _is_part(made: Made[fx.Node]) -> bool:
    """Whether a call gives a part of what another layer gives as a whole."""
    return made.once is not None or any(
        isinstance(source, Made) and _is_part(source) for source in made.inputs
    )
