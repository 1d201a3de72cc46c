"""The command ``check``."""

import gc
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from archcalc.cli.options import Output, formats, networks
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
            show_default=False,
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
            "--run-code",
            help="Import and run the code that files name, network: torch:PACKAGE.MODULE:FACTORY.",
        ),
    ] = False,
    output: Output = None,
) -> None:
    """Recompute the numbers that specs document, and their budgets.

    A documented number holds if ours is exactly it, rounds or truncates to it at the precision it
    is printed with, or is it under the convention that the spec names. Exits with 1 if one does
    not hold or a budget is exceeded, and with 2 if a spec is malformed.

    \b
    Examples:
      archcalc check vgg16
      archcalc check my-net.yaml --format junit -o report.xml
      archcalc check pyproject.toml --run-code
    """
    from archcalc.report.choice import choose
    from archcalc.report.claims import findings
    from archcalc.spec import zoo

    # Looking for garbage in what a family leaves takes a fifth of the time.
    gc.set_threshold(2_000_000)
    form = choose("format", format, findings.FORMATS)
    every = sources or [str(path) for path in (*zoo.families(), *zoo.examples())]
    named = [name for source in every for name in zoo.named(source, ["layers", "network"])]
    checked = _checked(named, run_code)
    problems = [problem for each in checked for problem in each.problems]
    if form in ("table", "markdown") and problems:
        complain("\n".join(map(str, problems)))
    publish(findings, checked, form, output, quiet)
    if problems:
        raise typer.Exit(2)
    if not all(finding.ok for each in checked for finding in each.findings):
        raise typer.Exit(1)


def _checked(sources: Sequence[str], run_code: bool) -> Any:
    from archcalc.claims.check import check
    from archcalc.report.claims.findings import Checked

    checked = []
    for source in sources:
        try:
            checked.append(Checked(source, tuple(check(source, run_code=run_code))))
        except SpecError as error:
            checked.append(Checked(source, (), error.problems))
    return checked
