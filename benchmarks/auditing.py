"""How many changed cells of printed networks an audit names, by kind, and how long it takes.

Run from the repository's root: ``python benchmarks/auditing.py [CELLS] [--write]``. Networks of the
zoo are printed as five programs print them (``tests/claims/printers.py``); in each print one number
of one cell is changed as people change them. ``--write`` puts the shares into ``docs/auditing.md``.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from archcalc.analysis.analyze import analyze  # noqa: E402
from archcalc.claims.audit import audit  # noqa: E402
from archcalc.spec.zoo import load  # noqa: E402
from tests.claims.printers import PRINTERS, Table  # noqa: E402
from tests.claims.test_printouts import changed  # noqa: E402

NETWORKS = (
    *("lenet5", "alexnet", "vgg16", "resnet18", "squeezenet", "c3d", "mobilenet", "mobilenet_v2"),
    *("dcgan-generator", "dcgan-discriminator", "unet", "resnext50_32x4d"),
)
KINDS = {
    "Output Shape": "sizes",
    "Input Shape": "sizes",
    "Input": "sizes",
    "Output": "sizes",
    "input shape": "sizes",
    "output shape": "sizes",
    "Kernel Shape": "kernels",
    "Kernel": "kernels",
    "Stride": "strides",
    "Pad": "paddings",
    "Param #": "params",
    "Parameters": "params",
    "params": "params",
    "Connected to": "connections",
}
START, END = "<!-- shares: benchmarks/auditing.py -->\n", "<!-- end of shares -->\n"


def main() -> None:
    """Print the shares, and how long tables of a thousand rows take."""
    cells = next((int(each) for each in sys.argv[1:] if each.isdigit()), 600)
    tables = {
        (name, printer): write(analyze(load(name)))
        for name in NETWORKS
        for printer, write in PRINTERS.items()
    }
    clean = sum(not audit(table.csv()).findings for table in tables.values())
    tried: Counter[str] = Counter()
    named: Counter[str] = Counter()
    rng = random.Random(20)
    places = list(tables)
    while tried.total() < cells:
        name, printer = rng.choice(places)
        change = changed(tables[name, printer], rng.randrange(10**9))
        if change is None:
            continue
        table, row, column = change
        kind = _kind(table, row, column)
        tried[kind] += 1
        findings = audit(table.csv()).findings
        named[kind] += any((f.row, f.column) == (row, column) for f in findings)
    text = _shares(tried, named, clean, len(tables))
    print(text)
    if "--write" in sys.argv:
        page = ROOT / "docs" / "auditing.md"
        before, _, rest = page.read_text(encoding="utf-8").partition(START)
        after = rest.partition(END)[2]
        page.write_text(f"{before}{START}{text}{END}{after}", encoding="utf-8")
    _speed()


def _kind(table: Table, row: int, column: int) -> str:
    if row == len(table.rows) - 1:
        return "totals"
    return KINDS.get(table.headers[column], "operations")


def _shares(tried: Counter[str], named: Counter[str], clean: int, tables: int) -> str:
    lines = ["| changed | cells | named | share |", "|---|---:|---:|---:|"]
    for kind in (*sorted(tried), ""):
        n, found = (tried[kind], named[kind]) if kind else (tried.total(), named.total())
        lines.append(f"| {kind or 'all'} | {n:,} | {found:,} | {found / n:.1%} |")
    said = f"Of the {tables} tables as they are printed {clean} are audited without a finding."
    return "\n".join([*lines, "", said]) + "\n"


def _speed() -> None:
    """Rows a second of one table, and what ten times the rows take in comparison."""
    seconds = []
    for rows in (100, 1000):
        widths = [3, *random.Random(rows).choices((16, 32, 64, 128), k=rows)]
        pairs = pairwise(widths)
        lines = [
            f"conv{k},32x32x{c},32x32x{d},3x3,1,{(9 * c + 1) * d}" for k, (c, d) in enumerate(pairs)
        ]
        text = "\n".join(["layer,input,output,k,s,params", *lines])
        start = time.process_time()
        audit(text)
        seconds.append(time.process_time() - start)
    print(f"1,000 rows: {seconds[1]:.2f} s, {seconds[1] / seconds[0]:.1f} times as long as 100")


if __name__ == "__main__":
    main()
