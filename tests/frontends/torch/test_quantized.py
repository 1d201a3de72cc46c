"""Weights that are stored so that PyTorch doesn't count them: packed, plain, without a size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

import archcalc
from archcalc.spec.graph import Origin

quantization: Any = torch.ao.quantization
quantized: Any = torch.ao.nn.quantized

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(8, 16, batch_first=True, num_layers=2)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.recurrent(x)[0])  # type: ignore[no-any-return]


def _dynamic(module: nn.Module, dtype: torch.dtype = torch.qint8) -> nn.Module:
    kinds = {nn.Linear, nn.LSTM, nn.GRU}
    return quantization.quantize_dynamic(module, kinds, dtype)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4, bias=False)), (1, 8)),
        (Recurrent, (1, 5, 8)),
    ],
    ids=["Linear", "LSTM"],
)
def test_dynamically_quantized_weights_are_counted_as_numbers(
    module: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    plain = archcalc.analyze(archcalc.from_torch(module(), shape))
    graph = archcalc.from_torch(_dynamic(module()), shape)
    packed = archcalc.analyze(graph)
    assert packed.params == plain.params == sum(p.numel() for p in module().parameters())
    assert packed.macs == plain.macs
    assert [row.name for row in packed.rows] == [row.name for row in plain.rows]
    assert "weights of qint8 counted as numbers" in graph.edition


def test_a_quantized_module_by_itself_says_its_dtype_and_is_left_as_it_was() -> None:
    module = _dynamic(nn.Sequential(nn.Linear(8, 16)), torch.float16)
    before = module[0]  # type: ignore[index]
    graph = archcalc.from_torch(module, (1, 8))
    assert "float16" in graph.edition
    assert module[0] is before  # type: ignore[index]
    assert archcalc.analyze(archcalc.from_torch(before, (1, 8))).params == 8 * 16 + 16


class Static(nn.Module):
    """Convolution, batch normalization and ReLU, which are fused, a sum and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = quantization.QuantStub()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.sum = quantized.FloatFunctional()
        self.fc = nn.Linear(8 * 4 * 4, 5)
        self.dequant = quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.conv(self.quant(x))))
        x = self.sum.add(x, x)
        return self.dequant(self.fc(x.flatten(1)))  # type: ignore[no-any-return]


def test_statically_quantized_layers_do_what_plain_ones_do() -> None:
    module = quantization.fuse_modules(Static().eval(), [["conv", "norm", "relu"]])
    module.qconfig = quantization.get_default_qconfig(torch.backends.quantized.engine)
    quantization.prepare(module, inplace=True)
    module(torch.randn(2, 3, 4, 4))
    quantization.convert(module, inplace=True)
    found = archcalc.analyze(archcalc.from_torch(module, (1, 3, 4, 4)))
    # The normalization is in the convolution, which has a bias; 16 places of 3 x 3 x 3 taps.
    assert found.params == (8 * 27 + 8) + (128 * 5 + 5)
    assert found.macs == 16 * 8 * 27 + 128 * 5


