"""The source of a module that was captured has the module's ``state_dict``, and its outputs."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import archcalc


class Ladder(nn.Module):
    """Lists that a loop goes through, with functions of the loop's own between their members."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, 2 * c, 3, padding=1), nn.BatchNorm2d(2 * c), nn.ReLU())
            for c in (4, 8, 16)
        )
        self.up = nn.ModuleList(
            nn.ModuleList([nn.ConvTranspose2d(2 * c, c, 2, 2), nn.Conv2d(2 * c, c, 3, padding=1)])
            for c in (16, 8)
        )

    def forward(self, x: Tensor) -> Any:
        kept = []
        for k, part in enumerate(self.down):
            x = part(x if k == 0 else functional.max_pool2d(x, 2))
            kept.append(x)
        up: Any = self.up
        for (widen, fuse), beside in zip(up, kept[-2::-1], strict=True):
            x = functional.relu(fuse(torch.cat([widen(x), beside], 1)))
        return x


class Residual(nn.Module):
    """Equal parts, each of which is added to what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            nn.Sequential(nn.Linear(6, 12), nn.SiLU(), nn.Linear(12, 6)) for _ in range(3)
        )

    def forward(self, x: Tensor) -> Any:
        for part in self.parts:
            x = x + part(x)
        return x


class Holder(nn.Module):
    """Modules that stand in others, whose ``forward`` is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.ModuleDict(
            {
                "first": nn.Linear(6, 4),
                "rest": nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 6)}),
            }
        )
        self.steps = nn.ModuleList([nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4)])

    def forward(self, x: Tensor) -> Any:
        inner: Any = self.inner
        y = torch.tanh(inner["first"](x))
        y = self.steps[2](y) + inner["rest"]["a"](self.steps[0](y))
        return inner["rest"]["b"](self.steps[1](y))


class Tokens(nn.Module):
    """Tensors that stand in modules by themselves: with an axis for the batch, without, a scalar,
    a buffer, and a weight that is taken by itself before its layer and after.
    """

    mean: Tensor
    passing: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 6)
        self.token = nn.Parameter(torch.randn(1, 1, 6))
        self.scale = nn.Parameter(torch.randn(6))
        self.log_gain = nn.Parameter(torch.tensor(0.5))
        self.gains = nn.ParameterList([nn.Parameter(torch.randn(6)) for _ in range(2)])
        self.register_buffer("mean", torch.randn(1, 6))
        self.register_buffer("passing", torch.zeros(6), persistent=False)

    def forward(self, x: Tensor) -> Any:
        near = (x @ self.words.weight.T).argmax(-1)
        x = torch.cat([self.token.expand(len(x), -1, -1), x + self.words(near)], 1)
        x = (x - self.mean + self.passing) * self.scale * self.log_gain
        return x * self.gains[0] * self.gains[1] @ self.words.weight.T


class Again(nn.Module):
    """Modules that are called twice, a layer and a block, which have one state."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.part = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 6))

    def forward(self, x: Tensor) -> Any:
        y = self.part(self.fc(x))
        return self.part(self.fc(torch.sigmoid(y)) * 2)


class Bare(nn.Module):
    """Functions that are given tensors of the module's own, one of them made of another."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(8, 6))
        self.shift = nn.Parameter(torch.randn(8))
        self.second = nn.Parameter(torch.randn(8, 4))
        self.gain = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("kernel", torch.rand(3, 1, 3))
        self.kernel: Tensor
        self.words = nn.Embedding(5, 4)

    def forward(self, x: Tensor) -> Any:
        x = functional.layer_norm(functional.linear(x, self.first, self.shift), (8,))
        x = functional.linear(functional.gelu(x), self.second.T * self.gain)
        x = functional.conv1d(x, self.kernel, padding=1, groups=3)
        return functional.linear(x, self.words.weight), self.words(x.argmax(-1))


