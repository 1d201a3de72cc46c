"""What a table shows, and that it adds up."""

from __future__ import annotations

import csv
import io
import re
from functools import cache
from typing import Any

import pytest
import sympy

import archcalc
from archcalc import Analysis, ArchcalcError
from archcalc.analysis.conventions import CONVENTIONS, Convention
from archcalc.document.model import AtLeast, Group, Row, Table
from archcalc.report.layers import NAMES
from archcalc.report.layers.columns import COLUMNS, UNKNOWN
from archcalc.report.layers.layout import Request as Wanted
from archcalc.report.layers.layout import lay_out
from archcalc.report.layers.lines import DETAILS, depth, lines
from archcalc.report.units import print_bytes
from archcalc.spec.zoo import names

SUMMED = [c.name for c in COLUMNS.values() if c.text is None and not c.share]


@cache
def analysis(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


def records(network: Any, **options: Any) -> list[dict[str, str]]:
    text = archcalc.table(network, format="csv", **options)
    return list(csv.DictReader(io.StringIO(text)))


def one(*layers: dict[str, Any] | str, shape: tuple[int, ...] = (3, 8, 8)) -> archcalc.Spec:
    named = {f"l{k}": layer for k, layer in enumerate(layers)}
    return archcalc.load({"name": "one", "input": list(shape), "layers": named})


CONV = {"op": "Conv2d", "out_channels": 4, "kernel_size": 3}

# As the cheat sheet prints them, channels first: input, output, kernel, stride, padding, in, out,
# parameters.
ALEXNET = {
    "conv1": ("3x227x227", "96x55x55", "11x11", "4", "0", "3", "96", "34944"),
    "maxpool1": ("96x55x55", "96x27x27", "3x3", "2", "0", "96", "96", "0"),
    "conv2": ("96x27x27", "256x27x27", "5x5", "1", "2", "96", "256", "614656"),
    "maxpool2": ("256x27x27", "256x13x13", "3x3", "2", "0", "256", "256", "0"),
    "conv3": ("256x13x13", "384x13x13", "3x3", "1", "1", "256", "384", "885120"),
    "conv4": ("384x13x13", "384x13x13", "3x3", "1", "1", "384", "384", "1327488"),
    "conv5": ("384x13x13", "256x13x13", "3x3", "1", "1", "384", "256", "884992"),
    "maxpool5": ("256x13x13", "256x6x6", "3x3", "2", "0", "256", "256", "0"),
    "fc6": ("9216", "4096", "", "", "", "9216", "4096", "37752832"),
    "fc7": ("4096", "4096", "", "", "", "4096", "4096", "16781312"),
    "fc8": ("4096", "1000", "", "", "", "4096", "1000", "4097000"),
}


def test_layers_of_alexnet_are_those_of_the_cheat_sheet() -> None:
    keys = ("input", "output", "kernel", "stride", "padding", "in", "out", "params")
    rows = {row["layer"]: tuple(row[key] for key in keys) for row in records(analysis("alexnet"))}
    assert rows == ALEXNET


# Going deeper with convolutions, table 1: output (channels first here) and depth.
GOOGLENET = [
    ("64x112x112", 1),
    ("64x56x56", 0),
    ("192x56x56", 2),
    ("192x28x28", 0),
    ("256x28x28", 2),
    ("480x28x28", 2),
    ("480x14x14", 0),
    ("512x14x14", 2),
    ("512x14x14", 2),
    ("512x14x14", 2),
    ("528x14x14", 2),
    ("832x14x14", 2),
    ("832x7x7", 0),
    ("832x7x7", 2),
    ("1024x7x7", 2),
    ("1024x1x1", 0),
    ("1000", 1),
]


def test_blocks_of_googlenet_are_those_of_its_papers_table() -> None:
    rows = records(analysis("googlenet"), detail="stage")
    assert [(row["output"], int(row["depth"])) for row in rows] == GOOGLENET
    assert rows[0]["kernel"] == "7x7"  # the one window of a block is the block's


# Each paper says how many layers its network has, weight layers only.
@pytest.mark.parametrize(
    ("name", "layers"),
    [("alexnet", 8), ("vgg16", 16), ("vgg19", 19), ("googlenet", 22), ("resnet50", 50)],
)
def test_depth_of_a_network_is_the_number_in_its_paper(name: str, layers: int) -> None:
    assert depth(analysis(name).rows) == layers


def the_table(found: Analysis, request: Wanted) -> Table:
    (table,) = lay_out(found, request).tables
    return table


def added(row: Row | Group) -> list[Row]:
    """The rows that add up to the total: those below a printed line are in it already."""
    if isinstance(row, Row):
        return [row]
    return [row.head] if row.named else [each for inner in row.rows for each in added(inner)]


def sum_of(cells: list[Any]) -> Any:
    """A bound where a cell is one, or is not known at all."""
    sizes = [cell.size if isinstance(cell, AtLeast) else cell for cell in cells]
    total = sum(size for size in sizes if size != UNKNOWN)
    return total if sizes == cells and UNKNOWN not in cells else AtLeast(total)


def columns_of(table: Table) -> dict[str, list[Any]]:
    rows = [each.cells for row in table.rows for each in added(row)]
    numbers = [column.name for column in COLUMNS.values() if column.text is None]
    return {
        head.name: [0 if cells[k] == "" else cells[k] for cells in rows]
        for k, head in enumerate(table.heads)
        if head.right and (head.name in numbers or head.name in CONVENTIONS or "%" in head.name)
    }


UNABLE = {("torchprofile", family) for family in ("gemma", "llama2", "llama3", "mixtral", "qwen3")}
"""Tools and families whose heads share keys, which they can't count."""


def fails(counted: Convention, found: Analysis) -> bool:
    try:
        counted.total(found)
    except ArchcalcError:
        return True
    return False


@pytest.mark.every_network
@pytest.mark.parametrize("name", [*names()])
def test_every_column_adds_up_to_its_total(name: str) -> None:
    found = analysis(name)
    unsaid = {"cache"} if found.cache.not_counted else set()
    summed = [column for column in SUMMED if column not in unsaid]
    for detail in DETAILS:
        for counted in CONVENTIONS.values():
            if fails(counted, found):
                assert (counted.name, name.partition("_")[0]) in UNABLE
                continue
            request = Wanted.of(detail, ["layer", *summed], "float16", counted.name)
            table = the_table(found, request)
            (total,) = table.sums
            sums = dict(zip([head.name for head in table.heads], total.cells, strict=True))
            for column, cells in columns_of(table).items():
                assert sum_of(cells) == sums[column], (detail, counted.name, column)
            assert sums["params"] == found.params
            assert sums["flops"] == found.flops
            assert sums["buffers"] == found.buffers
            assert sums["activations"] == found.activations
            assert sums["connections"] == found.connections
            assert sums["weight_bytes"] == found.weight_bytes("float16")
            main = sums["macs" if counted.name == "macs" else counted.name]
            assert main == counted.total(found)


@pytest.mark.parametrize("name", ["googlenet", "lenet5-1998"])
def test_percentages_add_up_to_100_but_for_rounding(name: str) -> None:
    request = Wanted.of("layer", ["params%", "macs%"], "float32", "all")
    for cells in columns_of(the_table(analysis(name), request)).values():
        assert sum(map(float, cells)) == pytest.approx(100, abs=0.05 * len(cells))


def test_a_percentage_of_nothing_is_blank() -> None:
    rows = records(one("ReLU", "ReLU"), detail="all", columns="layer,params%")
    assert [row["params%"] for row in rows] == ["", ""]


@pytest.mark.parametrize(
    ("layer", "shown"),
    [
        (CONV, True),
        ("BatchNorm2d", True),
        ({"op": "BatchNorm2d", "affine": False}, True),  # it has buffers
        ({"op": "MaxPool2d", "kernel_size": 1}, True),
        ({"op": "AdaptiveAvgPool2d", "output_size": 8}, True),
        ({"op": "Pad", "pad": [1, 1]}, True),
        ({"op": "Add", "from": ["input", "input"]}, True),
        ("PReLU", True),
        ("ReLU", False),
        ("Flatten", False),
        ({"op": "Permute", "dims": [0, 2, 3, 1]}, False),
        ({"op": "Softmax", "dim": 1}, False),
        ({"op": "Dropout"}, False),
        ({"op": "LocalResponseNorm", "size": 5}, False),
    ],
)
def test_layers_that_store_slide_resize_or_join_are_shown(layer: Any, shown: bool) -> None:
    found = archcalc.analyze(one(layer))
    assert bool(lines(found, "layer")[0]) is shown
    assert len(lines(found, "all")[0]) == 1


def test_what_is_hidden_is_counted_and_summed() -> None:
    text = archcalc.table(
        one(CONV, "ReLU", "Flatten", "ReLU"),
        columns="layer,from,input,op,output,kernel,comparisons",
    )
    (line,) = [line for line in text.splitlines() if "not shown" in line]
    # 2 ReLU of 4 x 6 x 6 elements
    assert line.split() == ["3", "layers", "not", "shown:", "2", "ReLU,", "Flatten", "288"]


def test_inputs_come_from_layers_that_are_shown() -> None:
    rows = records(one(CONV, "ReLU", {"op": "Add", "from": ["l1", "l0"]}, CONV))
    assert [row["from"] for row in rows] == ["input", "l0, l0", "l2"]


def test_names_go_without_the_stage_only_beside_it() -> None:
    full = records(analysis("googlenet"), columns="layer,from")
    short = records(analysis("googlenet"), columns="stage,layer,from")
    assert {"layer": "inception3a.reduce3x3.conv", "from": "maxpool2"} in full
    assert {"stage": "inception3a", "layer": "conv3x3.conv", "from": "reduce3x3.conv"} in short


def test_a_table_without_stages_has_no_column_for_them_but_csv_has() -> None:
    assert "stage" not in archcalc.table(analysis("alexnet"))
    assert "stage" in archcalc.table(analysis("googlenet"))
    assert "stage" in records(analysis("alexnet"))[0]


@pytest.mark.parametrize(
    ("network", "options", "heading"),
    [
        (
            "googlenet",
            {},
            [
                "googlenet: Going deeper with convolutions (2014)",
                "as published, without the auxiliary heads; input 3x224x224, batch 1",
            ],
        ),
        (
            "mnist-keras",
            {"batch": 8, "input": [1, 32, 32], "training": True},
            [
                "mnist-keras: Convolutional network for digits, the example of Keras (2015)",
                "as the program builds it; input 1x32x32, batch 8, in training",
            ],
        ),
        (
            "vgg16",
            {"classes": 10, "depths": [1, 1, 1, 1, 1]},
            [
                "vgg16: Very deep convolutional networks for large-scale image recognition (2014)",
                "as published; with classes = 10, depths = [1, 1, 1, 1, 1]; "
                "input 3x224x224, batch 1",
            ],
        ),
    ],
)
def test_a_table_says_which_edition_it_shows_at_what_input(
    network: str, options: dict[str, Any], heading: list[str]
) -> None:
    assert archcalc.table(archcalc.load(network), **options).splitlines()[:2] == heading


def test_shapes_have_the_batch_only_where_it_is_not_1() -> None:
    assert records(one(CONV))[0]["output"] == "4x6x6"
    assert records(one(CONV), batch=8)[0]["output"] == "8x4x6x6"


def test_what_exists_in_training_only_is_marked_and_not_counted() -> None:
    text = archcalc.table(archcalc.load("googlenet-aux"))
    assert "fc1 (training only)" in text
    # Published: 6,998,552 without the heads; both heads: 1x1 convolutions and two classifiers
    heads = 512 * 128 + 128 + 528 * 128 + 128 + 2 * (2048 * 1024 + 1024 + 1024 * 1000 + 1000)
    assert f"params        {6_998_552 + heads:,} (6,998,552 executed)" in text
    trained = archcalc.table(archcalc.load("googlenet-aux"), training=True)
    assert "training only" not in trained
    assert "executed" not in trained
    rows = {(r["stage"], r["layer"]): r for r in records(archcalc.load("googlenet-aux"))}
    assert rows["aux1", "fc1"]["macs"] == "0"


def test_what_is_shared_is_marked_and_owned_once() -> None:
    tied = {"op": "Linear", "out_features": 8, "share": "l0"}
    text = archcalc.table(one({"op": "Linear", "out_features": 8}, tied, shape=(8,)))
    (line,) = [line for line in text.splitlines() if "(shared)" in line]
    assert line.split()[:2] == ["l1", "(shared)"]
    assert line.split()[-2:] == ["0", "64"]  # params and MACs
    assert "params        72 (72 shared)" in text


def test_totals_have_their_units() -> None:
    text = archcalc.table(analysis("googlenet"), dtype="float16", convention="2xmacs")
    totals = text.rstrip("\n").split("\n\n")[-1].splitlines()
    assert totals == [
        "params        6,998,552",
        "buffers       0",
        f"2 x MACs      {2 * analysis('googlenet').macs:,}",
        f"FLOPs         {analysis('googlenet').flops:,}",
        "weight bytes  14.00 MB in float16",
    ]


@pytest.mark.parametrize(
    ("size", "printed"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.00 kB"),
        (999_994, "999.99 kB"),
        (999_995, "1.00 MB"),
        (4 * 6_998_552, "27.99 MB"),
        (10**12, "1,000.00 GB"),
    ],
)
def test_bytes_are_printed_in_powers_of_1000(size: int, printed: str) -> None:
    assert print_bytes(size) == printed


def test_many_inputs_are_shortened_for_people_only() -> None:
    text = archcalc.table(analysis("lenet5-1998"))
    assert "map.0.conv, ..., map.15.conv (16)" in text
    (joined,) = [row for row in records(analysis("lenet5-1998")) if row["layer"] == "concat"]
    assert len(joined["from"].split(", ")) == len(joined["input"].split(", ")) == 16


def test_further_columns_say_what_operators_are_made_of() -> None:
    conv = {"op": "Conv2d", "out_channels": 6, "kernel_size": 3, "groups": 3, "dilation": [2, 1]}
    (row,) = records(one(conv), columns="op,groups,dilation,weights,weight_bytes,connections")
    assert row == {
        "op": "Conv2d",
        "groups": "3",
        "dilation": "2x1",
        "weights": "weight 6x1x3x3, bias 6",
        "weight_bytes": str(4 * (54 + 6)),
        # 6 x 4 x 6 outputs of 9 taps and a bias
        "connections": str(6 * 4 * 6 * 10),
    }


@pytest.mark.parametrize(
    ("layer", "shape", "channels"),
    [
        ({"op": "Linear", "out_features": 5}, (7, 16), ("16", "5")),
        ({"op": "Embedding", "num_embeddings": 100, "embedding_dim": 16}, (7,), ("100", "16")),
        ({"op": "Conv1d", "out_channels": 5, "kernel_size": 1}, (7, 16), ("7", "5")),
        ("LayerNorm", (7, 16), ("16", "16")),
        ({"op": "Concat", "from": ["input", "input"]}, (3, 8, 8), ("6", "6")),
        ({"op": "Concat", "from": ["input", "input"], "dim": 2}, (3, 8, 8), ("3", "3")),
        # whether 7 or 16 are the channels, an addition can't say
        ({"op": "Add", "from": ["input", "input"]}, (7, 16), ("", "")),
    ],
)
def test_channels_are_on_the_axis_where_the_operator_has_them(
    layer: Any, shape: tuple[int, ...], channels: tuple[str, str]
) -> None:
    (row,) = records(one(layer, shape=shape))
    assert (row["in"], row["out"]) == channels


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": "layer,parms"}, r"no column 'parms'\n  did you mean 'params'\?"),
        ({"columns": " , "}, "none is named"),
        ({"detail": "layers"}, r"no detail 'layers'\n  did you mean 'layer'\?"),
        ({"dtype": "float"}, r"no dtype 'float'\n  did you mean 'float\d+'\?"),
        ({"convention": "macss"}, r"no convention 'macss'\n  did you mean 'macs'\?"),
        (
            {"format": "xml"},
            r"no format 'xml'\n  known: csv, html, json, latex, markdown, siunitx, table",
        ),
        ({"format": "json", "columns": "layer"}, "fixed keys"),
        ({"format": "json", "convention": "all"}, "every kind of work"),
    ],
)
def test_an_unknown_word_is_refused_with_the_nearest(options: Any, message: str) -> None:
    with pytest.raises(ArchcalcError, match=message):
        archcalc.table(analysis("alexnet"), **options)


