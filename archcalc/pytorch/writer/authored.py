"""The names that a captured module's author has for its layers, which need not be ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from archcalc.operators.base import Applied
from archcalc.operators.parameter import Constant, Parameter
from archcalc.pytorch.writer.naming import INPUT
from archcalc.pytorch.writer.spelling import is_batched
from archcalc.spec.graph import Graph, Node, Origin
from archcalc.spec.unknown import DeclaredOperator


def authored(graph: Graph) -> Graph:
    """A graph whose layers that store tensors are called as in the module that it is of.

    So its source has the module's ``state_dict``. What stores nothing gives way, where it has the
    name of what others stand in.
    """
    parted = _parts(graph)
    named = parted is graph
    graph = _owned(_split(parted))
    named = named and all(_said(node) in ("", node.name) for node in graph.nodes)
    if named and not any(map(_is_alias, graph.nodes)):
        return graph
    graph = _as_captured(graph)
    names = {node.name: node.name for node in graph.nodes}
    wanted = {node.name: _said(node) for node in graph.nodes if _said(node)}
    counts = Counter(wanted.values())
    around = set(_around(wanted.values()))
    fixed = {name: said for name, said in wanted.items() if counts[said] == 1}
    fixed = {name: said for name, said in fixed.items() if said not in around}
    names.update(fixed)
    graph = _inputs_apart(graph, fixed.values())
    taken = {*graph.inputs, *fixed.values()}
    around = set(_around(name for each, name in names.items() if each not in fixed)) | around
    for node in graph.nodes:
        name = names[node.name]
        if node.name in fixed:
            continue
        if name in taken or name in around or not taken.isdisjoint(_around([name])):
            name = name.replace(".", "_")
            while name in taken or name in around:
                name += "_"
        names[node.name] = name
        taken.add(name)
    return graph.renamed(names)


def _inputs_apart(graph: Graph, taken: Collection[str]) -> Graph:
    """A graph whose inputs have no names of its layers: in code they are two kinds of names."""
    names = {name: name + INPUT if name in taken else name for name in graph.inputs}
    if not names.keys() & {*taken}:
        return graph
    nodes = tuple(
        node._replace(inputs=tuple(names.get(source, source) for source in node.inputs))
        for node in graph.nodes
    )
    outputs = tuple(names.get(name, name) for name in graph.outputs)
    inputs = {names[name]: shape for name, shape in graph.inputs.items()}
    return replace(graph, nodes=nodes, outputs=outputs, inputs=inputs)


def _as_captured(graph: Graph) -> Graph:
    """A graph whose layers are called as they were when it was captured.

    A spec may have had to give parts of it other names, ``cells_0`` for ``cells.0``.
    """
    names: dict[str, str] = {}
    parts: dict[str, str] = {}
    for node in graph.nodes:
        way = "" if node.origin is None else node.origin.way
        if way:
            names[node.name] = way
            here, there = node.name.split("."), way.split(".")
            while here[1:] and there[1:] and here[-1] == there[-1]:
                here.pop()
                there.pop()
                parts[".".join(here)] = ".".join(there)
    taken = {names.get(node.name, node.name) for node in graph.nodes}
    for node in graph.nodes:
        around = next((each for each in reversed([*_around([node.name])]) if each in parts), None)
        if node.name not in names and around is not None:
            name = parts[around] + node.name[len(around) :]
            while name in taken:
                name += "_"
            taken.add(name)
            names[node.name] = name
    found = {
        name: names.get(name, name) for name in (*graph.inputs, *(n.name for n in graph.nodes))
    }
    taken = set(found.values())
    if not names or len(taken) < len(found) or not taken.isdisjoint(_around(taken)):
        return graph
    return graph.renamed(found)


def _parts(graph: Graph) -> Graph:
    """A graph where what is used by itself of a layer's tensors, such as its bias, is that tensor.

    Its numbers are none of a constant's.
    """
    parts = [n for n in graph.nodes if isinstance(n.op, Constant) and n.origin and n.origin.tensor]
    if not parts:
        return graph
    owners = _owners(graph)
    made = {}
    for node in parts:
        assert node.origin is not None
        owner, trained = owners.get(node.origin.name, ("", False))
        if owner:
            assert isinstance(node.op, Constant)
            op = Parameter(shape=node.op.shape, trained=trained)
            made[node.name] = Node(
                node.name,
                Applied.to(op, *node.input_shapes),
                node.inputs,
                owner,
                origin=node.origin,
            )
    nodes = tuple(made.get(node.name, node) for node in graph.nodes)
    return replace(graph, nodes=nodes) if made else graph


def _owners(graph: Graph) -> Mapping[str, tuple[str, bool]]:
    """The way to each tensor of a layer -> the layer, and whether it is a parameter."""
    found: dict[str, tuple[str, bool]] = {}
    for node in graph.nodes:
        home = (node.origin.name if node.origin is not None else "") or node.name
        for name in node.applied.cost.weights:
            found.setdefault(f"{home}.{name}", (node.name, True))
        for name in node.applied.cost.buffers:
            found.setdefault(f"{home}.{name}", (node.name, False))
    return found


def _split(graph: Graph) -> Graph:
    """A graph where what is called with tensors that are none of a module like ours has them apart.

    So ``F.linear(x, self.w1)`` is a parameter and a call of it.
    """
    if not any(node.origin and node.origin.tensors for node in graph.nodes):
        return graph
    stored: dict[str, str] = {}
    """The way to a tensor -> the layer that it is."""
    owners: dict[str, str] = {}
    """The way to a tensor -> the layer that has it."""
    nodes: list[Node] = []
    called = {path for node in graph.nodes if node.origin for path, *_ in node.origin.tensors}
    idle = {
        node.name
        for node in graph.nodes
        if node.idle and node.origin and node.origin.tensor is not None
        if node.origin.name in called
    }
    """Tensors that no layer of ours takes: the call of another's does."""
    taken = {*graph.inputs, *(node.name for node in graph.nodes)} - idle
    for node in graph.nodes:
        origin = node.origin
        if node.name in idle:
            continue
        if origin is not None and origin.tensor is not None:
            stored.setdefault(origin.name, node.name)
        if origin is None or not origin.tensors:
            nodes.append(node)
            home = "" if origin is None else origin.name
            for name in (*node.applied.cost.weights, *node.applied.cost.buffers):
                owners.setdefault(f"{home or node.name}.{name}", node.name)
            continue
        apart = []
        known = []
        for path, trained, tensor in origin.tensors:
            known.append(stored.get(path, path))
            if path in stored:
                continue
            name = path
            while name in taken:
                name += "_"
            taken.add(name)
            stored[path] = known[-1] = name
            op = Parameter(shape=_sample(tensor.shape), trained=trained)
            applied = Applied.to(op, node.input_shapes[0])
            own = Origin(origin.module, origin.leaf, name=path, tensor=tensor)
            apart.append(Node(name, applied, node.inputs[:1], owners.get(path), origin=own))
        work = node.applied.cost.work.macs // node.shape[0]
        said = DeclaredOperator(name=node.name, shape=node.shape[1:], params=0, macs=work)
        batch = node.shape[:1]
        tensors = [(*batch, *_sample(tensor.shape)) for _, _, tensor in origin.tensors]
        shapes = *node.input_shapes, *tensors
        inputs = *node.inputs, *known
        nodes += apart
        nodes.append(
            Node(node.name, Applied.to(said, *shapes), inputs, origin=origin._replace(name=""))
        )
    split = {node.name for node in nodes if node.origin and node.origin.tensors}
    nodes = [_shared(node, stored) if node.share in split else node for node in nodes]
    # A tensor that nothing took was given besides.
    held = {known for node in nodes if node.spelled is not None for known in node.inputs}
    held &= set(stored.values())
    outputs = tuple(name for name in graph.outputs if name not in held)
    made = replace(graph, nodes=tuple(nodes), outputs=outputs)
    # A layer has no others within it: the call stands beside what it takes.
    around = set(_around(taken))
    names = {name: name for name in taken}
    for node in nodes:
        if node.name in around and node.origin is not None and node.origin.call is not None:
            name = f"{node.name}.{node.origin.call.target.rpartition('.')[2]}"
            while name in taken:
                name += "_"
            names[node.name] = name
    return made.renamed(names)


