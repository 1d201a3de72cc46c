"""Explanations of layers, blocks and networks, with numbers worked by hand."""

from __future__ import annotations

import re
from typing import Any

import pytest

import archcalc
from archcalc.document.text import WIDTH
from archcalc.errors import ArchcalcError
from archcalc.report.reasons.explain import FORMATS


def of(op: dict[str, Any], *shape: int) -> str:
    spec = archcalc.load({"name": "one", "input": list(shape), "layers": {"layer": op}})
    return archcalc.explain(spec, "layer")


def said(text: str, label: str) -> str:
    """What stands behind a label, on one line however it was broken."""
    found = re.search(rf"^  {re.escape(label)} {{2,}}(.*(?:\n +=.*)*)", text, re.MULTILINE)
    assert found, f"no {label!r} in\n{text}"
    return re.sub(r"\n +", " ", found[1])


ZOO = [
    # The cheat sheet's first rows of AlexNet: 55, 34,944 and 27; 11 * 11 * 3 * 96 * 55 * 55
    ("alexnet", "conv1", "height, width", "(W - F + 2P)/S + 1 = (227 - 11 + 2*0)/4 + 1 = 55"),
    ("alexnet", "conv1", "parameters", "(F*F*C_in + 1)*C_out = (11*11*3 + 1)*96 = 34,944"),
    (
        *("alexnet", "conv1", "MACs"),
        "F*F*C_in*C_out*H_out*W_out = 11*11*3*96*55*55 = 105,415,200",
    ),
    ("alexnet", "maxpool1", "height, width", "(W - F + 2P)/S + 1 = (55 - 3 + 2*0)/2 + 1 = 27"),
    ("alexnet", "maxpool1", "receptive field", "r + (F - 1)*j = 11 + (3 - 1)*4 = 19"),
    ("alexnet", "maxpool1", "its stride", "S*j = 2*4 = 8"),
    # 27 positions of 8 pixels' stride, padded by 2 of them: 19 + 4 * 8, and 2 * 8 before
    ("alexnet", "conv2", "receptive field", "r + (F - 1)*j = 19 + (5 - 1)*8 = 51"),
    ("alexnet", "conv2", "its start", "a - P*j = 0 - 2*8 = -16"),
    ("alexnet", "fc6", "parameters", "(C_in + 1)*C_out = (9216 + 1)*4096 = 37,752,832"),
    ("alexnet", "flatten", "channels", "C*H*W = 256*6*6 = 9,216"),
    # two groups: 5 * 5 * 48 * 256 weights and 256 biases
    (
        *("alexnet-2gpu", "conv2", "parameters"),
        "((C_in/G)*F*F + 1)*C_out = ((96/2)*5*5 + 1)*256 = 307,456",
    ),
    # The cheat sheet's padding of 0.5 is one pixel at the end: (112 - 3 + 0 + 1) / 2 + 1
    (
        *("googlenet-cheatsheet", "maxpool1", "height, width"),
        "(W - F + P_before + P_after)/S + 1 = (112 - 3 + 0 + 1)/2 + 1 = 56",
    ),
    # Rounded up, unless the last window would start beyond the input: min(54.5 -> 55 + 1, 56)
    (
        *("googlenet", "maxpool1", "height, width"),
        "min(ceil((W - F + 2P)/S) + 1, floor((W + P - 1)/S) + 1) "
        "= min(ceil((112 - 3 + 2*0)/2) + 1, floor((112 + 0 - 1)/2) + 1) = 56",
    ),
    (
        "googlenet",
        "inception3a.concat",
        "channels",
        "C_1 + C_2 + C_3 + C_4 = 64 + 128 + 32 + 32 = 256",
    ),
    # (224 - 7 + 6) / 2 = 111.5
    (
        *("resnet18", "conv1", "height, width"),
        "floor((W - F + 2P)/S) + 1 = floor((224 - 7 + 2*3)/2) + 1 = 112",
    ),
    ("resnet18", "conv1", "parameters", "F*F*C_in*C_out = 7*7*3*64 = 9,408"),
    ("resnet18", "bn1", "parameters", "2C = 2*64 = 128"),
    ("resnet18", "bn1", "buffers", "2C + 1 = 2*64 + 1 = 129"),
    # VGG: 224 - 3 + 2 + 1 = 224; (9 * 64 + 1) * 64; 9 * 64 * 64 * 224^2
    ("vgg16", "conv1.1.conv", "height, width", "(W - F + 2P)/S + 1 = (224 - 3 + 2*1)/1 + 1 = 224"),
    ("vgg16", "conv1.1.conv", "parameters", "(F*F*C_in + 1)*C_out = (3*3*64 + 1)*64 = 36,928"),
    (
        *("vgg16", "conv1.1.conv", "MACs"),
        "F*F*C_in*C_out*H_out*W_out = 3*3*64*64*224*224 = 1,849,688,064",
    ),
]


