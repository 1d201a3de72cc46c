"""Bytes of small networks by hand, and of whole ones as PyTorch keeps them."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any
from weakref import WeakSet

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archcalc import ArchcalcError, build, expand, freeze, load
from archcalc.analysis.memory import Memory, memory
from archcalc.operators.dropout import Dropout
from archcalc.pytorch.inputs import draw
from archcalc.pytorch.naming import paths
from archcalc.spec import zoo
from archcalc.spec.graph import Graph

Layers = dict[str, dict[str, Any]]


def graph(layers: Layers, *axes: int, batch: int = 1, **more: Any) -> Graph:
    data = {"name": "net", "input": list(axes), "layers": layers, **more}
    return expand(load(data), batch=batch)


def conv(channels: int, **fields: Any) -> dict[str, Any]:
    return {"op": "Conv1d", "out_channels": channels, "kernel_size": 1, **fields}


def live(layers: Layers, *axes: int, **more: Any) -> tuple[int, str | None]:
    """Numbers that are live at the peak, and where that is."""
    found = memory(graph(layers, *axes, **more), dtype="int8")
    return found.activations, found.peak


def kept(layers: Layers, *axes: int, **more: Any) -> int:
    """Bytes that are kept in training, when a number has one."""
    return int(memory(graph(layers, *axes, **more), dtype="int8", training=True).activations)


# What is stored


CONV_BN: Layers = {
    "conv": {"op": "Conv2d", "out_channels": 6, "kernel_size": 3},
    "bn": {"op": "BatchNorm2d"},
}


@pytest.mark.parametrize(("dtype", "size"), [("float64", 8), ("float32", 4), ("float16", 2)])
def test_weights_are_of_the_dtype_and_counters_are_not(dtype: str, size: int) -> None:
    found = memory(graph(CONV_BN, 2, 8, 8), dtype)

    assert found.weights == size * (6 * 2 * 9 + 6 + 2 * 6)
    assert found.buffers == size * 2 * 6 + 8  # how many batches were seen, a 64-bit integer


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(ArchcalcError, match="did you mean 'float32'"):
        memory(graph(CONV_BN, 2, 8, 8), "float31")


def test_a_shared_tensor_is_stored_once() -> None:
    layers: Layers = {"a": conv(4), "b": {**conv(4), "share": "a"}}

    assert memory(graph(layers, 4, 9)).weights == 4 * (4 * 4 + 4)


# At inference


def test_a_chain_needs_input_and_output_of_one_layer() -> None:
    """8 + 16, 16 + 40, then 40 + 4 numbers."""
    assert live({"a": conv(4), "b": conv(10), "c": conv(1)}, 2, 4) == (56, "b")


RESIDUAL: Layers = {
    "conv1": conv(2),
    "conv2": conv(2),
    "conv3": conv(2),
    "add": {"op": "Add", "from": ["conv3", "conv1"]},
}


def test_a_residual_stays_until_it_is_added() -> None:
    """conv1's 8 numbers beside input and output of conv3, and of the addition."""
    assert live(RESIDUAL, 1, 4) == (8 + 8 + 8, "conv3")


def test_a_concatenation_needs_its_inputs_and_its_output() -> None:
    layers: Layers = {
        "a": conv(3),
        "b": {**conv(5), "from": "input"},
        "cat": {"op": "Concat", "from": ["a", "b"]},
    }

    assert live(layers, 1, 4) == (12 + 20 + 32, "cat")


def test_activations_take_the_place_of_their_input_only_where_they_say_so() -> None:
    apart: Layers = {"conv": conv(2), "relu": {"op": "ReLU"}}
    in_place: Layers = {"conv": conv(2), "relu": {"op": "ReLU", "inplace": True}}

    assert live(apart, 1, 4) == (8 + 8, "relu")
    assert live(in_place, 1, 4) == (4 + 8, "conv")


