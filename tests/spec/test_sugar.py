# ruff: noqa: E501, because a spec of a test stands on one line
from __future__ import annotations

from typing import Any

import pytest
import yaml

import archcalc
from archcalc.spec import text, zoo
from archcalc.spec.schema import schema

HEAD = "name: n\ninput: [3, 32, 32]\n"
CONV = "{op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}"


def graph(written: str, **given: Any) -> archcalc.Graph:
    return archcalc.expand(archcalc.load(text.parse(HEAD + written, "n.yaml").data), **given)


def wired(written: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(node.name, node.inputs) for node in graph(written).nodes]


def problems(written: str) -> list[tuple[int, int, str]]:
    try:
        reading = zoo._read(text.parse(HEAD + written, "n.yaml"))
    except archcalc.SpecError as error:
        return [(each.line, each.column, each.message) for each in error.problems]
    return [(p.line, p.column, p.message) for p in zoo._problems(reading, None)]


def accepted(written: str) -> bool:
    jsonschema = pytest.importorskip("jsonschema")
    return bool(jsonschema.Draft7Validator(schema()).is_valid(yaml.safe_load(HEAD + written)))


# A row ----------------------------------------------------------------------------------------


def test_a_row_is_a_block_whose_layers_are_called_as_their_operators() -> None:
    assert wired(f"layers: {{conv1: [{CONV}, BatchNorm2d, ReLU], fc: Flatten}}") == [
        ("conv1.Conv2d", ("input",)),
        ("conv1.BatchNorm2d", ("conv1.Conv2d",)),
        ("conv1.ReLU", ("conv1.BatchNorm2d",)),
        ("fc", ("conv1.ReLU",)),
    ]


def test_of_equal_operators_the_later_are_numbered() -> None:
    names = [name for name, _ in wired("layers: {a: [ReLU, Sigmoid, ReLU, ReLU]}")]
    assert names == ["a.ReLU", "a.Sigmoid", "a.ReLU_2", "a.ReLU_3"]


def test_all_layers_may_be_a_row_and_rows_stand_in_rows() -> None:
    assert wired("layers: [ReLU, [Sigmoid, Tanh]]") == [
        ("ReLU", ("input",)),
        ("row.Sigmoid", ("ReLU",)),
        ("row.Tanh", ("row.Sigmoid",)),
    ]


def test_a_row_in_full_has_the_keys_of_a_layer() -> None:
    row = "{layers: [ReLU, Sigmoid], repeat: 2, when: =i_am}"
    spec = (
        f"vars: {{i_am: true}}\nlayers: {{first: Tanh, a: {row}, b: {{op: Add, from: [a.0, a]}}}}"
    )
    assert [name for name, _ in wired(spec)][1:5] == [
        *("a.0.ReLU", "a.0.Sigmoid", "a.1.ReLU", "a.1.Sigmoid")
    ]
    assert wired(spec)[-1] == ("b", ("a.0.Sigmoid", "a.1.Sigmoid"))
    left_out = graph(spec.replace("true", "false").replace("a.0, a", "a, a"))
    assert [node.name for node in left_out.nodes] == ["first", "b"]


def test_the_layers_of_a_row_may_have_names() -> None:
    row = "{layers: {up: ReLU, add: {op: Add, from: [up, input]}}, repeat: 2}"
    assert wired(f"layers: {{a: {row}}}")[-1] == ("a.1.add", ("a.1.up", "a.0.add"))


def test_a_row_sees_the_arguments_around_it_and_the_number_of_its_repetition() -> None:
    conv = "{op: Conv2d, out_channels: =out * 2 ** i, kernel_size: =k}"
    written = (
        "vars: {k: 1}\n"
        f"blocks: {{unit: {{args: {{out: }}, layers: {{a: {{layers: [{conv}, ReLU], repeat: 3}}}}}}}}\n"
        "layers: {u: {block: unit, out: 4}}"
    )
    shapes = [node.shape[1] for node in graph(written).nodes if "Conv2d" in node.name]
    assert shapes == [4, 8, 16]