@pytest.mark.parametrize(("network", "layer", "label", "expected"), ZOO)
def test_layers_of_the_zoo(network: str, layer: str, label: str, expected: str) -> None:
    assert said(archcalc.explain(archcalc.load(network), layer), label) == expected


LAYERS: list[tuple[dict[str, Any], tuple[int, ...], str, str]] = [
    # one kernel a channel: 3 * 3 * 32 weights
    (
        {"op": "Conv2d", "out_channels": 32, "kernel_size": 3, "groups": 32, "bias": False},
        (32, 8, 8),
        "parameters",
        "(C_in/G)*F*F*C_out = (32/32)*3*3*32 = 288",
    ),
    (
        {"op": "ConvTranspose2d", "out_channels": 16, "kernel_size": 4, "stride": 2, "padding": 1},
        (8, 10, 10),
        "height, width",
        "(W - 1)*S + F - 2P = (10 - 1)*2 + 4 - 2*1 = 20",
    ),
    # every input element meets the whole kernel
    (
        {"op": "ConvTranspose2d", "out_channels": 16, "kernel_size": 4, "stride": 2, "padding": 1},
        (8, 10, 10),
        "MACs",
        "F*F*C_in*C_out*H*W = 4*4*8*16*10*10 = 204,800",
    ),
    # a dilated kernel spans 2 * (3 - 1) + 1 pixels
    (
        {"op": "Conv1d", "out_channels": 1, "kernel_size": 3, "dilation": 2},
        (1, 10),
        "length",
        "(L - (F - 1)*D + 2P - 1)/S + 1 = (10 - (3 - 1)*2 + 2*0 - 1)/1 + 1 = 6",
    ),
    # Caffe's rule without padding keeps the window that begins beyond the input
    (
        {"op": "MaxPool2d", "kernel_size": 1, "stride": 2, "ceil_mode": "caffe"},
        (3, 2, 2),
        "height, width",
        "ceil((W - F + 2P)/S) + 1 = ceil((2 - 1 + 2*0)/2) + 1 = 2",
    ),
    # TensorFlow's SAME: (4 - 1) * 2 + 3 - 8 = 1 in all, at the end
    (
        {"op": "MaxPool2d", "kernel_size": 3, "stride": 2, "padding": "same_upper"},
        (3, 8, 8),
        "height, width",
        "(W - F + P_before + P_after)/S + 1 = (8 - 3 + 0 + 1)/2 + 1 = 4",
    ),
]


@pytest.mark.parametrize(("op", "shape", "label", "expected"), LAYERS)
def test_layers_by_hand(
    op: dict[str, Any], shape: tuple[int, ...], label: str, expected: str
) -> None:
    assert said(of(op, *shape), label) == expected


def test_axes_with_other_numbers_are_explained_apart() -> None:
    text = of({"op": "Conv2d", "out_channels": 1, "kernel_size": [3, 1]}, 1, 9, 9)
    assert said(text, "height") == "(H - F_H + 2P)/S + 1 = (9 - 3 + 2*0)/1 + 1 = 7"
    assert said(text, "width") == "(W - F_W + 2P)/S + 1 = (9 - 1 + 2*0)/1 + 1 = 9"


def test_what_rounding_drops_and_adds_is_said() -> None:
    assert "223 = 111*2 + 1, rounded down" in archcalc.explain(archcalc.load("resnet18"), "conv1")
    assert "109 = 54*2 + 1, rounded up" in archcalc.explain(archcalc.load("googlenet"), "maxpool1")


def test_every_symbol_is_explained() -> None:
    text = archcalc.explain(archcalc.load("googlenet-cheatsheet"), "maxpool1")
    assert "P_before: padding before; P_after: padding after" in text


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("relu1", "11, stride 4, start 0"),
        ("fc6", "the whole input"),
    ],
)
def test_a_field_without_a_rule_is_stated(layer: str, expected: str) -> None:
    assert said(archcalc.explain(archcalc.load("alexnet"), layer), "receptive field") == expected


