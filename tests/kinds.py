"""What several rooms' tests ask of the classes of a room."""

from __future__ import annotations

from dataclasses import is_dataclass
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType


def changeable(room: ModuleType) -> set[str]:
    """The dataclasses of a package whose values can be changed, and so are no keys."""
    modules = [
        import_module(each.name) for each in walk_packages(room.__path__, f"{room.__name__}.")
    ]
    return {
        name
        for module in (room, *modules)
        for name, value in vars(module).items()
        if isinstance(value, type) and is_dataclass(value)
        if value.__module__.startswith(f"{room.__name__}.")
        if not value.__dataclass_params__.frozen  # type: ignore[attr-defined]
    }
