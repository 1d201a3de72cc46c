"""What operators keep in training is what PyTorch saves, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archcalc.dims import Shape
from archcalc.operators import NAMES, operator
from archcalc.operators.autograd import (
    FLOAT32,
    Differentiable,
    Saved,
    Stepwise,
    TrainingOnly,
    Viewing,
)
from archcalc.operators.base import Operator, elements
from archcalc.operators.dropout import Dropout
from archcalc.operators.saving import Autograd, Storage, Tensor, _dense, in_order, viewed
from archcalc.pytorch import module

UNKNOWN = {
    *("EmbeddingBag", "MaxUnpool2d", "Einsum"),
    *("GridSample", "DeformConv2d", "GlobalResponseNorm", "SpatialPyramidPooling"),
    *("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"),
    *("RoIAlign", "RoIPool"),
}

IMAGE = (2, 3, 8, 8)
UNEVEN = {"kernel_size": 3, "padding": [[0, 1]]}
MORE: list[tuple[str, dict[str, Any], tuple[Shape, ...]]] = [
    *(
        (name, {"inplace": True}, ((2, 6, 5, 5),))
        for name in NAMES
        if "inplace" in operator(name).model_fields and name != "Dropout"
    ),
    ("AdaptiveAvgPool1d", {"output_size": 1}, ((2, 3, 8),)),
    ("AdaptiveAvgPool2d", {"output_size": [1, 2]}, ((2, 3, 4, 4),)),
    ("InstanceNorm2d", {"affine": True, "track_running_stats": True}, ((2, 3, 4, 4),)),
    ("LayerNorm", {"normalized_shape": [3, 4], "elementwise_affine": False}, ((2, 5, 3, 4),)),
    ("LocalResponseNorm", {"size": 4}, ((2, 6, 8),)),
    ("Mul", {}, ((2, 8, 5), (2, 8, 5), (2, 8, 5), (2, 8, 5))),
    ("Mul", {}, ((2, 8, 1), (2, 1, 5), (2, 8, 5))),
    ("Pad", {"pad": [1, 1], "mode": "replicate"}, ((2, 3, 8),)),
    ("Pad", {"pad": [1, 1], "mode": "circular"}, ((2, 3, 8),)),
    ("StochasticDepth", {"p": 0}, ((2, 3, 8),)),
    *(
        ("Conv2d", {"out_channels": 4, "kernel_size": 3, "padding_mode": mode, **pad}, (IMAGE,))
        for mode in ("zeros", "reflect", "replicate", "circular")
        for pad in ({"padding": 1}, {"padding": [[2, 1], [0, 0]]}, {})
    ),
    ("Conv2d", {"out_channels": 4, "kernel_size": 4, "padding": "same"}, (IMAGE,)),
    ("Conv2d", {"out_channels": 4, "kernel_size": [4, 3], "padding": "same"}, (IMAGE,)),
    ("Conv1d", {"out_channels": 4, "kernel_size": 2, "padding": [[1, 0]]}, ((2, 3, 8),)),
    ("MaxPool2d", UNEVEN, (IMAGE,)),
    ("MaxPool2d", {"kernel_size": 1, "stride": 2, "ceil_mode": "caffe"}, (IMAGE,)),
    ("AvgPool2d", UNEVEN, (IMAGE,)),
    ("AvgPool2d", {**UNEVEN, "count_include_pad": False}, (IMAGE,)),
    ("AvgPool2d", {**UNEVEN, "divisor_override": 2}, (IMAGE,)),
    *(
        (name, {"reduction": reduction}, ((2, 5), (2, 5)))
        for name in ("L1Loss", "MSELoss", "HuberLoss", "HingeLoss")
        for reduction in ("sum", "none")
    ),
    *(
        ("CrossEntropyLoss", {"label_smoothing": 0.1, "reduction": reduction}, ((2, 5), (2,)))
        for reduction in ("mean", "sum")
    ),
    ("CrossEntropyLoss", {"reduction": "sum"}, ((2, 5, 4), (2, 4))),
    ("MatMul", {}, ((2, 3), (2, 3))),
    ("MatMul", {}, ((2, 5, 3), (2, 3))),
    ("MatMul", {}, ((2, 5, 4, 3), (2, 3, 6))),
    ("MatMul", {}, ((2, 1, 5, 3), (2, 4, 3, 6))),
    ("Attention", {"num_heads": 2, "fused": True}, ((2, 10, 16), (2, 12, 16))),
    ("Attention", {"num_heads": 2, "fused": True}, ((2, 10, 16), (2, 12, 16), (2, 12, 16))),
    ("MultiheadAttention", {"num_heads": 1}, ((2, 10, 16),)),
    ("MultiheadAttention", {"num_heads": 2}, ((1, 10, 16),)),
    *(
        (name, {"num_heads": 2, **more, "parametrization": how}, inputs)
        for how in ("weight_norm", "spectral_norm")
        for inputs in (((2, 10, 16),), ((2, 10, 16),) * 3)
        for name, more in (
            ("MultiheadAttention", {}),
            ("Attention", {}),
            ("Attention", {"fused": True}),
            ("Attention", {"out_proj": False}),
        )
    ),
]


def cases() -> Iterator[Any]:
    for name in NAMES:
        if name not in UNKNOWN and name != "Dropout":
            for example in operator(name).examples:
                yield name, example.fields, example.inputs
    yield from MORE


class Packed:
    """A tensor that autograd saved, for as long as it keeps it."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


