"""Source of an imported module has its ``state_dict``, and gives what it gives, in any batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

import archcalc
from archcalc import Graph
from archcalc.frontends.fold import readable
from archcalc.spec.form import as_yaml


def exported(graph: Graph | archcalc.Spec, module: nn.Module) -> nn.Module:
    """The module of the source, with another's tensors, all of which it has."""
    space: dict[str, Any] = {"__name__": "exported"}
    exec(str(archcalc.export(graph)), space)
    kinds = [each for each in space.values() if isinstance(each, type)]
    made = [kind for kind in kinds if issubclass(kind, nn.Module) and kind.__module__ == "exported"]
    found: nn.Module = made[-1]().eval()
    found.load_state_dict(module.state_dict())
    return found


def tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def require_same(module: nn.Module, source: nn.Module, *inputs: Any) -> None:
    with torch.no_grad():
        wanted, found = tensors(module(*inputs)), tensors(source(*tensors(inputs)))
    assert [each.shape for each in found] == [each.shape for each in wanted]
    torch.testing.assert_close(found, wanted)


# One sample as a whole ----------------------------------------------------------------------------


class Edges(nn.Module):
    """A layer of a graph whose nodes and edges have no batch; and one number of all nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.pool = nn.Linear(3, 2)

    def forward(self, x: Tensor, edges: Tensor) -> Any:
        source, target = edges
        y = torch.zeros(len(x), 3).index_add(0, target, self.layer(x)[source])
        return y, self.pool(y.mean(0, keepdim=True)), y.sum()


class Adjacent(nn.Module):
    """The same with a matrix, whose rows are as many as the nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3))

    def forward(self, x: Tensor, adjacency: Tensor) -> Any:
        return torch.log_softmax(torch.mm(adjacency, torch.mm(x, self.weight)), 1)


@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        (Edges(), (torch.randn(5, 4), torch.tensor([[0, 1, 4], [2, 2, 3]]))),
        (Adjacent(), (torch.randn(5, 4), torch.rand(5, 5))),
    ],
)
def test_what_is_called_on_no_batch_has_source_that_is_called_so(
    module: nn.Module, inputs: tuple[Tensor, ...]
) -> None:
    graph = archcalc.from_torch(module, *inputs)
    assert not graph.batched
    assert [shape[0] for shape in graph.inputs.values()] == [1, 1]
    require_same(module, exported(graph, module), *inputs)
    require_same(module, exported(archcalc.to_spec(graph), module), *inputs)


def test_a_spec_says_that_its_inputs_have_no_batch() -> None:
    module = Adjacent()
    data = readable(archcalc.from_torch(module, (5, 4), (5, 5)))[0]
    assert "batched: false" in as_yaml(data)
    spec = archcalc.load(data)
    assert not archcalc.validate(spec)
    assert not archcalc.expand(spec).batched
    source = str(archcalc.export(spec))
    assert source.count(".unsqueeze(0)") == 2
    assert "return x.squeeze(0)" in source


# Any batch ----------------------------------------------------------------------------------------


class Begins(nn.Module):
    """Begins a state with zeros for each sample."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(4, 6)

    def forward(self, x: Tensor) -> Any:
        h = torch.zeros(len(x), 6)
        for t in range(x.size(1)):
            h = self.cell(x[:, t], h)
        return h


class Tokens(nn.Module):
    """Spreads tokens and positions over the batch in three ways."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (nn.Parameter(torch.randn(1, 1, 4)) for _ in range(2))
        self.table = nn.Embedding(9, 4)

    def forward(self, x: Tensor) -> Any:
        b, n, _ = x.shape
        x = torch.cat([self.first.expand(b, -1, -1), self.second.repeat(b, 1, 1), x], 1)
        places = torch.arange(n + 2, device=x.device).unsqueeze(0).repeat(b, 1)
        return (x + self.table(places)).reshape(b, -1), x.new_zeros(b, 3) + x.mean((1, 2))[:, None]


class Places(nn.Module):
    """Picks neighbours of joined rows, by where each sample begins."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Any:
        b, n, c = x.shape
        near = -torch.cdist(x, x)
        index = (near.topk(2)[1] + torch.arange(b).view(-1, 1, 1) * n).view(-1)
        return self.fc(x.reshape(b * n, c)[index].view(b, n, 2 * c))


class Codes(nn.Module):
    """Writes ones into rows of all samples that are joined."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Embedding(7, 4)

    def forward(self, x: Tensor) -> Any:
        flat = x.reshape(-1, 4)
        index = (flat @ self.codes.weight.t()).argmin(1).unsqueeze(1)
        ones = torch.zeros(index.shape[0], 7)
        ones.scatter_(1, index, 1)
        return (ones @ self.codes.weight).view(x.shape)


