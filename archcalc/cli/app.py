"""The command line: what each command takes, and the function of the library that it calls."""

import re
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from archcalc import __version__
from archcalc.cli.audit import audit
from archcalc.cli.check import check
from archcalc.cli.compare import compare
from archcalc.cli.diff import diff
from archcalc.cli.explain import explain
from archcalc.cli.output import complain, emit, leave_broken_pipe
from archcalc.cli.reconcile import reconcile
from archcalc.cli.savings import savings
from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.operators.base import LARGEST
from archcalc.report.columns import COLUMNS


class _Commands(TyperGroup):
    """Prints what archcalc raises on purpose, and nothing of how it came about."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ArchcalcError as error:
            complain(str(error))
            raise typer.Exit(2) from None
        except BrokenPipeError:
            leave_broken_pipe()


app = typer.Typer(
    cls=_Commands,
    help="Shapes, parameters and multiply-accumulates of every layer of a neural network, from a "
    "declarative spec.\n\nTry: archcalc table googlenet",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
    # rich costs more time than computing a network: it is loaded for tables on terminals only.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        emit(f"archcalc {__version__}\n")
        raise typer.Exit


@app.callback()
def _archcalc(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


def _networks(incomplete: str) -> list[str]:
    """Names of networks, and files, that begin like this: read from the specs as plain text."""
    from glob import escape, glob

    from archcalc.spec.zoo import families

    names = []
    for path in families():
        text = path.read_text(encoding="utf-8")
        _, _, after = text.partition("\nvariants:\n")
        variants = re.match(r"(?:[ #].*\n|\n)*", after)
        found = re.findall(r"^  ([\w-]+):", variants[0] if variants else "", re.MULTILINE)
        names += found or [path.stem]
    files = [
        path for end in ("yaml", "yml", "json") for path in glob(f"{escape(incomplete)}*.{end}")
    ]
    return [name for name in (*sorted(names), *sorted(files)) if name.startswith(incomplete)]


def _words(*words: str) -> Any:
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


NetworkName = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help="A network of the zoo, a file (FILE::VARIANT for one of its variants), or - for "
        "standard input.",
        autocompletion=_networks,
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to a file, whole or not at all."),
]


@app.command("list")
def list_(
    word: Annotated[
        str,
        typer.Argument(
            help="Only networks with this in their name, title, edition, year or feature.",
            show_default=False,
        ),
    ] = "",
    format: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            help="table, markdown, csv or json.",
            autocompletion=_words("table", "markdown", "csv", "json"),
        ),
    ] = "table",
    output: Output = None,
) -> None:
    """List the networks of the zoo, with their year, parameters and MACs.

    Exits with 1 if nothing matches the word.

    \b
    Example:
      archcalc list residual
    """
    from archcalc.report import zoo
    from archcalc.report.choice import choose

    form = choose("format", format, zoo.FORMATS)
    networks = zoo.list(word)
    if not networks:
        from archcalc.spec.zoo import names

        hint = did_you_mean(word, names())
        complain(f"nothing matches '{word}'" + (f": {hint}" if hint else ""))
        raise typer.Exit(1)
    emit(zoo.render(networks, form), output)


@app.command()
def table(
    network: NetworkName,
    detail: Annotated[
        str,
        typer.Option(
            metavar="LEVEL",
            help="stage: a line a block. layer: what stores weights, has a window, changes the "
            "size or joins branches. all: everything.",
            autocompletion=_words("stage", "layer", "all"),
        ),
    ] = "layer",
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help=f"The columns, out of {', '.join(COLUMNS)}.",
            show_default=False,
        ),
    ] = None,
    input: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SHAPE",
            help="The input without the batch, 3x224x224, or only its extent, 224. NAME=SHAPE "
            "where there are several.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option(metavar="N", help="How many inputs at once.", min=1, max=LARGEST)
    ] = 1,
    dtype: Annotated[
        str,
        typer.Option(
            metavar="DTYPE",
            help="What a weight is stored as: float32, float16, bfloat16, float64, float8 or int8.",
            autocompletion=_words("float32", "float16", "bfloat16", "float64", "float8", "int8"),
        ),
    ] = "float32",
    convention: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How the column of MACs counts: macs, 2xmacs, all, textbook, or as a tool does: "
            "torch, torchinfo, fvcore, thop, ...",
            autocompletion=_words("macs", "2xmacs", "all", "textbook"),
        ),
    ] = "macs",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="VAR=VALUE",
            help="Give a variable of the spec a value. May be repeated.",
            show_default=False,
        ),
    ] = None,
    training: Annotated[
        bool, typer.Option("--training", help="Count what is executed in training only, too.")
    ] = False,
    fold_bn: Annotated[
        bool,
        typer.Option(
            "--fold-bn", help="Fold batch normalizations into the layers before them, if any."
        ),
    ] = False,
    format: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            help="table, markdown, csv, json, latex or html.",
            autocompletion=_words("table", "markdown", "csv", "json", "latex", "html"),
        ),
    ] = "table",
    output: Output = None,
) -> None:
    """Print the layers of a network with their shapes, parameters and work.

    Layers that are not shown are summed in one line, so that every column adds up to its total.
    On a terminal that is too narrow whole columns are left out.

    Padding 0+1 means none before and one after.

    \b
    Examples:
      archcalc table googlenet --detail stage
      archcalc table resnet50 --input 160 --batch 8 --format csv -o resnet50.csv
    """
    import archcalc
    from archcalc.cli.arguments import parse_inputs, parse_variables

    variables = parse_variables(set_ or (), _TAKEN)
    spec = archcalc.load(network)
    shapes = parse_inputs(input or (), spec)
    if format.lower() == "table" and output is None and sys.stdout.isatty():
        from archcalc.report.layout import Request
        from archcalc.report.table import laid_out
        from archcalc.report.terminal import show

        request = Request.of(detail, columns, dtype, convention)
        show(laid_out(spec, request, training, fold_bn, shapes, batch, variables), sys.stdout)
        return
    text = archcalc.table(
        spec,
        detail=detail,
        columns=columns,
        format=format,
        dtype=dtype,
        convention=convention,
        training=training,
        fold_bn=fold_bn,
        input=shapes,
        batch=batch,
        **variables,
    )
    emit(text, output)


_TAKEN = (
    *("network", "detail", "columns", "format", "dtype", "convention", "training"),
    *("fold_bn", "input", "batch", "spec"),
)
"""Parameters of library functions, which a variable of the same name can't be passed beside."""


