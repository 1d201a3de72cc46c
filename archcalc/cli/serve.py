"""The command ``serve``."""

from typing import Annotated

import typer

from archcalc.cli.output import complain


def serve(
    network: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]",
            help="A spec's file, which is watched and saved back when asked; a network's name; or "
            "another program's model.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="N", help="The port; 0 for one that is free.", min=0, max=65535)
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
) -> None:
    """Show networks in a page of the browser, to edit and see.

    Click a number to see why it is what it is. The page is for this machine alone, and nothing
    leaves it. Ctrl-C ends it.

    \b
    Examples:
      archcalc serve
      archcalc serve my-net.yaml
    """
    import webbrowser

    from archcalc.page.serve import Opened, Server

    server = Server(Opened(network), port)
    complain(f"{server.url}\nCtrl-C ends it")
    if browser:
        webbrowser.open(server.url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
