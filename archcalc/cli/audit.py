"""The command ``audit``."""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from archcalc.cli.completion import networks
from archcalc.cli.jobs import each
from archcalc.cli.options import Jobs, Output, formats
from archcalc.cli.output import complain, publish
from archcalc.errors import ArchcalcError


def audit(
    tables: Annotated[
        list[str],
        typer.Argument(
            metavar="TABLE...",
            help="Printed tables of layers, or - for standard input: CSV, Markdown, HTML, LaTeX, "
            "or what Keras, torchsummary, torchinfo or Darknet print; or the name of a shipped "
            "one, such as vgg16_structure.",
        ),
    ],
    against: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Show which cells differ from this network, too.",
            autocompletion=networks,
        ),
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=HEADER",
            help="Which column says what, where that is not recognized: channels_in=planes. May "
            "be repeated.",
        ),
    ] = None,
    patterns: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Modules of your own notation that rows may stand for, as a small YAML file.",
        ),
    ] = None,
    read: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            help="Insist that the table is csv, markdown, html, latex, box, text, darknet, "
            "ultralytics, labelled, arrowed, modules, lightning, fvcore, calls, matlab, caffe "
            "or described.",
        ),
    ] = "",
    emit_: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="Write the network that was found to this file, or - for standard output alone.",
        ),
    ] = None,
    format: Annotated[str, formats("table", "markdown", "html", "json")] = "table",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show only rows with something wrong.")
    ] = False,
    jobs: Jobs = 1,
    output: Output = None,
) -> None:
    """Find the cells of a printed table that contradict others.

    A table is evidence about a network: the one that explains most of it is searched, and cells
    that contradict it are named, with what they should say. Columns are recognized by their headers
    and by what stands in them. Exits with 1 if a cell contradicts others, and with 2 if something
    can't be read. Of several tables those that can be read are audited.

    \b
    Examples:
      archcalc audit vgg16_structure
      archcalc audit table.csv --against resnet18 --map channels_in=planes
      archcalc audit tables/*.csv --quiet --jobs 2
    """
    from archcalc.claims.tables.grid import FORMS
    from archcalc.report.choice import choose
    from archcalc.report.claims import audits

    form_read = choose("read", read, FORMS) if read else ""
    how = {"against": against, "map": _mapping(map_ or []), "read": form_read, "patterns": patterns}
    if emit_ is not None and len(tables) > 1:
        raise ArchcalcError("--emit writes the network of one table")
    tried = each(_auditing, how, tables, jobs)
    unread = [one for one in tried if isinstance(one, ArchcalcError)]
    found = [one for one in tried if not isinstance(one, ArchcalcError)]
    if len(tables) == len(unread) == 1:
        raise unread[0]
    for error in unread:
        complain(str(error))
    if emit_ is not None:
        from archcalc.claims.emit import emitted
        from archcalc.cli.output import emit

        spec = emitted(found[0])
        for said in spec.said:
            complain(f"{found[0].name}: {said}")
        emit(spec.text, emit_)
        if emit_ == "-":
            return
    publish(audits, found[0] if len(tables) == 1 else found, format, output, quiet)
    if any(one.findings or one.differences for one in found):
        raise typer.Exit(1)
    for one in found:
        if not one.ok and output not in (None, "-"):
            complain(f"{one.name}: {output} says what of it can't be read")
    if unread or not all(one.ok for one in found):
        raise typer.Exit(2)


def _auditing(how: dict[str, Any]) -> Callable[[str], Any]:
    """What audits a table, as another process can be told it: an audit, or why there is none."""
    from archcalc.claims.audit import audit

    def found(table: str) -> Any:
        try:
            return audit(_read(table), **how)
        except ArchcalcError as error:
            return error

    return found


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
