"""What an author makes sure of in numbers, ``assert (x == y).all()``, which no shape can tell."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Mapping
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_OURS = tuple(str(Path(file).parent / "_")[:-1] for file in (torch.__file__, __file__))
"""PyTorch's folder and this one, with what ends their names: torchvision stands beside it."""

_ENDS = ("RETURN", "RERAISE", "YIELD")
"""What instructions are called that leave a function without an error of their own."""


def author() -> FrameType | None:
    """The innermost call that is neither PyTorch's nor ours."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    return frame


class Checks(TorchFunctionMode):
    """Has checks of numbers pass: of a branch whose one way ends in an error the other is taken."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function, or say what a check of its result expects."""
        name = getattr(func, "__name__", "")
        if name == "__bool__" or (name == "item" and args[0].dtype == torch.bool):
            frame = author()
            expected = None if frame is None else _expected(frame.f_code, frame.f_lasti)
            if expected is not None:
                return expected
        return func(*args, **(kwargs or {}))


def _expected(code: CodeType, at: int) -> bool | None:
    """What a branch at an instruction, or right behind it, wants to hear in order not to raise."""
    steps = list(dis.get_instructions(code))
    places = {step.offset: k for k, step in enumerate(steps)}
    branch = places[at]
    while steps[branch].opname in ("CALL", "TO_BOOL", "PRECALL", "CALL_METHOD"):
        branch += 1
    step = steps[branch]
    if not step.opname.endswith(("IF_TRUE", "IF_FALSE")) or step.argval not in places:
        return None
    jumps = _raises(steps, places, places[step.argval], frozenset())
    stays = _raises(steps, places, branch + 1, frozenset())
    if jumps == stays:
        return None
    return step.opname.endswith("IF_TRUE") == stays


def _raises(
    steps: list[dis.Instruction], places: Mapping[int, int], at: int, seen: frozenset[int]
) -> bool:
    """Whether whatever may follow an instruction ends in an error that is raised there."""
    while at < len(steps) and at not in seen:
        step = steps[at]
        seen |= {at}
        if step.opname == "RAISE_VARARGS":
            return True
        if step.opname.startswith(_ENDS):
            return False
        if "JUMP" in step.opname or step.opname.startswith("FOR_"):
            onward = places[step.argval]
            if "_IF_" in step.opname or step.opname.startswith("FOR_"):
                return all(_raises(steps, places, way, seen) for way in (onward, at + 1))
            at = onward
            continue
        at += 1
    return False
