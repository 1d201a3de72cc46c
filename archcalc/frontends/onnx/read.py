"""``.onnx`` -> Graph: the file's nodes one by one, with the shapes that follow from its inputs.

What no input is in is worked out beforehand where it is small: exporters write a good deal of
arithmetic on shapes. Weights are not read, and may be absent.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archcalc.dims import Shape
from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.frontends.draft import Draft, as_name, parse_shape, sample_of
from archcalc.frontends.onnx import table
from archcalc.frontends.onnx.values import Call, Value
from archcalc.frontends.table import Made, Moves, Same
from archcalc.operators import operator
from archcalc.operators.base import LARGEST, Applied, Operator
from archcalc.operators.linear import Linear
from archcalc.spec.fold import FOLDED
from archcalc.spec.graph import Graph
from archcalc.spec.unknown import DeclaredOperator, UnknownOperator

if TYPE_CHECKING:
    import onnx

MOST_NODES = 200_000
"""Nodes that a file may have, functions written out."""
FEW = 4096
"""Elements of a tensor that is read or worked out."""
FLOATS = (1, 10, 11, 16, 17, 18, 19, 20, 23, 2, 3, 21, 22, 25, 26)
"""ONNX's types that weights are of: floating point, and the bytes that they are rounded to."""

_RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli")
_RECURRENT = ("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM")


def read(path: str, inputs: Mapping[str, str]) -> Graph:
    """The graph of a file, on inputs without the batch by their names, ``""`` for the only one.

    Raises :class:`ArchcalcError` for what is no such file, or is damaged, and where shapes lack.
    """
    return Reader(_loaded(path), path).graph(inputs)


def _loaded(path: str) -> onnx.ModelProto:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ModuleNotFoundError as error:
        raise ArchcalcError(
            "ONNX files need the package onnx: pip install 'archcalc[onnx]'"
        ) from error
    try:
        with Path(path).open("rb"):
            pass
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise ArchcalcError(f"{path}: {error.strerror or error}") from error
    except (DecodeError, ValueError, RuntimeError) as error:
        raise ArchcalcError(f"{path}: is no ONNX file, or a damaged one") from error
    if not model.graph.node:
        raise ArchcalcError(f"{path}: is no ONNX file, or has no nodes")
    return _inlined(model, path)


