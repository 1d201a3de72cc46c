"""Networks built in PyTorch: names, tied tensors, outputs, devices, training."""

from __future__ import annotations

import copy
import pickle
import sys
from typing import Any

import pytest
import torch
from torch import nn

import archcalc
from archcalc.errors import ArchcalcError
from archcalc.pytorch.inputs import draw


def spec(layers: dict[str, Any], **more: Any) -> archcalc.Spec:
    return archcalc.load({"name": "net", "input": [3, 8, 8], "layers": layers, **more})


SMALL = {
    "conv": {"op": "Conv2d", "out_channels": 4, "kernel_size": 3, "padding": 1},
    "flatten": "Flatten",
    "fc": {"op": "Linear", "out_features": 5},
}


def test_keys_of_the_state_dict_are_the_names_of_layers() -> None:
    keys = set(archcalc.build(archcalc.load("resnet18"), device="meta").state_dict())

    # As torchvision has them, but for the projection, whose two layers have names and no numbers.
    assert {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "fc.bias"} <= keys
    assert "layer2.0.downsample.conv.weight" in keys
    assert len([key for key in keys if "num_batches_tracked" not in key]) == 102


def test_a_network_takes_any_batch() -> None:
    net = archcalc.build(spec(SMALL))

    assert net(torch.ones(7, 3, 8, 8)).shape == (7, 5)


def test_what_a_network_computes_is_what_its_layers_compute() -> None:
    net = archcalc.build(spec(SMALL))
    x = torch.ones(2, 3, 8, 8)
    conv, fc = net.get_submodule("conv"), net.get_submodule("fc")

    assert torch.equal(net(x), fc(conv(x).flatten(1)))


def test_it_trains() -> None:
    torch.manual_seed(0)
    net = archcalc.build(spec(SMALL))
    x, target = torch.randn(16, 3, 8, 8), torch.randint(5, (16,))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())

    assert losses[-1] < losses[0] / 2


def test_a_layer_may_be_replaced() -> None:
    net = archcalc.build(spec(SMALL))
    net.fc = nn.Linear(4 * 8 * 8, 2)

    assert net(torch.ones(1, 3, 8, 8)).shape == (1, 2)


def test_a_copy_and_what_was_pickled_compute_the_same() -> None:
    net = archcalc.build(spec(SMALL))
    x = torch.ones(1, 3, 8, 8)

    assert torch.equal(copy.deepcopy(net)(x), net(x))
    assert torch.equal(pickle.loads(pickle.dumps(net))(x), net(x))


TIED = {
    "embedding": {"op": "Embedding", "num_embeddings": 10, "embedding_dim": 4},
    "decoder": {"op": "Linear", "out_features": 10, "share": "embedding"},
}


def test_tied_tensors_are_one_tensor() -> None:
    net = archcalc.build(archcalc.load({"name": "tied", "input": [6], "layers": TIED}))

    assert net.get_parameter("decoder.weight") is net.get_parameter("embedding.weight")
    # 10 x 4 of the table, once, and the decoder's own bias.
    assert sum(p.numel() for p in net.parameters()) == 40 + 10
    assert set(net.state_dict()) == {"embedding.weight", "decoder.weight", "decoder.bias"}


def test_what_is_tied_stays_so_on_another_device_and_dtype() -> None:
    tied = archcalc.load({"name": "tied", "input": [6], "layers": TIED})
    for net in (archcalc.build(tied, device="meta", dtype="bfloat16"), archcalc.build(tied).half()):
        assert net.get_parameter("decoder.weight") is net.get_parameter("embedding.weight")


def test_running_statistics_are_tied_too() -> None:
    layers = {
        "bn1": "BatchNorm2d",
        "conv": {"op": "Conv2d", "out_channels": 3, "kernel_size": 1},
        "bn2": {"op": "BatchNorm2d", "share": "bn1"},
    }
    net = archcalc.build(spec(layers))

    assert net.get_buffer("bn2.running_mean") is net.get_buffer("bn1.running_mean")