@pytest.mark.parametrize(
    "view",
    [
        {"op": "Flatten"},
        {"op": "Reshape", "shape": [-1, 2]},
        {"op": "Permute", "dims": [0, 2, 1]},
        {"op": "Identity"},
        {"op": "Dropout"},
        {"op": "StochasticDepth", "p": 0.5},
    ],
)
def test_views_take_no_memory_and_keep_that_of_their_input(view: dict[str, Any]) -> None:
    layers: Layers = {"conv": conv(2), "view": view}

    assert live(layers, 1, 4) == (4 + 8, "conv")
    assert live({**layers, "add": {"op": "Add", "from": ["view", "view"]}}, 1, 4) == (8 + 8, "add")


def test_a_slice_keeps_all_of_what_it_is_cut_from() -> None:
    layers: Layers = {
        "conv": conv(8),
        "slice": {"op": "Slice", "end": 1},
        "wide": conv(9),
    }

    assert live(layers, 1, 4) == (32 + 36, "wide")


def test_what_a_permutation_disordered_is_flattened_into_a_copy() -> None:
    layers: Layers = {
        "conv": conv(3),
        "permute": {"op": "Permute", "dims": [0, 2, 1]},
        "flatten": {"op": "Flatten"},
    }

    assert live(layers, 1, 4) == (12 + 12, "flatten")


def test_outputs_stay_to_the_end() -> None:
    layers: Layers = {"a": conv(2), "b": conv(1), "c": conv(1)}

    assert live(layers, 1, 4, outputs=["a", "c"]) == (8 + 4 + 4, "c")
    assert live(layers, 1, 4, outputs=["c"]) == (4 + 8, "a")


def test_layers_for_training_alone_are_not_run_at_inference() -> None:
    layers: Layers = {"a": conv(2), "out": conv(1), "head": {**conv(99), "from": "a"}}

    assert live(layers, 1, 4, outputs="out", training_outputs=["head"]) == (4 + 8, "a")


def test_nothing_is_trained_at_inference() -> None:
    found = memory(graph(RESIDUAL, 1, 4))

    assert (found.gradients, found.states, found.not_counted) == (0, {}, ())
    assert found.most == found.total == found.weights + found.activations


def test_the_peak_of_resnet50_is_its_first_residual_block() -> None:
    """Three tensors of 256 channels of 56x56: two branches, one not yet normalized."""
    found = memory(expand(load("resnet50")))

    assert (found.activations, found.peak) == (3 * 256 * 56 * 56 * 4, "layer1.0.downsample.bn")


# In training


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ({"conv": conv(3)}, 4 * 2),  # its input
        ({"conv": conv(3), "relu": {"op": "ReLU"}}, 8 + 12),  # and the output of the ReLU
        ({"conv": conv(3), "relu": {"op": "ReLU"}, "next": conv(1)}, 8 + 12),  # which is once kept
        ({"conv": conv(3), "bn": {"op": "BatchNorm1d"}}, 8 + 12 + 2 * 3),
        # Nothing of the sum, and of the pooling its input and six places of 8 bytes.
        (
            {
                "conv": conv(3),
                "twice": {"op": "Add", "from": ["conv", "conv"]},
                "pool": {"op": "MaxPool1d", "kernel_size": 2},
            },
            8 + 12 + 6 * 8,
        ),
        # The ReLU writes to the convolution's output, and is kept there.
        ({"conv": conv(3), "relu": {"op": "ReLU", "inplace": True}}, 8 + 12),
        # Before the first parameter nothing has a gradient, and the sigmoid is the conv's input.
        ({"first": {"op": "Sigmoid"}, "conv": conv(3)}, 8),
        ({"first": {"op": "Sigmoid"}}, 0),
        ({"conv": conv(3), "drop": {"op": "Dropout"}}, 8 + 12),  # a byte an element
        # Flattened in order, the convolution's output is the linear layer's input.
        (
            {
                "conv": conv(3),
                "flatten": {"op": "Flatten"},
                "fc": {"op": "Linear", "out_features": 2},
            },
            8 + 12,
        ),
    ],
)
def test_each_tensor_is_kept_once(layers: Layers, expected: int) -> None:
    assert kept(layers, 2, 4) == expected


