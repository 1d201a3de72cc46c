"""The network that was found in a printed table, written as a spec."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from archcalc.analysis.analyze import analyze
from archcalc.analysis.counted import Analysis
from archcalc.claims.audit import audit
from archcalc.claims.emit import emit, emitted
from archcalc.claims.emitted import hold
from archcalc.errors import ArchcalcError
from archcalc.spec.zoo import load
from tests.claims.printers import PRINTERS
from tests.claims.test_notations import BOTTLENECK

HERE = Path(__file__).parent


DETERMINED = [
    *((name, printer) for name in ("lenet5", "alexnet", "vgg16", "c3d") for printer in PRINTERS),
    *((name, "torchsummary") for name in ("resnet18", "mobilenet_v2", "resnext50_32x4d")),
    ("efficientnet_b0", "torchsummary"),  # its gates are multiplied by a function
    *((name, "torchinfo") for name in ("resnet18", "mobilenet", "dcgan-generator")),
    *((name, "keras") for name in ("resnet18", "googlenet", "squeezenet")),
]


@pytest.mark.parametrize(("name", "printer"), DETERMINED)
def test_the_network_is_what_was_printed(name: str, printer: str, tmp_path: Path) -> None:
    network = analyze(load(name))
    path = tmp_path / "net.yaml"
    path.write_text(emit(audit(PRINTERS[printer](network).csv())), encoding="utf-8")
    found = analyze(load(path))
    assert (found.params, found.macs) == (network.params, network.macs)
    assert found.rows[-1].shape == network.rows[-1].shape


def test_what_is_not_printed_stands_in_a_comment() -> None:
    text = emit(audit(Path(__file__).parent / "printouts" / "torchsummary.txt"))
    assert "  # a 2x2 pooling before row 10 is not in the table" in text
    assert "  # the kernel follows from the parameters" in text


def test_blocks_of_which_nothing_is_printed_are_refused() -> None:
    table = """layer,operator,in,out,kernel,stride,padding,output
