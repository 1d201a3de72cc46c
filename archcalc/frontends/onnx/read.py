"""``.onnx`` -> Graph: the file's nodes one by one, with the shapes that follow from its inputs.

What no input is in is worked out beforehand where it is small: exporters write a good deal of
arithmetic on shapes. Weights are not read, and may be absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archcalc.dims import Shape
from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.frontends.draft import sample_of
from archcalc.frontends.onnx import said
from archcalc.frontends.onnx.files import loaded
from archcalc.frontends.onnx.layers import Layers
from archcalc.frontends.onnx.names import place
from archcalc.frontends.onnx.nodes.call import Call, piece_of
from archcalc.frontends.onnx.nodes.call import read as read_node
from archcalc.frontends.onnx.nodes.products import RECURRENT, recurrent, step
from archcalc.frontends.onnx.numbers import FEW, elements_of, evaluated
from archcalc.frontends.onnx.types import Types, at, checked, require_type
from archcalc.frontends.onnx.values import Value
from archcalc.frontends.table import Made, Moves, Same
from archcalc.frontends.words import as_name, parse_shape
from archcalc.operators.base import LARGEST
from archcalc.spec.fold import FOLDED
from archcalc.spec.graph import Graph

if TYPE_CHECKING:
    import onnx

_RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli")


def read(path: str, inputs: Mapping[str, str]) -> Graph:
    """The graph of a file, on inputs without the batch by their names, ``""`` for the only one.

    Raises :class:`ArchcalcError` for what is no such file, or is damaged, and where shapes lack.
    """
    return Reader(loaded(path), path).graph(inputs)


class Reader(Layers):
    """Makes a graph of a file, node by node."""

    def __init__(self, model: onnx.ModelProto, path: str) -> None:
        super().__init__()
        self.model = model
        self.path = path
        self.types = Types(path, model.opset_import)
        self.notes: list[str] = []
        self.ones: dict[str, int] = {}
        """Inputs that are one value each and that was not said: their types, by our names."""

    def graph(self, inputs: Mapping[str, str]) -> Graph:
        graph = self.model.graph
        self.types.say(graph)
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
            self.tensor(as_name(name, True), "parameter", self.sizes[name])
            for name in self.spare
            if name not in used
        ]
        found = self.drafted(as_name(Path(self.path).stem, True), outputs, unused)
        if self.folded():
            self.notes.append(FOLDED)
        return replace(found, edition=", ".join(self.notes))

    # What the file says ---------------------------------------------------------------------------

    def initializers(self, graph: onnx.GraphProto) -> None:
        for tensor in graph.initializer:
            what = f"initializer '{tensor.name}'"
            shape = checked(self.path, tensor.dims, what)
            require_type(self.path, tensor.data_type, what)
            self.stored[tensor.name] = tensor
            self.hold(tensor.name, shape, tensor.data_type, elements_of(tensor, shape))
        for sparse in graph.sparse_initializer:
            name = sparse.values.name
            self.hold(name, checked(self.path, sparse.dims, f"initializer '{name}'"), 1, None)

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
            if said.is_one(info):
                name = as_name(info.name, True)
                if info.name in given:
                    self.values[info.name] = said.value(self.path, info, given[info.name])
                    self.input(name, (1,))
                    self.notes.append(f"{name} = {given[info.name]}")
                    continue
                self.ones[name] = tensor.elem_type
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
            shape = checked(self.path, shape, f"input '{info.name}'")
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
                    f"{at(self.path, node)} takes '{name}', which nothing before it gives"
                )
            inputs.append(self.values[name] if name else None)
        if node.op_type == "Constant":
            return self.constant(node)
        if node.op_type == "If" and self.branch(node, inputs, depth):
            return None
        if self.sequence(node, inputs):
            return None
        version = self.types.version(node.domain)
        types = self.types.inferred(node, inputs, version)
        shapes = [self.types.shape_of(types.get(name)) for name in node.output]
        dtypes = [
            types[name].tensor_type.elem_type
            if name in types and types[name].WhichOneof("value") == "tensor_type"
            else 0
            for name in node.output
        ]
        first = inputs[0] if inputs else None
        if node.op_type == "Shape" and first is not None and first.shape is not None:
            return self.shape_node(node, first.shape)
        random = node.op_type in _RANDOM
        if not random and all(value is None or value.held for value in inputs):
            return self.fold(node, inputs, shapes, dtypes, version)
        call = Call(node, inputs, shapes, version)
        if node.op_type in RECURRENT and self.recurrent(call, dtypes):
            return None
        several = len([name for name in node.output if name]) > 1
        for k, name in enumerate(node.output):
            if name and (self.users[name] or k == 0):
                dtype = dtypes[k] or next((v.dtype for v in inputs if v is not None), 1)
                self.values[name] = self.value(call, k, name, shapes[k], dtype, several)
        return None

    def recurrent(self, call: Call, dtypes: Sequence[int]) -> bool:
        """Take in a recurrent node: one layer, and what is given of its steps and last states."""
        asked = [(k, name) for k, name in enumerate(call.node.output) if name and self.users[name]]
        states = any(k for k, _ in asked)
        try:
            made = recurrent(call, states)
            if made is None or made.shape is None:
                return False
            key = self.emit(made, call, made.shape)
            if isinstance(key, str) and len(made.inputs) > 1:  # a first state of another batch
                bare = Made(made.op, made.fields, made.inputs[:1], made.weights)
                key = self.emit(bare, call, made.shape)
            if isinstance(key, str):
                return False
            steps = Value(call.op, made.shape, dtypes[0] or 1, key)
            for k, name in asked:
                shape = call.shapes[k]
                if shape is None:
                    return False
                found = self.emit(step(call, steps, k, states), call, shape)
                if isinstance(found, str):
                    return False
                self.note_recent(found)
                self.values[name] = Value(name, shape, dtypes[k] or 1, found)
        except (LookupError, TypeError, AssertionError, ArithmeticError, ValueError):
            return False
        return True

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
                raise ArchcalcError(
                    f"{at(self.path, node)} takes item {index} of {len(first.items)}"
                )
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
            raise ArchcalcError(f"{at(self.path, call.node)} gives the shape {list(shape)}")
        self.require_window(call)
        try:
            made = piece_of(call, k) if several else read_node(call)
            if isinstance(made, Same):
                same: Value = replace(made.source, name=name, dtype=dtype)
                if same.data is not None and dtype != made.source.dtype:
                    from onnx.helper import tensor_dtype_to_np_dtype

                    same.data = same.data.astype(tensor_dtype_to_np_dtype(dtype))
                return same
            if call.op in ("Reshape", "Flatten", "Squeeze", "Unsqueeze") and shape is not None:
                self.require_elements(call, shape)
            if isinstance(made, Made):
                self.require_channels(call, made)
            if isinstance(made, Made) and shape is not None and 0 not in shape:
                found = self.emit(made, call, shape)
                if isinstance(found, int):
                    self.note_recent(found)
                    return Value(name, shape, dtype, found)
        except (LookupError, TypeError, AssertionError, ArithmeticError, ValueError):
            made = None  # attributes or tensors that are not as they should be
        key = self.unknown(call, shape, isinstance(made, Moves))
        return Value(name, shape, dtype, key)

    def require_window(self, call: Call) -> None:
        """Refuse a window that has no extent, or does not move."""
        for name in ("kernel_shape", "strides", "dilations"):
            said = call.get(name, [])
            if isinstance(said, list) and any(type(n) is int and n < 1 for n in said):
                raise ArchcalcError(f"{at(self.path, call.node)} has {name} of {said}")

    def require_elements(self, call: Call, shape: Shape) -> None:
        if prod(call.x.sizes) != prod(shape):
            raise ArchcalcError(
                f"{at(self.path, call.node)} makes {list(shape)} of {list(call.x.sizes)}, which "
                f"has another number of elements: the file is made for an input of another size"
            )

    def require_channels(self, call: Call, made: Made[Value]) -> None:
        """Refuse a convolution of another number of channels than its weight is for."""
        weight = made.weights.get("weight")
        if (
            weight is None
            or not made.op.startswith("Conv")
            or not isinstance(made.inputs[0], Value)
        ):
            return
        turned = made.op.startswith("ConvTranspose")
        wanted = weight.sizes[0] if turned else weight.sizes[1] * made.fields["groups"]
        if made.inputs[0].sizes[1] != wanted:
            raise ArchcalcError(
                f"{at(self.path, call.node)} takes {wanted} channels, and is given "
                f"{list(made.inputs[0].sizes)}: is the input's order another one, as 224x224x3?"
            )

    def unknown(self, call: Call, shape: Shape | None, moves: bool) -> int:
        """A layer of which nothing is known but its shape, or that it only moves elements."""
        keys = [value.key for value in call.inputs if value is not None and value.key is not None]
        inputs = tuple(dict.fromkeys(keys)) or (self.batch(),)
        sample = [max(n, 1) for n in sample_of(self.shape(inputs[0]), shape or (1,))]
        said = {"params": 0, "macs": 0} if moves and shape is not None else {}
        for value in () if said else call.inputs:
            if value is not None and value.held:
                self.keep(value)
        key = self.foreign("", f"onnx.{call.op}", sample, inputs, **said)
        self.places[key] = place(call.node)
        return key

    def output(self, name: str) -> int:
        """The layer that gives an output of the network."""
        value = self.values.get(name)
        if value is None:
            raise ArchcalcError(f"{self.path}: no node gives the output '{name}'")
        if value.key is not None and value.key < 0:
            applied = self.applied_to("Identity", value.key)
            return self.add("output", "output", applied, (value.key,))
        if value.held and 0 in (value.shape or ()):
            raise ArchcalcError(f"{self.path}: the output '{name}' has no elements")
        return self.stood(value)

    # What no input is in --------------------------------------------------------------------------

    def constant(self, node: onnx.NodeProto) -> None:
        import numpy
        from onnx.helper import get_attribute_value

        for attribute in node.attribute:
            value = get_attribute_value(attribute)
            if attribute.name == "value":
                shape = checked(self.path, value.dims, at(self.path, node))
                require_type(self.path, value.data_type, f"node '{node.name}' (Constant)")
                self.stored[node.output[0]] = value
                data, dtype = elements_of(value, shape), value.data_type
            elif attribute.name.startswith("value_") and "string" not in attribute.name:
                whole = "int" in attribute.name
                data = numpy.array(value, dtype=numpy.int64 if whole else numpy.float32)
                shape, dtype = data.shape, 7 if whole else 1
            else:
                continue
            name = node.output[0]
            value = self.values[name] = Value(name, shape, dtype, data=data)
            if data is None or not (data.size < 2 or value.uniform):
                self.hold(name, shape, dtype, data)
            return
        raise ArchcalcError(f"{at(self.path, node)} has no value that is a tensor of numbers")

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
        # What a rounded tensor is scaled by is no weight.
        made_of = inputs[:1] if node.op_type in ("QuantizeLinear", "DequantizeLinear") else inputs
        roots = tuple(
            dict.fromkeys(r for value in made_of if value is not None for r in value.roots)
        )
        first = inputs[0] if inputs else None
        if node.op_type == "Identity" and first is not None and first.roots and first.uniform:
            # A tensor of its own, which an exporter joined with others of equal numbers.
            return self.hold(node.output[0], first.sizes, first.dtype, first.data)
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
            data = evaluated(node, [None if v is None else v.data for v in inputs], version)
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
            said.ask(at(self.path, node), self, condition, self.ones)
            return False
        wanted = "then_branch" if bool(condition.data.reshape(-1)[0]) else "else_branch"
        graph = next((a.g for a in node.attribute if a.name == wanted), None)
        if graph is None or len(graph.output) != len(node.output):
            raise ArchcalcError(
                f"{at(self.path, node)} has no {wanted} that gives as much as it does"
            )
        before = dict(self.values)
        self.types.say(graph)
        self.users.update(output.name for output in graph.output)
        self.initializers(graph)
        for inner in graph.node:
            self.node(inner, depth + 1)
        given = [self.values.get(output.name) for output in graph.output]
        stored = {name: self.values[name] for name in self.sizes if name in self.values}
        self.values = {**stored, **before}
        for name, value in zip(node.output, given, strict=True):
            if value is None:
                raise ArchcalcError(f"{at(self.path, node)}: no node in {wanted} gives '{name}'")
            self.values[name] = value
        return True


def _all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterable[onnx.NodeProto]:
    queue = list(nodes)
    while queue:
        node = queue.pop()
        yield node
        for attribute in node.attribute:
            queue += attribute.g.node
            for graph in attribute.graphs:
                queue += graph.node