def test_what_is_printed_otherwise_is_said() -> None:
    # Krizhevsky et al. 2012 print 224, which 11x11 kernels at every fourth pixel do not fit.
    found = " ".join(archcalc.explain("alexnet", "conv1").split())
    assert "Its input is printed as 224x224x3 (Krizhevsky et al. 2012, section 3.5" in found
    assert "It is 227x227x3: kernels of 11 at every fourth pixel" in found
    assert "(224 - 11)/4 + 1 = 54.25 places" in found
    assert "printed as" not in archcalc.explain("alexnet", "conv2")
    # MobileNet's table 1: a stride of 2 from 7x7 to 7x7.
    found = archcalc.explain("mobilenet_v1", "conv13.conv_dw")
    assert "Its stride is printed as 2 (arXiv:1704.04861, table 1)" in found
    assert "printed as" not in archcalc.explain(archcalc.expand("alexnet"), "conv1")


@pytest.mark.parametrize(
    ("op", "said_of_it"),
    [
        ({"op": "ConvTranspose2d", "out_channels": 8, "kernel_size": 3, "dilation": 2}, None),
        ({"op": "Upsample", "size": [7, 7], "mode": "bicubic", "antialias": True}, None),
        ({"op": "Permute", "dims": [0, 1, 3, 2]}, "Permute rearranges positions"),
    ],
)
def test_why_a_field_can_not_be_said_is_the_layers_own(
    op: dict[str, Any], said_of_it: str | None
) -> None:
    layers = {"odd": op, "after": {"op": "Conv2d", "out_channels": 8, "kernel_size": 3}}
    spec = archcalc.load({"name": "net", "input": [8, 9, 9], "layers": layers})
    why = said_of_it or f"{op['op']} does not say where it looks"

    assert said(archcalc.explain(spec, "odd"), "receptive field") == f"can't be said: {why}"
    after = said(archcalc.explain(spec, "after"), "receptive field")
    assert after == f"can't be said: odd ({why.replace(' ', ') ', 1)}"


@pytest.mark.parametrize(
    ("op", "shape", "meaning"),
    [
        ({"op": "LSTM", "hidden_size": 3, "proj_size": 2}, (7, 4), "O: units after the projection"),
        (
            {"op": "ConvTranspose2d", "out_channels": 3, "kernel_size": 3, "stride": 2}
            | {"output_padding": 1},
            (2, 5, 5),
            "O: output padding",
        ),
        ({"op": "LayerNorm", "normalized_shape": 4}, (7, 4), "K: numbers normalized together"),
        ({"op": "PReLU", "num_parameters": 4}, (4, 3), "K: slopes"),
        ({"op": "ReLU"}, (2, 4, 5, 6), "Z: depth of the input"),
    ],
)
def test_a_letter_means_what_it_means_to_the_operator(
    op: dict[str, Any], shape: tuple[int, ...], meaning: str
) -> None:
    spec = archcalc.load({"name": "net", "input": list(shape), "layers": {"layer": op}})
    assert meaning in " ".join(archcalc.explain(spec, "layer").split())


def test_inputs_batches_and_variables_are_those_of_a_table() -> None:
    text = archcalc.explain(archcalc.load("alexnet"), "conv1", batch=2, input=[3, 231, 231])
    assert said(text, "height, width").startswith("(W - F + 2P)/S + 1 = (231 - 11 + 2*0)/4 + 1")
    assert said(text, "MACs").startswith("F*F*C_in*C_out*N*H_out*W_out = 11*11*3*96*2*56*56")


SHARED = {
    "name": "twice",
    "input": [4],
    "layers": {
        "a": {"op": "Linear", "out_features": 4},
        "b": {"op": "Linear", "out_features": 4, "share": "a"},
    },
}


def test_parameters_of_another_layer_are_said_to_be_its() -> None:
    text = archcalc.explain(archcalc.load(SHARED), "b")
    assert "20 of them are those of a, where they are counted" in text


def test_a_layer_that_does_not_run_is_said_to_be_idle() -> None:
    spec = archcalc.load("googlenet-aux")
    idle = next(row.name for row in archcalc.analyze(spec).rows if not row.executed)
    assert "in training only" in archcalc.explain(spec, idle)