def test_gradients_and_the_optimizers_states_are_lines_of_their_own() -> None:
    """9 parameters of 4 bytes in two tensors, each with a count of steps of 4 bytes."""
    found = memory(graph({"conv": conv(3)}, 2, 4), training=True, optimizer="adam")

    assert found.weights == found.gradients == 4 * 9
    assert found.states == {"step": 2 * 4, "exp_avg": 36, "exp_avg_sq": 36}
    assert found.total == 36 + 0 + 4 * 8 + 36 + 80
    assert sum(found.parts.values()) == found.total


def test_what_can_not_be_meant_is_refused() -> None:
    net = graph({"conv": conv(3)}, 2, 4)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"optimizer": "adm"}, "did you mean 'adam'"),
        ({"master": True}, "say float16 or bfloat16"),
        ({"zero": 4, "devices": 2}, "0, 1, 2, 3"),
        ({"zero": 1}, "say how many"),
        ({"micro_batches": 0}, "at least one"),
        ({"micro_batches": 2}, "expand it with that of a micro-batch"),
        ({"checkpoint": "layers"}, "known: stages, blocks"),
        ({"checkpoint": "blocks"}, "stand in no blocks"),
        ({"checkpoint": 2}, "can be from 2 to 1 parts"),
    ]
    for how, message in wrong:
        with pytest.raises(ArchcalcError, match=message):
            memory(net, training=True, **how)


def test_master_weights_are_float32_and_so_are_the_states() -> None:
    found = memory(
        graph({"conv": conv(3)}, 2, 4), "bfloat16", training=True, optimizer="adam", master=True
    )

    assert (found.weights, found.gradients) == (2 * 9, 2 * 9)
    assert found.states == {"master": 36, "step": 8, "exp_avg": 36, "exp_avg_sq": 36}


@pytest.mark.parametrize(("stage", "gigabytes"), [(0, 120.0), (1, 31.4), (2, 16.6), (3, 1.9)])
def test_sharing_is_what_zero_prints(stage: int, gigabytes: float) -> None:
    """Figure 1 of Rajbhandari et al. 2020: 7.5 billion parameters, 64 devices, Adam, 16 bits."""
    layers: Layers = {"fc": {"op": "Linear", "out_features": 100_000, "bias": False}}
    how: dict[str, Any] = {"optimizer": "adam", "master": True, "devices": 64}
    found = memory(graph(layers, 75_000), "float16", training=True, zero=stage, **how)

    states = found.weights + found.gradients + sum(found.states.values())
    assert round(states / 1e9, 1) == gigabytes
    assert found.gathered == (2 * 75_000 * 100_000 if stage == 3 else 0)


def test_a_share_is_rounded_up() -> None:
    found = memory(
        graph({"conv": conv(3)}, 2, 4), training=True, optimizer="momentum", zero=2, devices=8
    )

    assert found.weights == 36
    assert (found.gradients, found.states["momentum_buffer"]) == (5, 5)


def test_micro_batches_keep_less_and_their_gradients_stay() -> None:
    spec = load({"name": "net", "input": [2, 4], "layers": {"a": conv(3), "b": conv(3)}})
    whole = memory(spec, "int8", training=True, batch=9)
    parts = memory(spec, "int8", training=True, batch=9, micro_batches=2)

    assert (whole.activations, parts.activations) == (9 * (8 + 12), 5 * (8 + 12))
    assert (whole.batch, parts.batch) == (9, 10)
    assert {moment.gradients for moment in parts.moments} == {9 + 12}
    assert {moment.gradients for moment in whole.moments} == {0, 12, 9 + 12}


