"""The command ``fit``."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from archcalc.cli.completion import several, variables, words
from archcalc.cli.options import DType, Machine, NetworkName, Output, formats
from archcalc.cli.output import publish, write
from archcalc.errors import ArchcalcError

_BUDGETS = [
    f"{name}="
    for name in ("params", "macs", "flops", "activations", "weight_bytes", "memory", "time")
]


def fit(
    network: NetworkName,
    at_most: Annotated[
        str,
        typer.Option(
            metavar="A=N,B=N",
            help="The budget: params, macs, flops, activations, weight_bytes, memory, each with a "
            "number such as 300M, 4.2G or 4000000; and time, such as 5ms, the least on a machine.",
            autocompletion=several(words(*_BUDGETS)),
        ),
    ],
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VAR,VAR",
            help="What may be changed: names, or VAR=FROM:TO:STEP for the values to choose from. "
            "May be repeated.",
            autocompletion=several(variables("N", "side", "D", "H", "W", "length")),
        ),
    ] = None,
    compound: Annotated[
        str | None,
        typer.Option(
            metavar="VAR=BASE,...",
            help="Scale variables together, each by its base to one power: "
            "width=1.1,depth=1.2,side=1.15.",
            autocompletion=several(variables("N", "side", "D", "H", "W", "length", end="=")),
        ),
    ] = None,
    on: Machine = None,
    dtype: DType = "float32",
    seconds: Annotated[
        float,
        typer.Option(
            metavar="N",
            help="How long a space is searched: what was found then, or until Ctrl-C, is the best.",
            min=0,
        ),
    ] = 60,
    emit_: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write the network as a spec, with the budget in it.",
        ),
    ] = None,
    format: Annotated[str, formats("text", "json")] = "text",
    output: Output = None,
) -> None:
    """Find the largest network of a family inside a budget.

    It is exact at the boundary: the next step up of every variable exceeds the budget.

    \b
    Examples:
      archcalc fit mobilenet_v2 --at-most macs=300M,params=4M --vary width,side
      archcalc fit resnet18 --at-most macs=1G --vary width=8:256:4
      archcalc fit mobilenet_v2 --at-most time=5ms --on orin --vary width,N
      archcalc fit efficientnet_b0 --at-most macs=1G \\
        --compound width=1.1,depth=1.2,side=1.15 --emit mine.yaml
    """
    import archcalc
    from archcalc.report.families import fit as report
    from archcalc.spec.form import as_yaml

    bases = None
    if compound is not None:
        bases = {name: float(n) for name, n in _pairs("--compound", compound).items()}
    found = archcalc.fit(
        archcalc.load(network),
        {name: int(n) for name, n in _pairs("--at-most", at_most).items()},
        vary=_vary(vary or []),
        compound=bases,
        dtype=dtype,
        on=archcalc.here() if on == "here" else on,
        seconds=seconds,
    )
    if emit_ is not None:
        write(as_yaml(found.spec), Path(emit_))
    publish(report, found, format, output)


def _pairs(option: str, written: str) -> dict[str, Fraction]:
    """``macs=300M,params=4M`` as numbers."""
    from archcalc.space.select import TIMES, UNITS

    written_so = re.compile(
        rf"\s*(\d{{1,18}}(?:\.\d{{1,12}})?(?:e\d{{1,2}})?)\s*({'|'.join(UNITS)})?\s*"
    )
    found: dict[str, Fraction] = {}
    for part in written.split(","):
        name, _, number = part.partition("=")
        match = written_so.fullmatch(number)
        name = name.strip()
        if not match or not name:
            raise ArchcalcError(f"{option} {part}: write NAME=NUMBER, such as macs=300M")
        if name in found:
            raise ArchcalcError(f"{option} {part}: '{name}' is given twice")
        if (name == "time") is not (match[2] in TIMES):
            raise ArchcalcError(f"{option} {part}: write a time such as time=5ms, and no other so")
        found[name] = Fraction(match[1]) * UNITS.get(match[2], 1)
    return found


def _vary(written: list[str]) -> dict[str, Any]:
    from archcalc.cli.ranges import parse_values

    found: dict[str, Any] = {}
    for text in written:
        if "=" in text:
            found.update(parse_values([text]))
        else:
            found.update({name.strip(): None for name in text.split(",") if name.strip()})
    return found
