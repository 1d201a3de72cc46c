"""``export``: what it takes, and which form it makes."""

from __future__ import annotations

import pytest

import archcalc
from archcalc.errors import ArchcalcError


def test_a_graph_is_exported_as_it_is() -> None:
    spec = archcalc.load("lenet5")
    graph = archcalc.expand(spec, batch=2)

    assert "1 × 32 × 32" in str(archcalc.export(graph, to="mermaid"))
    with pytest.raises(TypeError, match="a graph has its shapes"):
        archcalc.export(graph, to="svg", batch=3)


def test_a_form_is_a_word_in_any_case() -> None:
    spec = archcalc.load("lenet5")

    assert archcalc.export(spec, to="YAML") == archcalc.export(spec, to="yaml")
    with pytest.raises(ArchcalcError, match="no form 'png'\n  known: dot, json, mermaid, "):
        archcalc.export(spec, to="png")


def test_pytorch_source_is_what_is_made_unless_said_otherwise() -> None:
    spec = archcalc.load("lenet5")

    assert archcalc.export(spec) == archcalc.export(spec, to="torch")
