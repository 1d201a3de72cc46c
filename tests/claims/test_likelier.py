"""Of several readings the likelier: cells that one slip made wrong, and rows that are right.

Each table is a few rows as a program prints them; what its cells should be is worked out beside it.
"""

from __future__ import annotations

import pytest

from archcalc.claims.audit import audit
from archcalc.claims.emit import emit
from archcalc.claims.tables.read import read_table
from archcalc.claims.tables.search import GROUPED, Search
from archcalc.errors import ArchcalcError


def accused(text: str) -> set[tuple[int, str, str]]:
    """Rows, printed cells and what they should say."""
    return {(f.row + 1, f.printed, f.right) for f in audit(text).findings}


def torchinfo(*rows: str) -> str:
    """A table of torchinfo with inputs and kernels, columns apart by bars here."""
    heads = "Layer (type:depth-idx)|Input Shape|Kernel Shape|Output Shape|Param #|Mult-Adds"
    lines = [line.split("|") for line in (heads, *rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (lines[0], ["---"] * 6, *lines[1:]))


def torchsummary(*rows: str) -> str:
    """A table of torchsummary."""
    lines = [line.split("|") for line in ("Layer (type)|Output Shape|Param #", *rows)]
    page = [f"{a:>25}  {b:>25} {c:>15}" for a, b, c in lines]
    return "\n".join(["-" * 68, page[0], "=" * 68, *page[1:], "=" * 68]) + "\n"


def normed(number: int, channels: int, side: int, params: int) -> tuple[str, str, str]:
    """A convolution without biases, its normalization and its activation."""
    size = f"[-1, {channels}, {side}, {side}]"
    return (
        f"Conv2d-{number}|{size}|{params}",
        f"BatchNorm2d-{number + 1}|{size}|{2 * channels}",
        f"SiLU-{number + 2}|{size}|0",
    )


def halved(pairs: int) -> str:
    """A network as torchsummary prints it whose second half of 16 channels goes through some pairs.

    9 * 3 * 16 = 432, 16 * 16 = 256, 9 * 8 * 8 = 576; what is mixed are both halves and what each
    pair gives, (16 + 8 * pairs) * 16; 9 * 16 * 32 = 4,608.
    """
    rows = [*normed(1, 16, 32, 432), *normed(4, 16, 32, 256)]
    for k in range(2 * pairs):
        rows += normed(7 + 3 * k, 8, 32, 576)
    last = 7 + 6 * pairs
    rows += normed(last, 16, 32, (16 + 8 * pairs) * 16)
    return torchsummary(*rows, *normed(last + 3, 32, 16, 4608))


@pytest.mark.parametrize("pairs", [1, 2, 4, 6])
def test_a_half_goes_through_layers_all_of_which_are_mixed(pairs: int) -> None:
    table, last = halved(pairs), 7 + 6 * pairs
    assert accused(table) == set()
    notes = audit(table).notes
    assert "a split before row 7 is not in the table" in notes
    assert f"a concatenation before row {last} is not in the table" in notes
    assert {row for row, *_ in accused(table.replace("256\n", "265\n", 1))} == {4}
    mixed = (16 + 8 * pairs) * 16
    assert {row for row, *_ in accused(table.replace(f"{mixed}\n", f"{mixed + 90}\n"))} == {last}
    assert accused(table.replace("[-1, 8, 32, 32]", "[-1, 8, 23, 32]", 1)) == {
        (7, "[-1, 8, 23, 32]", "8x32x32")
    }


# Of an image 100 regions are cut, each of 7 x 7 x 64 = 3,136 numbers: 3,137 * 32, and 33 * 5.
REGIONS = torchinfo(
    *(
        f"Conv2d: 1-{k}|[1, {c}, 32, 32]|[3, 3]|[1, 64, 32, 32]|{p}|{p * 1024}"
        for k, (c, p) in enumerate([(3, 1792), *[(64, 36928)] * 8], 1)
    ),
    "RoIAlign: 1-10|[1, 64, 32, 32]|--|[100, 64, 7, 7]|--|--",
    "Linear: 1-11|[100, 3136]|--|[100, 32]|100384|100384",
    "ReLU: 1-12|[100, 32]|--|[100, 32]|--|--",
    "Linear: 1-13|[100, 32]|--|[100, 5]|165|165",
)


def test_regions_of_an_image_are_no_other_batch_by_slip() -> None:
    assert accused(REGIONS) == set()
    slip = REGIONS.replace("[1, 64, 32, 32] | [3, 3]", "[2, 64, 32, 32] | [3, 3]", 1)
    assert {printed for _, printed, _ in accused(slip)} == {"[2, 64, 32, 32]"}
    assert {(11, "103084", "100,384")} <= accused(REGIONS.replace("100384 |", "103084 |", 1))


# 8 * 8 * 64 = 4,096; 4,096 * 256 = 1,048,576; 256 * 64 = 16,384; 64 * 21 = 1,344; 64 * 84 = 5,376;
# each of them is done for 300 regions.
OFTEN = """layer,input,output,params,MACs
conv1 (Conv2d),64x64x3,64x64x16,448,1769472
fc6 (Linear),4096,256,1048832,314572800
fc7 (Linear),256,64,16448,4915200
score (Linear),64,21,1365,403200
box (Linear),64,84,5460,1612800
"""


def test_work_may_be_done_for_each_of_many_regions() -> None:
    found = audit(OFTEN)
    assert found.findings == ()
    assert any("multiply-accumulates times 300" in note for note in found.notes)
    assert (4, "430200", "403,200") in accused(OFTEN.replace("403200", "430200"))


def test_a_vector_has_a_length() -> None:
    # 65 * 32 = 2,080.
    text = (
        "module name,input shape,output shape,params\n"
        "embed (Linear),64,32,2080\nnorm (Norm),32,1,0\ndiv (Div),32,32,0\n"
        "head (Linear),32,10,330\n"
    )
    assert accused(text) == set()
    assert (4, "303", "330") in accused(text.replace("330", "303"))


# Half of the channels goes on: 16 * 64, 9 * 32 * 32, 9 * 32 * 32 and 128 * 64 without biases.
SPLIT = torchinfo(
    "Conv2d: 1-1|[1, 16, 40, 40]|[1, 1]|[1, 64, 40, 40]|1024|1638400",
    "SiLU: 1-2|[1, 64, 40, 40]|--|[1, 64, 40, 40]|--|--",
    "Conv2d: 1-3|[1, 32, 40, 40]|[3, 3]|[1, 32, 40, 40]|9216|14745600",
    "SiLU: 1-4|[1, 32, 40, 40]|--|[1, 32, 40, 40]|--|--",
    "Conv2d: 1-5|[1, 32, 40, 40]|[3, 3]|[1, 32, 40, 40]|9216|14745600",
)


def test_half_of_the_channels_may_go_on() -> None:
    found = audit(SPLIT)
    assert found.findings == ()
    assert "a split before row 3 is not in the table" in found.notes
    assert (3, "9261", "9216") in accused(SPLIT.replace("9216", "9261", 1))


def test_what_is_subtracted_has_one_size() -> None:
    # A highway's layer: 50 * 50 + 50.
    text = (
        "Layer (type),Output Shape,Param #,Connected to\n"
        'x (InputLayer),"(None, 50)",0,\nh (Dense),"(None, 50)",2550,x[0][0]\n'
        'sub_1 (Sub),"(None, 50)",0,"h[0][0], x[0][0]"\n'
        'mul_1 (Mul),"(None, 50)",0,"h[0][0], sub_1[0][0]"\n'
        'y (Dense),"(None, 10)",510,mul_1[0][0]\n'
    )
    assert accused(text) == set()
    wrong = text.replace('sub_1 (Sub),"(None, 50)"', 'sub_1 (Sub),"(None, 100)"')
    assert {(row, printed) for row, printed, _ in accused(wrong)} == {(3, "(None, 100)")}


# The first block of a residual network, its shortcut last: 64 * 64, 9 * 64 * 64, 64 * 256 twice.
BLOCK = torchsummary(
    "Conv2d-1|[-1, 64, 56, 56]|9,408",
    "BatchNorm2d-2|[-1, 64, 56, 56]|128",
    "Conv2d-3|[-1, 64, 56, 56]|4,096",
    "BatchNorm2d-4|[-1, 64, 56, 56]|128",
    "Conv2d-5|[-1, 64, 56, 56]|36,864",
    "BatchNorm2d-6|[-1, 64, 56, 56]|128",
    "ReLU-7|[-1, 64, 56, 56]|0",
    "Conv2d-8|[-1, 256, 56, 56]|16,384",
    "BatchNorm2d-9|[-1, 256, 56, 56]|512",
    "Conv2d-10|[-1, 256, 56, 56]|16,384",
    "BatchNorm2d-11|[-1, 256, 56, 56]|512",
    "ReLU-12|[-1, 256, 56, 56]|0",
    "Conv2d-13|[-1, 64, 56, 56]|16,384",
)


def test_nothing_is_joined_to_lead_nowhere() -> None:
    assert accused(BLOCK) == set()
    wrong = BLOCK.replace("ReLU-7           [-1, 64", "ReLU-7          [-1, 128")
    assert {row for row, *_ in accused(wrong)} == {7}


def test_a_normalization_is_of_the_convolution_above_it() -> None:
    wrong = BLOCK.replace("Conv2d-5           [-1, 64", "Conv2d-5          [-1, 128")
    assert {row for row, *_ in accused(wrong)} == {5}


# Four poolings of 2 x 2: 28, 80, 584 = (9 * 8 + 1) * 8 parameters.
POOLED = torchsummary(
    "Conv2d-1|[-1, 8, 32, 32]|224",
    "MaxPool2d-2|[-1, 8, 16, 16]|0",
    "Conv2d-3|[-1, 8, 16, 16]|584",
    "MaxPool2d-4|[-1, 8, 8, 8]|0",
    "Conv2d-5|[-1, 8, 8, 8]|584",
    "MaxPool2d-6|[-1, 8, 4, 4]|0",
    "AdaptiveAvgPool2d-7|[-1, 8, 2, 2]|0",
    "Linear-8|[-1, 10]|330",
)


def test_one_pooling_is_not_over_one_axis_alone() -> None:
    assert accused(POOLED) == set()
    wrong = POOLED.replace("[-1, 8, 4, 4]", "[-1, 8, 8, 4]")
    assert {row for row, *_ in accused(wrong)} == {6}


def test_one_kernel_is_no_rectangle_where_all_others_are_squares() -> None:
    # In two groups: 9 * 16 / 2 * 16 + 16; 3 x 6 would fit in four.
    rows = [
        f"Conv2d: 1-{k}|[1, 16, 13, 13]|[3, 3]|[1, 16, 13, 13]|{p}|{p * 169}"
        for k, p in enumerate((2320, 2320, 1168, 2320, 2320), 1)
    ]
    assert accused(torchinfo(*rows)) == set()
    rows[2] = rows[2].replace("[3, 3]", "[3, 6]")
    assert accused(torchinfo(*rows)) == {(3, "[3, 6]", "[3, 3]")}


def test_a_row_is_wrong_rather_than_its_kernel_odd_and_the_total() -> None:
    # 1 x 1 from 64 to 64 without biases; 8,192 is 1 x 2 as well.
    rows = "".join(
        f'conv_{k} (Conv2D),"(None, 14, 14, 64)",4096\nbn_{k} (BatchNormalization),'
        '"(None, 14, 14, 64)",256\n'
        for k in range(1, 6)
    )
    text = (
        'Layer (type),Output Shape,Param #\nx (InputLayer),"(None, 14, 14, 64)",0\n'
        f"{rows}Total params,,21760\n"
    )
    assert accused(text) == set()
    assert accused(text.replace("4096", "8192", 1)) == {(2, "8192", "4096")}


def test_a_first_size_is_wrong_rather_than_all_that_follows() -> None:
    # Of 16 frames: 5 * 3 * 3 * 3 * 64 + 64 parameters, 8,640 * 16 * 28 * 28 of work.
    text = (
        "Layer,Input,Output,Kernel,Stride,Pad,Parameters,MACs\n"
        'conv1 (Conv3d),16x28x28x3,16x28x28x64,5x3x3,1,"(2, 1, 1)",8704,108380160\n'
        "pool1 (MaxPool3d),16x28x28x64,16x14x14x64,1x2x2,1x2x2,0,0,0\n"
        'conv2 (Conv3d),16x14x14x64,16x14x14x64,5x3x3,1,"(2, 1, 1)",184384,578027520\n'
        "Total,,,,,,193088,686407680\n"
    )
    assert accused(text) == set()
    wrong = text.replace("16x28x28x3,", "96x28x28x3,")
    assert accused(wrong) == {(1, "96x28x28x3", "16x28x28x3")}


def test_one_channel_is_not_joined_to_itself() -> None:
    # A discriminator's end: 4 * 4 * 32.
    rows = ["Conv2d-1|[-1, 32, 4, 4]|1,536", "Conv2d-2|[-1, 1, 1, 1]|512"]
    assert accused(torchsummary(*rows, "Sigmoid-3|[-1, 1, 1, 1]|0")) == set()
    wrong = torchsummary(*rows, "Sigmoid-3|[-1, 2, 1, 1]|0")
    assert {row for row, *_ in accused(wrong)} == {3}


@pytest.mark.parametrize("length", [10, 70])
def test_a_shortcut_goes_over_any_number_of_rows_that_keep_a_size(length: int) -> None:
    # 9 * 8 * 8, 9 * 8 * 16 at a stride of 2, and 8 * 16 of the shortcut.
    head = "module name,input shape,output shape,params\n"
    rows = [f"conv{k} (Conv2d),8x16x16,8x16x16,576\n" for k in range(length)]
    rows.append("down (Conv2d),8x16x16,16x8x8,1152\nnorm (BatchNorm2d),16x8x8,16x8x8,32\n")
    rows.append("shortcut (Conv2d),8x16x16,16x8x8,128\n")
    assert accused(head + "".join(rows)) == set()


def test_a_table_that_is_right_is_not_read_in_other_manners() -> None:
    passes = []

    class Counted(Search):
        def passed(self, manner):  # type: ignore[no-untyped-def]
            passes.append(manner)
            return super().passed(manner)

    # Three modules of three branches each, which costs more than a cell that is wrong.
    lines, c = ["layer,input,output,kernel,stride,pad,params"], 16
    for k in range(3):
        lines += [
            f"conv{k}{n},8x8x{c},8x8x{d},3x3,1,1,{(9 * c + 1) * d}"
            for n, d in enumerate((24, 40, 8))
        ]
        c = 72
    search = Counted(read_table("\n".join(lines)))
    assert search.run().cost > GROUPED
    assert len(passes) == 2


# A unit of ShuffleNet V2: its halves are inside of a module, which is inside of the stage.
TREE = """\
=================================================================
Layer (type:depth-idx)                   Output Shape     Param #
=================================================================
Net                                      [1, 8, 28, 28]   --
├─Sequential: 1-1                        [1, 8, 28, 28]   --
│    └─Unit: 2-1                         [1, 8, 28, 28]   --
│    │    └─Sequential: 3-1              [1, 4, 28, 28]   112
│    └─Unit: 2-2                         [1, 8, 28, 28]   --
│    │    └─Sequential: 3-2              [1, 4, 28, 28]   112
=================================================================
Total params: 224
=================================================================
"""


def test_a_sequence_gives_what_the_last_of_its_own_rows_gives() -> None:
    assert accused(TREE) == set()
    wrong = TREE.replace(
        "1-1                        [1, 8, 28", "1-1                        [1, 8, 82"
    )
    assert {row for row, *_ in accused(wrong)} == {2}


# Four neighbours of 12 numbers become 24: 12 * 4 * 24; of a table of pairs, 2 * 5 + 5.
MERGED = torchsummary(
    "Conv2d-1|[-1, 12, 56, 56]|588",
    "Conv2d-2|[-1, 12, 56, 56]|1,308",
    "Conv2d-3|[-1, 12, 56, 56]|1,308",
    "Permute-4|[-1, 56, 56, 12]|0",
    "LayerNorm-5|[-1, 56, 56, 12]|24",
    "Linear-6|[-1, 28, 28, 24]|1,152",
    "LayerNorm-7|[-1, 28, 28, 24]|48",
    "Linear-8|[-1, 15, 15, 5]|15",
)


def test_a_layer_of_features_may_take_patches_that_were_merged() -> None:
    found = audit(MERGED)
    assert found.findings == ()
    assert "a rearrangement before row 6 is not in the table" in found.notes
    assert {row for row, *_ in accused(MERGED.replace("1,152", "1,125"))} == {6}


# Four gates of a 3x3 over what is given and what was: 4 * (9 * (1 + 8) + 1) * 8, of lengths unsaid.
FRAMES = """\
Layer (type)                 Output Shape              Param #
=================================================================
conv_lstm2d (ConvLSTM2D)     (None, None, 32, 32, 8)   2624
_________________________________________________________________
conv_lstm2d_1 (ConvLSTM2D)   (None, None, 32, 32, 8)   4640
=================================================================
Total params: 7264
"""


def test_gates_that_convolve_tell_of_their_width_where_lengths_are_unsaid() -> None:
    assert accused(FRAMES) == set()
    wrong = FRAMES.replace("8)   4640", "9)   4640")
    assert {row for row, *_ in accused(wrong)} == {2}


def test_a_stage_is_no_operator() -> None:
    # 1,792 = (9 * 3 + 1) * 64; 36,928 = (9 * 64 + 1) * 64.
    text = (
        "stage,layer,output,kernel,stride,params\nstage0,conv,32x32x64,3x3,2,1792\n"
        "stage1,conv,32x32x64,3x3,1,36928\nstage1,conv,32x32x64,3x3,1,36928\n"
    )
    assert accused(text) == set()
    assert accused(text.replace("36928", "36982", 1)) == {(2, "36982", "36,928")}


def test_a_first_size_follows_from_what_the_next_row_takes() -> None:
    text = (
        "layer,input,kernel,stride,params\nconv1,64x64x3,3x3,2,448\nconv2,32x32x16,3x3,1,4640\n"
        "conv3,32x32x32,3x3,1,9248\n"
    )
    assert accused(text) == set()
    assert accused(text.replace("64x64", "46x64")) == {(1, "46x64x3", "64x64x3")}


def test_a_rounded_number_tells_of_features() -> None:
    # 257 * 10 = 2,570, and as many multiply-accumulates with biases.
    text = (
        "layer,type,in,out,params,MACs\nfc1,Linear,64,256,16.64 K,16.64 K\n"
        "fc2,Linear,256,10,2.57 K,2.57 K\nTotal,,,,19.21 K,19.21 K\n"
    )
    assert accused(text) == set()
    assert accused(text.replace("256,10", "256,11")) == {(2, "11", "10")}


def test_weights_of_which_no_row_prints_a_number_are_not_written_anew() -> None:
    # 50 words of 16, and a layer that shares the embedding's weights.
    rows = [
        "Embedding: 1-1|[1, 8]|--|[1, 8, 16]|800|800",
        "LayerNorm: 1-2|[1, 8, 16]|--|[1, 8, 16]|32|32",
        "Linear: 1-3|[1, 8, 16]|--|[1, 8, 16]|272|272",
        "Linear: 1-4|[1, 8, 16]|--|[1, 8, 50]|--|--",
        "Total params||||1104|1104",
    ]
    found = audit(torchinfo(*rows))
    assert found.findings == ()
    with pytest.raises(ArchcalcError, match=r"Linear: 1-4 .* prints no parameters"):
        emit(found)


SPREAD = """\
layer,input,output,kernel,stride,pad,params
up1 (ConvTranspose2d),4x4x1024,8x8x512,5x5,2,2,13107200
up2 (ConvTranspose2d),8x8x512,16x16x256,5x5,2,2,3276800
up3 (ConvTranspose2d),16x16x256,32x32x128,5x5,2,2,819200
up4 (ConvTranspose2d),32x32x128,64x64x3,5x5,2,2,9600
"""
"""(4 - 1) * 2 + 5 - 2 * 2 = 7, and 8 with PyTorch's ``output_padding`` of 1; 5 * 5 * 1024 * 512."""


def test_what_is_padded_at_one_end_of_the_output_is_no_misprint() -> None:
    assert audit(SPREAD).ok
    (wrong,) = audit(SPREAD.replace("256,5x5,2,2", "256,5x5,2,1")).findings
    assert (wrong.row, wrong.printed, wrong.right) == (1, "1", "2")


# 9 * 3 * 64 and 9 * 64 * 32; 9 * 64 * 48 of the first row, three times: once of twice as much,
# as if it took what two rows of 64 give.
TWICE = torchsummary(
    "Conv2d-1|[-1, 64, 8, 8]|1,728",
    "Conv2d-2|[-1, 32, 8, 8]|18,432",
    "Conv2d-3|[-1, 48, 8, 8]|27,648",
    "Conv2d-4|[-1, 48, 8, 8]|27,648",
    "Conv2d-5|[-1, 32, 8, 8]|18,432",
    "Conv2d-6|[-1, 48, 8, 8]|27,648",
)


def test_twice_a_row_that_the_total_lacks_is_no_other_input() -> None:
    table = TWICE + "Total params: 121,536\n"
    assert not accused(table)
    last = table.rindex("27,648")
    wrong = table[:last] + "55,296" + table[last + len("27,648") :]
    assert accused(wrong) == {(6, "55,296", "27,648")}


# (16 + 1) * 16 of each of queries, keys, values and what is made of them; two for each feature.
ATTENTIONS = torchinfo(
    "Linear: 1-1|[1, 5, 8]|--|[1, 5, 16]|144|--",
    *(
        f"{row.format(k)}|[1, 5, 16]|--|[1, 5, 16]|{n}|--"
        for k in range(2, 10, 2)
        for row, n in (("MultiheadAttention: 1-{}", 1088), ("LayerNorm: 1-{}0", 32))
    ),
)


@pytest.mark.parametrize("size", ["[1, 5, 32]", "[1, 5, 15]"])
def test_attention_gives_what_others_of_its_kind_give(size: str) -> None:
    assert not accused(ATTENTIONS)
    row = "MultiheadAttention: 1-6 | [1, 5, 16] | -- | "
    assert {r for r, *_ in accused(ATTENTIONS.replace(row + "[1, 5, 16]", row + size))} == {6}


def test_a_normalization_of_layers_keeps_no_statistics() -> None:
    row = "LayerNorm: 1-40 | [1, 5, 16] | -- | [1, 5, 16] | "
    assert accused(ATTENTIONS.replace(row + "32", row + "64")) == {(5, "64", "32")}


def test_half_the_channels_on_a_longer_side_are_no_rearrangement() -> None:
    # (9 * 3 + 1) * 32; (9 * 32 + 1) * 16, twice from the first row; (9 * 16 + 1) * 16.
    table = torchsummary(
        "Conv2d-1|[-1, 32, 7, 7]|896",
        "Conv2d-2|[-1, 16, 7, 7]|4,624",
        "Conv2d-3|[-1, 16, 7, 7]|4,624",
        "Conv2d-4|[-1, 16, 7, 7]|4,624",
        "ReLU-5|[-1, 16, 7, 7]|0",
        "Conv2d-6|[-1, 16, 7, 7]|2,320",
    )
    assert not accused(table)
    relu = "ReLU-5             [-1, 16, 7, 7]"
    assert relu in table
    wrong = table.replace(relu, relu.replace("16, 7,", "16, 14,"))
    assert {r for r, *_ in accused(wrong)} == {5}


# (84 - 8) / 4 + 1 = 20, (20 - 4) / 2 + 1 = 9, (9 - 3) / 1 + 1 = 7; 7 * 7 * 64 = 3,136.
STRIDED = """| layer | filters | kernel | stride | output |
|---|---|---|---|---|
| input | | | | 4x84x84 |
| conv1 | 32 | 8x8 | 4 | 32x20x20 |
| conv2 | 64 | 4x4 | 2 | 64x9x9 |
| conv3 | 64 | 3x3 | 1 | 64x7x7 |
| flatten | | | | 3136 |
| fc | 512 | | | 512 |
"""


@pytest.mark.parametrize(("row", "right", "wrong"), [(2, "4", "2"), (3, "2", "1")])
def test_a_stride_is_wrong_rather_than_that_a_pooling_and_a_padding_are_unsaid(
    row: int, right: str, wrong: str
) -> None:
    assert accused(STRIDED) == set()
    lines = STRIDED.splitlines(keepends=True)
    lines[row + 1] = lines[row + 1].replace(f"| {right} |", f"| {wrong} |")
    assert accused("".join(lines)) == {(row, wrong, right)}


def test_a_square_gives_a_square() -> None:
    # 32 - 3 + 1 = 30, 30 / 2 = 15, 15 - 3 + 1 = 13, 13 // 2 = 6; 6 * 6 * 16 = 576.
    sizes = {"input": "3x32x32", "conv1": "6x30x30", "pool1": "6x15x15", "conv2": "16x13x13"}
    sizes |= {"pool2": "16x6x6", "flatten": "576", "fc1": "120", "fc2": "84", "output": "10"}

    def printed(sizes: dict[str, str]) -> str:
        rows = "".join(f"| {name} | {size} |\n" for name, size in sizes.items())
        return f"| layer | output |\n|---|---|\n{rows}"

    assert accused(printed(sizes)) == set()
    assert accused(printed(sizes | {"pool1": "6x15x13"})) == {(3, "6x15x13", "6x15x15")}


def test_a_total_of_one_row_that_is_said_again_is_right() -> None:
    # (784 + 1) * 10 = 7,850, and 2 numbers of an optimizer.
    page = """Model: "sequential"
┏━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)        ┃ Output Shape    ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ dense (Dense)       │ (None, 10)      │         7,850 │
└─────────────────────┴─────────────────┴───────────────┘
 Total params: 7,852 (30.68 KB)
 Trainable params: 7,850 (30.66 KB)
 Non-trainable params: 0 (0.00 B)
 Optimizer params: 2 (12.00 B)
"""
    assert accused(page) == set()
    assert accused(page.replace("        7,850 │", "        7,580 │")) == {(1, "7,580", "7,850")}


def test_thousands_are_the_same_in_all_rows() -> None:
    # (9 * 8 + 1) * 256 = 18,688 is 0.019 M of 10^6, and (9 * 256 + 1) * 8 = 18,440 is 0.018 M.
    rows = ["conv1 | Conv2d | 3 | 8 | 3x3 | 0.0002 M", "conv2 | Conv2d | 8 | 256 | 3x3 | 0.019 M"]
    rows += ["conv3 | Conv2d | 256 | 8 | 3x3 | 0.018 M"]
    table = "| layer | type | in | out | kernel | params |\n|---|---|---|---|---|---|\n"
    table += "".join(f"| {row} |\n" for row in rows)
    assert accused(table) == set()
    assert accused(table.replace("| 256 | 8 |", "| 265 | 8 |")) == {(3, "265", "256")}


def test_no_square_window_leaves_sides_of_unlike_parts() -> None:
    # Each row keeps sizes and pools windows of 2: 60x80, 30x40, 15x20, 7x10; 7 * 10 * 64 = 4,480.
    table = """| layer | output |
|---|---|
| input | 1x60x80 |
| conv1 (16) + pool | 16x30x40 |
| conv2 (32) + pool | 32x15x20 |
| conv3 (64) + pool | 64x7x10 |
| flatten | 4480 |
"""
    assert accused(table) == set()
    assert accused(table.replace("64x7x10", "64x7x11")) == {(4, "64x7x11", "64x7x10")}
    assert accused(table.replace("4480", "4840")) == {(5, "4840", "4480")}


def test_a_kernel_is_found_behind_a_slip_in_its_parameters() -> None:
    # (9 * 9 * 1 + 1) * 256 = 20,992; 20 = 28 - 9 + 1.
    rows = ("conv1 (Conv2D)|(None, 20, 20, 256)|20992", "flatten_1 (Flatten)|(None, 102400)|0")
    table = torchsummary("input_1 (InputLayer)|(None, 28, 28, 1)|0", *rows)
    assert accused(table) == set()
    assert accused(table.replace("20992", "20929")) == {(2, "20929", "20,992")}


def test_a_class_of_one_s_own_gives_what_it_likes() -> None:
    # A mask of 10 capsules of 16 leaves one of them: (16 + 1) * 512 = 8,704.
    rows = ("caps (Capsules)|(None, 10, 16)|5120", "mask_1 (Mask)|(None, 16)|0")
    table = torchsummary(*rows, "dense_1 (Dense)|(None, 512)|8704")
    assert accused(table) == set()
    assert accused(table.replace("8704", "8740")) == {(3, "8740", "8704")}


@pytest.mark.parametrize(
    ("row", "right", "wrong"), [(3, "28x28x128", "28x29x128"), (5, "14x14x64", "14x16x64")]
)
def test_no_block_makes_of_a_square_what_is_none(row: int, right: str, wrong: str) -> None:
    rows = {"input": "112x112x3", "block 1": "56x56x64", "block 2": "28x28x128"}
    rows |= {"block 3": "7x7x128", "up (ConvTranspose)": "14x14x64", "block 4": "14x14x3"}
    table = "| layer | output |\n|---|---|\n"
    table += "".join(f"| {name} | {size} |\n" for name, size in rows.items())
    assert accused(table) == set()
    assert accused(table.replace(right, wrong)) == {(row, wrong, right)}
