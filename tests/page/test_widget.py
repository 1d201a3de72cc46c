"""The page in a notebook, with the kernel as what answers it (extra ``widget``)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest

import archcalc
from archcalc import ArchcalcError
from archcalc.page.serve import BUILT

anywidget = pytest.importorskip("anywidget", reason="needs the extra archcalc[widget]")

pytestmark = pytest.mark.skipif(
    not (BUILT / "index.html").is_file(),
    reason="the page is not built: npm --prefix web ci && npm --prefix web run build",
)

SMALL = {
    "name": "small",
    "input": [3, 32, 32],
    "layers": {"conv": {"op": "Conv2d", "out_channels": 16, "kernel_size": 3}},
}

NOTEBOOK = """
<!doctype html><body><div id="cell"></div><script type="module">
const heard = { "msg:custom": [] };
window.model = {
  get: (name) => window.state[name],
  send: (message) => window.toKernel(JSON.stringify(message)),
  on: (name, call) => (heard[name] ??= []).push(call),
  off: (name, call) => { heard[name] = heard[name].filter((each) => each !== call); },
};
window.fromKernel = (message) => heard["msg:custom"].forEach((call) => call(message));
window.heard = heard;
</script></body>
"""
"""What a notebook does for a widget, in small."""


@pytest.fixture
def shown(browser: Any, request: pytest.FixtureRequest) -> Iterator[tuple[Any, Any, Any]]:
    """A page that is a notebook, the widget in it, and what hands on the kernel's answers."""
    widget: Any = archcalc.widget(request.param)
    sent: Queue[Any] = Queue()
    widget.send = sent.put
    page = browser.new_context(viewport={"width": 1000, "height": 800}).new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.expose_function("toKernel", lambda m: widget._answer(widget, json.loads(m), []))
    page.set_content(NOTEBOOK)
    page.evaluate("state => { window.state = state; }", widget.get_state(["_page", "height"]))
    source = (BUILT.parent / "widget.js").read_text()
    page.evaluate(
        """async (source) => {
          const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
          const { default: found } = await import(url);
          window.widget = found;
          window.leave = found.render({ model: window.model, el: document.getElementById("cell") });
        }""",
        source,
    )

    def answered(until: str) -> Any:
        frame = page.frames[-1]
        for _ in range(600):
            while not sent.empty():
                page.evaluate("message => window.fromKernel(message)", sent.get())
            if frame.locator("#totals", has_text=until).count():
                return frame
            page.wait_for_timeout(50)
        raise AssertionError(f"{until} was never shown: {frame.locator('body').inner_text()}")

    yield page, widget, answered
    assert not wrong
    assert all(url.startswith(("data:", "blob:", "about:")) for url in asked)
    page.context.close()
    widget.close()


@pytest.mark.parametrize("shown", ["googlenet"], indirect=True)
def test_it_shows_a_network_and_the_kernel_knows_what_was_written(shown: Any) -> None:
    page, widget, answered = shown
    frame = answered("6,998,552")
    assert not frame.locator("#share").is_visible()  # no link leads into a notebook
    frame.locator("#network").fill("resnet18")
    frame.locator("#network").press("Enter")
    answered("11,689,512")  # torchvision's
    assert widget.spec().name == "resnet"
    page.evaluate("window.leave()")
    assert page.evaluate("window.heard['msg:custom'].length") == 0


@pytest.mark.parametrize("shown", ["googlenet"], indirect=True)
def test_what_one_view_asks_is_answered_to_no_other(shown: Any) -> None:
    page, _, answered = shown
    one = answered("6,998,552")
    page.evaluate(
        """() => {
          const el = document.body.appendChild(document.createElement("div"));
          window.widget.render({ model: window.model, el });
        }"""
    )
    two = answered("6,998,552")
    assert one != two
    for frame, name in ((one, "resnet18"), (two, "resnet34")):  # both before the kernel answers
        frame.locator("#network").fill(name)
        frame.locator("#network").press("Enter")
    page.wait_for_timeout(500)
    answered("21,797,672")  # torchvision's
    assert "11,689,512" in one.locator("#totals").inner_text()


@pytest.mark.parametrize("shown", [archcalc.load(SMALL)], indirect=True)
def test_a_spec_of_ones_own_is_edited(shown: Any) -> None:
    _, widget, answered = shown
    frame = answered("448")  # 28 * 16
    assert widget.spec() == archcalc.load(SMALL)
    frame.locator(".cm-content").click()
    frame.locator(".cm-content").press("Control+a")
    frame.page.keyboard.insert_text(widget.text.replace("16", "32"))
    answered("896")
    assert archcalc.analyze(widget.spec()).params == 28 * 32


def test_what_can_not_be_read_is_told() -> None:
    with pytest.raises(ArchcalcError, match="nowhere"):
        archcalc.widget("nowhere.yaml")
