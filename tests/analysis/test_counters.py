"""Other counters: the conventions against what the tools themselves print."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import archcalc
from archcalc import Analysis, ArchcalcError, Graph, Node
from archcalc.analysis.conventions import CONVENTIONS, Difference, convention, differences
from archcalc.analysis.counters.rules import NOT_HELD
from archcalc.operators import NAMES, operator
from archcalc.operators.base import Applied
from tests.analysis.test_backward import SIDES

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TOOLS = [name for name, each in CONVENTIONS.items() if each.tool]


class Asked(NamedTuple):
    """A line of ``conventions.csv``: what the tools printed of a network or of a layer alone."""

    network: str
    fields: str
    inputs: str
    printed: dict[str, str]


@cache
def record() -> tuple[list[Asked], dict[str, str]]:
    """The lines, and the versions of the tools."""
    with (BENCHMARKS / "conventions.csv").open(newline="") as file:
        header, *lines = csv.reader(file)
    tools = [column.split(" ") for column in header[3:]]
    names = [name for name, _ in tools]
    asked = [
        Asked(network, fields, inputs, dict(zip(names, printed, strict=True)))
        for network, fields, inputs, *printed in lines
    ]
    return asked, dict(zip(names, (version for _, version in tools), strict=True))


def alone(name: str, fields: dict[str, Any], *shapes: tuple[int, ...]) -> Analysis:
    op = operator(name)(**fields)
    inputs = dict(zip("xyzw", shapes, strict=False))
    node = Node("layer", Applied.to(op, *shapes), tuple(inputs))
    return archcalc.analyze(Graph("net", "net", "net", "", inputs, (node,), ("layer",)))


@cache
def analysis(asked: str, fields: str, inputs: str) -> Analysis:
    if fields:
        return alone(asked, json.loads(fields), *map(tuple, json.loads(inputs)))
    local = BENCHMARKS / f"{asked}.yaml"
    return archcalc.analyze(archcalc.load(str(local) if local.exists() else asked))


def ours(name: str, asked: Asked) -> str:
    try:
        return str(convention(name).total(analysis(*asked[:3])))
    except ArchcalcError:
        return "fails"


def by_name(analysis: Analysis) -> dict[str, Difference]:
    return {each.convention.name: each for each in differences(analysis)}


# What the tools printed --------------------------------------------------------------------------


@pytest.mark.parametrize("name", TOOLS)
def test_each_convention_is_the_number_that_its_tool_printed(name: str) -> None:
    # The numbers are the tools' own, recorded by benchmarks/conventions.py.
    lines, _ = record()
    differ = [
        (asked[:3], asked.printed[name], ours(name, asked))
        for asked in lines
        if ours(name, asked) != asked.printed[name]
    ]
    assert differ == []


def test_every_tool_is_named_with_the_version_that_was_asked() -> None:
    _, versions = record()
    assert list(versions) == TOOLS
    for name, version in versions.items():
        assert version in convention(name).tool


def test_the_tools_were_asked_for_whole_networks_and_for_every_operator() -> None:
    lines, _ = record()
    assert sum(not asked.fields for asked in lines) == 7
    # Where values are put back is an output of a pooling, which a layer alone can't be given; what
    # is kept of steps before comes from outside.
    others = {"MaxUnpool2d", "Cache", *NOT_HELD}
    assert set(NAMES) - {asked.network for asked in lines} == others


def test_what_is_not_known_of_a_tool_is_said_and_is_not_0() -> None:
    einsum = alone("Einsum", {"equation": "nhwc,cu->nhwu"}, (1, 7, 6, 16), (1, 16, 8))
    with pytest.raises(ArchcalcError, match="what tools count of 'layer' is not known: Einsum"):
        convention("fvcore").total(einsum)
    assert by_name(einsum)["fvcore"].number is None
    # PyTorch 2.13 and ptflops 0.7.5 print these, of products of matrices of 7 x 6 x 16 x 8.
    assert [convention(name).total(einsum) for name in ("torch", "ptflops-aten", "ptflops")] == [
        10_752,
        5_376,
        0,
    ]


def net(**layers: Any) -> Analysis:
    return archcalc.analyze({"name": "net", "input": [12], "layers": layers})


@pytest.mark.parametrize(
    ("tool", "printed"),
    # 16 kernels of 12 and 3 of 16; an activation of 16 with one weight.
    [("torch", 480), ("torchinfo", 1), ("fvcore", 240), ("ptflops", 32), ("thop", 16)],
)
def test_tools_that_know_modules_by_class_pass_over_weights_that_are_computed(
    tool: str, printed: int
) -> None:
    found = net(
        h={"op": "Linear", "out_features": 16, "parametrization": "spectral_norm"},
        p="PReLU",
        o={"op": "Linear", "out_features": 3, "bias": False, "parametrization": "weight_norm"},
    )
    assert convention(tool).total(found) == printed


@pytest.mark.parametrize("op", ["LSTM", "ConvTranspose1d", "MultiheadAttention", "Attention"])
def test_so_they_do_whatever_the_layer(op: str) -> None:
    fields = {
        "LSTM": {"hidden_size": 4},
        "ConvTranspose1d": {"out_channels": 6, "kernel_size": 2},
    }.get(op, {"num_heads": 2})
    found = alone(op, {**fields, "parametrization": "weight_norm"}, (1, 7, 32))
    plain = alone(op, fields, (1, 7, 32))
    assert [convention(name).total(found) for name in ("torchinfo", "ptflops", "thop")] == [0] * 3
    for name in ("torch", "fvcore", "ptflops-aten"):
        assert convention(name).total(found) == convention(name).total(plain)


@pytest.mark.parametrize(
    ("word", "times"), [("weight_standardization", 4), ("scaled_weight_standardization", 5)]
)
def test_fvcore_sees_how_a_weight_is_standardized(word: str, times: int) -> None:
    fields = {"out_channels": 6, "kernel_size": 3, "parametrization": word}
    found = alone("Conv2d", fields, (1, 4, 3, 3))
    # 6 kernels of 4 x 3 x 3 at one position; as a batch's they take 4 each, and 5 with a gain.
    assert convention("fvcore").total(found) == 216 + 216 * times
    assert convention("torch").total(found) == 2 * 216


def test_a_key_of_its_own_is_no_projection() -> None:
    fields = {"num_heads": 4, "add_bias_kv": True}
    found = alone("MultiheadAttention", fields, (1, 7, 32), (1, 11, 20), (1, 11, 20))
    # 2 x 7 x 32 x 32 of queries and outputs, 2 x 11 x 20 x 32 of keys and values.
    assert convention("fvcore").total(found) == 14_336 + 14_080
    assert convention("torch").total(found) == 56_832


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs ``benchmarks/conventions.py`` after the lines of ``program``."""
    if find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    code = f"import conventions\n{program}\nexit(conventions.main())"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("tool", ["torch", "torchinfo"])
