"""A module is a graph: its tensors, its work, its names, and a spec that one would have written."""

from __future__ import annotations

import inspect
import json
import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F  # noqa: N812
from typer.testing import CliRunner

import archcalc
from archcalc import ArchcalcError, Graph
from archcalc.analysis.conventions import convention
from archcalc.cli.app import application
from archcalc.frontends.fold import folded, readable, same_layers, written
from archcalc.frontends.sources import graph as graph_of
from archcalc.frontends.torch.numbers import rule
from archcalc.pytorch.source import source
from tests.frontends.torch.models import MODELS, Deciding, Language, ResNet, counted


@pytest.fixture(scope="module", params=MODELS)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, Graph, int]:
    kind, inputs = MODELS[request.param]
    module = kind()
    return module, archcalc.from_torch(module, *inputs), counted(kind(), *inputs)


def test_parameters_are_those_of_the_module(case: tuple[nn.Module, Graph, int]) -> None:
    module, graph, _ = case
    assert archcalc.analyze(graph).params == sum(p.numel() for p in module.parameters())


def test_work_is_what_pytorch_counts(case: tuple[nn.Module, Graph, int]) -> None:
    _, graph, macs = case
    assert archcalc.analyze(graph).macs == macs


def test_a_graph_is_written_as_a_spec_that_is_the_graph(
    case: tuple[nn.Module, Graph, int],
) -> None:
    _, graph, _ = case
    spec = archcalc.to_spec(graph)
    named = folded(graph)[1]
    assert same_layers(archcalc.expand(spec, batch=next(iter(graph.inputs.values()))[0]), named)


def _names(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes]


def test_layers_have_the_names_of_modules() -> None:
    graph = archcalc.from_torch(ResNet(), (1, 3, 64, 64))
    assert {"conv1", "layer1.0.conv1", "layer2.0.downsample.0", "layer1.0.add", "fc"} <= {
        *_names(graph)
    }


def test_a_residual_network_is_one_block() -> None:
    data = written(archcalc.from_torch(ResNet(), (1, 3, 64, 64)))
    assert [*data["blocks"]] == ["residual"]
    assert data["blocks"]["residual"]["layers"]["downsample"] == {
        "from": "input",
        "when": "=downsample",
        "layers": {
            "0": {
                "op": "Conv2d",
                "out_channels": "=2 * channels(input)",
                "kernel_size": 1,
                "stride": 2,
                "bias": False,
            },
            "1": {"op": "BatchNorm2d"},
        },
    }
    assert data["blocks"]["residual"]["args"] == {
        "out_channels": None,
        "stride": 1,
        "downsample": False,
    }
    assert data["layers"]["layer2"] == {
        "block": "residual",
        "repeat": 2,
        "out_channels": 32,
        "stride": "=2 if i == 0 else 1",
        "downsample": "=i == 0",
    }


def test_attention_modules_are_one_operator() -> None:
    kind, inputs = MODELS["encoder"]
    graph = archcalc.from_torch(kind(), *inputs)
    kinds = [type(node.op).__name__ for node in graph.nodes]
    assert kinds.count("MultiheadAttention") == 3


def test_tied_tensors_are_owned_once_and_unused_ones_are_not_executed() -> None:
    ids = torch.zeros(1, 7, dtype=torch.int64)
    analysis = archcalc.analyze(archcalc.from_torch(Language(), ids))
    assert analysis.row("head").node.share == "embedding"
    assert analysis.row("mix_1").node.share == "mix"
    assert analysis.params - analysis.executed_params == 3 * 3 + 3
    # Twice 16 x 16, for each of 7 tokens.
    assert analysis.row("mix").macs + analysis.row("mix_1").macs == 2 * 7 * 16 * 16


def test_what_is_not_known_makes_a_lower_bound() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> Any:
            return torch.linalg.inv(self.fc(x))

    graph = archcalc.from_torch(Odd(), (1, 4, 4))
    with pytest.raises(ArchcalcError, match=r"'linalg_inv.*' is of an unknown operator"):
        archcalc.analyze(graph)
    analysis = archcalc.analyze(graph, allow_unknown=True)
    assert (analysis.partial, analysis.params, analysis.macs) == (True, 20, 64)


