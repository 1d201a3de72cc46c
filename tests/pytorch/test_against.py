"""Specs held against modules written by hand, straight from the papers, and against wrong ones."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

import archcalc
from archcalc.errors import ArchcalcError
from archcalc.pytorch.against import Against, against
from archcalc.pytorch.inputs import draw
from archcalc.pytorch.trace import trace

# Modules --------------------------------------------------------------------------------------


def lenet5() -> nn.Sequential:
    """LeNet-5 in its modern form, for 32x32 digits."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(16, 120, 5),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, 10),
        nn.Softmax(1),
    )


class BasicBlock(nn.Module):
    """The building block of arXiv:1512.03385, figure 5, on the left, with functions in between."""

    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1:
            projection = nn.Conv2d(channels, planes, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(planes))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.shortcut(x)  # before the others, where the spec has it behind them
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        y += shortcut
        return F.relu(y, inplace=True)


class ResNet18(nn.Module):
    """arXiv:1512.03385, table 1, the column of 18 layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        blocks = []
        channels = 64
        for stage in range(4):
            for unit in range(2):
                planes = 64 * 2**stage
                blocks.append(BasicBlock(channels, planes, 2 if stage and not unit else 1))
                channels = planes
        self.blocks = nn.ModuleList(blocks)
        self.fc = nn.Linear(512, 1000)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(torch.relu_(self.bn1(self.conv1(x))), 3, 2, 1)
        for block in self.blocks:
            x = block(x)
        return cast(Tensor, self.fc(self.dropout(x.mean((2, 3)))))


def changed(change: Callable[[Any], Any]) -> Callable[[], nn.Module]:
    """ResNet-18 with one thing that is wrong."""

    def make() -> nn.Module:
        network = ResNet18()
        change(network)
        return network

    return make


# At 64x64 the stages have 16, 8, 4 and 2 pixels a side.
SMALL = [3, 64, 64]


def found(module: Any, network: str = "resnet18", **options: Any) -> Against:
    return against(network, module, input=SMALL, **options)


def said(result: Against) -> list[tuple[str, str, str]]:
    return [(each.kind, each.layer or each.module, each.what) for each in result.findings]


# What is the same -----------------------------------------------------------------------------


def test_a_network_written_otherwise_is_the_same() -> None:
    result = found(ResNet18)

    assert result.ok, result.findings
    # 20 convolutions and as many normalizations, three of them in projections, and the classifier.
    assert result.matched == 2 * 20 + 1
    assert result.params == (11_689_512, 11_689_512)
    assert result.distance == pytest.approx(0, abs=1e-6)
    assert result.remarks == ()


def test_on_the_meta_device_values_are_not_compared() -> None:
    result = found(ResNet18, device="meta")

    assert result.ok
    assert result.distance is None


def test_functions_and_operators_with_weights_of_their_own_are_seen() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ParameterList(p for layer in lenet5() for p in layer.parameters())

        def forward(self, x: Tensor) -> Tensor:
            w1, b1, w2, b2, w3, b3, w4, b4, w5, b5 = self.layers
            x = F.avg_pool2d(F.conv2d(x, w1, b1).tanh_(), 2)
            x = F.avg_pool2d(torch.tanh(torch.conv2d(x, w2, b2)), 2)
            x = torch.tanh(F.conv2d(x, w3, b3)).reshape(x.shape[0], -1)
            x = torch.tanh(x @ w4.t() + b4)
            return cast(Tensor, (torch.matmul(x, w5.mT) + b5).softmax(-1))

    result = against("lenet5", Functional)
    assert result.ok, result.findings
    assert result.matched == 5
    assert result.distance == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_attention_may_be_written_out(device: str) -> None:
    class Attention(nn.Module):
        """Two heads of eight features; three projections in one, as many write it."""

        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(16, 48)
            self.out = nn.Linear(16, 16)

        def forward(self, x: Tensor) -> Tensor:
            n, t, _ = x.shape
            q, k, v = self.qkv(x).view(n, t, 3, 2, 8).permute(2, 0, 3, 1, 4)
            weights = (q @ k.transpose(-2, -1) / 8**0.5).softmax(-1)
            return cast(Tensor, self.out((weights @ v).transpose(1, 2).flatten(2)))

    layers = {"attention": {"op": "MultiheadAttention", "num_heads": 2}}
    spec = archcalc.load({"name": "net", "input": [10, 16], "layers": layers})
    result = against(spec, Attention, device=device)

    assert result.ok, result.findings
    # The projection to queries, keys and values, two products, and the projection of the output.
    assert result.matched == 4
    if device == "cpu":
        assert result.distance == pytest.approx(0, abs=1e-6)


def test_a_pointwise_convolution_of_one_pixel_is_a_linear_layer() -> None:
    layers = {
        "pool": {"op": "GlobalAvgPool"},
        "fc": {"op": "Conv2d", "out_channels": 5, "kernel_size": 1},
    }
    spec = archcalc.load({"name": "net", "input": [3, 8, 8], "layers": layers})
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5))
    result = against(spec, module)

    assert result.ok
    assert result.matched == 1
    assert any("another arrangement: fc" in remark for remark in result.remarks)


def test_a_kernel_that_sees_all_of_its_input_is_a_linear_layer() -> None:
    layers = {"flatten": "Flatten", "fc": {"op": "Linear", "out_features": 5}}
    spec = archcalc.load({"name": "net", "input": [3, 4, 4], "layers": layers})
    result = against(spec, nn.Sequential(nn.Conv2d(3, 5, 4), nn.Flatten()))

    assert result.ok, result.findings
    assert result.distance == pytest.approx(0, abs=1e-6)


def test_a_bias_of_attention_may_be_added_by_itself() -> None:
    class Biased(nn.Module):
        """A window of four positions, with a bias for each pair of them."""

        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.randn(9, 2))
            steps = torch.arange(2)
            places = torch.stack(torch.meshgrid(steps, steps, indexing="ij")).flatten(1)
            rows, columns = places[:, :, None] - places[:, None, :] + 1
            self.register_buffer("index", 3 * rows + columns)

        def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            index = self.get_buffer("index").flatten()
            bias = self.table[index].view(4, 4, 2).permute(2, 0, 1)
            weights = (q * 8**-0.5) @ k.mT + bias[None]
            return weights.softmax(-1) @ v

    layers = {
        "bias": {"op": "RelativePositionBias", "window_size": 2, "from": "q"},
        "attention": {"op": "ScaledDotProductAttention", "from": ["q", "k", "v", "bias"]},
    }
    shapes = {name: [2, 4, 8] for name in "qkv"}
    spec = archcalc.load({"name": "net", "input": shapes, "layers": layers})
    result = against(spec, Biased)

    assert result.ok, result.findings
    assert result.matched == 3
    assert result.distance == pytest.approx(0, abs=1e-6)


def test_a_module_in_training_is_run_at_inference_and_left_as_it_was() -> None:
    network = ResNet18()

    assert found(network).ok
    assert network.training


TIED = {
    "embedding": {"op": "Embedding", "num_embeddings": 10, "embedding_dim": 4},
    "decoder": {"op": "Linear", "out_features": 10, "bias": False, "share": "embedding"},
}


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.embedding(x), self.embedding.weight)


class TiedLayers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 4)
        self.decoder = nn.Linear(4, 10, bias=False)
        self.decoder.weight = self.embedding.weight

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.decoder(self.embedding(x)))


class Untied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 4)
        self.decoder = nn.Linear(4, 10, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.decoder(self.embedding(x)))


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("kind", [Tied, TiedLayers])
def test_what_is_tied_stays_so_on_every_device(kind: type[nn.Module], device: str) -> None:
    result = against(
        archcalc.load({"name": "tied", "input": [6], "layers": TIED}), kind, device=device
    )
    assert result.ok
    assert (result.params, result.macs) == ((40, 40), (6 * 40, 6 * 40))


def test_a_shared_tensor_counts_once_and_its_work_every_time() -> None:
    spec = archcalc.load({"name": "tied", "input": [6], "layers": TIED})

    result = against(spec, Tied)
    assert result.ok
    assert (result.params, result.macs) == ((40, 40), (6 * 40, 6 * 40))
    result = against(spec, Untied)
    assert said(result) == [("differs", "decoder", "params")]
    assert (result.params, result.macs) == ((40, 80), (6 * 40, 6 * 40))


# What is not ----------------------------------------------------------------------------------


def test_a_bias_too_many() -> None:
    def change(network: ResNet18) -> None:
        network.blocks[1].conv1 = nn.Conv2d(64, 64, 3, 1, 1)

    result = found(changed(change))
    assert said(result) == [("differs", "layer1.1.conv1", "weights")]
    assert result.findings[0].ours == ((64, 64, 3, 3),)
    assert result.findings[0].theirs == ((64,), (64, 64, 3, 3))
    assert result.params[1] - result.params[0] == 64


def test_a_stride_in_another_place() -> None:
    def change(network: ResNet18) -> None:
        block = cast(BasicBlock, network.blocks[2])
        block.conv1.stride, block.conv2.stride = (1, 1), (2, 2)

    result = found(changed(change))
    # Its output has 16x16 places and not 8x8: four times the work. What follows is even again.
    assert said(result) == [
        ("differs", "layer2.0.conv1", "shape"),
        ("differs", "layer2.0.conv1", "macs"),
    ]
    assert result.findings[1].theirs == 4 * result.findings[1].ours == 128 * 64 * 9 * 16 * 16
    assert result.follows == 1


def test_a_stride_at_the_beginning_is_one_difference_and_what_follows() -> None:
    result = found(changed(lambda network: setattr(network.conv1, "stride", (1, 1))))

    assert {each.layer for each in result.findings} == {"conv1"}
    # Every convolution and normalization behind it has four times the places; the classifier not.
    assert result.follows == 39


def test_a_missing_projection() -> None:
    class Padded(nn.Module):
        """Option A of the paper: every second pixel, and channels of zeros."""

        def forward(self, x: Tensor) -> Tensor:
            return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, x.shape[1]))

    result = found(changed(lambda network: setattr(network.blocks[2], "shortcut", Padded())))
    assert said(result) == [
        ("missing", "layer2.0.downsample.conv", "layer"),
        ("missing", "layer2.0.downsample.bn", "layer"),
    ]
    assert result.params[0] - result.params[1] == 64 * 128 + 2 * 128


def test_a_missing_normalization() -> None:
    result = found(changed(lambda network: setattr(network.blocks[1], "bn1", nn.Identity())))

    assert said(result) == [("missing", "layer1.1.bn1", "layer")]


def test_a_missing_block() -> None:
    result = found(changed(lambda network: network.blocks.__delitem__(1)))

    assert {each.kind for each in result.findings} == {"missing"}
    assert [each.layer for each in result.findings] == [
        f"layer1.1.{name}" for name in ("conv1", "bn1", "conv2", "bn2")
    ]


def test_a_layer_too_many() -> None:
    def change(network: ResNet18) -> None:
        network.fc = nn.Sequential(nn.Linear(512, 512), nn.Linear(512, 1000))  # type: ignore[assignment]

    assert said(found(changed(change))) == [("extra", "fc.0 linear", "layer")]


def test_a_missing_shortcut() -> None:
    def change(network: ResNet18) -> None:
        block = network.blocks[1]
        block.shortcut = nn.Threshold(1e9, 0)

    class Plain(BasicBlock):
        def forward(self, x: Tensor) -> Tensor:
            return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))

    result = found(changed(lambda network: network.blocks.__setitem__(1, Plain(64, 64, 1))))
    # What comes behind the block takes no more what was before it.
    assert said(result) == [
        ("differs", "layer2.0.conv1", "inputs"),
        ("differs", "layer2.0.downsample.conv", "inputs"),
    ]
    assert result.findings[0].theirs == ("blocks.1.bn2 batch_norm",)


def test_a_layer_that_is_used_twice() -> None:
    def change(network: ResNet18) -> None:
        network.blocks[1].conv2 = network.blocks[1].conv1

    result = found(changed(change))
    assert said(result) == [("differs", "layer1.1.conv2", "params")]
    assert (result.findings[0].ours, result.findings[0].theirs) == (64 * 64 * 9, 0)


def test_statistics_that_are_not_kept() -> None:
    def change(network: ResNet18) -> None:
        network.bn1 = nn.BatchNorm2d(64, track_running_stats=False)

    assert said(found(changed(change))) == [("differs", "bn1", "buffers")]


def test_another_kernel() -> None:
    def make() -> nn.Module:
        network = lenet5()
        network[3] = nn.Sequential(nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(6, 16, 6))
        return network

    result = against("lenet5", make)
    assert said(result) == [("differs", "c3.conv", "weights"), ("differs", "c3.conv", "macs")]
    assert result.findings[1].theirs == 16 * 10 * 10 * 6 * 6 * 6


def test_parameters_that_nothing_uses() -> None:
    def change(network: ResNet18) -> None:
        network.head = nn.Linear(2, 3)

    result = found(changed(change))
    assert (result.ok, result.findings) == (False, ())
    assert result.params[1] - result.params[0] == 9
    assert "2 parameters of the module were not used: head.weight, head.bias" in result.remarks


# What only the values tell --------------------------------------------------------------------


def test_another_padding_of_the_same_size_is_told_by_the_values() -> None:
    def change(network: ResNet18) -> None:
        network.conv1 = nn.Sequential(  # type: ignore[assignment]
            nn.ReflectionPad2d(3), nn.Conv2d(3, 64, 7, 2, bias=False)
        )

    result = found(changed(change))
    assert result.ok  # nothing that is counted differs
    assert result.distance is not None
    assert result.distance > 1e-4
    assert result.remarks[0].startswith("conv1 is the first to compute other values")


def test_a_missing_activation_is_told_by_the_values() -> None:
    def make() -> nn.Module:
        network = lenet5()
        network[4] = nn.Identity()
        return network

    result = against("lenet5", make)
    assert result.ok
    assert result.remarks[0].startswith("c5 is the first to compute other values")


def test_what_follows_the_last_weights_is_told_by_the_values() -> None:
    result = against("lenet5", lambda: lenet5()[:-1])

    assert result.ok
    assert "what follows the last layers with weights" in result.remarks[0]


def test_what_a_spectral_norm_multiplies_is_in_no_step() -> None:
    normed = nn.utils.parametrizations.spectral_norm(nn.Linear(8, 4))
    found = trace(normed, [torch.randn(2, 8)])
    assert (found.macs, found.unseen) == (2 * 8 * 4, 0)
    assert [step.function for step in found.steps] == ["linear"]


def test_what_is_shaped_like_another_does_not_take_it() -> None:
    class Shaped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.gain = nn.Linear(8, 8), nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.fc(x)
            z: Tensor = self.gain * (y.mT @ y).mT.view_as(y)
            return z + y

    spec = {
        "name": "n",
        "input": [8, 8],
        "layers": {
            "fc": {"op": "Linear", "out_features": 8},
            "t": {"op": "Transpose", "dim0": 1, "dim1": 2},
            "product": {"op": "MatMul", "from": ["t", "fc"]},
            "gain": {"op": "Parameter", "shape": [1]},
            "mul": {"op": "Mul", "from": ["product", "gain"]},
            "add": {"op": "Add", "from": ["mul", "fc"]},
        },
    }
    assert against(archcalc.load(spec), Shaped()).ok


# What can't be looked into --------------------------------------------------------------------


def test_what_nobody_counts_is_remarked() -> None:
    class Distances(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cdist(x, x)

    spec = archcalc.load({"name": "net", "input": [3, 4], "layers": {"a": "Identity"}})
    result = against(spec, Distances)
    assert result.ok
    assert result.remarks == (
        "of the module it is not known what these multiply: aten._cdist_forward",
    )


def scripted(network: nn.Module, x: Tensor) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return cast(nn.Module, torch.jit.trace(network, x))  # type: ignore[no-untyped-call]


def test_compiled_code_is_no_layer_and_its_work_is_told() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2)).eval()
    with torch.no_grad():
        graph = scripted(network, torch.ones(1, 3, 8, 8))
    layers = {
        "conv": {"op": "Conv2d", "out_channels": 4, "kernel_size": 3},
        "flatten": "Flatten",
        "fc": {"op": "Linear", "out_features": 2},
    }
    spec = archcalc.load({"name": "net", "input": [3, 8, 8], "layers": layers})
    result = against(spec, graph)

    assert not result.ok
    assert f"{4 * 36 * 27 + 144 * 2:,} MACs of the module are in code" in " ".join(result.remarks)


def test_operations_are_recorded_in_order_with_their_sources() -> None:
    graph = archcalc.expand(archcalc.load("resnet18"), input=SMALL)
    steps = trace(ResNet18().to("meta"), draw(graph, device="meta")).steps

    assert [step.function for step in steps[:3]] == ["conv2d", "batch_norm", "conv2d"]
    assert [step.module for step in steps[:3]] == ["conv1", "bn1", "blocks.0.conv1"]
    assert [set(step.sources) for step in steps[:3]] == [set(), {0}, {1}]
    # Behind the sum of the first block: its last normalization, and what is handed past it.
    assert set(steps[6].sources) == {1, 5}


# Where modules come from ----------------------------------------------------------------------

SOURCE = """\
from torch import nn

