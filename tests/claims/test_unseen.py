"""Tables and printouts of kinds that the reader was not made with, as facts in ``unseen``.

Tables of papers (MobileNetV2, arXiv:1801.04381; MobileNetV3, arXiv:1905.02244; EfficientNet,
arXiv:1905.11946; DenseNet, arXiv:1608.06993; ShuffleNetV2, arXiv:1807.11164; Inception-v3,
arXiv:1512.00567; ENet, arXiv:1606.02147; YOLO9000, arXiv:1612.08242; YOLOv3, arXiv:1804.02767;
ProGAN, arXiv:1710.10196; ResNet, arXiv:1512.03385; Eyeriss, 10.1109/JSSC.2016.2616357), of
courses, READMEs and blogs, and what MATLAB, Lightning, Paddle, MXNet, Flax, Ultralytics, R,
ptflops, calflops, fvcore, PyTorch, torchinfo and Keras print; DS-CNN (arXiv:1711.07128), EEGNet
(arXiv:1611.08024), C3D (arXiv:1412.0767), M5 (arXiv:1610.00087), NIN (arXiv:1312.4400), Xception
(arXiv:1610.02357), ShuffleNet (arXiv:1707.01083), MobileNet (arXiv:1704.04861), SqueezeNet 1.1,
FaceNet (arXiv:1503.03832). In
each table one error is planted.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from archcalc.claims.audit import audit
from archcalc.claims.tables.read import read_table
from archcalc.claims.tables.search import MOST_A_ROW, TIRED, Search

UNSEEN = Path(__file__).parent / "unseen"

# Table, row, column, what stands there, what a slip makes of it, and the line and place of that.
PLANTED = (
    ("lenet_tds", 5, "Size", "5x5", "6x6", 6, 21),
    ("mobilenetv2_paper", 6, "s", "1", "2", 7, 28),
    ("mobilenetv3_small_paper", 9, "Input", "14x14x48", "14x14x84", 10, 0),
    ("efficientnet_paper", 5, "Resolution", "28 × 28", "26 × 26", 7, 22),
    ("darknet19_paper", 8, "Output", "28 × 28", "26 × 26", 9, 17),
    ("darknet53_paper", 13, "Output", "32 × 32", "23 × 23", 14, 14),
    ("dqn", 2, "Stride", "2", "1", 3, 19),
    ("alexnet_learnopencv", 4, "Weights", "614,400", "641,400", 5, 18),
    ("cs231n_vgg", 5, "weights", "(3*3*64)*128 = 73,728", "(3*3*64)*128 = 73,278", 5, 63),
    ("resnet_paper_latex", 4, "output size", "14$\\times$14", "12$\\times$12", 6, 11),
    ("densenet121_paper", 7, "Output Size", "28 x 28", "24 x 24", 8, 21),
    ("shufflenetv2_paper", 7, "Output size", "14x14", "12x12", 8, 1),
    ("inceptionv3_paper", 5, "input size", "73×73×64", "74×74×64", 6, 11),
    ("keras1_mnist", 3, "Param #", "9248", "9428", 8, 55),
    ("r_keras", 5, "Output Shape", "(None, 4, 4, 64)", "(None, 5, 5, 64)", 11, 31),
    ("lightning", 3, "Params", "51.3 K", "53.1 K", 5, 29),
    ("matlab_analyze", 10, "ACTIVATIONS", "7×7×32", "7×7×23", 11, 22),
    (
        "udacity_traffic",
        7,
        "Description",
        "2x2 stride,  outputs 5x5x16",
        "2x2 stride,  outputs 6x6x16",
        9,
        23,
    ),
    ("enet", 7, "Output size", "128 × 64 × 64", "128 × 46 × 46", 8, 27),
    ("andrew_ng_lenet", 4, "# parameters", "3216", "416", 5, 40),
    ("progan_generator", 17, "Params", "295k", "259k", 18, 33),
    ("state_dict", 8, "params", "73728", "73278", 9, 43),
    ("paddle_lenet", 4, "Param #", "2,416", "2,146", 7, 63),
    ("eyeriss", 2, "E", "27", "25", 3, 11),
    ("zynqnet_netscope", 5, "dim_out", "27x27", "25x25", 6, 35),
    ("pilotnet_table", 6, "Kernel", "3x3", "5x5", 7, 12),
    ("lstm_har_md", 3, "Parameters", "80400", "84000", 5, 29),
    ("cnn1d_bearing", 6, "Output size (width x depth)", "16x64", "14x64", 7, 22),
    ("unet_md", 5, "OutRes", "48x24", "44x22", 7, 39),
    ("tf_slim", 7, "Flops (M)", "51.38", "53.18", 8, 25),
    ("alexnet_medium", 5, "Size of feature map", "13 x 13 x 256", "14 x 14 x 256", 6, 23),
    ("yolov5", 6, "params", "295424", "294524", 7, 28),
    ("dcgan_md", 4, "Output shape", "128 x 16 x 16", "128 x 18 x 18", 6, 42),
    ("yolov4tiny", 8, "output", "64 0.089 BF", "46 0.089 BF", 9, 68),
    ("vgg_html", 5, "Size", "56 x 56 x 128", "65 x 65 x 128", 6, 40),
    ("mxnet_summary", 5, "Param #", "25050", "25500", 12, 76),
    ("rf_table", 6, "Output size", "19x19x64", "17x17x64", 7, 12),
    ("vae_sections", 10, "Output", "32x32x32", "23x23x32", 11, 33),
    ("wrn_paper", 3, "output size", "16x16", "18x18", 4, 6),
    ("vggish", 6, "Params", "295,168", "259,168", 7, 26),
    ("hw_accel", 3, "MACs", "224.3M", "242.3M", 4, 46),
    ("french_units", 3, "Paramètres", "18 496", "18 469", 4, 33),
    ("gru_asr", 3, "Parameters", "1575936", "1579536", 4, 12),
    ("alexnet_memory", 7, "Memory (KB)", "253.5", "235.5", 8, 34),
    ("ptflops_mobile", 4, "params", "752", "725", 7, 4),
    ("fvcore_resnet", 13, "#flops", "4.784M", "7.484M", 15, 49),
    ("fvcore_resnet", 5, "shape", "(16,)", "(61,)", 7, 24),
    ("fpga", 9, "Weights (KB)", "288", "228", 10, 34),
    ("tinyml_kws", 7, "RAM (bytes)", "76", "67", 8, 22),
    ("c3d", 7, "Kernel", "3x3x3", "5x3x3", 8, 9),
    ("resnet50_blocks", 6, "FLOPs", "0.81G", "0.18G", 9, 127),
    ("dpcnn", 5, "Params", "187,750", "178,750", 6, 70),
    ("pix2pix_d", 4, "Output", "31x31", "32x32", 6, 33),
    ("mlp_mnist_md", 3, "Parameters", "131,328", "131,238", 5, 26),
    ("resnext_block_csv", 2, "params", "4608", "4806", 3, 33),
    ("keras_inception1d", 5, "Output Shape", "128, 96", "128, 69", 8, 39),
    ("alexnet_caffe_blobs", 7, "Weights", "663552", "665352", 8, 55),
    ("html_lstm", 4, "Param #", "20,200", "22,000", 5, 49),
    ("pytorch_code", 5, "in", "16 * 5 * 5", "16 * 4 * 4", 8, 29),
    ("keras_code", 2, "output", "13, 13", "12, 12", 3, 40),
    ("squeezenet_11", 9, "params (K)", "104.88", "108.44", 11, 54),
    ("nvidia_tacotron_postnet", 3, "params", "1312256", "1321256", 4, 51),
    ("so_pytorch_fc_mismatch", 5, "in", "6272", "6727", 7, 16),
    ("resnet50_blocks", 5, "Params", "7.08M", "7.80M", 8, 120),
    ("stylegan_mapping", 6, "Output shape", "256, 32, 32", "256, 23, 32", 8, 38),
    ("yolov3_head_darknet", 15, "input", "x 192", "x 129", 16, 40),
    ("keras1_autoencoder", 12, "Param #", "1168", "1186", 26, 55),
    ("transformer_params", 6, "Parameters", "1,049,088", "1,049,880", 8, 38),
    ("tinyml_kws", 6, "RAM (bytes)", "8064", "8640", 7, 49),
    ("torchsummaryX", 4, "Params", "5.02k", "5.20k", 7, 55),
    ("nested_html_vit", 2, "Output shape", "14, 14", "16, 16", 4, 46),
    ("segnet_yaml_like", 8, "GFLOPs", "9.664", "9.466", 9, 83),
    ("gru_keras2_nested", 4, "Output Shape", "15376", "15736", 13, 40),
    ("hw_systolic", 4, "Channels", "384, 256", "348, 256", 5, 21),
    ("torchinfo_mbconv", 28, "Mult-Adds", "5,529,600", "5,259,600", 31, 150),
    ("torchsummary_shuffle", 42, "Output Shape", "116, 8, 8", "116, 7, 7", 45, 46),
    ("torchinfo_vit", 15, "Param #", "148,224", "142,824", 18, 67),
    ("fvcore_resnet", 22, "#params", "9.216K", "9.612K", 24, 24),
    ("ptflops_mobile", 15, "params", "2.05 k", "2.50 k", 20, 16),
    ("resnet_cifar_latex", 5, "FLOPs", "1.18M", "1.81M", 12, 71),
    ("m5_audio", 7, "Output length x channels", "125 x 256", "128 x 256", 9, 20),
    ("c3d", 5, "Stride", "2x2x2    128 x", "1x2x2    128 x", 6, 20),
    ("alexnet_memory", 6, "Parameters", "885120", "855120", 7, 26),
    ("yolov2_darknet", 27, "filters", "conv     64", "conv     46", 28, 6),
    ("mobilenetv1_html", 9, "Filter Shape", "128 &times; 256", "128 &times; 265", 13, 46),
    ("shufflenet_paper", 6, "Output size", "14 × 14", "12 × 12", 8, 11),
    ("generator_readme", 6, "#Params", "819,328", "818,328", 10, 58),
    ("torchinfo_deepspeech", 9, "Param #", "10,334,208", "10,343,208", 12, 67),
    ("bert_breakdown", 16, "Parameters", "2,359,296", "2,395,296", 17, 49),
    ("nin", 6, "kernel", "5x5      1       2", "3x3      1       2", 8, 29),
    ("vgg_chinese", 8, "输出尺寸", "56×56×256 | 590080", "56×56×265 | 590080", 10, 42),
    ("fpga", 7, "MACs (M)", "199.4", "194.9", 8, 36),
    ("eegnet", 10, "# params", "512", "521", 11, 37),
    ("torchsummary_pointnet", 12, "Param #", "131,328", "131,238", 15, 67),
    ("unet_paper", 6, "Output size", "140x140x128", "104x104x128", 7, 22),
    ("lightning_sizes", 5, "Out sizes", "28, 28]", "26, 26]", 7, 81),
    ("xception_paper", 10, "params", "536536", "536563", 11, 56),
    ("mobilenetv3_large", 5, "s", "& 2 \\\\", "& 1 \\\\", 7, 56),
    ("keras3_mobilenetv2", 49, "Param #", "864", "846", 124, 76),
    ("keras3_unet", 19, "Output Shape", "48, 48, 64", "48, 48, 96", 48, 39),
    ("keras3_ae", 9, "Output Shape", "14, 14, 64", "15, 15, 64", 21, 43),
    ("keras_so", 9, "Param #", "12416", "12461", 13, 59),
    ("print_model", 15, "in", "864", "846", 17, 28),
    ("keras_bidirectional", 5, "Param #", "98816", "98861", 13, 55),
    ("depthwise_md", 5, "Output size", "40", "42", 7, 29),
    ("lenet_latex", 3, "# Parameters", "25,050", "20,550", 7, 50),
    ("gan_aligned", 5, "output", "128x16x16", "128x14x14", 6, 56),
    ("stages_in_kilo", 6, "MACs (M)", "18.87", "37.75", 7, 42),
    ("yolov3_tiny", 9, "BFLOPs", "0.399", "0.993", 10, 70),
    ("unet_norm_md", 5, "Params", "37,184", "38,174", 7, 44),
    ("semicolons", 5, "params", "1296", "1269", 6, 28),
    ("torchinfo_sentiment", 3, "Param #", "892,928", "829,928", 6, 67),
    ("facenet_html", 9, "Size Out", "28x28x384", "27x27x384", 11, 40),
    ("resnet18_cifar", 5, "Output", "8x8x256", "9x9x256", 6, 13),
)

ERRATA = {
    # 512 and 512 channels and what else is joined there make 1,025; two of the three are no rows.
    "unet_md": {(12, "Input"), (12, "Ch I/O")},
    # Three poolings more stand between than are printed.
    "vgg_html": {(8, "Size")},
}
"""What may be accused in the originals."""

PARTLY = {"flax"}
"""A total that stands in the column of sizes can't be read as a size."""


