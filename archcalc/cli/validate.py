"""The command ``validate``."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from archcalc.cli.completion import networks
from archcalc.cli.jobs import each
from archcalc.cli.options import Jobs, formats
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
        ),
    ],
    format: Annotated[str, formats("text", "github (annotations in CI)", "json")] = "text",
    jobs: Jobs = 1,
) -> None:
    """Check that specs are well-formed and that their shapes fit.

    Reports all problems of all files and variants with their places, and exits with 2 if there are
    any.

    \b
    Example:
      archcalc validate my-net.yaml
    """
    from archcalc.errors import listed
    from archcalc.report.specs import problems
    from archcalc.spec import zoo

    names = [name for source in files for name in zoo.named(source, ["layers", "space"])]
    outcomes = each(_looking_through, None, names, jobs)
    if format == "json":
        emit(problems.as_json(outcomes))
    for outcome in outcomes if format != "json" else ():
        if not outcome.problems:
            emit(f"{safe(outcome.verdict)}\n")
        elif format == "github":
            emit("".join(f"{problems.annotation(one)}\n" for one in outcome.problems))
        else:
            complain(listed(outcome.problems))
    if any(outcome.problems for outcome in outcomes):
        raise typer.Exit(2)


def _looking_through(_: None) -> Callable[[str], Any]:
    """What validates a file, as another process can be told it."""
    from archcalc.report.specs.problems import Outcome
    from archcalc.spec import zoo

    def outcome(name: str) -> Outcome:
        found, variants = zoo.look_through(name)
        return Outcome(name, variants, tuple(found))

    return outcome