class Modulated(nn.Module):
    """A convolution in which each sample has weights of its own, as groups."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 3, 3, 3))
        self.style = nn.Linear(4, 3)
        self.start = nn.Parameter(torch.randn(1, 3, 6, 6))

    def forward(self, z: Tensor) -> Any:
        b = len(z)
        weight = self.weight[None] * self.style(z)[:, None, :, None, None]
        x = self.start.repeat(b, 1, 1, 1).reshape(1, b * 3, 6, 6)
        y = nn.functional.conv2d(x, weight.view(b * 5, 3, 3, 3), padding=1, groups=b)
        return y.view(b, 5, 6, 6)


class Late(nn.Module):
    """Gives time first, and the batch second."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(4, 3)
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Any:
        y, _ = self.rnn(x.permute(1, 0, 2))
        t, b, h = y.shape
        return self.fc(y.view(t * b, h)).view(t, b, -1)


class Given(nn.Module):
    """Gives one tensor twice, and a number that no sample is in."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.heat = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Any:
        y = self.fc(x)
        return y, {"all": (x, y), "heat": self.heat.exp(), "row": self.fc.weight[:1]}


class Turned(nn.Module):
    """Looks at each sample through a grid of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(36, 6)

    def forward(self, x: Tensor) -> Any:
        theta = self.fc(x.flatten(1)).view(-1, 2, 3)
        grid = nn.functional.affine_grid(theta, list(x.shape), align_corners=False)
        return nn.functional.grid_sample(x, grid, align_corners=False)


class Begun(nn.Module):
    """A recurrent layer whose first states are computed of each sample."""

    def __init__(self) -> None:
        super().__init__()
        self.h, self.c = nn.Linear(4, 3), nn.Linear(4, 3)
        self.rnn = nn.LSTM(4, 3, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        first = x.mean(1)
        return self.rnn(x, (self.h(first).unsqueeze(0), self.c(first).unsqueeze(0)))[0]


class Squeezed(nn.Module):
    """Gives a sample alone without its axis, and a table of buffers by ids."""

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.register_buffer("table", torch.randn(6, 5))

    def forward(self, x: Tensor) -> Any:
        ids = self.fc(x).argmax(-1)
        return self.fc(x).squeeze(), nn.functional.embedding(ids, self.table)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (Turned, (1, 6, 6)),
        (Begun, (5, 4)),
        (Squeezed, (5, 4)),
        (Begins, (5, 4)),
        (Tokens, (5, 4)),
        (Places, (5, 4)),
        (Codes, (5, 4)),
        (Modulated, (4,)),
        (Late, (5, 4)),
        (Given, (4,)),
    ],
)
@pytest.mark.parametrize("captured", [1, 2])
def test_source_gives_the_same_in_any_batch_whatever_was_captured(
    kind: Callable[[], nn.Module], shape: tuple[int, ...], captured: int
) -> None:
    module = kind().eval()
    graph = archcalc.from_torch(module, (captured, *shape))
    assert {given[0] for given in graph.inputs.values()} == {captured}
    one = archcalc.analyze(archcalc.from_torch(module, (1, *shape)))
    assert archcalc.analyze(graph).macs == captured * one.macs
    source = exported(graph, module)
    for batch in (1, 2, 3):
        require_same(module, source, torch.randn(batch, *shape))
    assert archcalc.crosscheck(graph, device="cpu").ok


# Names and tensors --------------------------------------------------------------------------------


class Part(nn.Module):
    """A layer of what a mask leaves."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Any:
        return self.fc(x * self.get_buffer("mask"))


class Masked(nn.Module):
    """Parts of which two have one mask, which ``state_dict`` has twice."""

    def __init__(self) -> None:
        super().__init__()
        mask = torch.tensor([1.0, 0.0, 1.0, 0.0])
        self.parts = nn.ModuleList(Part(1 - mask if k == 1 else mask) for k in range(3))

    def forward(self, x: Tensor) -> Any:
        for part in self.parts:
            x = x + part(x)
        return x


class Asked(nn.Module):
    """An input that is called as a layer is."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 6)
        self.task = nn.Embedding(3, 6)

    def forward(self, x: Tensor, task: Tensor) -> Any:
        return self.fc(x) + self.task(task)


class Mirrored(nn.Module):
    """A function in the middle of a list of modules."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReflectionPad2d(1), nn.ReLU())

    def forward(self, x: Tensor) -> Any:
        return x + self.inner(x)


class Crossed(nn.Module):
    """Attention of a query that is not the key, whose weights and biases lie in one tensor each."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2)
        nn.init.normal_(self.attention.in_proj_bias)

    def forward(self, x: Tensor) -> Any:
        x = x.transpose(0, 1)
        mask = ~torch.tril(torch.ones(len(x), len(x), dtype=torch.bool))
        return self.attention(self.norm(x), x, x, attn_mask=mask)[0].transpose(0, 1)


