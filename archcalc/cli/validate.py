"""The command ``validate``."""

from typing import Annotated, Any

import typer

from archcalc.cli.options import networks, words
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
    outcomes = [_outcome(name) for source in files for name in zoo.named(source)]
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


def _outcome(source: str) -> Any:
    import archcalc
    from archcalc.report.specs.problems import Outcome

    problems = archcalc.validate(source)
    # Standard input can't be read twice, and one variant is not worth counting.
    whole = not problems and source != "-" and "::" not in source
    spec = archcalc.load(source) if whole else None
    variants = len(spec.variants) if spec and spec.variant in (None, spec.name) else 0
    return Outcome(source, variants, tuple(problems))
