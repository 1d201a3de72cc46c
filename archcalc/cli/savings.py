"""The command ``savings``."""

from pathlib import Path
from typing import Annotated

import typer

from archcalc.cli.completion import networks, words
from archcalc.cli.options import ConventionName, InputShapes, Output, Variables, formats
from archcalc.cli.output import publish, write
from archcalc.errors import ArchcalcError


def savings(
    network: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|FILE",
            autocompletion=networks,
            help="A network of the zoo, a file (FILE::VARIANT for one of its variants), or - for "
            "standard input. The examples of lectures, if none is named.",
        ),
    ] = None,
    rewrite: Annotated[
        str | None,
        typer.Option(
            metavar="REWRITE",
            help="What becomes of every convolution that can be rewritten: bottleneck:N, "
            "separable, stack3x3, groups:N or lowrank:N.",
            autocompletion=words("bottleneck:", "separable", "stack3x3", "groups:", "lowrank:"),
        ),
    ] = None,
    convention: ConventionName = "macs",
    input: InputShapes = None,
    set_: Variables = None,
    emit: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write the rewritten spec to a file, whole or not at all; as JSON if its name "
            "ends in .json.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option(help="Let --emit replace a file that is there.")] = False,
    format: Annotated[
        str, formats("table", "markdown", "csv", "json", "latex", "siunitx", "html")
    ] = "table",
    output: Output = None,
) -> None:
    """Compute what a cheaper design saves.

    Without a network these are the examples of lectures, with their claims. With one, its
    convolutions are rewritten, and parameters and work are given before and after. Shapes of
    outputs stay as they are; the column field holds the receptive field.

    \b
    Examples:
      archcalc savings
      archcalc savings vgg16 --rewrite bottleneck:4
      archcalc savings resnet18 --rewrite separable --emit separable.yaml
    """
    from archcalc.report.claims import savings as report

    if network is None:
        if rewrite or emit or input or set_:
            raise ArchcalcError("name the network that is to be rewritten")
        from archcalc.analysis.conventions import convention as counted_by
        from archcalc.claims.savings import examples

        if counted_by(convention).name != "macs":
            raise ArchcalcError(
                "the examples count as their sources do\n"
                "  --convention is for a network that is rewritten"
            )
        publish(report, examples(), format, output)
        return
    import archcalc
    from archcalc.cli.arguments import addressed, asked
    from archcalc.spec.rewrites import REWRITES

    if rewrite is None:
        known = ", ".join(name if n is None else f"{name}:N" for name, (n, _) in REWRITES.items())
        raise ArchcalcError(f"--rewrite says what becomes of the convolutions: {known}")
    if emit == "-":
        raise ArchcalcError("--emit -: name a file, for the numbers go to standard output")
    if emit is not None and Path(emit).exists() and not force:
        raise ArchcalcError(f"{emit}: is there already\n  --force replaces it")
    question = asked(archcalc.savings, input, set_)
    found = archcalc.savings(
        addressed(network, input), rewrite, convention=convention, **question.keywords
    )
    if emit is not None:
        write(found.json if emit.lower().endswith(".json") else found.text, Path(emit))
    publish(report, found, format, output)
