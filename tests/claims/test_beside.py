"""Networks that stand beside each other, a column each: every one is read, held and written.

ResNets (arXiv:1512.03385, table 1), ResNeXt (arXiv:1611.05431, table 1), DenseNets
(arXiv:1608.06993, table 1), VGGs (arXiv:1409.1556, table 1) and 3-D ResNets (arXiv:1711.09577).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from archcalc.analysis.counted import Analysis
from archcalc.claims.audit import audit
from archcalc.claims.emit import emit
from archcalc.claims.finding import Audit
from archcalc.report.claims.audits import render

NAMES = ("18-layer", "34-layer", "50-layer", "101-layer", "152-layer")
TIMES = ((2, 2, 2, 2), (3, 4, 6, 3), (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3))
FLOPS = ("1.8×10^9", "3.6×10^9", "3.8×10^9", "7.6×10^9", "11.3×10^9")
SIZES = ("56×56", "28×28", "14×14", "7×7")


def block(deep: bool, width: int, times: int) -> str:
    """A basic block, or a bottleneck, as papers print it."""
    if deep:
        return f"[1×1, {width}; 3×3, {width}; 1×1, {4 * width}]×{times}"
    return f"[3×3, {width}; 3×3, {width}]×{times}"


def rows(spanned: Callable[[str], list[str]]) -> list[list[str]]:
    """The rows of table 1 of arXiv:1512.03385; ``spanned`` is what is of all networks."""
    found = [
        ["conv1", "112×112", *spanned("7×7, 64, stride 2")],
        ["conv2_x", "56×56", *spanned("3×3 max pool, stride 2")],
    ]
    for k, size in enumerate(SIZES):
        blocks = [block(n > 1, 64 * 2**k, times[k]) for n, times in enumerate(TIMES)]
        found.append([f"conv{k + 2}_x", size, *blocks])
    found.append(["", "1×1", *spanned("average pool, 1000-d fc, softmax")])
    return [*found, ["FLOPs", "", *FLOPS]]


def markdown() -> str:
    """With what spans columns once, the rest of its row lost."""
    lines = [["layer name", "output size", *NAMES], ["---"] * 7, *rows(lambda text: [text])]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def html() -> str:
    heads = "".join(f"<th>{each}</th>" for each in ("layer name", "output size", *NAMES))
    body = ""
    for line in rows(lambda text: [text]):
        wide = ' colspan="5"' if len(line) == 3 else ""
        *cells, last = line
        body += "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells)
        body += f"<td{wide}>{last}</td></tr>\n"
    return f"<table><tr>{heads}</tr>\n{body}</table>\n"


def latex() -> str:
    lines = rows(lambda text: [f"\\multicolumn{{5}}{{c}}{{{text}}}"])
    lines[1][1], lines[2][1] = "\\multirow{2}{*}{56×56}", ""
    text = [" & ".join(line) for line in (["layer name", "output size", *NAMES], *lines)]
    body = " \\\\\n".join(text)
    return f"\\begin{{tabular}}{{ccccccc}}\n{body} \\\\\n\\end{{tabular}}\n"


TABLES = {"markdown": markdown(), "html": html(), "latex": latex()}


def accused(found: Audit) -> list[tuple[int, str]]:
    return [(f.row + 1, found.headers[f.column]) for f in found.findings]


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_every_column_is_a_network_that_is_read_and_held(text: str) -> None:
    found = audit(text)
    assert found.ok, (found.findings, found.unreadable, found.unmapped)
    assert found.remarks == ()
    assert [each.name for each in found.networks] == list(NAMES)
    assert found.checked["operations"] == 5
    assert "a network each: 18-layer, 34-layer, 50-layer, 101-layer, 152-layer" in found.notes


def test_a_network_of_a_column_is_written_as_its_authors_counted_it(
    counted: Callable[[str], Analysis],
) -> None:
    # 25,557,032 less two for each of the 26,560 channels that are normalized, which no row prints,
    # and more by as many biases at most; the work is the printed 3.8.
    found = audit(TABLES["markdown"]).networks[2]
    made = counted(emit(found))
    assert 25_557_032 - 2 * 26_560 <= made.params <= 25_557_032 - 26_560
    assert made.macs // 10**8 == 38


@pytest.mark.parametrize(
    ("was", "now", "at"),
    [
        # 56 / 2, in all networks, named once.
        ("28×28", "26×26", [(4, "output size")]),
        # 11.28 thousand millions, by whatever shortcut.
        ("11.3×10^9", "13.1×10^9", [(8, "152-layer")]),
        # That the work is another is a slip of a block's, as other networks or swapped digits say.
        ("1024]×23", "1024]×32", [(5, "101-layer")]),
        ("[3×3, 128; 3×3, 128]×4", "[3×3, 128; 3×3, 182]×4", [(4, "34-layer")]),
        # Three blocks more make it 11.9: the one slip is as likely as the other.
        ("1024]×36", "1024]×39", [(5, "152-layer"), (8, "152-layer")]),
    ],
)
def test_a_slip_is_named_at_its_cell(was: str, now: str, at: list[tuple[int, str]]) -> None:
    text = TABLES["markdown"]
    assert was in text
    found = audit(text.replace(was, now))
    assert accused(found) == at


def test_the_whole_table_is_shown_and_each_mark_stands_at_its_cell() -> None:
    shown = render(audit(TABLES["html"].replace("28×28", "26×26")), "table")
    assert "26x26 [1]" in shown
    assert all(name in shown for name in NAMES)


CONFIGURATIONS = """\
| A | A-LRN | C |
|---|---|---|
| 5 weight layers | 5 weight layers | 8 weight layers |
| input (224 × 224 RGB image) |
| conv3-64 | conv3-64 LRN | conv3-64 conv3-64 |
| maxpool |
| conv3-128 | conv3-128 | conv3-128 conv3-128 |
| maxpool |
| conv3-256 conv3-256 | conv3-256 conv3-256 | conv3-256 conv3-256 conv1-256 |
| maxpool |
| FC-4096 |
| soft-max |
"""


def test_each_layer_of_a_cell_is_a_row_of_its_network() -> None:
    found = audit(CONFIGURATIONS)
    assert (found.findings, found.unreadable, found.unmapped) == ((), (), ())
    assert [each.name for each in found.networks] == ["A", "A-LRN", "C"]
    kinds = [[e.kind for e in each.sheet.layers] for each in found.networks if each.sheet]
    assert [each.count("conv") for each in kinds] == [4, 4, 7]
    assert all(each.count("pool") == 3 and each.count("linear") == 1 for each in kinds)
    assert found.checked["layers"] == 3
    assert accused(audit(CONFIGURATIONS.replace("| 8 weight", "| 9 weight"))) == [(1, "C")]


GROWING = """\
Layers,Output Size,DenseNet-121,DenseNet-169
Convolution,112 x 112,"7 x 7 conv, stride 2",
Pooling,56 x 56,"3 x 3 max pool, stride 2",
Dense Block (1),56 x 56,[1 x 1 conv; 3 x 3 conv] x 6,[1 x 1 conv; 3 x 3 conv] x 6
Transition Layer (1),56 x 56,1 x 1 conv,
Transition Layer (1),28 x 28,"2 x 2 average pool, stride 2",
Dense Block (2),28 x 28,[1 x 1 conv; 3 x 3 conv] x 12,[1 x 1 conv; 3 x 3 conv] x 12
Dense Block (3),28 x 28,[1 x 1 conv; 3 x 3 conv] x 24,[1 x 1 conv; 3 x 3 conv] x 32
Classification Layer,1 x 1,7 x 7 global average pool,
,,"1000D fully-connected, softmax",
"""


def test_blocks_of_which_no_width_is_printed_are_read() -> None:
    found = audit(GROWING)
    assert found.ok, (found.findings, found.unreadable, found.unmapped)
    assert len(found.networks) == 2
    assert accused(audit(GROWING.replace("(1),28 x 28", "(1),26 x 26"))) == [(5, "Output Size")]


VOLUMES = """\
Layer Name,ResNet-18,ResNet-50
conv1,"7 × 7 × 7, 64, stride 1 (T), 2 (XY)",
conv2_x,"3 × 3 × 3 max pool, stride 2",
conv2_x,"[3 × 3 × 3, 64; 3 × 3 × 3, 64] × 2","[1 × 1 × 1, 64; 3 × 3 × 3, 64; 1 × 1 × 1, 256] × 3"
conv3_x,"[3 × 3 × 3, 96; 3 × 3 × 3, 96] × 2","[1 × 1 × 1, 96; 3 × 3 × 3, 96; 1 × 1 × 1, 384] × 4"
conv4_x,"[3 × 3 × 3, 99; 3 × 3 × 3, 99] × 2","[1 × 1 × 1, 99; 3 × 3 × 3, 99; 1 × 1 × 1, 396] × 6"
,"average pool, 400-d fc, softmax",
"""


def test_blocks_over_three_axes_are_read() -> None:
    found = audit(VOLUMES)
    assert found.ok, (found.findings, found.unreadable, found.unmapped)
    sheets = [each.sheet for each in found.networks]
    stacks = [[e.stack for e in sheet.layers if e.stack] for sheet in sheets if sheet]
    assert [[(len(s.parts[0].sides), s.times) for s in each] for each in stacks] == [
        [(3, 2), (3, 2), (3, 2)],
        [(3, 3), (3, 4), (3, 6)],
    ]


TWO = """\
| layer | conv | pool |
|---|---|---|
| block1 | 3x3, 64 | 2x2 max pool, stride 2 |
| block2 | 3x3, 128 | 2x2 max pool, stride 2 |
| block3 | 3x3, 256 | 2x2 max pool, stride 2 |
| block4 | 3x3, 512 | 2x2 max pool, stride 2 |
"""


def test_a_pooling_beside_its_convolution_is_no_other_network() -> None:
    assert audit(TWO + "\n").networks == ()