def test_the_tools_that_are_here_print_it_still(tool: str) -> None:
    if find_spec(tool) is None:
        pytest.skip("not installed")
    networks = "lenet5,resnet18,mixture,ConvTranspose2d,Linear,MultiheadAttention,LSTM"
    asked = run("", "--tools", tool, "--networks", networks)
    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert "not asked" not in asked.stdout


def test_another_number_of_a_tool_is_shown_and_fails() -> None:
    lies = "tools = conventions.TOOLS; lie = lambda *_: 833_041\n"
    lies += "tools['torch'] = tools['torch']._replace(ask=lie)"
    asked = run(lies, "--tools", "torch", "--networks", "lenet5")
    assert asked.returncode == 1
    assert asked.stdout.splitlines()[-2].split()[-3:] == ["833,041", "833,040", "-1"]


def test_a_tool_that_is_not_installed_is_named() -> None:
    lacks = "tools = conventions.TOOLS\n"
    lacks += "tools['thop'] = tools['thop']._replace(module='no_such_module')"
    asked = run(lacks, "--tools", "thop", "--networks", "lenet5")
    assert asked.returncode == 0
    assert asked.stdout.splitlines()[0] == "not asked: thop (not installed)"


# Worked by hand, from the tools' sources ---------------------------------------------------------


def test_what_is_cropped_of_a_transposed_convolution_is_there_for_a_trace() -> None:
    # 2 -> 3, 3, stride 2, on 5: 5 * 2 * 3 * 3 multiply-accumulates; of (5 - 1) * 2 + 3 = 11
    # positions SAME keeps 10. PyTorch's module can't leave out the last one, so ours does, whose
    # type is known to no tool.
    fields = {"out_channels": 3, "kernel_size": 3, "stride": 2, "padding": "same_upper"}
    counted = by_name(alone("ConvTranspose1d", fields, (1, 2, 5)))
    names = ("macs", "torchinfo", "torchprofile", "ptflops", "ptflops-aten", "thop")
    assert {name: counted[name].number for name in names} == {
        "macs": 90,
        "torchinfo": 10 * (18 + 3),
        "torchprofile": 11 * 3 * 2 * 3,
        "ptflops": 0,
        "ptflops-aten": 90 + 3 * 11,
        "thop": 0,
    }
    assert counted["thop"].blind == ("ConvTranspose1d",)


