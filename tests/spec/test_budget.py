"""What a small spec can cost: counted in steps, never in seconds."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc.errors import IN_FULL, SpecError
from archcalc.spec import expressions
from archcalc.spec.budget import (
    COPIED,
    LOOKED_AT,
    MADE,
    MOST_STEPS,
    ROW,
    TAKEN,
    VARIABLE,
    VARIANT,
    WRITTEN,
    Budget,
    Spent,
)
from archcalc.spec.expand import attempt
from archcalc.spec.model import Spec
from archcalc.spec.question import Question
from archcalc.spec.text import parse

Layers = dict[str, Any]


def net(layers: Layers, **more: Any) -> Spec:
    return archcalc.load({"name": "net", "input": [3, 8, 8], "layers": layers, **more})


def steps(layers: Layers, **more: Any) -> int:
    return attempt(net(layers, **more)).steps


def refused(layers: Layers, **more: Any) -> str:
    with pytest.raises(SpecError) as caught:
        archcalc.expand(net(layers, **more))
    return str(caught.value)


def test_a_layer_costs_what_the_documentation_says() -> None:
    # Looked at as a line and as a layer, its input, the operator and its use, and its row.
    one = 2 * LOOKED_AT + TAKEN + 2 * MADE + ROW
    # The spec, its name, its input with three items, its layers, and what the layer is.
    assert steps({"r": "ReLU"}) == 8 * WRITTEN + 3 + one
    # The mapping of the variables, and a variable.
    assert steps({"r": "ReLU"}, vars={"x": 1}) == 10 * WRITTEN + VARIABLE + 3 + one


def test_what_is_met_anew_costs_50_steps() -> None:
    conv = {"op": "Conv2d", "out_channels": 3, "kernel_size": 1}
    again = steps({"a": conv, "b": conv})
    # Another operator, and its use on a shape.
    assert steps({"a": conv, "b": {**conv, "kernel_size": 3}}) == again + 50 + 50


@pytest.mark.parametrize("times", [1, 10, 1000])
def test_steps_grow_with_repetitions(times: int) -> None:
    def more(layer: Layers, **blocks: Any) -> int:
        once = steps({"r": {**layer, "repeat": 1}}, **blocks)
        return steps({"r": {**layer, "repeat": times + 1}}, **blocks) - once

    assert more({"op": "ReLU"}) == times * (LOOKED_AT + ROW)
    assert more({"op": "ReLU", "inplace": "=i < 0"}) == times * (LOOKED_AT + ROW + 3)
    block = {"b": {"layers": {"x": "ReLU", "y": "ReLU"}}}
    assert more({"block": "b"}, blocks=block) == times * (LOOKED_AT + 2 * ROW)
    # What is left out is looked at all the same.
    gone = {"b": {"args": {"k": None}, "layers": {"x": {"op": "ReLU", "when": False}}}}
    one = LOOKED_AT + MADE + LOOKED_AT + TAKEN
    assert more({"block": "b", "k": "=i"}, blocks=gone) >= times * one


def test_a_layer_is_copied_from_block_to_block() -> None:
    def nested(layers: int) -> int:
        inner = {f"x{k}": "ReLU" for k in range(layers)}
        blocks = {"a": {"layers": inner}, "b": {"layers": {"a": {"block": "a"}}}}
        return steps({"b": {"block": "b"}}, blocks=blocks)

    one = WRITTEN + 2 * LOOKED_AT + TAKEN + COPIED + COPIED + ROW
    assert nested(11) - nested(1) == 10 * one


@pytest.mark.parametrize(
    "expression", ["sum(a)", "max(a)", "a == a[0]", "3 in a", "len([a])", "1 if a == [1] else 2"]
)
def test_every_item_that_an_expression_may_look_at_is_a_step(expression: str) -> None:
    def of(items: int) -> int:
        when = f"=({expression}) != 'no'"
        return steps({"r": {"op": "ReLU", "when": when}}, vars={"a": [1] * items})

    # Once to read the variable.
    assert of(110) - of(10) - 100 * WRITTEN >= 2 * 100


def test_an_index_looks_at_one_item() -> None:
    def of(items: int) -> int:
        return steps({"r": {"op": "ReLU", "when": "=a[0] == 1"}}, vars={"a": [1] * items})

    assert of(110) - of(10) == 100 + 100 * WRITTEN


@pytest.mark.parametrize(("text", "parts"), [("1", 1), ("a + 1", 3), ("sum(a) * a[0]", 5)])
def test_an_expression_has_as_many_steps_as_parts(text: str, parts: int) -> None:
    assert expressions.parse(text).steps == parts


SUM = {"vars": {"a": [1] * 1000}}
LEFT_OUT = {
    "blocks": {
        "b": {
            "args": {"x": None},
            "layers": {f"c{k}": {"op": "ReLU", "when": "=x < 0"} for k in range(400)},
        }
    }
}
WIDER = {
    "blocks": {
        "b": {
            "args": {"x": None},
            "layers": {"c": {"op": "Conv2d", "out_channels": "=x + 1", "kernel_size": 1}},
        }
    }
}
DENSE = {
    "blocks": {
        "d": {
            "layers": {
                "c": {"op": "Conv2d", "out_channels": 1, "kernel_size": 1},
                "cat": {"op": "Concat", "from": ["input", "c"]},
            }
        }
    }
}
LONG = "=" + "+".join(["(i*3+1)%7"] * 45) + "+1"
CONV = {"op": "Conv2d", "kernel_size": 1}
COSTLY: dict[str, tuple[Layers, dict[str, Any]]] = {
    "sum of a list in every repetition": (
        {"z": {**CONV, "out_channels": "=sum(a)", "repeat": 100_000}},
        SUM,
    ),
    "long expression in every repetition": (
        {"z": {**CONV, "out_channels": LONG, "repeat": 100_000}},
        {},
    ),
    "other arguments in every repetition": (
        {"z": {"block": "b", "x": "=i", "repeat": 100_000}},
        WIDER,
    ),
    "layers left out in every repetition": (
        {"z": {"block": "b", "x": "=i", "repeat": 100_000}},
        LEFT_OUT,
    ),
    "dense chain": ({"r": {"block": "d", "repeat": 60_000}}, DENSE),
    "references to all repetitions": (
        {
            "a": {"op": "ReLU", "parallel": 10_000},
            **{f"c{k}": {"op": "ReLU", "from": ["a.*"], "when": False} for k in range(500)},
        },
        {},
    ),
    "lists of lists of lists": (
        {"r": {"op": "ReLU", "when": "=v0 == v0"}},
        {"vars": {**{f"v{k}": f"=[v{k + 1}, v{k + 1}]" for k in range(200)}, "v200": 1}},
    ),
}


@pytest.mark.parametrize(("layers", "more"), COSTLY.values(), ids=COSTLY)
def test_what_costs_more_than_it_may_is_refused_before_it_is_spent(
    layers: Layers, more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    most = MOST_STEPS // 10
    monkeypatch.setattr("archcalc.spec.evaluation.Budget", lambda: Budget(most))
    spec = net(layers, **more)
    tried = attempt(spec)
    assert tried.graph is None
    assert [problem.message for problem in tried.problems].count(
        "the network takes more than 500,000 steps to expand"
    ) == 1
    assert most < tried.steps < most + 130_000
    # What is remembered of the first time makes no difference.
    assert attempt(spec) == tried


@pytest.mark.parametrize("name", ["resnet152", "densenet121", "googlenet", "swin_t", "llama2_7b"])
def test_steps_are_the_same_whatever_is_remembered(name: str) -> None:
    fresh = attempt(archcalc.load(name), Question(batch=2)).steps
    spec = archcalc.load(name)
    archcalc.expand(spec)
    assert attempt(spec, Question(batch=2)).steps == fresh
    archcalc.expand(spec)
    assert attempt(spec, Question(batch=2)).steps == fresh
    assert fresh < MOST_STEPS / 10


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    "layers",
    [
        {"b": {"block": "unit", "repeat": 25_000}},
        {"r": {"op": "ReLU", "repeat": 100_000}},
        {"c": {**CONV, "out_channels": 3, "repeat": 100_000}},
    ],
)
def test_large_honest_networks_are_well_within_it(layers: Layers) -> None:
    unit = {"c": {**CONV, "out_channels": 3}, "n": "BatchNorm2d", "r": "ReLU"}
    unit["a"] = {"op": "Add", "from": ["r", "input"]}
    spec = net(layers, blocks={"unit": {"layers": unit}})
    assert len(archcalc.expand(spec).nodes) == 100_000
    assert attempt(spec, Question(batch=2)).steps < MOST_STEPS


def test_blocks_stand_in_one_another_50_deep() -> None:
    def chain(length: int) -> Spec:
        blocks: Layers = {
            f"b{k}": {"layers": {"x": {"block": f"b{k + 1}"}}} for k in range(length - 1)
        }
        blocks[f"b{length - 1}"] = {"layers": {"x": "ReLU"}}
        return net({"r": {"block": "b0"}}, blocks=blocks)

    assert archcalc.expand(chain(50)).nodes[0].name.count(".") == 50
    with pytest.raises(SpecError, match="blocks stand more than 50 deep in one another"):
        archcalc.expand(chain(51))
    with pytest.raises(SpecError, match="more than 50 deep"):
        archcalc.expand(chain(400))


def test_a_chain_of_variables_may_be_as_long_as_it_likes() -> None:
    variables: Layers = {f"v{k}": f"=v{k + 1} + 1" for k in range(2000)}
    spec = net({"r": "ReLU"}, vars={**variables, "v2000": 0})
    assert archcalc.expand(spec).variables["v0"] == 2000


def test_variables_are_worked_out_as_needed() -> None:
    spec = net({"r": "ReLU"}, vars={"a": "=b if c else 1", "b": "=a", "c": False})
    assert archcalc.expand(spec).variables == {"a": 1, "b": 1, "c": False}
    loop = refused({"r": "ReLU"}, vars={f"v{k}": f"=v{(k + 1) % 300}" for k in range(300)})
    assert "variable depends on itself: v0 -> v1" in loop
    assert len(loop) < 300


def test_the_first_twenty_problems_are_told_in_full() -> None:
    layers = {f"layer{k}": {"op": "ReLU", "from": f"lager{k}"} for k in range(2000)}
    problems = archcalc.validate({"name": "t", "input": [3, 8, 8], "layers": layers})
    assert len(problems) == 2000
    text = refused_to_load(layers)
    assert text.endswith("\nand 1,980 more")
    assert text.count("no layer 'lager") == IN_FULL
    assert text.count("did you mean") == IN_FULL - 1  # nothing stands before the first
    assert len(text) < 4000


def refused_to_load(layers: Layers) -> str:
    with pytest.raises(SpecError) as caught:
        net(layers)
    return str(caught.value)


def test_what_is_written_is_repeated_in_part_only() -> None:
    assert len(refused_to_load({"r": {"op": "ReLU", "from": "x" * 100_000}})) < 1200
    assert len(refused_to_load({"r": {"op": "ReLU", "inplace": [[1] * 10_000]}})) < 1200


class Counted(dict[str, Any]):
    """A mapping that counts how often it is looked through."""

    passes = 0

    def __iter__(self) -> Any:
        Counted.passes += 1
        return super().__iter__()


@pytest.mark.parametrize("wrong", [False, True])
def test_to_check_a_layer_does_not_look_through_the_others(wrong: bool) -> None:
    from archcalc.spec.check import check

    layers = {
        f"layer{k}": {"op": "ReLU", "from": f"lager{k}" if wrong else f"layer{max(k - 1, 0)}"}
        for k in range(500)
    }
    layers["layer0"]["from"] = "input"
    spec = Spec.of(parse(json.dumps({"name": "t", "input": [3, 8, 8], "layers": layers}), "t"))
    watched = spec.model_copy(update={"layers": Counted(spec.layers)})
    watched._document = spec.document
    Counted.passes = 0
    assert len(list(check(watched))) == (499 if wrong else 0)
    assert Counted.passes < 10


def test_two_thousand_variants_are_looked_at_one_after_the_other() -> None:
    variants = {f"v{k}": {"w": k + 1} for k in range(2000)}
    data = {"name": "t", "input": [3, 8, 8], "vars": {"w": 1}, "variants": variants}
    data["layers"] = {"c": {"op": "Conv2d", "out_channels": "=w", "kernel_size": 1}}
    tracemalloc.start()
    try:
        assert archcalc.validate(data) == []
        assert tracemalloc.get_traced_memory()[1] < 30 * 2**20
    finally:
        tracemalloc.stop()


def test_the_variants_of_a_family_are_counted_together() -> None:
    variants = {f"v{k}": {"w": k + 1} for k in range(10)}
    data = {"name": "t", "input": [3, 8, 8], "vars": {"w": 1}, "variants": variants}
    data["layers"] = {"c": {"op": "ReLU", "repeat": "=100000 + w"}}
    (problem,) = archcalc.validate(data)
    assert problem.message == "the variants together take more than 5,000,000 steps to expand"
    assert problem.hint == "look at one at a time, <mapping>::v1"


def test_nothing_is_spent_that_is_not_there() -> None:
    budget = Budget(10)
    budget.spend(10)
    with pytest.raises(Spent):
        budget.spend(1)
    with pytest.raises(Spent):
        Budget(10).look_at(((1, 2, 3), (4, 5, 6), (7, 8)))
    budget = Budget(11)
    budget.look_at(((1, 2, 3), (4, 5, 6), (7, 8)))
    assert budget.steps == 11


NEAR: dict[str, Callable[[], Any]] = {
    "nosuch": lambda: archcalc.analyze(archcalc.load("resnet18"), nosuch=1),
    "widht": lambda: archcalc.analyze(archcalc.load("resnet18"), widht=1),
}


def test_a_variable_that_there_is_not_is_told_from_those_that_there_are() -> None:
    with pytest.raises(SpecError, match="did you mean 'width'"):
        NEAR["widht"]()
    with pytest.raises(
        SpecError, match="'resnet18' has no variable 'nosuch'\n  it has: unit, depths"
    ):
        NEAR["nosuch"]()
    with pytest.raises(SpecError, match="it has none"):
        archcalc.analyze(net({"r": "ReLU"}), nosuch=1)


def test_one_number_is_every_extent_of_an_input() -> None:
    spec = archcalc.load("resnet18")
    assert archcalc.expand(spec, input=64).inputs == {"input": (1, 3, 64, 64)}
    assert archcalc.expand(spec, input={"input": 64}).inputs == {"input": (1, 3, 64, 64)}
    flat = archcalc.load({"name": "t", "input": [4], "layers": {"r": "ReLU"}})
    assert archcalc.expand(flat, input=7).inputs == {"input": (1, 7)}
    # A video keeps its 16 frames.
    assert archcalc.expand("c3d", input=64).inputs == {"input": (1, 3, 16, 64, 64)}


@pytest.mark.parametrize("given", ["224", 2.5, {"input": None}, 0, [3, "x", 4], True])
def test_what_is_no_input_is_refused(given: Any) -> None:
    with pytest.raises(SpecError, match=r"should be a (shape|whole number)"):
        archcalc.expand(archcalc.load("resnet18"), input=given)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "two blocks of which one has bad arguments": (
        {
            "blocks": {
                "a": {"args": 3, "layers": {"c": "ReLU"}},
                "b": {"layers": {"c": {"stride": 2}}},
            },
            "layers": {"r": "ReLU"},
        },
        "should be a mapping, not 3",
    ),
    "a list for a block": (
        {"blocks": {"b": {"layers": {"c": "ReLU"}}}, "layers": {"r": {"block": "=['b']"}}},
        "unknown block ('b',)",
    ),
    "a mapping for a block": ({"layers": {"r": {"block": {"a": 1}}}}, "should be text"),
    "a list for an operator": ({"layers": {"r": {"op": "=['ReLU']"}}}, "unknown operator"),
    "no inputs": ({"input": {}, "layers": {"r": "ReLU"}}, "should name an input at least"),
}


@pytest.mark.parametrize(("data", "message"), BAD.values(), ids=BAD)
def test_bad_specs_end_in_a_message(data: dict[str, Any], message: str) -> None:
    written = {"name": "t", "input": [3, 8, 8], **data}
    problems = archcalc.validate(written)
    assert any(message in problem.message for problem in problems)
    with pytest.raises(SpecError, match=r"^<mapping>"):
        archcalc.expand(archcalc.load(written))


def test_a_name_may_be_longer_than_that_of_any_file() -> None:
    for name in ("x" * 5000, "x" * 5000 + ".yaml", "x/" * 5000):
        with pytest.raises(SpecError):
            archcalc.load(name)


def test_a_variant_costs_what_the_documentation_says() -> None:
    def validated(count: int) -> list[str]:
        variants: Layers = {f"v{k}": {} for k in range(count)}
        data = {"name": "t", "input": [3, 8, 8], "layers": {"r": "ReLU"}, "variants": variants}
        return [problem.message for problem in archcalc.validate(data)]

    # The first layer is met once a variant: an expansion remembers, and counts all the same.
    one = attempt(net({"r": "ReLU"})).steps - 8 * WRITTEN + WRITTEN + VARIANT
    most = (MOST_STEPS - 9 * WRITTEN) // one
    assert validated(most) == []
    assert validated(most + 1) == ["the variants together take more than 5,000,000 steps to expand"]


def test_a_name_may_be_as_long_as_a_key_with_all_that_is_around_it() -> None:
    def nested(length: int) -> Spec:
        blocks = {"b": {"layers": {"x" * length: "ReLU"}}}
        return net({"r": {"block": "b", "repeat": 2}}, blocks=blocks)

    assert len(archcalc.expand(nested(196)).nodes[1].name) == 200
    with pytest.raises(SpecError, match="makes a layer's full name longer than 200 characters"):
        archcalc.expand(nested(197))
    assert archcalc.expand(net({"r": {"op": "ReLU", "repeat": 10}, "x" * 200: "ReLU"}))
    with pytest.raises(SpecError, match="longer than 200 characters"):
        archcalc.expand(net({"x" * 199: {"op": "ReLU", "repeat": 2}}))


def test_a_tensor_has_16_axes_at_most() -> None:
    def of(axes: int) -> Spec:
        return archcalc.load({"name": "t", "input": [1] * axes, "layers": {"r": "ReLU"}})

    assert len(archcalc.expand(of(15)).nodes[0].shape) == 16
    with pytest.raises(SpecError, match="16 axes beside the batch; 15 are the most"):
        archcalc.expand(of(16))
    longer = net({"r": {"op": "Reshape", "shape": [1] * 16 + [-1]}})
    with pytest.raises(SpecError, match="has an output of 18 axes; 16 are the most"):
        archcalc.expand(longer)


@pytest.mark.parametrize("many", ["blocks", "variants", "repetitions", "uses"])
def test_to_check_one_of_many_does_not_look_through_what_all_have(many: str) -> None:
    from archcalc.spec.check import check

    count = 300
    data: Layers = {"name": "t", "input": [3, 8, 8], "vars": {"w": 1}}
    data["layers"] = {"r": "ReLU"}
    block = {"args": {"k": 1}, "layers": {"r": "ReLU"}}
    if many == "blocks":
        data["blocks"] = {f"b{k}": block for k in range(count)}
    if many == "variants":
        data["variants"] = {f"v{k}": {"w": k} for k in range(count)}
    if many == "repetitions":
        data["layers"] = {f"r{k}": {"op": "ReLU", "repeat": 2} for k in range(count)}
    if many == "uses":
        data["blocks"] = {"b": block}
        data["layers"] = {f"r{k}": {"block": "b"} for k in range(count)}
    spec = Spec.of(parse(json.dumps(data), "t"))
    blocks = {
        name: each.model_copy(update={"args": Counted(each.args)})
        for name, each in spec.blocks.items()
    }
    update = {"vars": Counted(spec.vars), "layers": Counted(spec.layers), "blocks": blocks}
    watched = spec.model_copy(update=update)
    watched._document = spec.document
    Counted.passes = 0
    assert list(check(watched)) == []
    assert Counted.passes < 10 + (count if many == "blocks" else 0)  # of each block's own


def test_inputs_in_a_row_are_named_without_looking_at_those_before() -> None:
    blocks = {"b": {"inputs": ["xs.*"], "layers": {"s": {"op": "Add", "from": ["xs.*"]}}}}
    layers = {"p": {"op": "ReLU", "parallel": 3000}, "s": {"block": "b", "from": ["p.*"]}}
    graph = archcalc.expand(net(layers, blocks=blocks))
    assert graph.nodes[-1].inputs == tuple(f"p.{k}" for k in range(3000))


def test_a_file_is_read_once_to_be_validated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archcalc.spec import text, zoo

    file = tmp_path / "net.yaml"
    file.write_text("name: t\ninput: [3]\nvariants: {a: {}, b: {}}\nlayers: {r: ReLU}\n")
    paths: list[str] = []

    def read(path: str | Path, reading: Callable[[str | Path], Any] = text.read) -> Any:
        paths.append(str(path))
        return reading(path)

    monkeypatch.setattr(text, "read", read)
    assert zoo.look_through(str(file)) == ([], 2)
    assert zoo.look_through(f"{file}::b") == ([], 0)
    assert paths == [str(file)] * 2


@pytest.mark.parametrize("given", [None, 3, 1.5, ["resnet18"], b"resnet18", object()])
def test_what_is_no_source_of_a_network_is_refused_with_what_is(given: Any) -> None:
    for ask in (archcalc.load, archcalc.validate):
        with pytest.raises(TypeError, match="a network is the name of one of the zoo, a file, "):
            ask(given)