TWO = {
    "a": {"op": "Linear", "out_features": 2},
    "b": {"op": "Linear", "from": "input", "out_features": 3},
}


def test_several_outputs_are_a_tuple_or_a_dict() -> None:
    two = spec(TWO, outputs=["b", "a"])
    x = torch.ones(1, 3, 8, 8)

    assert [tuple(y.shape) for y in archcalc.build(two)(x)] == [(1, 3, 8, 3), (1, 3, 8, 2)]
    named = archcalc.build(two, returns="dict")(x)
    assert {name: y.shape[-1] for name, y in named.items()} == {"b": 3, "a": 2}


def test_training_outputs_follow_in_training_only() -> None:
    net = archcalc.build(spec(TWO, outputs="a", training_outputs=["b"]))
    x = torch.ones(1, 3, 8, 8)
    ran: list[str] = []
    for name, layer in net.named_children():
        layer.register_forward_hook(lambda *_, name=name: ran.append(name))

    assert [y.shape[-1] for y in net(x)] == [2, 3]
    assert net.eval()(x).shape[-1] == 2
    assert ran == ["a", "b", "a"]


def test_several_inputs_come_in_the_order_of_the_spec() -> None:
    net = archcalc.build(
        archcalc.load(
            {
                "name": "net",
                "input": {"left": [2], "right": [3]},
                "layers": {"cat": {"op": "Concat", "from": ["right", "left"]}},
            }
        )
    )

    assert net(torch.zeros(1, 2), torch.ones(1, 3)).tolist() == [[1, 1, 1, 0, 0]]
    with pytest.raises(TypeError, match=r"takes 2 inputs \(left, right\), not 1"):
        net(torch.zeros(1, 2))


def test_on_the_meta_device_nothing_is_held() -> None:
    net = archcalc.build(archcalc.load("vgg16"), device="meta", dtype="bfloat16")

    assert all(tensor.is_meta for tensor in net.state_dict().values())
    assert {p.dtype for p in net.parameters()} == {torch.bfloat16}


def test_variables_and_input_are_those_of_the_graph() -> None:
    net = archcalc.build(archcalc.load("resnet18"), classes=7, input=(3, 64, 64), device="meta")

    assert net(torch.empty(2, 3, 64, 64, device="meta")).shape == (2, 7)
    with pytest.raises(TypeError, match="a graph has its shapes"):
        archcalc.build(net.graph, classes=7)


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(ArchcalcError, match=r"no dtype 'flot16': did you mean 'float16'\?"):
        archcalc.build(spec(SMALL), dtype="flot16")


def test_without_pytorch_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(ArchcalcError, match=r"not installed: pip install 'archcalc\[torch\]'"):
        archcalc.build(spec(SMALL))


# Inputs ---------------------------------------------------------------------------------------


def test_indices_are_drawn_for_what_is_looked_up() -> None:
    layers = {"slice": {"op": "Slice", "dim": 1, "start": 1}, **TIED}
    graph = archcalc.expand(archcalc.load({"name": "tied", "input": [600], "layers": layers}))
    (tokens,) = draw(graph)

    assert tokens.dtype == torch.long
    # All of ten rows, and no eleventh, among 600.
    assert set(tokens.flatten().tolist()) == set(range(10))


def test_targets_of_a_cross_entropy_are_classes() -> None:
    layers = {"loss": {"op": "CrossEntropyLoss", "from": ["x", "y"]}}
    data = {"name": "net", "input": {"x": [4, 50], "y": [50]}, "layers": layers}
    graph = archcalc.expand(archcalc.load(data))
    x, y = draw(graph, dtype=torch.float64)

    assert x.dtype == torch.float64
    assert set(y.flatten().tolist()) == {0, 1, 2, 3}


def test_the_same_generator_draws_the_same_numbers() -> None:
    graph = archcalc.expand(spec(SMALL))
    first, second = (draw(graph, generator=torch.Generator().manual_seed(3))[0] for _ in "ab")

    assert torch.equal(first, second)
    assert draw(graph, device="meta")[0].is_meta
