"""What the package gives to its users."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import archcalc


def imported_for_type_checkers() -> dict[str, str]:
    """Name -> module, as the front of the package imports them for type checkers."""
    tree = ast.parse(Path(archcalc.__file__).read_text(encoding="utf-8"))
    return {
        alias.name: str(node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("archcalc.")
        for alias in node.names
    }


def test_every_name_comes_from_where_type_checkers_see_it() -> None:
    assert {
        name: f"archcalc.{module}" for name, module in archcalc._HOME.items()
    } == imported_for_type_checkers()


def test_every_name_is_there() -> None:
    assert set(archcalc.__all__) == {"__version__", *archcalc._HOME}
    for name in archcalc.__all__:
        assert getattr(archcalc, name) is getattr(archcalc, name)
    assert set(archcalc.__all__) == set(dir(archcalc))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'archcalc' has no attribute 'analyse'"):
        archcalc.analyse  # type: ignore[attr-defined]  # noqa: B018