def test_the_first_layer_of_a_row_takes_all_that_the_row_takes() -> None:
    assert wired("layers: {a: ReLU, b: {layers: [Concat, ReLU], from: [a, input, a]}}")[1] == (
        "b.Concat",
        ("a", "input", "a"),
    )


def test_what_is_wrong_in_a_row_is_told_where_it_is_written() -> None:
    written = f"layers:\n  a: [{CONV}, {{op: BatchNorm, eps: 1}}, {{op: ReLU, inplce: 1}}]\n"
    assert problems(written) == [
        (4, 71, "unknown operator 'BatchNorm'"),
        (4, 102, "ReLU has no field 'inplce'"),
    ]
    assert problems("layers:\n  a: [ReLU, {op: Conv2d, out_channels: =j, kernel_size: 1}]\n") == [
        (4, 40, "unknown name 'j' in '=j'")
    ]
    (found,) = problems("layers:\n  a: [ReLU, {op: Conv2d, out_channels: 4, kernel_size: 99}]\n")
    assert found[:2] == (4, 13)


def test_an_empty_row_is_refused() -> None:
    assert len(problems("layers: {a: []}")) == 1
    assert len(problems("layers: []")) == 1
    assert len(problems("layers: {a: {layers: []}}")) == 1


# Blocks ---------------------------------------------------------------------------------------


def test_a_block_without_arguments_is_its_layers() -> None:
    short = "blocks: {unit: {conv: ReLU, add: {op: Add, from: [conv, input]}}}\n"
    full = "blocks: {unit: {layers: {conv: ReLU, add: {op: Add, from: [conv, input]}}}}\n"
    layers = "layers: {a: unit, b: unit}"
    assert wired(short + layers) == wired(full + layers)
    assert wired("blocks: {unit: [ReLU, Tanh]}\n" + layers)[3] == ("b.Tanh", ("b.ReLU",))


def test_arguments_in_one_line() -> None:
    conv = "{op: Conv2d, out_channels: =out, kernel_size: =kernel, padding: =padding, bias: =bias}"
    written = (
        "blocks:\n  unit:\n"
        "    args: out, kernel=3, padding=[kernel // 2, max(0, kernel // 2)], bias=false\n"
        f"    layers: [{conv}]\nlayers: {{a: {{block: unit, out: 4}}}}"
    )
    (node,) = graph(written).nodes
    assert node.shape == (1, 4, 32, 32)
    assert "bias" not in node.applied.cost.weights


def test_arguments_behind_the_name_of_a_block() -> None:
    conv = "{op: Conv2d, out_channels: =out, kernel_size: =k, padding: =k // 2}"
    layers = "layers: {a: {block: unit, out: 4}, b: {block: unit, out: 2, k: 1, act: Tanh}}"
    rest = f"[{conv}, {{op: =act}}]\n"
    short = f"blocks:\n  unit(out, k=3, act='ReLU'): {rest}"
    full = f"blocks: {{unit: {{args: {{out: , k: 3, act: ReLU}}, layers: {rest.strip()}}}}}\n"
    assert graph(short + layers) == graph(full + layers)
    assert [name for name, _ in wired(short + layers)] == [
        *("a.Conv2d", "a.layer", "b.Conv2d", "b.layer")
    ]


def test_arguments_behind_the_name_of_a_block_with_other_keys_and_rows_in_it() -> None:
    block = (
        "blocks:\n  pair(n): {inputs: [a, b], layers: "
        "{add: {op: Add, from: [a, b]}, fc: [Flatten, {op: Linear, out_features: =n}]}}\n"
    )
    (*_, last) = graph(block + "layers: {s: {block: pair, n: 7, from: [input, input]}}").nodes
    assert (last.name, last.shape) == ("s.fc.Linear", (1, 7))
    assert wired("blocks: {unit(): [ReLU]}\nlayers: {a: unit}") == [("a.ReLU", ("input",))]


