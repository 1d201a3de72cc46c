"""Cells that other cells tell of, told from what is only unusual: totals, lists, windows, modules.

Each table is a few rows as a program or an author prints them; what its cells should be is worked
out beside it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from archcalc.claims.audit import audit
from tests.claims.test_likelier import accused, torchsummary

UNSEEN = Path(__file__).parent / "unseen"

# 9 * 3 * 16 and 9 * 16 * 16 at 1,024 positions, and 16,384 * 10: together 5,324,800.
COUNTED = """\
layer,input,output,kernel,params,MACs
conv1 (Conv2d),32x32x3,32x32x16,3x3,448,442368
conv2 (Conv2d),32x32x16,32x32x16,3x3,2320,2359296
conv3 (Conv2d),32x32x16,32x32x16,3x3,2320,2359296
fc (Linear),16384,10,,163850,163840
total,,,,168938,5324800
"""


def test_work_that_is_printed_doubled_is_told_by_its_total() -> None:
    assert accused(COUNTED) == set()
    # That one linear layer may count two for each multiply-accumulate: but not in this total.
    assert accused(COUNTED.replace("163840", "327680")) == {(4, "327680", "163,840")}
    assert {printed for _, printed, _ in accused(COUNTED.replace("5324800", "5342800"))} == {
        "5342800"
    }


RECORDED = """\
Net(
  (conv1): Conv1D(128, 500, kernel_size=[48], stride=[2], padding=97, data_format=NCL)
  (conv2): Conv1D(500, 250, kernel_size=[7], stride=[1], data_format=NCL)
)
"""


def test_windows_in_brackets_are_read_and_wide_ones_may_be_padded_more() -> None:
    found = audit(RECORDED)
    assert [row[4:7] for row in found.rows] == [("48", "2", "97"), ("7", "1", "0")]
    # (500 + 2 * 97 - 48) / 2 + 1 = 324, of which a 7 leaves 318: 128 * 48 * 500 + 500 = 3,072,500.
    printed = """\
 Layer (type)      Input Shape          Output Shape       Param #
====================================================================
   Conv1D-1      [[1, 128, 500]]      [1, 500, 324]      3,072,500
   Conv1D-2      [[1, 500, 324]]      [1, 250, 318]        875,250
====================================================================
Total params: 3,947,750
"""
    assert accused(printed) == set()
    assert (2, "[1, 250, 381]", "250x318") in accused(printed.replace("318", "381"))


def test_a_list_says_what_is_padded_at_one_end_and_an_item_may_lack_its_dot() -> None:
    text = (UNSEEN / "described_traffic_md.txt").read_text(encoding="utf-8")
    found = audit(text)
    assert found.ok, (found.findings, found.unreadable)
    assert [row[0] for row in found.rows][-2:] == ["Fully Connected", "Softmax-loss"]
    column = found.headers.index("padding")
    assert [found.rows[k][column] for k in (2, 4, 6)] == ["[0 1 0 1]"] * 3
    # (32 + 1 - 3) / 2 + 1 = 16
    wrong = text.replace("(32, 16,16)", "(32, 15,15)")
    assert accused(wrong) == {(3, "(32, 15,15)", "(32, 16,16)")}


@pytest.mark.parametrize(("was", "now"), [("6", "8"), ("4", "7"), ("13", "12")])
def test_what_is_joined_is_told_by_the_module_that_takes_it(was: str, now: str) -> None:
    text = (UNSEEN / "yolo11_listed.txt").read_text(encoding="utf-8")
    assert text.count(f"[-1, {was}]") == 1
    findings = audit(text.replace(f"[-1, {was}]", f"[-1, {now}]")).findings
    assert {(f.role, f.printed.rpartition("; ")[2]) for f in findings} == {("source", now)}


# 27 * 4 + 4 = 112, 27 * 4 * 8 + 8 = 872, 8 * 8 * 4 + 4 = 260, 27 * 8 * 4 + 4 = 868. Where a kernel
# of 2 moves by 1 it leaves 4 + 1, by 2 twice 4.
CROPPED = torchsummary(
    "Conv3d-1|[-1, 4, 4, 8, 8]|112",
    "MaxPool3d-2|[-1, 4, 4, 4, 4]|0",
    "Conv3d-3|[-1, 8, 4, 4, 4]|872",
    "ConvTranspose3d-4|[-1, 4, 5, 8, 8]|260",
    "concat_with Conv3d-1|[-1, 8, 4, 8, 8]|0",
    "Conv3d-6|[-1, 4, 4, 8, 8]|868",
)


def test_an_axis_may_be_spread_otherwise_and_cropped_to_what_it_is_joined_with() -> None:
    found = audit(CROPPED)
    assert found.findings == ()
    assert "what row 5 joins is cropped, which is not in the table" in found.notes
    assert {row for row, *_ in accused(CROPPED.replace("260\n", "620\n"))} == {4}


GATED = """\
Net(
  (layers): ModuleList(
    (0): Block(
      (attn): Linear(in_features=1536, out_features=1536, bias=True)
      (mlp): MLP(
        (gate_proj): Linear(in_features=1536, out_features=6144, bias=False)
        (up_proj): Linear(in_features=1536, out_features=6144, bias=False)
        (down_proj): Linear(in_features=6144, out_features=1536, bias=False)
        (act_fn): SiLU()
      )
    )
  )
  (head): Linear(in_features=1536, out_features=1000, bias=False)
)
"""


@pytest.mark.parametrize("at", range(3))
def test_a_width_that_stands_nowhere_else_in_a_tree_has_swapped_digits(at: int) -> None:
    assert accused(GATED) == set()
    pieces = GATED.split("6144")
    wrong = "6144".join(pieces[: at + 1]) + "6414" + "6144".join(pieces[at + 1 :])
    assert {cell[1:] for cell in accused(wrong)} == {("6414", "6144")}
