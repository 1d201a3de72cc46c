"""No result depends on what was done before, nor in which thread or process."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from copy import copy, deepcopy
from functools import cached_property
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc.errors import (
    ArchcalcError,
    ExpressionError,
    LayerError,
    Problem,
    ShapeError,
    SpecError,
)
from archcalc.spec import zoo
from archcalc.spec.model import Spec
from archcalc.spec.question import NoVariable
from archcalc.spec.refusal import Refused
from archcalc.values import Remembering, exact
from tests.conftest import EXHAUSTIVE

TIMES = 200 if EXHAUSTIVE else 20
"""How often a spec that was used is loaded again."""

NAMES = list(zoo.names())
FEW = ["c3d", "resnet18", "googlenet", "mobilenet_v2", "lenet5", "densenet121"]


def numbers(spec: Spec, **more: Any) -> list[Any]:
    """Every number of every layer."""
    analysis = archcalc.analyze(spec, **more)
    rows = [
        (row.name, row.op, row.shape, row.params, row.shared, row.buffers, row.work)
        for row in analysis.rows
    ]
    return [analysis.params, analysis.macs, *rows]


@pytest.mark.every_network
@pytest.mark.parametrize("name", NAMES)
def test_a_used_spec_that_is_loaded_again_is_a_fresh_one(name: str) -> None:
    wanted = [numbers(archcalc.load(name), batch=batch) for batch in (1, 2, 3)]
    spec = archcalc.load(name)
    size = len(pickle.dumps(spec))
    for k in range(TIMES):
        archcalc.analyze(spec)
        data = pickle.dumps(spec)
        assert len(data) == size
        del spec
        spec = pickle.loads(data)
        assert numbers(spec, batch=k % 3 + 1) == wanted[k % 3]


@pytest.mark.parametrize("again", [copy, deepcopy, lambda spec: pickle.loads(pickle.dumps(spec))])
def test_a_copy_of_a_used_spec_is_a_fresh_one(again: Callable[[Spec], Spec]) -> None:
    for name in FEW:
        spec = archcalc.load(name)
        wanted = numbers(spec)
        assert again(spec) == spec
        assert numbers(again(spec)) == wanted
        assert not again(spec).home._kept


def test_a_spec_that_was_used_is_no_larger_when_it_is_pickled() -> None:
    spec = archcalc.load("resnet50")
    assert len(pickle.dumps(spec)) < 90_000
    analysis = archcalc.analyze(spec)
    small = pickle.dumps(analysis)
    assert analysis.params + analysis.macs > 0
    assert analysis.backward.layers
    assert analysis.receptive_fields
    assert len(pickle.dumps(analysis)) == len(small)
    assert pickle.loads(small) == analysis


def test_a_changed_copy_has_nothing_of_what_it_was_copied_from() -> None:
    spec = archcalc.load("resnet18")
    assert archcalc.expand(spec).inputs == {"input": (1, 3, 224, 224)}
    assert spec.inputs == {"input": [3, "=side", "=side"]}
    for deep in (False, True):
        small = spec.model_copy(update={"input": [3, 64, 64]}, deep=deep)
        assert archcalc.expand(small).inputs == {"input": (1, 3, 64, 64)}

    layer = spec.layers["conv1"]
    assert layer.fields["kernel_size"] == "=3 if small_stem else 7"
    wider = spec.model_copy(
        update={"layers": {**spec.layers, "conv1": layer.model_copy(update={"kernel_size": 3})}}
    )
    assert archcalc.analyze(wider).rows[0].params == 64 * 3 * 3 * 3


def in_any_thread(spec: Spec, k: int) -> list[Any]:
    return numbers(spec, batch=k % 3 + 1, training=bool(k % 2))


def test_threads_find_what_one_finds() -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            for name in FEW:
                spec, alone = archcalc.load(name), archcalc.load(name)
                found = list(pool.map(lambda k, s=spec: in_any_thread(s, k), range(TIMES)))
                assert found == [in_any_thread(alone, k) for k in range(TIMES)]
    finally:
        sys.setswitchinterval(before)


def test_threads_may_be_the_first_to_use_anything() -> None:
    program = """
import sys, threading, archcalc
sys.setswitchinterval(1e-6)
found, start = [], threading.Barrier(8)
def work():
    start.wait()
    found.append(archcalc.analyze(archcalc.load("mobilenet_v3_small")).params)
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(found)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    # torchvision's: its documentation prints 2,542,856.
    assert done.stdout.strip() == str([2542856] * 8)


def test_other_processes_find_what_this_one_finds() -> None:
    specs = [archcalc.load(name) for name in FEW]
    wanted = [numbers(spec) for spec in specs]  # so that all of them are used ones
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        analyses = list(pool.map(archcalc.analyze, specs))
        texts = list(pool.map(archcalc.table, specs))
        refused = pool.submit(archcalc.expand, specs[0], nosuch=1).exception()
    assert [analysis.graph for analysis in analyses] == [archcalc.expand(s) for s in specs]
    assert [a.macs for a in analyses] == [found[1] for found in wanted]
    assert texts == [archcalc.table(spec) for spec in specs]
    assert isinstance(refused, SpecError)
    with pytest.raises(SpecError) as here:
        archcalc.expand(specs[0], nosuch=1)
    assert str(refused) == str(here.value)


COMMANDS = """
list
list resnet
table resnet18
table googlenet --detail stage --training
table mobilenet_v2 --columns layer,weights,receptive_field,params,macs,backward
table lenet5 --format csv
table alexnet --format json
validate resnet18
schema
new net
ops
ops Conv2d
compare resnet18 vgg16 alexnet
compare resnet18 vgg16 --format csv
check lenet5
check resnet18 --format json
diff resnet18 resnet34
diff vgg16 vgg19 --format json
explain resnet18 layer1.0.conv1
explain lenet5
export resnet18 --to dot
export googlenet --to mermaid
export resnet18 --to json
export densenet121 --to yaml
formula resnet18 --in side,N
sweep mobilenet_v2 --set width=0.5,1.0
savings vgg16 --rewrite separable
"""