@pytest.mark.parametrize(
    ("blocks", "found"),
    [
        ("{unit(n): {args: n, layers: [ReLU]}}", (3, 10, "'unit(n)' is no name")),
        ("{unit(n): [ReLU], unit: [ReLU]}", (3, 10, "'unit(n)' is no name")),
        ("{un it(n): [ReLU]}", (3, 10, "'un it(n)' is no name")),
        ("{unit(a b): [ReLU]}", (3, 21, "'a b' is no name")),
        ("{unit(i): [ReLU]}", (3, 19, "'i' has a meaning of its own: choose another name")),
        ("{unit(n): 3}", (3, 19, "should be a mapping, not 3")),
        ("{unit(n): [Relu]}", (3, 20, "unknown operator 'Relu'")),
    ],
)
def test_what_is_wrong_with_arguments_behind_a_name_is_told_there(
    blocks: str, found: tuple[int, int, str]
) -> None:
    assert problems(f"blocks: {blocks}\nlayers: {{a: ReLU}}") == [found]


def test_a_block_of_several_outputs_hands_them_on_whole() -> None:
    block = (
        "blocks:\n  two: {inputs: [a, b], outputs: [x, y], "
        "layers: {y: {op: Tanh, from: a}, x: {op: Add, from: [y, b]}}}\n"
    )
    assert wired(
        block + "layers: {s: {block: two, repeat: 2, from: [input, input]}, c: Concat}"
    ) == [
        ("s.0.y", ("input",)),
        ("s.0.x", ("s.0.y", "input")),
        ("s.1.y", ("s.0.x",)),
        ("s.1.x", ("s.1.y", "s.0.y")),
        ("c", ("s.1.x", "s.1.y")),
    ]
    # One is named; of what is repeated it is the last's.
    named = (
        block
        + "layers: {s: {block: two, repeat: 2, from: [input, input]}, r: {op: ReLU, from: s.y}}"
    )
    assert wired(named)[-1] == ("r", ("s.1.y",))
    once = block + "layers: {s: {block: two, from: [input, input]}, r: {op: ReLU, from: s.y}}"
    assert [m for *_, m in problems(once)] == [
        "'x' leads to no output wherever the block 'two' is used"
    ]
    several = (
        block
        + "layers: {s: {block: two, from: [input, input]}, r: {op: Flatten, start_dim: =channels(s)}, c: Add}"
    )
    assert any("'s' has 2 outputs, and one is needed" in m for *_, m in problems(several))


def test_a_block_of_several_outputs_that_is_left_out_stands_for_its_first_inputs() -> None:
    block = (
        "blocks:\n  two: {inputs: [a, b], outputs: [x, y], "
        "layers: {y: {op: Tanh, from: a}, x: {op: Add, from: [y, b]}}}\n"
    )
    layers = "layers: {r: ReLU, s: {block: two, when: false, from: [r, input]}, c: Concat}"
    assert wired(block + layers)[1:] == [("c", ("r", "input"))]


def test_other_inputs_stay_while_outputs_are_handed_on() -> None:
    block = (
        "blocks:\n  cell: {inputs: [h, c, x], outputs: [h2, c2], layers: {c2: {op: Add, from: [c, x]}, "
        "h2: {op: Mul, from: [h, c2]}}}\n"
    )
    rows = wired(
        block + "layers: {x: ReLU, s: {block: cell, repeat: 2, from: [input, input, x]}, m: Add}"
    )
    assert rows[3:] == [
        ("s.1.c2", ("s.0.c2", "x")),
        ("s.1.h2", ("s.0.h2", "s.1.c2")),
        ("m", ("s.1.h2", "s.1.c2")),
    ]
    few = block + "layers: {s: {block: cell, repeat: 2, from: [input, input]}, m: Add}"
    assert "block 'cell' takes 3 input(s) (h, c, x), not 2" in [m for *_, m in problems(few)]


