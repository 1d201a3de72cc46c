"""Graph -> Analysis: what every layer stores and computes, and the totals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from archcalc.analysis.counted import Analysis, Row
from archcalc.analysis.recall import recall
from archcalc.dims import Shape, Size
from archcalc.errors import ArchcalcError, SpecError
from archcalc.frontends.network import NetworkLike, one_of
from archcalc.operators.base import KINDS, Applied, Work, elements
from archcalc.spec.expand import settled
from archcalc.spec.graph import Graph, Node
from archcalc.spec.memory import Piece
from archcalc.spec.model import Spec
from archcalc.spec.outline import outline
from archcalc.spec.quantized import with_rules
from archcalc.spec.question import AS_IT_IS, Input, Question, with_options
from archcalc.values import rows_of

if TYPE_CHECKING:
    from archcalc.analysis.backward import Backward


NOTHING = Work()


@with_options
def analyze(
    network: NetworkLike,
    *,
    input: Input = None,
    batch: Size = 1,
    training: bool = False,
    allow_unknown: bool = False,
    **variables: Any,
) -> Analysis:
    """Every layer's tensors and arithmetic, at inference unless ``training``.

    A spec is expanded first, with ``input``, ``batch`` and ``variables`` as in
    :func:`archcalc.expand`, which raises :class:`SpecError`; with a graph they raise ``TypeError``,
    since its shapes are settled. With ``allow_unknown`` layers of unknown operators are not counted
    and the analysis is ``partial``; without, they raise :class:`ArchcalcError`. Raises
    :class:`SpecError` for training on an input that the network can't be trained on.

    ::

        >>> import archcalc
        >>> archcalc.analyze("resnet18", input=224, batch=2).params
        11689512
    """
    return answer(network, Question(input, batch, variables, training, allow_unknown))


def answer(network: NetworkLike, question: Question = AS_IT_IS) -> Analysis:
    """The analysis that is asked for: :func:`analyze`.

    Of what is one already, itself, where nothing else is to be counted.
    """
    rules = question.formats.rules
    if isinstance(network, Analysis):
        question.require_settled()
        if not question.fold_bn and question.training <= network.training:
            return replace(network, graph=with_rules(network.graph, rules)) if rules else network
        question = question._replace(allow_unknown=network.partial)
    network = with_rules(one_of(network, question.allow_unknown), rules)
    if question.fold_bn:
        from archcalc.spec.fold import fold_batch_norm

        return _count(fold_batch_norm(settled(network, question)), question)
    if isinstance(network, Spec) and not network.bits:
        question = question.of(network)
        question.require_known(network)
        found = recall(network, _engine, Analysis, question)
        if found is None and not question.allow_unknown:
            found = _outlined(network, question)
        if found is not None:
            return found
    return _engine(network, question)


def totals(spec: Spec, *, input: Input = None) -> Analysis:
    """:func:`analyze` for one who will ask for totals: layers are made if they are asked for, so
    that those of a network of thousands of equal blocks are not.
    """
    question = Question(input).of(spec)
    question.require_known(spec)
    found = None if spec.bits else _outlined(spec, question, making=True)
    return found or answer(spec, question)


def backward(network: NetworkLike, *, input_grad: bool = False) -> Backward:
    """What it costs to compute the gradients of all parameters, from those of all outputs.

    The gradient of a tensor is computed where a parameter that is trained, or with ``input_grad``
    an input of the network, is upstream of it: not that of the first layer's input, nor of anything
    else that only data and frozen layers lead to, nor of what leads to no output, as in PyTorch.
    Nothing is computed a second time, as checkpointing and the fused attention of GPUs do.

    Of a linear layer of 100 x 10 weights alone, one product for its weights' gradient::

        >>> import archcalc
        >>> spec = {
        ...     "name": "one",
        ...     "input": [100],
        ...     "layers": {"fc": {"op": "Linear", "out_features": 10}},
        ... }
        >>> archcalc.backward(spec).macs
        1000
    """
    from archcalc.analysis.backward import gradients

    return gradients(answer(network), input_grad)


def _engine(network: Spec | Graph, question: Question) -> Analysis:
    return _count(settled(network, question), question)


def _outlined(spec: Spec, question: Question, *, making: bool = False) -> Analysis | None:
    """The totals as sums over pieces, None where some are not known and not to be made either."""
    found = outline(spec, question, making=making)
    if found is None or not found.pieces:  # a network of no layer at all is the engine's to say
        return None

    def later() -> tuple[Graph, tuple[Row, ...]]:
        found = _engine(spec, question)
        return found.graph, found.rows

    added = [sum(column) for column in zip(*map(sums, found.pieces), strict=True)]
    params, buffers, connections, activations, *work, executed = added
    borrowed: dict[tuple[str, str], Size] = {}
    for tie in found.ties:
        weights, stored = (
            {name: elements(shape) for name, shape in tensors.items() if name in tie.tensors}
            for tensors in (tie.applied.cost.weights, tie.applied.cost.buffers)
        )
        borrowed |= {(tie.owner, name): size for name, size in weights.items()}
        params, executed = params - sum(weights.values()), executed - sum(weights.values())
        buffers -= sum(stored.values())
    analysis = object.__new__(Analysis)
    object.__setattr__(
        analysis,
        "__dict__",
        {
            "params": params,
            "trainable": params,
            "executed_params": executed,
            "shared_params": sum(borrowed.values()),
            "buffers": buffers,
            "connections": connections,
            "activations": activations,
            "work": Work(*work),
            "macs": work[0],
            "not_counted": (),
            "training": question.training,
            "variables": found.variables,
            "_pieces": found.pieces,
            "_later": later,
        },
    )
    return analysis


def sums(piece: Piece) -> tuple[Size, ...]:
    """What a piece adds to the totals."""
    found: tuple[Size, ...] | None = piece.kept.get("sums")
    if found is None:
        times: dict[tuple[int, bool], int] = {}
        for k, applied in enumerate(piece.applied):
            key = id(applied), piece.executed is None or k in piece.executed
            times[key] = times.get(key, 0) + 1
        known = {id(applied): applied for applied in piece.applied}
        columns = [
            [number * copies for number in _added(known[key], runs)]
            for (key, runs), copies in times.items()
        ]
        added = tuple(map(sum, zip(*columns, strict=True)))
        found = piece.kept["sums"] = added or EMPTY
    return found


EMPTY = (0,) * (4 + len(KINDS) + 2)
"""What a piece adds from which all layers are left out: a block that is its input."""


def _added(applied: Applied, executed: bool) -> tuple[Size, ...]:
    """What a layer adds to them."""
    cost = applied.cost
    work = cost.work if executed else NOTHING
    node = Node("", applied, ())
    row = Row(node, cost.weights, cost.buffers, cost.params, 0, cost.stored, work, executed)
    return (
        *(row.params, row.buffers, row.connections, elements(row.shape) if executed else 0),
        *[getattr(work, kind) for kind in (*KINDS, "dots")],
        row.params if executed else 0,
    )


def _count(graph: Graph, question: Question) -> Analysis:
    """What the nodes cost, column by column."""
    training = question.training
    if training and graph.untrainable:
        raise SpecError(graph.untrainable)
    outputs = (*graph.outputs, *graph.training_outputs) if training else graph.outputs
    everything = not (
        graph.training_outputs or any(node.spare or node.idle for node in graph.nodes)
    )
    running = frozenset() if everything else graph.leading_to(*outputs)
    nodes = graph.nodes
    costs = [node.applied.cost for node in nodes]
    counted = [node.applied.op.counted for node in nodes]
    if not (question.allow_unknown or all(counted)):
        first = nodes[counted.index(False)]
        name = getattr(first.op, "name", "")
        raise ArchcalcError(
            f"'{first.name}' is of an unknown operator, '{name}', so that no total can be said\n"
            "  'archcalc table --allow-unknown' counts all but such layers, in Python "
            "allow_unknown=True; a spec says it with operators that 'archcalc ops' lists"
        )
    executed = [everything or node.name in running for node in nodes]
    params, stored = [cost.params for cost in costs], [cost.stored for cost in costs]
    shared: list[Size] = [0] * len(nodes)
    borrowing = [k for k, node in enumerate(nodes) if node.share is not None]
    owners = {node.name: costs[k] for k, node in enumerate(nodes)} if borrowing else {}
    for k in borrowing:
        owner = owners[nodes[k].share or ""]
        params[k] = _own(costs[k].weights, owner.weights)
        shared[k] = costs[k].params - params[k]
        stored[k] = _own(costs[k].buffers, owner.buffers)
    rows = rows_of(
        Row,
        nodes,
        [cost.weights for cost in costs],
        [cost.buffers for cost in costs],
        params,
        shared,
        stored,
        [cost.work if runs else NOTHING for cost, runs in zip(costs, executed, strict=True)],
        executed,
        counted,
    )
    return Analysis(graph, tuple(rows), training)


def _own(tensors: Mapping[str, Shape], owned: Mapping[str, Shape]) -> Size:
    """Elements of the tensors that are not another layer's."""
    return sum(elements(shape) for name, shape in tensors.items() if name not in owned)