def factory():
    return nn.Sequential(nn.Linear(3, 2))

instance = factory()
number = 3

class Holder:
    inner = nn.Linear

def broken():
    raise RuntimeError("not today")

def nothing():
    return 3
"""

LINEAR = {"name": "net", "input": [3], "layers": {"fc": {"op": "Linear", "out_features": 2}}}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "their_networks.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "their_wrong.py").write_text("import no_such_module", encoding="utf-8")
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


@pytest.mark.parametrize(
    "place", ["their_networks:factory", "their_networks:instance", "their_networks.py:factory"]
)
def test_a_module_is_found_in_the_current_folder(folder: Path, place: str) -> None:
    import sys

    before = list(sys.path)
    assert against(archcalc.load(LINEAR), place).ok
    assert sys.path == before


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("their_networks", "write package.module:factory, or file.py:factory"),
        ("no_such_module:factory", "can't be imported: ModuleNotFoundError"),
        ("their_wrong:factory", "No module named 'no_such_module'"),
        ("their_wrong.py:factory", "No module named 'no_such_module'"),
        ("nowhere.py:factory", "can't be imported: FileNotFoundError"),
        ("their_networks:factry", "did you mean 'factory'?"),
        ("their_networks:number", "is no torch.nn.Module, and no function that makes one"),
        ("their_networks:nothing", "makes a int, and no torch.nn.Module"),
        ("their_networks:broken", "can't be made: RuntimeError: not today"),
        ("their_networks:Holder.inner", "can't be made: TypeError"),
        ("torch.nn:Identity.forward", "can't be made: TypeError"),
    ],
)
def test_what_is_no_module_is_told(folder: Path, place: str, message: str) -> None:
    with pytest.raises(ArchcalcError) as told:
        against(archcalc.load(LINEAR), place)
    assert message in str(told.value)


def test_a_module_that_does_not_take_the_input_is_told() -> None:
    with pytest.raises(ArchcalcError, match="can't be run: RuntimeError: mat1 and mat2 shapes"):
        against(archcalc.load(LINEAR), nn.Linear(7, 2))
    with pytest.raises(ArchcalcError, match="--device cpu runs it with numbers"):
        against(archcalc.load(LINEAR), nn.Linear(7, 2), device="meta")
