"""Why a module can't be followed, in the words of who wrote it: the layer, the shape, the line."""

from __future__ import annotations

import contextlib
import inspect
import linecache
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

_NUMBERS = ("meta tensor", "data-dependent", "datadependent", "local_scalar_dense", "nonzero")
"""What PyTorch's errors say where a size or a branch depends on numbers."""

LONGEST = 120
"""Characters of what a layer says of itself."""

_HOMES = tuple(
    str(Path(home) / "_")[:-1] for home in (torch.__path__[0], Path(__file__).parents[2])
)


def told(module: nn.Module, args: Any, kwargs: Mapping[str, Any], failures: Sequence[str]) -> str:
    """What to say of a module that can't be captured: what it does wrong itself, or else what each
    way said.
    """
    name = type(module).__name__
    said = _misfit(module, args, kwargs) or _stumbles(module, args, kwargs)
    if said:
        return f"{name} can't be captured: {said}"
    return "\n  ".join([f"{name} can't be captured", *failures])


def line_of(error: BaseException) -> str:
    """The author's line that an error is of, ``net.py:12: x = x[mask]``; ``""`` if of none."""
    found = ""
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith((*_HOMES, "<")):
            text = linecache.getline(file, trace.tb_lineno).strip()
            found = f"{_near(file)}:{trace.tb_lineno}: {text}"
        trace = trace.tb_next
    return found


def _near(file: str) -> str:
    """A path from here, where it is below."""
    with contextlib.suppress(ValueError, OSError):
        return str(Path(file).resolve().relative_to(Path.cwd()))
    return file


def _misfit(module: nn.Module, args: Any, kwargs: Mapping[str, Any]) -> str:
    """What ``forward`` takes, where inputs are missing or it knows no such."""
    try:
        signature = inspect.signature(module.forward)
    except (TypeError, ValueError):
        return ""
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        known = [each for each in signature.parameters.values() if each.kind not in kinds]
        needed = [each.name for each in known if each.default is each.empty]
        others = [each.name for each in known if each.default is not each.empty]
        also = f", and may take {', '.join(others)}" if others else ""
        options = " ".join(f"--input {name}=SHAPE" for name in needed)
        return f"{error}\n  forward takes {', '.join(needed)}{also}: write {options}"
    return ""


def _stumbles(module: nn.Module, args: Any, kwargs: Mapping[str, Any]) -> str:
    """The layer that an ordinary call ends in, with what it was given, and the author's line."""
    with _watched(module) as running, torch.no_grad():
        try:
            module(*args, **kwargs)
        except Exception as error:  # whatever a stranger's code raises
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            said = f"{type(error).__name__}: {lines[0][:200] if lines else ''}".rstrip(": ")
            if any(word in str(error).lower() for word in _NUMBERS):
                said = "it looks at numbers in a tensor, which only a module that runs has"
            if "Long, Int" in str(error) or "integer dtype" in str(error):
                said += "\n  of whole numbers write --input NAME=int64:128"
            where = f"in layer {running[-1]}\n  " if running else ""
            line = line_of(error)
            return f"{where}{said}" + (f"\n  {line}" if line else "")
    return ""


@contextlib.contextmanager
def _watched(module: nn.Module) -> Iterator[list[str]]:
    """The layers that are running, from the outermost, each with its class and what it takes."""
    running: list[str] = []
    hooks = []
    for path, inner in module.named_modules():
        if not path or isinstance(inner, torch.jit.ScriptModule):
            continue

        def enter(inner: nn.Module, args: Any, kwargs: Mapping[str, Any], path: str = path) -> None:
            tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
            whole = repr(inner)
            said = whole if len(whole) < LONGEST and "\n" not in whole else type(inner).__name__
            running.append(f"'{path}', {said}" + f", on {shapes}" * bool(shapes))

        def leave(*_: Any) -> None:
            running.pop()

        hooks.append(inner.register_forward_pre_hook(enter, with_kwargs=True))
        hooks.append(inner.register_forward_hook(leave))
    try:
        yield running
    finally:
        for hook in hooks:
            hook.remove()
