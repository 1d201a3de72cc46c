"""How many changed cells of printed networks an audit names, what it accuses, and what it emits.

Run from the repository's root: ``python benchmarks/auditing.py [CELLS] [--seed N] [--seconds N]
[--write]``. Networks of the zoo of at most 420 rows are drawn at random and printed as one of five
programs prints them (``tests/claims/printers.py``); each print is audited as it is, written as a
spec, and audited again with one number of one cell changed as people change them, a few times. What
is accused or not named is printed line by line. ``--write`` puts the shares into
``docs/auditing.md``.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from archcalc.analysis.analyze import analyze  # noqa: E402
from archcalc.analysis.counted import Analysis  # noqa: E402
from archcalc.claims.audit import audit  # noqa: E402
from archcalc.claims.emit import emitted  # noqa: E402
from archcalc.claims.finding import Audit  # noqa: E402
from archcalc.errors import ArchcalcError  # noqa: E402
from archcalc.spec.zoo import load, names  # noqa: E402
from tests.claims.printers import PRINTERS, Table  # noqa: E402
from tests.claims.test_printouts import changed  # noqa: E402

MOST_ROWS = 420
CELLS_A_TABLE = 5
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
WRITTEN = ("same", "prints the same", "refused", "differs")


class Counts(NamedTuple):
    """What was tried, and what came of it, by kind of cell and by printer."""

    tables: Counter[str]
    accused: Counter[str]
    tried: Counter[tuple[str, str]]
    named: Counter[tuple[str, str]]
    written: Counter[str]
    networks: set[str]


def main() -> None:
    """Print the shares, and how long tables of a thousand rows take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="?", type=int, default=600)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    counts = sampled(asked.cells, asked.seed, asked.seconds)
    text = _shares(counts, asked.seed)
    print(text)
    if asked.write:
        page = ROOT / "docs" / "auditing.md"
        before, _, rest = page.read_text(encoding="utf-8").partition(START)
        after = rest.partition(END)[2]
        page.write_text(f"{before}{START}{text}{END}{after}", encoding="utf-8")
    _speed()


@cache
def _analyzed(name: str) -> Analysis:
    return analyze(load(name))


def sampled(cells: int, seed: int, seconds: float) -> Counts:
    """What so many changed cells of random tables give, or as many as some seconds allow."""
    counts = Counts(Counter(), Counter(), Counter(), Counter(), Counter(), set())
    rng = random.Random(seed)
    end = time.monotonic() + seconds
    every = sorted(names())
    while counts.tried.total() < cells and time.monotonic() < end:
        name, printer = rng.choice(every), rng.choice(list(PRINTERS))
        tries = rng.sample(range(10**9), 4 * CELLS_A_TABLE)
        analysis = _analyzed(name)
        if len(analysis.rows) > MOST_ROWS:
            continue
        _one(counts, name, printer, tries)
    return counts


def _one(counts: Counts, name: str, printer: str, tries: list[int]) -> None:
    """One table: as it is, as a spec, and with a few cells changed one at a time."""
    table = PRINTERS[printer](_analyzed(name))
    counts.tables[printer] += 1
    counts.networks.add(name)
    start = time.process_time()
    found = audit(table.csv())
    took = time.process_time() - start
    print(f"{name}, {printer}: {len(table.rows)} rows, {took:.2f} s", flush=True)
    if found.findings:
        counts.accused[printer] += 1
        for each in found.findings[:4]:
            print(f"  accused: row {each.row} {each.layer}: {each.printed!r}, {each.right!r}")
    outcome, why = _written(found, name, printer, table)
    counts.written[outcome] += 1
    print(f"  emit: {outcome} {why}")
    already = {(each.row, each.column) for each in found.findings}
    done = 0
    for seed in tries:
        change = changed(table, seed)
        if change is None or change[1:] in already:
            continue
        wrong, row, column = change
        done += 1
        kind = _kind(wrong, row, column), printer
        counts.tried[kind] += 1
        findings = audit(wrong.csv()).findings
        hit = any((f.row, f.column) == (row, column) for f in findings)
        counts.named[kind] += hit
        if not hit:
            was, now = table.rows[row][column], wrong.rows[row][column]
            others = "; ".join(f"row {f.row} {f.printed!r}, {f.right!r}" for f in findings[:3])
            print(
                f"  missed ({seed}): row {row} of {len(table.rows)}, {table.rows[row][0]}, "
                f"{table.headers[column]}: {was!r} is {now!r}; named: {others or 'nothing'}"
            )
        if done == CELLS_A_TABLE:
            return


def _written(found: Audit, name: str, printer: str, table: Table) -> tuple[str, str]:
    """What became of a table as a spec, and why."""
    try:
        text = emitted(found).text
    except ArchcalcError as error:
        return "refused", str(error)[:200]
    spec = analyze(load(yaml.safe_load(text)))
    real = _analyzed(name)
    if (spec.params, spec.macs) == (real.params, real.macs) and _made(spec) == _made(real):
        return "same", ""
    why = f"{spec.params} params, not {real.params}; {spec.macs} MACs, not {real.macs}"
    try:
        again = PRINTERS[printer](spec)
    except (ArchcalcError, AssertionError, LookupError) as error:
        return "differs", f"{why}; {error!r}"
    return ("prints the same" if _numbers(again) == _numbers(table) else "differs"), why


def _made(analysis: Analysis) -> Counter[object]:
    """What all layers with weights have and give."""
    return Counter(
        (row.op, tuple(row.shape), tuple(sorted(row.weights.values())))
        for row in analysis.rows
        if row.params
    )


def _numbers(table: Table) -> Counter[tuple[str, ...]]:
    """All rows with parameters, without what they are called and take by name, and sides of 1."""
    keep = [k for k, h in enumerate(table.headers) if k and h != "Connected to"]
    at = next(k for k, h in enumerate(table.headers) if KINDS.get(h) == "params")
    rows = [row for row in table.rows if row[at] not in ("0", "--")]
    return Counter(tuple(re.sub(r"\b1(, |x)", "", row[k]) for k in keep) for row in rows)


def _kind(table: Table, row: int, column: int) -> str:
    if row == len(table.rows) - 1:
        return "totals"
    return KINDS.get(table.headers[column], "operations")


def _shares(counts: Counts, seed: int) -> str:
    kinds = sorted({kind for kind, _ in counts.tried})
    lines = [
        f"| changed | cells | named | share | {' | '.join(PRINTERS)} |",
        f"|---|---:|---:|---:|{'---:|' * len(PRINTERS)}",
    ]
    for kind in (*kinds, ""):
        shares = []
        for printer in ("", *PRINTERS):
            tried, named = (
                sum(n for (k, p), n in c.items() if kind in ("", k) and printer in ("", p))
                for c in (counts.tried, counts.named)
            )
            share = f"{named / tried:.1%}" if tried else ""
            shares.append(f"{tried:,} | {named:,} | {share}" if not printer else share)
        lines.append(f"| {kind or 'all'} | {' | '.join(shares)} |")
    tables, accused = counts.tables.total(), counts.accused.total()
    written = [counts.written[each] for each in WRITTEN]
    said = [
        f"Drawn with the seed {seed}: {tables:,} tables of {len(counts.networks)} networks. "
        f"Of the tables as they are printed {accused} {'is' if accused == 1 else 'are'} accused "
        "of something.",
        f"`--emit` wrote {written[0]} as specs with the network's layers, parameters and "
        f"work and {written[1]} as other networks that print the same table, refused {written[2]}, "
        f"and wrote {written[3]} that print another.",
    ]
    return "\n".join([*lines, "", *said]) + "\n"


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