def test_a_module_that_looks_at_numbers_is_run() -> None:
    graph = archcalc.from_torch(Deciding(), torch.zeros(1, 4))
    analysis = archcalc.analyze(graph, allow_unknown=True)
    assert (analysis.params, analysis.macs) == (20, 2 * 16)
    assert analysis.partial  # other numbers take other turns


def test_a_module_is_left_as_it_was() -> None:
    module = ResNet().train()
    module.layer1.eval()
    archcalc.from_torch(module, (1, 3, 64, 64))
    assert module.training
    assert not module.layer1.training


SOURCE = """
from torch import nn

def build(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Flatten(), nn.Linear(width * 36, 2))
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "mine.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return "torch:mine.py:build"


def test_an_address_is_a_network(model: str) -> None:
    analysis = archcalc.analyze(archcalc.load(f"{model}(width=8)@3x8x8"))
    assert analysis.params == 8 * 27 + 8 + 2 * 8 * 36 + 2
    assert analysis.macs == 8 * 27 * 36 + 2 * 8 * 36


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("torch:mine.py:build", "which input"),
        ("torch:mine.py:bild@3x8x8", "did you mean 'build'"),
        ("torch:mine.py:build(width=n)@3x8x8", "arguments are literals"),
        ("torch:mine.py:build('a')@3x8x8", "can't be made: TypeError"),
        ("torch:mine.py:build(1, 2)@3x8x8", r"it is build\(width=4\)"),
        ("torch:nothing.py:build@3x8x8", "no such file as nothing.py"),
        ("torch:mine.py@3x8x8", "write torch:package.module:factory"),
        ("torch:mine.py:build@3x0x8", "an extent should be from 1"),
        ("torch:mine.py:build@3x9x9", "can't be captured"),
    ],
)
def test_a_wrong_address_is_told_in_a_few_words(model: str, address: str, said: str) -> None:
    with pytest.raises(ArchcalcError, match=said) as caught:
        graph_of(address)
    assert "Traceback" not in str(caught.value)


def test_only_modules_are_taken() -> None:
    wrong: Any = 3
    with pytest.raises(ArchcalcError, match=r"takes a torch\.nn\.Module, not a int"):
        archcalc.from_torch(wrong, (1, 3))


class Woven(nn.Module):
    """Two lists of modules whose members take turns, and a scale of a weight that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1, bias=False) for _ in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(3))
        self.gain = nn.Parameter(torch.ones(4, 1, 1, 1))
        self.weight = nn.Parameter(torch.zeros(4, 4, 1, 1))

    def forward(self, x: torch.Tensor) -> Any:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + norm(conv(x))
        return nn.functional.conv2d(x, self.weight * self.gain)


class Shared(nn.Module):
    """Two parts that own the same layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
        self.second = nn.Sequential(self.first[0], nn.Tanh(), self.first[2])

    def forward(self, x: torch.Tensor) -> Any:
        return self.second(self.first(x))


class Wide(nn.Module):
    """A product that nothing takes, and a part without gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.loose = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> Any:
        with torch.no_grad():
            y = torch.sigmoid(x) @ x
        self.loose(y)
        return self.fc(y)


@pytest.mark.parametrize(
    ("module", "shape", "params", "macs"),
    [
        (Woven(), (1, 4, 8, 8), 3 * (4 * 4 * 9 + 8) + 4 + 16, (3 * 144 + 16) * 64),
        (Shared(), (1, 4), 2 * 20, 4 * 16),
        (Wide(), (1, 4, 4), 20 + 10, 4 * (16 + 16 + 8)),
    ],
)
def test_what_is_woven_shared_or_loose_is_written_too(
    module: nn.Module, shape: tuple[int, ...], params: int, macs: int
) -> None:
    graph = archcalc.from_torch(module, shape)
    analysis = archcalc.analyze(archcalc.to_spec(graph))
    assert (analysis.params, analysis.executed_params, analysis.macs) == (params, params, macs)
    assert not any("_0_" in row.name for row in analysis.rows)