def test_a_row_may_name_the_layers_around_it_by_an_expression() -> None:
    layers = (
        "layers: {down: {repeat: 2, layers: [Tanh]}, start: ReLU, up: {repeat: 2, layers: {r: ReLU, "
        "add: {op: Add, from: [r, \"=['down.0', 'start'][i]\"]}, own: {op: Mul, from: "
        "[add, \"=['r', 'add'][i]\"]}}}}"
    )
    rows = dict(wired(layers))
    assert rows["up.0.add"] == ("up.0.r", "down.0.Tanh")
    assert rows["up.1.add"] == ("up.1.r", "start")
    assert (rows["up.0.own"], rows["up.1.own"]) == (("up.0.add", "up.0.r"), ("up.1.add",) * 2)


@pytest.mark.parametrize(
    "layer",
    ["{op: MatMul, from: [r, input]}", "{op: Reshape, shape: [=length(input) * 5, -1]}"],
)
def test_what_input_means_in_a_row_is_told_where_it_fails(layer: str) -> None:
    block = f"blocks: {{b: {{r: {{op: Flatten, start_dim: 2}}, row: [Tanh, {layer}]}}}}\n"
    (found,) = archcalc.validate(text.parse(HEAD + block + "layers: {s: b}", "n.yaml").data)
    assert found.hint.endswith(
        "'input' is here what the row takes, 's.r'; a block names its own: inputs: [x]"
    )
    implicit = "layers: {f: {op: Flatten, start_dim: 2}, row: [Tanh, BatchNorm2d]}"
    (found,) = archcalc.validate(text.parse(HEAD + implicit, "n.yaml").data)
    assert "what the row takes" not in found.hint


def test_input_that_may_be_either_is_asked_about() -> None:
    def found(block: str) -> list[str]:
        written = HEAD + f"blocks: {{b: {block}}}\nlayers: {{s: b}}"
        return [f"{p.column} {p.message}" for p in archcalc.validate(text.parse(written, "").data)]

    either = "'input' may be 't', which the row takes, or what is around it"
    (told,) = found("{t: Tanh, row: [{op: Add, from: [t, input]}, ReLU]}")
    assert told.endswith(either)
    # The row is the first, has it from elsewhere, is repeated as a whole, or the block names its own.
    assert found("{row: [{op: Add, from: [input, input]}, ReLU]}") == []
    assert found("{t: Tanh, row: {from: t, layers: [{op: Add, from: [input, input]}]}}") == []
    assert found("{t: Tanh, row: {repeat: 2, layers: [{op: Add, from: [input, t]}]}}") == []
    assert found("{inputs: [x], layers: {t: Tanh, row: [{op: Add, from: [input, x]}, ReLU]}}") == []
    # Inside a row the same, unless that names its own.
    row = "{t: Tanh, inner: [{op: Add, from: [t, input]}]}"
    (told,) = found(f"{{r: ReLU, outer: {{layers: {row}}}}}")
    assert told.endswith(either)
    assert found(f"{{r: ReLU, outer: {{inputs: [x], layers: {row}}}}}") == []


def test_outputs_that_are_no_states_are_told_where_they_are_handed_on() -> None:
    block = (
        "blocks:\n  cell: {inputs: [x, memory], outputs: [sum, half], layers: {sum: {op: Add, "
        "from: [x, memory]}, half: {op: Slice, from: sum, dim: 2, end: 4}}}\n"
    )
    layers = (
        "layers: {x: ReLU, s: {block: cell, repeat: 2, from: [input, x]}, m: {op: Add, from: s}}"
    )
    (found,) = archcalc.validate(text.parse(HEAD + block + layers, "n.yaml").data)
    assert "comes from 's.0.half'" in found.hint
    assert found.hint.endswith(
        "all outputs are handed on, 's.0.sum' and 's.0.half', in the place of the first inputs: "
        "for one alone name it in 'output'"
    )


