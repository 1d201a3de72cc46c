"""``build``: a spec or graph as a PyTorch network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.frontends.network import NetworkLike, graph_of
from archcalc.pytorch.perform import require_torch
from archcalc.spec.graph import Graph
from archcalc.spec.question import Input, Question, with_options

if TYPE_CHECKING:
    import torch

    from archcalc.pytorch.network import Network

DTYPES = ("float64", "float32", "bfloat16", "float16")
"""The dtypes a network can be built in, by PyTorch's names."""


@with_options
def build(
    network: NetworkLike,
    *,
    input: Input = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None,
    returns: Literal["tuple", "dict"] = "tuple",
    **variables: Any,
) -> Network:
    """A ``torch.nn.Module`` of the network, trainable, with new weights as PyTorch draws them.

    It has a submodule for every layer, named as the layer is, so that ``state_dict`` has keys such
    as ``layer1.0.conv1.weight``; what can't be an attribute of a module ends in ``_`` (``class_``,
    ``type_``), and ``-`` is ``_``. Tied tensors are one tensor. ``forward`` takes the network's
    inputs, batch first, any batch, and returns the output, or several as a tuple (or a dict by
    name, with ``returns="dict"``); in training mode the training outputs follow. On the ``meta``
    device it has shapes and no numbers. ``dtype`` is PyTorch's or its name: ``"bfloat16"``.

    A spec is expanded first, with ``input`` and ``variables`` as in :func:`archcalc.expand`, which
    raises :class:`SpecError`; with a graph they raise ``TypeError``. Raises :class:`ArchcalcError`
    when PyTorch is not installed, or has no such dtype.

    ::

        >>> import archcalc
        >>> network = archcalc.build("resnet18", device="meta")
        >>> sum(tensor.numel() for tensor in network.parameters())
        11689512
    """
    require_torch()
    from archcalc.pytorch.network import Network

    graph = graph_of(network, Question(input, variables=variables))
    return Network(graph, device=device, dtype=dtype_of(dtype), returns=returns)


def dtype_of(dtype: torch.dtype | str | None) -> torch.dtype | None:
    """PyTorch's dtype of a name; raises :class:`ArchcalcError` for a name that is none."""
    if not isinstance(dtype, str):
        return dtype
    import torch

    if dtype not in DTYPES:
        hint = did_you_mean(dtype, DTYPES) or f"known: {', '.join(DTYPES)}"
        raise ArchcalcError(f"no dtype '{dtype}': {hint}")
    found: torch.dtype = getattr(torch, dtype)
    return found


def new_weights(graph: Graph, dtype: str, seed: int) -> bytes:
    """The ``state_dict`` of a network with weights drawn from ``seed``, as ``torch.save`` has it.

    Raises :class:`ArchcalcError` when PyTorch is not installed, or has no such dtype.
    """
    require_torch()
    from io import BytesIO

    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(graph, device="cpu", dtype=dtype)
    file = BytesIO()
    torch.save(network.state_dict(), file)
    return file.getvalue()
