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


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
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
    ("module", "given"), [(Offset(), torch.tensor([[1, 2]])), (Causal(), torch.randn(1, 4, 3))]
)
def test_what_an_author_means_is_no_fault_when_it_runs(module: nn.Module, given: Tensor) -> None:
    assert archcalc.crosscheck(archcalc.from_torch(module, given), device="cpu").ok