def test_a_block_that_takes_any_number_of_inputs() -> None:
    block = (
        "blocks:\n  fuse: {inputs: [first, rest.*], layers: {cat: {op: Concat, from: rest}, "
        "last: {op: Concat, from: [cat, first, 'rest.0', 'rest.*']}}}\n"
    )
    layers = "layers: {a: ReLU, b: Tanh, f: {block: fuse, from: [a, b, input]}}"
    assert wired(block + layers)[2:] == [
        ("f.cat", ("b", "input")),
        ("f.last", ("f.cat", "a", "b", "b", "input")),
    ]
    wrong = "layers: {a: ReLU, b: Tanh, f: {block: fuse, from: [a]}, c: {op: Add, from: [b, f]}}"
    assert [m for *_, m in problems(block + wrong)] == [
        "block 'fuse' takes 2 or more input(s) (first, rest.*), not 1"
    ]
    assert problems("blocks: {b: {inputs: [x.*, y], layers: [ReLU]}}\nlayers: {a: ReLU}")[0][2] == (
        "only the last input can be any number, and 'x.*' is not"
    )


def test_a_reference_may_have_an_expression_in_it() -> None:
    layers = (
        "layers:\n  down: {op: ReLU, repeat: 3}\n"
        "  up: {op: Add, repeat: =n, from: [down, 'down.{n - 1 - i}']}\n"
        "  sides: {op: Tanh, parallel: 2, from: 'up.{i + 1}'}\n"
        "  all: {op: Add, from: sides.*}\n"
    )
    assert wired("vars: {n: 3}\n" + layers)[3:] == [
        ("up.0", ("down.2", "down.2")),
        ("up.1", ("up.0", "down.1")),
        ("up.2", ("up.1", "down.0")),
        ("sides.0", ("up.1",)),
        ("sides.1", ("up.2",)),
        ("all", ("sides.0", "sides.1")),
    ]
    (found,) = problems("vars: {n: 3}\n" + layers.replace("n - 1", "m - 1"))
    assert found[2] == "unknown name 'm' in '=m - 1 - i'"
    named = "layers: {at0: ReLU, at1: ReLU, add: {op: Add, from: [at1, 'at{k}']}}"
    assert wired("vars: {k: 0}\n" + named)[-1] == ("add", ("at1", "at0"))
    assert problems("vars: {k: 2}\n" + named)[0][2] == "no layer 'at2' before this one"
    assert problems("vars: {k: 2}\n" + named.replace("'at{", "'as{"))[0][2] == "no layer 'as*'"
    assert "no '7' in 'down'" in problems("vars: {n: 3}\n" + layers.replace("n - 1", "7"))[0][2]


def test_all_repetitions_may_use_the_tensors_of_the_first() -> None:
    linear = "{op: Linear, out_features: 32, bias: false"
    for key in ("repeat", "parallel"):
        layers = (
            f"layers: {{a: {linear}, {key}: 3, share: a}}, b: {{op: Add, from: [a.*, input]}}}}"
        )
        expanded = graph(layers)
        assert [node.share for node in expanded.nodes] == [None, "a.0", "a.0", None]
        assert archcalc.analyze(expanded).params == 32 * 32
    assert [m for *_, m in problems(f"layers: {{a: {linear}, share: a}}}}")] == [
        "'a' comes later: a layer takes only what is above it"
    ]


def test_a_mistake_in_a_block_is_the_only_one_that_is_told() -> None:
    block = "blocks:\n  cell:\n    args: {n: }\n    output: [h, c]\n    layers: {h: ReLU}\n"
    assert [
        (line, message) for line, _, message in problems(block + "layers: {a: {block: cell, n: 3}}")
    ] == [(6, "should be text, not ['h', 'c']")]
    assert [m for *_, m in problems("blocks: 3\nlayers: {a: {block: cell}}")] == [
        "should be a mapping, not 3"
    ]


