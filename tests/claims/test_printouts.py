"""Networks printed by programs: audited clean, and one changed cell is found."""

from __future__ import annotations

import random
import re
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from archcalc.analysis.analyze import analyze
from archcalc.analysis.counted import Analysis
from archcalc.claims.audit import audit
from archcalc.spec.zoo import load
from tests.claims.printers import PAGES, PRINTERS, Table

PRINTOUTS = Path(__file__).parent / "printouts"
"""What torchsummary 1.5, torchinfo 1.8 and Keras 3.15 printed of small networks."""

NETWORKS = (
    *("lenet5", "alexnet", "vgg16", "resnet18", "squeezenet", "c3d", "mobilenet", "mobilenet_v2"),
    *("unet", "dcgan-generator", "shufflenet_v2_x1_0"),
)
CLEAN = [
    *product(NETWORKS, PRINTERS),
    *product(("googlenet",), ("by hand", "keras")),
    *product(("efficientnet_b0", "resnext50_32x4d"), ("torchinfo", "torchsummary")),
    ("densenet121", "keras"),
]
CHANGED = ("lenet5", "alexnet", "resnet18", "mobilenet", "c3d", "squeezenet", "dcgan-discriminator")
"""Networks whose tables are changed: a few, so that it is soon done."""


@cache
def analyzed(name: str) -> Analysis:
    return analyze(load(name))


@pytest.mark.parametrize("path", sorted(PRINTOUTS.glob("*.txt")), ids=lambda path: path.stem)
def test_what_programs_print_is_read_whole_and_clean(path: Path) -> None:
    found = audit(path)
    assert (found.findings, found.unreadable, found.unmapped) == ((), (), ())
    assert found.checked["params"] >= 5
    assert found.totals is not None
    assert found.totals.gap == 0


def test_a_pooling_that_is_called_as_a_function_is_assumed_and_said() -> None:
    # 128 channels of 8x8 and a layer from 2,048 = 128 * 4 * 4.
    notes = audit(PRINTOUTS / "torchsummary.txt").notes
    assert "a 2x2 pooling before row 10 is not in the table" in notes


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("name", "printer"), CLEAN)
def test_a_printed_network_is_clean(name: str, printer: str) -> None:
    found = audit(PRINTERS[printer](analyzed(name)).csv())
    assert found.ok, (found.findings[:3], found.unreadable[:3])
    assert sum(found.checked.values()) > 15


UNUSUAL = [
    ("bert_base", "torchinfo"),  # a head whose weights are the embedding's
    ("bert_base", "by hand"),
    ("dit_s_2", "torchsummary"),  # steps and labels, which are other inputs
    ("t5_small", "torchstat"),  # a bias of pairs of positions
    ("coatnet_0", "torchstat"),
    ("bn_inception", "torchsummary"),  # a pooling of what is joined
    ("inception_v3", "torchsummary"),  # a second head, of what a row far above gives
    ("fasterrcnn_resnet50_fpn", "torchsummary"),
    ("whisper_tiny", "by hand"),  # a recording's length before its channels
    ("whisper_tiny", "torchstat"),  # a tied head, its features last
    ("clip_vit_b_32", "keras"),  # a layer that is called Sum
    ("yolov8n", "keras"),
    ("yolov8m", "torchsummary"),  # halves that go through layers, all of which are joined
]


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("name", "printer"), UNUSUAL)
def test_what_no_row_prints_explains_more_than_an_accusation(name: str, printer: str) -> None:
    assert audit(PRINTERS[printer](analyzed(name)).csv()).findings == ()


def test_a_head_without_weights_of_its_own_is_read_and_held() -> None:
    # 1,000 words of 8 features: the head multiplies 8 * 1,000 at 5 positions, and adds a bias each.
    table = "layer,input,output,params,macs\nembedding,5,5x8,8000,0\nfc,5x8,5x8,72,320\n"
    head = "head (Linear),5x8,5x1000,1000,40000\ntotal,,,9072,40320\n"
    assert audit(table + head).findings == ()
    wrong = audit(table + head.replace(",1000,4", ",1001,4"))
    assert "1001" in [each.printed for each in wrong.findings]


def test_a_size_of_fewer_axes_is_not_another() -> None:
    # A table of 32 distances of 8 heads is for pairs of positions, which no row of features takes.
    rows = [
        'Embedding: 1-1,"[1, 5]","[1, 5, 16]",160',
        'Embedding: 1-2,"[1, 5, 5]","[1, 5, 5, 8]",256',
        'LayerNorm: 1-3,"[1, 5, 16]","[1, 5, 16]",32',
        'Linear: 1-4,"[1, 5, 16]","[1, 5, 4]",68',
    ]
    text = "\n".join(["Layer (type:depth-idx),Input Shape,Output Shape,Param #", *rows]) + "\n"
    assert audit(text).findings == ()
    assert [f.right for f in audit(text.replace(",68", ",86")).findings] == ["68"]


