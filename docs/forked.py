"""Runs commands of archcalc, each in a fork of one process that has imported what takes long."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory


def output(words: Sequence[str], folder: str, environment: Mapping[str, str]) -> str:
    """What a command prints, its errors among it, in a folder and with these variables."""
    with TemporaryDirectory() as made:
        printed = Path(made, "printed")
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        print(json.dumps([words, folder, environment, str(printed)]), file=server.stdin, flush=True)
        assert server.stdout.readline() == "done\n", f"no answer to {words}"
        return printed.read_text(encoding="utf-8")


@cache
def _server() -> subprocess.Popen[str]:
    """The process, which ends with this one."""
    pipe = subprocess.PIPE
    server = subprocess.Popen([sys.executable, __file__], stdin=pipe, stdout=pipe, text=True)
    atexit.register(server.communicate)
    return server


def main() -> None:
    """Answer lines of standard input until there are no more."""
    import torch  # noqa: F401  # what takes long
    from torch.export import export  # noqa: F401

    import archcalc.cli

    for line in sys.stdin:
        words, folder, environment, printed = json.loads(line)
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            print("done", flush=True)
            continue
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        to = os.open(printed, os.O_WRONLY | os.O_CREAT)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(to, 1)
        os.dup2(to, 2)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
        sys.argv = words
        archcalc.cli.main()
        sys.exit()


if __name__ == "__main__":
    main()
