"""Tables and printouts of kinds that the reader was not made with, as facts in ``unseen``.

Tables of papers (MobileNetV2, arXiv:1801.04381; MobileNetV3, arXiv:1905.02244; EfficientNet,
arXiv:1905.11946; DenseNet, arXiv:1608.06993; ShuffleNetV2, arXiv:1807.11164; Inception-v3,
arXiv:1512.00567; ENet, arXiv:1606.02147; YOLO9000, arXiv:1612.08242; YOLOv3, arXiv:1804.02767;
ProGAN, arXiv:1710.10196; ResNet, arXiv:1512.03385; Eyeriss, 10.1109/JSSC.2016.2616357), of
courses, READMEs and blogs, and what MATLAB, Lightning, Paddle, MXNet, Flax, Ultralytics, R,
ptflops, calflops, fvcore, PyTorch, torchinfo and Keras print; DS-CNN (arXiv:1711.07128), EEGNet
(arXiv:1611.08024), C3D (arXiv:1412.0767), M5 (arXiv:1610.00087), NIN (arXiv:1312.4400), Xception
(arXiv:1610.02357), ShuffleNet (arXiv:1707.01083), MobileNet (arXiv:1704.04861), SqueezeNet 1.1,
FaceNet (arXiv:1503.03832), ResNeXt (arXiv:1611.05431), GhostNet (arXiv:1911.11907), GELU
(arXiv:1606.08415).
``sources.csv`` says where those were seen that no paper prints. In
each table errors are planted, one at a time: ``planted.csv``.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from archcalc.claims.audit import audit
from archcalc.claims.tables import search
from archcalc.claims.tables.read import read_table

UNSEEN = Path(__file__).parent / "unseen"

with (UNSEEN / "planted.csv").open(newline="", encoding="utf-8") as _file:
    PLANTED = [
        pytest.param(
            *(table, int(row), column, was, now, int(line), int(place)),
            marks=[pytest.mark.xfail(reason=why, strict=True)] if why else [],
        )
        for table, row, column, was, now, line, place, why in list(csv.reader(_file))[1:]
    ]
"""Table, row, column, what stands there, what a slip makes of it, its line and place, and why
nothing else in the table says that it is one, where nothing does."""

ERRATA = {
    # 512 and 512 channels and what else is joined there make 1,025; two of the three are no rows.
    "unet_md": {(12, "Input"), (12, "Ch I/O")},
    # Three poolings more stand between than are printed.
    "vgg_html": {(8, "Size")},
    # The input alone is printed with channels last; a padding of 2 leaves 5x5 of 4x4.
    "traffic_signs_bare_md": {(1, "Output"), (8, "Output"), (8, "Padding")},
    # 299 + 4 * 16 is 363.
    "inception_field_md": {(11, "Receptive Field")},
    # (84 + 1) * 10 is 850.
    "chinese_lenet_md": {(8, "参数量")},
    # 5 * 5 * 48 * 256 is 307,200: in two groups, as no other layer there is counted.
    "chinese_alexnet_kilo_md": {(2, "参数量")},
    "chinese_thousands_md": {(3, "参数数量")},
    "chinese_alexnet_rounded_md": {(3, "参数数量")},
    "chinese_alexnet_slashes_md": {(2, "参数量")},
    # (84 + 1) * 10 is 850.
    "chinese_lenet_described_md": {(8, "参数量")},
    # A convolution without biases and its normalization have 73,984; the total is off by as much.
    "deepfake_md": {(7, "Parameters"), (15, "Parameters")},
    # (4,097 + 1) * 256 is 1,049,088.
    "draughts_md": {(11, "Parametri")},
    # 36 channels are given, as the filters and the parameters say.
    "driving_subsample_md": {(3, "Output Shape")},
    # 8 positions that are 2 apart see 14 more than 18.
    "receptive_net1_md": {(8, "RF")},
    # The optimizer's numbers are counted, and no line says so.
    "keras_tex_optimizer": {(13, "Param #")},
    # (84 + 1) * 10 is 850.
    "lenet_concept_md": {(8, "参数量")},
    # The filters of the second convolution stand in the size of the first.
    "minivgg_md": {(2, "Output Size")},
    # The first convolution's size is that of what it takes.
    "behaviour_md": {(2, "Output Size")},
    # The rows count biases once, as Keras does, and the total twice, as PyTorch: 1,024 more.
    "lstm_string_tex": {(7, "Parameters")},
}
"""What may be accused in the originals."""

PARTLY = {"flax", "vit_steering_tex"}
"""A count that stands in the column of sizes can't be read as a size."""


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
    assert sum(result.checked.values()) > 4


@pytest.mark.one_in(3)
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
def test_a_table_that_is_wrong_throughout_takes_steps_that_are_bounded(
    row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "TIRED", 10_000)
    numbers = ((k * 7919) % 104_729 + 1 for k in range(10**6))

    def some(most: int) -> int:
        return next(numbers) % most + 1

    rows = [
        row.format(k=k, a=some(99), b=some(99), c=some(999), d=some(999), e=some(7), f=some(10**7))
        for k in range(100)
    ]
    table = read_table("\n".join(["layer,input,output,k,s,params", *rows]))
    searched = search.Search(table)
    searched.run()
    assert searched.steps <= search.TIRED + search.MOST_A_ROW * len(rows)


@pytest.mark.parametrize(
    "text",
    [
        "layer,out,params\n" + "conv1,3x3x3,5\n" * 6000,
        "layer," * 9999 + "params\n" + "conv1," * 9999 + "1\n",
        "layer,out,params\nconv," + "9x" * 5000 + ",1\n",
        "<table>" + "<tr><td rowspan=999 colspan=150>x" * 2000,
        "layer  out  params<br>\nconv  3x3x3  5" + " " * 1_000_000 + "x<br>\n",
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


def test_a_row_is_what_a_total_that_is_said_twice_lacks() -> None:
    text = (UNSEEN / "keras2_even_kernel.txt").read_text(encoding="utf-8")
    # 48 is a layer as well, 5 channels into 8 by 1x1; both totals say 40.
    assert found(text.replace("27, 8)         40", "27, 8)         48")) == {(1, "Param #")}


def test_where_only_a_table_is_wrong_no_total_tells_of_which_row() -> None:
    text = (UNSEEN / "keras2_even_kernel.txt").read_text(encoding="utf-8")
    once = text.replace("27, 8)         40", "27, 8)         48").replace("Trainable", "Other")
    assert (5, "Param #") in found(once)


def test_what_a_cell_in_words_should_say_is_said_in_its_words() -> None:
    text = (UNSEEN / "watermark_chinese_md.txt").read_text(encoding="utf-8")
    wrong = audit(text.replace("256→1024", "265→1024")).findings
    assert [each.right for each in wrong] == ["Linear 256→1024"]
