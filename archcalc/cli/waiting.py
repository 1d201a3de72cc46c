"""What a terminal shows while a model of another program is taken in."""

from __future__ import annotations

import sys
import threading
from typing import Any

from archcalc.document.safe import safe

PATIENCE = 2.0
"""Seconds in which nothing is shown: most are taken in by then."""


class Waiting:
    """A line on standard error with what is being done and since when; gone at the end."""

    def __init__(self) -> None:
        self.what = ""
        self.timer: threading.Timer | None = None
        self.shown: Any = None
        self.lock = threading.Lock()

    def __call__(self, what: str) -> None:
        """Take in what is being done, or with ``""`` that all is."""
        with self.lock:
            self.what = what
            if not what:
                self.end()
            elif self.timer is None:
                self.timer = threading.Timer(PATIENCE, self.show)
                self.timer.daemon = True
                self.timer.start()
            elif self.shown is not None:
                self.shown.update(self.shown.task_ids[0], description=safe(what))

    def show(self) -> None:
        """Begin to show it."""
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        # What a model prints itself is not shown, to which end standard error may be another now.
        console = Console(file=sys.__stderr__)
        columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        with self.lock:
            if self.what:
                self.shown = Progress(
                    *columns,
                    console=console,
                    transient=True,
                    redirect_stdout=False,
                    redirect_stderr=False,
                )
                self.shown.add_task(safe(self.what), total=None)
                self.shown.start()

    def end(self) -> None:
        """Show nothing any more."""
        if self.timer is not None:
            self.timer.cancel()
        if self.shown is not None:
            self.shown.stop()
        self.timer = self.shown = None


def watch() -> None:
    """Show it where there is a terminal to show it on."""
    if sys.stderr.isatty():
        from archcalc.frontends.watched import TOLD

        TOLD.set(Waiting())
