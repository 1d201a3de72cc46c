"""A graph in the making out of an ONNX file: its layers, and the stored tensors that they own."""

from __future__ import annotations

import re
from collections import Counter
from math import prod
from typing import TYPE_CHECKING, Any

from archcalc.dims import Shape
from archcalc.frontends.draft import Draft, Layer
from archcalc.frontends.onnx.names import home, place, way
from archcalc.frontends.onnx.nodes.call import Call
from archcalc.frontends.onnx.numbers import leaves_out
from archcalc.frontends.onnx.values import Value
from archcalc.frontends.table import Made
from archcalc.frontends.words import as_name
from archcalc.operators import operator
from archcalc.operators.base import Applied
from archcalc.operators.linear import Linear

if TYPE_CHECKING:
    import onnx

FLOATS = (1, 10, 11, 16, 17, 18, 19, 20, 23, 2, 3, 21, 22, 25, 26)
"""ONNX's types that weights are of: floating point, and the bytes that they are rounded to."""


class Layers(Draft):
    """Layers, with the tensors of the file that are theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Value] = {}
        self.users: Counter[str] = Counter()
        """A tensor -> how many nodes take it."""
        self.standing: dict[tuple[str, Shape], int] = {}
        """A held tensor that stands by itself -> its layer."""
        self.sizes: dict[str, Shape] = {}
        """A stored tensor -> its shape."""
        self.stored: dict[str, onnx.TensorProto] = {}
        self.spare: dict[str, None] = {}
        """Stored tensors that are there, if no layer has them."""
        self.modules: dict[str, str] = {}
        """A stored tensor -> the module that was the first to use it."""
        self.places: dict[int, tuple[str, str]] = {}
        """A layer named by its place -> the module's way, and what it does."""

    def note_recent(self, key: int) -> None:
        if self.shape(key)[:1] == self.shape(-1)[:1]:
            self.recent = key

    def hold(self, name: str, shape: Shape, dtype: int, data: Any) -> None:
        self.sizes[name] = shape
        self.values[name] = Value(name, shape, dtype, data=data, roots=(name,))

    def apart(self, root: str, module: str) -> str:
        """A stored tensor as this module's: exporters join those of which all numbers are equal."""
        module = re.sub(r"_\d+$", "", module)  # another call of one
        first = self.modules.setdefault(root, module)
        apart = first and module and first != module and self.values[root].uniform
        return f"{root} of {module}" if apart else root

    def keep(self, value: Value) -> None:
        """Own the tensors that a value is made of, whoever uses it."""
        for root in value.roots:
            if self.is_weight(root):
                self.spare.setdefault(root)

    def is_weight(self, root: str) -> bool:
        """Whether a stored tensor looks trained: of more numbers than one, and no mask."""
        many = self.values[root].dtype in FLOATS and prod(self.sizes[root]) > 1
        return many and not leaves_out(self.stored.get(root))

    def emit(self, made: Made[Value], call: Call, wanted: Shape) -> int | str:
        """Add the layer of an operator; a reason where it does not fit the shape."""
        joined = self.joined(made, call)
        if joined is not None:
            return joined
        made = self.weighed(made, wanted)
        given: list[tuple[int, Shape]] = []
        for source in made.inputs:
            if isinstance(source, Value) and source.key is not None:
                self.note_recent(source.key)
        for source in made.inputs:
            if not isinstance(source, Value):
                if source.shape is None:
                    return "takes what has no shape"
                inner = self.emit(source, call, source.shape)
                if isinstance(inner, str):
                    return inner
                given.append((inner, source.shape))
            else:
                given.append((self.stood(source, place(call.node)[0]), source.sizes))
        found = self.fitted(made.op, made.fields, wanted, given, made.declared)
        if isinstance(found, str):
            return found
        applied, inputs = found
        if made.op in ("Reshape", "Expand") and applied.shape == self.shape(inputs[0]):
            return inputs[0]
        return self.layer(made, call, applied, self.branch_first(made.op, inputs))

    def layer(
        self, made: Made[Value], call: Call, applied: Applied, inputs: tuple[int, ...]
    ) -> int:
        """Add a layer with the tensors that are its own."""
        names: list[str] = []
        for value in made.weights.values():
            roots = sorted(value.roots, key=lambda root: -prod(self.sizes[root]))
            if roots and prod(self.sizes[roots[0]]) == prod(value.sizes):
                names.append(roots[0])
                roots = roots[1:]
            elif roots and sum(prod(self.sizes[root]) for root in roots) == prod(value.sizes):
                names += roots  # joined to it
                roots = []
            for root in roots:
                if self.is_weight(root):
                    self.spare.setdefault(root)
        module, function = place(call.node)
        # Biases of zeros tell no layers apart: whose they are is not known.
        told = [name for name in names if not self.values[name].uniform] or names
        names = [self.apart(name, module) for name in names]
        owners = {self.owners.get(self.apart(name, module)) for name in told}
        share = owners.pop() if len(owners) == 1 else None
        if share is not None and type(self.by_key[share].applied.op) is not type(applied.op):
            share = None if made.op not in ("Linear", "Embedding") else share
        key = self.add("", made.op.lower(), applied, inputs, share)
        names = [name for name in names if (name in self.owners) == (share is not None)]
        self.tensors[key] = tuple(names)
        for name in names:
            self.owners.setdefault(name, key)
        weight = next(iter(made.weights.values()), None)
        module_of = home(weight.roots[-1]) if weight is not None and weight.roots else ""
        if module_of and share is None and (not names or names[0] in self.sizes):
            self.by_key[key].wish = module_of
        else:
            self.places[key] = module, function if made.op == "Linear" else made.op.lower()
        return key

    def joined(self, made: Made[Value], call: Call) -> int | None:
        """The layer that an operation belongs to, as an exporter took the layer apart."""
        if made.op not in ("Add", "Mul") or len(made.inputs) != 2:
            return None
        for a, b in (made.inputs, reversed(made.inputs)):
            if not isinstance(a, Value) or not isinstance(b, Value) or a.key is None or a.key < 0:
                continue
            layer = self.by_key[a.key]
            if self.users[a.name] != 1:
                continue
            op = layer.applied.op
            kind = type(op).__name__
            if made.op == "Add" and b.held and isinstance(op, Linear) and not op.bias:
                out = op.out_features
                root = self.apart(b.roots[0], place(call.node)[0]) if len(b.roots) == 1 else ""
                alone = layer.share is None and root and root not in self.owners
                if b.sizes[-1:] == (out,) and prod(b.sizes) == out and alone:
                    fields = {"out_features": out, "bias": True}
                    layer.applied = Applied.to(
                        operator("Linear")(**fields), *layer.applied.input_shapes
                    )
                    self.tensors[a.key] = (*self.tensors[a.key], root)
                    self.owners[root] = a.key
                    return a.key
            if made.op == "Add" and b.held and kind == "Mul":
                whole = self.group_norm(layer, b, place(call.node)[0])
                if whole is not None:
                    return whole
            if made.op == "Mul" and b.key is not None and layer.inputs == (b.key,):
                name = {"Sigmoid": "SiLU", "Hardsigmoid": "Hardswish"}.get(kind)
                if name is not None and self.shape(b.key) == layer.applied.shape:
                    layer.applied = Applied.to(operator(name)(), self.shape(b.key))
                    layer.function = name
                    module, _ = self.places.get(a.key, ("", ""))
                    self.places[a.key] = module, name.lower()
                    return a.key
        return None

    def group_norm(self, scaled: Layer, shift: Value, module: str) -> int | None:
        """The group normalization that a factor a channel, to which a ``shift`` comes, is part of.

        Exporters write it as groups that are channels, normalized, and channels again.
        """
        shape = scaled.applied.shape
        tensors = [key for key in scaled.inputs if key >= 0 and self.tensors.get(key)]
        others = [key for key in scaled.inputs if key >= 0 and key not in tensors]
        if len(tensors) != 1 or len(others) != 1 or len(shift.roots) != 1 or len(shape) < 3:
            return None
        back = self.by_key[others[0]]
        normal = self.by_key.get(back.inputs[0])
        first = self.by_key.get(normal.inputs[0]) if normal is not None else None
        if normal is None or first is None or self.shape(first.inputs[0]) != shape:
            return None
        kinds = [type(layer.applied.op).__name__ for layer in (first, normal, back)]
        channels = (prod(self.shape(tensors[0])[1:]), prod(shift.sizes))
        root = self.apart(shift.roots[0], module)
        if (
            kinds != ["Reshape", "InstanceNorm1d", "Reshape"]
            or normal.applied.cost.weights
            or channels != (shape[1], shape[1])
            or root in self.owners
        ):
            return None
        fields = {
            "num_groups": normal.applied.shape[1],
            "eps": getattr(normal.applied.op, "eps", 1e-5),
        }
        op = operator("GroupNorm")(**fields)
        scaled.applied, scaled.inputs = Applied.to(op, shape), first.inputs
        scaled.function = "groupnorm"
        self.tensors[scaled.key] = (*self.tensors.pop(tensors[0]), root)
        self.owners |= dict.fromkeys(self.tensors[scaled.key], scaled.key)
        self.places[scaled.key] = module, "groupnorm"
        return scaled.key

    def weighed(self, made: Made[Value], wanted: Shape) -> Made[Value]:
        """The same, where a weight comes of the input: a product, which owns no weights."""
        weight = made.weights.get("weight")
        if weight is None or weight.held or not made.op.startswith("Conv"):
            return made
        times = wanted
        if made.op.startswith("ConvTranspose") and isinstance(made.inputs[0], Value):
            times = made.inputs[0].sizes
        macs = prod(times) * prod(weight.sizes[1:])
        given = (*made.inputs, *made.weights.values())
        return Made(made.op, {"macs": macs}, given, declared=True)

    def stood(self, value: Value, module: str = "") -> int:
        """The layer of a value; one of its own for a tensor that is held, and that modules use."""
        if value.key is not None:
            return value.key
        alone = len(value.roots) == 1 and prod(self.sizes[value.roots[0]]) == prod(value.sizes)
        root = value.roots[0] if value.roots else value.name
        stored = alone and self.is_weight(root)
        own = self.apart(root, module) if stored else value.name
        if (own, value.sizes) not in self.standing:
            key = self.tensor(own, "parameter" if stored else "constant", value.sizes)
            layer = self.by_key[key]
            if not stored:
                layer.wish = "constant"
                self.keep(value)
            elif own == root:
                layer.wish = way(root)
            else:
                layer.wish = f"{module}.{way(root).rpartition('.')[2]}"
            self.standing[own, value.sizes] = key
        return self.standing[own, value.sizes]

    # Names ----------------------------------------------------------------------------------------

    def settle_names(self) -> None:
        """Name layers by their modules: alone in one, a layer has its name."""
        alone = Counter(self.places[y.key][0] for y in self.layers if y.key in self.places)
        above: set[str] = set()
        for layer in self.layers:
            way = layer.wish or self.places.get(layer.key, ("", ""))[0]
            parts = way.split(".")
            above |= {".".join(parts[:k]) for k in range(1, len(parts))}
            if layer.wish:
                above.add(layer.wish)
        for layer in self.layers:
            if layer.key in self.places and not layer.wish:
                module, function = self.places[layer.key]
                if not module:
                    layer.wish = as_name(function.lower())
                elif alone[module] == 1 and module not in above:
                    layer.wish = module
                else:
                    layer.wish = f"{module}.{as_name(function.lower())}"

    def folded(self) -> bool:
        """Whether an exporter folded batch normalization into convolutions, as far as names tell.

        PyTorch's gives weights that it has worked out names of its own.
        """
        return any(
            len(self.tensors[layer.key]) == 2
            and all(
                re.match(r"onnx::Conv_\d+$|.*_(bn|fused|folded)", t)
                for t in self.tensors[layer.key]
            )
            for layer in self.layers
            if type(layer.applied.op).__name__.startswith("Conv")
        )
