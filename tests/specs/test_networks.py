"""The networks of the seed documents, against what was published of them."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import pytest

import archcalc
from archcalc import Analysis, Row
from archcalc.operators.conv import Conv2d
from archcalc.spec import zoo
from archcalc.spec.records import records

TABLES = Path(__file__).parents[2] / "specs" / "tables"


@cache
def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


# Trainable parameters. Sources: the seed documents' tables; torchvision's table of pre-trained
# weights for VGG and ResNet on ImageNet; LeCun et al. 1998, II.B; the others are worked below.
PARAMS = {
    "lenet5": 61_706,
    "lenet5-1998": 60_000,
    "alexnet": 62_378_344,
    "alexnet-2gpu": 60_965_224,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet50-v1": 25_557_032,
    "resnet101-v1": 44_549_160,
    "resnet152-v1": 60_192_808,
    "resnet18-cheatsheet": 11_511_784,
    "googlenet": 6_998_552,
    "googlenet-cheatsheet": 6_998_552,
    "googlenet-torchvision": 13_004_888,
    "mnist-keras": 1_199_882,
}


@pytest.mark.parametrize("name", PARAMS)
def test_params_are_those_published(name: str) -> None:
    assert network(name).params == PARAMS[name]


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("resnet18-cifar", "11.174"),
        ("resnet34-cifar", "21.282"),
        ("resnet50-cifar", "23.521"),
        ("resnet101-cifar", "42.513"),
        ("resnet152-cifar", "58.157"),
    ],
)
def test_cifar_resnets_round_to_the_printed_millions(name: str, printed: str) -> None:
    assert f"{network(name).params / 1e6:.3f}" == printed


def test_every_network_of_the_seeds_has_its_number_here() -> None:
    cifar = {f"resnet{depth}-cifar" for depth in (18, 34, 50, 101, 152)}
    seeds = ("lenet", "alexnet", "vgg", "resnet", "googlenet", "mnist-keras")
    named = {
        name
        for family in seeds
        for name in archcalc.load(zoo.folder() / f"{family}.yaml").variants or [family]
    }
    # Those of the family of ResNet that the seeds do not name have a file of their own.
    besides = {"plain34", *(name for name in named if name.startswith(("resnext", "wide_resnet")))}
    assert named - besides == {*PARAMS, *cifar, "googlenet-aux"}


def test_lenet5_by_hand() -> None:
    c1, c3, c5 = (25 * 1 + 1) * 6, (25 * 6 + 1) * 16, (25 * 16 + 1) * 120
    f6, output = (120 + 1) * 84, (84 + 1) * 10
    assert network("lenet5").params == c1 + c3 + c5 + f6 + output


# LeCun et al. 1998, II.B, layer by layer: (trainable parameters, connections).
LENET_1998 = {
    "c1": (156, 122_304),
    "s2": (12, 5_880),
    "c3": (1_516, 151_600),
    "s4": (32, 2_000),
    "c5": (48_120, 48_120),
    "f6": (10_164, 10_164),
    "output": (0, 840),
}


@pytest.mark.parametrize("layer", LENET_1998)
def test_lenet5_of_1998_layer_by_layer(layer: str) -> None:
    rows = [row for row in network("lenet5-1998").rows if row.name.split(".")[0] == layer]
    params, connections = LENET_1998[layer]
    assert sum(row.params for row in rows) == params
    assert sum(row.connections for row in rows) == connections


def test_lenet5_of_1998_has_340908_connections() -> None:
    assert network("lenet5-1998").connections == 340_908


def test_auxiliary_heads_are_owned_but_executed_in_training_only() -> None:
    # Each head: a 1x1 to 128 channels, 2,048 -> 1,024, 1,024 -> 1,000, all with biases.
    heads = sum((c + 1) * 128 + 2049 * 1024 + 1025 * 1000 for c in (512, 528))
    aux, without = network("googlenet-aux"), network("googlenet")
    assert aux.params == without.params + heads
    assert aux.executed_params == without.params
    assert aux.macs == without.macs
    trained = archcalc.analyze(archcalc.load("googlenet-aux"), training=True)
    assert trained.executed_params == aux.params
    assert trained.macs > without.macs


def test_torchvisions_googlenet_executes_about_half_of_what_it_owns() -> None:
    # torchvision: 13,004,888 parameters with the heads, 6,624,904 of them used at inference.
    assert network("googlenet-torchvision").executed_params == 6_624_904


# Multiply-accumulates. fvcore, and torch's own counter halved, on torchvision's models.
MACS = {
    "resnet18": 1_814_073_344,
    "resnet34": 3_663_761_408,
    "resnet50": 4_089_184_256,
    "resnet101": 7_801_405_440,
    "resnet152": 11_513_626_624,
    "vgg11": 7_609_090_048,
    "vgg13": 11_308_466_176,
    "vgg16": 15_470_264_320,
    "vgg19": 19_632_062_464,
}


@pytest.mark.parametrize("name", MACS)
def test_macs_are_those_of_other_counters(name: str) -> None:
    assert network(name).macs == MACS[name]


@pytest.mark.parametrize(
    ("name", "printed"),
    # arXiv:1512.03385, table 1, "FLOPs" (multiply-adds). Printed 1.8, 3.6, 3.8, 7.6 and 11.3 e9:
    # cut off, not rounded, in the second and third; the paper's stride is in the first 1x1.
    [
        ("resnet18", 1.8),
        ("resnet34", 3.6),
        ("resnet50-v1", 3.8),
        ("resnet101-v1", 7.6),
        ("resnet152-v1", 11.3),
    ],
)
def test_macs_are_those_of_the_resnet_paper(name: str, printed: float) -> None:
    assert (
        0 <= network(name).macs / 1e9 - printed < 0.1
        or round(network(name).macs / 1e9, 1) == printed
    )


# The cheat sheets' tables, row by row ---------------------------------------------------------

STRUCTURES = {
    "alexnet": "alexnet",
    "vgg16": "vgg16",
    "resnet18": "resnet18-cheatsheet",
    "googlenet": "googlenet-cheatsheet",
}
TABULATED = ("Conv2d", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "Linear")


def printed_rows(table: str) -> list[dict[str, str]]:
    with (TABLES / f"{table}_structure.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["layer"] != "Total"]


def our_rows(table: str) -> list[Row]:
    kinds = (*TABULATED, "Concat") if table == "googlenet" else TABULATED
    rows = network(STRUCTURES[table]).rows
    # The cheat sheet's ResNet18 lists no shortcuts.
    return [row for row in rows if row.op in kinds and "downsample" not in row.name]


def our_cells(row: Row) -> dict[str, float]:
    """A row under the columns of the printed tables."""
    (_, in_c, *extents), (_, out_c, *out) = row.node.input_shapes[0], row.shape
    cells: dict[str, float] = {"channels_in": in_c, "channels_out": out_c, "params": row.params}
    if extents:
        cells |= {"in_h": extents[0], "in_w": extents[1], "in_c": in_c}
        cells |= {"out_h": out[0], "out_w": out[1], "out_c": out_c}
    if row.op == "Concat":
        cells = {key: value for key, value in cells.items() if key.startswith("out_")}
    op = row.node.op
    if isinstance(op, Conv2d):
        cells |= {"kernel_h": op.kernel_size[0], "kernel_w": op.kernel_size[1]}
        # A printed pad of 0.5 is one pixel at one end.
        cells |= {"stride": op.stride[0], "pad": sum(op.padding[0]) / 2}
    return cells


def differing(table: str) -> list[tuple[dict[str, str], dict[str, float], list[str]]]:
    found = []
    for printed, ours in zip(printed_rows(table), map(our_cells, our_rows(table)), strict=True):
        columns = [c for c in ours if printed.get(c) and float(printed[c]) != ours[c]]
        if columns:
            found.append((printed, ours, columns))
    return found


@pytest.mark.parametrize("table", ["alexnet", "resnet18"])
def test_the_printed_table_comes_out_cell_for_cell(table: str) -> None:
    assert differing(table) == []


def test_the_printed_vgg16_table_comes_out_but_for_a_pooling_with_params() -> None:
    ((printed, ours, columns),) = differing("vgg16")
    assert (printed["row"], printed["layer"], columns) == ("6", "maxpool", ["params"])
    assert (printed["params"], ours["params"]) == ("65664", 0)


def producer(rows: list[dict[str, str]], row: dict[str, str]) -> dict[str, str]:
    """The printed row whose output a row of the printed GoogLeNet table takes."""
    named = row["input_layer"]
    before = rows[: rows.index(row)]
    return next(other for other in reversed(before) if other["layer"] == named)


def test_the_printed_googlenet_table_comes_out_wherever_it_agrees_with_itself() -> None:
    rows = printed_rows("googlenet")
    poolings = {"maxpool-a"}
    for printed, ours, columns in differing("googlenet"):
        source = producer(rows, printed)
        # What the producer really gives: a pooling gives as many channels as it takes.
        while source["layer"] in poolings:
            source = producer(rows, source)
        true = int(source["out_c"])
        for column in columns:
            if column in ("in_c", "channels_in"):
                expected = true
            elif printed["layer"] in poolings:
                assert column in ("out_c", "channels_out")
                expected = true
            else:
                assert column == "params"
                taps = int(printed["kernel_h"]) * int(printed["kernel_w"])
                expected = (taps * true + 1) * int(printed["channels_out"])
            assert ours[column] == expected, (printed["row"], column)


def test_the_differences_of_the_googlenet_table_add_up_to_that_of_its_total() -> None:
    wrong = [
        (ours["params"] - int(printed["params"]))
        for printed, ours, columns in differing("googlenet")
        if "params" in columns
    ]
    assert len(wrong) == 13
    assert sum(wrong) == 6_998_552 - 6_414_360


def test_the_second_convolution_of_googlenet_has_the_112k_weights_of_the_papers_table() -> None:
    # arXiv:1409.4842, table 1: 112K weights, K = 1024.
    rows = [row for row in network("googlenet").rows if row.stage == "conv2"]
    assert sum(row.params - row.weights["bias"][0] for row in rows if row.weights) == 112 * 1024


@pytest.mark.parametrize("table", STRUCTURES)
def test_the_totals_of_the_tables_are_documented_as_printed(table: str) -> None:
    with (TABLES / f"{table}_structure.csv").open(newline="", encoding="utf-8") as file:
        (total,) = [row["params"] for row in csv.DictReader(file) if row["layer"] == "Total"]
    spec = archcalc.load(STRUCTURES[table])
    printed = {str(record.value).replace(",", "") for record in records(spec).documented}
    assert total in printed


# The specs themselves ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", zoo.families(), ids=lambda path: path.stem)
def test_shipped_specs_validate(path: Path) -> None:
    assert archcalc.validate(path) == []


@pytest.mark.parametrize("path", zoo.families(), ids=lambda path: path.stem)
def test_a_family_is_named_as_its_file(path: Path) -> None:
    assert archcalc.load(path).name == path.stem