class Kept:
    """The storages that PyTorch saves while it is entered and still has, but those of ``besides``.

    What was computed and dropped, as a weight that is only looked at, leaves nothing.
    """

    def __init__(self, *besides: torch.Tensor) -> None:
        self.besides = {tensor.untyped_storage()._cdata for tensor in besides}
        self.saved: WeakSet[Packed] = WeakSet()
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self.keep, lambda each: each.tensor)

    def keep(self, tensor: torch.Tensor) -> Packed:
        packed = Packed(tensor.detach())  # else what it keeps would keep it
        self.saved.add(packed)
        return packed

    def bytes(self) -> int:
        """For as long as what was computed is there."""
        storages = (each.tensor.untyped_storage() for each in self.saved)
        sizes = {storage._cdata: storage.nbytes() for storage in storages}
        return sum(n for address, n in sizes.items() if address not in self.besides)


def given_to(op: Operator, shapes: tuple[Shape, ...], trained: list[bool]) -> list[Tensor]:
    """Tensors without numbers of these shapes; integers where the operator looks something up."""
    tensors = []
    for number, (shape, needs) in enumerate(zip(shapes, trained, strict=True)):
        storage = Storage(elements(shape), 8 if number in op.indices else 0)
        tensors.append(Tensor(storage, shape, in_order(shape), needs))
    return tensors


def is_kept(op: Operator, *inputs: Tensor) -> int:
    """Bytes that ``op`` says are kept, in float32 and each storage once."""
    autograd = Autograd()
    autograd.apply(op, *inputs)
    return sum(storage.bytes(4) for storage in autograd.kept)


def pytorch_keeps(
    op: Operator, shapes: tuple[Shape, ...], trained: list[bool], frozen: bool = False
) -> int:
    """What PyTorch saves of inputs of which some are computed with parameters."""
    made = module(op, *shapes, device="meta").requires_grad_(not frozen)
    tensors = [
        torch.ones(shape, device="meta", dtype=torch.long)
        if number in op.indices
        else torch.ones(shape, device="meta", requires_grad=needs) * 1
        for number, (shape, needs) in enumerate(zip(shapes, trained, strict=True))
    ]
    kept = Kept(*made.parameters(), *made.buffers())
    with kept.hooks:
        output = made(*tensors)
    assert output is not None
    return kept.bytes()


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("name", "fields", "inputs"), list(cases()))
def test_what_is_kept_is_what_pytorch_saves(
    name: str, fields: dict[str, Any], inputs: tuple[Shape, ...]
) -> None:
    op = operator(name)(**fields)
    trained = [number not in op.indices for number in range(len(inputs))]
    assert is_kept(op, *given_to(op, inputs, trained)) == pytorch_keeps(op, inputs, trained)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("name", "fields", "inputs"), list(cases()))