@dataclass
class Answer:
    logits: torch.Tensor
    hidden: torch.Tensor | None


class Answering(nn.Module):
    """It gives a class of its author's."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> Any:
        return Answer(self.fc(x), None)


class Packed(nn.Module):
    """A recurrent layer over packed sequences, of which the last state is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 3, batch_first=True)
        self.fc = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> Any:
        lengths = torch.full((x.shape[0],), x.shape[1], dtype=torch.int64)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
        _, (h, _) = self.lstm(packed)
        return self.fc(h[-1])


class Routed(nn.Module):
    """Each row goes to two of four experts, which run on what is theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(4, 4)
        self.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(4))

    def forward(self, x: torch.Tensor) -> Any:
        weights, chosen = self.gate(x).softmax(-1).topk(2, -1)
        y = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            row, column = torch.where(chosen == number)
            y[row] += weights[row, column, None] * expert(x[row])
        return y


class Normalized(nn.Module):
    """A weight that is divided by its largest singular value: made of weights alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 6, 3))

    def forward(self, x: torch.Tensor) -> Any:
        return self.conv(x)


@pytest.mark.parametrize(
    ("module", "shape", "params", "macs"),
    [
        (Answering(), (1, 4), 15, 12),
        # Four gates of 3 units, each of 4 numbers and a state of 3, at 5 times; two biases a gate.
        (Packed(), (1, 5, 4), 4 * 3 * (4 + 3 + 2) + 8, 5 * 4 * 3 * (4 + 3) + 6),
        # Ten rows through the gate, and each through two experts.
        (Routed(), (10, 4), 5 * 20, 10 * 16 + 10 * 2 * 16),
        (Normalized(), (2, 4, 5, 5), 6 * 4 * 9 + 6, 2 * 6 * 36 * 9),
    ],
)
def test_what_strangers_write_is_counted(
    module: nn.Module, shape: tuple[int, ...], params: int, macs: int
) -> None:
    graph = archcalc.from_torch(module, shape)
    analysis = archcalc.analyze(graph)
    assert (analysis.params, analysis.macs) == (params, macs)
    batch = next(iter(graph.inputs.values()))[0]
    again = archcalc.analyze(archcalc.to_spec(graph), batch=batch)
    assert (again.params, again.macs) == (params, macs)


@pytest.fixture
def boxes() -> Iterator[Any]:
    """An operator that keeps as many boxes as its numbers say, as torchvision's does."""
    library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    yield torch.ops.torchvision.nms
    library._destroy()


@pytest.mark.skipif(hasattr(torch.ops.torchvision, "nms"), reason="torchvision is here")
def test_a_detector_keeps_all_boxes_that_it_may(boxes: Any) -> None:
    class Detector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places = nn.Linear(8, 4)
            self.scores = nn.Linear(8, 1)
            self.head = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> Any:
            places, scores = self.places(x), self.scores(x)[:, 0]
            large = torch.where(places[:, 2] > 0)[0]
            places, scores = places[large], scores[large]
            kept = boxes(places, scores, 0.5)[:20]
            drawn = torch.zeros(max(int(places[kept][0, 0]), 1))
            return self.head(places[kept]), drawn

    with torch.device("meta"):
        graph = archcalc.from_torch(Detector(), (1, 30, 8)[1:])
    # 30 places, of which 20 are kept at most.
    assert archcalc.analyze(graph).macs == 30 * 8 * 5 + 20 * 4 * 3
    assert "at most" in graph.edition


def test_it_is_said_in_which_way_a_module_was_had() -> None:
    assert archcalc.from_torch(ResNet(), (1, 3, 64, 64)).edition == ""
    graph = archcalc.from_torch(Deciding(), torch.zeros(1, 4))
    assert re.fullmatch(r"captured by \S.*", graph.edition)