def _inlined(model: onnx.ModelProto, path: str) -> onnx.ModelProto:
    """The model without functions of its own; refused where written out it would be endless."""
    if not model.functions:
        return model
    import onnx.inliner

    functions = {(f.domain, f.name): f for f in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Iterable[onnx.NodeProto], trail: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in nodes:
            key = node.domain, node.op_type
            if key in trail or len(trail) > 100:
                raise ArchcalcError(f"{path}: function '{node.op_type}' calls itself")
            if key not in functions:
                total += 1
                continue
            if key not in sizes:
                sizes[key] = size(functions[key].node, (*trail, key))
            total += sizes[key]
        return total

    if size(model.graph.node, ()) > MOST_NODES:
        raise ArchcalcError(f"{path}: has more than {MOST_NODES:,} nodes, functions written out")
    found: onnx.ModelProto = onnx.inliner.inline_local_functions(model)
    return found


class Reader(Draft):
    """Makes a graph of a file, node by node."""

    def __init__(self, model: onnx.ModelProto, path: str) -> None:
        super().__init__()
        self.model = model
        self.path = path
        self.values: dict[str, Value] = {}
        self.opsets = {o.domain.replace("ai.onnx", ""): o.version for o in model.opset_import}
        self.said: dict[str, onnx.TypeProto] = {}
        """Types that the file itself gives tensors."""
        self.users: Counter[str] = Counter()
        self.standing: dict[int, int] = {}
        """A held tensor that stands by itself -> its layer."""
        self.sizes: dict[str, Shape] = {}
        """A stored tensor -> its shape."""
        self.spare: dict[str, None] = {}
        """Stored tensors that are there, if no layer has them."""
        self.places: dict[int, tuple[str, str]] = {}
        """A layer named by its place -> the module's way, and what it does."""
        self.notes: list[str] = []

    def graph(self, inputs: Mapping[str, str]) -> Graph:
        graph = self.model.graph
        self.types(graph)
        for node in _all_nodes(graph.node):
            self.users.update(set(node.input))
        self.users.update(output.name for output in graph.output)
        self.initializers(graph)
        self.take_inputs(graph, inputs)
        for node in graph.node:
            self.node(node)
        outputs = [self.output(output.name) for output in graph.output]
        if not outputs:
            raise ArchcalcError(f"{self.path}: the graph has no outputs")
        outputs += self.prune(outputs)
        self.settle_names()
        used = {name for layer in self.layers for name in self.tensors.get(layer.key, ())}
        unused = [
            self.tensor(as_name(name), "parameter", self.sizes[name])
            for name in self.spare
            if name not in used
        ]
        found = self.drafted(as_name(Path(self.path).stem, True), outputs, unused)
        if self.folded():
            self.notes.append(FOLDED)
        return replace(found, edition=", ".join(self.notes))

    # What the file says ---------------------------------------------------------------------------

    def types(self, graph: onnx.GraphProto) -> None:
        for info in (*graph.value_info, *graph.output):
            if info.type.WhichOneof("value"):
                self.said.setdefault(info.name, info.type)

    def initializers(self, graph: onnx.GraphProto) -> None:
        from onnx import numpy_helper

        for tensor in graph.initializer:
            shape = self.checked(tensor.dims, f"initializer '{tensor.name}'")
            data = None
            if prod(shape) <= FEW and tensor.data_location != tensor.EXTERNAL:
                try:
                    data = numpy_helper.to_array(tensor)
                except (ValueError, TypeError):
                    data = None
            self.hold(tensor.name, shape, tensor.data_type, data)
        for sparse in graph.sparse_initializer:
            name = sparse.values.name
            self.hold(name, self.checked(sparse.dims, f"initializer '{name}'"), 1, None)

    def hold(self, name: str, shape: Shape, dtype: int, data: Any) -> None:
        self.sizes[name] = shape
        self.values[name] = Value(name, shape, dtype, data=data, roots=(name,))

    def checked(self, dims: Iterable[int], what: str) -> Shape:
        shape = tuple(int(n) for n in dims)
        if any(n < 0 for n in shape) or prod(shape) > LARGEST:
            raise ArchcalcError(f"{self.path}: {what} has the shape {list(shape)}")
        return shape

    def take_inputs(self, graph: onnx.GraphProto, inputs: Mapping[str, str]) -> None:
        needed = [
            info for info in graph.input if info.name not in self.values and self.users[info.name]
        ]
        named = {as_name(info.name, True): info.name for info in needed}
        given: dict[str, str] = {}
        for name, text in inputs.items():
            full = named.get(as_name(name, True)) if name else None
            if not name and len(needed) == 1:
                full = needed[0].name
            if full is None:
                known = ", ".join(named)
                hint = did_you_mean(name, named) if name else f"name one of {known}"
                raise ArchcalcError(f"{self.path}: no input '{name}': {hint or f'it has {known}'}")
            given[full] = text
        lacking: list[tuple[str, str, str]] = []
        batch = 0
        for info in needed:
            tensor = info.type.tensor_type
            if info.type.WhichOneof("value") != "tensor_type":
                raise ArchcalcError(f"{self.path}: input '{info.name}' is no tensor")
            dims = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
            words = [d.dim_param or "?" for d in tensor.shape.dim]
            if dims and dims[0] is not None and dims[0] < 1:
                dims[0] = None
            batch = batch or (dims[0] if dims else None) or 1
            known = tensor.HasField("shape")
            # Its first axis is a batch, unless it has another extent than that of the first input.
            lifted = bool(dims and dims[0] not in (None, batch))
            if info.name in given:
                sizes = parse_shape(given[info.name], f"{self.path}: input '{info.name}'")
                if not known:
                    shape = (1, *sizes)
                elif len(sizes) == len(dims):
                    shape = sizes
                elif len(sizes) == len(dims) - 1 and not lifted:
                    shape = (dims[0] or 1, *sizes)
                else:
                    raise ArchcalcError(
                        f"{self.path}: input '{info.name}' has {len(dims)} axes, the batch too: "
                        f"{len(sizes)} do not fit"
                    )
            elif None in dims[1:] or not known:
                axes = [str(n) if n else w for n, w in zip(dims, words, strict=True)]
                example = "x".join(str(n) if n else "N" for n in (dims if lifted else dims[1:]))
                lacking.append((info.name, ", ".join(axes), example or "3x224x224"))
                continue
            else:
                if dims and dims[0] is None:
                    dims[0] = 1
                    self.notes.append(f"{words[0] if words[0] != '?' else 'batch'} = 1")
                shape = tuple(n or 0 for n in dims)
            shape = self.checked(shape, f"input '{info.name}'")
            if 0 in shape:
                raise ArchcalcError(f"{self.path}: input '{info.name}' has the shape {list(shape)}")
            ours = (batch, *shape) if lifted else shape or (1,)
            key = self.input(as_name(info.name, True), ours)
            self.values[info.name] = Value(info.name, shape, tensor.elem_type or 1, key)
        if lacking:
            which = "; ".join(f"'{name}' is ({axes})" for name, axes, _ in lacking)
            say = " ".join(f"--input {as_name(name, True)}={x}" for name, _, x in lacking)
            raise ArchcalcError(
                f"{self.path}: how large is the input? {which}\n  say it without the batch: {say}"
            )
        if not self.inputs:
            raise ArchcalcError(f"{self.path}: the graph has no inputs")
        self.notes = list(dict.fromkeys(self.notes))

    # Nodes ----------------------------------------------------------------------------------------

    def node(self, node: onnx.NodeProto, depth: int = 0) -> None:
        """Take in one node."""
        inputs: list[Value | None] = []
        for name in node.input:
            if name and name not in self.values:
                raise ArchcalcError(
                    f"{self.at(node)} takes '{name}', which nothing before it gives"
                )
            inputs.append(self.values[name] if name else None)
        if node.op_type == "Constant":
            return self.constant(node)
        if node.op_type == "If" and self.branch(node, inputs, depth):
            return None
        if self.sequence(node, inputs):
            return None
        version = self.opsets.get(node.domain.replace("ai.onnx", ""), 1)
        types = self.inferred(node, inputs, version)
        shapes = [self.shape_of(types.get(name)) for name in node.output]
        dtypes = [
            types[name].tensor_type.elem_type
            if name in types and types[name].WhichOneof("value") == "tensor_type"
            else 0
            for name in node.output
        ]
        if node.op_type == "Shape" and inputs[0] is not None and inputs[0].shape is not None:
            return self.shape_node(node, inputs[0].shape)
        random = node.op_type in _RANDOM
        if not random and all(value is None or value.held for value in inputs):
            return self.fold(node, inputs, shapes, dtypes, version)
        call = Call(node, inputs, shapes, version)
        several = len([name for name in node.output if name]) > 1
        for k, name in enumerate(node.output):
            if name and (self.users[name] or k == 0):
                dtype = dtypes[k] or next((v.dtype for v in inputs if v is not None), 1)
                self.values[name] = self.value(call, k, name, shapes[k], dtype, several)
        return None

    def sequence(self, node: onnx.NodeProto, inputs: Sequence[Value | None]) -> bool:
        """Take in a node that makes a sequence, or takes a tensor of it; whether it is one."""
        first = inputs[0] if inputs else None
        name = node.output[0] if node.output else ""
        if node.op_type == "SequenceConstruct" and all(inputs):
            items = tuple(value for value in inputs if value is not None)
            self.values[name] = Value(name, None, key=self.batch(), items=items)
            return True
        if node.op_type == "SplitToSequence" and first is not None and first.shape is not None:
            axis = next((a.i for a in node.attribute if a.name == "axis"), 0) % len(first.shape)
            size = first.shape[axis]
            sections = [1] * size
            if len(inputs) > 1 and inputs[1] is not None:
                if inputs[1].data is None:
                    return False
                sections = [int(n) for n in inputs[1].numbers()]
                if inputs[1].shape == ():
                    step = max(sections[0], 1)
                    sections = [min(step, size - k) for k in range(0, size, step)]
            if sum(sections) != size or min(sections) < 1 or len(sections) > FEW:
                return False
            call = Call(node, list(inputs), [None], 13)
            pieces = []
            for k, section in enumerate(sections):
                shape = (*first.shape[:axis], section, *first.shape[axis + 1 :])
                fields = {"split_size_or_sections": sections, "index": k, "dim": axis}
                found = self.emit(Made("Split", fields, (first,)), call, shape)
                if isinstance(found, str):
                    return False
                pieces.append(Value(f"{name}.{k}", shape, first.dtype, found))
            self.values[name] = Value(name, None, key=pieces[0].key, items=tuple(pieces))
            return True
        if node.op_type == "SequenceAt" and first is not None and first.items is not None:
            place = inputs[1] if len(inputs) > 1 else None
            if place is None or place.data is None:
                return False
            index = int(place.number())
            if not -len(first.items) <= index < len(first.items):
                raise ArchcalcError(f"{self.at(node)} takes item {index} of {len(first.items)}")
            self.values[name] = first.items[index]
            return True
        return False

    def value(
        self, call: Call, k: int, name: str, shape: Shape | None, dtype: int, several: bool
    ) -> Value:
        """What a node gives: the layer that it is."""
        made: Any = None
        windows = ("Conv", "Pool")
        if shape is not None and 0 in shape and any(word in call.op for word in windows):
            raise ArchcalcError(f"{self.at(call.node)} gives the shape {list(shape)}")
        try:
            if k and call.op in _RECURRENT:
                made = Moves()
            elif several:
                made = table.piece(call, k)
            else:
                made = table.read(call)
            if isinstance(made, Same):
                same: Value = replace(made.source, name=name, dtype=dtype)
                if same.data is not None and dtype != made.source.dtype:
                    from onnx.helper import tensor_dtype_to_np_dtype

                    same.data = same.data.astype(tensor_dtype_to_np_dtype(dtype))
                return same
            if call.op in ("Reshape", "Flatten", "Squeeze", "Unsqueeze") and shape is not None:
                self.require_elements(call, shape)
            if isinstance(made, Made) and shape is not None and 0 not in shape:
                found = self.emit(made, call, shape)
                if isinstance(found, int):
                    self.note_recent(found)
                    return Value(name, shape, dtype, found)
        except (LookupError, TypeError, AssertionError, ArithmeticError, ValueError):
            made = None  # attributes or tensors that are not as they should be
        key = self.unknown(call, shape, isinstance(made, Moves))
        return Value(name, shape, dtype, key)

    def require_elements(self, call: Call, shape: Shape) -> None:
        if prod(call.x.sizes) != prod(shape):
            raise ArchcalcError(
                f"{self.at(call.node)} makes {list(shape)} of {list(call.x.sizes)}, which has "
                f"another number of elements: the file is made for an input of another size"
            )

    def note_recent(self, key: int) -> None:
        if self.shape(key)[:1] == self.shape(-1)[:1]:
            self.recent = key

    def unknown(self, call: Call, shape: Shape | None, moves: bool) -> int:
        """A layer of which nothing is known but its shape, or that it only moves elements."""
        keys = [value.key for value in call.inputs if value is not None and value.key is not None]
        inputs = tuple(dict.fromkeys(keys)) or (self.batch(),)
        if call.op in _RECURRENT and moves:
            first = self.values.get(call.node.output[0])
            inputs = (first.key,) if first is not None and first.key is not None else inputs
        shapes = [self.shape(key) for key in inputs]
        sample = tuple(max(n, 1) for n in sample_of(shapes[0], shape or (1,)))
        op: Operator
        if moves and shape is not None:
            op = DeclaredOperator(name=f"onnx.{call.op}", shape=sample, params=0, macs=0)
        else:
            op = UnknownOperator(name=f"onnx.{call.op}", shape=sample)
            for value in call.inputs:
                if value is not None and value.held:
                    self.keep(value)
        key = self.add("", call.op, Applied.to(op, *shapes), inputs)
        self.places[key] = place(call.node)
        return key

    def keep(self, value: Value) -> None:
        """Own the tensors that a value is made of, whoever uses it."""
        for root in value.roots:
            if self.is_weight(root):
                self.spare.setdefault(root)

    def is_weight(self, root: str) -> bool:
        """Whether a stored tensor looks like one that was trained: of more numbers than one."""
        return self.values[root].dtype in FLOATS and prod(self.sizes[root]) > 1

    def emit(self, made: Made[Value], call: Call, wanted: Shape) -> int | str:
        """Add the layer of an operator; a reason where it does not fit the shape."""
        joined = self.joined(made)
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
                given.append((self.stood(source), source.sizes))
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
        owners = {self.owners.get(name) for name in names}
        share = owners.pop() if len(owners) == 1 else None
        if share is not None and type(self.by_key[share].applied.op) is not type(applied.op):
            share = None if made.op not in ("Linear", "Embedding") else share
        key = self.add("", made.op.lower(), applied, inputs, share)
        if share is None:
            names = [name for name in names if name not in self.owners]
        self.tensors[key] = tuple(names)
        for name in names:
            self.owners.setdefault(name, key)
        module, function = place(call.node)
        weight = next(iter(made.weights.values()), None)
        home = _home(weight.roots[-1]) if weight is not None and weight.roots else ""
        if home and share is None:
            self.by_key[key].wish = home
        else:
            self.places[key] = module, function if made.op == "Linear" else made.op.lower()
        return key

    def joined(self, made: Made[Value]) -> int | None:
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
                alone = layer.share is None and len(b.roots) == 1 and b.roots[0] not in self.owners
                if b.sizes[-1:] == (out,) and prod(b.sizes) == out and alone:
                    fields = {"out_features": out, "bias": True}
                    layer.applied = Applied.to(
                        operator("Linear")(**fields), *layer.applied.input_shapes
                    )
                    self.tensors[a.key] = (*self.tensors[a.key], b.roots[0])
                    self.owners[b.roots[0]] = a.key
                    return a.key
            if made.op == "Mul" and b.key is not None and layer.inputs == (b.key,):
                whole = {"Sigmoid": "SiLU", "Hardsigmoid": "Hardswish"}.get(kind)
                if whole is not None and self.shape(b.key) == layer.applied.shape:
                    layer.applied = Applied.to(operator(whole)(), self.shape(b.key))
                    layer.function = whole
                    module, _ = self.places.get(a.key, ("", ""))
                    self.places[a.key] = module, whole.lower()
                    return a.key
        return None

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

    def stood(self, value: Value) -> int:
        """The layer of a value; one of its own for a tensor that is held."""
        if value.key is not None:
            return value.key
        if id(value) not in self.standing:
            alone = len(value.roots) == 1 and prod(self.sizes[value.roots[0]]) == prod(value.sizes)
            root = value.roots[0] if value.roots else value.name
            if alone and self.is_weight(root):
                key = self.tensor(root, "parameter", value.sizes)
                self.by_key[key].wish = _path(root)
            else:
                key = self.tensor(value.name, "constant", value.sizes)
                self.by_key[key].wish = "constant"
                self.keep(value)
            self.standing[id(value)] = key
        return self.standing[id(value)]

    def output(self, name: str) -> int:
        """The layer that gives an output of the network."""
        value = self.values.get(name)
        if value is None:
            raise ArchcalcError(f"{self.path}: no node gives the output '{name}'")
        if value.key is not None and value.key < 0:
            applied = self.applied_to("Identity", value.key)
            return self.add("output", "output", applied, (value.key,))
        return self.stood(value)

    # What no input is in --------------------------------------------------------------------------

    def constant(self, node: onnx.NodeProto) -> None:
        import numpy
        from onnx import numpy_helper
        from onnx.helper import get_attribute_value

        for attribute in node.attribute:
            value = get_attribute_value(attribute)
            if attribute.name == "value":
                shape = self.checked(value.dims, self.at(node))
                few = prod(shape) <= FEW and value.data_location != value.EXTERNAL
                try:
                    data = numpy_helper.to_array(value) if few else None
                except (ValueError, TypeError):
                    data = None
                dtype = value.data_type
            elif attribute.name.startswith("value_") and "string" not in attribute.name:
                whole = "int" in attribute.name
                data = numpy.array(value, dtype=numpy.int64 if whole else numpy.float32)
                shape, dtype = data.shape, 7 if whole else 1
            else:
                continue
            name = node.output[0]
            plain = data is not None and (data.size < 2 or bool((data == data.flat[0]).all()))
            if plain:
                self.values[name] = Value(name, shape, dtype, data=data)
            else:
                self.hold(name, shape, dtype, data)
            return
        raise ArchcalcError(f"{self.at(node)} has no value that is a tensor of numbers")

    def shape_node(self, node: onnx.NodeProto, shape: Shape) -> None:
        import numpy
        from onnx.helper import get_attribute_value

        ends = {a.name: get_attribute_value(a) for a in node.attribute}
        sizes = shape[ends.get("start", 0) : ends.get("end", len(shape))]
        name = node.output[0]
        self.values[name] = Value(name, (len(sizes),), 7, data=numpy.array(sizes, numpy.int64))

    def fold(
        self,
        node: onnx.NodeProto,
        inputs: Sequence[Value | None],
        shapes: Sequence[Shape | None],
        dtypes: Sequence[int],
        version: int,
    ) -> None:
        """A node that no input is in: a tensor that is held, and its numbers if they are few."""
        roots = tuple(
            dict.fromkeys(r for value in inputs if value is not None for r in value.roots)
        )
        if node.op_type == "ConstantOfShape" and shapes[0] is not None:
            fill = next((a.t for a in node.attribute), None)
            from onnx import numpy_helper

            number = 0.0 if fill is None else float(numpy_helper.to_array(fill).reshape(-1)[0])
            if number not in (0, 1) and prod(shapes[0]) <= LARGEST:
                # What stands for a weight that was taken out of the file.
                return self.hold(node.output[0], shapes[0], dtypes[0] or 1, None)
            roots = ()
        data: Sequence[Any] = ()
        known = all(value is None or value.data is not None for value in inputs)
        few = all(shape is not None and prod(shape) <= FEW for shape in shapes)
        if known and few and node.op_type not in _RANDOM:
            data = _evaluated(node, [None if v is None else v.data for v in inputs], version)
        for k, name in enumerate(node.output):
            shape = shapes[k]
            elements = data[k] if k < len(data) else None
            if elements is not None:
                shape = tuple(elements.shape)
            self.values[name] = Value(
                name, shape, dtypes[k] or 1, data=elements, roots=roots if shape else ()
            )
        return None

    def branch(self, node: onnx.NodeProto, inputs: Sequence[Value | None], depth: int) -> bool:
        """Go the way of an ``If`` whose condition is known; whether it is."""
        condition = inputs[0] if inputs else None
        if condition is None or condition.data is None or condition.data.size != 1 or depth > 20:
            return False
        wanted = "then_branch" if bool(condition.data.reshape(-1)[0]) else "else_branch"
        graph = next((a.g for a in node.attribute if a.name == wanted), None)
        if graph is None or len(graph.output) != len(node.output):
            raise ArchcalcError(f"{self.at(node)} has no {wanted} that gives as much as it does")
        before = dict(self.values)
        self.types(graph)
        self.users.update(output.name for output in graph.output)
        self.initializers(graph)
        for inner in graph.node:
            self.node(inner, depth + 1)
        given = [self.values.get(output.name) for output in graph.output]
        stored = {name: self.values[name] for name in self.sizes if name in self.values}
        self.values = {**stored, **before}
        for name, value in zip(node.output, given, strict=True):
            if value is None:
                raise ArchcalcError(f"{self.at(node)}: no node in {wanted} gives '{name}'")
            self.values[name] = value
        return True

    # Shapes ---------------------------------------------------------------------------------------

    def inferred(
        self, node: onnx.NodeProto, inputs: Sequence[Value | None], version: int
    ) -> dict[str, onnx.TypeProto]:
        """The types of what a node gives: as its operator says, else as the file does."""
        from onnx import checker, defs, helper, numpy_helper, shape_inference

        found: dict[str, onnx.TypeProto] = {}
        try:
            schema = defs.get_schema(node.op_type, version, node.domain.replace("ai.onnx", ""))
            types, data = {}, {}
            for name, value in zip(node.input, inputs, strict=True):
                if value is not None:
                    types[name] = helper.make_tensor_type_proto(value.dtype, value.shape)
                    if value.data is not None and value.data.dtype.kind in "iufb":
                        data[name] = numpy_helper.from_array(value.data, name)
            found = shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=list(self.model.opset_import)
            )
        except defs.SchemaError:
            found = self.as_given(node, inputs)
        except checker.ValidationError:
            pass  # types that do not fit, which are none of our business
        except shape_inference.InferenceError as error:
            if not any(name in self.said for name in node.output):
                reason = str(error).strip().splitlines()[-1]
                raise ArchcalcError(f"{self.at(node)}: {reason}") from error
        for name in node.output:
            if self.shape_of(found.get(name)) is None and name in self.said:
                found[name] = self.said[name]
        return found

    def as_given(
        self, node: onnx.NodeProto, inputs: Sequence[Value | None]
    ) -> dict[str, onnx.TypeProto]:
        """What operators give that onnx does not know, and that are like others."""
        from onnx import NodeProto, helper

        def like(name: str, taken: Sequence[int]) -> dict[str, onnx.TypeProto]:
            twin = NodeProto()
            twin.CopyFrom(node)
            twin.op_type, twin.domain = name, ""
            present = [k for k in taken if k < len(node.input)]
            del twin.input[:]
            twin.input.extend(node.input[k] for k in present)
            attributes = [a for a in twin.attribute if not a.name.startswith(_OTHERS)]
            del twin.attribute[:]
            twin.attribute.extend(attributes)
            values = [x and replace(x, dtype=1) for x in (inputs[k] for k in present)]
            return self.inferred(twin, values, self.opsets.get("", 13))

        if node.op_type in _TWINS:
            name, taken = _TWINS[node.op_type]
            if node.op_type == "QLinearConcat":
                taken = range(2, len(inputs), 3)
            return like(name, taken)
        x = inputs[0] if inputs else None
        if node.op_type in _KEEPING and x is not None:
            return {node.output[0]: helper.make_tensor_type_proto(x.dtype, x.shape)}
        return {}

    def shape_of(self, proto: onnx.TypeProto | None) -> Shape | None:
        """A tensor's sizes, if all of them are said."""
        if proto is None or proto.WhichOneof("value") != "tensor_type":
            return None
        tensor = proto.tensor_type
        if not tensor.HasField("shape"):
            return None
        if not all(d.HasField("dim_value") and d.dim_value >= 0 for d in tensor.shape.dim):
            return None
        return self.checked((d.dim_value for d in tensor.shape.dim), "a tensor")

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

    def at(self, node: onnx.NodeProto) -> str:
        """A node in messages."""
        name = node.name or next(iter(node.output), "")
        return f"{self.path}: node '{name}' ({node.op_type})"

    def folded(self) -> bool:
        """Whether an exporter folded batch normalization into convolutions, as far as names tell.

        PyTorch's gives weights that it has worked out names of its own.
        """
        kinds = [type(layer.applied.op).__name__ for layer in self.layers]
        convs = [y for y, kind in zip(self.layers, kinds, strict=True) if kind.startswith("Conv")]
        made = [
            y
            for y in convs
            if any(re.match(r"onnx::Conv_\d+|.*_(bn|fused|folded)", t) for t in self.tensors[y.key])
            and getattr(y.applied.op, "bias", False)
        ]
        return bool(made) and 2 * len(made) >= len(convs) and "BatchNorm2d" not in kinds