def test_a_convention_heads_its_own_column() -> None:
    assert "textbook" in records(analysis("alexnet"), convention="textbook")[0]
    assert "macs" not in records(analysis("alexnet"), convention="textbook")[0]
    assert "2 x MACs" in archcalc.table(analysis("alexnet"), convention="2XMACS")


def test_symbols_are_printed_as_they_are() -> None:
    n = sympy.Symbol("n", integer=True, positive=True)
    graph = archcalc.expand(one(CONV), batch=n)
    text = archcalc.table(graph)
    assert f"batch {n}" in text
    assert str(n * 4 * 6 * 6 * 27) in text


def test_folding_shows_the_network_as_it_is_run_and_says_so() -> None:
    text = archcalc.table(archcalc.load("resnet50"), fold_bn=True)
    assert "the stride in the 3x3, batch normalization folded; input 3x224x224" in text
    assert "BatchNorm" not in text
    # 53 normalizations of 26,560 channels go with 2 x 26,560 parameters, and 26,560 biases come.
    assert f"{25_557_032 - 26_560:,}" in text


def test_folding_goes_with_variables_and_graphs() -> None:
    spec = archcalc.load("resnet18")
    graph = archcalc.expand(spec, width=32)
    assert archcalc.table(graph, fold_bn=True, format="csv") == archcalc.table(
        spec, fold_bn=True, format="csv", width=32
    )


