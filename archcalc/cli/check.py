"""The command ``check``."""

import gc
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from archcalc.cli.completion import networks
from archcalc.cli.jobs import each
from archcalc.cli.options import Jobs, Output, formats
from archcalc.cli.output import complain, publish
from archcalc.errors import SpecError


def check(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|FILE...",
            autocompletion=networks,
            help="Networks of the zoo, files (FILE::VARIANT for one of its variants), folders "
            "of files, pyproject.toml, or - for standard input. Everything that is shipped, if "
            "none is named.",
        ),
    ] = None,
    format: Annotated[
        str,
        formats("table", "json", "junit (test reports)", "github (annotations in CI)", "markdown"),
    ] = "table",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show only what is wrong, and the counts.")
    ] = False,
    run_code: Annotated[
        bool,
        typer.Option(
            help="Import and run the code that files name, network: torch:PACKAGE.MODULE:FACTORY.",
        ),
    ] = False,
    record: Annotated[
        bool,
        typer.Option(
            help="Write today's params and MACs into the files, which are held to them later.",
        ),
    ] = False,
    layers: Annotated[
        bool,
        typer.Option(help="With --record: those and the shape of each layer, too."),
    ] = False,
    budget: Annotated[
        bool, typer.Option(help="With --record: as what may not be exceeded.")
    ] = False,
    update: Annotated[
        bool,
        typer.Option(help="Record, and where other numbers are recorded show them and ask."),
    ] = False,
    yes: Annotated[bool, typer.Option(help="With --update: don't ask.")] = False,
    jobs: Jobs = 1,
    output: Output = None,
) -> None:
    """Recompute the numbers that specs document, and their budgets.

    A documented number holds if ours is exactly it, rounds or truncates to it at the precision it
    is printed with, or is it under the convention that the spec names. Exits with 1 if one does
    not hold or a budget is exceeded, and with 2 if a spec is malformed. What is recorded already
    and is another number today is changed by --update only; without it that exits with 1.

    \b
    Examples:
      archcalc check vgg16
      archcalc check my-net.yaml --format junit -o report.xml
      archcalc check pyproject.toml --run-code
      archcalc check my-net.yaml --record
    """
    from archcalc.report.claims import findings
    from archcalc.spec import zoo

    every = sources or list(map(str, zoo.documenting()))
    named = [name for source in every for name in zoo.named(source, ["layers", "network"])]
    if record or update:
        _record(named if sources else [], layers, budget, run_code, update=update, yes=yes)
        return
    if layers or budget or yes:
        complain("--layers, --budget and --yes say how numbers are recorded: with --record")
        raise typer.Exit(2)
    checked = each(_checking, run_code, named, jobs)
    problems = [problem for one in checked for problem in one.problems]
    if format in ("table", "markdown") and problems:
        complain("\n".join(map(str, problems)))
    publish(findings, checked, format, output, quiet)
    if problems:
        raise typer.Exit(2)
    if not all(finding.ok for one in checked for finding in one.findings):
        raise typer.Exit(1)


def _checking(run_code: bool) -> Callable[[str], Any]:
    """What checks a file, as another process can be told it."""
    from archcalc.claims.check import check
    from archcalc.report.claims.findings import Checked

    # Looking for garbage in what a family leaves takes a fifth of the time.
    gc.set_threshold(2_000_000)

    def checked(source: str) -> Any:
        try:
            return Checked(source, tuple(check(source, run_code=run_code)))
        except SpecError as error:
            return Checked(source, (), error.problems)

    return checked


def _record(
    sources: Sequence[str], layers: bool, budget: bool, run_code: bool, *, update: bool, yes: bool
) -> None:
    """Write what the networks come to into their files; nothing unless all can be written."""
    import sys
    from pathlib import Path

    from archcalc.claims.record import record
    from archcalc.cli.output import require_writable, write

    if not sources:
        complain("numbers are recorded in files: name one, archcalc check my-net.yaml --record")
        raise typer.Exit(2)
    how = {"layers": layers, "budget": budget, "run_code": run_code}
    found = [one for source in sources for one in record(source, **how)]
    differences = [str(one) for recording in found for one in recording.differences]
    if differences:
        complain("\n".join(differences))
        if not update:
            complain("nothing is written: --update changes what is recorded")
            raise typer.Exit(1)
        if not yes:
            if not sys.stdin.isatty():
                complain("nothing is written: there is nobody to ask; --yes changes it")
                raise typer.Exit(1)
            typer.confirm("Change what is recorded?", abort=True, err=True)
    for one in found:
        require_writable(Path(one.file))
    for one in found:
        if one.text != one.written:
            write(one.text, Path(one.file))
        changed = f", {len(one.differences)} changed" if one.differences else ""
        complain(f"{one.file}: {one.added} numbers recorded{changed}")
