"""Specs whose convolutions are rewritten: shapes, counts, and the text that is written."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import archcalc
from archcalc.errors import ArchcalcError
from archcalc.operators.conv import Conv2d
from archcalc.spec.form import as_yaml
from archcalc.spec.graph import Node
from archcalc.spec.model import Spec
from archcalc.spec.replacing import _axis_by_axis
from archcalc.spec.rewrite import Rewritten, rewrite
from archcalc.spec.rewrites import REWRITES, Rewrite
from archcalc.spec.text import parse
from archcalc.spec.zoo import load

EVERY = ("bottleneck:2", "separable", "stack3x3", "groups:2", "lowrank:4")
NETWORKS = ("lenet5", "alexnet", "alexnet-2gpu", "vgg11", "googlenet-torchvision", "resnet50")


def rewritten(layers: dict[str, Any], how: str, input: list[int], **rest: Any) -> Rewritten:
    spec = load({"name": "net", "input": input, "layers": layers, **rest})
    return rewrite(spec, Rewrite.parse(how))


def conv(**fields: Any) -> dict[str, Any]:
    return {"op": "Conv2d", "out_channels": 8, "kernel_size": 3, **fields}


def operators(found: Rewritten) -> list[Any]:
    return [node.op for node in found.after.nodes]


def nodes_of(found: Rewritten, name: str) -> tuple[Node, ...]:
    return tuple(node for node in found.after.nodes if node.name in found.replaced[name])


def params(nodes: tuple[Node, ...]) -> int:
    return sum(prod(s) for n in nodes for s in n.op.weights(*n.input_shapes).values())


def macs(nodes: tuple[Node, ...]) -> int:
    return sum(n.op.work(n.shape, *n.input_shapes).macs for n in nodes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("botleneck:4", "did you mean 'bottleneck'"),
        ("bottleneck", "takes a whole number from 2"),
        ("bottleneck:0", "takes a whole number from 2, not '0'"),
        ("bottleneck:1", "takes a whole number from 2, not '1'"),
        ("groups:-8", "takes a whole number from 2"),
        ("lowrank:0", "takes a whole number from 1"),
        ("lowrank:" + "9" * 40, "takes a whole number from 1"),
        ("separable:2", "takes no number"),
        ("", "known: bottleneck"),
    ],
)
def test_what_is_no_rewrite_is_refused(text: str, said: str) -> None:
    with pytest.raises(ArchcalcError, match=said):
        Rewrite.parse(text)


def test_a_rewrite_is_written_as_it_was_read() -> None:
    assert [str(Rewrite.parse(text)) for text in EVERY] == list(EVERY)
    assert {Rewrite.parse(text).name for text in EVERY} == set(REWRITES)


@pytest.mark.parametrize("name", REWRITES)
def test_every_rewrite_is_explained(name: str) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "savings.md"
    number = ":N" if REWRITES[name][0] is not None else ""

    assert f"\n| `{name}{number}` |" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("how", "fields", "kernels", "channels"),
    [
        ("bottleneck:2", {}, [(1, 1), (3, 3)], [2, 8]),
        ("separable", {}, [(3, 3), (1, 1)], [4, 8]),
        ("stack3x3", {"kernel_size": 7}, [(3, 3)] * 3, [8, 8, 8]),
        ("groups:4", {}, [(3, 3)], [8]),
        ("lowrank:5", {"kernel_size": [3, 5]}, [(3, 1), (1, 5)], [5, 8]),
    ],
)
def test_what_a_convolution_becomes(
    how: str, fields: dict[str, Any], kernels: list[tuple[int, int]], channels: list[int]
) -> None:
    found = operators(rewritten({"a": conv(**fields)}, how, [4, 20, 20]))

    assert [op.kernel_size for op in found] == kernels
    assert [op.out_channels for op in found] == channels


def test_strides_padding_and_dilation_are_split_along_the_axes() -> None:
    layer = conv(kernel_size=3, stride=[2, 3], dilation=[1, 2], padding=[[0, 1], [2, 3]])
    rows, columns = operators(rewritten({"a": layer}, "lowrank:2", [4, 20, 20]))

    assert (rows.stride, rows.dilation, rows.padding) == ((2, 1), (1, 1), ((0, 1), (0, 0)))
    assert (columns.stride, columns.dilation, columns.padding) == ((1, 3), (1, 2), ((0, 0), (2, 3)))


def test_a_stack_strides_at_its_end_and_spreads_the_padding() -> None:
    layer = conv(kernel_size=7, stride=2, padding=[[3, 3], [1, 4]], dilation=2)
    found = operators(rewritten({"a": layer}, "stack3x3", [4, 30, 30]))

    assert [op.stride for op in found] == [(1, 1), (1, 1), (2, 2)]
    assert [op.padding for op in found] == [((1, 1), (1, 2)), ((1, 1), (0, 1)), ((1, 1), (0, 1))]
    assert {op.dilation for op in found} == {(2, 2)}


def test_groups_stay_groups() -> None:
    layer = conv(groups=2)
    assert [op.groups for op in operators(rewritten({"a": layer}, "bottleneck:2", [8, 9, 9]))] == [
        2,
        2,
    ]
    assert [op.groups for op in operators(rewritten({"a": layer}, "separable", [8, 9, 9]))] == [
        8,
        2,
    ]
    assert [op.groups for op in operators(rewritten({"a": layer}, "groups:4", [8, 9, 9]))] == [4]
    assert [op.groups for op in operators(rewritten({"a": layer}, "lowrank:2", [8, 9, 9]))] == [
        2,
        2,
    ]


@pytest.mark.parametrize(
    ("how", "fields", "said"),
    [
        ("separable", {"kernel_size": 1}, "is 1x1"),
        ("separable", {"groups": 8}, "is one of each channel on its own"),
        ("stack3x3", {}, "is 3x3"),
        ("stack3x3", {"kernel_size": [5, 3]}, "no stack of 3x3 sees 5x3"),
        ("stack3x3", {"kernel_size": 4}, "no stack of 3x3 sees 4x4"),
        ("bottleneck:3", {}, "3 does not divide its 8 input channels"),
        ("bottleneck:4", {"groups": 4}, "its 4 groups do not divide 8 / 4 = 2 channels"),
        ("groups:4", {"out_channels": 6}, "4 does not divide its 6 output channels"),
        ("groups:4", {"groups": 4}, "has 4 groups"),
        ("lowrank:4", {"kernel_size": [1, 7]}, "is 1x7"),
        ("lowrank:3", {"groups": 2}, "its 2 groups do not divide 3 channels"),
    ],
)
def test_what_can_t_be_rewritten_says_why_and_stays(
    how: str, fields: dict[str, Any], said: str
) -> None:
    # Beside one that can be, so that the number fits something.
    layers = {"a": conv(**fields), "b": conv(out_channels=12), "c": conv(kernel_size=5)}
    found = rewritten(layers, how, [8, 20, 20])

    assert found.reasons["a"] == said
    assert found.after.nodes[0] == found.before.nodes[0]
    assert not found.reasons["c"]


def test_a_number_that_fits_no_convolution_is_refused() -> None:
    with pytest.raises(
        ArchcalcError, match=r"groups:5 fits no convolution(.|\n)*5 does not divide"
    ):
        rewritten({"a": conv()}, "groups:5", [4, 9, 9])


def test_a_number_is_not_to_blame_for_a_kernel() -> None:
    found = rewritten({"a": conv(kernel_size=1)}, "bottleneck:2", [4, 9, 9])

    assert found.reasons == {"a": "is 1x1"}


def test_other_convolutions_stay() -> None:
    layers = {"a": {"op": "ConvTranspose2d", "out_channels": 4, "kernel_size": 3}, "b": conv()}
    found = rewritten(layers, "separable", [4, 9, 9])

    assert found.reasons == {"a": "is a ConvTranspose2d, and only Conv2d is rewritten", "b": ""}


def test_an_operator_chosen_by_an_expression_stays() -> None:
    found = rewritten(
        {"a": {**conv(), "op": "=kind"}}, "separable", [4, 9, 9], vars={"kind": "Conv2d"}
    )
    assert found.reasons == {"a": "its operator is an expression"}
    assert found.replaced == {"a": ("a",)}


def test_one_line_that_is_rewritten_here_and_not_there_becomes_a_block_that_decides() -> None:
    blocks = {"unit": {"args": {"kernel": 1}, "layers": {"conv": conv(kernel_size="=kernel")}}}
    layers = {"a": {"block": "unit"}, "b": {"block": "unit", "kernel": 3}}
    found = rewritten(layers, "separable", [4, 9, 9], blocks=blocks)

    assert found.replaced == {
        "a.conv": ("a.conv.unchanged",),
        "b.conv": ("b.conv.depthwise", "b.conv.pointwise"),
    }


def test_a_repeated_layer_is_rewritten_where_it_can_be() -> None:
    found = rewritten({"a": conv(repeat=3, padding=1)}, "bottleneck:4", [3, 9, 9])

    assert [len(found.replaced[f"a.{k}"]) for k in range(3)] == [1, 2, 2]


def test_shared_tensors_stay_shared() -> None:
    layers = {"a": conv(padding=1), "b": conv(padding=1, share="a")}
    found = rewritten(layers, "separable", [8, 9, 9])

    assert [node.share for node in found.after.nodes] == [
        None,
        None,
        "a.depthwise",
        "a.pointwise",
    ]


def test_a_convolution_stays_that_shares_with_one_that_does() -> None:
    layers = {
        "a": {**conv(padding=1), "op": "=kind"},
        "b": conv(padding=1, share="a"),
        "c": conv(),
    }
    found = rewritten(layers, "separable", [8, 9, 9], vars={"kind": "Conv2d"})

    assert found.reasons["b"] == "shares its tensors with a, which is not rewritten"
    assert found.reasons["c"] == ""


def test_a_block_of_the_spec_keeps_its_name() -> None:
    blocks = {"separable": {"layers": {"conv": conv()}}}
    found = rewritten({"a": {"block": "separable"}}, "separable", [4, 9, 9], blocks=blocks)

    assert list(found.spec.blocks) == ["separable_", "separable"]


def test_what_was_set_is_in_the_rewritten_spec() -> None:
    found = rewrite(
        load("resnet18-cifar"), Rewrite.parse("separable"), input=[3, 64, 48], classes=7
    )

    assert found.spec.input == [3, 64, 48]
    assert found.after.nodes[-1].shape == (1, 7)
    assert found.after.name == "resnet18-cifar-separable"
    assert not found.spec.variants
    assert not found.spec.documented


def test_budgets_of_the_network_stay() -> None:
    budget = [{"quantity": "macs", "at_most": "4.2G"}]
    found = rewritten({"a": conv()}, "separable", [4, 9, 9], budget=budget)

    assert [(each.quantity, each.at_most) for each in found.spec.budget] == [("macs", "4.2G")]


def test_padding_that_is_lists_in_an_expression_is_said() -> None:
    blocks = {
        "unit": {
            "args": {"pad": 0},
            "layers": {"conv": conv(padding="=[[0, 1]] if pad else 1")},
        }
    }
    layers = {"a": {"block": "unit"}, "b": {"block": "unit", "pad": 1}}
    found = rewritten(layers, "lowrank:2", [4, 9, 9], blocks=blocks)

    assert set(found.reasons.values()) == {"its padding is an expression that gives lists"}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("how", EVERY)
def test_every_shape_of_a_network_stays(network: str, how: str, tmp_path: Path) -> None:
    found = rewrite(archcalc.load(network), Rewrite.parse(how))
    after = {node.name: node for node in found.after.nodes}

    for node in found.before.nodes:
        last = after[found.replaced[node.name][-1]]
        assert last.shape == node.shape
        if found.reasons.get(node.name, "no convolution"):
            assert (last.op, last.input_shapes) == (node.op, node.input_shapes)
    assert sum(map(len, found.replaced.values())) == len(found.after.nodes)

    path = tmp_path / "net.yaml"
    path.write_text(as_yaml(found.spec.document.data, "a comment"), encoding="utf-8")
    assert archcalc.validate(path) == []
    assert archcalc.expand(archcalc.load(path)) == found.after


@pytest.mark.parametrize(
    "words",
    [
        *("a: b", "a #b", "a, b", "a:", "a'b", 'a "b"', "a\\b", "a\nb", " a ", "- a", "{a", "& a"),
        *("% a", "! a", "@a", "*", "=", "~", "?", "null", "True", "NaN", "yes", "1e5", "0x1F"),
        *("é", "\u2028"),
    ],
)
def test_text_is_written_so_that_it_is_read_again(words: str) -> None:
    found = rewritten({"a": conv()}, "separable", [4, 9, 9], title=words, feature=words)

    assert Spec.of(parse(as_yaml(found.spec.document.data), "net.yaml")) == found.spec


ends = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(list)


@settings(max_examples=150, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    groups=st.integers(1, 3),
    per_group=st.integers(1, 4),
    out_per_group=st.integers(1, 4),
    kernel=st.one_of(
        st.tuples(st.integers(1, 6), st.integers(1, 6)),
        st.sampled_from([3, 5, 7]).map(lambda k: (k, k)),
    ),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.one_of(st.tuples(ends, ends).map(list), st.sampled_from(["same_upper", "valid"])),
    bias=st.booleans(),
    size=st.tuples(st.integers(1, 16), st.integers(1, 16)),
    how=st.sampled_from(EVERY),
)
def test_any_convolution_keeps_its_shape_and_costs_what_the_formula_says(
    groups: int,
    per_group: int,
    out_per_group: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: Any,
    bias: bool,
    size: tuple[int, int],
    how: str,
) -> None:
    c, o = groups * per_group, groups * out_per_group
    op = Conv2d(
        out_channels=o,
        kernel_size=kernel,
        stride=stride,
        dilation=dilation,
        padding=padding,
        groups=groups,
        bias=bias,
    )
    try:
        shape = op.infer((1, c, *size))
    except archcalc.ShapeError:
        assume(False)
    layer = {
        "op": "Conv2d",
        "out_channels": o,
        "kernel_size": list(kernel),
        "stride": list(stride),
        "dilation": list(dilation),
        "padding": padding,
        "groups": groups,
        "bias": bias,
    }
    # Beside one that every rewrite fits, so that no number is refused.
    fitting = {"op": "Conv2d", "from": "input", "out_channels": 2, "kernel_size": 1}
    other = {"op": "Conv2d", "out_channels": 2, "kernel_size": 5, "padding": 2}
    layers = {"b": fitting, "c": other, "a": {**layer, "from": "input"}}
    both = rewritten(layers, how, [c, *size], outputs=["c", "a"])
    found = replace(both, after=replace(both.after, nodes=nodes_of(both, "a")))
    assert found.after.nodes[-1].shape == shape
    if found.reasons["a"]:
        return

    # Parameters and MACs as the definitions of docs/savings.md give them, n for bias or none.
    n, (h, w), (oh, ow) = int(bias), kernel, shape[2:]
    positions = oh * ow
    if how == "bottleneck:2":
        m = c // 2
        expected = (c // groups * m + n * m) + (h * w * m // groups * o + n * o)
        work = prod(size) * c // groups * m + positions * h * w * m // groups * o
    elif how == "separable":
        expected = (h * w * c + n * c) + (c // groups * o + n * o)
        work = positions * (h * w * c + c // groups * o)
    elif how == "groups:2":
        expected = h * w * c // 2 * o + n * o
        work = positions * h * w * c // 2 * o
    elif how == "lowrank:4":
        expected = (h * c // groups * 4 + n * 4) + (w * 4 // groups * o + n * o)
        padded = oh * size[1]
        work = padded * h * c // groups * 4 + positions * w * 4 // groups * o
    else:
        first, rest = 9 * c // groups * o + n * o, 9 * o // groups * o + n * o
        expected = first + (h // 2 - 1) * rest
        work = macs(found.after.nodes)
        assert len(found.after.nodes) == h // 2
    assert (params(found.after.nodes), macs(found.after.nodes)) == (expected, work)


@pytest.mark.parametrize(
    ("field", "written", "axes"),
    [
        ("kernel_size", [3], [3, 3]),
        ("kernel_size", [3, 5], [3, 5]),
        ("padding", [1], [[1, 1], [1, 1]]),
        ("padding", [[1, 2], 0], [[1, 2], [0, 0]]),
        ("padding", 1, [[1, 1], [1, 1]]),
        ("stride", 2, [2, 2]),
    ],
)
def test_a_field_is_written_axis_by_axis(field: str, written: Any, axes: Any) -> None:
    assert _axis_by_axis(field, written, ()) == axes
