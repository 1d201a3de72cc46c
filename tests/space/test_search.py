"""A space looked through gives the numbers of ``analyze``, whoever does it and however."""

from __future__ import annotations

import itertools
import os
import pickle
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archcalc
from archcalc import ArchcalcError, Space, SpecError
from archcalc.space import search as searching
from archcalc.space.bounds import Bounds, quantities
from archcalc.space.chunks import Refused
from archcalc.space.count import Counted, Counter, Wanted
from archcalc.space.layered import Layered
from archcalc.space.pieces import COLUMNS
from archcalc.space.points import numbered
from archcalc.space.ranges import Ranges, bounds_of
from archcalc.space.search import Search
from archcalc.space.seen import NotByLayers
from archcalc.space.select import condition, impossible
from archcalc.space.states import narrowed, whole, within
from archcalc.space.workers import mapped, processes
from archcalc.spec import machines, zoo
from archcalc.spec.space import Space as Declared
from tests.space.spaces import SMALL, cells, space

QUANTITIES = ("params", "macs", "flops", "activations", "weight_bytes", "buffers", "connections")


def one_by_one(network: archcalc.Spec, point: dict[str, Any]) -> dict[str, int] | None:
    side: dict[str, Any] = (
        {"input": [3, point["side"], point["side"]]} if point.keys() - network.vars.keys() else {}
    )
    known = {name: value for name, value in point.items() if name in network.vars}
    try:
        found = archcalc.analyze(network, **known, **side)
    except SpecError:
        return None
    return {
        name: found.weight_bytes() if name == "weight_bytes" else getattr(found, name)
        for name in QUANTITIES
    }


@given(st.integers(0, 2**32), st.sampled_from([{}, {"width": 8}, {"ops": [["large"] * 3]}]))
@settings(max_examples=25, deadline=None)
def test_rows_are_those_of_analyze(seed: int, fixed: dict[str, Any]) -> None:
    small = space(**fixed)
    found = archcalc.sweep(small, sample=12, seed=seed, quantities=QUANTITIES)
    expected = [(p, one_by_one(small.network, p)) for p in small.sample(12, seed=seed)]
    rows = [{**point, **numbers} for point, numbers in expected if numbers is not None]
    assert list(found) == rows
    assert found.refused.count == 12 - len(rows)


@given(st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_cells_that_choose_what_they_take(seed: int) -> None:
    own = cells()
    found = archcalc.sweep(own, sample=30, seed=seed, quantities=QUANTITIES)
    drawn = list(own.sample(30, seed=seed))
    expected = [(point, one_by_one(own.network, point)) for point in drawn]
    assert list(found) == [{**p, **numbers} for p, numbers in expected if numbers is not None]


def test_a_cell_that_leaves_a_state_aside_is_no_network() -> None:
    own = cells()
    counter = Counter(own, Wanted(("params",)))
    for codes in own.between(0, own.size):
        counter.totals(codes, found := Counted({}))
    assert counter.layered is not None
    # Both states 0 and 1 are taken by (0, 1) and (1, 0) alone, of six pairs.
    assert found.refused == own.size * 4 // 6
    assert "leads to no output" in str(found.error)
    # A state that only some of the cells leave aside is none of those.
    assert counter.layered.found.apart.sum() == found.refused


def test_all_of_a_space() -> None:
    small = space()
    found = archcalc.sweep(small)
    assert found.configurations == small.size == found.space
    assert len(found) + found.refused.count == small.size
    # A kernel of 9 is larger than an input of 8; one of 4 comes of that by the stride.
    assert found.refused.count
    assert "kernel 9" in str(found.refused.error)
    assert archcalc.sweep(small.network).columns["macs"].tolist() == found.columns["macs"].tolist()
    assert Counter(small, Wanted(("macs",))).layered is not None


LAYERED: list[dict[str, Any]] = [
    {},
    # A layer that leads to no output where it is there: what that means, the engine says.
    {"layers": {**SMALL["layers"], "add": {"op": "Add", "from": ["stage2", "stage2"]}}},
    {"layers": {**SMALL["layers"], "twice": {"op": "Linear", "out_features": 10, "share": "fc"}}},
    {"requires": [{"that": "=side % 8 == 0", "reason": "eights"}]},
    {"requires": [{"that": "=height(down) > 5", "reason": "not too small"}]},
    {"outputs": ["fc", "stage1"]},
]


@pytest.mark.parametrize("changed", LAYERED)
def test_whatever_the_network_is_like(changed: dict[str, Any]) -> None:
    small = Space(archcalc.load({**SMALL, **changed}))
    drawn = list(small.sample(25, seed=9))
    expected = [one_by_one(small.network, point) for point in drawn]
    if not any(expected):
        with pytest.raises(SpecError):
            archcalc.sweep(small, sample=25, seed=9)
        return
    found = archcalc.sweep(small, sample=25, seed=9, quantities=QUANTITIES)
    assert [row["params"] for row in found] == [row["params"] for row in expected if row]
    assert [row["flops"] for row in found] == [row["flops"] for row in expected if row]


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "squeezenet1_0", "densenet121"])
def test_networks_of_the_zoo(name: str) -> None:
    declared = {"vars": {"side": [64, 96], "classes": [10, 100, 1000]}}
    network = zoo.load(name).spaced(Declared.model_validate(declared))
    found = archcalc.sweep(Space(network), quantities=QUANTITIES)
    expected = [one_by_one(network, point) for point in Space(network).enumerate()]
    assert [{n: row[n] for n in QUANTITIES} for row in found] == [row for row in expected if row]