def test_of_a_block_of_several_outputs_with_a_mistake_nothing_else_is_told() -> None:
    cell = "blocks:\n  cell:\n    inputs: [x, y]\n    outputs: [a, b]\n    layers: {a: {op: Linear, from: x, out_features: =n}, b: {op: Add, from: [x, y]}}\n"
    used = "layers: {a: {block: cell, from: [input, input]}, b: cell}"
    assert [m for *_, m in problems(cell + used)] == ["unknown name 'n' in '=n'"]


# A row sees what stands around it ----------------------------------------------------------------


def test_a_row_names_the_layers_around_it() -> None:
    """Where its first layer says what it takes, it takes nothing else."""
    written = (
        "layers: {a: ReLU, b: Tanh, c: [{op: Sigmoid, from: a}, {op: Add, from: [Sigmoid, b]}]}"
    )
    assert wired(written) == [
        ("a", ("input",)),
        ("b", ("a",)),
        ("c.Sigmoid", ("a",)),
        ("c.Add", ("c.Sigmoid", "b")),
    ]


def test_what_it_takes_of_them_stays_while_its_output_is_handed_on() -> None:
    written = "layers: {a: ReLU, c: {repeat: 2, layers: [Tanh, {op: Add, from: [Tanh, input, a]}]}}"
    assert wired(written)[1:] == [
        ("c.0.Tanh", ("a",)),
        ("c.0.Add", ("c.0.Tanh", "a", "a")),
        ("c.1.Tanh", ("c.0.Add",)),
        ("c.1.Add", ("c.1.Tanh", "c.0.Add", "a")),
    ]


def test_what_it_takes_of_them_may_depend_on_its_repetition() -> None:
    """The skips of a U-Net, in a loop that names them where they are joined."""
    down = "down: {repeat: 2, layers: {conv: ReLU, pool: {op: MaxPool2d, kernel_size: 2}}}"
    up = "up: {repeat: 2, layers: [{op: Upsample, scale_factor: 2}, {op: Concat, from: [Upsample, 'down.{1 - i}.conv']}]}"
    assert [
        (name, inputs) for name, inputs in wired(f"layers: {{{down}, {up}}}") if "Con" in name
    ] == [
        ("up.0.Concat", ("up.0.Upsample", "down.1.conv")),
        ("up.1.Concat", ("up.1.Upsample", "down.0.conv")),
    ]


def test_rows_in_rows_and_in_blocks_see_all_around_them_and_several_at_once() -> None:
    block = "blocks: {u: {inputs: [x, y], layers: {a: [{op: Add, from: [x, y]}, [{op: Concat, from: ['p*', Add, y]}]], p: ReLU}}}\n"
    assert [m for *_, m in problems(block + "layers: {a: {block: u, from: [input, input]}}")] == [
        "no layer 'p*'"
    ]
    block = block.replace("'p*'", "'q.*'").replace("a: [", "q: {op: Tanh, parallel: 2}, a: [")
    assert wired(block + "layers: {a: {block: u, from: [input, input]}}")[-2:] == [
        ("a.a.row.Concat", ("a.q.0", "a.q.1", "a.a.Add", "input")),
        ("a.p", ("a.a.row.Concat",)),
    ]


def test_a_repeated_row_in_a_row_sees_what_is_around_both() -> None:
    inner = "{repeat: 2, layers: [Tanh, {op: Add, from: [Tanh, a]}]}"
    assert wired(f"layers: {{a: Sigmoid, b: [ReLU, {inner}]}}")[-2:] == [
        ("b.layer.1.Tanh", ("b.layer.0.Add",)),
        ("b.layer.1.Add", ("b.layer.1.Tanh", "a")),
    ]


