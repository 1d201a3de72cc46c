"""An analysis that is recalled from a record is the one that the engine makes."""

from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import pytest

import archcalc
from archcalc.analysis import recall
from archcalc.analysis.counted import Analysis
from archcalc.analysis.recall import PATIENCE, TOTALS, Replay
from archcalc.operators.base import KINDS
from archcalc.spec import zoo

ALL = (*TOTALS, "work", "flops", "not_counted", "partial", "training")


def kinds(value: Any) -> Any:
    """A structure with the types of its numbers in their places."""
    if isinstance(value, dict):
        return {key: kinds(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return (type(value), *map(kinds, value))
    return type(value)


def assert_same(found: Analysis, expected: Analysis) -> None:
    for name in ALL:
        assert (getattr(found, name), kinds(getattr(found, name))) == (
            getattr(expected, name),
            kinds(getattr(expected, name)),
        ), name
    assert all(type(getattr(found.work, kind)) is int for kind in (*KINDS, "dots"))
    assert found.graph == expected.graph
    assert kinds(found.graph.variables) == kinds(expected.graph.variables)
    assert found.rows == expected.rows
    for row, other in zip(found.rows, expected.rows, strict=True):
        assert kinds(row.weights) == kinds(other.weights)
        assert kinds((row.shape, row.node.input_shapes)) == kinds(
            (other.shape, other.node.input_shapes)
        )
        assert kinds(row.node.op.__dict__) == kinds(other.node.op.__dict__)


def engine(name: str, **given: Any) -> Analysis:
    """What a spec says that has no records."""
    return archcalc.analyze(archcalc.load(name), **given)


def points(spec: archcalc.Spec, chosen: random.Random) -> dict[str, Any]:
    """Other numbers for the batch, the input and the variables that are numbers."""
    given: dict[str, Any] = {"batch": chosen.randrange(1, 40)}
    axes = list(spec.inputs.values())
    if len(axes) == 1 and len(axes[0]) == 3 and all(type(n) is int for n in axes[0]):
        channels, height, width = axes[0]
        more = chosen.randrange(0, 4) * 32
        given["input"] = [channels, int(height) + more, int(width) + more]
    graph = archcalc.expand(spec)
    for name in spec.vars:
        value = graph.variables[name]
        if type(value) is int and value >= 8:
            given[name] = value + 8 * chosen.randrange(0, 3)
    return given


@pytest.mark.every_network
@pytest.mark.parametrize("name", [*zoo.names()])
def test_a_record_is_the_engine_wherever_its_guards_hold(name: str) -> None:
    chosen = random.Random(name)
    spec = archcalc.load(name)
    answered = 0
    for _ in range(2 * PATIENCE):
        given = points(spec, chosen)
        try:
            expected = engine(name, **given)
        except archcalc.SpecError:
            continue
        before = sum(each.answered for each in spec.home.records.values())
        found = archcalc.analyze(spec, **given)
        answered += sum(each.answered for each in spec.home.records.values()) > before
        assert_same(found, expected)
    batches, macs = 0, engine(name).macs
    for batch in range(1, 3 * PATIENCE):
        found = archcalc.analyze(spec, batch=batch)
        batches += "_later" in found.__dict__
        assert found.macs == batch * macs
    # Nothing about a network depends on how many inputs it is given; what numbers are stored in is
    # no part of a record, so that a spec that says it is never answered from one.
    assert batches == 0 if spec.bits else batches >= 2 * PATIENCE - 1


@pytest.mark.parametrize("training", [False, True])
def test_rows_are_not_made_for_totals(training: bool) -> None:
    spec = archcalc.load("googlenet-aux")
    for batch in range(2, 2 + 2 * PATIENCE):
        found = archcalc.analyze(spec, batch=batch, training=training)
        assert found.macs == batch * engine("googlenet-aux", training=training).macs
    assert "rows" not in found.__dict__
    assert_same(found, engine("googlenet-aux", batch=batch, training=training))
    assert "rows" in found.__dict__


def test_a_recalled_analysis_is_copied_and_pickled_as_a_whole() -> None:
    spec = archcalc.load("lenet5")
    for batch in range(1, 2 + 2 * PATIENCE):
        found = archcalc.analyze(spec, batch=batch)
    assert pickle.loads(pickle.dumps(found)) == copy.deepcopy(found) == found
    assert repr(found) == repr(engine("lenet5", batch=batch))
    with pytest.raises(AttributeError, match="no attribute 'layers'"):
        found.layers  # type: ignore[attr-defined]  # noqa: B018


def test_a_network_of_another_graph_is_recorded_anew() -> None:
    spec = archcalc.load("resnet50")
    want = {width: engine("resnet50", width=width).params for width in (64, 128)}
    for batch in range(1, 12):
        for width in (64, 128):
            assert archcalc.analyze(spec, batch=batch, width=width).params == want[width]


def test_a_whole_number_and_a_fraction_are_questions_of_their_own() -> None:
    layers = {"fc": {"op": "Linear", "out_features": "=2 * x"}}
    spec = archcalc.load({"name": "n", "input": [4], "vars": {"x": 1}, "layers": layers})
    for n in range(1, 4 * PATIENCE):
        for x in (n, float(n)):
            found = archcalc.analyze(spec, x=x)
            assert found.params == 2 * n * 5
            assert type(found.params) is int
            assert type(found.graph.variables["x"]) is type(x)


def test_what_is_no_network_is_the_engine_s_to_say() -> None:
    spec = archcalc.load("alexnet")
    for side in (227, 259, 291, 323, 355):
        archcalc.analyze(spec, input=[3, side, side])
    with pytest.raises(archcalc.SpecError, match="kernel 11 is larger than its input 5"):
        archcalc.analyze(spec, input=[3, 5, 5])
    with pytest.raises(archcalc.SpecError, match="whole number from 1"):
        archcalc.analyze(spec, batch=0)


def test_other_graphs_each_time_are_recorded_ever_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = 0

    class Counted(Replay):
        def __init__(self, *args: Any) -> None:
            nonlocal made
            made += 1
            super().__init__(*args)

    monkeypatch.setattr(recall, "Replay", Counted)
    layers = {"fc": {"op": "Linear", "out_features": 8, "repeat": "=depth"}}
    spec = archcalc.load({"name": "n", "input": [8], "vars": {"depth": 1}, "layers": layers})
    for depth in range(1, 101):
        assert archcalc.analyze(spec, depth=depth).params == depth * 72
    # At the 3rd, then after 6, 12, 24 and 48 more.
    assert made == 5


def test_a_side_may_be_one_number() -> None:
    spec = archcalc.load("resnet18")
    for side in range(224, 224 + 32 * 2 * PATIENCE, 32):
        found = archcalc.analyze(spec, input=side)
        assert found.macs == engine("resnet18", input=[3, side, side]).macs
    assert "_later" in found.__dict__
    assert_same(found, engine("resnet18", input=side))


@pytest.mark.parametrize("written", ["=2 * n", "=120 // n"])
def test_what_can_not_fail_is_worked_out_when_it_is_asked_for(written: str) -> None:
    layers = {"conv": {"op": "Conv2d", "out_channels": written, "kernel_size": 3}}
    data = {"name": "n", "input": [3, 8, 8], "vars": {"n": 2}, "layers": layers}
    spec = archcalc.load(data)
    for n in range(1, 3 * PATIENCE):
        found = archcalc.analyze(spec, n=n)
    assert "_later" in found.__dict__
    assert ("work" in found.__dict__) == ("//" in written)
    expected = archcalc.analyze(archcalc.load(data), n=n)
    # One use of a bias for each of the 6 x 6 positions of a channel, beside the products.
    channels = 2 * n if "//" not in written else 120 // n
    assert found.connections == found.macs + 36 * channels
    assert_same(found, expected)
    if "//" in written:
        with pytest.raises(archcalc.SpecError, match="divides by zero"):
            archcalc.analyze(spec, n=0)
