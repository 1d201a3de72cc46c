"""Whether what a module does is the same on all numbers, as far as a few calls can tell.

Where a module looks at numbers in a tensor, how much there is to do may depend on them: boxes that
are kept, elements under a mask, turns of a loop. A mixture's experts take different rows each time,
and all rows together are as many as before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map

from archcalc.frontends.torch.captured import Capture, outputs_of
from archcalc.frontends.torch.most import LIBRARY

_CALLS = 4
"""How often a module is run, and in how many seconds it is not run again after two calls."""
_SECONDS = 10.0

_PICKING = ("nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive")
"""Operators that give as many elements as their numbers say."""

_FUSED = ("attention", "lstm", "gru", "rnn")
"""What the names of operators have that PyTorch's counter has no formula for."""


def is_steady(module: nn.Module, args: Any, kwargs: Mapping[str, Any]) -> bool:
    """Whether several calls on random numbers take the same work; False where it can't be run.

    It is not, either, where all that was picked by numbers was nothing: then there is no telling
    what would be done with it.
    """
    works = []
    start = time.perf_counter()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for seed in range(_CALLS):
            torch.manual_seed(seed)
            mode = _Work()
            tried = tree_map(_random if seed else _zeros, (args, kwargs))
            try:
                _call(module, mode, *tried)
            except Exception:  # whatever a stranger's code raises
                mode = _Work()
                whole = tree_map(_zeros_of_whole, tried)  # ids have an end that isn't known
                try:
                    _call(module, mode, *whole)
                except Exception:
                    return False
            works.append(mode)
            if mode.work != works[0].work:
                return False
            if seed and time.perf_counter() - start > _SECONDS:
                break
    return not any(mode.picks for mode in works) or any(mode.picked for mode in works)


def _call(module: nn.Module, mode: _Work, args: Any, kwargs: Mapping[str, Any]) -> None:
    with mode:
        module(*args, **kwargs)


class _Work(TorchDispatchMode):
    """Counts what a call takes, and what it picks by numbers."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch's
        self.work = 0
        self.picks = False
        """Whether something was picked."""
        self.picked = False
        """Whether that was ever anything."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the operator."""
        from torch.utils.flop_counter import flop_registry

        kwargs = dict(kwargs or {})
        out = func(*args, **kwargs)
        packet = getattr(func, "overloadpacket", func)
        name = str(packet).rpartition(".")[2]
        formula: Callable[..., int] | None = flop_registry.get(packet)
        if formula is not None:
            self.work += formula(*args, **kwargs, out_val=out)
        elif any(part in name for part in _FUSED):
            self.work += sum(t.numel() for t in tree_iter((args, kwargs)) if isinstance(t, Tensor))
        masked = name == "index" and any(
            isinstance(t, Tensor) and t.dtype == torch.bool for t in args[1]
        )
        if name in _PICKING or masked:
            self.picks = True
            self.picked |= any(t.numel() > 0 for t in tree_iter(out) if isinstance(t, Tensor))
        return out


def _random(value: Any) -> Any:
    """A tensor of other numbers; of whole ones 0 and 1, which most tables have."""
    if not isinstance(value, Tensor):
        return value
    if value.is_floating_point() or value.is_complex():
        return torch.randn_like(value)
    return torch.randint(2, value.shape, device=value.device).to(value.dtype)


def _zeros(value: Any) -> Any:
    return torch.zeros_like(value) if isinstance(value, Tensor) else value


def _zeros_of_whole(value: Any) -> Any:
    whole = isinstance(value, Tensor) and not (value.is_floating_point() or value.is_complex())
    return torch.zeros_like(value) if whole else value


# What is said of one that is not -----------------------------------------------------------------

LIBRARY.define("other_numbers(Tensor x) -> Tensor")


def not_all(found: Capture) -> Capture:
    """The same capture; what other numbers would lead to is a call of which nothing is known."""
    graph = found.graph
    (last,) = [node for node in graph.nodes if node.op == "output"]
    calls = [node for node in graph.nodes if node.op == "call_function"]
    tensors = [n for n in (*outputs_of(graph), *reversed(calls)) if _is_some(n.meta.get("val"))]
    if not tensors:
        return found
    node = tensors[0]
    with graph.inserting_before(last):
        made = graph.call_function(torch.ops.archcalc.other_numbers.default, (node,))
    made.meta = {"val": node.meta["val"]}
    said = torch.fx.node.map_arg(last.args, lambda each: made if each is node else each)
    last.args = said if made.users or node in outputs_of(graph) else (*said, made)
    if made not in outputs_of(graph):
        last.args = ([*outputs_of(graph), made],)
    how = f"{found.how}; with other numbers it may do more"
    return replace(found, outputs=outputs_of(graph), how=how)


def _is_some(value: Any) -> bool:
    return isinstance(value, Tensor) and 0 not in value.shape
