"""Networks as source code: it runs without archcalc, and computes what the built network does."""

from __future__ import annotations

import subprocess
import sys
from copy import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import archcalc
from archcalc.pytorch.inputs import draw
from archcalc.pytorch.source import source
from archcalc.spec import zoo
from tests.conftest import EXHAUSTIVE

NAMES = tuple(zoo.names())

SMALL = 100_000_000
"""Multiply-accumulates below which a network is run on numbers; others on shapes only."""


@cache
def exported(name: str) -> str:
    spec = archcalc.load(name)
    return source(archcalc.expand(spec), spec)


def run(text: str) -> type[nn.Module]:
    """The network's class: the last that the source defines."""
    namespace: dict[str, Any] = {"__name__": "exported"}
    exec(compile(text, "exported.py", "exec"), namespace)
    classes = [value for value in namespace.values() if isinstance(value, type)]
    found = [c for c in classes if issubclass(c, nn.Module) and c.__module__ == "exported"]
    return found[-1]


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}


def as_tuple(output: Any) -> tuple[torch.Tensor, ...]:
    return output if isinstance(output, tuple) else (output,)


def require_equal(text: str, graph: archcalc.Graph, device: str = "cpu") -> nn.Module:
    """The exported network, which has the built one's tensors and computes what it does."""
    with torch.device(device):
        network = run(text)()
    built = archcalc.build(graph, device=device)

    assert shapes(network) == shapes(built)
    assert len(list(network.parameters())) == len(list(built.parameters()))
    if device == "cpu":
        network.load_state_dict(built.state_dict(), strict=True)
        built.load_state_dict(network.state_dict(), strict=True)
    inputs = draw(graph, device=device, generator=torch.Generator().manual_seed(0))
    for training in (False, True) if graph.training_outputs else (False,):
        for each in (network, built):
            each.train(training)
            for module in each.modules():
                if not list(module.children()):
                    module.eval()  # neither draws nor statistics of a batch: only the outputs
        with torch.no_grad():
            mine, theirs = as_tuple(network(*inputs)), as_tuple(built(*inputs))
        assert [tuple(t.shape) for t in mine] == [tuple(t.shape) for t in theirs]
        if device == "cpu":
            assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
    return network


@pytest.mark.every_network
@pytest.mark.parametrize("name", NAMES)
def test_the_source_of_a_network_is_the_network(name: str) -> None:
    graph = archcalc.expand(archcalc.load(name))
    small = archcalc.analyze(graph).macs < SMALL and archcalc.analyze(graph).params < 1e7
    require_equal(exported(name), graph, "cpu" if small else "meta")


