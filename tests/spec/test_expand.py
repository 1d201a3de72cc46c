"""What a spec's lines mean once they are expanded."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy
import pytest
import sympy

import archcalc
from archcalc import Graph, Spec, SpecError
from archcalc.spec.budget import Budget


def spec(layers: dict[str, Any], **rest: Any) -> Spec:
    return archcalc.load({"name": "net", "input": [4, 8, 8], "layers": layers, **rest})


def graph(layers: dict[str, Any], **rest: Any) -> Graph:
    return archcalc.expand(spec(layers, **rest))


def names(expanded: Graph) -> list[str]:
    return [node.name for node in expanded.nodes]


def inputs(expanded: Graph) -> dict[str, tuple[str, ...]]:
    return {node.name: node.inputs for node in expanded.nodes}


def shapes(expanded: Graph) -> dict[str, tuple[Any, ...]]:
    return {node.name: node.shape for node in expanded.nodes}


def conv(channels: int | str, kernel: int = 1, **rest: Any) -> dict[str, Any]:
    return {"op": "Conv2d", "out_channels": channels, "kernel_size": kernel, **rest}


def message(layers: dict[str, Any], **rest: Any) -> str:
    with pytest.raises(SpecError) as caught:
        graph(layers, **rest)
    return str(caught.value)


# Where inputs come from ------------------------------------------------------------------------


def test_a_layer_takes_the_output_of_the_one_before() -> None:
    assert inputs(graph({"a": conv(6), "b": "ReLU"})) == {"a": ("input",), "b": ("a",)}


def test_from_names_earlier_layers_or_the_input() -> None:
    expanded = graph({"a": "ReLU", "b": "Tanh", "sum": {"op": "Add", "from": ["a", "b", "input"]}})
    assert inputs(expanded)["sum"] == ("a", "b", "input")


def test_an_input_may_be_named_and_there_may_be_several() -> None:
    expanded = graph(
        {"a": {"op": "ReLU", "from": "left"}, "sum": {"op": "Add", "from": ["a", "right"]}},
        input={"left": [4, 8, 8], "right": [4, 1, 1]},
    )
    assert expanded.inputs == {"left": (1, 4, 8, 8), "right": (1, 4, 1, 1)}
    assert shapes(expanded)["sum"] == (1, 4, 8, 8)


def test_a_dotted_name_reaches_into_blocks_and_repeats() -> None:
    expanded = graph(
        {
            "stage": {"block": "unit", "repeat": 2},
            "tap": {"op": "Add", "from": ["stage.0.conv", "stage.1.relu", "stage"]},
        },
        blocks={"unit": {"layers": {"conv": conv(4), "relu": "ReLU"}}},
    )
    assert inputs(expanded)["tap"] == ("stage.0.conv", "stage.1.relu", "stage.1.relu")


def test_a_dotted_name_reaches_through_blocks_in_blocks() -> None:
    inner = {"layers": {"deep": "Tanh", "flat": "ReLU"}}
    outer = {"layers": {"pre": "ReLU", "in": {"block": "inner", "repeat": 2}, "post": "ReLU"}}
    expanded = graph(
        {
            "first": "ReLU",
            "o": "outer",
            "tap": {"op": "Add", "from": ["o.in.1.deep", "o.pre", "o"]},
        },
        blocks={"inner": inner, "outer": outer},
    )
    assert inputs(expanded)["tap"] == ("o.in.1.deep", "o.pre", "o.post")
    assert inputs(expanded)["o.in.0.deep"] == ("o.pre",)
    assert inputs(expanded)["o.pre"] == ("first",)


# Blocks -----------------------------------------------------------------------------------------


def test_a_block_is_used_with_arguments_and_their_defaults() -> None:
    expanded = graph(
        {"a": {"block": "unit", "out": 6}, "b": {"block": "unit", "out": 6, "k": 3}},
        blocks={"unit": {"args": {"out": None, "k": "=1"}, "layers": {"conv": conv("=out", "=k")}}},  # type: ignore[arg-type]
    )
    assert shapes(expanded) == {"a.conv": (1, 6, 8, 8), "b.conv": (1, 6, 6, 6)}


def test_a_block_with_two_inputs_takes_them_in_order() -> None:
    expanded = graph(
        {"a": "Tanh", "b": {"block": "gate", "from": ["a", "input"]}},
        blocks={
            "gate": {
                "inputs": ["value", "key"],
                "layers": {
                    "sigmoid": {"op": "Sigmoid", "from": "key"},
                    "mul": {"op": "Mul", "from": ["value", "sigmoid"]},
                },
            }
        },
    )
    assert inputs(expanded) == {
        "a": ("input",),
        "b.sigmoid": ("input",),
        "b.mul": ("a", "b.sigmoid"),
    }


def test_a_block_may_name_its_output() -> None:
    expanded = graph(
        {"a": "unit", "b": "ReLU", "side": {"op": "Add", "from": ["a.tail", "b"]}},
        blocks={"unit": {"output": "head", "layers": {"head": "Tanh", "tail": "Sigmoid"}}},
    )
    assert inputs(expanded)["b"] == ("a.head",)


def test_expressions_may_choose_operator_and_block() -> None:
    expanded = graph(
        {"a": {"op": "=act"}, "b": {"block": "=unit"}},
        vars={"act": "Tanh", "unit": "flat"},
        blocks={"flat": {"layers": {"relu": "ReLU"}}},
    )
    assert [type(node.op).__name__ for node in expanded.nodes] == ["Tanh", "ReLU"]


# Repeats ----------------------------------------------------------------------------------------


def test_a_repeat_chains_and_counts_from_zero() -> None:
    expanded = graph({"conv": conv("=4 * (i + 1)", repeat=3)})
    assert inputs(expanded) == {
        "conv.0": ("input",),
        "conv.1": ("conv.0",),
        "conv.2": ("conv.1",),
    }
    assert [node.shape[1] for node in expanded.nodes] == [4, 8, 12]


def test_only_the_first_input_of_a_repeat_is_chained() -> None:
    expanded = graph({"mem": "Tanh", "x": {"op": "Add", "repeat": 2, "from": ["input", "mem"]}})
    assert inputs(expanded)["x.1"] == ("x.0", "mem")


def test_parallel_layers_take_the_same_input_and_are_joined_by_a_star() -> None:
    expanded = graph(
        {"path": conv("=i + 1", parallel=3), "cat": {"op": "Concat", "from": "path.*"}}
    )
    assert inputs(expanded)["path.2"] == ("input",)
    assert inputs(expanded)["cat"] == ("path.0", "path.1", "path.2")
    assert shapes(expanded)["cat"] == (1, 6, 8, 8)


def test_a_star_joins_the_steps_of_a_repeat_too() -> None:
    expanded = graph({"m": conv(4, repeat=2), "cat": {"op": "Concat", "from": ["input", "m.*"]}})
    assert inputs(expanded)["cat"] == ("input", "m.0", "m.1")


def skipping(times: int, **rest: Any) -> dict[str, Any]:
    """A block of so many units, each of which has a second output."""
    unit = {"layers": {"skip": "Tanh", "relu": "ReLU"}, "output": "relu", **rest}
    return {"unit": unit, "stack": {"layers": {"unit": {"block": "unit", "repeat": times}}}}


def test_a_star_reaches_into_all_repetitions() -> None:
    expanded = graph(
        {
            "stack": {"block": "stack", "repeat": 2},
            "sum": {"op": "Add", "from": ["stack", "stack.*.unit.*.skip"]},
            "first": {"op": "Add", "from": ["sum", "stack.0.unit.*"]},
        },
        blocks=skipping(2),
    )
    skips = [f"stack.{k}.unit.{i}.skip" for k in (0, 1) for i in (0, 1)]
    assert inputs(expanded)["sum"] == ("stack.1.unit.1.relu", *skips)
    assert inputs(expanded)["first"] == ("sum", "stack.0.unit.0.relu", "stack.0.unit.1.relu")


def test_a_star_reaches_into_repetitions_inside_a_block() -> None:
    stack = {
        "layers": {
            "unit": {"block": "unit", "repeat": 2},
            "sum": {"op": "Add", "from": "unit.*.skip"},
        }
    }
    expanded = graph({"s": "stack"}, blocks={**skipping(2), "stack": stack})
    assert inputs(expanded)["s.sum"] == ("s.unit.0.skip", "s.unit.1.skip")


def test_outputs_may_be_those_of_all_repetitions() -> None:
    layers = {"stack": {"block": "stack", "repeat": 2}}
    outputs = graph(layers, outputs="stack.*.unit.*.skip", blocks=skipping(1)).outputs
    assert outputs == ("stack.0.unit.0.skip", "stack.1.unit.0.skip")


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        ({"op": "Add", "from": "unit.*.skpi"}, "no 'skpi' in 'unit.0'\n  did you mean 'skip'?"),
        ({"op": "Add", "from": "unit.*.*"}, "'unit.0.*' needs a layer with 'repeat' or 'parallel'"),
        ({"op": "Add", "from": "first.*.skip"}, "'first.*' needs a layer with 'repeat'"),
        (conv("=channels('unit.*.skip')"), "'unit.*.skip' has several outputs, and one is needed"),
        (conv("=channels('unit.*.skip')"), "write 'unit.0.skip' for the first"),
        ({"op": "ReLU", "share": "unit.*"}, "'unit.*' has several outputs, and one is needed"),
    ],
)
def test_a_star_that_means_nothing_is_a_problem(layer: dict[str, Any], text: str) -> None:
    unit = {"block": "unit", "repeat": 2}
    assert text in message({"first": "ReLU", "unit": unit, "x": layer}, blocks=skipping(2))


def test_parallel_layers_can_not_be_taken_as_one() -> None:
    text = message({"path": {"op": "ReLU", "parallel": 2}, "b": "ReLU"})
    assert "'path' has several outputs side by side" in text
    assert "'path.*' for all of them" in text


def test_a_repeat_of_zero_is_left_out() -> None:
    assert inputs(graph({"a": {"op": "ReLU", "repeat": 0}, "b": "ReLU"})) == {"b": ("input",)}


# Conditions -------------------------------------------------------------------------------------


def test_a_layer_that_is_left_out_stands_for_its_input() -> None:
    layers = {
        "conv": conv(4),
        "short": {"op": "Tanh", "from": "input", "when": "=deep"},
        "add": {"op": "Add", "from": ["conv", "short"]},
    }
    assert inputs(graph(layers, vars={"deep": True}))["add"] == ("conv", "short")
    assert inputs(graph(layers, vars={"deep": False}))["add"] == ("conv", "input")


def test_conditions_may_ask_for_shapes() -> None:
    layers = {"conv": conv(6), "short": conv(6, when="=channels(input) != channels(conv)")}
    assert names(graph(layers)) == ["conv", "short"]
    assert names(graph({**layers, "conv": conv(4)})) == ["conv"]


# Variables --------------------------------------------------------------------------------------


def test_variables_are_worked_out_from_one_another_in_any_order() -> None:
    layers = {"conv": conv("=double")}
    assert shapes(graph(layers, vars={"double": "=2 * w", "w": 3}))["conv"][1] == 6
    given = archcalc.expand(spec(layers, vars={"double": "=2 * w", "w": 3}), w=5)
    assert shapes(given)["conv"][1] == 10


def test_a_variable_may_be_an_extent_of_the_input() -> None:
    expanded = graph({"a": "ReLU"}, input=[3, "=side", "=side // 2"], vars={"side": 6})
    assert expanded.inputs["input"] == (1, 3, 6, 3)


def test_input_and_batch_are_given_from_outside() -> None:
    expanded = archcalc.expand(spec({"a": conv(2, 3)}), input=[4, 10, 9], batch=5)
    assert shapes(expanded) == {"a": (5, 2, 8, 7)}


def test_an_unknown_variable_is_refused() -> None:
    with pytest.raises(SpecError, match=r"'net' has no variable 'widht'\n  did you mean 'width'\?"):
        archcalc.expand(spec({"a": "ReLU"}, vars={"width": 1}), widht=2)


# Outputs ----------------------------------------------------------------------------------------


def test_the_last_layer_is_the_output() -> None:
    assert graph({"a": "ReLU", "b": "ReLU"}).outputs == ("b",)


def test_there_may_be_several_outputs() -> None:
    layers = {"a": "ReLU", "b": {"op": "Tanh", "parallel": 2}}
    assert graph(layers, outputs=["a", "b.*"]).outputs == ("a", "b.0", "b.1")


def test_training_outputs_that_are_left_out_are_no_outputs() -> None:
    layers = {"a": "ReLU", "aux": {"op": "Tanh", "when": "=heads"}}
    rest: dict[str, Any] = {"outputs": "a", "training_outputs": "aux"}
    assert graph(layers, vars={"heads": True}, **rest).training_outputs == ("aux",)
    assert graph(layers, vars={"heads": False}, **rest).training_outputs == ()


def test_a_layer_that_leads_nowhere_is_a_problem() -> None:
    assert "'a' leads to no output" in message({"a": "ReLU", "b": {"op": "ReLU", "from": "input"}})


def test_of_layers_in_a_row_that_lead_nowhere_the_last_is_the_problem() -> None:
    text = message({"a": "ReLU", "b": "Tanh", "c": {"op": "ReLU", "from": "input"}})
    assert "'b' leads to no output" in text
    assert "'a' leads" not in text


FORGOTTEN = {
    "layers": {
        "conv1": conv(4, 3, padding=1),
        "conv2": conv(4, 1, **{"from": "input"}),  # where conv1 was meant
    }
}


@pytest.mark.parametrize("times", [1, 3])
def test_a_layer_of_a_block_that_leads_nowhere_is_a_problem(times: int) -> None:
    layers = {"unit": {"block": "unit", "repeat": times}, "last": "unit"}
    text = message(layers, blocks={"unit": FORGOTTEN})
    assert "blocks › unit › layers › conv1" in text
    assert "'conv1' leads to no output wherever the block 'unit' is used" in text
    assert text.count("leads to no output") == 1


def test_a_layer_of_a_block_in_a_block_that_leads_nowhere_is_a_problem() -> None:
    outer = {"layers": {"unit": {"block": "unit", "repeat": 2}, "relu": "ReLU"}}
    text = message({"x": "outer"}, blocks={"unit": FORGOTTEN, "outer": outer})
    assert text.count("leads to no output") == 1
    assert "blocks › unit › layers › conv1" in text


def test_a_block_that_leads_nowhere_is_one_problem() -> None:
    layers = {"x": "unit", "y": {"op": "ReLU", "from": "input"}}
    text = message(layers, blocks={"unit": {"layers": {"a": "ReLU", "b": "Tanh"}}})
    assert text.count("leads to no output") == 1
    assert "'x' leads to no output" in text


def test_what_some_copies_of_a_block_hand_on_the_last_may_keep() -> None:
    # As in WaveNet: the network takes a side output of every unit, and nothing else of the last.
    unit = {"layers": {"side": "Tanh", "next": {"op": "ReLU", "from": "input"}}}
    layers = {
        "unit": {"block": "unit", "repeat": 2},
        "sum": {"op": "Add", "from": ["input", "unit.*.side"]},
    }
    expanded = graph(layers, blocks={"unit": unit})
    assert inputs(expanded)["unit.1.next"] == ("unit.0.next",)
    assert archcalc.analyze(expanded).row("unit.1.next").executed
    with pytest.raises(SpecError, match="'next' leads to no output wherever"):
        graph({**layers, "unit": {"block": "unit", "repeat": 1}}, blocks={"unit": unit})


# Sharing ----------------------------------------------------------------------------------------


def test_a_layer_shares_the_tensors_of_another() -> None:
    expanded = graph({"a": conv(4), "b": conv(4, share="a"), "c": conv(4, share="b")})
    assert [node.share for node in expanded.nodes] == [None, "a", "a"]


def test_a_block_shares_layer_by_layer() -> None:
    expanded = graph(
        {
            "left": "tower",
            "right": {"block": "tower", "from": "input", "share": "left"},
            "sum": {"op": "Add", "from": ["left", "right"]},
        },
        blocks={"tower": {"layers": {"conv": conv(4), "bn": "BatchNorm2d"}}},
    )
    assert [node.share for node in expanded.nodes] == [None, None, "left.conv", "left.bn", None]


def test_blocks_that_differ_in_other_layers_share_by_name() -> None:
    left = {"conv": conv(4), "relu": {"op": "ReLU"}, "bn": {"op": "BatchNorm2d"}}
    right = {"conv": conv(4), "bn": {"op": "BatchNorm2d"}}
    expanded = graph(
        {
            "left": {"block": "left"},
            "right": {"block": "right", "from": "input", "share": "left"},
            "add": {"op": "Add", "from": ["left", "right"]},
        },
        blocks={"left": {"layers": left}, "right": {"layers": right}},
    )
    shared = [node.share for node in expanded.nodes]
    assert shared == [None, None, None, "left.conv", "left.bn", None]


def test_a_block_that_stores_more_than_another_can_not_share() -> None:
    left = {"conv": conv(4), "relu": {"op": "ReLU"}, "act": {"op": "ReLU"}}
    right = {"conv": conv(4), "bn": {"op": "BatchNorm2d"}}
    said = message(
        {"left": {"block": "left"}, "right": {"block": "right", "share": "left"}},
        blocks={"left": {"layers": left}, "right": {"layers": right}},
    )
    assert "can't use the tensors of 'left': it has no 'bn'" in said


def test_an_embedding_may_lend_its_weight_to_a_linear_layer() -> None:
    expanded = graph(
        {
            "embed": {"op": "Embedding", "num_embeddings": 50, "embedding_dim": 8},
            "head": {"op": "Linear", "out_features": 50, "share": "embed"},
        },
        input=[7],
    )
    assert expanded.nodes[1].share == "embed"


@pytest.mark.parametrize(
    ("second", "text"),
    [
        (conv(4, 3), r"weight is (4, 4, 3, 3) here, (4, 4, 1, 1) there"),
        ({"op": "PReLU"}, r"weight is (1) here, (4, 4, 1, 1) there"),
    ],
)
def test_tensors_of_unlike_shapes_can_not_be_shared(second: dict[str, Any], text: str) -> None:
    assert text in message({"a": conv(4), "b": {**second, "share": "a"}})


# The same engine on other numbers ---------------------------------------------------------------

WIDTH, SIDE = 64, 224


def test_arrays_give_the_numbers_of_ints_at_every_point() -> None:
    resnet = archcalc.load("resnet50")
    widths, sides = numpy.array([16, 64, 96]), numpy.array([64, 224, 227])
    swept: Any = archcalc.analyze(resnet, width=widths, side=sides)
    for point, (width, side) in enumerate(zip(widths.tolist(), sides.tolist(), strict=True)):
        one = archcalc.analyze(resnet, width=width, side=side)
        assert swept.params[point] == one.params
        assert swept.macs[point] == one.macs
        assert swept.flops[point] == one.flops
        assert swept.activations[point] == one.activations


def test_symbols_give_the_closed_form_of_resnet152() -> None:
    k = sympy.Symbol("k", integer=True, positive=True)
    closed: Any = archcalc.analyze(archcalc.load("resnet152"), side=32 * k)
    # 234,930,176 k^2 for the convolutions, 2048 * 1000 for the classifier.
    assert sympy.expand(closed.macs) == 234_930_176 * k**2 + 2_048_000
    assert closed.params == 60_192_808
    assert closed.macs.subs(k, 7) == archcalc.analyze(archcalc.load("resnet152")).macs


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "googlenet", "lenet5-1998"])
def test_symbols_in_the_batch_give_the_numbers_of_ints(name: str) -> None:
    n = sympy.Symbol("n", integer=True, positive=True)
    network = archcalc.load(name)
    closed, three = archcalc.analyze(network, batch=n), archcalc.analyze(network, batch=3)
    assert sympy.expand(closed.flops).subs(n, 3) == three.flops
    assert closed.params == three.params


def test_a_structural_choice_can_not_rest_on_a_symbol() -> None:
    n = sympy.Symbol("n", integer=True, positive=True)
    with pytest.raises(SpecError, match="should be a whole number from 0, not n"):
        archcalc.expand(spec({"a": {"op": "ReLU", "repeat": "=n"}}, vars={"n": 1}), n=n)


# Values -----------------------------------------------------------------------------------------


def test_expanding_again_gives_an_equal_graph() -> None:
    network = archcalc.load("googlenet")
    assert archcalc.expand(network) == archcalc.expand(network)


def test_a_graph_after_a_failure_is_that_before_it() -> None:
    network = archcalc.load("resnet18")
    before = archcalc.expand(network)
    with pytest.raises(SpecError):
        archcalc.expand(network, input=[3, 1, 1], unit="nothing")
    assert archcalc.expand(network) == before


def test_specs_and_graphs_are_immutable() -> None:
    network = archcalc.load("alexnet")
    with pytest.raises(ValueError, match="frozen"):
        network.name = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        archcalc.expand(network).name = "other"  # type: ignore[misc]


def test_specs_are_equal_by_what_they_say() -> None:
    one, other = archcalc.load("resnet18"), archcalc.load("resnet18")
    archcalc.expand(one)
    assert one == other
    assert one != archcalc.load("resnet34")


def test_a_variant_has_nothing_of_another_that_was_chosen_before() -> None:
    variants = {"wide": {"width": 8, "edition": "wide"}, "narrow": {}}
    family = spec({"a": conv("=width")}, vars={"width": 2}, variants=variants)
    again = family.choose("wide").choose("narrow")
    assert again == family.choose("narrow")
    assert (again.vars["width"], again.edition) == (2, "")


@pytest.mark.parametrize("times", [2**40, 2_000])
def test_a_block_of_nothing_that_is_repeated_without_end_is_a_problem(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Budget.__init__, "__defaults__", (100_000,))
    blocks = {
        "nothing": {"args": {"k": 0}, "layers": {"a": {"op": "ReLU", "when": False}}},
        "nest": {
            "args": {"k": None},
            "layers": {"n": {"block": "nothing", "k": "=k", "repeat": times}},
        },
    }
    text = message({"x": {"block": "nest", "k": "=i", "repeat": times}}, blocks=blocks)
    larger = text.count("makes the network larger than 120,000 layers")
    assert larger + text.count("takes more than 100,000 steps") == 1


def test_a_problem_in_a_block_that_is_repeated_often_is_found_once() -> None:
    unit = {"layers": {"a": conv(4, 9), "b": "ReLU", "c": "BatchNorm2d"}}
    began = time.process_time()
    text = message({"x": {"block": "unit", "repeat": 50_000}}, blocks={"unit": unit})
    assert time.process_time() - began < 2
    assert text.count("kernel 9 is larger than its input 8") == 1


def test_a_graph_that_is_asked_for_again_is_the_same_until_another_is_asked_for() -> None:
    family = spec({"a": {"op": "Linear", "out_features": "=w"}}, input=[4], vars={"w": 1})
    first = archcalc.expand(family)

    assert archcalc.expand(family) is first
    assert archcalc.expand(family, w=2).nodes[0].shape == (1, 2)
    assert archcalc.expand(family, batch=3).nodes[0].shape == (3, 1)
    assert archcalc.expand(family, input=[5]).nodes[0].input_shapes == ((1, 5),)
    assert archcalc.expand(family) == first
    # It says what its variables are, and 1.0 is written otherwise.
    assert repr(archcalc.expand(family, w=1.0).variables) == "{'w': 1.0}"


def test_what_is_no_int_is_not_taken_for_one_that_was_there_before() -> None:
    family = spec({"a": {"op": "Linear", "out_features": "=w"}}, input=[4], vars={"w": 1})
    archcalc.expand(family, w=2)
    n = sympy.Symbol("n", positive=True, integer=True)

    assert archcalc.expand(family, w=n).nodes[0].shape == (1, n)
    swept: Any = archcalc.expand(family, w=numpy.array([2, 3])).nodes[0].shape[1]
    assert swept.tolist() == [2, 3]
    assert archcalc.expand(family, w=2).nodes[0].shape == (1, 2)


def test_equal_layers_are_one_operator_on_inputs_of_one_shape() -> None:
    layers = {"a": {"op": "Linear", "out_features": 4, "repeat": 3}, "b": "ReLU"}
    first, *others, relu = graph(layers, input=[4]).nodes

    assert all(node.applied is first.applied for node in others)
    assert first.applied.cost.params == 4 * 4 + 4
    assert relu.applied.cost.work.comparisons == 4


def test_layers_whose_names_begin_alike_are_taken_together() -> None:
    layers = {
        "unit1": {"op": "Conv2d", "out_channels": 4, "kernel_size": 1},
        "unit2": {"op": "Conv2d", "out_channels": 5, "kernel_size": 1, "from": "input"},
        "unit3": {"op": "ReLU", "when": "=third", "from": "input"},
        "cat": {"op": "Concat", "from": ["input", "unit*"]},
    }
    spec = archcalc.load(
        {"name": "net", "input": [3, 8, 8], "vars": {"third": True}, "layers": layers}
    )
    assert archcalc.expand(spec).nodes[-1].inputs == ("input", "unit1", "unit2", "unit3")
    # What is left out is passed over, where its name alone would stand for its input.
    assert archcalc.expand(spec, third=False).nodes[-1].inputs == ("input", "unit1", "unit2")
    assert archcalc.expand(spec, third=False).nodes[-1].shape[1] == 3 + 4 + 5


@pytest.mark.parametrize(
    ("reference", "said"),
    [("other*", r"no layer 'other\*'"), ("inp*", r"no layer 'inp\*'"), ("cat*", r"no layer")],
)
def test_where_none_begins_so_it_is_told(reference: str, said: str) -> None:
    layers = {"unit": "ReLU", "cat": {"op": "Concat", "from": ["unit", reference]}}
    with pytest.raises(SpecError, match=said):
        archcalc.expand(archcalc.load({"name": "net", "input": [3, 8, 8], "layers": layers}))


GATED = """\
name: gated
input: [10, 768]
vars: {h: 2048, style: fused}
variants:
  wide: {h: 3072}
  two: {style: two}
  llama: {input: [10, 4096], h: "=256 * ceil(int(2 * 4 * 4096 / 3) / 256)", style: two}