@pytest.mark.parametrize("small", [space(side=[16]), cells()])
def test_bounds_hold_in_every_part(small: Space) -> None:
    layered = Layered(small.network, small.states)
    bounds = Bounds(layered.pieces, small.states)
    everything = whole(small.states)
    for at, codes in enumerate(everything):
        for code in codes:
            part, box = within(small.states, narrowed(everything, at, [code]))
            found = layered.totals(numbered(part, np.arange(part.size)))
            sums = np.stack([found.sums[k] for k in range(len(COLUMNS))], axis=1)
            fine = sums[~(found.refused | found.apart)]
            least, most = bounds.of(box)
            assert (np.array(least) <= fine.min(axis=0, initial=2**62)).all()
            assert (np.array(most) >= fine.max(axis=0, initial=0)).all()


def test_bounds_of_shared_tensors_are_not_made_up() -> None:
    """Of two layers that share their tensors one stores them: bounds would be too high."""
    layers = {**SMALL["layers"], "twice": {"op": "Linear", "out_features": 10, "share": "fc"}}
    small = Space(archcalc.load({**SMALL, "layers": layers}), side=[16])
    bounds = Bounds(Layered(small.network, small.states).pieces, small.states)
    with pytest.raises(NotByLayers):
        bounds.of(whole(small.states))


