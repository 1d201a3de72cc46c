"""Bytes of small networks by hand, and of whole ones as PyTorch keeps them."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

import pytest
import torch

from archcalc import build, expand, load
from archcalc.analysis.memory import MB, MIB, Memory, memory
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
    with pytest.raises(KeyError):
        memory(graph(CONV_BN, 2, 8, 8), "float31")


def test_a_shared_tensor_is_stored_once() -> None:
    layers: Layers = {"a": conv(4), "b": {**conv(4), "share": "a"}}

    assert memory(graph(layers, 4, 9)).weights == 4 * (4 * 4 + 4)


def test_a_megabyte_is_no_mebibyte() -> None:
    assert (MB, MIB) == (1_000_000, 1_048_576)


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

    assert (found.gradients, found.not_counted) == (0, ())
    assert set(found.optimiser.values()) == {0}
    assert found.total("adam") == found.weights + found.activations


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


def test_gradients_and_the_optimisers_states_are_lines_of_their_own() -> None:
    found = memory(graph({"conv": conv(3)}, 2, 4), training=True)

    assert found.weights == found.gradients == 4 * 9
    assert found.optimiser == {"sgd": 0, "momentum": 36, "adam": 72}
    assert found.total("adam") == 36 + 0 + 4 * 8 + 36 + 72
    assert found.peak is None


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

    assert round(found.activations / MB) == 86


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
