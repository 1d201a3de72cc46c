"""The commands. Each calls one function of the library that has its name."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line and exit: 0 when all is well, 2 for bad usage or bad input."""
    # Nothing that loading modules makes is garbage: to look for it takes a twentieth of the time.
    gc.set_threshold(100_000)
    try:
        from archcalc.cli.app import app

        app(prog_name="archcalc")
    except KeyboardInterrupt:  # while modules are loaded; a command's own is typer's to catch
        sys.exit(130)