def test_transposed_convolutions_as_the_tools_have_them() -> None:
    # 8 -> 16, 4x4, stride 2, on 10x10: 10 * 10 * 8 * 16 * 16 multiply-accumulates, 16 * 20 * 20
    # outputs.
    fields = {"out_channels": 16, "kernel_size": 4, "stride": 2, "padding": 1}
    counted = by_name(alone("ConvTranspose2d", fields, (1, 8, 10, 10)))
    true, bias = 204_800, 6_400
    numbers = {name: counted[name].number for name in ("macs", *TOOLS)}
    assert numbers == {
        "macs": true,
        "torch": 2 * true,
        "torchinfo": 20 * 20 * (2_048 + 16),  # all parameters at every position of the output
        "fvcore": true,
        "ptflops": true + bias,
        "ptflops-aten": true + bias,
        "thop": 4 * true,  # as if at every position of the output
        "torchprofile": 4 * true,
        "deepspeed": 2 * true + bias,
        # The bias at the 5x5 positions of the convolution the other way round.
        "calflops": 2 * true + 16 * 5 * 5,
    }


def test_torchinfo_takes_a_sequence_for_one_vector() -> None:
    fields = {"out_features": 64}
    assert convention("torchinfo").total(alone("Linear", fields, (1, 7, 16))) == 16 * 64 + 64
    assert convention("torchinfo").total(alone("Linear", fields, (1, 16))) == 16 * 64 + 64


def test_ptflops_counts_an_activation_once_as_a_module_and_once_as_a_function() -> None:
    assert convention("ptflops").total(alone("ReLU", {}, (1, 8, 10, 10))) == 2 * 800


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({"bias": False}, 2 * 5 * (32 + 32)), ({"bias": False, "proj_size": 1}, 2 * 5 * (32 + 8))],
)
def test_deepspeed_counts_no_projection_of_a_state_and_no_first_addition(
    fields: dict[str, Any], expected: int
) -> None:
    # 4 gates of 2 units, 4 features, 5 steps: 2 K - 1 for each dot product, 10 a unit beside them.
    features, units, state = 4, 2, 1 if "proj_size" in fields else 2
    step = 8 * (2 * features - 1) + 8 * (2 * state - 1) + 10 * units
    counted = alone("LSTM", {"hidden_size": 2, **fields}, (1, 5, features))
    assert convention("deepspeed").total(counted) == 5 * step


@pytest.mark.parametrize(("trained", "seen"), [(True, 2 * 2 * 4 * 5 * 5 * 3), (False, 0)])
def test_what_is_added_to_scores_is_fused_unless_it_is_trained(trained: bool, seen: int) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    # 4 heads of 3 features at 5 places: two products of 4 * 5 * 5 * 3, which the CPU's fused
    # operator hides. It takes no bias that needs a gradient.
    layers: dict[str, Any] = {
        "bias": {"op": "Parameter", "shape": [4, 5, 5], "trained": trained},
        "attend": {"op": "ScaledDotProductAttention", "from": ["input"] * 3 + ["bias"]},
    }
    graph = archcalc.expand(archcalc.load({"name": "n", "input": [4, 5, 3], "layers": layers}))
    counted = archcalc.analyze(graph)

    for name, scale in (("torch", 1), ("ptflops-aten", 2)):
        assert convention(name).total(counted) == seen // scale
        assert by_name(counted)[name].number == seen // scale
        assert by_name(counted)[name].blind == (() if seen else ("ScaledDotProductAttention",))
    with FlopCounterMode(display=False) as counter:
        archcalc.build(graph)(torch.zeros(1, 4, 5, 3))
    assert counter.get_total_flops() == seen


TURNED: dict[str, Any] = {"op": "Transpose", "dim0": 1, "dim1": 2}
PROJECT: dict[str, Any] = {"op": "Linear", "out_features": 5}
LAST: dict[str, Any] = {"op": "Permute", "dims": [0, 2, 3, 1]}
FIRST: dict[str, Any] = {"op": "Permute", "dims": [0, 3, 1, 2]}
CONV: dict[str, Any] = {"op": "Conv2d", "out_channels": 4, "kernel_size": 1}