# Checkpoints

TWICE: Layers = {"a": conv(2), "relu": {"op": "ReLU"}, "b": conv(2), "tanh": {"op": "Tanh"}}
BLOCKS: dict[str, Any] = {"twice": {"layers": TWICE}}


def checkpointed(parts: str | int | None, repeat: int = 3) -> Memory:
    net = graph({"block": {"block": "twice", "repeat": repeat}}, 2, 5, blocks=BLOCKS)
    return memory(net, "int8", training=True, checkpoint=parts)


def test_of_checkpointed_blocks_what_they_take_is_kept_and_one_whole() -> None:
    """Each tensor has 10 numbers; a block keeps its input, its ReLU's output and its Tanh's."""
    assert checkpointed(None).activations == 10 + 3 * (10 + 10)
    found = checkpointed("blocks")
    assert (found.activations, found.again) == (3 * 10 + 10 + 10, 10 + 10)
    # The whole network is one stage: it keeps what it kept.
    assert checkpointed("stages").activations == 10 + 3 * (10 + 10)


def test_what_is_checkpointed_runs_twice() -> None:
    """Two products of 2 with 2x2 at 5 places for each block."""
    assert checkpointed("blocks").recomputed == 3 * 2 * 2 * 2 * 5
    assert checkpointed(None).recomputed == 0


def test_parts_are_cut_so_that_least_is_kept() -> None:
    """Of 4 blocks two parts of two: 2 inputs of 10 and in one of them 40; not one and three."""
    found = checkpointed(2, repeat=4)

    assert (found.activations, found.again) == (2 * 10 + 4 * 10, 4 * 10)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=3, max_size=7), st.integers(2, 3))
def test_no_cut_of_a_chain_keeps_less(channels: list[int], parts: int) -> None:
    """All cuts are tried, each with what its parts take and what the largest keeps inside."""
    layers: Layers = {f"conv{k}": conv(n) for k, n in enumerate(channels)}
    found = memory(graph(layers, 1, 2), "int8", training=True, checkpoint=parts)

    takes = [2, *(2 * n for n in channels[:-1])]  # each layer's input, which is all it keeps
    least = min(
        sum(takes[a] for a, _ in spans) + max(sum(takes[a + 1 : b]) for a, b in spans)
        for cuts in combinations(range(1, len(channels)), parts - 1)
        for spans in [[*pairwise((0, *cuts, len(channels)))]]
    )
    assert found.activations == least


def test_checkpoints_keep_what_pytorchs_do() -> None:
    """``torch.utils.checkpoint`` around each of three blocks, as autograd sees it in between."""
    block = {"a": conv(6), "relu": {"op": "ReLU"}, "b": conv(6), "tanh": {"op": "Tanh"}}
    net = graph({"b": {"block": "net", "repeat": 3}}, 6, 50, blocks={"net": {"layers": block}})
    layers = [
        torch.nn.Sequential(
            torch.nn.Conv1d(6, 6, 1), torch.nn.ReLU(), torch.nn.Conv1d(6, 6, 1), torch.nn.Tanh()
        )
        for _ in range(3)
    ]
    seen: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    x = torch.randn(1, 6, 50)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        for layer in layers:
            x = torch.utils.checkpoint.checkpoint(layer, x, use_reentrant=False)
    found = memory(net, training=True, checkpoint="blocks")

    seen = {key: size for key, size in seen.items() if size}  # one of no element goes with each
    assert found.activations - found.again == sum(seen.values()) == 3 * 6 * 50 * 4


# The peak of a step