def test_what_no_parameter_leads_to_is_kept_only_where_a_gradient_needs_it(
    name: str, fields: dict[str, Any], inputs: tuple[Shape, ...]
) -> None:
    op = operator(name)(**fields)
    for only in (*range(len(inputs)), None):
        trained = [number == only and number not in op.indices for number in range(len(inputs))]
        ours = is_kept(op, *given_to(op, inputs, trained))
        assert ours == pytorch_keeps(op, inputs, trained), only


@pytest.mark.parametrize("how", ["weight_norm", "spectral_norm"])
@pytest.mark.parametrize(
    ("name", "fields", "inputs"),
    [
        ("Conv2d", {"out_channels": 4, "kernel_size": 3}, (IMAGE,)),
        ("Linear", {"out_features": 4}, ((2, 5),)),
        ("MultiheadAttention", {"num_heads": 2}, ((2, 10, 16),)),
        ("Attention", {"num_heads": 2}, ((2, 10, 16), (2, 12, 16))),
    ],
)
def test_what_a_frozen_weight_is_computed_with_is_not_kept(
    name: str, fields: dict[str, Any], inputs: tuple[Shape, ...], how: str
) -> None:
    op = operator(name)(**{**fields, "parametrization": how})
    autograd = Autograd(trainable=False)
    autograd.apply(op, *given_to(op, inputs, [True] * len(inputs)))
    ours = sum(storage.bytes(4) for storage in autograd.kept)
    theirs = pytorch_keeps(op, inputs, [True] * len(inputs), frozen=True)
    assert ours == theirs


def test_dropout_keeps_a_flag_for_each_element_as_on_a_gpu() -> None:
    kept = Kept()
    x = torch.ones(4, 5, requires_grad=True)
    with kept.hooks:
        output = torch.native_dropout(x, 0.5, train=True)

    assert output is not None
    assert kept.bytes() == Dropout().saved((4, 5), (4, 5)).flags == 20
    assert Dropout(p=0).saved((4, 5), (4, 5)) == Saved()


def test_of_these_operators_it_is_not_known() -> None:
    says = Differentiable | Stepwise
    assert {name for name in NAMES if not issubclass(operator(name), says)} == UNKNOWN


@pytest.mark.parametrize(
    ("op", "inputs"),
    [
        pytest.param(operator(name)(**example.fields), example.inputs, id=f"{name}-{number}")
        for name in NAMES
        for number, example in enumerate(operator(name).examples)
        if name not in UNKNOWN and not operator(name).indices
    ],
)
def test_the_output_lies_in_memory_as_pytorchs_does(
    op: Operator, inputs: tuple[Shape, ...]
) -> None:
    """In training, in which no dropout gives its input back."""
    tensors = [torch.zeros(shape, device="meta") for shape in inputs]
    output = module(op, *inputs, device="meta")(*tensors)
    given = given_to(op, inputs, [False] * len(inputs))
    ours = Autograd().apply(op, *given)

    theirs = output.untyped_storage()._cdata == tensors[0].untyped_storage()._cdata
    assert (ours.storage is given[0].storage) == theirs
    assert not isinstance(op, Viewing) or theirs
    if output.is_floating_point() and not ours.storage.stored:
        assert ours.storage.bytes(4) == output.untyped_storage().nbytes()
    assert ours.shape == output.shape
    assert [s for s, n in zip(ours.strides, ours.shape, strict=True) if n > 1] == [
        s for s, n in zip(output.stride(), output.shape, strict=True) if n > 1
    ]


@st.composite
def views(draw: st.DrawFn) -> tuple[torch.Tensor, tuple[int, ...]]:
    """A tensor that is seen in some order, in part or repeated, and a shape for its elements."""
    extents = st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=4)
    x = torch.empty(draw(extents), device="meta")
    x = x.permute(draw(st.permutations(range(x.dim()))))
    axis = draw(st.integers(0, x.dim() - 1))
    x = x.narrow(axis, 0, draw(st.integers(1, x.shape[axis])))
    if draw(st.booleans()):
        x = x.expand(2, *x.shape)
    shape, rest = [], x.numel()
    while rest > 1:
        divisors = [n for n in range(1, rest + 1) if rest % n == 0]
        shape.append(draw(st.sampled_from(divisors[1:])))
        rest //= shape[-1]
    shape += [1] * draw(st.integers(0, 2))
    return x, tuple(draw(st.permutations(shape)))


