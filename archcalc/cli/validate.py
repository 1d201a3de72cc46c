"""The command ``validate``."""

from typing import Annotated

import typer

from archcalc.cli.completion import networks, words
from archcalc.cli.output import complain, emit
from archcalc.document.safe import safe


def validate(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Files, FILE::VARIANT, folders of files, networks of the zoo, or - for standard "
            "input.",
            autocompletion=networks,
            show_default=False,
        ),
    ],
    format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="text, github (annotations in CI) or json.",
            autocompletion=words("text", "github", "json"),
        ),
    ] = "text",
) -> None:
    """Check that specs are well-formed and that their shapes fit, in every variant.

    Reports all problems of all files with their places, and exits with 2 if there are any.

    \b
    Example:
      archcalc validate my-net.yaml
    """
    from archcalc.errors import listed
    from archcalc.report.choice import choose
    from archcalc.report.specs import problems
    from archcalc.spec import zoo

    form = choose("format", format, problems.FORMATS)
    outcomes = [
        problems.Outcome(name, variants, tuple(found))
        for source in files
        for name in zoo.named(source)
        for found, variants in [zoo.look_through(name)]
    ]
    if form == "json":
        emit(problems.as_json(outcomes))
    for outcome in outcomes if form != "json" else ():
        if not outcome.problems:
            emit(f"{safe(outcome.verdict)}\n")
        elif form == "github":
            emit("".join(f"{problems.annotation(each)}\n" for each in outcome.problems))
        else:
            complain(listed(outcome.problems))
    if any(outcome.problems for outcome in outcomes):
        raise typer.Exit(2)