class Hand(nn.Module):
    """A linear layer, a normalization and products that are functions in a ``forward``."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)
        self.fc = nn.Linear(8, 8)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> Any:
        x = self.act(nn.functional.linear(self.fc(x), self.inner.weight, self.inner.bias))
        x = nn.functional.relu(x) + torch.relu(x)
        return x.matmul(x) + x @ x


def test_a_layer_knows_how_its_author_wrote_it() -> None:
    nodes = {node.name: node for node in archcalc.from_torch(Hand(), (1, 8, 8)).nodes}
    written = {name: node.origin for name, node in nodes.items() if node.origin is not None}
    home = f"{__name__}.Hand"
    assert written["fc"][:3] == ("torch.nn.modules.linear.Linear", True, "F.linear")
    assert written["inner"][:3] == (home, False, "F.linear")
    functions = [origin.function for origin in written.values() if origin.module == home]
    assert functions == [
        *("F.linear", "F.relu", "torch.relu", "operator.add"),
        *("Tensor.matmul", "operator.matmul", "operator.add"),
    ]


def test_other_counters_see_modules_or_functions() -> None:
    analysis = archcalc.analyze(archcalc.to_spec(archcalc.from_torch(Hand(), (1, 8, 8))))
    totals = {
        name: convention(name).total(analysis)
        for name in ("torchinfo", "thop", "ptflops", "fvcore")
    }
    # Of 8 x 8 elements: thop and torchinfo know the one module, torchinfo at one position;
    # ptflops the activation twice, F.relu and Tensor.matmul, but neither F.linear, torch.relu
    # nor a sign; fvcore every product that runs.
    assert totals == {
        "torchinfo": 64 + 8,
        "thop": 8 * 64,
        "ptflops": 8 * 64 + 64 + 2 * 64 + 64 + 8 * 64,
        "fvcore": 4 * 8 * 64,
    }


def test_a_module_that_is_called_again_is_a_block_that_shares() -> None:
    kind, inputs = MODELS["called again"]
    data = written(archcalc.from_torch(kind(), *inputs))
    assert data["layers"]["backbone"] == {"block": "backbone"}
    assert data["layers"]["backbone_1"] == {"block": "backbone", "from": "b", "share": "backbone"}
    names = ["0", "1", "2", "3"]
    assert list(data["blocks"]["backbone"]["layers"]) == names


def test_what_is_written_into_a_view_is_taken_by_what_comes_after() -> None:
    class Shift(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            out = torch.zeros_like(x)
            out[:, :1, 1:] = x[:, :1, :-1]
            out[:, 1:] = x[:, 1:]
            return out

    graph = archcalc.from_torch(Shift(), (1, 4, 8))
    built = archcalc.build(archcalc.to_spec(graph))
    x = torch.randn(1, 4, 8)
    torch.testing.assert_close(built(x), Shift()(x))


def test_dots_in_an_equation_are_axes() -> None:
    class Mixed(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return torch.einsum("...ij,...kj->...ik", x, x[:, :, :2])

    graph = archcalc.from_torch(Mixed(), (1, 3, 4, 5))
    analysis = archcalc.analyze(graph)
    assert analysis.macs == 3 * 4 * 2 * 5


def test_buffers_that_nothing_uses_are_owned() -> None:
    class Kept(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(4)
            self.register_buffer("table", torch.zeros(3, 7))

        def forward(self, x: torch.Tensor) -> Any:
            return self.norm(x)

    module = Kept()
    analysis = archcalc.analyze(archcalc.from_torch(module, (2, 4)))
    assert analysis.buffers == sum(b.numel() for b in module.buffers()) == 4 + 4 + 1 + 21


def _trained(name: str) -> nn.Module:
    """A module whose every tensor tells it from others."""
    torch.manual_seed(0)
    module = MODELS[name][0]().eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.2)
    return module


@pytest.mark.parametrize(
    "name", ["resnet", "encoder", "language", "joined", "shifted", "called again"]
)
def test_a_graph_agrees_with_its_module(name: str) -> None:
    module = _trained(name)
    found = archcalc.against(
        archcalc.from_torch(module, *MODELS[name][1]), lambda: module, device="cpu"
    )
    assert found.ok, found.findings
    assert found.distance is not None
    assert found.distance < 1e-6


@pytest.mark.parametrize("name", ["resnet", "joined", "shifted", "written", "called again"])
def test_exported_source_of_a_graph_has_the_tensors_and_outputs_of_its_module(name: str) -> None:
    module = _trained(name)
    inputs = MODELS[name][1]
    spec = archcalc.to_spec(archcalc.from_torch(module, *inputs))
    space: dict[str, Any] = {"__name__": "exported"}
    exec(source(archcalc.expand(spec), spec), space)
    kinds = [each for each in space.values() if isinstance(each, type)]
    exported = next(each for each in reversed(kinds) if issubclass(each, nn.Module))().eval()
    missing, unexpected = exported.load_state_dict(module.state_dict(), strict=False)
    # A module that is called again is a second name for the first.
    assert not unexpected
    assert all(re.search(r"_\d", key) for key in missing)
    given = [torch.randn(shape) for shape in inputs]
    torch.testing.assert_close(exported(*given), module(*given))


class Kinds(nn.Module):
    """Numbers of other kinds, rounded ones, and an order that is stored."""

    order: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("order", torch.tensor([2, 0, 1, 3]))
        self.embed = nn.Embedding(9, 4)
        self.places = nn.Linear(2, 4)

    def forward(self, x: torch.Tensor) -> Any:
        step = torch.arange(5, device=x.device)
        places = torch.stack([step // 2, step % 2], -1)
        seen = (x > 0).float()
        y = self.embed((x * 3).long().clamp(0, 8)) + self.places(places.float() - 0.5)
        return y[..., self.order] * seen.mean()


class Named(nn.Module):
    """Modules with several names, one of them in a module that has nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(5, 5), nn.BatchNorm1d(5))
        self.again = self.first
        self.rest = nn.ModuleList([self.first, nn.Linear(5, 4)])
        self.beside = nn.ModuleDict({"inner": self.rest[1]})

    def forward(self, x: torch.Tensor) -> Any:
        return self.rest[1](self.again(x))