@pytest.mark.parametrize(
    ("sizes", "layers", "products", "biases"),
    [
        # 6 positions of 4 features to 5: 30 biases, of what lies in order.
        ([6, 4], [PROJECT], 120, 30),
        ([4, 6], [TURNED, PROJECT], 120, 0),
        ([4, 6], [TURNED, "GELU", PROJECT], 120, 0),
        ([4, 6], [TURNED, "LayerNorm", PROJECT], 120, 30),
        ([4, 6], [TURNED, "RMSNorm", PROJECT], 120, 30),
        ([4, 6], [TURNED, {"op": "Flip", "dims": 1}, PROJECT], 120, 0),
        # Another linear layer's output is a new tensor: 6 * 5 * 5 more, and its biases.
        ([4, 6], [TURNED, PROJECT, PROJECT], 120 + 150, 30),
        # 3 of 8 features lie apart; 3 of 6 positions, and those of one position, do not.
        ([6, 8], [{"op": "Slice", "dim": 2, "end": 3}, PROJECT], 90, 0),
        ([6, 8], [{"op": "Slice", "dim": 1, "end": 3}, PROJECT], 120, 15),
        ([1, 8], [{"op": "Slice", "dim": 2, "end": 3}, PROJECT], 15, 5),
        ([6, 8], [{"op": "Select", "index": 1}, PROJECT], 40, 5),
        # Channels last is in order once it is permuted, and a convolution keeps it: 6 * 2 * 4 for
        # the convolution, 6 * 4 * 5 for the layer, with 24 and 30 biases.
        ([2, 3, 2], [FIRST, CONV, LAST, PROJECT], 48 + 120, 24 + 30),
        ([2, 2, 3], [CONV, LAST, PROJECT], 48 + 120, 24),
        # Query, key and value are 72 biases; 24 of the output's are of a new tensor. What is
        # projected is 4 times 6 * 4 * 4; attention between them is fused.
        ([6, 4], [{"op": "MultiheadAttention", "num_heads": 2}], 384, 96),
        ([4, 6], [TURNED, {"op": "MultiheadAttention", "num_heads": 2}], 384, 24),
        ([4, 6], [TURNED, {"op": "Attention", "num_heads": 2}], 384, 24),
        ([4, 6], [TURNED, {"op": "Attention", "num_heads": 2, "fused": True}], 384, 24),
        # 3 gates of 3 units: 6 * 9 * (4 + 3), with 54 biases for the input, 54 for the state.
        ([6, 4], [{"op": "GRU", "hidden_size": 3}], 378, 108),
        ([4, 6], [TURNED, {"op": "GRU", "hidden_size": 3}], 378, 54),
    ],
)
def test_biases_are_missed_where_they_are_added_apart(
    sizes: list[int], layers: list[Any], products: int, biases: int
) -> None:
    # As ptflops 0.7.5 prints, on torch 2.13.0.
    named = {f"l{number}": each for number, each in enumerate(layers)}
    counted = archcalc.analyze(archcalc.load({"name": "n", "input": sizes, "layers": named}))
    assert convention("ptflops-aten").total(counted) == products + biases
    assert convention("torch").total(counted) == 2 * products


@pytest.mark.parametrize(("given", "biases"), [(["p", "t"], 30), (["t", "p"], 0)])
def test_a_sum_lies_as_the_first_that_it_is_of(given: list[str], biases: int) -> None:
    layers = {
        "t": TURNED,
        "p": {"op": "Parameter", "shape": [6, 4]},
        "add": {"op": "Add", "from": given},
        "project": PROJECT,
    }
    counted = archcalc.analyze(archcalc.load({"name": "n", "input": [4, 6], "layers": layers}))
    assert convention("ptflops-aten").total(counted) == 120 + biases


# What they miss ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "blind"),
    [
        ("macs", ()),
        ("torch", ("LSTM", "MultiheadAttention (in part)")),  # its products are fused
        ("torchinfo", ("Linear (in part)", "MultiheadAttention")),  # on a sequence
        # The convolution has padding='same'.
        ("fvcore", ("Conv2d", "LSTM", "MultiheadAttention (in part)")),
        ("ptflops", ()),
        ("ptflops-aten", ("LSTM", "MultiheadAttention (in part)")),
        ("thop", ("MultiheadAttention",)),
        ("torchprofile", ("Conv2d",)),
        ("deepspeed", ()),
        ("calflops", ("ConvTranspose2d (in part)", "MultiheadAttention (in part)")),
    ],
)
def test_a_convention_names_the_operators_its_tool_does_not_see(
    name: str, blind: tuple[str, ...]
) -> None:
    mixture = archcalc.analyze(archcalc.load(str(BENCHMARKS / "mixture.yaml")))
    assert convention(name).blind(mixture) == blind
    assert by_name(mixture)[name].blind == blind