def test_gradients_pass_between_layers_while_what_is_kept_goes() -> None:
    """Bytes at each layer, forwards and backwards, of 8, 12 and 4 numbers and 9 and 4 weights."""
    found = memory(graph({"a": conv(3), "b": conv(1)}, 2, 4), "int8", training=True)

    seen = [(m.layer, m.activations, m.gradients, m.backward) for m in found.moments]
    assert seen == [
        ("a", 8 + 12, 0, False),
        ("b", 8 + 12 + 4, 0, False),
        ("b", 8 + 12 + 12 + 4, 4, True),  # what both keep, and the gradients of both outputs
        ("a", 8 + 12, 9 + 4, True),
    ]
    assert found.most == 13 + 36 + 4
    assert found.peak == "b"


def test_where_weights_are_most_the_last_gradient_is_the_peak() -> None:
    layers: Layers = {"fc": {"op": "Linear", "out_features": 1000, "bias": False}}
    found = memory(graph(layers, 1000), "int8", training=True)

    # The gradient of the weights and of the output are there when its backward pass ends.
    assert found.most == 2 * 10**6 + 1000 + 1000
    assert found.peak == "fc"


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "densenet121"])
def test_a_step_takes_what_the_allocator_gives_out(name: str) -> None:
    """On a CPU, whose kernels have memory of their own: with theirs up to 3% more.

    Those of oneDNN lay weights out anew as they please, 60% more on some processors.
    """
    from archcalc.pytorch.measure import _cpu_peak

    net = expand(load(name), input=64, batch=4)
    built, x = build(net).train(), draw(net)
    optimizer = torch.optim.SGD(built.parameters(), lr=0.1)

    def once() -> None:
        built(*x).sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    enabled = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        once()
        worked = _cpu_peak(once)
    finally:
        torch._C._set_mkldnn_enabled(enabled)
    assert worked is not None
    held = {id(t): t for t in (*built.parameters(), *built.buffers(), *x)}
    seen = worked + sum(t.numel() * t.element_size() for t in held.values())
    predicted = memory(net, training=True).most

    assert predicted <= seen <= 1.03 * predicted


def test_fused_attention_keeps_no_scores() -> None:
    """Of 2 heads of 3 numbers at 5 places: 4 tensors of 30 numbers, and a float32 a query."""
    layers: Layers = {
        "qkv": {"op": "Linear", "out_features": 3},
        "attend": {"op": "ScaledDotProductAttention", "from": ["qkv", "qkv", "qkv"]},
    }
    net = graph(layers, 2, 5, 3)
    apart, fused = (memory(net, training=True, fused=f) for f in (False, True))

    assert fused.activations == (30 + 30 + 30) * 4 + 2 * 5 * 4
    assert apart.activations - fused.activations > 2 * 5 * 5 * 4 - 2 * 5 * 4


def test_what_is_not_known_is_listed_and_not_nothing() -> None:
    layers: Layers = {
        "lstm": {"op": "LSTM", "hidden_size": 3},
        "fc": {"op": "Linear", "out_features": 2},
    }
    found = memory(graph(layers, 5, 4), training=True)

    assert found.not_counted == ("lstm",)
    assert found.activations == 4 * 5 * 3  # the linear layer's input


def test_training_layers_are_run_in_training() -> None:
    layers: Layers = {"a": conv(2), "out": conv(1), "head": {**conv(9), "from": "a"}}

    # The input, and a's output once for both.
    assert kept(layers, 1, 4, outputs="out", training_outputs=["head"]) == 4 + 8


# As PyTorch has it


class Dropped(torch.nn.Module):
    """Dropout as a GPU does it, with a flag for each element; a CPU keeps a number."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.native_dropout(x, self.p, True)[0]


class Packed:
    """A tensor that autograd saves, as long as it does."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