stem,Conv2d,3,64,3x3,1,1,64x8x8
body,9 x ResBlock(64),64,64,3x3,1,1,64x8x8
head,Conv2d,64,1,3x3,1,1,1x8x8
"""
    assert not audit(table).findings
    with pytest.raises(ArchcalcError, match=r"row 2: '[^']*' can't be written as a layer"):
        emit(audit(table))


def test_what_a_table_does_not_determine_is_refused() -> None:
    with pytest.raises(ArchcalcError, match="is not determined by the table"):
        emit(audit("layer,input,output\nconv1,8x8x3,8x8x3\nfrobnicate,8x8x3,4x4x7\n"))


PRINTED = [
    *product(("lenet5", "alexnet", "resnet18", "dcgan-generator"), PRINTERS),
    *product(("convnext_tiny", "squeezenet"), ("by hand", "torchinfo")),
    *product(("mobilenet_v2", "vit_b_16"), ("keras", "torchsummary")),
    *product(("unet", "resnext50_32x4d"), ("by hand", "torchstat")),
    *product(("shufflenet_v2_x1_0",), ("by hand", "torchinfo")),
]


@pytest.mark.parametrize(("name", "printer"), PRINTED)
def test_a_spec_has_what_was_printed_or_is_refused(name: str, printer: str, tmp_path: Path) -> None:
    table = PRINTERS[printer](analyze(load(name)))
    column = next(k for k, head in enumerate(table.headers) if head.lower().startswith("param"))
    path = tmp_path / "net.yaml"
    try:
        path.write_text(emit(audit(table.csv())), encoding="utf-8")
    except ArchcalcError as error:
        assert re.search(r"row \d+", str(error))  # noqa: PT017
        return
    found = analyze(load(path))
    assert isinstance(found.params, int)
    norms = sum(int(row.params) for row in found.rows if "BatchNorm" in row.op)
    # Keras counts the statistics of normalizations, too; no program has a row for a class token.
    printed = found.params - sum(int(row.params) for row in found.rows if row.op == "Parameter")
    total = int(table.rows[-1][column].replace(",", ""))
    assert total in (printed, printed + norms)


# 448 = (9 * 3 + 1) * 16; 9,248 = (9 * 32 + 1) * 32 where 4,640 = (9 * 16 + 1) * 32 is meant.
CONTRADICTION = """layer,in_h,in_w,in_c,out_h,out_w,out_c,kernel_h,kernel_w,stride,pad,params
conv1,32,32,3,32,32,16,3,3,1,1,448
conv2,32,32,16,32,32,32,3,3,1,1,9248
conv3,32,32,32,32,32,32,3,3,1,1,9248
"""


def test_where_a_table_contradicts_itself_the_difference_is_said() -> None:
    said = emitted(audit(CONTRADICTION)).said
    assert (
        "conv2 (row 2), params: the table prints 9248, the network that was found has 4640" in said
    )
    right = emitted(audit(CONTRADICTION.replace("9248", "4640", 1))).said
    assert not any("the table prints" in each for each in right)


def test_a_spec_that_is_not_what_a_row_prints_is_refused_with_the_row() -> None:
    # The last row's softmax gives 43, but nothing printed makes 43 of 84.
    with pytest.raises(ArchcalcError, match=r"Softmax \(row 12\).*: no spec is written"):
        emit(audit(Path(__file__).parent / "unseen" / "udacity_traffic.txt"))


def test_the_difference_is_told_of_the_cell_in_tables_from_the_output_up_too() -> None:
    # A pooling of 28x28 by 2 gives 14x14.
    text = (HERE / "unseen" / "lenet_upwards_md.txt").read_text(encoding="utf-8")
    said = emitted(audit(text.replace("14 × 14", "12 × 14"))).said
    assert said[0] == (
        "S2 (row 6), Size: the table prints 12 × 14, the network that was found has 14 × 14"
    )


def test_what_no_cell_says_is_said() -> None:
    said = emitted(audit(PRINTERS["torchsummary"](analyze(load("resnet18"))).csv())).said
    assert any("the input's size is not in the table" in each for each in said)
    assert any("sums that no row prints may be missing" in each for each in said)


WORK = {
    # An embedding of patches; four layers of 12 d^2 a token, and of attention; a head.
    "torchinfo_vit": 64 * 192 * 192 + 4 * (12 * 192**2 * 65 + 2 * 65**2 * 192) + 192 * 100,
    # Three branches of a convolution, two of them 3x3, joined by no row.
    "torchinfo_aspp": 32**2 * 32 * 27
    + 16**2 * (64 * 9 * 32 + 64 * 32 + 2 * 64 * 9 * 32 + 96 * 32 + 32 * 21),
    # Convolutions over 3, 4 and 5 words, each pooled over all positions by a function.
    "torchinfo_textcnn": 100 * 100 * (3 * 58 + 4 * 57 + 5 * 56) + 300 * 2,
    "keras_textcnn": 100 * 100 * (3 * 58 + 4 * 57 + 5 * 56) + 300 * 2,
    # Squeezed, then expanded by 1x1 and by 3x3 convolutions.
    "torchsummary_fire": 31**2 * 64 * 27
    + 15**2 * (64 * 16 + 10 * 16 * 64 + 128 * 16 + 10 * 16 * 64)
    + 7**2 * (128 * 32 + 10 * 32 * 128 + 256 * 10),
    # A convolution at each of ten steps, and an LSTM over them.
    "keras_timedistributed": 10 * (62**2 * 32 * 27 + 4 * 50 * (31**2 * 32 + 50)) + 50 * 6,
    # Twins that torchinfo prints twice, the second time as recursive.
    "torchinfo_siamese": 2
    * (
        96**2 * 64 * 10**2
        + 42**2 * 128 * 64 * 7**2
        + 18**2 * 128 * 128 * 4**2
        + 6**2 * 256 * 128 * 4**2
        + 9216 * 4096
    )
    + 4096,
    # arXiv:1512.03385 says 1.8 billion; a projection is printed as one row.
    "torchinfo_resnet18": 1_814_073_344,
    # Inverted bottlenecks with gates, of which no row is printed; the papers' 0.39 and 0.40
    # billion, and 0.30 (arXiv:1905.11946, 2003.13678, 1801.04381), to the last digit as
    # torch.utils.flop_counter counts torchvision's.
    "torchinfo_efficientnet_b0": 385_814_752,
    "torchinfo_regnet_y_400mf": 401_842_848,
    "torchinfo_mobilenet_v2_names": 300_774_272,
    # Channels that are split in halves, and a branch beside the other (arXiv:1807.11164: 0.15).
    "torchinfo_shufflenet_v2": 144_907_992,
    # 28x28 of 3 to 512 channels, then 256, halved and 1,024 beside a projection, which is one row
    # that might be a module of what stands before it, too; and 1,024, 256, 256 and 1,024.
    "torchinfo_bottlenecks": 784 * (3 * 512 + 512 * 256)
    + 196 * (9 * 256 * 256 + 256 * 1024 + 512 * 1024 + 1024 * 256 + 9 * 256 * 256 + 256 * 1024)
    + 10_240,
}


@pytest.mark.parametrize("name", WORK)
def test_what_no_row_says_is_found_by_what_the_rows_take(
    name: str, counted: Callable[[str], Analysis]
) -> None:
    assert counted(emit(audit(HERE / "rebuilt" / f"{name}.txt"))).macs == WORK[name]


@pytest.mark.parametrize("name", ["torchinfo_resnet18", "torchsummary_resnet18"])
def test_a_module_that_is_called_residual_adds_what_it_takes(
    name: str, counted: Callable[[str], Analysis]
) -> None:
    # Eight blocks, three of them with a projection (arXiv:1512.03385, table 1).
    rows = counted(emit(audit(HERE / "rebuilt" / f"{name}.txt"))).rows
    assert sum(row.op == "Add" for row in rows) == 8


REBUILT = sorted((Path(__file__).parent / "rebuilt").glob("*.txt"))
"""What Keras 3.15, torchinfo 1.8 and torchsummary 1.5 print of small networks: sequences,
reshapes, gates, several inputs and outputs, crops, and branches that functions join."""


@pytest.mark.parametrize("path", REBUILT, ids=lambda path: path.stem)
def test_a_printout_becomes_the_network_that_the_program_counted(
    path: Path, tmp_path: Path
) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text(emit(audit(path)), encoding="utf-8")
    found = analyze(load(spec))
    assert isinstance(found.params, int)
    printed = re.search(r"Total params\D*([\d,]+)", path.read_text(encoding="utf-8"))
    assert printed is not None
    # Keras counts what normalizations keep of the data; a count of batches is ours alone.
    kept = [int(row.buffers) - 1 for row in found.rows if "BatchNorm" in row.op]
    total = int(printed[1].replace(",", ""))
    assert total == found.params + ("keras" in path.stem) * sum(kept)


@pytest.mark.parametrize("name", ["keras_two", "keras_imdb", "torchinfo_mobilenet_v3_small"])
def test_a_printout_becomes_a_network_that_runs(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from archcalc.pytorch.build import build
    from archcalc.pytorch.inputs import draw

    spec = tmp_path / "net.yaml"
    spec.write_text(
        emit(audit(Path(__file__).parent / "rebuilt" / f"{name}.txt")), encoding="utf-8"
    )
    network = build(load(spec)).eval()
    given = network(*draw(analyze(load(spec)).graph))
    shapes = [tuple(one.shape) for one in (given if isinstance(given, tuple) else (given,))]
    last = {"keras_two": [(1, 3), (1, 1)], "keras_imdb": [(1, 1)]}
    assert shapes == last.get(name, [(1, 1000)])


def test_what_does_not_fit_is_told_in_words_of_the_row() -> None:
    with pytest.raises(ArchcalcError, match="row 10: 'ShiftedWindow") as told:
        emit(audit(Path(__file__).parent / "refused" / "torchinfo_swin.txt"))
    assert "<mapping>" not in str(told.value)
    found = audit(CONTRADICTION.replace("9248", "4640", 1))
    op = {"op": "ConvTranspose2d", "out_channels": 16, "kernel_size": 3, "output_padding": 1}
    data = {"name": "net", "input": [3, 32, 32], "layers": {"conv1": op}}
    with pytest.raises(
        ArchcalcError, match=r"conv1 \(row 1\): .* does not fit: output_padding=1 is"
    ):
        hold(found, data, {0: ["conv1"]})


def test_work_below_a_table_tells_what_modules_are_not() -> None:
    text = (HERE / "rebuilt" / "torchinfo_efficientnet_b0.txt").read_text(encoding="utf-8")
    assert text.count("385.87") == 1
    with pytest.raises(ArchcalcError, match=r"Total mult-adds .*: the table prints 395.87"):
        emit(audit(text.replace("385.87", "395.87")))


def test_rows_of_widths_are_uses_of_one_block(counted: Callable[[str], Analysis]) -> None:
    # SqueezeNet's table 1 (arXiv:1602.07360): 1,248,424 parameters; maxpool8 is misprinted.
    made = emitted(audit(HERE / "strangers" / "squeezenet_paper.csv"))
    assert "  fire2: {block: fire, s1x1: 16, e1x1: 64, e3x3: 64}\n" in made.text
    assert made.text.count("  fire(s1x1, e1x1, e3x3):  # how convolutions are joined") == 1
    assert any(each.startswith("maxpool8 (row 12)") for each in made.said)
    assert counted(made.text).params == 1_248_424


def test_a_table_of_inceptions_is_a_network(counted: Callable[[str], Analysis]) -> None:
    # Table 1 of arXiv:1409.4842, with biases as Caffe's GoogLeNet, which has 6,998,552.
    made = emitted(audit("googlenet_paper_table"))
    found = counted(made.text)
    assert found.rows[-1].shape == (1, 1000)
    assert "  inception_3a: {block: inception, n1x1: 64, n3x3_reduce: 96," in made.text
    assert sum("the table prints" in each for each in made.said) == 10
    assert found.params == 6_998_552


def test_a_block_in_brackets_is_repeated(counted: Callable[[str], Analysis]) -> None:
    # ResNet-50 of arXiv:1512.03385; without biases and normalizations, as its params count.
    made = emitted(audit(HERE / "unseen" / "resnet50_blocks.txt"))
    assert "  conv2_x: {block: unit_1x1_3x3_1x1, repeat: 3, widths: [64, 64, 256]}" in made.text
    # 25,557,032 less 53,120 of normalizations; the 9.4K of conv1 may have 64 biases.
    assert counted(made.text).params in (25_503_912, 25_503_976)


def test_a_notation_of_one_s_own_is_a_block(
    tmp_path: Path, counted: Callable[[str], Analysis]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(BOTTLENECK, encoding="utf-8")
    printed = (
        "Input,Operator,t,c,n,s,Params\n224x224x3,conv2d,-,16,1,2,464\n"
        "112x112x16,bottleneck,6,24,2,2,13968\n56x56x24,bottleneck,6,32,3,2,39696\n"
    )
    text = emit(audit(printed, patterns=path))
    assert (
        "  bottleneck: {block: bottleneck, repeat: 2, t: 6, c: 24, stride: =2 if i == 0 else"
        in text
    )
    assert counted(text).params == 464 + 13_968 + 39_696


IMAGE = """\
----------------------------------------------------------------
        Layer (type)               Output Shape         Param #
