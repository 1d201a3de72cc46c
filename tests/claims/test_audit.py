"""What an audit finds in printed tables: those of the documents, and right ones made wrong."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from archcalc.claims.audit import audit
from archcalc.claims.finding import Audit, Finding
from archcalc.claims.tables.read import read_table
from archcalc.errors import ArchcalcError, SpecError

TABLES = Path(__file__).parents[2] / "specs" / "tables"


@cache
def of_document(name: str, against: str | None = None) -> Audit:
    return audit(TABLES / f"{name}.csv", against)


def at(found: Audit, row: int, role: str) -> Finding:
    """The finding of a cell; rows count from 1, as printed."""
    (finding,) = [each for each in found.findings if (each.row + 1, each.role) == (row, role)]
    return finding


# The tables of the documents ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "against", "params"),
    [("alexnet", "alexnet", 11), ("resnet18", "resnet18-cheatsheet", 20)],
)
def test_a_clean_table_is_checked_and_clean(name: str, against: str, params: int) -> None:
    found = of_document(f"{name}_structure")
    assert found.ok
    assert found.checked["params"] == params
    assert found.checked["inputs"] >= 3 * params
    assert found.checked["totals"] == 1
    assert found.totals is not None
    assert found.totals.printed == found.totals.summed == found.totals.right


def test_alexnet_differs_from_the_network_in_no_cell() -> None:
    assert of_document("alexnet_structure", against="alexnet").differences == ()


def test_vgg16_has_the_convolutions_formula_in_a_pooling_row() -> None:
    found = of_document("vgg16_structure")
    pooling = at(found, 6, "params")
    # (2 * 2 * 128 + 1) * 128 = 65,664: a 2x2 convolution from 128 to 128 channels.
    assert (pooling.printed, pooling.right, pooling.effect) == ("65664", "0", -65_664)
    assert "(2 * 2 * 128 + 1) * 128 = 65,664" in pooling.causes[0].text
    assert found.totals == (138_423_208, 138_423_208, 138_357_544, 1)
    assert at(found, 22, "params").right == "138,357,544"


def test_vgg16_has_a_misspelt_layer() -> None:
    found = of_document("vgg16_structure")
    assert at(found, 2, "layer").right == "conv3-64"
    assert {(each.row + 1, each.role) for each in found.findings} == {
        (2, "layer"),
        (6, "params"),
        (22, "params"),
    }


def test_the_damaged_reading_of_vgg16_has_three_layers_without_a_name() -> None:
    found = of_document("vgg16_structure_000")
    layer = found.headers.index("layer")
    assert [(row + 1, column) for row, column, _ in found.unreadable] == [
        (19, layer),
        (20, layer),
        (21, layer),
    ]
    assert found.wrong == of_document("vgg16_structure").wrong


# GoogLeNet's wrong rows: (channels really given, printed as, outputs). A 1x1 has (in + 1) * out.
GOOGLENET = {
    32: (512, 64, 24),
    34: (512, 64, 160),
    37: (512, 64, 64),
    40: (512, 64, 24),
    42: (512, 64, 128),
    45: (512, 64, 64),
    48: (512, 64, 32),
    50: (512, 64, 112),
    53: (512, 64, 64),
    56: (528, 64, 32),
    58: (528, 64, 256),
    61: (528, 64, 128),
    78: (832, 128, 128),
}


def test_googlenets_total_is_explained_row_by_row() -> None:
    found = of_document("googlenet_structure")
    wrong = {each.row + 1: each for each in found.findings if each.role == "params"}
    total = wrong.pop(82)
    assert wrong.keys() == GOOGLENET.keys()
    for row, (given_, printed, out) in GOOGLENET.items():
        finding = wrong[row]
        assert int(finding.printed) == (printed + 1) * out
        assert finding.effect == (given_ - printed) * out
        assert finding.causes[0].cell == (row - 1, "channels_in")
    assert sum(each.effect for each in wrong.values()) == 584_192
    assert found.totals == (6_414_360, 6_414_360, 6_998_552, 13)
    assert total.right == "6,998,552"
    assert "sum of the printed rows" in total.causes[0].text


@pytest.mark.parametrize("row", [32, 33, 34, 40, 42, 48, 50, 56, 58, 78])
def test_googlenets_wrong_ins_are_the_width_of_one_branch(row: int) -> None:
    cause = at(of_document("googlenet_structure"), row, "channels_in").causes[0]
    assert "the width of one branch" in cause.text


def test_googlenets_wrong_inputs_are_those_of_an_earlier_block() -> None:
    found = of_document("googlenet_structure")
    # In 3b and later, conv3-3 and conv5x5 are printed with the input of the module before.
    for row, earlier in ((18, 10), (19, 11), (35, 27), (36, 28), (43, 35), (44, 36)):
        assert at(found, row, "in_c").causes[0].cell == (earlier - 1, "in_c")


def test_googlenets_wrong_cells_are_those_that_differ_from_the_network() -> None:
    found = of_document("googlenet_structure", against="googlenet-cheatsheet")
    named = [each for each in found.findings if each.role != "source"]
    assert {(each.row, found.headers[each.column]) for each in named} == {
        (each.row, each.column) for each in found.differences
    }
    assert sum(each.effect for each in found.differences) == 584_192


def test_googlenets_names_that_contradict_the_table() -> None:
    found = of_document("googlenet_structure")
    sources = {each.row + 1: each for each in found.findings if each.role == "source"}
    concatenations = (13, 21, 30, 38, 46, 54, 62, 71, 79)
    assert sources.keys() == {*concatenations, 81}
    for row in concatenations:
        assert "conv3-3" in sources[row].right
    # fc is printed to take 1x1x1024 from the concatenation, which gives 7x7x1024.
    assert sources[81].right == "avgpool"


def test_what_the_papers_table_of_googlenet_says_that_does_not_follow() -> None:
    found = of_document("googlenet_paper_table")
    wrong = {(each.row + 1, each.role) for each in found.findings}
    # By hand, with biases and K = 1024: 3b has 388,736, which is 379.6K; 4a 376,176, 367.4K ...
    params = {(row, "params") for row in (1, 8, 9, 10, 11, 12, 14, 15)}
    assert wrong == params | {(1, "ops"), (14, "ops")}
    assert any("K = 1,024, with biases" in note for note in found.notes)
    assert at(found, 8, "params").right == "367K"


def test_the_papers_first_layer_is_a_separable_convolution() -> None:
    found = of_document("googlenet_paper_table")
    # 7 * 7 * 3 * 8 + 3 * 8 * 64 = 2,712 weights at 112 * 112 positions: 34.0 million.
    for role in ("params", "ops"):
        assert "depthwise with 8 filters" in at(found, 1, role).causes[0].text


def test_the_papers_4d_is_counted_with_the_input_of_4a() -> None:
    found = of_document("googlenet_paper_table")
    # 480 * 352 + 9 * 144 * 288 + 25 * 32 * 64 weights and 704 biases: 594,112, which is 580.2K.
    assert "input's channels of 480" in at(found, 11, "params").causes[0].text


@pytest.mark.parametrize("row", [9, 15])
def test_what_no_single_change_explains_has_no_cause(row: int) -> None:
    assert at(of_document("googlenet_paper_table"), row, "params").causes == ()


# Right tables, made wrong ---------------------------------------------------------------------

HEADER = (
    *("layer", "in_h", "in_w", "in_c", "out_h", "out_w", "out_c", "stride", "pad"),
    *("kernel_h", "kernel_w", "channels_in", "channels_out", "params"),
)
Rows = list[list[str]]


@st.composite
def networks(draw: st.DrawFn) -> Rows:
    """The table of a chain of convolutions, poolings and a linear layer, by the definitions."""
    side, channels = draw(st.sampled_from([32, 57, 64, 224])), 3
    rows: Rows = []
    total = 0
    for number in range(1, draw(st.integers(3, 7)) + 1):
        pooling = number > 1 and side > 8 and draw(st.booleans())
        k = 2 if pooling else draw(st.sampled_from([1, 3, 5, 7]))
        s = 2 if pooling else 1
        p = 0 if pooling else k // 2
        out = channels if pooling else draw(st.sampled_from([12, 20, 48, 96, 112, 160]))
        after = (side - k + 2 * p) // s + 1
        params = 0 if pooling else (k * k * channels + 1) * out
        name = f"{'pool' if pooling else 'conv'}{number}"
        cells = [side, side, channels, after, after, out, s, p, k, k, channels, out, params]
        rows.append([name, *map(str, cells)])
        side, channels, total = after, out, total + params
    flat = side * side * channels
    rows.append(["fc", "1", "1", str(flat), "1", "1", "10", "", "", "", "", str(flat), "10"])
    rows[-1].append(str((flat + 1) * 10))
    total += (flat + 1) * 10
    rows.append(["Total", *[""] * 12, str(total)])
    return rows


def written(rows: Rows, header: tuple[str, ...] = HEADER) -> str:
    text = StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue()


@given(networks())
def test_a_right_table_is_clean(rows: Rows) -> None:
    found = audit(written(rows))
    assert found.ok, found.findings
    assert found.totals is not None
    assert found.totals.gap == 0


@given(networks(), st.data())
def test_a_changed_cell_is_named_with_what_it_was(rows: Rows, data: st.DataObject) -> None:
    row = data.draw(st.integers(1, len(rows) - 3), label="row")
    roles = ["in_h", "in_w", "in_c", "out_h", "out_w", "out_c", "channels_in", "channels_out"]
    role = data.draw(st.sampled_from([*roles, "params"]), label="role")
    column = HEADER.index(role)
    right = rows[row][column]
    new = data.draw(
        st.sampled_from([right + "1", str(int(right) + 2), "1" + right, "9"]).filter(
            lambda text: text != right
        ),
        label="printed",
    )
    rows[row][column] = new
    found = audit(written(rows))
    named = [f for f in found.findings if (f.row, f.role) == (row, role)]
    assert named, [(f.layer, f.role, f.printed, f.right) for f in found.findings]
    assert int(named[0].right.replace(",", "")) == int(right)


@given(networks(), st.data())
def test_the_total_is_right_again_with_all_effects(rows: Rows, data: st.DataObject) -> None:
    right = int(rows[-1][-1])
    for row in data.draw(st.sets(st.integers(0, len(rows) - 2), min_size=1, max_size=2)):
        rows[row][-1] = str(int(rows[row][-1]) + data.draw(st.integers(1, 10**6)))
    rows[-1][-1] = str(sum(int(cells[-1]) for cells in rows[:-1]))
    found = audit(written(rows))
    assert found.totals is not None
    assert sum(f.effect for f in found.findings) == found.totals.effects
    assert found.totals.right == int(rows[-1][-1]) + found.totals.effects
    # Two wrong numbers may be explained otherwise; one can't.
    if found.totals.rows == 1:
        assert found.totals.right == right


def weights(cells: list[str]) -> tuple[int, int, int]:
    k, c, out = (int(cells[HEADER.index(x)]) for x in ("kernel_h", "channels_in", "channels_out"))
    return k, c, out


SLIPS: dict[str, Callable[[int, int, int], int]] = {
    "without biases": lambda k, c, out: k * k * c * out,
    "kernel of": lambda k, c, out: (3 * 3 * c + 1) * out,
    "one side of the kernel": lambda k, c, out: (k * c + 1) * out,
    "depthwise": lambda k, c, out: (k * k + 1) * out,
    "transposed": lambda k, c, out: _transposed((k * k * c + 1) * out),
    "left out": lambda k, c, out: (k * k * c + 1) * out // 10,
}


def _transposed(number: int) -> int:
    digits = str(number)
    return int(digits[1] + digits[0] + digits[2:])


@pytest.mark.parametrize("slip", SLIPS)
@given(rows=networks())
def test_the_true_slip_is_among_the_first_causes(slip: str, rows: Rows) -> None:
    assume(sum(cells[0].startswith("conv") for cells in rows) >= 3)
    row = next(k for k, cells in enumerate(rows) if cells[0].startswith("conv"))
    k, c, out = weights(rows[row])
    wrong = SLIPS[slip](k, c, out)
    assume(wrong != int(rows[row][-1]) and wrong > 9 and k > 1)
    assume(str(wrong)[0] != "0" and len(str(wrong)) >= len(str(wrong).lstrip("0")))
    rows[row][-1] = str(wrong)
    found = audit(written(rows))
    named = [f for f in found.findings if (f.row, f.role) == (row, "params")]
    assert len(named) == 1
    assert any(slip in cause.text for cause in named[0].causes), named[0].causes


@given(networks(), st.integers(1, 500))
def test_a_convolutions_formula_in_a_pooling_row_is_recognized(rows: Rows, seed: int) -> None:
    poolings = [k for k, cells in enumerate(rows) if cells[0].startswith("pool")]
    assume(poolings)
    row = poolings[seed % len(poolings)]
    k, c, out = weights(rows[row])
    rows[row][-1] = str((k * k * c + 1) * out)
    (finding,) = [f for f in audit(written(rows)).findings if f.row == row]
    assert finding.right == "0"
    assert "formula is filled into a pooling" in finding.causes[0].text


@pytest.mark.parametrize(
    ("printed", "cause"),
    [
        ("2058", "conv2 (row 2) is left out"),
        ("4378", "conv2 (row 2) is counted twice"),
        ("3128", "transposed"),
        ("321", "is left out"),
    ],
)
def test_a_wrong_total_over_right_rows(printed: str, cause: str) -> None:
    # conv1 3 -> 10: 280; conv2 10 -> 10: 9 * 10 + ... = 1,160 with 128 ins of a 3x3 over 12.
    # (9 * 3 + 1) * 10 = 280, (1 * 10 + 1) * ... worked: 280 + 1,160 + 1,778 = 3,218.
    rows = f"layer,params\nconv1,280\nconv2,1160\nconv3,1778\ntotal,{printed}\n"
    found = audit(rows)
    (finding,) = found.findings
    assert finding.right.replace(",", "") == "3218"
    assert any(cause in each.text for each in finding.causes)
    assert found.totals is not None
    assert found.totals.gap == int(printed) - 3218


@pytest.mark.parametrize(
    ("row", "role", "right"),
    [
        ("pool,8,8,3,5,4,3,2,2,0,0", "out_h", "4"),  # (8 - 2) / 2 + 1
        ("conv,8,8,3,8,8,4,3,1,0,112", "pad", "1"),
        ("conv,8,8,3,8,8,4,3,2,1,112", "stride", "1"),
        ("pool,8,8,3,4,4,6,2,2,0,0", "out_c", "3"),
    ],
)
def test_sizes_follow_from_window_and_padding(row: str, role: str, right: str) -> None:
    header = "layer,in_h,in_w,in_c,out_h,out_w,out_c,k,stride,pad,params\n"
    found = audit(f"{header}conv0,8,8,3,8,8,3,1,1,0,12\n{row}\n")
    assert [(f.role, f.right) for f in found.findings] == [(role, right)]


def test_poolings_may_all_be_rounded_up() -> None:
    header = "layer,input,output,k,stride,pad\n"
    up = "pool1,112x112x64,56x56x64,3,2,0\npool2,56x56x64,28x28x64,3,2,0\n"
    found = audit(header + up)
    assert found.ok
    assert "pooling rounds sizes up" in found.notes
    # Rounded up once and down once, one of the two is wrong.
    assert not audit(header + up.replace("28x28x64", "27x27x64")).ok


def test_one_sided_padding_is_half_a_pixel_at_both_ends() -> None:
    table = "layer,input,output,k,stride,pad\npool,112x112x64,56x56x64,3,2,{}\n"
    for pad in ("0.5", "0+1"):
        assert audit(table.format(pad)).ok


def test_without_a_column_there_are_fewer_checks_and_no_wrong_ones() -> None:
    with (TABLES / "resnet18_structure.csv").open(newline="", encoding="utf-8") as file:
        printed = list(csv.reader(file))
    for k, header in enumerate(printed[0]):
        rows = [[cell for j, cell in enumerate(row) if j != k] for row in printed]
        found = audit(written(rows[1:], tuple(rows[0])))
        assert found.ok, (header, found.findings)


def test_a_table_without_poolings_may_shrink_between_rows() -> None:
    assert audit("layer,in,out,k,stride,pad\nconv1,8x8x3,8x8x4,3,1,1\nconv2,4x4x4,4x4x4,3,1,1\n").ok


# How tables are read --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "cells", "values"),
    [
        ("layer,kernel,params", "conv,11x11,5", {"kernel_h": 11, "kernel_w": 11}),
        ("layer,Kernel size,params", "conv,3,5", {"kernel_h": 3, "kernel_w": 3}),
        ("Layer,k,# params", "conv,3 x 5,5", {"kernel_h": 3, "kernel_w": 5, "params": 5}),
        ("Layer,kernel_h,kernel_w,Param #", "conv,3,5,5", {"kernel_h": 3, "kernel_w": 5}),
        ("type,patch size/ stride,params", "conv,7×7/2,5", {"kernel_h": 7, "stride": 2}),
        ("name,Input,Output,p", "conv,8x9x3,6x7x4,1", {"in_h": 8, "in_w": 9, "out_c": 4, "pad": 1}),
        ("name,input,output", 'conv,"[1, 3, 8, 9]","[1, 4, 8, 9]"', {"in_c": 3, "out_w": 9}),
        ("name,input,output", "conv,3x8x8,4x8x8", {"in_c": 3, "in_h": 8, "out_c": 4}),
        ("name,in,out,Parameters", 'conv,3,64,"1,792"', {"channels_in": 3, "params": 1792}),
        ("name,in_channels,Filters", "conv,3,64", {"channels_in": 3, "channels_out": 64}),
        ("name,in,Stride,Padding", "conv,8x8x3,2,valid", {"in_c": 3, "stride": 2, "pad": 0}),
        ("layer,# of Param", "conv,25.6M", {"params": 25_600_000}),
        ("layer,Output size,params", "fc,1000,5", {"out_c": 1000}),
    ],
)
def test_columns_are_recognized(header: str, cells: str, values: dict[str, int]) -> None:
    sheet = read_table(f"{header}\n{cells}\n")
    assert not sheet.unreadable
    assert {role: sheet.entries[0].values.get(role) for role in values} == values


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_cells_are_separated_by_commas_semicolons_tabs_or_bars(mark: str) -> None:
    sheet = read_table("layer,k,params\nconv1,3,112\n".replace(",", mark))
    assert sheet.entries[0].values == {"kernel_h": 3, "kernel_w": 3, "params": 112}


def test_a_markdown_table_is_read() -> None:
    sheet = read_table("| layer | k | params |\n|---|:-:|---:|\n| conv1 | 3 | 1,792 |\n")
    assert [entry.values["params"] for entry in sheet.entries] == [1792]


def test_emphasis_is_no_part_of_a_cell_of_markdown() -> None:
    found = audit(
        "| layer | k | params |\n|---|---|---|\n| conv1 | 3 | 10 |\n| **total** | | **11** |\n"
    )
    assert [f.right for f in found.findings] == ["10"]


def test_a_list_that_is_cut_short_is_not_checked() -> None:
    rows = 'conv1,x,4,1,16\nconcat,"conv1, ..., conv9 (9)",36,,0\n'
    assert audit(f"layer,from,out,k,params\n{rows}").ok


def test_a_grouped_convolution_in_a_table_without_groups_is_recognized() -> None:
    # AlexNet's second convolution on two GPUs: (5 * 5 * 48 + 1) * 256.
    rows = "conv1,3,96,11,34944\nconv2,96,256,5,307456\nconv3,256,384,3,885120\n"
    (finding,) = audit(f"layer,in,out,k,params\n{rows}").findings
    assert "counted in 2 groups" in [cause.text.partition(":")[0] for cause in finding.causes]


def test_a_map_says_what_columns_are() -> None:
    table = "what,planes,weight count\nconv1,64,5\n"
    sheet = read_table(table, {"layer": "what", "channels_in": "planes", "params": "weight count"})
    assert sheet.entries[0].values == {"channels_in": 64, "params": 5}


def test_cells_that_can_not_be_read_are_named() -> None:
    found = audit("layer,in,out,kernel,params\nconv,3,sixty,3,?\n")
    assert [(row, column) for row, column, _ in found.unreadable] == [(0, 2), (0, 4)]
    assert "'sixty'" in found.unreadable[0][2]
    assert not found.ok


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("\n\n", "no header"),
        ("layer\nconv\n", "no header with two columns"),
        ("layer,params\n", "no rows"),
        ("layer,params\nconv,1,2,3\n", ":2: has 4 cells under 2 headers"),
        ('layer,params\n"conv,1\n', "unexpected end"),
        ("a,b\n1,2\n", "no column says anything"),
        ("layer,params\nco\0nv,1\n", "no table"),
        ("layer,params\n" + "conv,1\n" * 6000, "more than"),
        ("layer,params\n" + "c" * 3000 + ",1\n", ":2: has a cell"),
        ("layer,params\n" * 190_000, "at most"),
    ],
)
def test_what_is_no_table_is_refused_with_its_reason(table: str, message: str) -> None:
    with pytest.raises(ArchcalcError, match=message):
        audit(table)


def test_files_that_can_not_be_read_are_refused(tmp_path: Path) -> None:
    binary = tmp_path / "table.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, message in ((binary, "UTF-8"), (tmp_path, "directory"), (tmp_path / "x", "No such")):
        with pytest.raises(ArchcalcError, match=message):
            audit(path)


def test_a_map_that_names_nothing_is_refused() -> None:
    with pytest.raises(ArchcalcError, match="did you mean 'params'"):
        audit("layer,x\nconv,1\n", map={"pram": "x"})
    with pytest.raises(ArchcalcError, match="no column 'y'"):
        audit("layer,x\nconv,1\n", map={"params": "y"})


def test_an_unknown_network_to_compare_with_is_refused() -> None:
    with pytest.raises(SpecError, match="did you mean 'vgg19'"):
        of_document("vgg16_structure", against="vgg17")


CELLS = st.sampled_from(
    ["", "3", "64", "3x3", "-1", "0", "x", "9" * 30, "1e9", "0.5", "conv1", "K"]
)


@given(st.lists(st.lists(CELLS, min_size=8, max_size=8), min_size=1, max_size=6))
def test_any_cells_are_audited_or_refused(rows: Rows) -> None:
    header = ("layer", "from", "input", "output", "kernel", "stride", "pad", "params")
    try:
        found = audit(written(rows, header))
    except ArchcalcError:
        return
    assert len(found.rows) <= len(rows)


# Against a network ----------------------------------------------------------------------------


def test_rows_are_aligned_with_a_deeper_network() -> None:
    found = of_document("vgg16_structure", against="vgg19")
    missing = [each for each in found.differences if each.row is None]
    # VGG19 has one convolution more in each of the last three stages.
    assert [each.effect for each in missing] == [590_080, 2_359_808, 2_359_808]
    assert sum(each.effect for each in found.differences) == 143_667_240 - 138_423_208


def test_layers_of_kinds_that_are_not_listed_are_counted_together() -> None:
    found = of_document("resnet18_structure", against="resnet18")
    # The table lists no batch normalization: 2 for each of 4,800 channels.
    assert found.differences[-1].effect == 9_600
    assert sum(each.effect for each in found.differences) == 11_689_512 - 11_511_784
