"""A sweep gives what the analysis of every single configuration gives."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archcalc
from archcalc.analysis.analyze import answer
from archcalc.space import chunks as engine
from archcalc.space import parts as pieces_of
from archcalc.space.chunks import Refused, chunks
from archcalc.space.grid import plan
from archcalc.space.select import Columns
from archcalc.space.sweep import sweep
from archcalc.space.trace import QUANTITIES, free, total
from archcalc.space.trace import asked as question_of
from archcalc.spec import zoo

LINE = {
    "name": "line",
    "input": [3, "=side", "=side"],
    "vars": {"width": 4, "side": 8, "depth": 2, "act": "ReLU", "kernel": 3},
    "layers": {
        "conv": {"op": "Conv2d", "out_channels": "=width", "kernel_size": "=kernel", "bias": False},
        "act": {"op": "=act"},
        "more": {
            "op": "Conv2d",
            "out_channels": "=width",
            "kernel_size": 1,
            "bias": False,
            "repeat": "=depth",
        },
    },
}


def line() -> archcalc.Spec:
    return archcalc.load(LINE)


def analyzed(spec: archcalc.Spec, row: dict[str, Any], quantity: str) -> Any:
    values = {name: row[name] for name in row if name not in QUANTITIES}
    return total(answer(spec, question_of(spec, values)), quantity)


def test_numbers_worked_by_hand() -> None:
    found = sweep(line(), width=[4, 5], side=[8, 10])

    # A 3x3 kernel takes 6 or 8 positions an axis; 27 w weights, then two layers of w^2.
    assert [row["params"] for row in found] == [27 * 4 + 32] * 2 + [27 * 5 + 50] * 2
    assert [row["macs"] for row in found] == [36 * 140, 64 * 140, 36 * 185, 64 * 185]
    # Outputs: the convolution, the activation, and two more of the same size.
    assert found[1]["activations"] == 4 * 4 * 64
    assert found[3]["weight_bytes"] == 4 * 185


def test_the_last_variable_changes_fastest() -> None:
    found = sweep(line(), width=[4, 5], side=[8, 10], quantities="params")

    assert list(found)[1] == {"width": 4, "side": 10, "params": 140}
    assert list(found.columns) == ["width", "side", "params"]


def test_a_column_is_had_by_its_name() -> None:
    found = sweep(line(), width=[4, 5], quantities="params")

    assert found["params"].tolist() == [27 * 4 + 32, 27 * 5 + 50]
    with pytest.raises(archcalc.ArchcalcError, match="did you mean 'params'"):
        found["parms"]


def test_variables_may_change_together() -> None:
    found = sweep(line(), width=[4, 5], side=[8, 10], zip=[("width", "side")])

    assert [(row["width"], row["side"]) for row in found] == [(4, 8), (5, 10)]


def test_a_variable_of_the_structure_makes_a_graph_for_each_value() -> None:
    found = sweep(line(), depth=[0, 1, 7], act=["ReLU", "Sigmoid"], quantities="params,flops")

    assert [row["params"] for row in found] == [108, 108, 124, 124, 220, 220]
    # 144 outputs: a ReLU compares each once, a sigmoid takes an exponential, an add, a division.
    assert found[1]["flops"] - found[0]["flops"] == 2 * 144


def test_a_list_within_a_list_is_one_value() -> None:
    found = sweep(archcalc.load("resnet50"), depths=[[2, 2, 2, 2], [3, 4, 6, 3]])

    assert found[1]["depths"] == [3, 4, 6, 3]
    assert found[1]["params"] == 25_557_032  # torchvision


def test_the_batch_and_the_input_of_any_network_can_be_varied() -> None:
    spec = archcalc.load({"name": "n", "input": [1, 4, 6], "layers": {"pool": "GlobalAvgPool"}})
    found = sweep(spec, N=[1, 3], H=[4, 5], quantities="flops")

    # An average of H * 6 numbers: as many adds but one, and a division, of each of N.
    assert [row["flops"] for row in found] == [24, 30, 72, 90]


def test_what_is_no_network_has_no_row_and_is_counted() -> None:
    found = sweep(line(), side=[1, 2, 3, 4], quantities="macs")

    assert [row["side"] for row in found] == [3, 4]
    assert found.refused.count == 2
    assert found.refused.example == {"side": 1}
    assert "kernel 3 is larger than its input 1" in str(found.refused.error)


def test_where_nothing_is_a_network_the_reason_is_raised() -> None:
    with pytest.raises(archcalc.SpecError, match="kernel 3 is larger than its input 2"):
        sweep(line(), side=[2, 1])


def test_numbers_beyond_64_bits_are_carried_in_full() -> None:
    found = sweep(line(), N=[1, 2**55, 2**62], quantities="macs")

    macs = 36 * 140
    assert [row["macs"] for row in found] == [macs, macs * 2**55, macs * 2**62]
    assert macs * 2**55 > 2**63


def test_a_number_beyond_64_bits_in_a_late_chunk_spoils_none_before() -> None:
    batches = [*range(1, 100), 2**60]
    grid = plan(line(), {"N": batches}, "macs")
    macs = [int(n) for chunk in chunks(grid, Refused(), size=10) for n in chunk["macs"]]

    assert macs == [36 * 140 * n for n in batches]


def test_a_guard_on_two_variables_cuts_the_grid() -> None:
    spec = archcalc.load(
        {
            "name": "square",
            "input": [1, "=h", "=w"],
            "vars": {"h": 1, "w": 1},
            "layers": {"a": {"op": "Conv2d", "out_channels": "=2 if h == w else 1",
                             "kernel_size": 1, "bias": False}},
        }
    )  # fmt: skip
    found = sweep(spec, h=range(1, 8), w=range(1, 8), quantities="params")

    assert found.columns["params"].reshape(7, 7).tolist() == (np.eye(7, dtype=int) + 1).tolist()


@pytest.mark.parametrize("size", [1, 7, 100])
def test_chunks_of_any_size_give_the_same_rows(size: int) -> None:
    grid = plan(line(), {"depth": [0, 1], "side": range(1, 9), "width": [0.5 + 0.5, 2, 3.0]})
    rows = [row for chunk in chunks(grid, Refused(), size=size) for row in _rows(chunk)]
    whole = sweep(line(), depth=[0, 1], side=range(1, 9), width=[1.0, 2.0, 3.0])

    assert rows == [tuple(row.values()) for row in whole]
    assert len(rows) == 2 * 6 * 3


def test_progress_is_told_of_every_configuration() -> None:
    told: list[int] = []
    list(chunks(plan(line(), {"side": range(1, 21)}), Refused(), told.append, size=8))

    assert told == [8, 16, 20]


VALUES: dict[str, list[Any]] = {
    "width": [0.5, 1, 1.3, 24, 64],
    "side": [1, 33, 96, 224, 227],
    "classes": [1, 10, 1000],
    "depth": [1, 1.4, 2],
    "growth_rate": [8, 12, 32],
    "batch": [1, 3],
    "N": [1, 2],
    "H": [64, 225],
    "W": [64, 97],
}


@pytest.mark.every_network
@pytest.mark.parametrize("name", [*zoo.names()])
def test_a_row_is_what_analyze_gives_there(name: str) -> None:
    spec = archcalc.load(name)
    names = [n for n in free(spec) if n in VALUES and (n in spec.vars or n in ("N", "side"))][:3]
    variables = {n: VALUES[n] for n in names}
    if "width" in variables:  # fractions are multipliers, whole numbers are channels
        fraction = isinstance(spec.vars["width"], float) or spec.vars["width"] in (1, 2)
        variables["width"] = [0.5, 1.3] if fraction else [24, 64]
    if len(names) > 2:
        variables = {n: values[-2:] for n, values in variables.items()}
    asked = ["params", "macs", "flops", "activations", "buffers"]
    grid = plan(spec, variables, asked)
    rows = []
    refused = Refused()
    for chunk in chunks(grid, refused):
        rows += [dict(zip(chunk, row, strict=True)) for row in _rows(chunk)]
    expected = []
    for place in itertools.product(*[range(axis.length) for axis in grid.axes]):
        values = grid.at(place)
        try:
            analysis = answer(spec, question_of(spec, values))
        except archcalc.SpecError:
            continue
        expected.append({**values, **{q: total(analysis, q) for q in asked}})

    assert rows == expected
    assert refused.count == grid.size - len(rows)


def _rows(chunk: Columns) -> Iterator[tuple[Any, ...]]:
    return zip(*[values.tolist() for values in chunk.values()], strict=True)


@given(
    width=st.lists(st.integers(1, 300), min_size=1, max_size=6),
    side=st.lists(st.integers(1, 300), min_size=1, max_size=6),
    name=st.sampled_from(["resnet18", "googlenet", "squeezenet1_0", "alexnet"]),
)
@settings(max_examples=15, deadline=None)
def test_a_sweep_equals_the_analysis_at_every_point(
    width: list[int], side: list[int], name: str
) -> None:
    spec = archcalc.load(name)
    other = "width" if "width" in spec.vars else "N"
    axes: dict[str, Any] = {other: width, "side": side}
    try:
        rows = list(sweep(spec, **axes))
    except archcalc.SpecError:
        rows = []
    expected = []
    for w, s in itertools.product(width, side):
        values = {other: w, "side": s}
        try:
            analysis = answer(spec, question_of(spec, values))
        except archcalc.SpecError:
            continue
        asked = ("params", "macs", "flops", "activations", "weight_bytes")
        expected.append({**values, **{q: total(analysis, q) for q in asked}})

    assert rows == expected


@given(st.lists(st.floats(0.1, 3), min_size=1, max_size=8))
@settings(max_examples=15, deadline=None)
def test_multipliers_round_as_in_a_single_analysis(width: list[float]) -> None:
    spec = archcalc.load("mobilenet_v2")
    found = sweep(spec, width=width, quantities=["params", "macs"])

    for row in found:
        assert row["macs"] == analyzed(spec, row, "macs")
        assert row["params"] == analyzed(spec, row, "params")


def test_what_depends_on_one_axis_is_not_computed_for_every_configuration() -> None:
    grid = plan(archcalc.load("resnet50"), {"width": range(16, 80), "side": range(96, 160)})
    (part,) = pieces_of.parts(grid) or []
    runner = engine._Runner(grid, part, np)

    # Four stages and the stem have five areas; sums and products of those are all that is left.
    assert len(runner.rest) < 20 < len(runner.steps)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"widht": [1, 2]}, "did you mean 'width'"),
        ({"width": 4}, "nothing is swept"),
        ({"width": []}, "no value"),
        ({"width": [float("nan")]}, "2\\^62|should be a number"),
        ({"width": [1, 2], "quantities": "mac"}, "did you mean 'macs'"),
        ({"width": [1, 2], "dtype": "float31"}, "did you mean 'float32'"),
        ({"width": [1, 2], "side": [1], "zip": [("width", "side")]}, "width has 2 values, side"),
        ({"width": [1, 2], "zip": [("width", "side")]}, "'side' can't go with others"),
        ({"width": [1, 2], "where": "mac > 1"}, "did you mean 'macs'"),
        ({"width": [1, 2], "where": "macs >"}, "can't be understood"),
        ({"width": [1, 2], "where": "macs + 1"}, "neither true nor false"),
        ({"width": [1, 2], "by": "macs"}, "say how many"),
        ({"width": [1, 2], "top": 0}, "at least 1"),
        ({"width": [1, 2], "top": 1, "pareto": "macs,params"}, "not both"),
        ({"width": [1, 2], "pareto": "macs"}, "two keys"),
        ({"N": [1], "batch": [1]}, "can't be varied at once"),
    ],
)
def test_what_can_t_be_swept_is_refused_with_a_hint(given_: dict[str, Any], message: str) -> None:
    with pytest.raises(archcalc.ArchcalcError, match=message):
        sweep(line(), **given_)


def test_without_numpy_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(archcalc.ArchcalcError, match="pip install numpy"):
        sweep(archcalc.load("lenet5"), batch=[1, 2])
    with pytest.raises(archcalc.ArchcalcError, match="pip install numpy"):
        archcalc.fit(archcalc.load("resnet18"), {"macs": 10**9}, vary="side")


def test_a_table_needs_no_more_than_its_rows() -> None:
    from archcalc.space.select import selection

    grid = plan(archcalc.load("lenet5"), {"batch": range(1, 100_001)}, "macs")
    kept = selection(grid.quantities[0], "batch > 50000", None, None, None)
    kept.most = 7
    parts = [part for chunk in chunks(grid, Refused()) if (part := kept.add(chunk)) is not None]
    assert kept.finish(parts)["batch"].tolist() == list(range(50_001, 50_008))
    assert kept.count == 50_000
    assert all(values.base is None for part in parts for values in part.values())


CONV = {"op": "Conv2d", "out_channels": "=channels(input)", "kernel_size": 3, "padding": 1}
HALF = {**CONV, "out_channels": "=out", "stride": "=step"}
REPEATED: dict[str, dict[str, Any]] = {
    "copies": {"c": {**CONV, "repeat": "=d[0]"}, "e": {**CONV, "repeat": "=d[1]"}},
    "the first differs": {
        "c": {"block": "half", "out": 8, "step": "=2 if i == 0 else 1", "repeat": "=d[0]"},
        "e": {"block": "half", "out": 8, "step": 1, "repeat": "=d[1]"},
    },
    "the second differs": {
        "c": {"block": "half", "out": "=8 if i < 2 else 12", "step": 1, "repeat": "=d[0]"},
        "e": {"block": "half", "out": 8, "step": 1, "repeat": "=max(d[1], 2)"},
    },
    "each differs": {
        "c": {"block": "half", "out": "=4 + i", "step": 1, "repeat": "=d[0]"},
        "e": {"block": "half", "out": 8, "step": 1, "repeat": "=d[1]"},
    },
    "every other differs": {
        "c": {"block": "half", "out": "=4 + i % 2", "step": 1, "repeat": "=d[0]"},
        "e": {"op": "ReLU", "repeat": "=d[1] + 1"},
    },
    "within another": {"c": {"block": "twice", "times": "=d[1]", "repeat": "=d[0]"}},
    "it shrinks": {
        "c": {"op": "MaxPool2d", "kernel_size": 2, "repeat": "=d[0]"},
        "e": {**CONV, "repeat": "=d[1]"},
    },
    "one is named": {
        "c": {**CONV, "repeat": "=d[0]"},
        "e": {**CONV, "repeat": "=d[1]"},
        "sum": {"op": "Add", "from": ["c.0", "e"]},
    },
    "all are named": {
        "c": {**CONV, "repeat": "=d[0]"},
        "e": {**CONV, "repeat": "=d[1]"},
        "cat": {"op": "Concat", "from": "c.*"},
    },
    "tensors are shared": {
        "c": {**CONV, "repeat": "=d[0]"},
        "e": {**CONV, "repeat": "=d[1]"},
        "last": {**CONV, "share": "c.0"},
    },
    "the count is used elsewhere": {
        "c": {**CONV, "repeat": "=d[0]"},
        "e": {"op": "Conv2d", "out_channels": "=d[0] + sum(d)", "kernel_size": 1},
    },
}


@pytest.mark.parametrize("layers", REPEATED.values(), ids=REPEATED)
def test_a_repetition_counted_is_a_repetition_made(layers: dict[str, Any]) -> None:
    data = {
        "name": "n",
        "input": [3, 16, 16],
        "vars": {"d": [1, 1]},
        "blocks": {
            "half": {"args": {"out": None, "step": None}, "layers": {"conv": HALF, "act": "ReLU"}},
            "twice": {
                "args": {"times": None},
                "layers": {"one": {**CONV, "repeat": "=times"}, "act": "ReLU"},
            },
        },
        "layers": layers,
    }
    spec = archcalc.load(data)
    lists = [[a, b] for a in range(-1, 8) for b in range(8)]
    found = sweep(spec, d=lists, quantities=QUANTITIES)
    rows = {tuple(row["d"]): row for row in found}
    for one in lists:
        try:
            analysis = archcalc.analyze(archcalc.load(data), d=one)
        except archcalc.SpecError:
            assert tuple(one) not in rows
            continue
        row = rows[tuple(one)]
        assert {name: total(analysis, name) for name in QUANTITIES} == {
            name: row[name] for name in QUANTITIES
        }, one
    assert found.refused.count == len(lists) - len(rows)


@pytest.mark.parametrize("name", ["resnet50", "resnext50_32x4d", "convnext_tiny", "preresnet200"])
def test_many_depths_are_one_program(name: str) -> None:
    spec = archcalc.load(name)
    own: Any = archcalc.expand(spec).variables["depths"]
    lists = [[n + (k * j) % 5 for j, n in enumerate(own, 1)] for k in range(40)]
    pieces = pieces_of.parts(plan(spec, {"depths": lists}, QUANTITIES))
    assert pieces is not None
    assert len({id(piece.program) for piece in pieces}) == 1
    for row, one in zip(sweep(spec, depths=lists), lists, strict=True):
        analysis = archcalc.analyze(spec, depths=one)
        assert (row["params"], row["macs"]) == (analysis.params, analysis.macs)


def test_graphs_that_are_met_once_are_analyzed_one_by_one() -> None:
    acts = [["ReLU", "GELU", "SiLU", "Tanh"][k % 4] for k in range(12)]
    grid = plan(archcalc.load(LINE), {"act": acts, "depth": [1, 2]}, "flops")
    assert pieces_of.parts(grid) is not None  # four graphs of many configurations each
    few = plan(archcalc.load(LINE), {"act": acts[:4], "depth": [1]}, "flops")
    assert pieces_of.parts(few) is None
    for row in sweep(archcalc.load(LINE), act=acts[:4], width=[2, 3]):
        values = {"act": row["act"], "width": row["width"]}
        assert row["flops"] == archcalc.analyze(archcalc.load(LINE), **values).flops


def test_time_on_a_machine_and_memory_are_found_of_each_configuration() -> None:
    spec = archcalc.load("resnet18")
    found = sweep(spec, side=[64, 96], N=[1, 4], quantities="time,memory", on="h100", dtype="tf32")

    for row in found:
        how = {"input": row["side"], "batch": row["N"]}
        least = archcalc.roofline(spec, "h100", dtype="tf32", **how).seconds
        assert 0 <= row["time"] - least * 1e9 < 1
        assert row["memory"] == archcalc.memory(spec, **how).most


def test_what_a_layer_takes_may_depend_on_what_is_swept() -> None:
    layers = {
        "conv": {"op": "Conv2d", "out_channels": "=4 + i", "kernel_size": 1, "repeat": "=n"},
        "back": {"op": "Concat", "from": ["conv", "conv.{n - 1 - k}"]},
    }
    network = archcalc.load(
        {"name": "back", "input": [3, 8, 8], "vars": {"n": 3, "k": 0}, "layers": layers}
    )
    for row in archcalc.sweep(network, n=[2, 3, 4], k=[0, 1], quantities="activations"):
        # Convolutions of 4, 5, ... channels, and the last joined with the one so far before it.
        widths = [4 + i for i in range(row["n"])]
        joined = widths[-1] + widths[row["n"] - 1 - row["k"]]
        assert row["activations"] == 64 * (sum(widths) + joined)
