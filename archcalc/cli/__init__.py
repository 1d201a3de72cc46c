"""The commands. Each calls one function of the library that has its name."""

import gc
import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit: 0 when all is well, 2 for bad usage or bad input."""
    # Nothing that loading modules makes is garbage, nor are a hundred thousand rows: to look for it
    # takes a twentieth of the time of the one, and a sixth of that of the others.
    gc.set_threshold(1_000_000)
    status: str | int | None = 0
    try:
        from archcalc.cli.process import prepare

        prepare()
        from archcalc.cli.app import COMMANDS, application
        from archcalc.cli.completion import line

        named = [word for word in (line() or sys.argv)[1:2] if word in COMMANDS]
        application(*named)(prog_name="archcalc")
    except SystemExit as ended:
        status = ended.code
    except KeyboardInterrupt:  # while modules are loaded; a command's own is typer's to catch
        status = 130
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # whoever was reading has gone
            status = status or 141
    # Taking everything that was loaded apart again takes a sixth of the time, for nothing.
    os._exit(status if isinstance(status, int) else 0 if status is None else 1)