def test_a_branch_takes_what_a_row_gives_and_no_part_of_another() -> None:
    # 16 channels are squeezed, and a quarter of the 64 that the other branch expands them to.
    found = audit(PRINTERS["torchstat"](analyzed("squeezenet1_1")).csv())
    assert found.ok, found.findings[:3]


def test_a_normalization_takes_no_part_of_the_convolution_above_it() -> None:
    # 9 * 512 * 512 = 2,359,296, and in two groups that of twice as many channels.
    table = PRINTERS["torchsummary"](analyzed("wide_resnet50_2"))
    rows = [list(cells) for cells in table.rows]
    assert rows[94] == ["Conv2d-95", "[-1, 512, 14, 14]", "2,359,296"]
    rows[94][1] = "[-1, 1024, 14, 14]"
    found = audit(table._replace(rows=rows).csv()).findings
    assert [(f.row, f.right) for f in found] == [(94, "512x14x14")]


PROJECTED = ("27936", "27,936")


@pytest.mark.parametrize("printer", PRINTERS)
def test_attention_in_windows_is_clean_and_read(printer: str) -> None:
    # A stage of Swin: windows are rearranged between rows, and scores are of another shape.
    table = PRINTERS[printer](analyzed("swin_t"))
    part = table._replace(rows=table.rows[:24])
    assert audit(part.csv()).findings == ()
    kept = [list(cells) for cells in part.rows]
    # (96 + 1) * 288
    at = {(k, j) for k, row in enumerate(kept) for j, n in enumerate(row) if n in PROJECTED}
    row, place = min(at)
    kept[row][place] = kept[row][place].replace("936", "963")
    found = audit(part._replace(rows=kept).csv())
    assert (row, place) in {(f.row, f.column) for f in found.findings}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", ["alexnet", "resnet18"])
def test_a_page_is_recognised_by_what_it_looks_like(name: str, page: str) -> None:
    print_, write = PAGES[page]
    table = print_(analyzed(name))
    found = audit(write(table))
    assert found.ok, (found.findings[:3], found.unreadable[:3], found.unmapped)
    # Torchsummary says below it what trains and what does not.
    assert len(table.rows) - 1 <= len(found.rows) <= len(table.rows) + 2


def changed(table: Table, seed: int) -> tuple[Table, int, int] | None:
    """A table with one number of one cell changed as people change them, and where."""
    rng = random.Random(seed)
    row, column = rng.randrange(len(table.rows)), rng.randrange(1, len(table.headers))
    text = table.rows[row][column]
    numbers = list(re.finditer(r"\d+(?:,\d{3})*(?!\d)", text))
    if text.startswith(("[-1", "[1, ")):
        numbers = numbers[1:]
    if not numbers or text in ("0", "--") or "[0]" in text:
        return None
    number = rng.choice(numbers)
    digits = number[0].replace(",", "")
    how = rng.randrange(4)
    if how == 0 and len(digits) > 1:
        at = rng.randrange(len(digits) - 1)
        new = digits[:at] + digits[at + 1] + digits[at] + digits[at + 2 :]
    elif how == 1:
        new = str(int(digits) + rng.choice((-1, 1)))
    elif how == 2:
        at = rng.randrange(len(digits))
        new = digits[:at] + str(rng.randrange(10)) + digits[at + 1 :]
    else:
        new = str(int(digits) * 2)
    if new == digits or new[0] == "0" or int(new) <= 0:
        return None
    written = f"{int(new):,}" if "," in number[0] else new
    rows = [list(cells) for cells in table.rows]
    rows[row][column] = text[: number.start()] + written + text[number.end() :]
    return table._replace(rows=rows), row, column


@pytest.mark.parametrize("printer", PRINTERS)
def test_a_changed_cell_is_found_where_another_determines_it(printer: str) -> None:
    # First inputs, strides of a window that fits once and the like are determined by nothing.
    located, tried, seed = 0, 0, 0
    while tried < 10:
        seed += 1
        change = changed(PRINTERS[printer](analyzed(CHANGED[seed % len(CHANGED)])), seed)
        if change is not None:
            table, row, column = change
            tried += 1
            found = audit(table.csv())
            located += any((f.row, f.column) == (row, column) for f in found.findings)
    assert located >= 0.95 * tried


