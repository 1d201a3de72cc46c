"""The command ``fmt``."""

from typing import Annotated

import typer

from archcalc.cli.output import complain, emit, write


def fmt(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Files, folders of files, or - for standard input.",
        ),
    ],
    check: Annotated[
        bool,
        typer.Option(help="Write nothing; show what would change, and exit with 1 if anything."),
    ] = False,
) -> None:
    """Write specs, and records of them, in their one form.

    What fits in 100 columns is one line, quotes stand only where they are needed, and keys have one
    order. Comments, blank lines and every value are kept. Standard input is written to standard
    output.

    \b
    Examples:
      archcalc fmt my-net.yaml
      archcalc fmt --check specs
    """
    from difflib import unified_diff
    from pathlib import Path

    from archcalc.errors import SpecError
    from archcalc.spec import zoo
    from archcalc.spec.form import form_of
    from archcalc.spec.text import contents

    found = dict.fromkeys(name for source in files for name in zoo.files(source))
    changed = refused = 0
    for name in found:
        try:
            written, file = contents(name)
            form = form_of(written, file)
        except SpecError as error:
            complain(str(error))
            refused += 1
            continue
        if name == "-" and not check:
            emit(form)
        elif written != form:
            changed += 1
            if check:
                ways = written.splitlines(), form.splitlines()
                complain("\n".join(unified_diff(*ways, file, "in its one form", lineterm="")))
            else:
                write(form, Path(name))
                complain(f"{file}: written anew")
    if refused:
        raise typer.Exit(2)
    if check and changed:
        complain(f"{changed} of {len(found)} are not in their one form: archcalc fmt writes them")
        raise typer.Exit(1)
