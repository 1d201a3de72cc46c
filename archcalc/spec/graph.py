"""A network with nothing left to resolve: operators in order, with their shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from archcalc.dims import Shape
from archcalc.document.shown import drawing, shown
from archcalc.errors import Problem
from archcalc.operators.base import Applied, Operator
from archcalc.operators.parameter import Constant, Parameter
from archcalc.spec.bits import Rule


class OwnTensor(NamedTuple):
    """A parameter or a buffer that stands in a module by itself, as its author has it."""

    shape: tuple[int, ...]
    """Often with an axis of 1 in the batch's place."""
    saved: bool = True
    """Whether ``state_dict`` has it, as it has all but some buffers."""
    dtype: str = ""
    """``int64``; ``""`` for numbers that are floating-point as all others."""
    numbers: AuthorCall | None = None
    """What makes one that is not saved; None where that isn't known."""


class Taken(NamedTuple):
    """One of the tensors that a layer takes, where a :class:`AuthorCall` has it."""

    number: int
    shape: tuple[int, ...]
    """As its author has it."""


class Word(str):
    """A name of Python among arguments: ``torch.int64``."""


class AuthorCall(NamedTuple):
    """A call as an author's code makes it, for what can be run and written and not be counted."""

    target: str
    """``torch.triu``, ``F.pad``, ``Tensor.view_as``; ``operator.getitem`` for ``x[...]``."""
    args: tuple[Any, ...]
    """Numbers, text, :class:`Word`, :class:`Taken`, other calls, and tuples of these."""
    kwargs: tuple[tuple[str, Any], ...]
    shape: tuple[int, ...]
    """Of what it gives."""

    @property
    def alone(self) -> bool:
        """Whether it rests on nothing that is computed."""
        return not self.taken

    @property
    def taken(self) -> tuple[Taken, ...]:
        """The tensors that it has, at each place where it has one."""
        parts = _parts(self.args + self.kwargs)
        return tuple(part for part in parts if isinstance(part, Taken))

    @property
    def place(self) -> tuple[Any, ...]:
        """What stands in the brackets of one that picks elements: ``operator.slice``."""
        name, rest = self.target.rpartition(".")[2], self.args[1:]
        if name == "getitem":
            return rest
        if name == "index":
            return tuple(slice(None) if each is None else each for each in rest[0])
        dim, *ends = rest
        at = ends[0] if name == "select" else slice(*(ends + [None] * 3)[:3])
        if dim < 0:
            return (..., at, *(slice(None),) * (-1 - dim))
        return (*(slice(None),) * dim, at)


def _parts(value: Any) -> Iterator[Any]:
    """A value and all that is in it."""
    yield value
    if isinstance(value, tuple):
        for each in value:
            yield from _parts(each)


class Origin(NamedTuple):
    """How the author of a network that was captured calls for a layer.

    Counters that look at modules, or at functions, see the one and not the other.
    """

    module: str
    """The class in whose ``forward`` it stands: ``torch.nn.modules.conv.Conv2d``."""
    leaf: bool
    """Whether that module has no others within it."""
    function: str = ""
    """``F.relu``, ``torch.matmul``, ``Tensor.add``, ``operator.add``; ``""`` if it isn't known."""
    name: str = ""
    """The way to it in the author's module; ``""`` if that is the layer's own name."""
    again: bool = False
    """Whether a module does it that is called again, and that did it before."""
    tensor: OwnTensor | None = None
    """What it is, if it is a tensor by itself."""
    call: AuthorCall | None = None
    """What is called, where archcalc has no operator that computes the same, or where its tensors
    are called otherwise: it takes what the layer takes, and these."""
    tensors: tuple[tuple[str, bool, OwnTensor], ...] = ()
    """What the call takes of the module: the way to each, and whether it is a parameter."""
    gives: tuple[int, ...] | None = None
    """What an output of the network is in its author's code, if that has other axes than ours."""
    axis: int = 0
    """Which axis of that output is the batch; -1 for the first, which one sample alone lacks."""
    dropped: bool = False
    """Whether nothing takes what it gives, nor is it returned: it is an output for its work."""
    unsaid: bool = False
    """Whether its author calls what gives other numbers, and nothing says how."""
    way: str = ""
    """What the layer was called when it was captured; ``""`` if that is its own name."""

    def called(self, name: str) -> Origin:
        """The same, of a layer that gets another name than this one."""
        return self._replace(name=self.name or name, way=self.way or name)


