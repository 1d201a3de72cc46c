"""Writes ``lecture.ipynb``: cells that are run here, and what they show.

A notebook's file holds what its cells printed, so it is generated as the other pages are, and a
test holds it to the program.
"""

from __future__ import annotations

import ast
import json
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

CELLS = """\
# Counting a convolutional network

A lecture in one notebook: what a layer's output is, what it stores, what it takes, and how to see
that a printed table is wrong. Run it, and change the numbers.

Install archcalc first, and have nothing else: no weights are loaded, nothing is trained.
---
import archcalc

alexnet = archcalc.analyze(archcalc.load("alexnet"))
alexnet
---
## How large is the output?

AlexNet's first layer slides 11x11 windows over 227x227 pixels in steps of 4. There are
(227 - 11) / 4 + 1 = **55** places for a window on each side. Every number of the table has such a
rule, recorded from the computation itself:
---
print(archcalc.explain(alexnet, "conv1"))
---
The paper prints an input of 224x224. Then the division leaves a rest, and the output is smaller:
---
smaller = archcalc.explain(archcalc.load("alexnet"), "conv1", input=224)
print("\\n".join(smaller.splitlines()[:3]))
---
## From 120 million to 12.4 million

An inception block puts a 1x1 convolution before the 5x5 one. Here is the layer from the lecture,
with and without:
---
squeeze = archcalc.analyze(archcalc.load({
    "name": "squeeze",
    "input": [192, 28, 28],
    "layers": {
        "direct": {"op": "Conv2d", "out_channels": 32, "kernel_size": 5, "padding": 2},
        "reduce": {"op": "Conv2d", "from": "input", "out_channels": 16, "kernel_size": 1},
        "conv5": {"op": "Conv2d", "out_channels": 32, "kernel_size": 5, "padding": 2},
    },
    "outputs": ["direct", "conv5"],
}))
macs = {row.name: row.macs for row in squeeze.rows}
print(f"{macs['direct']:,} directly")
both = macs["reduce"] + macs["conv5"]
print(f"{macs['reduce']:,} + {macs['conv5']:,} = {both:,} through 16 channels")
---
A tenth of the work. Try 64 channels between: is it still worth it?

## Which number is wrong?

A table can be held against itself and against a network. This one was typed with a mistake in it;
the audit finds the cell, and says what must stand there:
---
printed = \"\"\"\\
layer,input,output,kernel,stride,params
conv1,3x227x227,96x55x55,11x11,4,34944
pool1,96x55x55,96x27x27,3x3,2,0
conv2,96x27x27,256x27x27,5x5,1,614400
\"\"\"
print(archcalc.audit(printed))
---
## Why do others print another number?

A multiply-accumulate is one operation to some and two to others, and tools leave things out. Given
a printed number, archcalc looks for the way of counting that makes it:
---
for way in archcalc.reconcile("2.27G", "alexnet")[:3]:
    print(way)
"""
"""Cells between lines of dashes: text and code by turns."""


def notebook() -> str:
    """The notebook as the text of its file, its cells run one after the other."""
    names: dict[str, Any] = {}
    cells, count = [], 0
    for k, source in enumerate(CELLS.split("---\n")):
        lines = source.strip("\n").splitlines(keepends=True)
        cell: dict[str, Any] = {"cell_type": "markdown", "id": f"c{k}", "metadata": {}}
        if k % 2:
            count += 1
            outputs = _run("".join(lines), names, count)
            cell |= {"cell_type": "code", "execution_count": count, "outputs": outputs}
        cells.append({**cell, "source": lines})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _run(source: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """What a cell prints, and what its last line shows, as a notebook does it."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed, shown = StringIO(), None
    with redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), names)
        if isinstance(last, ast.Expr):
            shown = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        text = printed.getvalue().splitlines(keepends=True)
        outputs.append({"output_type": "stream", "name": "stdout", "text": text})
    if shown is not None:
        data = {"text/plain": [repr(shown)]}
        if (html := getattr(shown, "_repr_html_", lambda: None)()) is not None:
            data["text/html"] = html.splitlines(keepends=True)
        result = {"output_type": "execute_result", "execution_count": count}
        outputs.append({**result, "data": data, "metadata": {}})
    return outputs