def test_commands_print_the_same_whatever_text_hashes_to() -> None:
    program = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from archcalc.cli.app import application\n"
        f"for line in {COMMANDS!r}.strip().split('\\n'):\n"
        "    done = CliRunner().invoke(application(), line.split())\n"
        "    assert done.exit_code == 0, (line, done.output)\n"
        "    print('$', line, done.output)\n"
    )
    found = set()
    for seed in "012":
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1


def ours() -> Iterator[type[Any]]:
    """Every class of the package."""
    package = Path(archcalc.__file__).parent
    for path in sorted(package.rglob("*.py")):
        name = ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for value in list(vars(import_module(name.removesuffix(".__init__"))).values()):
            if isinstance(value, type) and value.__module__ == name:
                yield value


def test_every_dataclass_that_keeps_what_it_works_out_leaves_it_at_home() -> None:
    for cls in ours():
        keeps = any(isinstance(value, cached_property) for value in vars(cls).values())
        if keeps and hasattr(cls, "__dataclass_fields__") and not cls.__name__.startswith("_"):
            assert issubclass(cls, Remembering), cls


@pytest.mark.parametrize(
    "error",
    [
        ArchcalcError("no such thing"),
        ShapeError("takes 3 axes, not 4"),
        ExpressionError("unknown name 'x'", 7),
        LayerError("no layer 'x' in net"),
        NoVariable("net.yaml", "net", "widht", ["width"]).among("analyze", ["input"]),
        SpecError(
            [
                Problem("net.yaml", 3, 5, ("layers", "b"), "no layer 'c'", "did you mean 'a'?"),
                Problem("net.yaml", 2, 1, ("vars",), "is wrong"),
            ]
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_itself_after_any_journey(error: ArchcalcError) -> None:
    error.add_note("a note")
    for again in (pickle.loads(pickle.dumps(error)), copy(error), deepcopy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_a_refused_input_travels_as_the_problem_that_it_is() -> None:
    with pytest.raises(Refused) as caught:
        archcalc.expand(archcalc.load("lenet5"), input=[1, 8, 8])
    for again in (pickle.loads(pickle.dumps(caught.value)), copy(caught.value)):
        assert str(again) == str(caught.value)
        assert again.problems == caught.value.problems


def test_every_kind_of_error_is_among_those_that_travel() -> None:
    known = {ArchcalcError, ShapeError, ExpressionError, LayerError}
    known |= {SpecError, Refused, NoVariable}
    assert {cls for cls in ours() if issubclass(cls, ArchcalcError)} == known


def net(**more: Any) -> Spec:
    return archcalc.load(
        {
            "name": "net",
            "input": [3, 8, 8],
            "blocks": {
                "b": {
                    "args": {"flag": None},
                    "layers": {
                        "conv": {
                            "op": "Conv2d",
                            "out_channels": 3,
                            "kernel_size": 1,
                            "bias": "=flag",
                        }
                    },
                }
            },
            **more,
        }
    )


def outcome(spec: Spec, **variables: Any) -> Any:
    try:
        return archcalc.analyze(spec, **variables).params
    except SpecError as error:
        return str(error)


VALUES = [True, 1, 1.0, False, 0, 0.0]


@pytest.mark.parametrize("first", VALUES)
@pytest.mark.parametrize("then", VALUES)
def test_true_and_1_are_two_values_whichever_was_seen_first(first: Any, then: Any) -> None:
    spec = net(vars={"x": True}, layers={"u": {"block": "b", "flag": "=x"}})
    outcome(spec, x=first)
    fresh = net(vars={"x": True}, layers={"u": {"block": "b", "flag": "=x"}})
    assert outcome(spec, x=then) == outcome(fresh, x=then)


def test_true_and_1_are_two_values_within_one_spec() -> None:
    both = {"u": {"block": "b", "flag": True}, "v": {"block": "b", "flag": 1}}
    alone = {"v": {"block": "b", "flag": 1}}
    refused = outcome(net(layers=alone))
    assert isinstance(outcome(net(layers=both)), type(refused))


def test_keys_tell_apart_what_python_takes_for_equal() -> None:
    values = [1, True, 1.0, 0, False, 0.0, -0.0, "1", None, (1,), (True,), (1.0,), ((1,),), ("1",)]
    assert len({exact(value) for value in values}) == len(values)
    assert exact([1, [2]]) == exact((1, (2,)))


def test_a_number_of_numpy_is_the_number_that_it_is() -> None:
    import numpy as np
    import sympy

    spec = archcalc.load("resnet18")
    wanted = numbers(spec, batch=2, input=(3, 64, 64))
    for kind in (np.int64, np.int8, sympy.Integer):
        again = numbers(archcalc.load("resnet18"), batch=kind(2), input=(3, kind(64), 64))
        assert repr(again) == repr(wanted)
    # 2**62 images of 1.8e9 multiply-accumulates are more than 64 bits hold.
    one = archcalc.analyze(spec).macs
    many: Any = np.int64(2**62)
    assert archcalc.analyze(spec, batch=many).macs == one * 2**62


def test_a_sweep_leaves_no_number_that_records() -> None:
    spec = archcalc.load("lenet5")
    archcalc.sweep(spec, batch=[2, 3])
    assert {type(row.work.macs) for row in archcalc.analyze(spec, batch=2).rows} == {int}
    assert type(archcalc.expand(spec, batch=2).inputs["input"][0]) is int