class Masks(nn.Module):
    """What a module makes of no input: masks, grids, angles; and writes into parts of it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        n, d = x.shape[1:]
        mask = torch.triu(torch.full((n, n), float("-inf"), device=x.device), 1)
        places = torch.arange(1, 2 * n, 2, device=x.device).unsqueeze(1)
        angles = places * torch.exp(torch.arange(0, d, 2, device=x.device) * -0.7)
        table = torch.zeros(n, d, device=x.device)
        table[:, 0::2] = angles.sin()
        table[:, 1::2] = angles.cos()
        x = x + table + torch.linspace(-1, 1, d, device=x.device)
        y = (self.fc(x) @ x.transpose(1, 2) + mask).softmax(-1) @ x
        y[:, 1:] += 1
        return torch.where(y > torch.tensor([0.0, 1, 0, 1, 0, 1]), y, 0.25)


class Waves(nn.Module):
    """Complex numbers and a transform that archcalc does not count."""

    turns: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4, 3, 2))
        self.register_buffer("turns", torch.polar(torch.ones(5, 1), torch.rand(5, 1)))

    def forward(self, x: Tensor) -> Any:
        turned = torch.view_as_complex(x.reshape(*x.shape[:2], -1, 2)) * self.turns
        x = torch.view_as_real(turned).flatten(2)
        part = torch.fft.rfft(x.reshape(len(x), 4, -1))[..., :3]
        part = torch.einsum("bim,iom->bom", part, torch.view_as_complex(self.weight))
        return torch.fft.irfft(part, n=10)


class Normed(nn.Module):
    """Weights that are computed of others, in PyTorch's ways, the older and the newer."""

    def __init__(self) -> None:
        super().__init__()
        by = nn.utils.parametrizations
        self.new = by.weight_norm(nn.Conv1d(5, 4, 3, padding=1))
        self.up = by.weight_norm(nn.ConvTranspose1d(4, 4, 2, 2))
        self.other = by.weight_norm(nn.Linear(12, 12), dim=1)
        self.whole = by.weight_norm(nn.Linear(12, 12), dim=None)  # type: ignore[arg-type]  # as its docs say
        self.largest = by.spectral_norm(nn.Linear(12, 6))
        self.old = nn.utils.spectral_norm(nn.Linear(6, 6))
        self.rnn = by.weight_norm(
            by.weight_norm(nn.GRU(6, 4, batch_first=True), "weight_ih_l0"), "weight_hh_l0"
        )

    def forward(self, x: Tensor) -> Any:
        x = self.whole(self.other(self.up(self.new(x))))
        return self.rnn(self.old(self.largest(x)))[0]


class Indices(nn.Module):
    """Buffers of whole numbers, by which something is looked up."""

    order: Tensor
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(9, 6))
        self.register_buffer("order", torch.tensor([3, 1, 4, 1, 5]))
        self.register_buffer("seen", torch.tensor([True, False, True, True, True]))

    def forward(self, x: Tensor) -> Any:
        return (x + self.table[self.order]) * self.seen[:, None]


class States(nn.Module):
    """States of recurrent layers, handed on."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.LSTM(6, 4, 2, batch_first=True, bidirectional=True)
        self.write = nn.GRU(6, 4, 4)
        self.heads = nn.Sequential(nn.Sequential(nn.Linear(4, 3), nn.ReLU()))

    def forward(self, x: Tensor) -> Any:
        _, (h, c) = self.read(x)
        y, last = self.write(x.transpose(0, 1), h + c)
        return self.heads(y[-1]), last


class Spare(nn.Module):
    """Modules that are not called, with buffers of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Sequential(nn.Conv1d(5, 4, 3), nn.BatchNorm1d(4))
        self.spare = nn.Sequential(nn.Conv1d(4, 4, 3), nn.BatchNorm1d(4))

    def forward(self, x: Tensor) -> Any:
        return self.used(x)


class Mixed(nn.Module):
    """A row of modules whose first layers are all called before the second ones."""

    def __init__(self) -> None:
        super().__init__()
        pairs = ((nn.Linear(6, 6), nn.Sequential(nn.Linear(6, 6), nn.ReLU())) for _ in range(3))
        self.rows = nn.ModuleList(nn.ModuleList(pair) for pair in pairs)

    def forward(self, x: Tensor) -> Any:
        firsts, seconds = zip(*map(nn.Module.children, self.rows), strict=True)
        ys = [first(x) for first in firsts]
        return sum(second(y) for second, y in zip(seconds, ys, strict=True))