def test_the_receptive_field_of_alexnet_grows_to_195_pixels() -> None:
    # Araujo, Norris and Sim, Computing Receptive Fields of CNNs, Distill 2019: 195 for alexnet.
    rows = records(analysis("alexnet"), columns="layer,receptive_field")
    fields = {row["layer"]: row["receptive_field"] for row in rows}
    assert fields["conv1"] == "11x11"
    assert fields["maxpool5"] == "195x195"
    assert fields["fc6"] == "whole"


def test_what_a_tool_does_not_see_is_said_below_its_number() -> None:
    layer = {"op": "LSTM", "hidden_size": 4}
    text = archcalc.table(one(layer, shape=(5, 3)), convention="torch")
    assert "unseen by torch    LSTM" in text or "unseen by torch  LSTM" in text
    assert "unseen" not in archcalc.table(analysis("alexnet"), convention="torch")


@pytest.mark.parametrize("width", [0.0, float("nan"), float("inf")])
def test_a_table_has_a_width_that_is_one(width: float) -> None:
    with pytest.raises(ArchcalcError, match=f"^width: {width:g} is not a width$"):
        Wanted.of("layer", None, "float32", "macs", width=width)


def test_parameters_that_depend_on_the_inputs_size_are_said_to() -> None:
    """A classifier that takes a whole map: 8x8 of 2 channels, or 6x6."""
    net = one({"op": "Conv2d", "out_channels": 2, "kernel_size": 1}, "Flatten", linear(5))
    conv, own, given = 2 * 3 + 2, 5 * 2 * 8 * 8 + 5, 5 * 2 * 6 * 6 + 5
    said = f"params        {conv + given} (they depend on the input's size: {conv + own} for 3x8x8)"

    assert said in archcalc.table(net, input=[3, 6, 6]).splitlines()
    assert "depend" not in archcalc.table(net)
    assert "depend" not in archcalc.table(net, input=[3, 8, 8])
    assert "depend" not in archcalc.table(one("ReLU"), input=[3, 6, 6])


