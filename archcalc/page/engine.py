"""The engine in a process of its own, so that what takes too long can be ended."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.connection import Connection
from threading import Lock

from archcalc.document.data import dumps

SECONDS = 20
"""How long an answer may take."""

TOO_LONG = {
    "ok": False,
    "problems": [
        {
            "line": 0,
            "column": 0,
            "path": [],
            "message": "this takes too long, and was stopped",
            "hint": "the command line has no limit",
        }
    ],
}


def _work(requests: Connection) -> None:
    """Answer requests until whoever asks is gone."""
    from archcalc.page.answer import respond

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asks ends it
    while True:
        try:
            requests.send(respond(requests.recv()))
        except (EOFError, OSError):
            return


class Engine:
    """Answers one request after the other; a process that is stopped is begun anew."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self._begin()

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._requests, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def respond(self, request: str) -> str:
        """The answer to a request, or that it took too long."""
        with self._lock:
            try:
                self._requests.send(request)
                if self._requests.poll(self._seconds):
                    answered: str = self._requests.recv()
                    return answered
            except (EOFError, OSError):  # it ended: there was no memory left for it
                pass
            self.close()
            self._begin()
            return dumps(TOO_LONG)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._requests.close()