class Small(nn.Module):
    """What FX rounds: a normalized convolution, one of each channel, a sum, a join, two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.each = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.conv(x)))
        y = self.each(x)
        x = torch.cat([x + y, y * x], 1).mean((2, 3))
        return torch.sigmoid(self.fc(x))


WEIGHTS = 8 * 27 + 8 * 9 + 16 * 5
"""Of the two convolutions and the linear layer, beside biases of 8, 8 and 5."""
WORK = 16 * (8 * 27 + 8 * 9) + 16 * 5
"""At 4 x 4 places, and once."""
INPUT = torch.randn(1, 3, 4, 4)


def _by_fx(how: str) -> nn.Module:
    """A module that FX converted, for use or as a reference, or only prepared."""
    fx: Any = import_module("torch.ao.quantization.quantize_fx")
    engine = torch.backends.quantized.engine
    if how == "dynamic":
        rule = quantization.QConfigMapping().set_global(quantization.default_dynamic_qconfig)
        return fx.convert_fx(fx.prepare_fx(Small().eval(), rule, INPUT))  # type: ignore[no-any-return]
    if "trained" in how:
        rule = quantization.get_default_qat_qconfig_mapping(engine)
        made = fx.prepare_qat_fx(Small().train(), rule, INPUT)
    else:
        rule = quantization.get_default_qconfig_mapping(engine)
        made = fx.prepare_fx(Small().eval(), rule, INPUT)
    made(INPUT)
    made.eval()
    if "prepared" in how:
        return made  # type: ignore[no-any-return]
    return (fx.convert_to_reference_fx if how == "reference" else fx.convert_fx)(made)  # type: ignore[no-any-return]


@pytest.mark.parametrize("how", ["static", "trained", "dynamic", "reference", "prepared"])
def test_what_fx_rounds_does_what_it_did_before(how: str) -> None:
    module = _by_fx(how)
    found = archcalc.analyze(archcalc.from_torch(module, INPUT))
    # The normalization is in the convolution.
    assert (found.params, found.macs) == (WEIGHTS + 21, WORK)
    assert not found.not_counted


def test_what_watches_numbers_in_training_is_no_work() -> None:
    found = archcalc.analyze(archcalc.from_torch(_by_fx("trained and prepared"), INPUT))
    # The normalization is there, with 8 scales and shifts.
    assert (found.params, found.macs) == (WEIGHTS + 21 + 16, WORK)


def test_bytes_of_weights_are_those_of_their_dtype() -> None:
    graph = archcalc.from_torch(_by_fx("static"), INPUT)
    assert archcalc.analyze(graph).weight_bytes() == WEIGHTS + 4 * 21
    assert archcalc.analyze(archcalc.to_spec(graph)).weight_bytes() == WEIGHTS + 4 * 21
    assert "weights in int8" in str(archcalc.table(graph))
    dynamic = archcalc.from_torch(_dynamic(Small(), torch.float16), INPUT)
    (rule,) = dynamic.bits
    assert str(rule) == "weights in float16 of Linear"
    plain = archcalc.analyze(archcalc.from_torch(Small(), INPUT)).weight_bytes()
    assert archcalc.analyze(dynamic).weight_bytes() == plain - 2 * 16 * 5


@pytest.mark.parametrize("how", ["static", "trained and prepared", "", "empty"])
def test_source_says_that_it_rounds_nothing(how: str) -> None:
    # Before anything was watched, an observer's extremes are tensors of no number.
    module = (
        Small().eval() if not how else _by_fx(how if how != "empty" else "trained and prepared")
    )
    if how == "empty":
        for inner in module.modules():
            if "min_val" in inner._buffers:
                inner.min_val = torch.empty(0)
    text = str(archcalc.export(archcalc.from_torch(module, INPUT)))
    assert ("No number is rounded here" in text) is bool(how)


def test_source_says_what_it_computes_otherwise() -> None:
    graph = archcalc.from_torch(nn.Sequential(nn.Linear(8, 4), nn.ReLU()), (1, 8))
    *before, last = graph.nodes
    origin = Origin("", True, "F.threshold", unsaid=True)
    graph = replace(graph, nodes=(*before, last._replace(origin=origin)))
    text = str(archcalc.export(graph))
    assert f"how to say that: {last.name} (F.threshold)." in " ".join(text.split())


class Rounding(nn.Module):
    """Rounds what it is given as if it were stored in a byte, and its weight with it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 4)
        self.register_buffer("scale", torch.tensor([0.1]))
        self.register_buffer("zero", torch.tensor([0], dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        scale, zero = self.get_buffer("scale"), self.get_buffer("zero")
        x = torch.fake_quantize_per_tensor_affine(x, scale, zero, -128, 127)
        weight = torch.fake_quantize_per_tensor_affine(self.fc.weight, 0.05, 0, -128, 127)
        return nn.functional.linear(x, weight, self.fc.bias)


def test_what_rounds_is_a_cast_that_source_makes_too() -> None:
    module = Rounding()
    graph = archcalc.from_torch(module, (1, 8))
    found = archcalc.analyze(graph)
    assert (found.params, found.macs) == (8 * 4 + 4, 8 * 4)
    space: dict[str, Any] = {"__name__": "exported"}
    exec(str(archcalc.export(graph)), space)
    source = space["Rounding"]()
    source.load_state_dict(module.state_dict())
    x = torch.randn(3, 8)
    torch.testing.assert_close(source(x), module(x))


def test_a_program_that_was_exported_is_a_module() -> None:
    module: Any = torch.export.export(Small().eval(), (INPUT,)).module()  # which has no eval()
    found = archcalc.analyze(archcalc.from_torch(module, INPUT))
    assert (found.params, found.macs) == (WEIGHTS + 21 + 16, WORK)


class Halves(Tensor):
    """A weight of a class of its own, which keeps whole numbers."""

    whole: Tensor

    @staticmethod
    def __new__(cls, whole: Tensor) -> Any:
        make: Any = Tensor._make_wrapper_subclass
        return make(cls, whole.shape, dtype=torch.float32, requires_grad=False)

    def __init__(self, whole: Tensor) -> None:
        self.whole = whole

    def __tensor_flatten__(self) -> Any:
        return ["whole"], None

    @classmethod
    def __tensor_unflatten__(cls, inner: Any, *_rest: Any) -> Any:
        return cls(inner["whole"])

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # PyTorch's is none of a class
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is torch.ops.aten.detach.default:
            return cls(args[0].whole)
        plain = [each.whole.float() / 2 if isinstance(each, cls) else each for each in args]
        return func(*plain, **(kwargs or {}))


def test_a_weight_of_a_class_of_its_own_is_as_many_numbers() -> None:
    module = nn.Sequential(nn.Linear(8, 4))
    whole = torch.ones(4, 8, dtype=torch.int8)
    before = module[0].weight = nn.Parameter(Halves(whole), requires_grad=False)
    graph = archcalc.from_torch(module, (1, 8))
    found = archcalc.analyze(graph)
    assert (found.params, found.macs) == (8 * 4 + 4, 8 * 4)
    assert "int8" in graph.edition
    assert found.weight_bytes() == 8 * 4 + 4 * 4
    assert module[0].weight is before


def test_a_quantized_table_of_embeddings_is_counted() -> None:
    module = quantized.Embedding(50, 8)
    ids = torch.zeros(1, 5, dtype=torch.int64)
    assert archcalc.analyze(archcalc.from_torch(module, ids)).params == 50 * 8


def test_what_no_plain_module_does_is_unknown_and_not_zero() -> None:
    class Own(quantized.dynamic.Linear):  # type: ignore[misc]
        """Somebody's own, which may do otherwise."""

    found = archcalc.analyze(archcalc.from_torch(Own(8, 4), (1, 8)), allow_unknown=True)
    assert found.not_counted
    assert "≥" in archcalc.table(found)


class Attributes(nn.Module):
    """A weight of whole numbers that is neither a parameter nor a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.randint(-127, 127, (16, 8), dtype=torch.int8)
        self.blur = torch.tensor([[1.0, 2.0, 1.0]])

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.linear(x, self.weight.float())
        return nn.functional.linear(x[:, :3], self.blur)


def test_weights_that_are_plain_attributes_are_named() -> None:
    graph = archcalc.from_torch(Attributes(), (1, 8))
    assert archcalc.analyze(graph).params == 0
    assert archcalc.analyze(graph).macs == 8 * 16 + 3
    assert "the weights weight of 128 numbers" in graph.edition
    assert "blur" not in graph.edition  # its numbers are written out


class Buffered(nn.Module):
    """A weight that is a buffer, of whole numbers, with a trained scale."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("whole", torch.ones(16, 8, dtype=torch.int8))
        self.scale = nn.Parameter(torch.rand(16))

    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor = self.get_buffer("whole").float() * self.scale[:, None]
        return nn.functional.linear(x, weight)


def test_a_weight_that_is_a_buffer_is_no_parameter() -> None:
    found = archcalc.analyze(archcalc.from_torch(Buffered(), (1, 8)))
    assert (found.params, found.buffers, found.macs) == (16, 128, 128)


def test_the_mask_of_a_pruned_weight_is_no_parameter() -> None:
    module = nn.Sequential(nn.Linear(8, 16))
    prune.random_unstructured(module[0], "weight", 0.5)  # type: ignore[no-untyped-call]
    found = archcalc.analyze(archcalc.from_torch(module, (1, 8)))
    assert (found.params, found.macs) == (8 * 16 + 16, 128)


def test_a_parameter_without_a_size_is_refused_with_its_name() -> None:
    module = nn.Sequential(nn.Linear(8, 4))
    module.extra = nn.ParameterList([nn.UninitializedParameter()])
    with pytest.raises(archcalc.ArchcalcError, match=r"'extra\.0' is an UninitializedParameter"):
        archcalc.from_torch(module, (1, 8))
