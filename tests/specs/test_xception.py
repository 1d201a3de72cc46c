"""Xception, against arXiv:1610.02357, Keras and by hand."""

from __future__ import annotations

import pytest

import archcalc

XCEPTION = archcalc.analyze(archcalc.load("xception"))


def flow(name: str) -> list[archcalc.Row]:
    return [row for row in XCEPTION.rows if row.stage == name]


def sepconv(before: int, after: int) -> int:
    """A 3x3 for every channel, a 1x1, and the normalization; no biases."""
    return 9 * before + before * after + 2 * after


def shortcut(before: int, after: int) -> int:
    return before * after + 2 * after


# Figure 5 of the paper, module by module.
ENTRY = (
    *(9 * 3 * 32 + 2 * 32, 9 * 32 * 64 + 2 * 64),
    *(sepconv(64, 128), sepconv(128, 128), shortcut(64, 128)),
    *(sepconv(128, 256), sepconv(256, 256), shortcut(128, 256)),
    *(sepconv(256, 728), sepconv(728, 728), shortcut(256, 728)),
)
MIDDLE = (sepconv(728, 728),) * 3 * 8
EXIT = (
    *(sepconv(728, 728), sepconv(728, 1024), shortcut(728, 1024)),
    *(sepconv(1024, 1536), sepconv(1536, 2048)),
)


@pytest.mark.parametrize(
    ("name", "params"),
    [("entry_flow", sum(ENTRY)), ("middle_flow", sum(MIDDLE)), ("exit_flow", sum(EXIT))],
)
def test_the_flows_by_hand(name: str, params: int) -> None:
    assert sum(row.params for row in flow(name)) == params


def test_params_are_those_of_the_paper() -> None:
    # Table 3: 22,855,952.
    by_hand = sum(ENTRY) + sum(MIDDLE) + sum(EXIT) + (2048 + 1) * 1000
    assert XCEPTION.params == by_hand == 22_855_952


def test_keras_counts_the_running_statistics_too() -> None:
    # Keras prints 22,910,480 in all, 54,528 of them not trained: two for each normalized channel.
    channels = sum(row.shape[1] for row in XCEPTION.rows if row.op == "BatchNorm2d")
    assert 2 * channels == 54_528
    assert XCEPTION.params + 2 * channels == 22_910_480


def test_macs_are_those_of_another_implementation() -> None:
    # torch's own counter, halved, on timm's legacy_xception.
    assert XCEPTION.macs == 8_357_403_496


# Figure 5: the shapes between the flows; those within are worked from 299 pixels a side.
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("entry_flow.relu1", (32, 149, 149)),
        ("entry_flow.relu2", (64, 147, 147)),
        ("entry_flow.module1.add", (128, 74, 74)),
        ("entry_flow.module2.add", (256, 37, 37)),
        ("entry_flow.module3.add", (728, 19, 19)),
        ("middle_flow.7.add", (728, 19, 19)),
        ("exit_flow.module.add", (1024, 10, 10)),
        ("exit_flow.relu2", (2048, 10, 10)),
        ("avgpool", (2048,)),
    ],
)
def test_shapes(layer: str, shape: tuple[int, ...]) -> None:
    (row,) = [row for row in XCEPTION.rows if row.name == layer]
    assert row.shape[1:] == shape


def test_36_convolutional_layers_in_14_modules() -> None:
    # Section 3: all modules have a linear residual connection, except for the first and the last.
    normalized = [row.name for row in XCEPTION.rows if row.op == "BatchNorm2d"]
    assert sum("shortcut" not in name for name in normalized) == 36
    assert sum(row.op == "Add" for row in XCEPTION.rows) == 14 - 2


def test_nothing_stands_between_the_convolutions_of_a_separable_one() -> None:
    nodes = {row.name: row.node for row in XCEPTION.rows}
    pointwise = [name for name in nodes if name.endswith(".pointwise")]
    assert len(pointwise) == 34
    for name in pointwise:
        assert nodes[name].inputs == (name.replace("pointwise", "depthwise"),)
