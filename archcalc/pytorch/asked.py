"""What a run is asked: of which network, in which dtype, drawn from what."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from archcalc.errors import unknown
from archcalc.frontends.network import NetworkLike, one_of, to_spec
from archcalc.pytorch.build import DTYPES
from archcalc.spec.expand import settled
from archcalc.spec.graph import Graph, Node
from archcalc.spec.question import Question

if TYPE_CHECKING:
    import torch

PRECISIONS = (*DTYPES, "tf32")
"""The dtypes of a run; ``tf32`` is float32 whose products a GPU rounds to TensorFloat-32."""

SEED = 0
"""What weights and inputs are drawn from."""


def stored_as(dtype: str) -> torch.dtype:
    """PyTorch's dtype of the numbers of a run."""
    import torch

    return torch.float32 if dtype == "tf32" else getattr(torch, dtype)


def require_known(what: str, word: str, known: Sequence[str]) -> None:
    """Raise :class:`ArchcalcError` for a word that is none of the known ones."""
    if word not in known:
        raise unknown(what, word, known)


def graphs(network: NetworkLike, question: Question) -> tuple[Graph, Graph]:
    """The network for the batch, and for one that batch normalization can be trained on."""
    found = one_of(network)
    if isinstance(found, Graph) and any(map(_is_single, found.nodes)):
        found = to_spec(found, allow_unknown=True)
    graph = settled(found, question)
    if isinstance(found, Graph) or question.batch > 1:
        return graph, graph
    if any(map(_is_whole, graph.nodes)) and not any(map(_is_single, graph.nodes)):
        return graph, graph
    return graph, settled(found, question._replace(batch=2))


def _is_single(node: Node) -> bool:
    """Whether it is a batch normalization of one value a channel, which can't be trained."""
    return "running_mean" in node.applied.cost.buffers and prod(node.shape) == node.shape[1]


def _is_whole(node: Node) -> bool:
    """Whether it is a call of tensors that have no batch, as nodes and edges have none."""
    call = node.spelled
    if call is None or call.alone:
        return False
    pairs = [(each.shape, node.input_shapes[each.number]) for each in call.taken]
    return any(
        len(own) != len(ours) or own[1:] != ours[1:]
        for own, ours in [*pairs, (call.shape, node.shape)]
    )