class Steps(nn.Module):
    """Calls a part of a part once more by itself, and multiplies samples by each place's matrix."""

    def __init__(self) -> None:
        super().__init__()
        embed = nn.Sequential(nn.Linear(5, 5), nn.GELU(), nn.Linear(5, 5))
        self.block = nn.Sequential(OrderedDict(embed=embed, fc=nn.Linear(5, 5)))
        self.weight = nn.Parameter(torch.randn(5, 1, 3))

    def forward(self, x: torch.Tensor) -> Any:
        y = self.block(x) + self.block.get_submodule("embed")(x)
        return (y.t()[..., None] @ self.weight).transpose(0, 1).flatten(1)


@pytest.mark.parametrize("kind", [Kinds, Named, Steps])
def test_source_has_the_keys_and_the_numbers_of_a_module(kind: type[nn.Module]) -> None:
    module, x = kind().eval(), torch.linspace(-2, 2, 5)[None]
    graph = archcalc.from_torch(module, x)
    space: dict[str, Any] = {"__name__": "exported"}
    exec(str(archcalc.export(graph)), space)
    exported = space[kind.__name__]().eval()
    exported.load_state_dict(module.state_dict())
    torch.testing.assert_close(exported(x), module(x))
    found = archcalc.against(graph, lambda: module, device="cpu")
    assert found.ok
    assert found.distance is not None
    assert found.distance < 1e-6


def test_a_package_whose_name_begins_with_torch_is_an_author() -> None:
    home = f"{Path(torch.__file__).parent}vision/net.py"
    text = (
        "from torch import nn\nclass Net(nn.Module):\n  def forward(self, x): return x + x.relu()"
    )
    space: dict[str, Any] = {"__name__": "net"}
    exec(compile(text, home, "exec"), space)
    graph = archcalc.from_torch(space["Net"](), (1, 4))
    origin = graph.nodes[-1].origin
    assert origin is not None
    assert origin.function == "operator.add"