def _shared(node: Node, stored: Mapping[str, str]) -> Node:
    """A layer that uses a tensor of one that has none by itself now."""
    home = node.name if node.origin is None else node.origin.name or node.name
    ways = (f"{home}.{name}" for name in node.applied.cost.weights)
    return node._replace(share=next((stored[way] for way in ways if way in stored), None))


def _sample(shape: Sequence[int]) -> Sequence[int]:
    """The extents of a tensor behind the batch."""
    return shape[1:] if is_batched(shape) else shape or (1,)


def _owned(graph: Graph) -> Graph:
    """A graph where a module's tensor is its own, though something else took it before."""
    nodes = {node.name: node for node in graph.nodes}
    owners: dict[str, str] = {}
    for node in graph.nodes:
        first = None if node.share is None else nodes[node.share]
        if first is None or first.origin is None or first.origin.tensor is None:
            continue
        if node.origin is None or node.origin.tensor is not None or node.origin.again:
            continue
        if first.origin.name.rpartition(".")[0] == node.origin.name != "":
            owners.setdefault(first.name, node.name)
    if not owners:
        return graph
    shares = {name: owners.get(node.share or name) for name, node in nodes.items()}
    return replace(
        graph,
        nodes=tuple(
            node._replace(share=None if shares[node.name] == node.name else shares[node.name])
            if shares[node.name] is not None
            else node
            for node in graph.nodes
        ),
    )


def _said(node: Node) -> str:
    """What its author calls a layer that has tensors of its own, if that is known."""
    cost = node.applied.cost
    own = node.share is None and (cost.weights or cost.buffers)
    return node.origin.name if own and node.origin is not None else ""


def _is_alias(node: Node) -> bool:
    """Whether a layer of another's tensors has keys of its own, and another name now."""
    own = node.origin is not None and node.origin.way and not node.origin.again
    return bool(own and node.share is not None and node.applied.cost.weights)


def _around(names: Iterable[str]) -> Iterable[str]:
    """What layers of these names stand in."""
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[:k]) for k in range(1, len(parts)))
