"""Wrong cells that something which is not printed would hide: an assumption that is dear there.

Each table is a few rows as a program prints them; what its cells should be is worked out beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from archcalc.analysis.analyze import analyze
from archcalc.claims.audit import audit
from archcalc.spec.zoo import load
from tests.claims.printers import torchsummary


def accused(text: str) -> list[tuple[str, str]]:
    """Printed cells that are named, and what they should say."""
    return [(f.printed, f.right) for f in audit(text).findings]


def torchstat(rows: Sequence[str]) -> str:
    """A table of torchstat."""
    return "\n".join(["module name,input shape,output shape,params", *rows]) + "\n"


# 9 * 3 * 16 = 432 without biases, 2 * 16; 9 * 16 = 144 of one filter a channel; 16 * 32 = 512.
PATHS = torchstat(
    [
        "conv1 (Conv2d),3x8x8,16x8x8,432",
        "conv2.conv_dw (Conv2d),16x8x8,16x8x8,144",
        "conv2.bn_dw (BatchNorm2d),16x8x8,16x8x8,32",
        "conv2.relu_dw (ReLU),16x8x8,16x8x8,0",
        "conv2.conv_pw (Conv2d),16x8x8,32x8x8,512",
    ]
)


def test_a_class_says_what_a_row_is_and_not_the_path_to_it() -> None:
    assert accused(PATHS) == []
    wrong = PATHS.replace("(ReLU),16x8x8,16x8x8", "(ReLU),16x8x8,19x8x8")
    assert accused(wrong) == [("19x8x8", "16x8x8")]


SUMMED = """\
        Layer (type)               Output Shape         Param #
================================================================
            Conv2d-1             [-1, 16, 8, 8]             448
            Linear-2                   [-1, 10]          10,250