================================================================
            Conv2d-1          [-1, 8, 112, 112]             224
              ReLU-2          [-1, 8, 112, 112]               0
================================================================
Total params: 224
Trainable params: 224
Non-trainable params: 0
----------------------------------------------------------------
Input size (MB): 0.57
Forward/backward pass size (MB): 1.53
Params size (MB): 0.00
Estimated Total Size (MB): 2.11
----------------------------------------------------------------
"""


def test_memory_below_a_table_says_the_input(counted: Callable[[str], Analysis]) -> None:
    # 3 x 224 x 224 numbers of four bytes are 0.574 MB of 1,048,576; 3 x 3 x 3 weights, 8 maps.
    made = emitted(audit(IMAGE))
    assert "input: [3, 224, 224]  # not in the table" in made.text
    assert "stride: 2" in made.text
    assert counted(made.text).macs == 27 * 8 * 112 * 112


def test_memory_below_a_table_tells_what_modules_are_not() -> None:
    text = (HERE / "rebuilt" / "torchinfo_efficientnet_b0.txt").read_text(encoding="utf-8")
    assert text.count("107.89") == 1
    with pytest.raises(ArchcalcError, match=r"Forward/backward pass .*: the table prints 117.89"):
        emit(audit(text.replace("107.89", "117.89")))


def test_attention_of_which_nothing_is_printed_is_refused() -> None:
    # As torchvision's Swin: weights that are called otherwise torchsummary does not count.
    rows = """\
         LayerNorm-3         [-1, 112, 112, 8]              16
