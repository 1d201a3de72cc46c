"""MobileNet v1 against its paper (arXiv:1704.04861) and other implementations of it."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc import Analysis, Row

# Table 1, row by row: operator, stride, filter (kernel, inputs, outputs), extent of the input.
# "Conv dw / s2" on 7x7x1024 is printed with stride 2, but the row after it takes 7x7 too.
TABLE1 = [
    ("conv", 2, (3, 3, 32), 224),
    ("dw", 1, (3, 32, 32), 112),
    ("conv", 1, (1, 32, 64), 112),
    ("dw", 2, (3, 64, 64), 112),
    ("conv", 1, (1, 64, 128), 56),
    ("dw", 1, (3, 128, 128), 56),
    ("conv", 1, (1, 128, 128), 56),
    ("dw", 2, (3, 128, 128), 56),
    ("conv", 1, (1, 128, 256), 28),
    ("dw", 1, (3, 256, 256), 28),
    ("conv", 1, (1, 256, 256), 28),
    ("dw", 2, (3, 256, 256), 28),
    ("conv", 1, (1, 256, 512), 14),
    *[("dw", 1, (3, 512, 512), 14), ("conv", 1, (1, 512, 512), 14)] * 5,
    ("dw", 2, (3, 512, 512), 14),
    ("conv", 1, (1, 512, 1024), 7),
    ("dw", 1, (3, 1024, 1024), 7),
    ("conv", 1, (1, 1024, 1024), 7),
]


def network(name: str = "mobilenet_v1", **variables: Any) -> Analysis:
    return archcalc.analyze(archcalc.load(name), **variables)


def convolutions(analysis: Analysis) -> list[Row]:
    return [row for row in analysis.rows if row.op == "Conv2d"]


def is_depthwise(row: Row) -> bool:
    return bool(row.weights["weight"][1] == 1 and row.shape[1] > 1)


def test_the_body_is_that_of_table_1_row_by_row() -> None:
    ours = []
    for row in convolutions(network()):
        (_, in_channels, _, side), (_, out_channels, _, out) = row.node.input_shapes[0], row.shape
        kernel = row.weights["weight"][-1]
        kind = "dw" if is_depthwise(row) else "conv"
        ours.append((kind, -(-side // out), (kernel, in_channels, out_channels), side))
    assert ours == TABLE1


def test_params_and_macs_worked_from_table_1() -> None:
    params = macs = 0
    for kind, stride, (kernel, in_channels, out_channels), side in TABLE1:
        weights = kernel**2 * (1 if kind == "dw" else in_channels) * out_channels
        params += weights + 2 * out_channels  # a scale and a shift of normalization
        macs += weights * (side // stride) ** 2
    # The classifier: 1024 x 1000 and a bias.
    assert network().params == params + 1024 * 1000 + 1000
    assert network().macs == macs + 1024 * 1000


def test_keras_counts_the_running_statistics_too() -> None:
    # Keras' MobileNet: 4,253,864 parameters, of which 21,888 are means and variances of the
    # normalization. PyTorch's normalization counts batches besides, one number a layer.
    analysis = network()
    batches_seen = len(convolutions(analysis))
    assert analysis.params + analysis.buffers - batches_seen == 4_253_864


# Table 6 and 7: (width, side): million multiply-adds, million parameters. Cut off or rounded.
# Table 10 has 0.75 MobileNet-192, table 9 0.50 MobileNet-160.
MULT_ADDS = {
    (1, 224): 569,
    (0.75, 224): 325,
    (0.5, 224): 149,
    (0.25, 224): 41,
    (1, 192): 418,
    (1, 160): 290,
    (1, 128): 186,
    (0.75, 192): 239,
    (0.5, 160): 76,
}
# tensorflow/models, research/slim/nets/mobilenet_v1.md has all 16, of which these are not in the
# paper. Its 0.75s (317, 233, 162, 104) contradict the paper, and 0.25 at 192 should be 30, not 34.
SLIM = {
    (0.5, 192): 110,
    (0.5, 128): 49,
    (0.25, 160): 21,
    (0.25, 128): 14,
}


@pytest.mark.parametrize(("width", "side"), [*MULT_ADDS, *SLIM])
def test_multiply_adds_at_each_width_and_resolution(width: float, side: int) -> None:
    printed = (MULT_ADDS | SLIM)[width, side]
    millions = network(width=width, side=side).macs / 1e6
    assert printed in (round(millions), int(millions))


@pytest.mark.parametrize(
    ("width", "classes", "printed"),
    # Table 6; table 10, Stanford Dogs, which has 120 classes.
    [
        (1, 1000, 4.2),
        (0.75, 1000, 2.6),
        (0.5, 1000, 1.3),
        (0.25, 1000, 0.5),
        (1, 120, 3.3),
        (0.75, 120, 1.9),
    ],
)
def test_params_at_each_width(width: float, classes: int, printed: float) -> None:
    assert round(network(width=width, classes=classes).params / 1e6, 1) == printed


def test_a_resolution_changes_no_parameter() -> None:
    assert network(side=128).params == network(side=224).params


def test_resources_per_layer_type_are_those_of_table_2() -> None:
    # Parameters are counted without biases and normalization. The 3x3 convolution is printed with
    # 1.19% of the multiply-adds; with 1.91% the column adds up to 100%.
    analysis = network()
    rows = convolutions(analysis)
    depthwise = [row for row in rows[1:] if is_depthwise(row)]
    pointwise = [row for row in rows[1:] if not is_depthwise(row)]
    weights = sum(row.params for row in rows) + 1024 * 1000

    def shares(layers: list[Row]) -> tuple[float, float]:
        macs, params = (sum(getattr(row, of) for row in layers) for of in ("macs", "params"))
        return round(100 * macs / analysis.macs, 2), round(100 * params / weights, 2)

    assert shares(pointwise) == (94.86, 74.59)
    assert shares(depthwise) == (3.06, 1.06)
    assert shares(rows[:1]) == (1.91, 0.02)


def test_an_inner_layer_shrinks_as_in_table_3() -> None:
    # A layer of 512 channels on 14x14: million multiply-adds, million parameters (weights only).
    def layer(name: str = "mobilenet_v1", **variables: Any) -> tuple[float, float]:
        analysis = network(name, **variables)
        rows = [row for row in convolutions(analysis) if row.name.startswith("conv7.0.")]
        return sum(row.macs for row in rows) / 1e6, sum(row.params for row in rows) / 1e6

    full, separable = layer("mobilenet_v1_full"), layer()
    assert (round(full[0]), round(full[1], 2)) == (462, 2.36)
    assert (round(separable[0], 1), round(separable[1], 2)) == (52.3, 0.27)
    thin, small = layer(width=0.75), layer(width=0.75, side=160)
    assert (round(thin[0], 1), round(thin[1], 2)) == (29.6, 0.15)
    assert (round(small[0], 1), round(small[1], 2)) == (15.1, 0.15)