@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        (Masked(), (torch.randn(1, 4),)),
        (Asked(), (torch.randn(1, 4), torch.tensor([2]))),
        (Mirrored(), (torch.randn(1, 3, 6, 6),)),
        (Crossed(), (torch.randn(1, 5, 8),)),
    ],
)
def test_source_has_the_tensors_and_the_numbers_of_what_strangers_write(
    module: nn.Module, inputs: tuple[Tensor, ...]
) -> None:
    module.eval()
    graph = archcalc.from_torch(module, *inputs)
    source = exported(graph, module)
    require_same(module, source, *inputs)
    require_same(module, source, *tree_map(lambda x: torch.cat([x, x, x.flip(0)]), inputs))
    assert archcalc.crosscheck(graph, device="cpu").ok


def test_an_input_that_is_called_as_a_layer_keeps_its_name() -> None:
    graph = archcalc.from_torch(Asked(), (1, 4), torch.tensor([2]))
    assert "def forward(self, x: Tensor, task: Tensor)" in str(archcalc.export(graph))


def test_a_table_of_buffers_is_no_parameter() -> None:
    found = archcalc.analyze(archcalc.from_torch(Squeezed(), (1, 5, 4)))
    assert (found.params, found.buffers) == (4 * 3 + 3, 6 * 5)


class Summed(nn.Module):
    """Sums what is of each graph, by a number that says of which it is."""

    def forward(self, x: Tensor, home: Tensor) -> Any:
        return torch.zeros(3, x.shape[1]).index_add_(0, home, x.relu())


class Offset(nn.Module):
    """Tables of several fields in one, where each begins at a number of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(12, 4)

    def forward(self, x: Tensor) -> Any:
        return self.table(x + x.new_tensor([0, 5]).unsqueeze(0))


class Causal(nn.Module):
    """A mask of infinite numbers, as it is added to scores."""

    def forward(self, x: Tensor) -> Any:
        mask = torch.triu(torch.full((x.shape[1], x.shape[1]), float("-inf")), diagonal=1)
        return torch.softmax(x @ x.transpose(1, 2) + mask, -1) @ x


@pytest.mark.parametrize(
    ("module", "given"),
    [
        (Offset(), (torch.tensor([[1, 2]]),)),
        (Causal(), (torch.randn(1, 4, 3),)),
        (Summed(), (torch.randn(5, 4), torch.tensor([0, 0, 1, 2, 2]))),
    ],
)
def test_what_an_author_means_is_no_fault_when_it_runs(
    module: nn.Module, given: tuple[Tensor, ...]
) -> None:
    assert archcalc.crosscheck(archcalc.from_torch(module, *given), device="cpu").ok


# What nothing takes -------------------------------------------------------------------------------


class Noisy(nn.Module):
    """A layer with a tensor and a strength of noise that it only adds in training."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.strength = nn.Parameter(torch.ones(()))
        self.register_buffer("noise", torch.randn(size, 6))

    def forward(self, x: Tensor) -> Any:
        y = self.fc(x)
        return y + self.strength * self.get_buffer("noise")[0] if self.training else y.relu()


def test_tensors_that_nothing_takes_stand_in_blocks_and_are_no_outputs() -> None:
    module = nn.Sequential(*(Noisy(2) for _ in range(4)), nn.Linear(6, 3))
    graph = archcalc.from_torch(module, (1, 6))
    analysis = archcalc.analyze(graph)
    assert (analysis.params, analysis.executed_params) == (4 * (42 + 1) + 21, 4 * 42 + 21)
    assert analysis.buffers == 4 * 2 * 6
    assert (graph.outputs, graph.training_outputs) == (("4",), ())
    data = readable(graph)[0]
    assert [*data["blocks"]] == ["noisy"]
    assert data["blocks"]["noisy"]["layers"]["noise"]["used"] is False
    spec = archcalc.load(data)
    assert not archcalc.validate(spec)
    assert archcalc.analyze(spec).params == analysis.params
    require_same(module.eval(), exported(graph, module), torch.randn(3, 6))
    assert "if self.training" not in str(archcalc.export(graph))
    assert "strength (not used)" in str(archcalc.table(graph, detail="layer"))


def test_a_tensor_that_is_said_to_be_used_has_to_be() -> None:
    layers: dict[str, Any] = {
        "kept": {"op": "Parameter", "shape": [3]},
        "fc": {"op": "Linear", "from": "input", "out_features": 2},
    }
    spec = {"name": "net", "input": [4], "layers": layers}
    (wrong,) = archcalc.validate(spec)
    assert "leads to no output" in str(wrong)
    layers["kept"]["used"] = False
    assert not archcalc.validate(spec)
    assert archcalc.analyze(spec).params == 3 + 4 * 2 + 2


def test_a_spec_with_other_names_is_that_of_import_and_has_the_same_source() -> None:
    module = Begins().eval()
    graph = archcalc.from_torch(module, (1, 9, 4))
    spec = archcalc.to_spec(graph, rename=True)
    assert [*spec.blocks] == ["step"]
    assert spec.document.data == readable(graph)[0]
    assert not archcalc.to_spec(graph).blocks
    for each in (spec, archcalc.to_spec(graph)):
        require_same(module, exported(each, module), torch.randn(3, 9, 4))