def test_a_network_of_one_value_a_channel_is_trained_on_two() -> None:
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    assert archcalc.crosscheck(archcalc.from_torch(pooled, (1, 3, 4, 4)), device="cpu").ok


class Stepped(nn.Module):
    """Takes a number a sample, and reads a mask off numbers that it makes."""

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        mask = torch.ones(4, 4, dtype=torch.bool, device=x.device).triu(1)
        return (x * t.float()[:, None]).masked_fill(mask, 0.0)


def test_an_input_may_be_one_number_a_sample(tmp_path: Path) -> None:
    (tmp_path / "stepped.py").write_text(
        f"import torch\nfrom torch import nn\n\n\n{inspect.getsource(Stepped)}", encoding="utf-8"
    )
    graph = graph_of(f"torch:{tmp_path / 'stepped.py'}:Stepped@x=4x4;t=int64")
    assert graph.inputs == {"x": (1, 4, 4), "t": (1,)}
    assert archcalc.crosscheck(graph, device="meta").ok
    address = f"torch:{tmp_path / 'stepped.py'}:Stepped"
    command = ["table", address, "--input", "x=4x4", "--input", "t=int64", "--format", "json"]
    result = CliRunner().invoke(application("table"), command)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["input"] == {"x": [1, 4, 4], "t": [1]}


class Shifted(nn.Module):
    """Windows whose mask is written part by part, in each pass anew, as Swin's is."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> Any:
        mask = x.new_zeros((6, 6))
        for number, rows in enumerate((slice(0, -2), slice(-2, None))):
            for column, columns in enumerate((slice(0, -2), slice(-2, None))):
                mask[rows, columns] = 2 * number + column
        return self.fc(x) + mask.view(1, 36, 1)


def test_a_mask_that_rests_on_no_input_is_one_layer_whose_numbers_are_not_made_up() -> None:
    graph = archcalc.from_torch(Shifted(), (1, 36, 4))
    kinds = [type(node.op).__name__ for node in graph.nodes]
    assert sorted(kinds) == ["Add", "DeclaredOperator", "Linear", "Reshape"]
    assert archcalc.analyze(graph).macs == 36 * 4 * 4
    with pytest.raises(ArchcalcError):
        archcalc.build(graph)


class Biased(nn.Module):
    """Uses a layer's bias by itself, before the layer or after it."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.layer, self.first = nn.Linear(8, 8), first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.first:
            return nn.functional.relu(self.layer(x + self.layer.bias))
        made: torch.Tensor = self.layer(x)
        bias: torch.Tensor = self.layer.bias
        return made * self.layer.weight.mean() + bias


@pytest.mark.parametrize("first", [True, False])
def test_a_part_of_a_layer_that_is_used_by_itself_is_owned_once(first: bool) -> None:
    graph = archcalc.from_torch(Biased(first), (1, 8))
    assert archcalc.analyze(graph).params == 8 * 8 + 8
    assert archcalc.analyze(archcalc.to_spec(graph)).params == 8 * 8 + 8


def test_a_graphs_nodes_and_edges_are_taken_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "graphs.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layer = torch.nn.Linear(4, 3)\n"
        "    def forward(self, x, edges):\n"
        "        source, target = edges\n"
        "        zeros = torch.zeros(5, 3, device=x.device)\n"
        "        return zeros.index_add(0, target, self.layer(x)[source])\n"
    )
    address = f"torch:{tmp_path}/graphs.py:Net@x=5x4;edges=int64:2x7"
    graph = archcalc.expand(address)
    assert graph.inputs == {"x": (1, 5, 4), "edges": (1, 2, 7)}
    assert archcalc.analyze(graph).params == 4 * 3 + 3
    # Two samples would be two graphs, which the call takes for one.
    assert archcalc.crosscheck(address, device="cpu").ok