_TWINS: dict[str, tuple[str, Sequence[int]]] = {
    "FusedConv": ("Conv", (0, 1, 2)),
    "QLinearAdd": ("Add", (0, 3)),
    "QLinearMul": ("Mul", (0, 3)),
    "QLinearConcat": ("Concat", ()),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", (0,)),
    "QLinearAveragePool": ("AveragePool", (0,)),
    "QGemm": ("Gemm", (0, 3)),
    "DynamicQuantizeLSTM": ("LSTM", (0, 1, 2, 3)),
    "MatMulIntegerToFloat": ("MatMul", (0, 1)),
    "DynamicQuantizeMatMul": ("MatMul", (0, 1)),
}
_OTHERS = ("activation", "channels_last")
_KEEPING = (
    *("QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax", "FastGelu", "BiasGelu", "QuickGelu"),
    *("SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "SimplifiedLayerNormalization"),
    *("Gelu",),
)


def _all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterable[onnx.NodeProto]:
    queue = list(nodes)
    while queue:
        node = queue.pop()
        yield node
        for attribute in node.attribute:
            queue += attribute.g.node
            for graph in attribute.graphs:
                queue += graph.node


def _evaluated(node: onnx.NodeProto, inputs: Sequence[Any], version: int) -> Sequence[Any]:
    """What a node gives of numbers that are known, as onnx's reference does it."""
    import numpy
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    try:
        named = [f"i{k}" if value is not None else "" for k, value in enumerate(inputs)]
        twin = helper.make_node(node.op_type, named, list(node.output), domain=node.domain)
        twin.attribute.extend(node.attribute)
        run = ReferenceEvaluator(twin, opsets={"": version})
        fed = {f"i{k}": value for k, value in enumerate(inputs) if value is not None}
        with numpy.errstate(all="ignore"):
            given = run.run(None, fed)
    except Exception:  # the reference raises what numpy does, and lacks operators
        return ()
    return [numpy.asarray(value) if value is not None else None for value in given]


_NUMBERED = re.compile(r"_\d+$")
_WEIGHT = re.compile(
    r"[._/](?:weight|kernel|gamma|scale|W|w|s|weight_ih_l0)(?:_quantized)?(?::\d+)?(?:_\d+)?$"
)


def _home(root: str) -> str:
    """The module that a stored tensor's name begins with; ``""`` for a name of another kind."""
    found = _WEIGHT.search(root)
    return _path(root[: found.start()]) if found else ""


def _path(text: str) -> str:
    """A name of the file as a way."""
    words = re.split(r"[./]+", text.split(":")[-1] or text)
    parts = [as_name(word, not word.isdigit()) for word in words if word]
    return ".".join(parts) or "tensor"


def place(node: onnx.NodeProto) -> tuple[str, str]:
    """The module that a node stands in, and what it does there."""
    for entry in node.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes" and len(entry.value) < 10_000:
            try:
                scopes = [str(scope) for scope in ast.literal_eval(entry.value)]
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                break
            if len(scopes) > 1:
                return _path(scopes[-2]) if scopes[-2] else "", _NUMBERED.sub("", scopes[-1])
    parts: list[str] = []
    for part in node.name.strip("/").split("/"):
        if parts and part.startswith(f"{parts[-1]}."):
            parts[-1] = part
        elif part:
            parts.append(part)
    if parts and (len(parts) > 1 or parts[0].startswith(node.op_type)):
        last = parts.pop()
        if not last.startswith(node.op_type):
            parts.append(last)
        return _path("/".join(parts)) if parts else "", node.op_type
    if parts and not re.fullmatch(r"\w?\d+|node_.*", parts[0]):
        return _path(parts[0]), node.op_type
    return "", node.op_type