class Padded(nn.Conv1d):
    """A convolution with a module within it that keeps what came before."""

    def __init__(self) -> None:
        super().__init__(4, 4, 3)
        self.past = nn.Module()
        self.past.register_buffer("frames", torch.ones(1, 4, 2))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.pad(x, (2, 0)))


class Causal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.plain = Padded()
        self.normed = nn.utils.parametrizations.weight_norm(Padded())

    def forward(self, x: Tensor) -> Any:
        return self.normed(self.plain(x))


class Ordered(nn.Module):
    """The least, and all in falling order."""

    def forward(self, x: Tensor) -> Any:
        return x.topk(2, largest=False)[0], x.sort(descending=True)[1], x.topk(3)[1]


class Tied(nn.Module):
    """A head that has the embedding's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 6)
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 50, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x: Tensor) -> Any:
        return self.head(self.norm(self.embed(x.abs().long())))


class Head(nn.Module):
    """One that has the embedding's weight and takes what the embedding gives."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 6)
        self.head = nn.Linear(6, 50, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x: Tensor) -> Any:
        return self.head(self.embed(x.abs().long()))


class Cell(nn.Module):
    """One step of a recurrent layer with two states."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.Linear(8, 16)
        self.out = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        take, keep, give, new = self.gates(torch.cat([x, state[0]], 1)).chunk(4, 1)
        c = keep.sigmoid() * state[1] + take.sigmoid() * new.tanh()
        return self.out(give.sigmoid() * c.tanh()), c


class Steps(nn.Module):
    """A loop over time in each of several cells."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.ModuleList([Cell(), Cell()])

    def forward(self, x: Tensor) -> Any:
        steps = list(x.unbind(1))
        state = steps[0], steps[1]
        for cell in self.cells:
            for k, step in enumerate(steps):
                state = cell(step, state)
                steps[k] = state[0]
        return torch.stack(steps, 1), state[1]


class Part(nn.Module):
    """A module that does more where it is given more."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Linear(6, 8)
        self.body = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
        self.back = nn.Linear(8, 6)

    def forward(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        y = self.body(self.wide(x))
        if beside is not None:
            y = y * torch.cat([beside, beside], 1)[:, :8]
        found: Tensor = self.back(y)
        return found


class Otherwise(nn.Module):
    """One whose calls differ."""

    def __init__(self) -> None:
        super().__init__()
        self.part = Part()

    def forward(self, x: Tensor) -> Any:
        y = self.part(x)
        return self.part(self.part(y, x), y)


class Attended(nn.Module):
    """PyTorch's attention with the batch first, as its encoder has it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        return self.layer(x)


class Lent(nn.Module):
    """Tensors of layers that are used by themselves, one of which is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(6, 8)
        self.down = nn.Linear(6, 8)

    def forward(self, x: Tensor) -> Any:
        y = self.up(x)
        return functional.linear(y, self.down.weight.t(), self.up.bias[:6])


class Scored(nn.Module):
    """Losses and likenesses, some of them numbers and some a number a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(6, 4)
        self.other = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Any:
        a, b = self.one(x), self.other(x).sigmoid()
        return (
            functional.binary_cross_entropy_with_logits(a, b),
            functional.binary_cross_entropy(a.sigmoid(), b, reduction="sum"),
            functional.cosine_similarity(a, b),
            functional.pairwise_distance(a, b),
            functional.smooth_l1_loss(a, b),
            functional.mse_loss(a, b, reduction="none"),
            functional.kl_div(a.log_softmax(1), b, reduction="sum"),
            a.argsort(1, descending=True),
        )


class Heads(nn.Module):
    """Computes what it doesn't return, with layers that stand in a list of their own besides."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(6, 6)
        self.heads = nn.ModuleList(nn.Linear(6, 2) for _ in range(3))
        self.rows = nn.ModuleList(nn.Sequential(self.stem, nn.Linear(6, 6)) for _ in range(2))

    def forward(self, x: Tensor) -> Any:
        x = self.stem(x)
        for row in self.rows:
            x = x + row(x)
        scale = torch.tensor([3, 5], device=x.device)
        return [head(x) * scale for head in self.heads][-1]


class Drawn(nn.Module):
    """Noise of the shape of something that it computes, as a variational autoencoder draws it."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Linear(6, 3)
        self.spread = nn.Linear(6, 3)
        self.decode = nn.Linear(3, 6)

    def forward(self, x: Tensor) -> Any:
        std = torch.exp(0.5 * self.spread(x))
        return self.decode(self.mean(x) + torch.randn_like(std) * std)


