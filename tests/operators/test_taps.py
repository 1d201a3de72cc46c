"""What operators say of where they compute from; the analysis holds it against gradients."""

from __future__ import annotations

from typing import Any

import pytest

from archcalc.operators import NAMES, operator
from archcalc.operators.adaptive_pooling import adaptive_taps
from archcalc.operators.conv import Conv2d
from archcalc.operators.pooling import AvgPool2d, MaxPool1d
from archcalc.operators.taps import (
    HERE,
    Taps,
    Traced,
    Window,
    Windowed,
    everything,
    moved,
    transposed,
)
from archcalc.operators.unpooling import SubSampling2d

TRACED: list[Any] = [
    pytest.param(operator(name)(**example.fields), example.inputs, id=f"{name}-{number}")
    for name in NAMES
    for number, example in enumerate(operator(name).examples)
    if issubclass(operator(name), Traced)
]

UNTRACED = {
    "Bilinear",
    *("Embedding", "EmbeddingBag"),
    "MatMul",
    "MaxUnpool2d",
    *("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"),
    *("RoIAlign", "RoIPool"),
    *("L1Loss", "MSELoss", "HuberLoss", "CrossEntropyLoss", "HingeLoss"),
}


def test_these_operators_do_not_say() -> None:
    assert {name for name in NAMES if not issubclass(operator(name), Traced)} == UNTRACED


@pytest.mark.parametrize(("op", "inputs"), TRACED)
def test_says_something_of_every_axis_after_batch_and_channels(
    op: Traced, inputs: tuple[tuple[int, ...], ...]
) -> None:
    said = op.taps(op.infer(*inputs), *inputs)

    for x, sources in zip(inputs, said, strict=False):
        assert sources in ("everywhere", "anywhere") or len(sources) == len(x[2:])


@pytest.mark.parametrize(("op", "inputs"), TRACED)
def test_spans_are_forward_and_move_forward(
    op: Traced, inputs: tuple[tuple[int, ...], ...]
) -> None:
    output = op.infer(*inputs)
    for sources in op.taps(output, *inputs):
        for taps in sources if isinstance(sources, tuple) else ():
            spans = [taps.at(position) for position in range(2 * len(taps.spans) + 1)]
            assert all(first <= last for first, last in spans)
            assert spans == sorted(spans, key=lambda span: span[0])
            assert spans == sorted(spans, key=lambda span: span[1])


@pytest.mark.parametrize(
    ("op", "shape", "expected"),
    [
        (
            Conv2d(out_channels=1, kernel_size=[3, 5], padding=[[0, 1], [2, 2]], dilation=2),
            (1, 1, 20, 20),
            Window((3, 5), (1, 1), (2, 2), ((0, 1), (2, 2))),
        ),
        (
            MaxPool1d(kernel_size=2, padding="same_upper"),
            (1, 1, 7),
            Window((2,), (2,), (1,), ((0, 1),)),
        ),
        (AvgPool2d(kernel_size=3), (1, 1, 9, 9), Window((3, 3), (3, 3), (1, 1), ((0, 0),) * 2)),
        (SubSampling2d(), (1, 1, 8, 8), Window((2, 2), (2, 2), (1, 1), ((0, 0),) * 2)),
    ],
)
def test_windows(op: Windowed, shape: tuple[int, ...], expected: Window) -> None:
    assert op.window(shape) == expected


def test_a_window_begins_in_the_padding_and_spans_its_dilated_kernel() -> None:
    assert Window((3,), (2,), (4,), ((5, 0),)).taps() == (Taps(((-5, 3),), 2),)


def test_spans_repeat_moved_on() -> None:
    taps = Taps(((0, 1), (0, 2)), 3)

    assert [taps.at(o) for o in range(-2, 5)] == [
        *((-3, -2), (-3, -1)),
        *((0, 1), (0, 2)),
        *((3, 4), (3, 5)),
        (6, 7),
    ]
    assert moved(4, 2).at(3) == (10, 10)


def test_a_list_of_all_spans_does_not_repeat() -> None:
    taps = Taps(((0, 1), (2, 2)), None)

    assert [taps.at(o) for o in (-1, 0, 1, 2)] == [(0, 1), (0, 1), (2, 2), (2, 2)]


@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (3, 2), (2, 2), (5, 2), (3, 1), (7, 3)])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_a_transposed_convolution_is_made_of_the_inputs_that_reach_it(
    kernel: int, stride: int, padding: int
) -> None:
    """Input i reaches the outputs from i s - p to i s - p + k - 1."""
    taps = transposed(kernel, stride, padding)

    assert taps is not None
    for o in range(12):
        reach = [i for i in range(-9, 20) if 0 <= o - (i * stride - padding) < kernel]
        assert taps.at(o) == (reach[0], reach[-1])


def test_of_a_transposed_convolution_with_holes_nothing_is_said() -> None:
    assert transposed(2, 3, 0) is None


def test_all_of_an_axis_is_its_first_position_to_its_last() -> None:
    assert everything(5).at(0) == everything(5).at(3) == (0, 4)


def test_windows_of_an_adaptive_pooling_repeat_as_soon_as_they_can() -> None:
    # 512 times the same: the next two positions.
    assert adaptive_taps(1024, 512) == Taps(((0, 1),), 2)
    assert adaptive_taps(6, 4) == Taps(((0, 1), (1, 2)), 3)


@pytest.mark.parametrize(
    ("fields", "inputs", "spans", "advance"),
    [
        # Output o is at o / 2, rounded down.
        ({"scale_factor": 2}, 4, ((0, 0), (0, 0)), 1),
        # At (o + 1/2) / 2 - 1/2: 1/4 before the first, 1/4 behind it, with the two beside that.
        ({"scale_factor": 2, "mode": "linear"}, 4, ((-1, 0), (0, 1)), 1),
        # From 3 to 5 with their ends on each other: at 0, 1/2, 1, ...
        ({"size": 5, "mode": "linear", "align_corners": True}, 3, ((0, 0), (0, 1)), 1),
        # At 4 (o + 1/2) - 1/2: 3/2, then 4 further on.
        ({"scale_factor": 0.25, "mode": "linear"}, 8, ((1, 2),), 4),
        # At 0, 2/3 and 4/3, and again two further on.
        ({"scale_factor": 1.5}, 4, ((0, 0), (0, 0), (1, 1)), 2),
    ],
)
def test_what_is_enlarged_sees_what_lies_beside_its_place(
    fields: dict[str, Any], inputs: int, spans: tuple[tuple[int, int], ...], advance: int
) -> None:
    op = operator("Upsample")(**fields)
    shape = (1, 3, inputs)
    (axes,) = op.taps(op.infer(shape), shape)  # type: ignore[attr-defined]
    assert axes == (Taps(spans, advance),)


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"index": [0, 2], "dim": 1}, (HERE,)),  # channels: positions stay
        ({"index": [0, 2], "dim": 2}, "anywhere"),
        ({"index": 0, "dim": 1}, "anywhere"),  # what had positions has channels
    ],
)
def test_what_picks_channels_leaves_positions_where_they_are(
    fields: dict[str, Any], seen: Any
) -> None:
    op = operator("Select")(**fields)
    shape = (1, 3, 8)
    assert op.taps(op.infer(shape), shape) == (seen,)  # type: ignore[attr-defined]
