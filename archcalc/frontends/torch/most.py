"""Sizes that depend on numbers, at their largest.

Every element of a mask is true, no box is left out, all elements are of one kind, and sequences are
as long as what they are padded to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

LIBRARY: Any = torch.library.Library("archcalc", "DEF")  # type: ignore[no-untyped-call]  # PyTorch's
"""Operators that stand in a capture for what depends on numbers."""
LIBRARY.define("nonzero(Tensor mask) -> Tensor")
LIBRARY.define("nms(Tensor boxes, Tensor scores) -> Tensor")


def _places(mask: Tensor) -> Tensor:
    return torch.zeros(mask.numel(), mask.dim(), dtype=torch.int64, device=mask.device)


def _order(boxes: Tensor, scores: Tensor) -> Tensor:
    return torch.zeros(boxes.shape[0], dtype=torch.int64, device=boxes.device)


for _name, _function in (("nonzero", _places), ("nms", _order)):
    LIBRARY.impl(_name, _function, "CompositeExplicitAutograd")
    torch.library.register_fake(f"archcalc::{_name}", _function)


_LOOKS = {"item": 1, "__int__": 1, "__index__": 1, "__float__": 1.0, "__bool__": False}
"""What is said to whoever looks at a number of a box, to draw what is in it: no layer follows."""


class AtMost(TorchFunctionMode):
    """Has what picks by numbers pick all that there is."""

    def __init__(self) -> None:
        super().__init__()
        self.boxes = False
        """Whether boxes were sorted out."""
        self.even: dict[int, tuple[Tensor, int]] = {}
        """Tensors all of whose elements are one number, by their identity."""
        self.rows: dict[int, int] = {}
        """Of those the ones that say how many sequences have a step, with how many all have."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function, or what stands for it."""
        named = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name == "nms" and "torchvision" in str(func):
            self.boxes = True
            return torch.ops.archcalc.nms(*args[:2])
        if name in ("nonzero", "argwhere"):
            places = torch.ops.archcalc.nonzero(named["input"] if "input" in named else args[0])
            return places.unbind(1) if named.get("as_tuple") else places
        if name == "where" and len(args) == 1 and not named:
            return torch.ops.archcalc.nonzero(args[0]).unbind(1)
        if name == "unique" and not args[2:] and named.get("dim") is None:
            return _one_kind(args[0], *(bool(named.get(f"return_{k}")) for k in _BESIDE))
        if name == "masked_select" and len(args) == 2:
            return torch.broadcast_to(*args).flatten()
        if name in ("__getitem__", "__setitem__"):
            args = (args[0], _index(args[1]), *args[2:])
        if name in _LOOKS and isinstance(args[0], Tensor):
            if id(args[0]) in self.even:
                return self.even[id(args[0])][1]
            if self.boxes:
                return _LOOKS[name]
        if name == "__getitem__" and id(args[0]) in self.rows and type(args[1]) is int:
            return self.rows[id(args[0])]
        if name == "_pack_padded_sequence":
            return self.packed(*args)
        if name == "_pad_packed_sequence":
            return self.padded(*args)
        if name in _RECURRENT and id(args[1]) in self.even:
            data, rows, *rest = args
            given = data.reshape(len(rows), -1, data.shape[-1])
            out, *states = func(given, *rest, batch_first=False)
            return out.flatten(0, 1), *states
        made = func(*args, **named)
        if isinstance(made, Tensor) and args and isinstance(args[0], Tensor):
            self.follow(name, args[0], made)
        return made

    def follow(self, name: str, x: Tensor, made: Tensor) -> None:
        """Take in that what is made of a mask, or of one number, is one number."""
        known = self.even[id(x)][1] if id(x) in self.even else 1 if x.dtype == torch.bool else None
        if known is None or not (name in _SAME or name in _SUMS):
            return
        if name in _SUMS:
            known *= x.numel() // max(made.numel(), 1)
        elif made.dtype == torch.bool:
            return
        self.even[id(made)] = made, known

    def packed(self, x: Tensor, lengths: Tensor, batch_first: bool) -> tuple[Tensor, Tensor]:
        """The first steps of all sequences, then the second ones, and how many they are in each."""
        steps = x.transpose(0, 1) if batch_first else x
        times, batch = steps.shape[:2]
        rows = torch.full((times,), batch, device="cpu")
        self.even[id(rows)] = rows, batch
        self.rows[id(rows)] = batch  # PyTorch takes the first for a size, as it is
        return steps.flatten(0, 1), rows

    def padded(self, data: Tensor, rows: Tensor, batch_first: bool, *_rest: Any) -> Any:
        """The sequences again, with their lengths."""
        steps = data.reshape(len(rows), -1, *data.shape[1:])
        lengths = torch.full(steps.shape[1:2], len(rows), device="cpu")
        self.even[id(lengths)] = lengths, len(rows)
        return steps.transpose(0, 1) if batch_first else steps, lengths


_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
_SUMS = ("sum", "count_nonzero")
_SAME = (
    *("to", "long", "int", "float", "type", "cpu", "clone", "detach", "contiguous", "clamp"),
    *("max", "min", "amax", "amin", "__getitem__", "view", "reshape", "flatten", "squeeze"),
)
"""What gives the same number, or a largest of it, where all are the same."""


_BESIDE = ("inverse", "counts")


def _one_kind(x: Tensor, inverse: bool, counts: bool) -> Any:
    """The values that there are: one, so that whoever picks those of a value gets all."""
    found = [x.flatten()[:1]]
    found += [torch.zeros_like(x, dtype=torch.int64)] * inverse
    found += [torch.full((1,), x.numel(), device=x.device)] * counts
    return tuple(found) if len(found) > 1 else found[0]


def _index(index: Any) -> Any:
    """Places where a mask is the index."""
    if isinstance(index, (tuple, list)):
        found: list[Any] = []
        for each in index:
            here = _index(each)
            found += here if isinstance(here, tuple) else [here]
        return tuple(found) if isinstance(index, tuple) else found
    if isinstance(index, slice):
        ends = (index.start, index.stop, index.step)
        return slice(*(_LOOKS["__index__"] if isinstance(n, Tensor) else n for n in ends))
    if isinstance(index, Tensor) and index.dtype == torch.bool and index.dim():
        return torch.ops.archcalc.nonzero(index).unbind(1)
    return index