TWINS = """\
----------------------------------------------------------------
        Layer (type)               Output Shape         Param #
================================================================
            Conv2d-1           [-1, 64, 96, 96]           4,864
              ReLU-2           [-1, 64, 96, 96]               0
         MaxPool2d-3           [-1, 64, 48, 48]               0
            Conv2d-4           [-1, 64, 96, 96]           4,864
              ReLU-5           [-1, 64, 96, 96]               0
         MaxPool2d-6           [-1, 64, 48, 48]               0
            Linear-7                    [-1, 1]         147,457
================================================================
Total params: 157,185
"""
"""Both go through a 5x5 of 3 channels: (75 + 1) * 64, and 48 * 48 * 64 + 1 of their difference."""


def test_twins_begin_anew_at_another_input(tmp_path: Path) -> None:
    table = tmp_path / "twins.txt"
    table.write_text(TWINS)
    found = audit(table)
    assert found.findings == ()
    assert "but Conv2d-4 (row 4) to take another input" in found.notes
    table.write_text(TWINS.replace("147,457", "147,475"))
    assert [each.printed for each in audit(table).findings] == ["147,475"]


CONVOLVED = """\
            Conv2d-7           [-1, 32, 48, 48]          36,896
            Linear-8                    [-1, 1]          73,729
"""


@pytest.mark.parametrize(
    ("joined", "total"),
    [
        # 2 * 48 * 48 * 64 + 1 of both side by side.
        ("            Linear-7                    [-1, 1]         294,913\n", "304,641"),
        # (3 * 3 * 128 + 1) * 32 and 32 * 48 * 48 + 1.
        (CONVOLVED, "120,353"),
    ],
)
def test_twins_may_be_joined_side_by_side(joined: str, total: str) -> None:
    before, last = TWINS.split("            Linear-7")
    text = before + joined + last.partition("\n")[2].replace("157,185", total)
    found = audit(text)
    assert found.findings == ()
    assert "a concatenation before row 7 is not in the table" in found.notes
    assert audit(text.replace("3,729", "3,792").replace("4,913", "9,413")).findings


def test_sizes_above_the_rows_that_give_them_are_theirs() -> None:
    # As fastai prints them, cut to 19 characters: 64 x 128 x 112 x 112 is not 11 wide.
    size, head = "{:20} {:20}", "Layer (type)         Output Shape         Param #    Trainable"
    rows = (size + " {:<10} {:10}").format
    lines = [
        head,
        size.format("", "64 x 64 x 224 x 224"[:19]),
        rows("Conv2d", "", 1792, "True"),  # (3 * 3 * 3 + 1) * 64
        rows("ReLU", "", "", ""),
        size.format("", "64 x 128 x 112 x 112"[:19]),
        rows("MaxPool2d", "", "", ""),
        rows("Conv2d", "", 73856, "True"),  # (3 * 3 * 64 + 1) * 128
        "",
        "Total params: 75,648",
    ]
    assert audit("\n".join(lines)).findings == ()
    assert [f.right for f in audit("\n".join(lines).replace("1792", "1972")).findings] == ["1792"]


# (3 * 3 * 3 + 1) * 8, four numbers a channel of which two do not train, and 4 * 4 * 8 * 10 + 10.
FOOTED = """\
Layer (type)                 Output Shape              Param #
=================================================================
conv2d (Conv2D)              (None, 4, 4, 8)           224
batch_normalization (BatchNormalization) (None, 4, 4, 8) 32
flatten (Flatten)            (None, 128)               0
dense (Dense)                (None, 10)                1290
=================================================================
Total params: 1,546
Trainable params: 1,530
Non-trainable params: 16
"""


@pytest.mark.parametrize(
    ("line", "wrong", "right"),
    [
        ("Trainable params: 1,530", "1,350", "1,530"),
        ("Non-trainable params: 16", "61", "16"),
        # What a slip does not explain is told by the normalization's means and variances.
        ("Trainable params: 1,530", "1,111", "1,530"),
        ("Total params: 1,546", "1,564", "1,546"),
    ],
)
def test_what_trains_and_what_does_not_are_the_total(line: str, wrong: str, right: str) -> None:
    assert audit(FOOTED).findings == ()
    text = FOOTED.replace(line, f"{line.rpartition(' ')[0]} {wrong}")
    (found,) = audit(text).findings
    assert (found.printed, found.right, found.layer) == (wrong, right, line.partition(":")[0])


