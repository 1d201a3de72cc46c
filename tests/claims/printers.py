"""Networks as programs print them: rows of cells under headers, and those as a page of text.

Layouts follow torchsummary 1.5, torchinfo 1.8, Keras 2 and 3, and torchstat; their real output of a
few networks is in ``tests/claims/printouts``. What a program does not see (functions in place of
modules) is not printed here either.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import NamedTuple

from archcalc.analysis.counted import Analysis, Row

FUNCTIONS = frozenset(
    ("Add", "Concat", "Flatten", "Mul", "Reshape", "Permute", "Slice", "Split", "Parameter")
)
"""Operators that PyTorch's networks call as functions."""


class Table(NamedTuple):
    """A printed table."""

    headers: tuple[str, ...]
    rows: list[list[str]]

    def csv(self) -> str:
        """As comma-separated values."""
        text = StringIO()
        csv.writer(text).writerows([self.headers, *self.rows])
        return text.getvalue()

    def markdown(self) -> str:
        """As a table of Markdown."""
        lines = [self.headers, ["---"] * len(self.headers), *self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def html(self) -> str:
        """As a table of HTML."""
        lines = [self.headers, *self.rows]
        return (
            "<table>"
            + "".join(
                f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>\n" for line in lines
            )
            + "</table>\n"
        )

    def latex(self) -> str:
        """As a tabular of LaTeX."""
        lines = [self.headers, *self.rows]
        body = "".join(
            " & ".join(cell.replace("#", "\\#").replace("_", "\\_") for cell in line) + " \\\\\n"
            for line in lines
        )
        return f"\\begin{{tabular}}{{{'l' * len(self.headers)}}}\n\\hline\n{body}\\end{{tabular}}\n"


def _number(row: Row) -> int:
    assert isinstance(row.params, int)
    return row.params


def _first(row: Row) -> tuple[int, ...]:
    return tuple(int(n) for n in row.node.input_shapes[0]) if row.node.input_shapes else ()


def _shape(row: Row) -> tuple[int, ...]:
    return tuple(int(n) for n in row.shape)


def torchsummary(analysis: Analysis) -> Table:
    """What torchsummary prints: modules in the order they run, with output and parameters."""
    rows = [row for row in analysis.rows if row.op not in FUNCTIONS]
    cells = [
        [f"{row.op}-{k}", str([-1, *_shape(row)[1:]]), f"{_number(row):,}"]
        for k, row in enumerate(rows, 1)
    ]
    cells.append(["Total params", "", f"{sum(map(_number, rows)):,}"])
    return Table(("Layer (type)", "Output Shape", "Param #"), cells)


def torchsummary_text(table: Table) -> str:
    """A page of torchsummary."""
    rule, double = "-" * 64, "=" * 64
    lines = [rule, f"{table.headers[0]:>20}  {table.headers[1]:>25} {table.headers[2]:>15}", double]
    lines += [f"{a:>20}  {b:>25} {c:>15}" for a, b, c in table.rows[:-1]]
    total = table.rows[-1][2]
    lines += [double, f"Total params: {total}", f"Trainable params: {total}"]
    return "\n".join([*lines, "Non-trainable params: 0", rule]) + "\n"


def torchinfo(analysis: Analysis) -> Table:
    """What torchinfo prints with all of its columns, for a batch of one."""
    cells = []
    total = work = 0
    rows = [row for row in analysis.rows if row.op not in FUNCTIONS]
    for k, row in enumerate(rows, 1):
        kernel = getattr(row.node.op, "kernel_size", None)
        out, params = _shape(row), _number(row)
        positions = 1
        for n in out[2:] if "Conv" in row.op else ():
            positions *= n
        macs = params * positions
        total, work = total + params, work + macs
        shown = kernel if isinstance(kernel, tuple) else None
        cells.append(
            [
                f"{row.op}: 1-{k}",
                str(list(_first(row))),
                "--" if shown is None else str(list(shown)),
                str(list(out)),
                f"{params:,}" if params else "--",
                f"{macs:,}" if params else "--",
            ]
        )
    cells.append(["Total params", "", "", "", f"{total:,}", f"{work:,}"])
    heads = ("Input Shape", "Kernel Shape", "Output Shape", "Param #", "Mult-Adds")
    return Table(("Layer (type:depth-idx)", *heads), cells)


def torchinfo_text(table: Table) -> str:
    """A page of torchinfo."""
    rule = "=" * 140
    lines = [rule, _left(table.headers, 24), rule, "Network" + " " * 33 + "--"]
    lines += [_left([f"├─{row[0]}", *row[1:]], 24) for row in table.rows[:-1]]
    lines += [rule, f"Total params: {table.rows[-1][4]}", f"Total mult-adds: {table.rows[-1][5]}"]
    return "\n".join([*lines, rule]) + "\n"


def _left(cells: Sequence[str], width: int) -> str:
    return f"{cells[0]:<40}" + "".join(f"{cell:<{width}}" for cell in cells[1:])


KERAS: Mapping[str, str] = {
    "Conv1d": "Conv1D",
    "Conv2d": "Conv2D",
    "Conv3d": "Conv3D",
    "ConvTranspose2d": "Conv2DTranspose",
    "BatchNorm2d": "BatchNormalization",
    "BatchNorm1d": "BatchNormalization",
    "BatchNorm3d": "BatchNormalization",
    "LayerNorm": "LayerNormalization",
    "Linear": "Dense",
    "MaxPool2d": "MaxPooling2D",
    "MaxPool3d": "MaxPooling3D",
    "AvgPool2d": "AveragePooling2D",
    "Concat": "Concatenate",
    "Multiply": "Multiply",
}


def keras(analysis: Analysis) -> Table:
    """What Keras prints: channels last, all that runs, with where it is connected to."""
    names: dict[str, str] = {}
    cells = []
    total = 0
    shape = _first(analysis.rows[0])
    layouts = _layouts(analysis)
    first = analysis.rows[0].op not in _FEATURES or analysis.rows[0].op == "Embedding"
    cells.append(["input_1 (InputLayer)", _last(shape, not first), "0", ""])
    for k, row in enumerate(analysis.rows, 1):
        op = KERAS.get(row.op, row.op)
        out, params = _shape(row), _number(row)
        weight = row.weights.get("weight", (0, 0))
        if op == "Conv2D" and weight[1] == 1 and _first(row)[1] > 1:
            op = "DepthwiseConv2D"
        if op == "BatchNormalization":
            params = 4 * out[1]
        if op == "Flatten" and len(out) > 2:
            op = "Reshape"  # Keras' own leaves nothing but rows
        if row.op == "AdaptiveAvgPool2d" and out[2:] == (1, 1):
            op, out = "GlobalAveragePooling2D", out[:2]
        total += params
        names[row.name] = f"{op.lower()}_{k}"
        sources = ", ".join(f"{names.get(name, 'input_1')}[0][0]" for name in row.node.inputs)
        shown = _last(out, layouts[row.name] or len(out) < 3)
        cells.append([f"{names[row.name]} ({op})", shown, f"{params:,}", sources])
    cells.append(["Total params", "", f"{total:,}", ""])
    return Table(("Layer (type)", "Output Shape", "Param #", "Connected to"), cells)


def _last(shape: tuple[int, ...], features_last: bool = False) -> str:
    return f"(None, {', '.join(map(str, _channels_last(shape, features_last)))})"


_FIRST = re.compile(r"Conv|BatchNorm|Pool|InstanceNorm|GroupNorm|Upsample")
_ORDERED = re.compile(r"Linear|Norm|Permute|Transpose|Flatten|Reshape|Attention")
_FEATURES = frozenset(("Linear", "LayerNorm", "RMSNorm", "Embedding", "MultiheadAttention"))


def _layouts(analysis: Analysis) -> dict[str, bool]:
    """Whether features stand last in what each layer gives, as layers and permutations say."""
    found: dict[str, bool] = {}
    slid: set[str] = set()
    """Layers whose features a window goes over, with nothing between that has an order."""
    for row in reversed(analysis.rows):
        if _FIRST.search(row.op) or (row.name in slid and not _ORDERED.search(row.op)):
            slid |= set(row.node.inputs[:1])
    for row in analysis.rows:
        before = found.get(row.node.inputs[0], False) if row.node.inputs else False
        if row.op in _FEATURES:
            found[row.name] = True
        elif _FIRST.search(row.op):
            found[row.name] = False
        elif row.op in ("Permute", "Transpose", "Flatten", "Reshape"):
            windows = max(len(_shape(row)), len(_first(row))) > 4
            kept = windows or _shape(row)[-1] == _first(row)[-1]
            found[row.name] = len(_shape(row)) < 4 or not before or kept
            found[row.name] &= row.name not in slid or len(_shape(row)) < 4
        else:
            found[row.name] = before
    return found


def keras_text(table: Table) -> str:
    """A page of Keras 2, names cut off, a connection a line."""
    rule = "_" * 98
    lines = [rule, _cut(table.headers), "=" * 98]
    for row in table.rows[:-1]:
        first, *more = row[3].split(", ")
        lines.append(_cut([*row[:3], first]))
        lines += [_cut(["", "", "", each]) for each in more]
        lines.append(rule)
    total = table.rows[-1][2]
    return "\n".join([*lines, f"Total params: {total}", f"Trainable params: {total}", rule]) + "\n"


def _cut(cells: Sequence[str]) -> str:
    line = ""
    for cell, end in zip(cells, (33, 55, 67, 98), strict=True):
        line = f"{line}{cell} "[: end - 1].ljust(end)
    return line


def keras3_text(table: Table) -> str:
    """A page of Keras 3: boxes, cells over several lines."""
    widths = (30, 24, 14, 26)
    bar = ["━" * (w + 2) for w in widths]
    thin = ["─" * (w + 2) for w in widths]
    lines = ["┏" + "┳".join(bar) + "┓"]
    for k, row in enumerate([table.headers, *table.rows[:-1]]):
        stacks = [_pieces(cell, w) for cell, w in zip(row, widths, strict=True)]
        mark = "┃" if not k else "│"
        for at in range(max(map(len, stacks))):
            parts = [
                f" {(s[at] if at < len(s) else ''):<{w}} "
                for s, w in zip(stacks, widths, strict=True)
            ]
            lines.append(mark + mark.join(parts) + mark)
        lines.append("┡" + "╇".join(bar) + "┩" if not k else "├" + "┼".join(thin) + "┤")
    lines[-1] = "└" + "┴".join(thin) + "┘"
    return "\n".join([*lines, f" Total params: {table.rows[-1][2]} (1.00 MB)"]) + "\n"


def _pieces(cell: str, width: int) -> list[str]:
    words = cell.replace("], ", "],\n").replace(" (", "\n(", len(cell) > width).split("\n")
    return [word.rstrip(",") if word.endswith("],") else word for word in words]


def _channels_last(shape: tuple[int, ...], features_last: bool = False) -> list[int]:
    """Sizes with channels last, where features are not there anyway."""
    return list(shape[1:]) if features_last or len(shape) < 3 else [*shape[2:], shape[1]]


def by_hand(analysis: Analysis) -> Table:
    """What a paper prints: sizes with channels, the window, the work of every layer."""
    cells = []
    total = 0
    layouts = _layouts(analysis)
    for row in analysis.rows:
        op, size, out = row.node.op, _first(row), _shape(row)
        kernel = getattr(op, "kernel_size", None)
        if row.op in FUNCTIONS or not (_number(row) or isinstance(kernel, tuple)):
            continue
        if "Norm" in row.op:
            continue
        window = stride = pad = ""
        if isinstance(kernel, tuple):
            window = "x".join(map(str, kernel))
            steps: tuple[int, ...] = getattr(op, "stride", (1,))
            stride = "x".join(map(str, steps)) if len(set(steps)) > 1 else str(steps[0])
            pads = getattr(op, "padding", None)
            if isinstance(pads, str):
                pad = pads
            elif pads:
                ends = [str(a) if a == b else f"{a}+{b}" for a, b in pads]
                pad = ends[0] if len(set(ends)) == 1 else f"({', '.join(ends)})"
        total += _number(row)
        cells.append(
            [
                f"{row.name} ({row.op})",
                "x".join(map(str, _channels_last(size, layouts[row.name]))),
                "x".join(map(str, _channels_last(out, layouts[row.name]))),
                window,
                stride,
                pad,
                f"{_number(row)}",
                f"{row.macs}",
            ]
        )
    cells.append(["Total", *[""] * 5, f"{total}", f"{sum(int(c[7]) for c in cells)}"])
    return Table(
        ("Layer", "Input", "Output", "Kernel", "Stride", "Pad", "Parameters", "MACs"), cells
    )


def torchstat(analysis: Analysis) -> Table:
    """What torchstat prints: modules by their names, with sizes, parameters and operations."""
    cells = []
    total = work = 0
    for row in analysis.rows:
        if row.op in FUNCTIONS or not row.node.input_shapes:
            continue
        taken, out, params = _first(row), _shape(row), _number(row)
        positions = 1
        for n in out[2:]:
            positions *= n
        flops = row.macs if "Linear" in row.op else params * positions if "Conv" in row.op else 0
        assert isinstance(flops, int)
        total, work = total + params, work + flops
        sizes = ["x".join(map(str, shape[1:])) for shape in (taken, out)]
        cells.append([f"{row.name} ({row.op})", *sizes, f"{params}", f"{flops:,}"])
    cells.append(["total", "", "", f"{total}", f"{work:,}"])
    return Table(("module name", "input shape", "output shape", "params", "Flops"), cells)


PRINTERS: Mapping[str, Callable[[Analysis], Table]] = {
    "torchsummary": torchsummary,
    "torchinfo": torchinfo,
    "keras": keras,
    "torchstat": torchstat,
    "by hand": by_hand,
}
"""Printers whose tables are changed in a cell."""

PAGES: Mapping[str, tuple[Callable[[Analysis], Table], Callable[[Table], str]]] = {
    "torchsummary": (torchsummary, torchsummary_text),
    "torchinfo": (torchinfo, torchinfo_text),
    "keras 2": (keras, keras_text),
    "keras 3": (keras, keras3_text),
    "csv": (by_hand, Table.csv),
    "markdown": (by_hand, Table.markdown),
    "html": (by_hand, Table.html),
    "latex": (by_hand, Table.latex),
}
"""Printers of whole pages."""
