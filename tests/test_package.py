"""What the package gives to its users."""

from __future__ import annotations

import ast
import doctest
import inspect
from importlib import import_module
from pathlib import Path

import pytest

import archcalc


def stated() -> dict[str, str]:
    """Name -> module, as type checkers read them in the stub."""
    path = Path(archcalc.__file__).with_suffix(".pyi")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        alias.asname: str(node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }


def test_every_name_is_there_from_where_type_checkers_see_it() -> None:
    assert set(dir(archcalc)) == {"__version__", *stated()}
    for name, module in stated().items():
        assert getattr(archcalc, name) is getattr(import_module(module), name)


def test_all_names_can_be_imported_at_once() -> None:
    found: dict[str, object] = {}
    exec("from archcalc import *", found)
    assert {*stated()} <= found.keys()


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'archcalc' has no attribute 'analyse'"):
        archcalc.analyse  # type: ignore[attr-defined]  # noqa: B018


PUBLIC = sorted({*stated()} - {"NetworkLike"})


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_is_explained_with_an_example_that_runs(name: str) -> None:
    thing = getattr(archcalc, name)
    finder = doctest.DocTestFinder(recurse=False)
    [examples] = finder.find(inspect.unwrap(thing), name, globs={})
    assert examples.examples
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    assert not doctest.DocTestRunner(optionflags=flags).run(examples).failed
