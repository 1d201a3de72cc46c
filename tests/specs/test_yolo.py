"""YOLO, against what was published of it."""

from __future__ import annotations

from functools import cache

import pytest

import archcalc
from archcalc import Analysis


@cache
def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


# Ultralytics, cfg/models/v8/yolov8.yaml; ultralytics/yolov3, the model summary of yolov3.yaml.
PARAMS = {
    "yolov8n": 3_157_200,
    "yolov8s": 11_166_560,
    "yolov8m": 25_902_640,
    "yolov8l": 43_691_520,
    "yolov8x": 68_229_648,
    "yolov3": 61_949_149,
    "yolov3-320": 61_949_149,
    "yolov3-608": 61_949_149,
}


@pytest.mark.parametrize("name", PARAMS)
def test_params_are_those_published(name: str) -> None:
    assert network(name).params == PARAMS[name]


@pytest.mark.parametrize(
    ("name", "printed"),
    # The table of https://pjreddie.com/darknet/yolo: billions of operations, two for a MAC.
    [("yolov3-320", "38.97"), ("yolov3", "65.86"), ("yolov3-608", "140.69")],
)
def test_two_operations_a_mac_are_darknets_billions(name: str, printed: str) -> None:
    assert f"{2 * network(name).macs / 1e9:.2f}" == printed


def conv(kernel: int, channels: int, filters: int) -> int:
    return (kernel * kernel * channels + 1) * filters


def test_yolov1_by_hand() -> None:
    # Figure 3 of arXiv:1506.02640, column by column.
    by_hand = (
        conv(7, 3, 64)
        + conv(3, 64, 192)
        + conv(1, 192, 128)
        + conv(3, 128, 256)
        + conv(1, 256, 256)
        + conv(3, 256, 512)
        + 4 * (conv(1, 512, 256) + conv(3, 256, 512))
        + conv(1, 512, 512)
        + conv(3, 512, 1024)
        + 2 * (conv(1, 1024, 512) + conv(3, 512, 1024))
        + 4 * conv(3, 1024, 1024)
        + (7 * 7 * 1024 + 1) * 4096
        + (4096 + 1) * 7 * 7 * 30
    )
    assert network("yolov1").params == by_hand


def test_yolov1_predicts_two_boxes_and_twenty_classes_a_cell() -> None:
    assert network("yolov1").rows[-1].shape == (1, 2 * 5 + 20, 7, 7)


def test_yolov3_predicts_at_three_scales() -> None:
    analysis = network("yolov3")
    shapes = [analysis.row(name).shape for name in analysis.graph.outputs]

    # 416 / 32, / 16, / 8; three boxes with 4 + 1 + 80 numbers.
    assert shapes == [(1, 255, 13, 13), (1, 255, 26, 26), (1, 255, 52, 52)]


def test_yolov8_predicts_for_every_cell_of_three_maps() -> None:
    # 80 x 80 + 40 x 40 + 20 x 20 cells of 640 x 640; four distances and 80 classes.
    assert network("yolov8n").rows[-1].shape == (1, 84, 6400 + 1600 + 400)


@pytest.mark.parametrize("name", ["yolov3", "yolov8n"])
def test_stages_are_backbone_neck_and_head(name: str) -> None:
    assert list(dict.fromkeys(row.stage for row in network(name).rows)) == [
        "backbone",
        "neck",
        "head",
    ]


def test_darknet53_has_the_layers_of_its_table() -> None:
    # arXiv:1804.02767, table 1, without the classifier: 1 + 5 that halve, and 1 + 2 + 8 + 8 + 4
    # times two.
    convs = [
        row for row in network("yolov3").rows if row.stage == "backbone" and row.op == "Conv2d"
    ]
    assert len(convs) == 1 + 5 + 2 * (1 + 2 + 8 + 8 + 4) == 52
