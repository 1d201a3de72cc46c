"""The command ``crosscheck``."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from archcalc.cli.options import Batch, InputShapes, Output, Variables, networks, words
from archcalc.cli.output import publish, write
from archcalc.errors import ArchcalcError


def crosscheck(
    networks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|FILE...",
            autocompletion=networks,
            help="Networks of the zoo, files (FILE::VARIANT for one of its variants), or - for "
            "standard input.",
            show_default=False,
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="All networks of the zoo.")] = False,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:NAME",
            help="Compare with anybody's torch.nn.Module, or a function that makes one: "
            "package.module:name or file.py:name. This runs its code.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            metavar="DEVICE",
            help="cpu, cuda or meta, where only shapes are computed. auto is meta, and then a GPU "
            "if there is one, or the CPU for what is small enough.",
            autocompletion=words("auto", "cpu", "cuda", "meta"),
        ),
    ] = "auto",
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="float64, float32, tf32, bfloat16 or float16, or several of them. float32, "
            "unless a GPU is measured: then float32,tf32,bfloat16.",
            autocompletion=words("float64", "float32", "tf32", "bfloat16", "float16"),
            show_default=False,
        ),
    ] = None,
    batch: Batch = 1,
    input: InputShapes = None,
    set_: Variables = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure time and memory, too.")
    ] = False,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Draw the measured time against multiply-accumulates, as .svg or .png. Needs the "
            "extra archcalc[plot].",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            help="table, markdown, json or junit (test reports).",
            autocompletion=words("table", "markdown", "json", "junit"),
        ),
    ] = "table",
    output: Output = None,
) -> None:
    """Build networks in PyTorch, run them, and compare everything.

    Of every layer the shape of its output, its parameters and buffers by name, and its
    multiply-accumulates; then one pass forward and back, in which every parameter has to get a
    finite gradient. Exits with 1 if anything differs.

    With --against, the spec is compared with a module that somebody else wrote: what uses weights
    or multiplies has to be the same and connected in the same way, whatever it is called.

    \b
    Examples:
      archcalc crosscheck resnet50
      archcalc crosscheck --all --device meta
      archcalc crosscheck resnet18 --against torchvision.models:resnet18
    """
    import archcalc
    from archcalc.cli.arguments import addressed, parse_inputs, parse_variables
    from archcalc.pytorch import require_torch
    from archcalc.report.choice import choose
    from archcalc.report.runs import crosscheck as report
    from archcalc.spec import zoo

    form = choose("format", format, report.FORMATS)
    require_torch()
    if bool(networks) == all_:
        raise ArchcalcError("name networks, or say --all")
    dtypes = _dtypes(dtype, measure and device == "cuda")
    variables = parse_variables(set_ or (), _TAKEN)
    shapes = (lambda spec: parse_inputs(input, spec)) if input else None
    if against is not None:
        if all_ or len(networks or ()) != 1 or measure or plot or dtype is not None:
            raise ArchcalcError("--against compares one network, in float32, and measures nothing")
        _against((networks or [])[0], against, form, output, device, batch, shapes, variables)
        return
    picture = _picture(plot, measure)
    found = [
        archcalc.crosscheck(
            addressed(name, input),
            device=device,
            dtype=dtypes,
            batch=batch,
            input=shapes,
            measure=measure,
            **variables,
        )
        for name in _watched(list(zoo.names()) if all_ else networks or [])
    ]
    if picture is not None:
        from archcalc.report.runs.timing import draw

        write(draw(found, picture.suffix[1:].lower()), picture)
    publish(report, found, form, output, picture.name if picture is not None else "")
    if not all(each.ok for each in found):
        raise typer.Exit(1)


def _picture(plot: str | None, measure: bool) -> Path | None:
    """Where a picture goes: told before anything is run."""
    from archcalc.report.claims.chart import FORMATS

    if plot is None:
        return None
    path = Path(plot)
    if path.suffix[1:].lower() not in FORMATS:
        raise ArchcalcError(f"--plot {plot}: name a file that ends in .svg or .png")
    if not measure:
        raise ArchcalcError("--plot draws what is measured: --measure")
    return path


def _against(
    network: str,
    module: str,
    form: str,
    output: str | None,
    device: str,
    batch: int,
    shapes: Any,
    variables: Mapping[str, Any],
) -> None:
    import archcalc
    from archcalc.report.choice import choose
    from archcalc.report.runs import against as report

    choose("format with --against", form, report.FORMATS)
    found = archcalc.against(network, module, device=device, batch=batch, input=shapes, **variables)
    publish(report, found, form, output)
    if not found.ok:
        raise typer.Exit(1)


_TAKEN = ("network", "device", "dtype", "batch", "input", "measure", "spec", "module")
"""Parameters of library functions, which a variable of the same name can't be passed beside."""


def _dtypes(text: str | None, gpu: bool) -> tuple[str, ...]:
    if text is None:
        return ("float32", "tf32", "bfloat16") if gpu else ("float32",)
    return tuple(name.strip() for name in text.split(","))


def _watched(names: list[str]) -> Iterable[str]:
    """The names one after the other; a terminal shows how far it is."""
    if not sys.stderr.isatty() or len(names) < 2:
        return names
    return _with_progress(names)


def _with_progress(names: list[str]) -> Iterator[str]:
    with _progress() as progress:
        task = progress.add_task("", total=len(names))
        for name in names:
            progress.update(task, description=name)
            yield name
            progress.advance(task)


@contextmanager
def _progress() -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress
