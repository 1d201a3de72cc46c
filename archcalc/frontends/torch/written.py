"""Writes into views said as what they make of the tensor that is looked at.

``x[:, 0] = y`` is captured as a view of ``x`` that is written into, and nothing that comes after it
takes what was written. Here a write gives the whole tensor anew, and what is looked at later is
looked at in that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import fx

from archcalc.frontends.torch.captured import GETITEM, shape_of

ATEN = torch.ops.aten


def settle(graph: fx.Graph) -> None:
    """Rewrite a graph in which views are written into; leave any other as it is."""
    if any(_writes(node) and _viewed(node.args[0]) is not None for node in graph.nodes):
        _Settling(graph).run()


class _Settling:
    """What every tensor is now, while a graph is gone through."""

    def __init__(self, graph: fx.Graph) -> None:
        self.graph = graph
        self.now: dict[fx.Node, fx.Node] = {}
        """A tensor that is no view -> what it is since it was written into."""
        self.seen: dict[tuple[fx.Node, int], fx.Node] = {}
        """A view, and how often what it looks at was written into -> what is seen then."""
        self.times: dict[fx.Node, int] = {}
        self.same: dict[fx.Node, fx.Node] = {}
        """What a write gives -> what was written into, of which it is another name."""
        self.at: fx.Node
        """The node that is gone through: views are looked through again before it."""
        self.last: fx.Node | None = None
        """While a write is taken in, the call that what follows from it comes after."""

    def run(self) -> None:
        """Go through the graph."""
        nodes = list(self.graph.nodes)
        for node in nodes:
            if _viewed(node) is not None or node.op not in ("call_function", "output"):
                continue
            self.at = node
            target = node.args[0]
            node.args = fx.map_arg(node.args, self.latest)
            node.kwargs = fx.map_arg(node.kwargs, self.latest)
            if _writes(node):
                assert isinstance(target, fx.Node)
                self.write(self.named(target), node)
                self.same[node] = target
        for node in reversed(nodes):
            if not node.users and (_viewed(node) is not None or isinstance(shape_of(node), list)):
                self.graph.erase_node(node)

    def write(self, target: fx.Node, made: fx.Node) -> None:
        """Take in that a tensor is another one from here on."""
        root = self.root(target)
        self.last = made
        chain = [(target, made)]
        while (base := self.viewed(target)) is not None:
            made = self.whole(target, self.latest(base), made)
            chain.append((base, made))
            target = base
        self.last = None
        number = self.times[root] = self.times.get(root, 0) + 1
        for node, value in chain:
            self.seen[node, number] = value
        self.now[root] = made

    def named(self, node: fx.Node) -> fx.Node:
        """A tensor by its first name."""
        while node in self.same:
            node = self.same[node]
        return node

    def viewed(self, node: fx.Node) -> fx.Node | None:
        """What a view looks at, by its first name; None for a tensor that is no view."""
        base = _viewed(node)
        return None if base is None else self.named(base)

    def root(self, node: fx.Node) -> fx.Node:
        """The tensor that a view looks at in the end."""
        while (base := self.viewed(node)) is not None:
            node = base
        return node

    def latest(self, node: fx.Node) -> fx.Node:
        """What a tensor is now; a view is looked through once more."""
        node = self.named(node)
        root = self.root(node)
        number = self.times.get(root, 0)
        base = self.viewed(node)
        if number == 0 or base is None:
            return self.now.get(root, node)
        if (node, number) not in self.seen:
            through = node if node.target is not GETITEM else node.args[0]
            assert isinstance(through, fx.Node)
            given = (self.latest(base), *through.args[1:])
            again = self.call(through.target, given, through, through)
            again.kwargs = through.kwargs
            if through is not node:
                again = self.call(GETITEM, (again, node.args[1]), node, node)
            self.seen[node, number] = again
        return self.seen[node, number]

    def whole(self, view: fx.Node, base: fx.Node, made: fx.Node) -> fx.Node:
        """A tensor of which what a view sees is something else."""
        through = view if view.target is not GETITEM else view.args[0]
        assert isinstance(through, fx.Node)
        name, rest, shape = _name(through), through.args[1:], shape_of(base)
        if view is not through:
            index = view.args[1]
            assert isinstance(index, int)
            dim = dict(enumerate(rest)).get(0 if name == "unbind" else 1, 0)
            dim = through.kwargs.get("dim", dim)
            if name == "unbind":
                return self.call(ATEN.select_scatter.default, (base, made, dim, index), base)
            extents = [each[dim] for each in shape_of(through)]
            start, end = sum(extents[:index]), sum(extents[: index + 1])
            return self.call(ATEN.slice_scatter.default, (base, made, dim, start, end), base)
        if name == "select":
            return self.call(ATEN.select_scatter.default, (base, made, *rest), base)
        if name == "slice":
            return self.call(ATEN.slice_scatter.default, (base, made, *rest), base)
        if name in ("transpose", "t"):
            return self.call(through.target, (made, *rest), base)
        if name == "permute":
            dims = cast("Sequence[int]", rest[0])
            order = sorted(range(len(dims)), key=lambda k: dims[k] % len(dims))
            return self.call(ATEN.permute.default, (made, order), base)
        if name in ("view_as_real", "view_as_complex"):
            back = ATEN.view_as_complex if name == "view_as_real" else ATEN.view_as_real
            return self.call(back.default, (made,), base)
        if name in ("real", "imag"):
            other = ATEN.imag if name == "real" else ATEN.real
            beside = self.call(other.default, (base,), made)
            parts = (made, beside) if name == "real" else (beside, made)
            return self.call(ATEN.complex.default, parts, base)
        if name in ("diagonal", "as_strided"):
            scatter = ATEN.diagonal_scatter if name == "diagonal" else ATEN.as_strided_scatter
            return self.call(scatter.default, (base, made, *rest), base)
        if shape_of(made) == shape:
            return made
        sizes = shape_of(made)
        if torch.Size(sizes).numel() == torch.Size(shape).numel():
            return self.call(ATEN.reshape.default, (made, list(shape)), base)
        return self.call(ATEN.as_strided_scatter.default, (base, made), base)

    def call(
        self, target: Any, args: tuple[Any, ...], like: fx.Node, where: fx.Node | None = None
    ) -> fx.Node:
        """Add a call that gives a tensor of another's shape, and stands where one does."""
        if self.last is not None:
            with self.graph.inserting_after(self.last):
                node = self.last = self.graph.call_function(target, args)
        else:
            with self.graph.inserting_before(self.at):
                node = self.graph.call_function(target, args)
        node.meta = {**(where or self.at).meta, "val": like.meta["val"]}
        return node


def _name(node: fx.Node) -> str:
    return str(node.target).removeprefix("aten.").split(".")[0]


def _schema(node: fx.Node) -> Any:
    return getattr(node.target, "_schema", None) if node.op == "call_function" else None


def _writes(node: fx.Node) -> bool:
    """Whether a call writes into its first argument."""
    schema = _schema(node)
    if schema is None or not schema.arguments or not node.args:
        return False
    alias = schema.arguments[0].alias_info
    return alias is not None and alias.is_write and isinstance(node.args[0], fx.Node)


def _viewed(node: Any) -> fx.Node | None:
    """What a view looks at; None for a tensor that is none."""
    if not isinstance(node, fx.Node):
        return None
    if node.op == "call_function" and node.target is GETITEM:
        through = node.args[0]
        listed = isinstance(through, fx.Node) and isinstance(shape_of(through), list)
        return _viewed(through) if listed else None
    schema = _schema(node)
    if schema is None or _writes(node) or len(schema.returns) != 1:
        return None
    looked = schema.returns[0].alias_info is not None and bool(node.args)
    return node.args[0] if looked and isinstance(node.args[0], fx.Node) else None
