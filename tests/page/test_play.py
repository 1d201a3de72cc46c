"""The page with nothing behind it: the same answers, from archcalc in WebAssembly.

``docs/play.py`` makes it, here in ``site/play`` or where ``ARCHCALC_PLAY`` says.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from archcalc.page.answer import respond
from archcalc.spec import zoo
from tests.conftest import EXHAUSTIVE

ROOT = Path(__file__).resolve().parent.parent.parent
PLAY = Path(os.environ.get("ARCHCALC_PLAY", ROOT / "site" / "play")).resolve()

pytestmark = pytest.mark.skipif(
    not (PLAY / "archcalc.zip").is_file(),
    reason="the page is not made: npm --prefix web ci && python docs/play.py site/play",
)

EVERY = 1 if EXHAUSTIVE else 12
"""One of so many networks is compared."""


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_its_answers_are_those_of_python_here() -> None:
    names = list(zoo.words())[::EVERY]
    requests = [
        *[{"ask": "analyze", "name": name} for name in names],
        {"ask": "explain", "name": "alexnet", "layer": "conv1"},
        {"ask": "analyze", "name": "resnet50", "training": True, "dtype": "bfloat16"},
        {"ask": "compare", "name": "vgg16", "other": {"name": "vgg19"}},
        {"ask": "analyze", "text": "name: a\ninput: [3, 8, 8]\nlayers:\n  a: Con2d\n"},
    ]
    lines = [json.dumps(request) for request in requests]
    done = subprocess.run(
        ["node", ROOT / "web" / "parity.mjs", PLAY],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    answers = done.stdout.splitlines()
    assert len(answers) == len(lines)
    for line, answer in zip(lines, answers, strict=True):
        assert json.loads(answer) == json.loads(respond(line)), line


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where any server of files has the page."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(PLAY)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_is_there_at_once_and_then_answers(browser: Any, address: str) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector("text=6,998,552")
    assert page.locator("body[data-engine=ready]").count() == 0  # what the build computed
    page.wait_for_selector("body[data-engine=ready]", timeout=120_000)
    page.locator("#network").fill("resnet18")
    page.locator("#network").press("Enter")
    page.wait_for_selector("text=11,689,512", timeout=120_000)  # torchvision's
    assert all(url.startswith((address, "data:", f"blob:{address}")) for url in asked)
    page.close()