@given(views())
def test_what_can_be_seen_in_another_shape_is_what_pytorch_sees(
    case: tuple[torch.Tensor, tuple[int, ...]],
) -> None:
    x, shape = case
    try:
        expected = x.view(shape).stride()
    except RuntimeError:
        expected = None
    ours = Tensor(Storage(x.numel()), tuple(x.shape), x.stride())
    assert viewed(ours, shape) == expected


@pytest.mark.parametrize(("name", "fields"), [("Dropout", {}), ("StochasticDepth", {"p": 0.5})])
def test_what_is_for_training_only_gives_its_input_back_at_inference(
    name: str, fields: dict[str, Any]
) -> None:
    op = operator(name)(**fields)
    x = torch.zeros(2, 3)

    assert isinstance(op, TrainingOnly)
    assert module(op, (2, 3)).eval()(x).untyped_storage()._cdata == x.untyped_storage()._cdata


def test_what_autocast_raises_is_kept_as_a_copy_of_float32() -> None:
    # A softmax of 16-bit numbers is done in float32, on a copy; one of float32 on itself.
    fields: dict[str, Any] = {"dim": -1}
    op = operator("Softmax")(**fields)
    for width, copied in ((0, True), (FLOAT32, False)):
        x = Tensor(Storage(6, width), (2, 3), (3, 1), True)
        cast = Autograd(autocast=True)._cast(op, 0, x)
        assert (cast.storage is not x.storage) is copied
        assert cast.storage.width == FLOAT32


def test_what_autocast_lowers_is_a_copy_where_it_was_of_float32() -> None:
    x = Tensor(Storage(6, FLOAT32), (2, 3), (3, 1), True)
    lowered = Autograd(autocast=True).lowered(x)
    assert (lowered.storage.width, lowered.storage.elements) == (0, 6)
    assert Autograd(autocast=True).lowered(lowered) is lowered
    assert Autograd().lowered(x) is x


@pytest.mark.parametrize(
    ("name", "fields", "trained", "passes"),
    [
        ("ReLU", {}, True, True),
        ("ReLU", {}, False, False),  # no parameter is upstream
        ("Lt", {"by": 1}, True, False),
        ("Lt", {"by": 1}, False, False),
    ],
)
def test_a_gradient_passes_what_is_trained_and_has_one(
    name: str, fields: dict[str, Any], trained: bool, passes: bool
) -> None:
    x = Tensor(Storage(6), (2, 3), (3, 1), trained)
    assert Autograd().apply(operator(name)(**fields), x).trained is passes


def test_fused_projections_of_two_tensors_keep_both() -> None:
    shape = (2, 10, 16)
    x, y = (Tensor(Storage(320), shape, in_order(shape), True) for _ in range(2))
    for taken in ((x, x, y), (x, y, y), (y, x, y)):
        autograd, fields = Autograd(), {"num_heads": 2, "fused": True}
        autograd.apply(operator("Attention")(**fields), *taken)
        assert {x.storage, y.storage} <= set(autograd.kept)


@pytest.mark.parametrize(
    ("storage", "taken"),
    [
        (Storage(6), 12),
        (Storage(6, FLOAT32), 24),
        (Storage(6, FLOAT32, stored=True), 0),  # a weight, which is counted as such
        (Storage(6, known=3), 3),  # six numbers of four bits
        (Storage(6, known=0), 0),
    ],
)
def test_memory_takes_what_its_numbers_do(storage: Storage, taken: int) -> None:
    assert storage.bytes(2) == taken


@pytest.mark.parametrize(
    ("shape", "strides", "dense"),
    [
        ((2, 3), (3, 1), True),
        ((2, 3), (1, 2), True),  # transposed: all elements, in another order
        ((2, 1, 3), (3, 99, 1), True),  # an axis of one may have any stride
        ((2, 3), (6, 2), False),  # every second element
    ],
)
def test_a_tensor_is_dense_where_it_has_all_of_its_storage(
    shape: tuple[int, ...], strides: tuple[int, ...], dense: bool
) -> None:
    assert _dense(Tensor(Storage(6), shape, strides)) is dense
