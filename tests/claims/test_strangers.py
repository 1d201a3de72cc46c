"""Tables that other people printed, as facts: one error planted in each is found at its cell.

Papers (SqueezeNet, arXiv:1602.07360; FaceNet, arXiv:1503.03832; MobileNet, arXiv:1704.04861),
notebooks, READMEs and question pages; headers as printed, shapes without the batch.
"""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import pytest

from archcalc.claims.audit import audit

STRANGERS = Path(__file__).parent / "strangers"

# Table, row, column, what stands there, and what a slip makes of it.
PLANTED = (
    ("so61061116", 6, "Param #", "25632", "26532"),
    ("so_understanding_summary", 4, "Output Shape", "72x72x32", "71x71x32"),
    ("gesture_conv3d", 5, "Param #", "3472", "3742"),
    ("csdn_simplemodel", 3, "Param #", "262272", "262722"),
    ("yolov3tiny_darknet", 4, "size/strd", "2x2/2", "2x2/1"),
    ("mammo_separable", 20, "Param #", "9792", "9972"),
    ("dcgan_cats", 5, "Param #", "512", "256"),
    ("deepy_dcgan_g", 10, "Output Shape", "256x16x16", "256x15x15"),
    ("pilotnet_prelu", 5, "Param #", "23688", "23868"),
    ("squeezenet_trafficlight", 21, "Connected to", "merge_4", "merge_3"),
    ("torchstat_mnist", 2, "Flops", "321280", "312280"),
    ("torchinfo_singleinput", 2, "Mult-Adds", "2248960", "2284960"),
    ("torchinfo_customresnet", 18, "Kernel Shape", "[3, 3]", "[5, 5]"),
    ("ecg_heartbeat", 2, "Stride", "3", "2"),
    ("eeg_groups", 4, "Groups", "50", "25"),
    ("overfeat_blog", 4, "Output", "128x1024x27x27", "128x1024x26x26"),
    ("facenet_nn1", 12, "FLPS", "173M", "137M"),
    ("squeezenet_paper", 9, "#parameter before pruning", "104,880", "108,480"),
    ("textcnn_imdb", 2, "Param #", "192128", "192182"),
    ("unet96", 21, "Output Shape", "24x24x256", "24x24x192"),
)

ERRATA = {
    # A kernel of 7 over 224 gives 109 without padding, and 111 over 227; 27 gives 13 on both sides.
    "squeezenet_paper": {(1, "output size"), (2, "output size"), (12, "output size")},
    # 256 filters, but 96 channels are printed from there on; and 58 for what 106 pooled by 2 gives.
    "overfeat_blog": {(2, "Input"), (2, "Kernel")},
    # Filters are printed for each of 19 channels; 21000 * 2 leaves two biases out.
    "eeg_groups": {(2, "Filters"), (4, "Filters"), (8, "Parameters")},
    # A 3x3 with stride 2 does not leave 7x7 as it is.
    "mobilenet_paper": {(18, "stride")},
}
"""Misprints of the originals."""


def read(name: str) -> list[list[str]]:
    with (STRANGERS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def found(rows: list[list[str]]) -> set[tuple[int, str]]:
    text = StringIO()
    csv.writer(text).writerows(rows)
    result = audit(text.getvalue())
    assert not result.unmapped
    return {(f.row + 1, result.headers[f.column]) for f in result.findings}


@pytest.mark.parametrize("name", sorted(path.stem for path in STRANGERS.glob("*.csv")))
def test_nothing_is_accused_but_the_misprints_of_the_original(name: str) -> None:
    assert found(read(name)) <= ERRATA.get(name, set())


def test_a_stride_that_no_padding_makes_possible_is_a_misprint() -> None:
    assert found(read("mobilenet_paper")) == {(18, "stride")}


@pytest.mark.parametrize(("name", "row", "column", "was", "now"), PLANTED)
def test_a_planted_error_is_found_at_its_cell(
    name: str, row: int, column: str, was: str, now: str
) -> None:
    rows = read(name)
    place = rows[0].index(column)
    assert rows[row][place] == was
    rows[row][place] = now
    assert (row, column) in found(rows)


def test_a_cell_that_can_not_be_read_is_confirmed_by_the_total() -> None:
    # (9 * 16 + 1) * 64 = 9,280, printed as s9280.
    result = audit(STRANGERS / "squeezenet_trafficlight.csv")
    ((row, _, message),) = result.unreadable
    assert row == 9
    assert message == "'s9280' is no number; with 9,280 the rows add up to the total"
    assert result.findings == ()


@pytest.mark.parametrize(("row", "right"), [('Conv2d-3,"[-1, 64, 8, 8]","8,265"', "8,256")])
def test_the_row_is_accused_and_not_the_total(row: str, right: str) -> None:
    # (128 + 1) * 64 = 8,256; 262,272 + 8,256 = 270,528.
    table = f'Layer,Output Shape,Param #\nConv2d-1,"[-1, 128, 8, 8]","262,272"\n{row}\n'
    result = audit(table + 'Total params,,"270,528"\n')
    assert [(f.row, f.right) for f in result.findings] == [(1, right)]


def test_either_of_two_cells_is_wrong_where_nothing_says_which() -> None:
    # (3 * 3 * 3 + 1) * 8 = 224 and (3 * 3 * 1 + 1) * 8 = 80: channels or parameters.
    table = "layer,in,out,k,params\nconv1,3,8,3,224\nconv2,8,16,3,{}\n"
    assert audit(table.format(1168)).ok  # (9 * 8 + 1) * 16
    accused = {f.role for f in audit(table.format(1186)).findings}
    assert "params" in accused


def test_a_column_that_is_not_understood_is_named() -> None:
    result = audit("layer,wibble,out,k,params\nconv1,17,8,3,80\nconv2,4,16,3,1168\n")
    assert result.unmapped == ("wibble",)
    assert any("not read: wibble" in note for note in result.notes)
    assert not result.ok


@pytest.mark.parametrize(
    "table",
    [
        "layer,params\n" + "conv1,1\n" * 4000,
        "layer," * 150 + "params\n" + "conv1," * 150 + "1\n",
        "layer,out,params\nconv1,9x9x3," + "9" * 400 + "\n",
        "layer,input,output,k,params\n" + "conv,99999x99999x99999,1x1x7,99999,1\n" * 300,
    ],
)
def test_hostile_tables_end(table: str) -> None:
    assert audit(table).rows


def test_a_concatenation_may_print_one_of_what_it_joins() -> None:
    table = (
        "layer,input,output,kernel\nup (upsample),16x16x64,32x32x64,\n"
        "concat with enc1,32x32x64,32x32x{},\nconv,32x32x{},32x32x32,3x3\n"
    )
    assert audit(table.format(96, 96)).ok
    assert (1, "out_c") in audit(table.format(69, 96)).wrong


def test_what_is_too_small_for_its_unit_is_told_in_full() -> None:
    # (3 * 3 * 3 + 1) * 16.
    ((finding),) = audit("layer,output,params\nconv1,32x32x16,9K\nconv2,32x32x16,2320\n").findings
    assert finding.right == "448"


def test_columns_of_words_are_named() -> None:
    result = audit("layer,made by,out,k,params\nconv1,ann,8x8x8,3,224\nconv2,bob,8x8x16,3,1168\n")
    assert result.remarks == ("made by",)
    assert "nothing to check: made by" in result.notes
    assert result.ok