def linear(features: int) -> dict[str, Any]:
    return {"op": "Linear", "out_features": features}


def test_on_paper_a_long_network_is_its_stages() -> None:
    def printed(**how: Any) -> list[str]:
        text = archcalc.table(analysis("googlenet"), format="latex", **how)
        return re.findall(r"^ +([\w.\\]+) &", text, re.MULTILINE)

    # The rows of table 1 of the paper, but for the dropout and the softmax that count nothing.
    stages = printed()
    assert stages[1:7] == ["conv1", "maxpool1", "conv2", "maxpool2", "inception3a", "inception3b"]
    assert len(stages) == 1 + 17
    assert "inception3a.conv3x3.conv" in printed(unroll=True)
    assert "inception3a.conv3x3.conv" in printed(columns="layer,params")
    assert "conv1.0.conv" in archcalc.table(analysis("vgg16"), format="latex")


def test_sums_of_unequal_shapes_are_said_once() -> None:
    layers: dict[str, Any] = {
        "s": {"op": "Add", "from": ["a", "b"]},
        "double": {"op": "Add", "from": ["s", "s"]},
        "scaled": {"op": "Mul", "from": ["double", "a"]},
    }
    spec = {"name": "net", "input": {"a": [64, 1, 1], "b": [1, 8, 8]}, "layers": layers}
    text = archcalc.table(archcalc.load(spec))

    assert "broadcast     s (64x1x1 + 1x8x8)\n" in text
    assert "broadcast" not in archcalc.table("resnet18")


def test_the_columns_that_a_shell_completes_are_those_there_are() -> None:
    assert tuple(COLUMNS) == NAMES


@pytest.mark.parametrize("detail", ["layer", "stage"])
def test_where_every_layer_would_be_left_out_none_is(detail: str) -> None:
    rows = records(one("Sqrt", "ReLU"), detail=detail)
    assert [(row["layer"], row["output"]) for row in rows] == [("l0", "3x8x8"), ("l1", "3x8x8")]