class Sliced(nn.Module):
    """A loop through the rest of a list, and through the rest of that."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(6, 6) for _ in range(5))

    def forward(self, x: Tensor) -> Any:
        x = self.parts[0](x)
        for part in self.parts[1:-1][1:]:
            x = x + torch.relu(part(x))
        return self.parts[-1](x) + self.parts[1](x)


class Turned(nn.Module):
    """Orthogonal weights, which are computed of a tensor and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.utils.parametrizations.orthogonal(nn.Linear(6, 6))
        self.second = nn.utils.parametrizations.orthogonal(nn.Linear(6, 6))

    def forward(self, x: Tensor) -> Any:
        return self.second(torch.relu(self.first(x)))


class Constant(nn.Module):
    """A cell with a state of two tensors, whose class has the name of one of ours."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gates = nn.Linear(width + 3, 6)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> Any:
        kept, new = self.gates(torch.cat([x, h], -1)).chunk(2, -1)
        c = torch.sigmoid(kept) * c + torch.tanh(new)
        return torch.tanh(c), c


class Cells(nn.Module):
    """Cells that are called again, the last time for one of what they give."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.ModuleList([Constant(4), Constant(3)])

    def forward(self, xs: Tensor) -> Any:
        states = [(torch.zeros(len(xs), 3), torch.zeros(len(xs), 3)) for _ in range(2)]
        for x in xs.unbind(1):
            for k, cell in enumerate(self.cells):
                states[k] = cell(x, *states[k])
                x = states[k][0]
        return x


MODULES: dict[str, tuple[type[nn.Module], tuple[int, ...]]] = {
    "ladder": (Ladder, (2, 4, 16, 16)),
    "residual": (Residual, (2, 5, 6)),
    "holder": (Holder, (2, 6)),
    "tokens": (Tokens, (1, 5, 6)),
    "again": (Again, (2, 6)),
    "bare": (Bare, (1, 3, 6)),
    "masks": (Masks, (1, 5, 6)),
    "waves": (Waves, (1, 5, 8)),
    "tied": (Tied, (1, 6)),
    "head": (Head, (2, 5)),
    "ordered": (Ordered, (2, 5)),
    "normed": (Normed, (2, 5, 6)),
    "indices": (Indices, (2, 5, 6)),
    "states": (States, (1, 5, 6)),
    "spare": (Spare, (2, 5, 6)),
    "mixed": (Mixed, (2, 6)),
    "causal": (Causal, (1, 4, 8)),
    "steps": (Steps, (2, 3, 4)),
    "otherwise": (Otherwise, (2, 6)),
    "heads": (Heads, (2, 6)),
    "attended": (Attended, (2, 5, 8)),
    "lent": (Lent, (2, 6)),
    "scored": (Scored, (1, 6)),
    "drawn": (Drawn, (2, 6)),
    "sliced": (Sliced, (2, 6)),
    "turned": (Turned, (2, 6)),
    "cells": (Cells, (1, 3, 4)),
}


def made(text: str, name: str) -> nn.Module:
    """A network by its source."""
    known: dict[str, Any] = {}
    exec(text, known)
    network = known[name]()
    assert isinstance(network, nn.Module)
    return network.eval()


CASES = [
    (case, written)
    for case in MODULES
    for written in (False, True)
    if not (written and case == "waves")  # of which no spec says all
]


