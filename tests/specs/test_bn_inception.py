"""BN-Inception and TensorFlow-Slim's Inception v2, against the paper and what others printed."""

from __future__ import annotations

from functools import cache
from math import prod

import pytest

import archcalc
from archcalc import Analysis, Row
from archcalc.analysis.receptive_field import receptive_field


@cache
def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


def stage(name: str, row: Row) -> bool:
    return row.name.split(".")[0] == name


# arXiv:1502.03167, figure 5: 1x1, 3x3 reduce, 3x3, double 3x3 reduce, double 3x3, and the
# projection behind the pooling; no 1x1 and no projection where the stride is 2.
FIGURE_5 = {
    "inception3a": (64, 64, 64, 64, 96, 32),
    "inception3b": (64, 64, 96, 64, 96, 64),
    "inception3c": (0, 128, 160, 64, 96, 0),
    "inception4a": (224, 64, 96, 96, 128, 128),
    "inception4b": (192, 96, 128, 96, 128, 128),
    "inception4c": (160, 128, 160, 128, 160, 128),
    "inception4d": (96, 128, 192, 160, 192, 128),
    "inception4e": (0, 128, 192, 192, 256, 0),
    "inception5a": (352, 192, 320, 160, 224, 128),
    "inception5b": (352, 192, 320, 192, 224, 128),
}


@pytest.mark.parametrize("module", FIGURE_5)
def test_the_modules_of_the_paper_row_by_row(module: str) -> None:
    n1x1, reduce3x3, n3x3, reduce_double, double, proj = FIGURE_5[module]
    rows = [row for row in network("bn_inception").rows if stage(module, row)]
    before = rows[0].node.input_shapes[0][1]
    # Of a convolution its weights and biases, and scale and shift of the normalization.
    convs = [
        *((1, before, n1x1), (1, before, reduce3x3), (9, reduce3x3, n3x3)),
        *((1, before, reduce_double), (9, reduce_double, double), (9, double, double)),
        (1, before, proj),
    ]
    params = sum((taps * i + 1) * o + 2 * o for taps, i, o in convs)
    assert sum(row.params for row in rows) == params
    # Where there is no projection the pooling passes all channels through.
    assert rows[-1].shape[1] == n1x1 + n3x3 + double + (proj or before)


def test_params_are_those_of_other_implementations() -> None:
    # pytorchcv's table, of the weights of pretrained-models.pytorch.
    assert network("bn_inception").params == 11_295_240


def test_5b_has_the_only_module_with_maximum_pooling_and_stride_1() -> None:
    pools = [row for row in network("bn_inception").rows if row.name.endswith(".pool")]
    assert [row.op for row in pools] == ["AvgPool2d"] * 7 + ["MaxPool2d"]


# google-research/receptive_field, RECEPTIVE_FIELD_TABLE.md, inception_v2 at 224: the FLOPs up to
# there in billions, and the receptive field, its stride and the padding, which is minus our start.
GOOGLE = {
    "conv1": ("0.069", 7, 2, 2),
    "maxpool1": ("0.071", 11, 4, 2),
    "conv2": ("0.791", 19, 4, 6),
    "maxpool2": ("0.792", 27, 8, 6),
    "inception3a": ("1.136", 59, 8, 22),
    "inception3b": ("1.544", 91, 8, 38),
    "inception3c": ("1.833", 123, 16, 46),
    "inception4a": ("2.073", 187, 16, 78),
    "inception4b": ("2.334", 251, 16, 110),
    "inception4c": ("2.686", 315, 16, 142),
    "inception4d": ("3.120", 379, 16, 174),
    "inception4e": ("3.446", 443, 32, 190),
    "inception5a": ("3.660", 571, 32, 254),
    "inception5b": ("3.883", 699, 32, 318),
}


def tensorflow_flops(row: Row) -> int:
    """As TensorFlow's profiler counted: 2 for a MAC, a pooling's whole window, 1 for a ReLU."""
    elements = prod(int(extent) for extent in row.shape)
    if row.op in ("MaxPool2d", "AvgPool2d"):
        return 9 * elements
    return elements if row.op == "ReLU" else 2 * int(row.macs)


@pytest.mark.parametrize("name", GOOGLE)
def test_flops_up_to_there_are_those_that_google_published(name: str) -> None:
    rows = network("inception_v2").rows
    last = max(index for index, row in enumerate(rows) if stage(name, row))
    flops = sum(tensorflow_flops(row) for row in rows[: last + 1])
    assert f"{flops / 1e9:.3f}" == GOOGLE[name][0]


def test_without_the_separable_convolution_flops_are_those_that_google_published() -> None:
    # The same table: inception_v2-no-separable-conv at 224, Mixed_5c.
    graph = archcalc.expand(archcalc.load("inception_v2"), stem="conv7x7")
    rows = [row for row in archcalc.analyze(graph).rows if not stage("avgpool", row)]
    assert (
        f"{sum(tensorflow_flops(row) for row in rows if row.op != 'Linear') / 1e9:.3f}" == "4.051"
    )


@pytest.mark.parametrize("name", GOOGLE)
def test_receptive_fields_are_those_that_google_published(name: str) -> None:
    fields = receptive_field(archcalc.expand(archcalc.load("inception_v2")))
    layer = [row.name for row in network("inception_v2").rows if stage(name, row)][-1]
    axes = fields[layer]
    assert axes is not None
    for field in axes:
        assert (field.size, field.stride, -field.start) == GOOGLE[name][1:]