def test_a_block_is_its_layers_and_their_sums() -> None:
    """Two 3x3 of 64 -> 64 at 56x56 without biases, and two normalizations."""
    text = archcalc.explain(archcalc.load("resnet18"), "layer1.0")
    *layers, sums = text.strip().split("\n\n")
    assert [part.split(":")[0] for part in layers[1:]] == ["conv1", "bn1", "conv2", "bn2"]
    assert said(sums, "parameters") == "36,864 + 128 + 36,864 + 128 = 73,984"
    assert said(sums, "MACs") == "115,605,504 + 115,605,504 = 231,211,008"
    assert "Without parameters and MACs: 2 ReLU, 1 Add." in sums


def test_the_sums_of_a_block_are_the_table_s() -> None:
    analysis = archcalc.analyze(archcalc.load("resnet50"))
    rows = [row for row in analysis.rows if row.stage == "layer4"]
    text = archcalc.explain(analysis, "layer4").split("\n\n")[-1]
    assert said(text, "parameters").endswith(f"{sum(row.params for row in rows):,}")
    assert f"= {sum(row.macs for row in rows):,} " in " ".join(text.split())


@pytest.mark.parametrize(
    ("layer", "hint"), [("conv_1", "did you mean 'conv1'"), ("Conv1", "did you mean 'conv1'")]
)
def test_an_unknown_layer_has_a_near_miss(layer: str, hint: str) -> None:
    with pytest.raises(ArchcalcError, match=f"no layer '{layer}' in alexnet\n  {hint}"):
        archcalc.explain(archcalc.load("alexnet"), layer)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ArchcalcError, match="no format 'html'"):
        archcalc.explain(archcalc.load("alexnet"), "conv1", format="html")


def test_text_is_no_wider_than_a_page() -> None:
    for layer in ("conv1", "fc6", "maxpool1", "inception3a", "inception3a.concat"):
        spec = archcalc.load("googlenet" if layer.startswith("inc") else "alexnet")
        assert max(map(len, archcalc.explain(spec, layer).splitlines())) <= WIDTH


@pytest.mark.parametrize("layer", [None, "conv1", "fc6"])
@pytest.mark.parametrize("form", FORMATS)
def test_every_form_says_the_same_numbers(form: str, layer: str | None) -> None:
    spec = archcalc.load("alexnet")
    text = archcalc.explain(spec, layer).replace(",", "")
    other = archcalc.explain(spec, layer, format=form)
    other = re.sub(r"\{,\}|,", "", other)
    longest = re.findall(r"\d{4,}", text)
    assert longest
    assert all(number in other for number in longest)


def test_latex_is_balanced_and_names_what_it_needs() -> None:
    text = archcalc.explain(archcalc.load("googlenet"), "maxpool1", format="latex")
    assert text.startswith("% needs \\usepackage{amsmath}")
    assert text.count("{") == text.count("}")
    assert text.count(r"\left") == text.count(r"\right")
    assert r"\left\lceil \frac{W - F + 2P}{S} \right\rceil + 1" in text


def test_markdown_puts_formulas_in_code() -> None:
    text = archcalc.explain(archcalc.load("alexnet"), "fc6", format="markdown")
    assert "- parameters: `(C_in + 1)*C_out = (9216 + 1)*4096 = 37,752,832`" in text


def test_equal_inputs_are_counted_in_the_title() -> None:
    text = archcalc.explain(archcalc.load("resnet18"), "layer1.0.add")
    assert text.startswith("layer1.0.add: Add, 2 of 64x56x56 -> 64x56x56\n")


@pytest.mark.parametrize(
    ("convention", "label", "expected"),
    [
        ("2xmacs", "2 x MACs", 2 * 105_415_200),
        # 363 multiplies and 362 adds for each of 55 * 55 * 96 sums, and an add of the bias.
        ("textbook", "textbook FLOPs", (363 + 362 + 1) * 290_400),
    ],
)
def test_another_convention_gives_its_number_too(
    convention: str, label: str, expected: int
) -> None:
    alexnet = archcalc.load("alexnet")
    text = archcalc.explain(alexnet, "conv1", convention=convention)
    assert said(text, label) == f"{expected:,}"
    assert said(text, "MACs").endswith("= 105,415,200")
    assert all(len(line) <= WIDTH for line in text.splitlines())
    # Of a block, the sum over its layers; of a network, a column of its table.
    block = archcalc.explain(archcalc.load("vgg16"), "conv1", convention="2xmacs")
    assert said(block, "2 x MACs") == f"{2 * 224 * 224 * 64 * 9 * (3 + 64):,}"
    assert "2 x MACs" in archcalc.explain(alexnet, convention="2xmacs")