def test_what_is_frozen_may_be_any_number() -> None:
    # Convolution and normalization do not train: 224 + 32.
    assert audit(FOOTED.replace("1,530", "1,290").replace(" 16", " 256")).findings == ()


INFO = "Layer (type:depth-idx),Input Shape,Output Shape,Param #,Mult-Adds\n"
# (3 * 3 * 3 + 1) * 16; 16 * 32 of a projection after a pooling; 2 * 32 + (32 + 1) * 10.
AUTHORS = """\
Conv2d: 1-1,"[1, 3, 8, 8]","[1, 16, 8, 8]",448,"28,672"
DownsampleAvg: 1-2,"[1, 16, 8, 8]","[1, 32, 4, 4]",512,"8,192"
AdaptiveAvgPool2d: 1-3,"[1, 32, 4, 4]","[1, 32, 1, 1]",--,--
NormLinear: 1-4,"[1, 32]","[1, 10]",394,394
"""


def test_a_class_that_pytorch_does_not_have_may_be_a_module() -> None:
    assert audit(INFO + AUTHORS).findings == ()


def test_a_class_of_which_other_rows_are_what_it_says_is_that() -> None:
    # (3 * 3 * 16 + 1) * 16
    row = 'ScaledConv2d: 1-{},"[1, 16, 8, 8]","[1, 16, 8, 8]",{},--\n'
    first = 'ScaledConv2d: 1-1,"[1, 3, 8, 8]","[1, 16, 8, 8]",448,--\n'
    for wrong in ("", "2,230"):
        rows = [row.format(k, '"2,320"') for k in range(2, 6)]
        rows += [row.format(6, f'"{wrong or "2,320"}"')]
        found = audit(INFO + first + "".join(rows)).findings
        assert [each.printed for each in found] == ([wrong] if wrong else [])


def test_windows_stand_in_the_place_of_the_batch() -> None:
    # Work is 16 times 2 * 8, and 16 times (8 + 1) * 24: of 16 windows of 49 positions.
    rows = [
        'Conv2d: 1-1,"[1, 3, 28, 28]","[1, 8, 28, 28]",224,"175,616"',
        'Conv2d: 1-8,"[1, 8, 28, 28]","[1, 8, 28, 28]",584,"457,856"',
        'Conv2d: 1-9,"[1, 8, 28, 28]","[1, 8, 28, 28]",584,"457,856"',
        'LayerNorm: 1-2,"[16, 49, 8]","[16, 49, 8]",16,256',
        'Linear: 1-3,"[16, 49, 8]","[16, 49, 24]",216,"3,456"',
        'Linear: 1-4,"[16, 49, 8]","[16, 49, 8]",72,"1,152"',
        'LayerNorm: 1-5,"[1, 784, 8]","[1, 784, 8]",16,16',
        'Linear: 1-6,"[1, 784, 8]","[1, 784, 32]",288,288',
        'Linear: 1-7,"[1, 784, 32]","[1, 784, 8]",264,264',
    ]
    assert audit(INFO + "\n".join(rows)).findings == ()
    wrong = "\n".join(rows).replace("3,456", "3,465")
    assert [each.right for each in audit(INFO + wrong).findings] == ["3,456"]


CUT = """\
Layer (type),Output Shape,Param #,Connected to
input_1 (InputLayer),"(None, 8, 8, 3)",0,
conv2d_1 (Conv2D),"(None, 8, 8, 16)",448,input_1[0][0]
conv2d_2 (Conv2D),"(None, 8, 8, 32)",896,input_1[0][0]
batch_normalizatio… (BatchNormalizatio…,"(None, 8, 8, 16)",64,conv2d_1[0][0]
batch_normalizatio… (BatchNormalizatio…,"(None, 8, 8, 32)",128,conv2d_2[0][0]
activation_1 (Activation),"(None, 8, 8, 16)",0,batch_normalizat…
activation_2 (Activation),"(None, 8, 8, 32)",0,batch_normalizat…
concatenate (Concatenate),"(None, 8, 8, 48)",0,"activation_1[0][0], activation_2[0][0]"
"""
"""As Keras 3 prints an Inception: (3 * 3 * 3 + 1) * 16 and * 32, four numbers a channel."""


def test_a_name_that_is_cut_off_may_be_any_that_it_begins() -> None:
    assert audit(CUT).findings == ()
    wrong = audit(
        CUT.replace(
            'activation_2 (Activation),"(None, 8, 8, 32)',
            'activation_2 (Activation),"(None, 8, 8, 23)',
        )
    )
    assert [each.printed for each in wrong.findings] == ["(None, 8, 8, 23)"]