def test_what_would_have_to_be_run_is_refused_where_it_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numbers.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layer = torch.nn.Linear(400, 500)\n"
        "    def forward(self, x):\n"
        "        return self.layer(x) if x.max() > 0 else -self.layer(x)\n"
    )
    address = f"torch:{tmp_path}/numbers.py:Net@400"
    monkeypatch.setattr(
        "archcalc.frontends.torch.source._memory", lambda: 4 * 4 * (400 * 500 + 500) - 1
    )
    with pytest.raises(ArchcalcError, match="more than a quarter of this machine"):
        archcalc.analyze(address)


class PooledByAttention(nn.Module):
    """CLIP's pooling: three projections whose biases are joined, and taken apart again inside."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(8, n) for n in (8, 8, 8, 4))

    def forward(self, x: torch.Tensor) -> Any:
        x = x.permute(1, 0, 2)
        return F.multi_head_attention_forward(
            query=x,
            key=x,
            value=x,
            embed_dim_to_check=8,
            num_heads=2,
            in_proj_weight=None,
            in_proj_bias=torch.cat([self.q.bias, self.k.bias, self.v.bias]),
            bias_k=None,
            bias_v=None,
            add_zero_attn=False,
            dropout_p=0.0,
            out_proj_weight=self.out.weight,
            out_proj_bias=self.out.bias,
            training=False,
            need_weights=False,
            use_separate_proj_weight=True,
            q_proj_weight=self.q.weight,
            k_proj_weight=self.k.weight,
            v_proj_weight=self.v.weight,
        )[0]


class Tied(nn.Module):
    """Two layers, of which the second has the first one's weight, or its bias, and no more."""

    def __init__(self, first: nn.Module, second: nn.Module, name: str) -> None:
        super().__init__()
        self.first, self.second = first, second
        setattr(second, name, getattr(first, name))

    def forward(self, x: torch.Tensor) -> Any:
        return self.second(self.first(x))


class Joined(nn.Module):
    """Two layers' tensors are joined, and parts of them are weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> Any:
        weight = torch.cat([self.first.weight, self.second.weight])
        bias = torch.cat([self.first.bias, self.second.bias])
        return F.linear(x, weight[:8], bias[:8]) + F.linear(x, weight[8:], bias[8:])


@pytest.mark.parametrize(
    ("module", "shape", "params"),
    [
        (PooledByAttention(), (1, 5, 8), 3 * (64 + 8) + 32 + 4),
        (Tied(nn.Linear(8, 8), nn.Linear(8, 8), "weight"), (1, 8), 64 + 8 + 8),
        (Tied(nn.Linear(8, 8), nn.Linear(8, 8), "bias"), (1, 8), 64 + 64 + 8),
        (Tied(nn.Linear(8, 8, bias=False), nn.Linear(8, 8), "weight"), (1, 8), 64 + 8),
        (Tied(nn.Conv1d(8, 8, 1), nn.Conv1d(8, 8, 1), "weight"), (1, 8, 3), 64 + 8 + 8),
        (Tied(nn.Conv1d(8, 8, 1), nn.Conv1d(8, 8, 1), "bias"), (1, 8, 3), 64 + 64 + 8),
        (Joined(), (1, 8), 2 * (64 + 8)),
    ],
)
def test_layers_that_share_one_tensor_have_each_their_other_one(
    module: nn.Module, shape: tuple[int, ...], params: int
) -> None:
    graph = archcalc.from_torch(module, shape)
    assert archcalc.analyze(graph).params == params
    assert archcalc.analyze(archcalc.to_spec(graph)).params == params


def test_axes_are_moved() -> None:
    class Moved(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return x.movedim(1, -1).movedim((3, 2), (1, 3))

    graph = archcalc.from_torch(Moved(), (1, 2, 3, 5))
    # (1, 3, 5, 2); then axis 3 stands at 1, axis 2 at 3, and what is left between.
    assert [node.shape for node in graph.nodes] == [(1, 3, 5, 2), (1, 2, 3, 5)]
    assert [type(node.op).__name__ for node in graph.nodes] == ["Permute", "Permute"]


def test_of_a_tensor_that_stands_for_one_no_numbers_are_known() -> None:
    with FakeTensorMode():
        assert rule(torch.zeros(3)) is None
    assert rule(torch.zeros(3)) is not None


class Narrow(nn.Module):
    """A branch of two convolutions and one of one."""

    sizes = (4, 6, 8, 10)
    kernels = (1, 3, 5, 7)

    def __init__(self) -> None:
        super().__init__()
        for number, (out, side) in enumerate(zip(self.sizes, self.kernels, strict=True)):
            setattr(self, f"conv{number}", nn.Conv2d(28, out, side, padding=side // 2))

    def forward(self, x: torch.Tensor) -> Any:
        return torch.cat([getattr(self, f"conv{number}")(x) for number in range(4)], 1)


class Broad(Narrow):
    """The same with other numbers throughout."""

    sizes = (7, 9, 5, 7)
    kernels = (5, 1, 7, 3)


def test_classes_with_other_numbers_throughout_are_a_block_each() -> None:
    kinds = (Narrow, Narrow, Narrow, Broad, Broad, Broad)
    net = nn.Sequential(nn.Conv2d(3, 28, 1), *(kind() for kind in kinds))
    data = written(archcalc.from_torch(net, (1, 3, 16, 16)))
    assert {name: list(block.get("args", {})) for name, block in data["blocks"].items()} == {
        "narrow": [],
        "broad": [],
    }
    assert [layer.get("block") for layer in data["layers"].values()][1:] == [
        *("narrow",) * 3,
        *("broad",) * 3,
    ]


class Swapped(nn.Module):
    """Its second part's layers begin first, and use a layer that stands in the first part."""

    def __init__(self) -> None:
        super().__init__()
        self.early = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)])
        self.late = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4), self.early[1]])

    def forward(self, x: torch.Tensor) -> Any:
        y = self.late[1](self.late[0](x).relu())
        z = self.early[2](self.early[1](self.early[0](x).relu()).tanh())
        return y + z + self.late[2](x)


