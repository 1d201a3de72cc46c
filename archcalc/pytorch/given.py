"""A module that somebody names, imported or made."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archcalc.errors import ArchcalcError

if TYPE_CHECKING:
    from torch import nn


def made(module: str | nn.Module | Callable[[], nn.Module]) -> nn.Module:
    """The module, made or imported if need be. Raises :class:`ArchcalcError`."""
    from torch import nn

    found = _imported(module) if isinstance(module, str) else module
    if not isinstance(found, nn.Module):
        if not callable(found):
            raise ArchcalcError(f"{module} is no torch.nn.Module, and no function that makes one")
        try:
            found = found()
        except Exception as error:
            raise ArchcalcError(f"{module} can't be made: {in_a_line(error)}") from error
    if not isinstance(found, nn.Module):
        raise ArchcalcError(f"{module} makes a {type(found).__name__}, and no torch.nn.Module")
    return found


def moved(module: nn.Module, place: str) -> None:
    """Move a module, with what is one tensor in several places one tensor there too.

    PyTorch moves a tensor to ``meta`` anew for each place, and what was tied is not any more.
    """
    places = [
        (tensors, name, tensor)
        for part in module.modules()
        for tensors in (part._parameters, part._buffers)
        for name, tensor in tensors.items()
    ]
    module.to(place)
    moved: dict[int, Any] = {}
    for tensors, name, before in places:
        if before is not None:
            tensors[name] = moved.setdefault(id(before), tensors[name])


def _imported(path: str) -> Any:
    place, colon, names = path.rpartition(":")
    if not colon or not place or not names:
        raise ArchcalcError(f"--against {path}: write package.module:factory, or file.py:factory")
    try:
        if place.endswith(".py"):
            spec = importlib.util.spec_from_file_location(Path(place).stem, place)
            assert spec is not None
            assert spec.loader is not None
            found: Any = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(found)
        else:
            found = importlib.import_module(place)
    except Exception as error:
        raise ArchcalcError(f"--against {path}: can't be imported: {in_a_line(error)}") from error
    for name in names.split("."):
        if not hasattr(found, name):
            from archcalc.errors import did_you_mean

            hint = did_you_mean(name, [word for word in vars(found) if not word.startswith("_")])
            hint = f"\n  {hint}" if hint else ""
            raise ArchcalcError(f"--against {path}: {place} has no '{name}'{hint}")
        found = getattr(found, name)
    return found


def in_a_line(error: Exception) -> str:
    """An error of somebody else's code, without what follows its first line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