def test_sources_are_formatted_as_ruff_formats_and_have_nothing_unused(
    tmp_path: Path,
) -> None:
    some = NAMES if EXHAUSTIVE else NAMES[::6]
    for name in some:
        (tmp_path / f"{name}.py").write_text(exported(name), encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    style = ["--isolated", "--line-length", "100", str(tmp_path)]
    for command in (["format", "--diff"], ["check", "--select", "F,I"]):
        done = subprocess.run(
            [*ruff, *command, *style], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[:3000]


def test_the_source_runs_where_archcalc_is_not_installed(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(exported("lenet5-1998"), encoding="utf-8")
    program = (
        "import sys\n"
        "sys.modules['archcalc'] = None  # so that it can't be imported\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "import net\n"
        "print(len(net.LeNet5_1998().state_dict()))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)

    # c1, s2, 16 maps of c3, s4, c5 and f6 with a weight and a bias each; the codes of the output.
    assert done.stdout == f"{2 * (1 + 1 + 16 + 1 + 1 + 1) + 1}\n"
    assert "archcalc" not in exported("lenet5-1998")


RESIDUAL = {
    "name": "tinynet",
    "title": "A small network",
    "year": 2015,
    "source": "arXiv:1512.03385",
    "input": [3, 8, 8],
    "blocks": {
        "unit": {
            "args": {"planes": None, "stride": 1},
            "layers": {
                "conv": {
                    "op": "Conv2d",
                    "out_channels": "=planes",
                    "kernel_size": 3,
                    "stride": "=stride",
                    "padding": 1,
                    "bias": False,
                },
                "bn": "BatchNorm2d",
                "down": {
                    "op": "Conv2d",
                    "from": "input",
                    "out_channels": "=planes",
                    "kernel_size": 1,
                    "stride": "=stride",
                    "when": "=stride > 1 or channels(input) != planes",
                },
                "add": {"op": "Add", "from": ["bn", "down"]},
                "relu": "ReLU",
            },
        }
    },
    "layers": {
        "stage1": {"block": "unit", "repeat": 3, "planes": 4},
        "stage2": {"block": "unit", "repeat": 3, "planes": 8, "stride": "=2 if i == 0 else 1"},
        "pool": {"op": "GlobalAvgPool", "keepdim": False},
        "fc": {"op": "Linear", "out_features": 10},
    },
}

WRITTEN = '''\
"""tinynet: A small network (2015).

{params} parameters, {macs} multiply-accumulates for 3 x 8 x 8.
arXiv:1512.03385
"""

from torch import Tensor, nn


class Unit(nn.Module):
    def __init__(self, in_channels: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, planes, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.bn = nn.BatchNorm2d(planes)
        self.down = (
            nn.Conv2d(in_channels, planes, kernel_size=1, stride=stride)
            if stride > 1 or in_channels != planes
            else nn.Identity()
        )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(x)) + self.down(x))


class TinyNet(nn.Module):
    """A small network."""

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(Unit(3, 4), *(Unit(4, 4) for _ in range(2)))
        self.stage2 = nn.Sequential(Unit(4, 8, stride=2), *(Unit(8, 8) for _ in range(2)))
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage1(x)
        x = self.stage2(x).mean(dim=(2, 3))
        return self.fc(x)
'''


def test_equal_blocks_are_one_class_and_what_differs_is_an_argument() -> None:
    spec = archcalc.load(RESIDUAL)
    graph = archcalc.expand(spec)

    # Convolutions of 3x3 without bias: 3 4 9 + 2 (4 4 9) + 4 8 9 + 2 (8 8 9) = 1,836; of 1x1 with
    # bias: 3 4 + 4 + 4 8 + 8 = 56; batch normalization 2 (3 4 + 3 8) = 72; 8 10 + 10 = 90.
    params = 1_836 + 56 + 72 + 90
    # At 8x8: 3 4 9 + 2 (4 4 9) + 3 4 = 408; at 4x4: 4 8 9 + 2 (8 8 9) + 4 8 = 1,472; and 80.
    macs = 64 * 408 + 16 * 1_472 + 80
    assert source(graph, spec) == WRITTEN.format(params=f"{params:,}", macs=f"{macs:,}")
    require_equal(source(graph, spec), graph)


def test_a_graph_alone_is_enough() -> None:
    graph = archcalc.expand(archcalc.load(RESIDUAL))
    text = source(graph)

    assert "class Stage(nn.Module)" in text
    require_equal(text, graph)


def net(layers: dict[str, Any], **more: Any) -> tuple[archcalc.Spec, archcalc.Graph]:
    spec = archcalc.load({"name": "net", "input": [3, 8, 8], "layers": layers, **more})
    return spec, archcalc.expand(spec)


def linear(features: int | str, **more: Any) -> dict[str, Any]:
    return {"op": "Linear", "out_features": features, **more}


def body(spec: archcalc.Spec, graph: archcalc.Graph) -> str:
    """The forward pass of the network, after a comparison with the built one."""
    text = source(graph, spec)
    require_equal(text, graph)
    return text[text.rindex("    def forward") :]


def test_what_a_block_works_out_itself_is_a_variable_of_its_constructor() -> None:
    blocks = {
        "mlp": {
            "args": {"size": None, "inner": "=4 * size"},
            "layers": {"fc1": linear("=inner"), "relu": "ReLU", "fc2": linear("=size")},
        }
    }
    layers = {"a": {"block": "mlp", "size": 8}, "b": {"block": "mlp", "size": 5}}
    spec, graph = net(layers, blocks=blocks)
    text = source(graph, spec)

    assert (
        "    def __init__(self, size: int) -> None:\n"
        "        super().__init__()\n"
        "        inner = 4 * size\n"
        "        self.fc1 = nn.Linear(8, inner)\n"
        "        self.relu = nn.ReLU()\n"
        "        self.fc2 = nn.Linear(inner, size)\n"
    ) in text
    assert "self.a = MLP(8)\n" in text
    require_equal(text, graph)


def test_what_was_expanded_before_with_other_variables_makes_no_difference() -> None:
    block = {"args": {"c": None}, "layers": {"fc": linear("=w * c"), "act": "ReLU"}}
    layers = {"a": {"block": "b", "c": "=64 // w"}, "b": {"block": "b", "c": "=32 // w"}}
    more: dict[str, Any] = {"vars": {"w": 1}, "blocks": {"b": block}}
    fresh, _ = net(layers, **more)
    fresh = copy(fresh)  # which knows of no expansion
    used, _ = net(layers, **more)  # with w = 1, where c is another and the layers are the same

    text = source(archcalc.expand(used, w=2), used)
    assert text == source(archcalc.expand(fresh, w=2), fresh)
    assert "def __init__(self, in_features: int, c: int)" in text


def test_uses_that_take_other_pieces_are_one_class() -> None:
    blocks = {
        "part": {
            "args": {"index": None},
            "layers": {
                "split": {
                    "op": "Split",
                    "split_size_or_sections": 4,
                    "dim": -1,
                    "index": "=index",
                },
                "relu": "ReLU",
            },
        }
    }
    layers = {
        "a": {"block": "part", "index": 0},
        "b": {"block": "part", "index": 1, "from": "input"},
        "add": {"op": "Add", "from": ["a", "b"]},
    }
    spec, graph = net(layers, blocks=blocks)
    text = source(graph, spec)

    assert "self.relu(x.split(4, dim=-1)[self.index])" in text
    assert "self.a = Part(0)\n        self.b = Part(1)\n" in text
    require_equal(text, graph)


def test_what_stands_in_a_block_twice_is_taken_twice() -> None:
    layers = {
        "a": linear(5),
        "b": linear(5),
        "add": {"op": "Add", "from": ["b", "a"]},
        "c": linear(2),
    }

    assert body(*net(layers)) == (
        "    def forward(self, x: Tensor) -> Tensor:\n"
        "        x = self.a(x)\n"
        "        x = self.b(x) + x\n"
        "        return self.c(x)\n"
    )


def test_all_repetitions_may_be_taken() -> None:
    layers = {
        "row": linear(3, repeat=3),
        "cat": {"op": "Concat", "from": ["input", "row.*"], "dim": -1},
    }

    assert "*out[1:]], dim=-1)" in body(*net(layers))


def test_repetitions_side_by_side_are_a_list() -> None:
    layers = {"head": linear("=i + 1", parallel=3), "cat": {"op": "Concat", "from": "head.*"}}
    layers["cat"]["dim"] = -1

    assert "torch.cat([layer(x) for layer in self.head], dim=-1)" in body(*net(layers))


def test_a_block_with_several_inputs_is_called_with_all_of_them() -> None:
    blocks = {
        "mix": {
            "inputs": ["x", "memory"],
            "layers": {
                "fc": linear(4, **{"from": "x"}),
                "mul": {"op": "Mul", "from": ["fc", "memory"]},
            },
        }
    }
    layers = {
        "memory": linear(4),
        "first": linear(4, **{"from": "input"}),
        "rows": {"block": "mix", "repeat": 3, "from": ["first", "memory"]},
    }
    found = body(*net(layers, blocks=blocks))

    assert "for layer in self.rows:" in found
    assert "= layer(x, memory)" in found


TIED = {
    "embedding": {"op": "Embedding", "num_embeddings": 10, "embedding_dim": 4},
    "decoder": linear(10, share="embedding"),
}


def test_tied_tensors_stay_one_tensor() -> None:
    spec, graph = net(TIED, input=[6])
    network = require_equal(source(graph, spec), graph)

    assert network.get_parameter("decoder.weight") is network.get_parameter("embedding.weight")


def test_a_layer_that_shares_everything_is_the_same_module() -> None:
    spec, graph = net({"a": linear(8), "b": linear(8, share="a")})
    text = source(graph, spec)

    assert "self.b = self.a\n" in text
    require_equal(text, graph)


def test_training_outputs_are_computed_in_training_only() -> None:
    layers = {"a": linear(4), "b": linear(2), "head": linear(5, **{"from": "a"})}
    found = body(*net(layers, outputs="b", training_outputs=["head"]))

    assert found == (
        "    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:\n"
        "        x = self.a(x)\n"
        "        if self.training:\n"
        "            head = self.head(x)\n"
        "        x = self.b(x)\n"
        "        if self.training:\n"
        "            return x, head\n"
        "        return x\n"
    )


def test_names_that_mean_something_to_python_or_pytorch_are_told_apart() -> None:
    layers = {"half": linear(4), "class": linear(4), "a-b": linear(4), "__x": linear(2)}
    spec, graph = net(layers)
    network = require_equal(source(graph, spec), graph)

    assert set(network.state_dict()) >= {"half_.weight", "class_.bias", "a_b.weight", "_x.bias"}


def test_a_block_may_have_the_name_of_what_the_file_needs() -> None:
    blocks = {"tensor": {"layers": {"fc": linear(8)}}, "crop": {"layers": {"relu": "ReLU"}}}
    layers = {
        "a": {"block": "tensor"},
        "b": {"block": "crop"},
        "crop": {"op": "Crop", "from": ["b", "input"]},
    }
    spec, graph = net(layers, blocks=blocks)

    require_equal(source(graph, spec), graph)


def test_text_of_a_spec_stays_text() -> None:
    title = 'A """ title \\" with ' + "'''" + " quotes\\"
    spec, graph = net({"a": linear(3)}, title=title, source='"""\nraise SystemExit\n"""')

    require_equal(source(graph, spec), graph)


def test_what_a_function_is_told_in_one_place_only_is_an_argument() -> None:
    attend = {
        "q": {"op": "Reshape", "shape": [4, 2, 3]},
        "order": {"op": "Permute", "dims": [0, 2, 1, 3]},
        "sdpa": {"op": "ScaledDotProductAttention", "from": ["order"] * 3, "is_causal": "=causal"},
    }
    spec = archcalc.load(
        {
            "name": "two-ways",
            "input": [4, 6],
            "blocks": {"attend": {"args": {"causal": False}, "layers": attend}},
            "layers": {
                "first": "attend",
                "flat": {"op": "Reshape", "shape": [4, 6]},
                "second": {"block": "attend", "causal": True},
            },
        }
    )
    text = exported_of(spec)
    require_equal(text, archcalc.expand(spec))
    assert "is_causal=self.causal" in text


def test_a_loop_keeps_what_every_turn_takes_beside_its_own() -> None:
    add = {"add": {"op": "Add", "from": ["dense", "y"]}}
    dense = {"op": "Linear", "out_features": 3}
    spec = archcalc.load(
        {
            "name": "turns",
            "input": {"a": [3], "b": [3]},
            "blocks": {
                "turn": {"inputs": ["x", "y"], "layers": {"dense": dense | {"from": "x"}} | add},
            },
            "layers": {
                "given": dense | {"from": "a"},
                "start": dense | {"from": "b"},
                "turns": {"block": "turn", "from": ["start", "given"], "repeat": 3},
            },
        }
    )
    require_equal(exported_of(spec), archcalc.expand(spec))


def exported_of(spec: archcalc.Spec) -> str:
    return source(archcalc.expand(spec), spec)