def test_a_part_stands_behind_those_whose_tensors_it_uses() -> None:
    graph = archcalc.from_torch(Swapped(), (1, 4))
    data, named = readable(graph)
    assert same_layers(archcalc.expand(archcalc.load(data)), named)
    assert archcalc.analyze(archcalc.load(data)).params == 5 * 20
    assert "early" in data["layers"]  # and is no row of layers without a part


class Unit(nn.Module):
    """Its first layer is called as what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.input, self.out = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> Any:
        return self.out(self.input(x))


class Pair(nn.Module):
    """Its parts are called as its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.text = Unit(), Unit()

    def forward(self, image: torch.Tensor, text: torch.Tensor) -> Any:
        return self.image(image) + self.text(text)


def test_parts_that_are_called_as_an_input_are_parts_all_the_same() -> None:
    graph = archcalc.from_torch(Pair(), (1, 4), (1, 4))
    data, named = readable(graph)
    assert list(data["blocks"]) == ["unit"]
    assert list(data["layers"]) == ["image_", "text_", "add"]
    assert same_layers(archcalc.expand(archcalc.load(data)), named)
    space: dict[str, Any] = {"__name__": "pair"}
    exec(source(graph), space)
    assert space["Pair"]().state_dict().keys() == Pair().state_dict().keys()


def test_a_lone_input_may_be_called_as_its_author_calls_it(tmp_path: Path) -> None:
    code = """
        from torch import nn


        class Lone(nn.Module):
            def forward(self, sample):
                return sample.relu()
    """
    (tmp_path / "lone.py").write_text(dedent(code))
    address = f"torch:{tmp_path / 'lone.py'}:Lone"
    for said, code_ in (("sample=4", 0), ("4", 0), ("smaple=4", 2)):
        command = ["table", address, "--input", said, "--format", "json"]
        result = CliRunner().invoke(application("table"), command)
        assert result.exit_code == code_, result.stderr
        assert code_ or json.loads(result.stdout)["input"] == [1, 4]
