"""The backward pass, worked by hand and held against PyTorch's own counter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import archcalc
from archcalc.analysis.analyze import backward
from archcalc.analysis.backward import Backward
from archcalc.dims import Shape, holds
from archcalc.operators import FAMILIES, NAMES, operator
from archcalc.operators.autograd import Multiplying
from archcalc.operators.base import Applied, Example
from archcalc.pytorch import module
from archcalc.pytorch.inputs import draw
from archcalc.spec import zoo
from archcalc.spec.graph import Graph, Node


def net(input: list[int], **layers: dict[str, Any] | str) -> archcalc.Analysis:
    return archcalc.analyze(archcalc.load({"name": "net", "input": input, "layers": layers}))


def conv(channels: int, **fields: Any) -> dict[str, Any]:
    return {"op": "Conv2d", "out_channels": channels, "kernel_size": 3, "padding": 1, **fields}


def test_a_convolution_computes_two_gradients_of_as_many_products() -> None:
    # Depthwise, 8 channels, 3x3, padded, on 10x10: 7,200 multiply-accumulates, 14,400 FLOPs
    # forward; the gradients of input and weight take as many each: 28,800 FLOPs.
    depthwise = net([8, 10, 10], conv=conv(8, groups=8))
    assert depthwise.macs == 7_200
    assert 2 * backward(depthwise, input_grad=True).macs == 28_800


def test_nobody_asks_for_the_gradient_of_the_data() -> None:
    # 3 -> 4 and 4 -> 5 channels, 3x3 on 6x6: 36 * 27 * 4 = 3,888 and 36 * 36 * 5 = 6,480
    two = net([3, 6, 6], first=conv(4), relu="ReLU", second=conv(5))
    assert two.backward.layers == {"first": 3_888, "relu": 0, "second": 2 * 6_480}
    assert two.backward.macs == 3_888 + 12_960
    assert backward(two, input_grad=True).layers["first"] == 2 * 3_888


def test_a_matrix_product_has_a_gradient_for_each_input_that_has_parameters_before_it() -> None:
    # (2, 3) x (3, 2): 12 multiply-accumulates; the linear layer before one of them 2 * 3 * 3
    def product(**more: Any) -> archcalc.Analysis:
        layers = {
            **more,
            "turned": {"op": "Permute", "from": "input", "dims": [0, 2, 1]},
            "product": {"op": "MatMul", "from": [next(iter(more), "input"), "turned"]},
        }
        return net([2, 3], **layers)

    assert product().backward.macs == 0
    linear = {"op": "Linear", "out_features": 3, "bias": False}
    assert product(linear=linear).backward.layers == {"linear": 18, "turned": 0, "product": 12}
    assert backward(product(linear=linear), input_grad=True).layers["product"] == 24


def test_fixed_vectors_have_no_gradient() -> None:
    # Squared distances to 10 vectors of 4: 40 squares, of which the input is the only factor.
    fc = {"op": "Linear", "out_features": 4}
    lenet = net([3], fc=fc, rbf={"op": "EuclideanRBF", "out_features": 10})
    assert lenet.backward.layers == {"fc": 12, "rbf": 40}


def test_the_first_state_of_a_recurrent_layer_is_a_constant() -> None:
    # RNN 4 -> 8, 5 steps: 5 * 4 * 8 = 160 products with the input, 5 * 8 * 8 = 320 with the state.
    # Both weights: 480. The input's gradient: 160. The state's: 4 steps, 256.
    rnn = net([5, 4], rnn={"op": "RNN", "hidden_size": 8})
    assert rnn.macs == 480
    assert rnn.backward.macs == 480 + 256
    assert backward(rnn, input_grad=True).macs == 480 + 256 + 160


def test_auxiliary_heads_have_a_backward_pass_in_training() -> None:
    # 4 -> 2 and 4 -> 3 features after one of 3 -> 4: 8 and 12 multiply-accumulates
    layers: dict[str, Any] = {
        "body": {"op": "Linear", "out_features": 4},
        "head": {"op": "Linear", "out_features": 2},
        "aux": {"op": "Linear", "out_features": 3, "from": "body"},
    }
    outputs = {"outputs": "head", "training_outputs": ["aux"]}
    spec = archcalc.load({"name": "net", "input": [3], "layers": layers, **outputs})
    assert archcalc.analyze(spec).backward.layers["aux"] == 0
    assert archcalc.analyze(spec, training=True).backward.layers["aux"] == 24


def test_the_backward_pass_grows_with_the_batch() -> None:
    spec = archcalc.load("lenet5")
    one, four = (archcalc.analyze(spec, batch=batch).backward for batch in (1, 4))
    assert four.layers == {name: 4 * macs for name, macs in one.layers.items() if macs is not None}


def test_what_can_t_be_said_is_named_and_not_0() -> None:
    unknown = {"op": "Mystery", "shape": [4]}
    fc = {"op": "Linear", "out_features": 2}
    layers = {"before": fc, "mystery": unknown, "after": fc}
    spec = archcalc.load({"name": "n", "input": [3], "layers": layers}, allow_unknown=True)
    found = archcalc.analyze(spec, allow_unknown=True).backward
    assert found.layers == {"before": 6, "mystery": None, "after": 16}
    assert (found.macs, found.not_counted) == (22, ("mystery",))


# Every operator ---------------------------------------------------------------------------------

EXAMPLES = [(name, example) for name in NAMES for example in operator(name).examples]


def alone(name: str, example: Example) -> archcalc.Analysis:
    op, shapes = operator(name)(**example.fields), example.inputs
    inputs = {f"input{k}": shape for k, shape in enumerate(shapes)}
    node = Node("layer", Applied.to(op, *shapes), tuple(inputs))
    return archcalc.analyze(Graph(name, name, "", "", inputs, (node,), ("layer",)))


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_every_operator_says_what_its_multiply_accumulates_multiply(
    name: str, example: Example
) -> None:
    op, output = operator(name)(**example.fields), alone(name, example).rows[0].shape
    macs = op.work(output, *example.inputs).macs
    assert isinstance(op, Multiplying) or holds(macs == 0)
    if isinstance(op, Multiplying):
        products = op.products(output, *example.inputs)
        assert sum(product.macs for product in products) == macs
        assert all(1 <= len(product.factors) <= 2 for product in products)


# PyTorch has a bilinear layer, distances and a fused LSTM done by what its counter does not see.
SEEN = (*FAMILIES["conv"], "Linear", "MatMul", *FAMILIES["attention"][:2], "RNN", "GRU")


def counted(
    made: torch.nn.Module, shapes: tuple[Shape, ...], input_grad: bool, device: str = "cpu"
) -> int:
    """Multiply-accumulates of the backward pass, as PyTorch counts them."""
    tensors = [torch.zeros(shape, requires_grad=input_grad, device=device) for shape in shapes]
    with sdpa_kernel(SDPBackend.MATH):  # others are fused, or done twice
        output = made(*tensors)
        outputs = output if isinstance(output, tuple) else (output,)
        loss = sum(out.sum() for out in outputs)
        with FlopCounterMode(display=False) as counter:
            if isinstance(loss, torch.Tensor) and loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
    flops: int = counter.get_total_flops()
    return flops // 2


@pytest.mark.parametrize("input_grad", [False, True])
@pytest.mark.parametrize(
    ("name", "example"), [(name, example) for name, example in EXAMPLES if name in SEEN]
)
def test_pytorch_counts_the_same(name: str, example: Example, input_grad: bool) -> None:
    made = module(operator(name)(**example.fields), *example.inputs)
    ours = backward(alone(name, example), input_grad=input_grad)
    # PyTorch 2.13 multiplies the gradient of a grouped convolution's weight by the groups, where
    # its forward pass does not.
    groups = example.fields.get("groups", 1)
    too_many = (groups - 1) * alone(name, example).macs
    assert counted(made, example.inputs, input_grad) == ours.macs + too_many


@pytest.mark.parametrize(
    ("name", "example"), [(name, example) for name, example in EXAMPLES if name in SEEN]
)
def test_of_a_frozen_layer_pytorch_counts_the_same(name: str, example: Example) -> None:
    made = module(operator(name)(**example.fields), *example.inputs).requires_grad_(False)
    frozen = archcalc.freeze(alone(name, example).graph, "layer")
    ours = backward(archcalc.analyze(frozen), input_grad=True)
    assert counted(made, example.inputs, input_grad=True) == ours.macs
    assert backward(archcalc.analyze(frozen)).macs == 0


def miscounted(row: archcalc.Row) -> int:
    """What PyTorch 2.13 counts too much of a layer.

    Of a grouped convolution the gradient of the weight, as many times as there are groups; no
    square, of which the distances to fixed vectors are made.
    """
    if row.op == "EuclideanRBF":
        return -int(row.macs)
    channels = row.shape[1] if row.op == "SubSampling2d" else 1
    groups: int = getattr(row.node.op, "groups", 1) if "Conv" in row.op else channels
    return (groups - 1) * int(row.macs)


def counted_of(graph: Graph, training: bool) -> int:
    """Multiply-accumulates of the backward pass of a network, as PyTorch counts them."""
    made = archcalc.build(graph, device="meta").train(training)
    with sdpa_kernel(SDPBackend.MATH):
        output = made(*draw(graph, device="meta"))
        outputs = output if isinstance(output, tuple) else (output,)
        with FlopCounterMode(display=False) as counter:
            torch.autograd.backward([out.sum() for out in outputs if out.requires_grad])
    flops: int = counter.get_total_flops()
    return flops // 2


@pytest.mark.every_network
@pytest.mark.parametrize("name", [*zoo.names()])
def test_pytorch_counts_the_same_of_every_network(name: str) -> None:
    graph = archcalc.expand(archcalc.load(name), batch=2)
    for training in (False, True) if graph.training_outputs else (False,):
        analysis = archcalc.analyze(graph, training=training)
        found: Backward = analysis.backward
        assert found.not_counted == ()
        assert found.macs + sum(map(miscounted, analysis.rows)) == counted_of(graph, training)


@settings(max_examples=60, deadline=None)
@given(frozen=st.sets(st.sampled_from([f"l{k}" for k in range(6)])), data=st.data())
def test_of_networks_that_are_frozen_in_part_pytorch_counts_the_same(
    frozen: set[str], data: st.DataObject
) -> None:
    layers: dict[str, Any] = {}
    for k in range(6):
        before = ["input", *layers]
        kind = data.draw(st.sampled_from(["Linear", "MultiheadAttention", "MatMul", "GELU", "Add"]))
        takes = data.draw(st.lists(st.sampled_from(before), min_size=2, max_size=2))
        layers[f"l{k}"] = {
            "Linear": {"op": "Linear", "out_features": 4, "from": takes[0]},
            "MultiheadAttention": {"op": "MultiheadAttention", "num_heads": 2, "from": takes[0]},
            "MatMul": {"op": "MatMul", "from": takes},
            "GELU": {"op": "GELU", "from": takes[0]},
            "Add": {"op": "Add", "from": takes},
        }[kind]
        if f"l{k}" in frozen:
            layers[f"l{k}"]["trainable"] = False
    layers["end"] = {"op": "Add", "from": list(layers)}
    graph = archcalc.expand(archcalc.load({"name": "net", "input": [4, 4], "layers": layers}))
    assert archcalc.analyze(graph).backward.macs == counted_of(graph, training=False)


# Of two blocks the sides are taken, 3 -> 4 features; what the second ends with goes nowhere.
SIDES: dict[str, Any] = {
    "name": "net",
    "input": [3],
    "blocks": {
        "ends": {
            "layers": {
                "side": {"op": "Linear", "out_features": 4},
                "end": {"op": "Linear", "out_features": 3, "from": "input"},
            }
        }
    },
    "layers": {
        "block": {"block": "ends", "repeat": 2},
        "sum": {"op": "Add", "from": "block.*.side"},
    },
}


def test_what_leads_to_no_output_has_no_gradient() -> None:
    found = archcalc.analyze(archcalc.load(SIDES)).backward
    assert found.layers == {
        "block.0.side": 12,
        "block.0.end": 9,
        "block.1.side": 2 * 12,
        "block.1.end": 0,
        "sum": 0,
    }
    assert counted_of(archcalc.expand(archcalc.load(SIDES)), training=False) == 12 + 9 + 24