@shown
class Node(NamedTuple):
    """One operator in its place.

    ::

        >>> import archcalc
        >>> node = archcalc.expand("resnet18").nodes[0]
        >>> node.name, node.inputs, node.shape
        ('conv1', ('input',), (1, 64, 112, 112))
    """

    name: str
    """The way to it: ``layer1.0.conv1``, as PyTorch names submodules."""
    applied: Applied
    """The operator with the shapes of what it is used on."""
    inputs: tuple[str, ...]
    """The nodes, or the network's inputs, whose outputs it takes."""
    share: str | None = None
    """The earlier node whose tensors it uses, if any."""
    spare: bool = False
    """Whether it is of an expert that an input does not take: it is owned and does not work."""
    frozen: bool = False
    """Whether its tensors are not trained; of shared ones their owner's counts."""
    origin: Origin | None = None
    """How an author wrote it, if that is known; else it is as :func:`archcalc.build` makes it."""

    @property
    def op(self) -> Operator:
        """The operator."""
        return self.applied.op

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """Its inputs' shapes, batch first."""
        return self.applied.input_shapes

    @property
    def shape(self) -> Shape:
        """The output's shape, batch first."""
        return self.applied.shape

    @property
    def spelled(self) -> AuthorCall | None:
        """What is called instead of its operator, if an author is known to call something else."""
        cost = self.applied.cost
        stores = cost.weights or cost.buffers
        return None if self.origin is None or stores else self.origin.call

    @property
    def idle(self) -> bool:
        """Whether it is a tensor that is stored and that nothing takes."""
        return isinstance(self.applied.op, Parameter) and not self.applied.op.used

    @property
    def stage(self) -> str:
        """The outermost block it stands in; ``""`` for a layer that stands in none."""
        stage, dot, _ = self.name.partition(".")
        return stage if dot else ""


@shown
@dataclass(frozen=True, slots=True)
class Graph:
    """A network expanded for one input shape, batch and set of variables.

    ::

        >>> import archcalc
        >>> graph = archcalc.expand("resnet18")
        >>> graph.inputs, graph.outputs
        ({'input': (1, 3, 224, 224)}, ('fc',))
    """

    name: str
    """The variant's name, or the family's where there is no variant."""
    family: str
    title: str
    edition: str
    inputs: Mapping[str, Shape]
    nodes: tuple[Node, ...]
    """In topological order."""
    outputs: tuple[str, ...]
    training_outputs: tuple[str, ...] = ()
    variables: Mapping[str, object] = field(default_factory=dict)
    variant: str | None = None
    year: int | None = None
    untrainable: tuple[Problem, ...] = ()
    """Why it can be used but not trained on inputs of this shape, if so."""

    bits: tuple[Rule, ...] = ()
    """What numbers are stored in, where it is not the dtype that is asked for."""

    modules: Mapping[str, str] = field(default_factory=dict)
    """Of a graph that was captured: the way to a module -> its class, ``torch.nn.Conv2d``."""

    aliases: Mapping[str, str] = field(default_factory=dict)
    """Of modules and parameters that have several ways to them: another way -> the first."""

    batched: bool = True
    """Whether whoever wrote it calls it on batches; else its inputs are one sample as a whole."""

    def _repr_svg_(self) -> str | None:
        return drawing(self)

    @property
    def freezes(self) -> bool:
        """Whether there are layers that are not trained."""
        return any(node.frozen for node in self.nodes)

    def renamed(self, names: Mapping[str, str]) -> Graph:
        """The same with other names for its layers, all of which are told."""
        names = {**{name: name for name in self.inputs}, **names}
        nodes = tuple(
            node._replace(
                name=names[node.name],
                inputs=tuple(names[source] for source in node.inputs),
                share=None if node.share is None else names[node.share],
            )
            for node in self.nodes
        )
        outputs = tuple(names[name] for name in self.outputs)
        others = tuple(names[name] for name in self.training_outputs)
        bits = tuple(rule.renamed(names) for rule in self.bits)
        return replace(self, nodes=nodes, outputs=outputs, training_outputs=others, bits=bits)

    def on(self, batch: int) -> Graph:
        """The same on a batch of another size. Raises :class:`ShapeError` where it takes none."""
        inputs = {name: (batch, *shape[1:]) for name, shape in self.inputs.items()}
        shapes = dict(inputs)
        nodes = []
        for node in self.nodes:
            applied = Applied.to(node.op, *(shapes[source] for source in node.inputs))
            shapes[node.name] = applied.shape
            nodes.append(node._replace(applied=applied))
        return replace(self, inputs=inputs, nodes=tuple(nodes))

    def sampled(self) -> frozenset[str]:
        """The inputs and layers that a sample is in; none where inputs are one as a whole."""
        found = set(self.inputs) if self.batched else set()
        for node in self.nodes:
            alone = isinstance(node.op, (Constant, Parameter))
            alone |= node.spelled is not None and node.spelled.alone
            if not alone and not found.isdisjoint(node.inputs):
                found.add(node.name)
        return frozenset(found)

    def leading_to(self, *names: str) -> frozenset[str]:
        """The nodes and inputs that the named nodes' outputs are computed from, themselves too."""
        wanted = set(names)
        for node in reversed(self.nodes):
            if node.name in wanted:
                wanted.update(node.inputs)
        return frozenset(wanted)
