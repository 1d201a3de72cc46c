"""The command ``audit``."""

import sys
from typing import Annotated

import typer

from archcalc.cli.options import Output, words
from archcalc.cli.output import emit
from archcalc.errors import ArchcalcError


def audit(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="A table of layers as CSV, tab-separated or Markdown, or - for standard input; or "
            "the name of a shipped one, such as vgg16_structure.",
            show_default=False,
        ),
    ],
    against: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Show which cells differ from this network, too.",
            show_default=False,
        ),
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="ROLE=HEADER",
            help="Which column says what, where that is not recognized: channels_in=planes. May "
            "be repeated.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            help="table, markdown, html or json.",
            autocompletion=words("table", "markdown", "html", "json"),
        ),
    ] = "table",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show only rows with something wrong.")
    ] = False,
    output: Output = None,
) -> None:
    """Find the cells of a printed table of layers that contradict others, and why they may.

    Do parameters follow from kernel, in and out; sizes from kernel, stride and padding; inputs from
    what the layer before gives; the total from the rows? Columns are recognized by their headers;
    one that is not there is not checked. Exits with 1 if something is wrong, and with 2 if the
    table can't be read.

    \b
    Examples:
      archcalc audit vgg16_structure
      archcalc audit table.csv --against resnet18 --map channels_in=planes
    """
    from archcalc.claims.audit import audit as run
    from archcalc.report.choice import choose
    from archcalc.report.claims import audits

    form = choose("format", format, audits.FORMATS)
    found = run(_read(table), against=against, map=_mapping(map_ or []))
    if form == "table" and output is None and sys.stdout.isatty():
        audits.show(found, sys.stdout, quiet)
    else:
        emit(audits.render(found, form, quiet), output)
    if not found.ok:
        raise typer.Exit(1)


def _read(table: str) -> str:
    """The text of standard input; a path as it is."""
    if table != "-":
        if "\n" in table:
            raise ArchcalcError("a table is a file's name, or -")
        return table
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig") + "\n"
    except UnicodeDecodeError:
        raise ArchcalcError("standard input: is no text in UTF-8") from None
    except OSError as error:
        raise ArchcalcError(f"standard input: can't be read: {error.strerror}") from None


def _mapping(texts: list[str]) -> dict[str, str]:
    given = {}
    for text in texts:
        role, equals, header = text.partition("=")
        if not equals or not role.strip() or not header.strip():
            raise ArchcalcError(f"--map {text}: write ROLE=HEADER")
        given[role.strip()] = header.strip()
    return given