@pytest.mark.parametrize(("case", "written"), CASES)
def test_a_module_written_again_takes_its_state_and_gives_its_output(
    case: str, written: bool
) -> None:
    kind, shape = MODULES[case]
    torch.manual_seed(0)
    module = kind().eval()
    graph = archcalc.from_torch(module, shape)
    text = archcalc.export(archcalc.to_spec(graph) if written else graph)
    assert isinstance(text, str)
    again = made(text, kind.__name__)
    assert {k: v.shape for k, v in again.state_dict().items()} == {
        k: v.shape for k, v in module.state_dict().items()
    }
    again.load_state_dict(module.state_dict())
    for name, buffer in module.named_buffers():
        again.get_buffer(name).copy_(buffer)  # what no state has, too
    x = torch.randn(shape)
    found = []
    for each in (again, module):
        torch.manual_seed(1)  # some draw numbers
        found.append(flat(each(x)))
    torch.testing.assert_close(*found)


def flat(outputs: Any) -> list[Tensor]:
    """The numbers of all outputs, which may have an axis for the batch in front."""
    return [y.flatten() for y in (outputs if isinstance(outputs, tuple) else (outputs,))]


def test_a_network_that_is_built_computes_what_no_operator_says() -> None:
    kind, shape = MODULES["masks"]
    torch.manual_seed(0)
    module = kind().eval()
    built = archcalc.build(archcalc.from_torch(module, shape)).eval()
    built.load_state_dict(module.state_dict())
    x = torch.randn(shape)
    torch.testing.assert_close(built(x), module(x))


def test_the_source_of_a_module_on_meta_knows_the_numbers_that_are_written_in_it() -> None:
    kind, shape = MODULES["heads"]
    graph = archcalc.from_torch(kind().to("meta"), shape)
    text = archcalc.export(archcalc.to_spec(graph))
    assert isinstance(text, str)
    assert "torch.tensor((3, 5)" in text
    assert "Made up" not in text
    module, again = kind(), made(text, "Heads")
    again.load_state_dict(module.state_dict())
    x = torch.randn(shape)
    torch.testing.assert_close(again(x), module(x))


def test_outputs_without_a_batch_are_their_authors() -> None:
    kind, shape = MODULES["scored"]
    text = archcalc.export(archcalc.from_torch(kind(), shape))
    assert isinstance(text, str)
    shapes = [[y.shape for y in net(torch.randn(shape))] for net in (made(text, "Scored"), kind())]
    assert shapes[0] == shapes[1]


def test_classes_have_their_authors_names_but_where_these_are_taken() -> None:
    kind, shape = MODULES["cells"]
    text = archcalc.export(archcalc.from_torch(kind(), shape))
    assert isinstance(text, str)
    assert re.findall(r"^class (\w+)", text, re.MULTILINE) == ["Constant", "Constant2", "Cells"]


def test_a_network_that_returns_much_has_short_lines() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for k in range(9):
                setattr(self, f"head_of_number_{k}", nn.Linear(6, 6))

        def forward(self, x: Tensor) -> Any:
            return [getattr(self, f"head_of_number_{k}")(x) for k in range(9)]

    text = archcalc.export(archcalc.from_torch(Heads(), (2, 6)))
    assert isinstance(text, str)
    assert max(map(len, text.splitlines())) <= 100
    assert made(text, "Heads").train()(torch.randn(2, 6))[0].shape == (2, 6)


def test_a_member_of_a_list_that_is_not_called_is_stored_and_gives_nothing() -> None:
    class Some(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows = nn.ModuleList(nn.Sequential(nn.Linear(6, 6)) for _ in range(3))

        def forward(self, x: Tensor) -> Any:
            return self.rows[1](self.rows[0](x))

    module = Some()
    again = made(str(archcalc.export(archcalc.from_torch(module, (2, 6)))), "Some")
    again.load_state_dict(module.state_dict())
    x = torch.randn(3, 6)
    torch.testing.assert_close(again.train()(x), module(x))


@pytest.mark.parametrize("case", ["waves", "indices"])
def test_a_network_that_is_built_has_the_dtypes_of_its_module(case: str) -> None:
    kind, shape = MODULES[case]
    module = kind().eval()
    built = archcalc.build(archcalc.from_torch(module, shape)).eval()
    kinds = [{t.dtype for t in each.state_dict().values()} for each in (built, module)]
    assert kinds[0] == kinds[1]
    assert built(torch.randn(shape)).shape == module(torch.randn(shape)).shape
