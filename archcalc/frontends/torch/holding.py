"""Which tensors a module holds, and which of them a layer has as its own."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from torch import fx

from archcalc.dims import Shape
from archcalc.frontends.draft import Draft
from archcalc.frontends.table import Made
from archcalc.frontends.torch.captured import Capture, Held, shape_of


class Holding(Draft):
    """A draft that knows the tensors of what was captured."""

    def __init__(self, capture: Capture) -> None:
        super().__init__()
        self.capture = capture
        self.order = {node: number for number, node in enumerate(capture.graph.nodes)}
        self.latest: dict[fx.Node, fx.Node] = {}
        """A tensor that was written into, or only handed on -> what it is now."""
        self.loose: dict[str, int] = {}
        """Weights that the module has as plain tensors, which nothing counts -> how many numbers
        they are."""

    def now(self, node: fx.Node, before: fx.Node | None = None) -> fx.Node:
        """What stands for a tensor now, or stood for it ``before`` a call was made."""
        seen = {node}
        while (later := self.latest.get(node)) is not None and later not in seen:
            if before is not None and self.order[later] >= self.order[before]:
                break
            node = later
            seen.add(node)
        return node

    def held(self, node: Any) -> Held | None:
        """The tensor of the module that a node is."""
        return self.capture.held.get(self.now(node).name) if isinstance(node, fx.Node) else None

    def behind(self, node: fx.Node) -> dict[fx.Node, Held]:
        """The tensors of the module that a computed one is made of."""
        found: dict[fx.Node, Held] = {}
        queue, seen = [node], set()
        while queue:
            each = self.now(queue.pop())
            if each not in seen:
                seen.add(each)
                held = self.held(each)
                if held is not None:
                    found[each] = held
                queue += each.all_input_nodes
        return found

    def largest_first(self, node: fx.Node) -> list[Held]:
        """The tensors of the module that one is made of; of as large ones parameters first."""
        found = self.behind(node).values()
        return sorted(found, key=lambda held: (-prod(held.shape), held.kind != "parameter"))

    def own(self, made: Made[fx.Node]) -> dict[str, str]:
        """The tensors of the module that a layer has as its own, by its names for them."""
        found: dict[str, str] = {}
        for name, source in made.weights.items():
            held = self.held(source)
            if held is not None:
                found[name] = held.name
                continue
            # A weight that is made when it runs, by weight normalization or standardization: the
            # largest of the tensors that it is made of is the layer's, the others stand alone.
            behind = self.largest_first(source)
            for other in behind[:1]:
                if prod(other.shape) == prod(shape_of(source)):
                    found[name] = other.name
            for other in behind:
                if other.name not in found.values() and other.kind == "parameter":
                    if other.name not in self.owners:
                        self.tensor(other.name, other.kind, other.shape)
                    self.kept.add(self.owners[other.name])
        return found

    def weighed(self, made: Made[fx.Node], node: fx.Node, wanted: Shape) -> Made[fx.Node]:
        """The same call, where its weight is a part of a tensor or comes of the input: a product.

        It is none of our layers then, which own their weights; what it computes is known all the
        same.
        """
        weight, bias = made.weights.get("weight"), made.weights.get("bias")
        if bias is not None and made.op in _WEIGHING and not self.is_with(bias, weight):
            # Such as that of queries and values, with zeros for the keys between; or another
            # layer's, or a bias of its own beside another layer's weight.
            rest = {name: source for name, source in made.weights.items() if name != "bias"}
            fields = {**made.fields, "bias": False}
            without = Made(made.op, fields, made.inputs, rest, wanted)
            extents = (*shape_of(bias), *(1,) * (0 if made.op == "Linear" else len(wanted) - 2))
            return Made("Add", {}, (without, Made("Reshape", {}, (bias,), shape=extents)))
        if "Norm" in made.op:
            return self.scaled(made, wanted)
        if made.op == "Embedding" and weight is not None and self.is_untrained(weight):
            return Made("Index", {"dim": 0}, (weight, *made.inputs))
        if weight is None or made.op not in _WEIGHING:
            return made
        held = self.held(weight)
        if (held is not None and held.kind == "parameter") or "parametrization" in made.fields:
            return made
        behind = self.largest_first(weight)
        trained = bool(behind) and behind[0].kind == "parameter"
        if trained and self.is_own(weight) and not self.depends(weight):
            if not self.is_turned(weight):
                return made
            if made.op == "Linear":
                shape = shape_of(weight)
                turned = Made("Permute", {"dims": [1, 0]}, (weight,), shape=(shape[1], shape[0]))
                product = Made("MatMul", {}, (made.inputs[0], turned), shape=wanted)
                bias = made.weights.get("bias")
                return product if bias is None else Made("Add", {}, (product, bias))
        for each in behind:
            if each.kind == "constant" and self.capture.numbers_of(each.name) is None:
                self.loose[each.name] = prod(each.shape)
        shape = shape_of(weight)
        taps = prod(shape[1:]) if not made.op.startswith("ConvTranspose") else prod(shape[2:])
        times = prod(wanted)
        if made.op.startswith("ConvTranspose"):
            x = made.inputs[0]
            assert isinstance(x, fx.Node)
            times, taps = prod(shape_of(x)), prod(shape[1:])
        return Made(
            made.op,
            {"macs": times * taps},
            (*made.inputs, *made.weights.values()),
            declared=True,
        )

    def scaled(self, made: Made[fx.Node], wanted: Shape) -> Made[fx.Node]:
        """The same normalization; with sums and products apart where its tensors are no layer's.

        Such as those of one that shares only the scale with another, or has a scale and no bias,
        or is scaled by what comes of the input.
        """
        weight, bias = made.weights.get("weight"), made.weights.get("bias")
        trailing = made.op in ("LayerNorm", "RMSNorm")
        paired = (weight is None) == (bias is None) or (trailing and bias is None)
        if paired and self.is_layers(made.weights):
            return made

        def apart(op: str, x: Made[fx.Node] | fx.Node, by: Any) -> Made[fx.Node]:
            if isinstance(by, fx.Node) and not trailing:
                extents = (*shape_of(by), *(1,) * (len(wanted) - 2))
                by = Made("Reshape", {}, (by,), shape=extents)
            return Made(op, {}, (x, by), shape=wanted)

        if "running_mean" in made.weights:
            spread = made.weights["running_var"]
            extents = (*shape_of(spread), *(1,) * (len(wanted) - 2))
            moved: Made[fx.Node] = Made(
                "Add", {"by": made.fields["eps"]}, (spread,), shape=tuple(shape_of(spread))
            )
            turned: Made[fx.Node] = Made("Reshape", {}, (moved,), shape=extents)
            found = apart("Sub", made.inputs[0], made.weights["running_mean"])
            found = apart("Mul", found, Made("Rsqrt", {}, (turned,), shape=extents))
        else:
            affine = "elementwise_affine" if trailing else "affine"
            fields = {name: value for name, value in made.fields.items() if name != "bias"}
            found = Made(made.op, {**fields, affine: False}, made.inputs, shape=wanted)
        if weight is not None:
            found = apart("Mul", found, weight)
        return found if bias is None else apart("Add", found, bias)

    def is_layers(self, weights: Mapping[str, fx.Node]) -> bool:
        """Whether tensors are all that a normalization has, and of no other or all another's."""
        names: set[str] = set()
        for name, source in weights.items():
            kind = "buffer" if "running" in name else "parameter"
            behind = self.largest_first(source)[:1]
            if not behind or behind[0].kind != kind or self.depends(source):
                return False
            names.add(behind[0].name)
            if kind == "buffer" and counter_of(behind[0].name) not in self.capture.buffers:
                return False
        owners = {self.owners.get(name) for name in names}
        return owners <= {None} or (
            len(owners) == 1 and {*self.tensors[owners.pop() or 0]} == names
        )

    def is_untrained(self, node: fx.Node) -> bool:
        """Whether a table is a buffer, or made of one."""
        behind = self.largest_first(node)
        return bool(behind) and behind[0].kind == "buffer"

    def is_own(self, node: fx.Node) -> bool:
        """Whether a tensor is one that the module holds, or made of one of as many numbers."""
        return bool(self.as_large(node))

    def as_large(self, node: fx.Node) -> set[str]:
        """The tensors of the module of as many numbers that one is, or is made of."""
        held, size = self.held(node), prod(shape_of(node))
        found = self.behind(node).values() if held is None else [held]
        return {each.name for each in found if prod(each.shape) == size}

    def is_with(self, bias: fx.Node, weight: fx.Node | None) -> bool:
        """Whether a bias is one layer's with the weight: of no layer yet, or of one with it."""
        biases = self.as_large(bias)
        if len(biases) != 1:
            return False
        held = None if weight is None else self.held(weight)
        owner = self.owners.get(biases.pop())
        if held is None or held.kind != "parameter":
            return True
        other = self.owners.get(held.name)
        return owner == other or (owner is None and not self.is_biased(other))

    def is_biased(self, key: int | None) -> bool:
        """Whether a layer has tensors beside its weight."""
        return key is not None and len(self.tensors.get(key, ())) > 1

    def is_turned(self, node: fx.Node) -> bool:
        """Whether it is a tensor of other extents that something else has as its own."""
        largest = self.largest_first(node)[0]
        if largest.shape == tuple(shape_of(node)):
            return False
        names = {name for name, held in self.capture.held.items() if held.name == largest.name}
        taken = [n for n in self.capture.graph.nodes if n.name in names for _ in n.users]
        return len(taken) > 1 or largest.name in self.owners

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


COUNTER = "num_batches_tracked"
"""The buffer in which a normalization counts the batches of its statistics."""


def counter_of(tensor: str) -> str:
    """The counter beside a tensor of a normalization."""
    home, dot, _ = tensor.rpartition(".")
    return f"{home}{dot}{COUNTER}"


_WEIGHING = ("Linear", *(f"Conv{t}{n}d" for t in ("", "Transpose") for n in (1, 2, 3)))