ShiftedWindowAttention-4         [-1, 112, 112, 8]               0
"""
    ends = "=" * 64 + "\nTotal"
    with pytest.raises(ArchcalcError, match="row 4: 'ShiftedWindowAttention-4' prints no param"):
        emit(audit(IMAGE.partition(ends)[0] + rows + ends + " params: 240\n"))


def test_what_a_module_may_have_beside_its_rows_is_said() -> None:
    text = IMAGE.replace("              ReLU-2", "           MyBlock-2")
    made = emitted(audit(text))
    assert any(said.startswith("MyBlock: what these modules have beside") for said in made.said)
    assert made.text.startswith("# MyBlock: what these modules have beside their rows")


def test_what_a_module_is_known_to_have_beside_its_rows_is_not_left_out() -> None:
    # Torchvision's ConvNeXt scales each channel by a number, which torchsummary does not count.
    with pytest.raises(ArchcalcError, match="CNBlock: it has numbers of its own"):
        emit(audit(IMAGE.replace("              ReLU-2", "           CNBlock-2")))


# 9 * 3 * 8 = 216; of c channels 2 * c + 16 * c + 2 * 16 + 9 * 16 * 4: 752 of 8, 824 of 12 and 896
# of 16; (8 + 3 * 4 + 1) * 10 = 210.
DENSE = """\
==========================================================================================
Layer (type:depth-idx)                   Input Shape          Output Shape         Param #
==========================================================================================
Network                                  [1, 3, 6, 6]         [1, 10]              --
├─Conv2d: 1-1                            [1, 3, 6, 6]         [1, 8, 6, 6]         216
├─_DenseBlock: 1-2                       [1, 8, 6, 6]         [1, 20, 6, 6]        --
│    └─_DenseLayer: 2-1                  [1, 8, 6, 6]         [1, 4, 6, 6]         752
│    └─_DenseLayer: 2-2                  [1, 8, 6, 6]         [1, 4, 6, 6]         824
│    └─_DenseLayer: 2-3                  [1, 8, 6, 6]         [1, 4, 6, 6]         896
├─BatchNorm2d: 1-3                       [1, 20, 6, 6]        [1, 20, 6, 6]        40
├─AdaptiveAvgPool2d: 1-4                 [1, 20, 6, 6]        [1, 20, 1, 1]        --
├─Linear: 1-5                            [1, 20]              [1, 10]              210
==========================================================================================
Total params: 2,938
"""


def test_a_dense_layer_takes_all_that_those_before_it_give(
    counted: Callable[[str], Analysis],
) -> None:
    text = re.sub(r"\[1, [\d, ]+\] +(?=\[)", "", DENSE.replace("Input Shape          ", ""))
    text += "Input size (MB): 0.000432\n"
    found = counted(emit(audit(text)))
    assert found.params == 2938
    widths = [int(row.node.input_shapes[0][1]) for row in found.rows if row.op == "BatchNorm2d"]
    assert widths == [8, 16, 12, 16, 16, 16, 20]


OPEN = """\
Layer (type)                 Output Shape              Param #
=================================================================
conv1d_1 (Conv1D)            (None, 299, 16)           3216
_________________________________________________________________
max_pool (MaxPooling1D)      (None, 99, 16)            0
_________________________________________________________________
conv1d_2 (Conv1D)            (None, 98, 16)            528
================================================================="""


def test_a_kernel_that_the_table_leaves_open_is_that_of_the_others() -> None:
    # 3216 = 16 * (200 + 1): 200 weights a map are 2 over 100, as 528 = 16 * (2 * 16 + 1) has them.
    made = emitted(audit(OPEN))
    assert "input: [100, 300]" in made.text
    others = "kernel 1 over 200, kernel 4 over 50, kernel 5 over 40, kernel 8 over 25 channels"
    assert f"kernel_size: 2}}  # {others} fit as well" in made.text
    assert f"conv1d_1: {others} fit as well" in made.said


GATED = """\
        Layer (type)               Output Shape         Param #