def found(text: str) -> set[tuple[int, str]]:
    result = audit(text)
    return {(f.row + 1, result.headers[f.column]) for f in result.findings}


@pytest.mark.parametrize("path", sorted(UNSEEN.glob("*.txt")), ids=lambda path: path.stem)
def test_what_is_printed_is_read_whole_and_clean(path: Path) -> None:
    result = audit(path)
    accused = {(f.row + 1, result.headers[f.column]) for f in result.findings}
    assert accused <= ERRATA.get(path.stem, set())
    assert result.unmapped == ()
    assert result.unreadable == () or path.stem in PARTLY
    assert sum(result.checked.values()) > 8


@pytest.mark.parametrize(("name", "row", "column", "was", "now", "line", "place"), PLANTED)
def test_a_planted_error_is_found_at_its_cell(
    name: str, row: int, column: str, was: str, now: str, line: int, place: int
) -> None:
    lines = (UNSEEN / f"{name}.txt").read_text(encoding="utf-8").split("\n")
    text = lines[line - 1]
    assert text.startswith(was, place)
    filled = now + " " * (len(was) - len(now) if text.count("  ") > 3 and "|" not in text else 0)
    lines[line - 1] = text[:place] + filled + text[place + len(was) :]
    assert (row, column) in found("\n".join(lines))