def test_a_row_asks_for_the_shapes_of_layers_around_it() -> None:
    conv = "{op: Conv2d, out_channels: =2 * channels(a), kernel_size: 1}"
    found = graph(f"layers: {{a: {CONV}, b: [{{op: GlobalAvgPool}}, {conv}]}}")
    assert found.nodes[-1].shape == (1, 16, 1, 1)


def test_a_name_above_in_the_row_comes_first_and_one_of_its_own_means_what_is_around() -> None:
    written = (
        "layers: {w: ReLU, c: {layers: {w: {op: Tanh, from: w}, add: {op: Add, from: [w, w]}}}}"
    )
    assert wired(written)[1:] == [("c.w", ("w",)), ("c.add", ("c.w", "c.w"))]


def test_a_row_that_is_left_out_stands_for_what_its_first_layer_takes() -> None:
    assert wired(
        "layers: {a: ReLU, b: Tanh, c: {when: false, layers: [{op: ReLU, from: a}]}, d: {op: Add, from: [c, b]}}"
    )[-1] == (
        "d",
        ("a", "b"),
    )


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("a: ReLU, b: [Tanh, {op: Add, from: [Tanh, q]}]", (52, "no layer 'q'")),
        (
            "a: ReLU, b: [Tanh, {op: Add, from: [Tanh, c]}], c: ReLU",
            (52, "'c' comes later: a layer takes only what is above it"),
        ),
        (
            "b: {layers: {x: {op: ReLU, from: y}, y: Tanh}}",
            (43, "'y' comes later: a layer takes only what is above it"),
        ),
        (
            "a: ReLU, b: {repeat: 2, layers: [{op: Tanh, from: a}]}",
            (31, "can't be repeated: it has 1 outputs and 0 input(s)"),
        ),
        (
            "a: {op: ReLU, parallel: 2}, b: [{op: Tanh, from: a}]",
            (59, "'a' has several outputs side by side"),
        ),
    ],
)
def test_what_is_wrong_with_a_name_from_around_is_told_where_it_stands(
    written: str, told: tuple[int, str]
) -> None:
    assert problems(f"layers: {{{written}}}") == [(3, *told)]


def test_a_search_over_rows_that_name_what_is_around_finds_the_numbers_of_each() -> None:
    layers = f"layers: {{a: {CONV}, b: {{repeat: =n, layers: [{CONV}, {{op: Concat, from: [Conv2d, a]}}]}}}}"
    spec = archcalc.load(
        yaml.safe_load(HEAD + "vars: {n: 1}\nspace: {vars: {n: [0, 1, 3]}}\n" + layers)
    )
    for n, params in ((0, 224), (1, 224 + 584), (3, 224 + 584 + 2 * (16 * 9 + 1) * 8)):
        assert archcalc.analyze(spec, n=n).params == params
    assert [archcalc.expand(spec, n=3).nodes[k].inputs for k in (2, 4)] == [
        ("b.0.Conv2d", "a"),
        ("b.1.Conv2d", "a"),
    ]


# Smaller forms -----------------------------------------------------------------------------------


def test_a_block_may_be_one_layer() -> None:
    blocks = (
        f"blocks: {{'conv(n)': {CONV.replace('8', '=n')}, two: {{block: conv, n: 4, repeat: 2}}}}\n"
    )
    assert wired(blocks + "layers: {a: {block: conv, n: 8}, b: two}") == [
        ("a.Conv2d", ("input",)),
        ("b.conv.0.Conv2d", ("a.Conv2d",)),
        ("b.conv.1.Conv2d", ("b.conv.0.Conv2d",)),
    ]
    assert [(c, m) for _, c, m in problems("blocks: {u: {op: ReLU, x: 1}}\nlayers: {a: u}")] == [
        (24, "ReLU has no field 'x'")
    ]


