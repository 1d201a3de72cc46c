"""Tables of which single blanks are left between columns, and cells that carry their own labels."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from archcalc.claims.audit import audit
from archcalc.claims.tables.read import read_table

STRANGERS = Path(__file__).parent / "strangers"
KEPT = (
    *("csdn_simplemodel", "dcgan_cats", "deepy_dcgan_g", "gesture_conv3d", "mammo_separable"),
    *("overfeat_blog", "pilotnet_prelu", "so61061116", "so_understanding_summary"),
    *("squeezenet_trafficlight", "textcnn_imdb", "torchstat_mnist", "unet96"),
)
"""Tables that say as much where a page has copied them with single blanks."""


@pytest.mark.parametrize("name", KEPT)
def test_a_table_with_single_blanks_says_what_it_said_in_columns(name: str) -> None:
    path = STRANGERS / f"{name}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = [" ".join(filter(None, row)) for row in csv.reader(file)]
    copied = read_table("\n".join(re.sub(r"\s+", " ", row).strip() for row in rows))
    assert [e.values for e in copied.entries] == [e.values for e in read_table(path).entries]


MULTIPLE = """\
Layer (type) Output Shape Param #
=================================
embedding_4 (Embedding) multiple 23552
gru_4 (GRU) multiple 107400
dense_4 (Dense) multiple 9292
=================================
Total params: 140,244
"""
"""92 * 256, 3 * 100 * (256 + 100 + 2), (100 + 1) * 92."""


@pytest.mark.parametrize(("was", "now"), [("107400", "104700"), ("9292", "9922")])
def test_what_keras_knows_no_sizes_of_still_adds_up(was: str, now: str) -> None:
    assert audit(MULTIPLE).findings == ()
    assert now in {each.printed for each in audit(MULTIPLE.replace(was, now)).findings}


def test_a_name_that_is_not_repeated_is_that_of_the_row_above() -> None:
    table = read_table(
        "Layer Patch size/stride Depth Output size\n"
        "Convolution 3×3×64/1 2 32×32×64\n"
        "1×1×64/1 1\n"
        "Max pool 2×2/2 1 16×16×64\n"
        "Fully connected - 1 10\n"
    )
    assert [each.name for each in table.entries[:2]] == ["Convolution", "Convolution"]
    assert table.entries[1].values["kernel_h"] == 1
    assert "out_c" not in table.entries[1].values


def test_a_network_under_another_heading_takes_an_input_of_its_own() -> None:
    text = "Architecture Layer Kernel Filters Output\n{}"
    rows = [
        "Mouth (16x16) conv1 5 × 5 16 16×16×16",
        "conv2 5 × 5 32 8×8×32",
        "Face (64x64) conv1 5 × 5 16 64×64×16",
        "conv2 5 × 5 32 32×32×32",
    ]
    result = audit(text.format("\n".join(rows)))
    assert result.findings == ()
    assert "but conv1 (row 3) to take another input" in result.notes


LABELLED = """\
| # | What | Settings |
|---|---|---|
| 1 | Conv layer | filters: 6, filter size: 5x5, input size: 32x32x1, output size: 28x28x6 |
| 2 | Max pooling | stride size: [2, 2], filter size: [2, 2], output size: 14x14x6 |
| 3 | Conv layer | filters: 16, filter size: 5x5, output size: 10x10x16 |
| 4 | Dense layer | neurons = 120, input_shape = (batch_size, 1600) |
"""
"""32 - 5 + 1, 28 / 2, 14 - 5 + 1, 10 * 10 * 16."""


def test_cells_with_labels_are_columns_of_what_they_say() -> None:
    entries = read_table(LABELLED).entries
    assert [e.values.get("channels_out") for e in entries] == [6, None, 16, 120]
    assert [e.values.get("kernel_h") for e in entries] == [5, 2, 5, None]
    assert entries[1].values["stride_h" if "stride_h" in entries[1].values else "stride"] == 2
    assert entries[3].values["in_c"] == 1600
    assert audit(LABELLED).findings == ()


@pytest.mark.parametrize(
    ("was", "now"),
    [("14x14x6", "41x41x6"), ("filters: 16", "filters: 61"), ("1600", "1060"), ("28x28", "82x82")],
)
def test_a_slip_in_a_labelled_cell_is_found_under_its_label(was: str, now: str) -> None:
    found = audit(LABELLED.replace(was, now))
    assert any(now.split(": ")[-1] in each.printed for each in found.findings)


def test_a_label_in_the_midst_of_words_takes_nothing_out_of_them() -> None:
    said = "a picture of a face whose input size: 16x16 was cut out of a larger one by hand"
    table = f"layer,remark,out,k,params\nconv1,{said},8,3,80\nconv2,{said},16,3,1168\n"
    assert all(said in each.cells for each in read_table(table).entries)