def pytorch_keeps(net: Graph) -> int:
    """Bytes of all storages that are kept after a forward pass, but those of what is stored."""
    made = build(net, device="meta").train()
    for node in net.nodes:
        if isinstance(node.op, Dropout):
            made.set_submodule(paths(net)[node.name], Dropped(node.op.p))
    saved: WeakSet[Packed] = WeakSet()

    def pack(tensor: torch.Tensor) -> Packed:
        packed = Packed(tensor.detach())  # else what it keeps would keep it
        saved.add(packed)
        return packed

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda packed: packed.tensor):
        outputs = made(*draw(net, device="meta"))
    assert outputs is not None  # what was computed from is kept while these are there
    stored = {t.untyped_storage()._cdata for t in (*made.parameters(), *made.buffers())}
    storages = {each.tensor.untyped_storage()._cdata: each.tensor for each in saved}
    return sum(t.untyped_storage().nbytes() for key, t in storages.items() if key not in stored)


@pytest.mark.every_network
@pytest.mark.parametrize("name", [*zoo.names()])
def test_what_is_kept_in_training_is_what_pytorch_keeps(name: str) -> None:
    net = expand(load(name), batch=2)
    found = memory(net, training=True)

    if name.startswith("fasterrcnn"):  # whose regions depend on what it sees
        assert set(found.not_counted) == {n.name for n in net.nodes if "RoI" in type(n.op).__name__}
    else:
        assert found.not_counted == ()
        assert found.activations == pytorch_keeps(net)


@pytest.mark.parametrize(
    ("name", "patterns"),
    [
        ("resnet18", ["*", "!fc"]),
        ("resnet18", ["conv1", "bn1", "layer1", "layer3.0.bn?"]),
        ("mobilenet_v3_small", ["bneck", "!*.expand.*"]),
        ("vit_b_16", ["*", "!head", "!encoder.layers.11"]),
        ("vit_b_16", ["*", "!class_token"]),
        ("swin_t", ["*.attn"]),
        ("gpt2", ["*.mlp", "wte"]),
        ("lenet5", ["*"]),
    ],
)
def test_what_is_frozen_keeps_nothing_that_nobody_needs(name: str, patterns: list[str]) -> None:
    net = freeze(expand(load(name), batch=2), *patterns)
    assert memory(net, training=True).activations == pytorch_keeps(net)


def linear(features: int, **fields: Any) -> dict[str, Any]:
    return {"op": "Linear", "out_features": features, **fields}