def test_a_layer_to_take_may_be_computed() -> None:
    written = """layers: {a: ReLU, b: Tanh, c: {op: Identity, parallel: 2, from: "=['b', 'a'][i]"}, d: {op: Add, from: c.*}}"""
    assert wired(written)[2:4] == [("c.0", ("b",)), ("c.1", ("a",))]
    assert [m for *_, m in problems(written.replace("'a'", "'q'"))] == [
        "no layer 'q' before this one"
    ]


def test_which_repetitions_are_there_may_depend_on_their_number() -> None:
    """One that is left out stands for its input, in a row and side by side."""
    row = "layers: {a: {op: ReLU, repeat: 3, when: =i != 1}, b: {op: Tanh, parallel: 3, when: =i > 0}, c: {op: Add, from: b.*}}"
    assert wired(row) == [
        ("a.0", ("input",)),
        ("a.2", ("a.0",)),
        ("b.1", ("a.2",)),
        ("b.2", ("a.2",)),
        ("c", ("a.2", "b.1", "b.2")),
    ]


def test_a_mapping_may_have_expressions_in_it() -> None:
    pattern = "{op: Rearrange, pattern: b (g c) h w -> b g c h w, sizes: {g: =n}}"
    assert graph(f"vars: {{n: 3}}\nlayers: {{a: {pattern}}}").nodes[-1].shape == (1, 3, 1, 32, 32)
    assert [m for *_, m in problems(f"layers: {{a: {pattern}}}")] == ["unknown name 'n' in '=n'"]


def test_a_parameter_takes_no_more_than_the_batch_whatever_stands_before_it() -> None:
    written = "layers: {a: {op: ReLU, parallel: 2}, p: {op: Parameter, shape: [3, 1, 1]}, b: {op: Add, from: [a.*, p]}}"
    assert wired(written)[2] == ("p", ("a.0",))


# What else knows the forms ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        f"layers: [{CONV}, ReLU]",
        f"layers: {{a: [{CONV}, ReLU], b: {{layers: [ReLU], repeat: 2, from: a}}}}",
        "blocks: {u: [ReLU], v: {a: ReLU, b: u}, w: {args: 'a, b=3', layers: [ReLU]}}\nlayers: {a: u}",
        "blocks: {u: {inputs: [a.*], outputs: [x, y], layers: {x: ReLU, y: ReLU}}}\nlayers: {a: u}",
        f"blocks: {{u: {CONV}, 'v(n)': {{block: u, repeat: =n}}}}\nlayers: {{a: u}}",
        "layers: {a: {op: Rearrange, pattern: b (g c) h w -> b g c h w, sizes: {g: =n}}}",
    ],
)
def test_the_schema_allows_them(written: str) -> None:
    assert accepted(written)


@pytest.mark.parametrize(
    "written",
    [
        "layers: []",
        "layers: {a: [{op: Conv2d, kernel_size: 3}]}",
        "layers: {a: {layers: [Relu], repeat: 2}}",
        "layers: {a: {layers: [ReLU], channels: 2}}",
        "blocks: {u: {args: {}}}\nlayers: {a: u}",
        "blocks: {u: {a: {op: ReLU, x: 1}}}\nlayers: {a: u}",
        "blocks: {u: {op: ReLU, x: 1}}\nlayers: {a: u}",
    ],
)
def test_the_schema_refuses_what_is_wrong_in_them(written: str) -> None:
    assert not accepted(written)


def test_spec_values_are_those_of_the_long_form() -> None:
    short = archcalc.load(
        {"name": "n", "input": [4], "layers": [{"op": "Linear", "out_features": 2}, "ReLU"]}
    )
    long = archcalc.load(
        {
            "name": "n",
            "input": [4],
            "layers": {"Linear": {"op": "Linear", "out_features": 2}, "ReLU": "ReLU"},
        }
    )
    assert short == long
    assert archcalc.analyze(short).params == 4 * 2 + 2