def test_what_leads_to_no_output_is_in_no_trace() -> None:
    counted = by_name(archcalc.analyze(archcalc.load(SIDES)))

    # fvcore and torchprofile print 33, PyTorch's counter 84.
    run, traced = 12 + 9 + 12 + 9, 12 + 9 + 12
    numbers = {name: counted[name].number for name in ("macs", "fvcore", "torchprofile", "torch")}
    assert numbers == {"macs": run, "fvcore": traced, "torchprofile": traced, "torch": 2 * run}
    assert counted["fvcore"].blind == ("Linear (in part)",)


def test_a_layer_that_does_no_multiply_accumulates_is_not_missed() -> None:
    relu = alone("ReLU", {}, (1, 10))
    assert {each.blind(relu) for each in CONVENTIONS.values()} == {()}


def test_where_a_tool_fails_its_convention_has_no_number() -> None:
    upsample = alone("Upsample", {"scale_factor": [2, 3]}, (1, 8, 10, 10))
    with pytest.raises(ArchcalcError, match="calflops fails on 'layer'"):
        convention("calflops").total(upsample)
    failed = by_name(upsample)["calflops"]
    assert failed.number is None
    assert "one scale_factor for all axes" in failed.failure
    assert by_name(upsample)["deepspeed"].number == 8 * 10 * 10 * 2 * 3


# Why they differ ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["googlenet-aux", "resnet18", "lenet5-1998", "mixture"])
def test_amounts_by_operator_add_up_to_the_number(name: str) -> None:
    local = BENCHMARKS / f"{name}.yaml"
    counted = archcalc.analyze(archcalc.load(str(local) if local.exists() else name))
    rows = differences(counted)
    assert [row.convention.name for row in rows] == list(CONVENTIONS)
    for row in rows:
        assert row.number == row.convention.total(counted)
        assert row.number == row.convention.per_mac * counted.macs + sum(row.amounts.values())
        assert 0 not in row.amounts.values()


def test_amounts_say_what_is_added_and_what_is_left_out() -> None:
    layers = {
        "conv": {"op": "Conv2d", "out_channels": 4, "kernel_size": 3, "padding": 1},
        "bn": "BatchNorm2d",
        "again": {"op": "BatchNorm2d"},
        "flat": {"op": "Flatten", "start_dim": 2},
        "attention": {"op": "MultiheadAttention", "num_heads": 5},
    }
    rows = by_name(
        archcalc.analyze(archcalc.load({"name": "n", "input": [8, 10, 10], "layers": layers}))
    )
    outputs = 4 * 10 * 10
    projections, products = 4 * 4 * 100 * 100, 2 * 4 * 4 * 100
    assert rows["macs"].amounts == {}
    assert rows["2xmacs"].amounts == {}
    assert rows["torch"].amounts == {"MultiheadAttention": -2 * products}
    assert rows["thop"].amounts == {
        "BatchNorm2d": 2 * 4 * outputs,
        "MultiheadAttention": -projections - products,
    }
    assert rows["torchinfo"].amounts == {
        "Conv2d": outputs,
        "BatchNorm2d": 2 * 2 * 4,
        "MultiheadAttention": -projections - products,
    }


# Other kinds of number ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", TOOLS)
def test_conventions_count_arrays_and_symbols_as_they_count_numbers(name: str) -> None:
    import numpy as np
    import sympy

    layers: dict[str, Any] = {
        "up": {"op": "ConvTranspose2d", "out_channels": 6, "kernel_size": 4, "groups": 2},
        "bn": "BatchNorm2d",
        "relu": "ReLU",
        "pool": {"op": "AvgPool2d", "kernel_size": 2},
        "grow": {"op": "Upsample", "scale_factor": 2, "mode": "bilinear"},
        "flat": {"op": "Flatten", "start_dim": 2},
        "linear": {"op": "Linear", "out_features": 4},
        "lstm": {"op": "LSTM", "hidden_size": 3},
    }
    spec = archcalc.load({"name": "n", "vars": {"n": 4}, "input": ["=n", 6, 6], "layers": layers})
    count: Callable[..., Any] = convention(name).total
    expected = [count(archcalc.analyze(spec, n=n)) for n in (4, 6)]
    assert list(count(archcalc.analyze(spec, n=np.array([4, 6])))) == expected
    k = sympy.Symbol("k", positive=True, integer=True)
    closed = count(archcalc.analyze(spec, n=2 * k))
    assert [closed.subs(k, 2), closed.subs(k, 3)] == expected