================================================================
Total params: {}
"""


def test_a_total_that_is_doubled_is_no_optimizer_s() -> None:
    # (9 * 3 + 1) * 16, and (16 * 8 * 8 + 1) * 10.
    assert accused(SUMMED.format("10,698")) == []
    assert accused(SUMMED.format("21,396")) == [("21,396", "10,698")]


# Channels are halved: 8 * 8 weights of a 1x1, 4 * 8 of a normalization, and 9 * 8, one a channel.
SPLIT = """\
Layer (type),Output Shape,Param #,Connected to
input_1 (InputLayer),"(None, 6, 6, 16)",0,
split_1 (Split),"(None, 6, 6, 8)",0,input_1[0][0]
split_2 (Split),"(None, 6, 6, 8)",0,input_1[0][0]
conv_1 (Conv2D),"(None, 6, 6, 8)",64,split_2[0][0]
norm_1 (BatchNormalization),"(None, 6, 6, 8)",32,conv_1[0][0]
conv_2 (DepthwiseConv2D),"(None, 6, 6, 8)",72,norm_1[0][0]
join_1 (Concatenate),"(None, 6, 6, 16)",0,"split_1[0][0], conv_2[0][0]"
"""


@pytest.mark.parametrize("wrong", ["6, 6, 16", "6, 6, 18", "6, 9, 8", "7, 6, 8"])
def test_a_piece_is_not_all_of_what_is_split(wrong: str) -> None:
    assert accused(SPLIT) == []
    row = f'split_2 (Split),"(None, {wrong})"'
    assert accused(SPLIT.replace('split_2 (Split),"(None, 6, 6, 8)"', row)) == [
        (f"(None, {wrong})", "(None, 6, 6, 8)")
    ]


# (9 * 3 + 1) * 64; a gate of 4 of the 64 channels: (64 + 1) * 4 and (4 + 1) * 64.
GATED = torchstat(
    [
        "conv (Conv2d),3x9x9,64x9x9,1792",
        "gate.pool (AdaptiveAvgPool2d),64x9x9,64x1x1,0",
        "gate.fc1 (Conv2d),64x1x1,4x1x1,260",
        "gate.relu (ReLU),4x1x1,4x1x1,0",
        "gate.fc2 (Conv2d),4x1x1,64x1x1,320",
        "gate.sigmoid (Sigmoid),64x1x1,64x1x1,0",
        "project (Conv2d),64x9x9,32x9x9,2080",
        "gate2.pool (AdaptiveAvgPool2d),32x9x9,32x1x1,0",
        "gate2.fc1 (Conv2d),32x1x1,2x1x1,66",
        "gate2.relu (ReLU),2x1x1,2x1x1,0",
        "gate2.fc2 (Conv2d),2x1x1,32x1x1,96",
        "gate2.sigmoid (Sigmoid),32x1x1,32x1x1,0",
        "head (Conv2d),32x9x9,8x9x9,264",
    ]
)


@pytest.mark.parametrize("wrong", ["32x8x1", "32x1x4", "32x3x3"])
def test_what_a_pooling_gives_is_taken_by_something(wrong: str) -> None:
    assert accused(GATED) == []
    row = "(AdaptiveAvgPool2d),32x9x9,"
    assert accused(GATED.replace(f"{row}32x1x1", f"{row}{wrong}")) == [(wrong, "32x1x1")]


# Boxes of four sides out of 16 numbers each, at 16 * 16 + 8 * 8 = 320 places: 64 channels are
# arranged anew, and softmax goes over 16 of them.
BOXES = [
    "Conv2d-1|[-1, 32, 16, 16]|896",
    "BatchNorm2d-2|[-1, 32, 16, 16]|64",
    "SiLU-3|[-1, 32, 16, 16]|0",
    "Conv2d-4|[-1, 64, 16, 16]|18,496",
    "Conv2d-5|[-1, 64, 8, 8]|18,496",
    "BatchNorm2d-6|[-1, 64, 8, 8]|128",
    "SiLU-7|[-1, 64, 8, 8]|0",
    "Softmax-8|[-1, 16, 4, 320]|0",
    "Conv2d-9|[-1, 1, 4, 320]|16",
]


def boxes(at: int = 0, wrong: str = "") -> str:
    """A table of torchsummary, one row of it otherwise."""
    rows = [wrong if k == at else row for k, row in enumerate(BOXES, 1)]
    lines = [line.split("|") for line in ("Layer (type)|Output Shape|Param #", *rows)]
    page = [f"{a:>25}  {b:>25} {c:>15}" for a, b, c in lines]
    return "\n".join(["-" * 68, page[0], "=" * 68, *page[1:], "=" * 68]) + "\n"


@pytest.mark.parametrize("size", ["8, 9", "16, 8"])
def test_one_side_alone_is_not_changed_between_rows(size: str) -> None:
    assert accused(boxes()) == []
    wrong = f"BatchNorm2d-6|[-1, 64, {size}]|128"
    assert [printed for printed, _ in accused(boxes(6, wrong))] == [f"[-1, 64, {size}]"]


# Four of 4 * 16 * 16 + 4 * 16 = 1,088 parameters, which are the work as torchinfo counts it.
ATTENDING = "Layer (type:depth-idx),Input Shape,Output Shape,Param #,Mult-Adds\n" + "".join(
    f'Linear: 1-{2 * k - 1},"[1, 9, 16]","[1, 9, 16]",272,272\n'
    f'MultiheadAttention: 1-{2 * k},"[1, 9, 16]","[1, 9, 16]","1,088","1,088"\n'
    for k in range(1, 5)
)


def test_what_is_attended_to_is_counted_as_in_the_other_rows() -> None:
    assert accused(ATTENDING) == []
    wrong = ATTENDING.replace('1-4,"[1, 9, 16]","[1, 9, 16]","1,088","1,088"', "{}")
    wrong = wrong.format('1-4,"[1, 9, 16]","[1, 9, 16]","1,088","2,176"')
    assert accused(wrong) == [("2,176", "1,088")]


def test_sizes_of_which_none_is_what_was_given_are_no_misprint() -> None:
    # 2 * 8 numbers of a normalization of 8 features, at 6 x 6 positions that a function made.
    rows = ["Conv2d-1|[-1, 8, 12, 12]|224", "ReLU-2|[-1, 8, 12, 12]|0"]
    rows += ["LayerNorm-3|[-1, 6, 6, 8]|16", "ShiftedWindows-4|[-1, 6, 6, 8]|0"]
    text = "Layer (type)|Output Shape|Param #\n" + "\n".join(rows) + "\n"
    assert accused(text) == []


def test_of_rows_that_may_have_twice_their_parameters_the_unusual_one_is_named() -> None:
    # Two numbers for each of 64 channels; those of 128 have twice as many.
    table = torchsummary(analyze(load("yolov8n")))
    rows = [list(cells) for cells in table.rows]
    at = next(k for k, row in enumerate(rows) if k > 50 and row[2] == "128" and "Batch" in row[0])
    rows[at][2] = "256"
    assert accused(table._replace(rows=rows).csv()) == [("256", "128")]