================================================================
            Conv2d-1             [-1, 16, 8, 8]             448
            Conv2d-2              [-1, 4, 1, 1]              68
              ReLU-3              [-1, 4, 1, 1]               0
            Conv2d-4             [-1, 16, 1, 1]              80
           Sigmoid-5             [-1, 16, 1, 1]               0
     SqueezeExcite-6             [-1, 16, 8, 8]               0
            Conv2d-7              [-1, 8, 8, 8]             136
 AdaptiveAvgPool2d-8              [-1, 8, 1, 1]               0
           Flatten-9                    [-1, 8]               0
SelectAdaptivePool2d-10                 [-1, 8]               0
           Linear-11                   [-1, 10]              90
================================================================
Total params: 822
"""
"""(3 * 3 * 3 + 1) * 16, a squeeze to 4 that a mean begins, (16 + 1) * 8 and (8 + 1) * 10."""


def test_what_a_mean_squeezes_gates_what_its_module_took(
    counted: Callable[[str], Analysis], tmp_path: Path
) -> None:
    table = tmp_path / "gated.txt"
    table.write_text(GATED, encoding="utf-8")
    found = counted(emit(audit(table)))
    layers = [row for row in found.rows if "Conv" in row.op or row.op == "Linear"]
    assert found.params == 822
    # 8 * 8 positions of 27 * 16 and 16 * 8, and 16 * 4, 4 * 16 and 8 * 10 once.
    assert [int(row.macs) for row in layers] == [27_648, 64, 64, 8_192, 80]
    ops = [row.op for row in found.rows]
    assert (ops.count("Mul"), sum("AvgPool" in op for op in ops)) == (1, 2)


def test_halves_of_what_was_shuffled_pass_beside_a_branch(
    counted: Callable[[str], Analysis],
) -> None:
    spec = emit(audit(PRINTERS["torchinfo"](analyze(load("shufflenet_v2_x1_0"))).csv()))
    found = counted(spec)
    ours = [row.op for row in found.rows]
    # Three stages of 4, 8 and 4 blocks, of which all but the first split what they take.
    assert (ours.count("Concat"), ours.count("Split")) == (16, 26)
    assert "Add" not in ours