def test_bounds_of_ranges_hold_in_every_part() -> None:
    """Widths in multiples of a group that is chosen, depths, and a side: programs bound them."""
    network = archcalc.load("regnet_x_400mf")
    declared = {
        "group": [8, 16],
        "depths": {"each": {"from": 1, "to": 3}, "times": 4},
        "widths": {"each": {"from": "=group", "to": 512, "step": "=group"}, "times": 4},
        "side": [64, 96],
    }
    several = Space(network.spaced(Declared.model_validate({"vars": declared})))
    bounds = bounds_of(several, None)
    assert isinstance(bounds, Ranges)
    everything = whole(several.states)
    for at, codes in enumerate(everything):
        for code in (codes[0], codes[-1]):
            part, box = within(several.states, narrowed(everything, at, [code]))
            for group in range(2):
                some, smaller = within(part, narrowed(box, 0, [group]))
                if not some.size:
                    continue
                least, most = map(dict, map(zip, [COLUMNS] * 2, bounds.of(smaller)))
                numbers = np.array([0, some.size // 3, some.size - 1], np.int64)
                for chosen in zip(*numbered(some, numbers), strict=True):
                    one = one_by_one(network, several.at([int(number) for number in chosen]))
                    assert one is not None
                    for name in ("params", "macs", "flops", "activations", "buffers"):
                        assert least[name] <= one[name] <= most[name]


def test_what_nothing_in_ranges_can_meet_is_passed_over_at_once() -> None:
    search = Search(Space("anynet_x"), Wanted(("params", "macs"), where="macs < 1000"))
    assert not list(search.counted())
    assert search.skipped == search.size


@pytest.mark.parametrize("small", [space(), cells()])
def test_a_part_that_is_one_configuration_has_its_numbers(small: Space) -> None:
    layered = Layered(small.network, small.states)
    bounds = Bounds(layered.pieces, small.states)
    for point in small.sample(40, seed=2):
        numbers = one_by_one(small.network, point)
        if numbers is not None:
            least, most = bounds.of(tuple((code,) for code in small.codes(point)))
            assert least == most
            assert dict(zip(COLUMNS, least, strict=True))["flops"] == numbers["flops"]


@pytest.mark.parametrize(
    "where", ["macs < 40000", "params > 9000 and macs < 3e6", "params < 100 or macs < 50000"]
)
def test_parts_that_can_not_meet_a_condition_are_skipped(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = space()
    all_rows = archcalc.sweep(small, quantities="params,macs")
    expected = [row for row in all_rows if condition(where)(row)]
    monkeypatch.setattr(searching, "WORTH", 0)
    monkeypatch.setattr(searching, "CHUNK", 16)
    found = archcalc.sweep(small, quantities="params,macs", where=where)
    assert list(found) == expected
    assert 0 < found.skipped < small.size


def test_parts_that_take_too_long_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    small = space(side=[16], ops=[["conv", "same", "same"]])
    rows = archcalc.sweep(small, quantities="time,memory", on="h100")
    monkeypatch.setattr(searching, "WORTH", 0)
    monkeypatch.setattr(searching, "CHUNK", 1)
    for where, time, memory in [
        ("time(h100) < 12ns", 12, 10**9),
        ("memory < 45kB and time(h100) < 1ms", 10**6, 45_000),
    ]:
        found = archcalc.sweep(small, quantities="time,memory", where=where)
        assert list(found) == [r for r in rows if r["time"] < time and r["memory"] < memory]
        assert 0 < len(found) < len(rows)
    # At the peak of 67 TFLOP/s, 12 ns are 402,000 products.
    few = archcalc.sweep(small, quantities="time", where="time(h100) < 2ns")
    assert (len(few), few.skipped > 0) == (0, True)


def test_the_least_of_time_and_memory_is_no_more_than_they_are() -> None:
    small = space(side=[16])
    h100 = machines.find("h100")
    bounds = Bounds(Layered(small.network, small.states).pieces, small.states)
    for row in archcalc.sweep(small, sample=40, seed=4, quantities="time,memory", on=h100):
        point = {name: row[name] for name in small.variables}
        box = tuple((code,) for code in small.codes(point))
        known = quantities(*bounds.of(box), small.network, "float32", h100)
        assert 0 < known["memory"][0] <= row["memory"]
        assert known["time"][0] <= row["time"]


def test_what_bounds_say_of_a_condition() -> None:
    known = {"macs": (10, 20), "params": (1, 2)}
    never = ["macs < 10", "macs <= 9", "20 < macs", "macs == 21", "macs > 5 and params > 2"]
    never += ["macs < 10 or params > 2", "1 < params < 2 < macs < 10"]
    maybe = ["macs < 11", "macs >= 20", "params < width", "macs < 10 or params > 1", "macs * 2 < 3"]
    assert all(impossible(condition(where), known) for where in never)
    assert not any(impossible(condition(where), known) for where in maybe)


def front(rows: list[dict[str, Any]]) -> list[tuple[int, int]]:
    pairs = {(row["params"], row["macs"]) for row in rows}
    return sorted(
        (p, m)
        for p, m in pairs
        if not any(q >= p and n <= m and (q, n) != (p, m) for q, n in pairs)
    )


@pytest.fixture(scope="module")
def pool() -> Any:
    with ProcessPoolExecutor(2, get_context("spawn")) as executor:
        yield executor


def test_the_front_is_exact_with_and_without_processes(
    pool: ProcessPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "CHUNK", 100)
    small = space()
    rows = list(archcalc.sweep(small, quantities="params,macs"))
    for executor in (None, pool):
        found = archcalc.sweep(
            small, quantities="params,macs", pareto="-params,macs", executor=executor
        )
        assert sorted({(row["params"], row["macs"]) for row in found}) == front(rows)


@pytest.mark.parametrize("how", [{}, {"sample": 300}, {"sample": 3000, "replace": True}])
def test_the_result_does_not_depend_on_the_executor(
    how: dict[str, Any], pool: ProcessPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "CHUNK", 128)
    here = archcalc.sweep(space(), **how)
    with ThreadPoolExecutor(3) as threads:
        for executor in (pool, threads):
            there = archcalc.sweep(space(), executor=executor, **how)
            assert list(there) == list(here)
            assert there.refused.count == here.refused.count
            assert there.refused.example == here.refused.example


def doubling(shared: int) -> Any:
    return lambda task: shared * task


def dying(shared: tuple[str, int]) -> Any:
    path, parent = shared

    def work(task: int) -> int:
        if os.getpid() != parent and not os.path.exists(path):
            Path(path).touch()
            os._exit(1)
        return task * task

    return work


def test_a_worker_that_dies_costs_its_chunk_which_is_done_again(tmp_path: Path) -> None:
    with processes(2) as executor:
        shared = str(tmp_path / "died"), os.getpid()
        found = list(mapped(dying, shared, range(12), executor))
    assert found == [k * k for k in range(12)]
    assert (tmp_path / "died").exists()


MEETING = threading.Barrier(2)


def meeting(shared: int) -> Any:
    return lambda task: MEETING.wait(30) * 0 + task


def test_workers_begin_together() -> None:
    """None waits for another before it has what all have in common."""
    with ThreadPoolExecutor(2) as threads:
        assert list(mapped(meeting, 0, range(2), threads)) == [0, 1]


@pytest.mark.parametrize(("beginning", "asked"), [(1.0, 0), (-1e9, 1)])
def test_others_are_begun_where_they_are_worth_it(
    beginning: float, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "CHUNK", 100)
    monkeypatch.setattr(searching, "BEGINNING", beginning)
    made: list[Executor] = []

    def make() -> Executor:
        made.append(ThreadPoolExecutor(2))
        return made[-1]

    found = archcalc.sweep(space(), executor=make)
    assert list(found) == list(archcalc.sweep(space()))
    assert len(made) == asked
    for executor in made:
        executor.shutdown()


def test_what_no_worker_can_do_is_done_here() -> None:
    class Broken(Executor):
        def submit(self, *_: Any, **__: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(BrokenProcessPool("gone"))
            return future

    assert list(mapped(doubling, 3, range(5), Broken())) == [0, 3, 6, 9, 12]


def test_chunks_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def tasks() -> Any:
        for k in itertools.count():
            taken.append(k)
            yield k

    with ThreadPoolExecutor(1) as threads:
        found: Any = mapped(doubling, 2, tasks(), threads)
        assert [next(found) for _ in range(3)] == [0, 2, 4]
        found.close()
    assert len(taken) < 20


def test_others_begin_with_what_was_learned() -> None:
    small = space()
    search = Search(small, Wanted(("params", "macs")))
    rows = list(search.chunks(Refused()))
    sent = pickle.loads(pickle.dumps(search.counter))
    assert sent.layered is not None
    sent.layered.pieces.most_made = sent.layered.pieces.made
    found = sent.by_layers(small.part(range(small.size)), Counted({}))[0]
    assert found["macs"].tolist() == [n for chunk in rows for n in chunk["macs"].tolist()]


def failing(shared: int) -> Any:
    def work(task: int) -> int:
        raise ArchcalcError(f"not {task}")

    return work


def test_what_is_raised_on_purpose_is_raised_here() -> None:
    with ThreadPoolExecutor(1) as threads, pytest.raises(ArchcalcError, match="not 0"):
        list(mapped(failing, 0, range(3), threads))
    assert threading.active_count() >= 1


def test_time_and_memory_are_asked_of_what_is_left() -> None:
    small = space(side=[16])
    found = archcalc.sweep(
        small,
        quantities="macs,memory",
        where="macs < 1e5 and time < 1e12 and memory > 1",
        on="h100",
    )
    assert len(found)
    row = found[0]
    names = ("width", "depths", "ops", "pooled", "side")
    analysis = archcalc.analyze(small.network, **{name: row[name] for name in names})
    assert row["memory"] == archcalc.memory(analysis.graph).most
    assert {*found.quantities} == {"macs", "memory", "time"}


def test_numbers_that_differ_are_counted_as_a_grid() -> None:
    declared = {
        "width": {"from": 8, "to": 200},
        "side": {"from": 32, "to": 96, "step": 2},
        "depths": {"each": {"from": 1, "to": 6}, "times": 4},
    }
    network = zoo.load("resnet18").spaced(Declared.model_validate({"vars": declared}))
    several = Space(network)
    found = archcalc.sweep(several, sample=6000, seed=1, quantities="params,macs")
    for k in range(0, 6000, 1200):
        row = found[k]
        values = {name: row[name] for name in declared}
        analysis = archcalc.analyze(network, **values)
        assert (analysis.params, analysis.macs) == (row["params"], row["macs"])


def test_what_does_not_go_is_told() -> None:
    with pytest.raises(ArchcalcError, match="its variables"):
        archcalc.sweep(space(), width=[8])
    with pytest.raises(ArchcalcError, match="at least 1"):
        archcalc.sweep(space(), sample=0)
    with pytest.raises(ArchcalcError, match="looks through a space"):
        archcalc.sweep(archcalc.load("alexnet"), batch=[1, 2], executor=ThreadPoolExecutor(1))
    with pytest.raises(ArchcalcError, match="no column"):
        archcalc.sweep(space(), where="mac < 3")
    assert Search(space(), Wanted(("macs",))).size == space().size


def test_a_place_that_is_skipped_by_a_condition() -> None:
    """A block of which nothing is there is its input. A 3x3 of 3 channels has 81 weights and 3."""
    body = {"op": "Conv2d", "out_channels": 3, "kernel_size": 3, "padding": 1}
    skipped = Space(
        {
            "name": "skipped",
            "input": [3, 8, 8],
            "vars": {"ops": None},
            "blocks": {"unit(kind)": {"body": {**body, "when": "=kind != 'skip'"}}},
            "layers": {"units": {"block": "unit", "repeat": 2, "kind": "=ops[i]"}, "act": "ReLU"},
            "space": {"vars": {"ops": {"each": ["conv", "skip"], "times": 2}}},
        }
    )
    found = archcalc.sweep(skipped)
    assert found.columns["params"].tolist() == [168, 84, 84, 0]
    assert found.columns["macs"].tolist() == [10_368, 5_184, 5_184, 0]


def test_layers_of_many_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where programs of the structures, or analyses, would be more than the layers, it is these."""
    monkeypatch.setattr("archcalc.space.count.MOST_PIECES", 3)
    small = space()
    codes = small.draw(0, 200, 3, False)
    monkeypatch.setattr("archcalc.space.count.MOST_PARTS", 1)
    for most, by_layers in ((10_000, True), (3, False)):
        monkeypatch.setattr("archcalc.space.count.MOST_KEPT", most)
        counter = Counter(small, Wanted(("params", "macs")))
        found = counter.count(codes)
        assert (counter.layered is not None) is by_layers
        for row in zip(*found.columns.values(), strict=True):
            point = dict(zip(found.columns, map(int, row), strict=True))
            chosen = [value for name, value in point.items() if name.startswith("choice ")]
            analysis = archcalc.analyze(small.network, **small.at(chosen))
            assert (point["params"], point["macs"]) == (analysis.params, analysis.macs)
