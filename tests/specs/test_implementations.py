"""The networks of the zoo, against implementations of other people, as they were recorded."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from archcalc.spec import zoo

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def load_script() -> ModuleType:
    path = BENCHMARKS / "implementations.py"
    spec = importlib.util.spec_from_file_location("implementations", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


implementations = load_script()

with (BENCHMARKS / "implementations.csv").open(encoding="utf-8") as file:
    LINES = [implementations.Line(**line) for line in csv.DictReader(file)]


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.network}-{line.implementation}")
def test_a_network_is_what_others_built(line: Any) -> None:
    params, buffers, tensors, macs = implementations.of_ours(line.network)

    assert (params, buffers, tensors) == (line.params, line.buffers, line.tensors)
    assert line.macs in (macs, "")


def test_the_record_is_of_networks_that_there_are() -> None:
    assert {line.network for line in LINES} <= set(zoo.names())
    assert len(LINES) >= 43


def test_a_digest_depends_on_every_shape_and_on_no_order() -> None:
    digest = implementations.digest

    assert digest([(2, 3), (4,)], [(1,)]) == digest([[4], [2, 3]], [[1]])
    assert digest([(2, 3)], []) == digest([(1, 3, 2)], [])
    assert digest([(2, 3)], []) != digest([(6,)], [])
    assert digest([(2,)], []) != digest([], [(2,)])
    assert digest([(2,), (2,)], []) != digest([(2,)], [])
