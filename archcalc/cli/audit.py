"""The command ``audit``."""

import sys
from typing import Annotated

import typer

from archcalc.cli.completion import networks, words
from archcalc.cli.options import Output
from archcalc.cli.output import complain, publish
from archcalc.errors import ArchcalcError


def audit(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="A printed table of layers, or - for standard input: CSV, Markdown, HTML, LaTeX, "
            "or what Keras, torchsummary, torchinfo or Darknet print; or the name of a shipped "
            "one, such as vgg16_structure.",
            show_default=False,
        ),
    ],
    against: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Show which cells differ from this network, too.",
            autocompletion=networks,
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
    read: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            help="Insist that the table is csv, markdown, html, latex, box, text, darknet, "
            "ultralytics, labelled, modules or fvcore.",
            show_default=False,
        ),
    ] = "",
    emit_: Annotated[
        str | None,
        typer.Option(
            "--emit",
            metavar="SPEC",
            help="Write the network that was found to this file, or - for standard output alone.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            "--format",
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

    A table is evidence about a network: the one that explains most of it is searched, and cells
    that contradict it are named, with what they should say. Columns are recognized by their headers
    and by what stands in them. Exits with 1 if a cell contradicts others, and with 2 if something
    can't be read.

    \b
    Examples:
      archcalc audit vgg16_structure
      archcalc audit table.csv --against resnet18 --map channels_in=planes
    """
    from archcalc.claims.audit import audit as run
    from archcalc.claims.tables.grid import FORMS
    from archcalc.report.choice import choose
    from archcalc.report.claims import audits

    form = choose("format", format, audits.FORMATS)
    form_read = choose("read", read, FORMS) if read else ""
    found = run(_read(table), against=against, map=_mapping(map_ or []), read=form_read)
    if emit_ is not None:
        from archcalc.claims.emit import emit as spec_of
        from archcalc.cli.output import emit

        emit(spec_of(found), emit_)
        if emit_ == "-":
            return
    publish(audits, found, form, output, quiet)
    if found.findings or found.differences:
        raise typer.Exit(1)
    if not found.ok:
        if output not in (None, "-"):
            complain(f"{found.name}: {output} says what of it can't be read")
        raise typer.Exit(2)


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