@app.command()
def validate(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Files, FILE::VARIANT, networks of the zoo, or - for standard input.",
            autocompletion=_networks,
            show_default=False,
        ),
    ],
    format: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            help="text, github (annotations in CI) or json.",
            autocompletion=_words("text", "github", "json"),
        ),
    ] = "text",
) -> None:
    """Check that specs are well-formed and that their shapes fit, in every variant.

    Reports all problems of all files with their places, and exits with 2 if there are any.

    \b
    Example:
      archcalc validate my-net.yaml
    """
    from archcalc.report import problems
    from archcalc.report.choice import choose

    form = choose("format", format, problems.FORMATS)
    outcomes = [_outcome(source) for source in files]
    if form == "json":
        emit(problems.as_json(outcomes))
    for outcome in outcomes if form != "json" else ():
        if not outcome.problems:
            emit(f"{outcome.verdict}\n")
        elif form == "github":
            emit("".join(f"{problems.annotation(each)}\n" for each in outcome.problems))
        else:
            complain("\n".join(map(str, outcome.problems)))
    if any(outcome.problems for outcome in outcomes):
        raise typer.Exit(2)


def _outcome(source: str) -> Any:
    import archcalc
    from archcalc.report.problems import Outcome

    problems = archcalc.validate(source)
    # Standard input can't be read twice, and one variant is not worth counting.
    whole = not problems and source != "-" and "::" not in source
    spec = archcalc.load(source) if whole else None
    variants = len(spec.variants) if spec and spec.variant in (None, spec.name) else 0
    return Outcome(source, variants, tuple(problems))


@app.command()
def schema(output: Output = None) -> None:
    """Print the JSON Schema of spec files, by which editors complete and check them.

    \b
    Example:
      archcalc schema -o spec.schema.json
    """
    from json import dumps

    from archcalc.spec.schema import schema as make

    emit(dumps(make(), indent=2) + "\n", output)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="What the network is called.", show_default=False)],
    output: Output = None,
) -> None:
    """Print a small, commented spec to begin with.

    \b
    Example:
      archcalc new my-net -o my-net.yaml
    """
    from archcalc.spec.starter import new as make

    emit(make(name), output)


def _operators(incomplete: str) -> list[str]:
    from archcalc.operators import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


@app.command()
def ops(
    name: Annotated[
        str | None,
        typer.Argument(
            help="An operator; all of them in brief without one.",
            autocompletion=_operators,
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            metavar="FORMAT", help="text or markdown.", autocompletion=_words("text", "markdown")
        ),
    ] = "text",
) -> None:
    """Describe an operator: what it takes, what it computes and what is counted.

    \b
    Example:
      archcalc ops Conv2d
    """
    from archcalc.operators import describe
    from archcalc.report.choice import choose

    form = choose("format", format, ("text", "markdown"))
    described = describe.ops(name)
    text = describe.as_text(described) if form == "text" else describe.as_markdown(described)
    emit(text.rstrip("\n") + "\n")


app.command()(audit)
app.command()(check)
app.command()(compare)
app.command()(diff)
app.command()(reconcile)
app.command()(explain)
app.command()(savings)