@pytest.mark.parametrize(
    "row",
    [
        "conv{k},{a}x{b}x{c},{b}x{a}x{d},{e}x{e},{e},{f}",
        "conv{k},,{b}x{a}x{d},,,{f}",
        "fc{k},{c},{d},,,{f}",
        "layer{k},{a}x{b}x{c},{b}x{a}x{d},{e}x{e},,{f}",
    ],
)
def test_a_table_that_is_wrong_throughout_takes_steps_that_are_bounded(row: str) -> None:
    numbers = ((k * 7919) % 104_729 + 1 for k in range(10**6))

    def some(most: int) -> int:
        return next(numbers) % most + 1

    rows = [
        row.format(k=k, a=some(99), b=some(99), c=some(999), d=some(999), e=some(7), f=some(10**7))
        for k in range(1500)
    ]
    search = Search(read_table("\n".join(["layer,input,output,k,s,params", *rows])))
    search.run()
    assert search.steps <= TIRED + MOST_A_ROW * len(rows)


@pytest.mark.parametrize(
    "text",
    [
        "layer,out,params\n" + "conv1,3x3x3,5\n" * 6000,
        "layer," * 9999 + "params\n" + "conv1," * 9999 + "1\n",
        "layer,out,params\nconv," + "9x" * 5000 + ",1\n",
        "<table>" + "<tr><td rowspan=999 colspan=150>x" * 2000,
        "\\begin{tabular}" + "\\begin{array}" * 20000 + " a & b \\\\ c & d \\\\",
    ],
)
def test_what_is_too_large_is_refused_at_once(text: str) -> None:
    from archcalc.errors import ArchcalcError

    with pytest.raises(ArchcalcError):
        audit(text)


def test_a_module_has_no_fewer_parameters_than_its_parts() -> None:
    text = (UNSEEN / "calflops_ae.txt").read_text(encoding="utf-8")
    assert (1, "params") in found(text.replace("105.22 K = 50.01%", "102.52 K = 50.01%"))
