"""Arguments and options that several commands have."""

from typing import Annotated, Any

import typer

from archcalc.cli.completion import known, layers, machines, networks, variables, words
from archcalc.dims import LARGEST
from archcalc.spec.bits import BYTES


def formats(*known: str) -> Any:
    """The option that says how a report is printed: ``json``, or ``junit (test reports)``."""
    text = f"{', '.join(known[:-1])} or {known[-1]}."
    names = [each.partition(" ")[0] for each in known]

    def chosen(word: str) -> str:
        from archcalc.report.choice import choose

        return choose("format", word, names)

    ends = words(*names)
    return typer.Option(metavar="FORMAT", help=text, autocompletion=ends, callback=chosen)


MACHINE = (
    "A machine that roofline lists, 2xh100 for two, a file that describes one, or here: this one, "
    "which is measured once and remembered."
)
Machine = Annotated[
    str | None,
    typer.Option(metavar="MACHINE", help=MACHINE, autocompletion=machines),
]
On = Annotated[str, typer.Option(metavar="MACHINE", help=MACHINE, autocompletion=machines)]
_FORMATS = (
    "float32, bfloat16, float16, float8, int8, int4, int3, int2, ternary or binary; int4:128 with "
    "a scale of 16 bits for 128 numbers, int8:channel for each filter, int4:128:zero with zero "
    "points, too"
)
Weights = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[LAYERS=]FORMAT",
        help=f"What matrices and kernels that multiply are stored as: {_FORMATS}. Of some layers: "
        "fc=int8, 'layer*=int4', Linear=int4, ends=float32. May be repeated.",
        autocompletion=words("int8", "int4", "int4:128", "int4:128:zero", "float8"),
    ),
]
Activations = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[LAYERS=]FORMAT",
        help="What layers take their inputs as, likewise. May be repeated.",
        autocompletion=words("int8", "float8", "int4", "binary"),
    ),
]
Density = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[LAYERS=]D",
        help="How many weights are no zero: 2:4, two of every four in a row, or a share such as "
        "0.1. May be repeated.",
        autocompletion=words("2:4", "0.5", "0.1"),
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LAYERS",
        help="Layers for which --weights, --activations and --density don't hold: names, patterns, "
        "operators, or ends, the first and the last that multiply with weights. May be repeated.",
        autocompletion=words("ends"),
    ),
]
Kept = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help="What is kept of steps before, keys and values, is stored as.",
        autocompletion=words("bfloat16", "float8", "int8", "int4"),
    ),
]


def dtypes(help: str, *known: str) -> Any:
    """The option that says in which dtype."""
    return typer.Option(metavar="DTYPE", help=help, autocompletion=words(*known))


def drawn(what: str) -> Any:
    """The option that says where a picture is drawn."""
    text = f"Draw {what}, as .svg or .png. Needs the extra archcalc[plot]."
    return typer.Option(metavar="FILE", help=text)


Jobs = Annotated[int, typer.Option(metavar="N", help="Use N processes.", min=1, max=256)]


NETWORK = (
    "A network of the zoo, a file (FILE::VARIANT for one of its variants), a model of another "
    "program (torch:MODULE:FACTORY, FILE.onnx), or - for standard input."
)
NETWORKS = (
    NETWORK.replace("A network", "Networks").replace("a file", "files").replace("a model", "models")
)
NetworkName = Annotated[
    str,
    typer.Argument(metavar="NAME|FILE", help=NETWORK, autocompletion=networks),
]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to a file, whole or not at all."),
]


def shapes(of: str) -> Any:
    """The option that says the input of several networks."""
    text = f"The input of {of}, without the batch, 3x224x224, or only its extent, 224."
    return typer.Option(metavar="SHAPE", help=text)


def settings(of: str) -> Any:
    """The option that sets variables of specs."""
    text = f"Give a variable of {of} a value. May be repeated."
    return typer.Option(
        metavar="VAR=VALUE",
        help=text,
        autocompletion=variables(end="="),
    )


InputShapes = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SHAPE",
        help="The input without the batch, 3x224x224, or only its extent, 224. NAME=SHAPE "
        "where there are several, NAME=int64:128 where a module's is of another dtype, "
        "NAME=int64 where it is one number.",
    ),
]
Batch = Annotated[
    int, typer.Option(metavar="N", help="How many inputs at once.", min=1, max=LARGEST)
]
Variables = Annotated[list[str] | None, settings("the spec")]
AllowUnknown = Annotated[
    bool,
    typer.Option(
        help="Leave layers of unknown operators out of the count: totals are lower bounds then, ≥.",
    ),
]
Frozen = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LAYERS",
        help="Layers and blocks that are not trained, by name or pattern: 'layer*'. With ! they "
        "are after all: '!fc'. May be repeated.",
        autocompletion=layers,
    ),
]
DTYPE = dtypes(
    f"What numbers are stored as, and products computed in: {', '.join([*BYTES][:-1])} or "
    f"{[*BYTES][-1]}.",
    *BYTES,
)
DType = Annotated[str, DTYPE]
ConventionName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="How work is counted: macs, 2xmacs, all, textbook, or as a tool does: torch, "
        "torchinfo, fvcore, thop, ...",
        autocompletion=known("analysis.conventions:CONVENTIONS"),
    ),
]