blocks:
  fused:
    layers:
      w12: {op: Linear, out_features: =2*h}
      a: {op: Split, split_size_or_sections: =h, index: 0, dim: -1, from: w12}
      b: {op: Split, split_size_or_sections: =h, index: 1, dim: -1, from: w12}
      s: {op: SiLU, from: a}
      m: {op: Mul, from: [s, b]}
      w3: {op: Linear, out_features: "=size(input, -1)"}
  two:
    layers:
      w1: {op: Linear, out_features: =h, bias: false}
      s: SiLU
      w2: {op: Linear, out_features: =h, bias: false, from: input}
      m: {op: Mul, from: [s, w2]}
      w3: {op: Linear, out_features: "=size(input, -1)", bias: false}
layers:
  ffn: {block: =style}
"""


@pytest.mark.parametrize(
    ("variant", "params", "macs"),
    [
        # 768 (2h) + 2h + 768 h + 768: biases and all; the work is 10 positions of both matrices.
        ("gated", 3 * 768 * 2048 + 2 * 2048 + 768, 10 * 3 * 768 * 2048),
        ("wide", 3 * 768 * 3072 + 2 * 3072 + 768, 10 * 3 * 768 * 3072),
        ("two", 3 * 768 * 2048, 10 * 3 * 768 * 2048),
        # 2/3 of 16,384 is 10,922, and 43 times 256 the next multiple above it.
        ("llama", 3 * 4096 * 11_008, 10 * 3 * 4096 * 11_008),
    ],
)
def test_a_variable_chooses_how_a_gate_is_made(
    tmp_path: Path, variant: str, params: int, macs: int
) -> None:
    path = tmp_path / "gated.yaml"
    path.write_text(GATED)
    found = archcalc.analyze(f"{path}::{variant}" if variant != "gated" else path)
    assert (found.params, found.macs) == (params, macs)


@pytest.mark.parametrize(("channels", "guard"), [(4, "depth >= 7"), (2, "only where depth == 12")])
def test_copies_may_differ_at_the_beginning(channels: int, guard: str) -> None:
    # From 4 channels on the eighth copy is the first of 512 to 512, from 2 the ninth.
    conv = {"op": "Conv1d", "out_channels": "=min(2 * channels(input), 512)", "kernel_size": 1}
    net = {
        "name": "net",
        "input": [channels, 16],
        "vars": {"depth": 12},
        "blocks": {"b": {"layers": {"conv": conv}}},
        "layers": {"body": {"block": "b", "repeat": "=depth"}},
    }
    assert guard in str(archcalc.formula(net, ["depth"])).splitlines()