STRANGERS: dict[str, tuple[list[int], Layers]] = {
    "padded by reflection": (
        [3, 16, 16],
        {
            "conv1": {"op": "Conv2d", "out_channels": 4, "kernel_size": 3, "padding": 1}
            | {"padding_mode": "reflect"},
            "norm": {"op": "InstanceNorm2d"},
            "relu": {"op": "ReLU"},
            "pad": {"op": "Pad", "pad": [3, 3, 3, 3], "mode": "reflect"},
            "conv2": {"op": "Conv2d", "out_channels": 3, "kernel_size": 7},
            "tanh": {"op": "Tanh"},
        },
    ),
    "causal": (
        [8, 32],
        {
            "conv1": {**conv(8), "kernel_size": 2, "dilation": 4, "padding": [[4, 0]]},
            "a": {"op": "Tanh", "from": "conv1"},
            "b": {"op": "Sigmoid", "from": "conv1"},
            "gate": {"op": "Mul", "from": ["a", "b"]},
            "skip": {**conv(8), "from": "gate"},
            "add": {"op": "Add", "from": ["skip", "input"]},
        },
    ),
    "a mixture of experts": (
        [10, 16],
        {
            "gate": linear(4),
            "softmax": {"op": "Softmax", "dim": -1},
            "each": {"op": "Reshape", "shape": [1, 10, 16], "from": "input"},
            "w1": {"op": "Parameter", "shape": [4, 16, 32], "from": "input"},
            "up": {"op": "MatMul", "from": ["each", "w1"]},
            "relu": {"op": "ReLU"},
            "w2": {"op": "Parameter", "shape": [4, 32, 16], "from": "input"},
            "down": {"op": "MatMul", "from": ["relu", "w2"]},
            "turned": {"op": "Permute", "dims": [0, 2, 1], "from": "softmax"},
            "share": {"op": "Reshape", "shape": [4, 10, 1]},
            "scaled": {"op": "Mul", "from": ["down", "share"]},
        },
    ),
    "attention over a graph": (
        [12, 8],
        {
            "h": linear(16, bias=False),
            "source": linear(1, bias=False),
            "target": {**linear(1, bias=False), "from": "h"},
            "turned": {"op": "Permute", "dims": [0, 2, 1], "from": "target"},
            "pairs": {"op": "Add", "from": ["source", "turned"]},
            "leaky": {"op": "LeakyReLU", "negative_slope": 0.2},
            "softmax": {"op": "Softmax", "dim": -1},
            "out": {"op": "MatMul", "from": ["softmax", "h"]},
            "elu": {"op": "ELU"},
        },
    ),
    "a product with data": (
        [12, 8],
        {
            "turned": {"op": "Permute", "dims": [0, 2, 1], "from": "input"},
            "square": {"op": "MatMul", "from": ["input", "turned"]},
            "h": {**linear(6), "from": "input"},
            "spread": {"op": "MatMul", "from": ["square", "h"]},
            "masked": {"op": "Mul", "from": ["spread", "h", "h"]},
        },
    ),
    "what attends to another": (
        [10, 16],
        {
            "query": linear(16),
            "memory": {**linear(16), "from": "input"},
            "one": {"op": "MultiheadAttention", "num_heads": 4, "from": ["query"] * 3},
            "two": {"op": "MultiheadAttention", "num_heads": 4}
            | {"from": ["one", "memory", "memory"]},
            "norm": {"op": "RMSNorm"},
        },
    ),
    "what attends to fewer features, and less of them": (
        [10, 16],
        {
            "memory": linear(12),
            "rest": {"op": "Slice", "start": 3},
            "query": {**linear(16), "from": "input"},
            "attend": {"op": "MultiheadAttention", "num_heads": 4}
            | {"from": ["query", "rest", "rest"]},
        },
    ),
    "channels last": (
        [6, 8, 8],
        {
            "conv": {"op": "Conv2d", "out_channels": 8, "kernel_size": 1},
            "last": {"op": "Permute", "dims": [0, 2, 3, 1]},
            "norm": {"op": "LayerNorm"},
            "first": {"op": "Permute", "dims": [0, 3, 1, 2]},
            "bn": {"op": "BatchNorm2d"},
            "relu": {"op": "ReLU"},
            "pool": {"op": "MaxPool2d", "kernel_size": 2},
            "flat": {"op": "Flatten"},
            "fc": linear(3),
        },
    ),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_others_build_is_kept_as_pytorch_keeps_it(name: str) -> None:
    axes, layers = STRANGERS[name]
    net = graph(layers, *axes, batch=3)
    found = memory(net, training=True)

    assert found.not_counted == ()
    assert found.activations == pytorch_keeps(net)


def test_what_leads_nowhere_keeps_nothing() -> None:
    """Of two blocks the sides are taken; what the second ends with, after its Tanh, is not."""
    block = {"side": conv(4), "tanh": {"op": "Tanh", "from": "input"}, "end": conv(2)}
    blocks = {"ends": {"layers": block}}
    layers: Layers = {
        "block": {"block": "ends", "repeat": 2},
        "sum": {"op": "Add", "from": "block.*.side"},
    }
    net = graph(layers, 2, 5, blocks=blocks)

    # The input, the first block's Tanh is the input of its end, whose output the second side takes.
    assert memory(net, "int8", training=True).activations == 3 * 10
    assert memory(net, training=True).activations == pytorch_keeps(net)


def test_indices_are_64_bit_integers() -> None:
    """5 of 8 bytes are looked up, in a table of 3 features."""
    layers: Layers = {
        "words": {"op": "Slice", "start": 1},
        "table": {"op": "Embedding", "num_embeddings": 9, "embedding_dim": 3},
    }
    found = memory(graph(layers, 6), dtype="int8")

    assert (found.activations, found.peak) == (6 * 8 + 5 * 3, "table")
    assert kept(layers, 6) == 6 * 8  # the input, of which the slice is a view


def test_a_resnet50_keeps_86_megabytes_an_image() -> None:
    """Half of the 177.8 MB that torchinfo prints, which takes each output twice, are 88.9 MB."""
    found: Memory = memory(expand(load("resnet50")), training=True)

    assert round(found.activations / 10**6) == 86


def test_in_place_activations_are_kept_as_pytorch_keeps_them() -> None:
    layers: Layers = {
        "conv": {"op": "Conv2d", "out_channels": 6, "kernel_size": 3},
        "bn": {"op": "BatchNorm2d"},
        "relu": {"op": "ReLU", "inplace": True},
        "conv2": {"op": "Conv2d", "out_channels": 6, "kernel_size": 3},
        "bn2": {"op": "BatchNorm2d"},
        "silu": {"op": "SiLU", "inplace": True},
        "pool": {"op": "GlobalAvgPool", "keepdim": False},
        "fc": {"op": "Linear", "out_features": 3},
    }
    net = graph(layers, 2, 12, 12)

    assert memory(net, training=True).activations == pytorch_keeps(net)


# Mixed precision


def test_autocast_keeps_16_bits_and_what_is_done_in_float32() -> None:
    """Inputs are cast for the convolution; its output is normalized in float32, and looked at so.

    Kept are the cast input (2 bytes), the layer norm's input (4) and its two statistics (4).
    """
    layers: Layers = {"conv": conv(4), "norm": {"op": "LayerNorm"}}
    found = memory(graph(layers, 3, 5), training=True, autocast=True)

    assert found.activations == 3 * 5 * 2 + 4 * 5 * 4 + 2 * 4 * 4
    assert (found.weights, found.copies) == ((4 * 3 + 4 + 2 * 5) * 4, (4 * 3 + 4) * 2)
    assert found.total == sum(found.parts.values())


def test_autocast_is_of_float32() -> None:
    for how in ({"dtype": "bfloat16"}, {"dtype": "bfloat16", "master": True}):
        with pytest.raises(ArchcalcError, match="say float32"):
            memory(graph(CONV_BN, 2, 8, 8), training=True, autocast=True, **how)


def of_a_weight(tensor: torch.Tensor) -> bool:
    """Whether it is a weight, or nothing but one that was cast and transposed."""
    step: Any = tensor.grad_fn
    while step is not None and step.name() in ("ToCopyBackward0", "TBackward0"):
        step = step.next_functions[0][0]
        if type(step).__name__ == "AccumulateGrad":
            return True
    return isinstance(tensor, torch.nn.Parameter)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "shufflenet_v2_x0_5", "unet"])
def test_autocast_keeps_what_pytorch_keeps(name: str) -> None:
    """Networks without what a CPU's autocast does in 16 bits and a GPU's does not."""
    small: dict[str, Any] = {"input": 188, "width": 4} if name == "unet" else {"input": 64}
    net = expand(load(name), batch=2, **small)
    made, inputs = build(net).train(), draw(net)
    seen: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if not of_a_weight(tensor):
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16):
        outputs = made(*inputs)
    assert outputs is not None
    stored = {t.untyped_storage().data_ptr() for t in (*made.parameters(), *made.buffers())}
    kept_there = sum(size for key, size in seen.items() if key not in stored)

    assert memory(net, training=True, autocast=True).activations == kept_there


# What is asked


def test_how_it_is_trained_is_for_training() -> None:
    with pytest.raises(ArchcalcError, match="zero: is for training"):
        memory(graph(CONV_BN, 2, 8, 8), zero=1, devices=2)
    with pytest.raises(ArchcalcError, match="are for inference"):
        memory(graph(CONV_BN, 2, 8, 8), training=True, weights="int8")
