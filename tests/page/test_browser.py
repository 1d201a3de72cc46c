"""The page in a real browser: Debian's Chromium, driven by Playwright (extra ``browser``)."""

from __future__ import annotations

import json
import random
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from archcalc.page.serve import BUILT, Opened, Server

pytestmark = pytest.mark.skipif(
    not (BUILT / "index.html").is_file(),
    reason="the page is not built: npm --prefix web ci && npm --prefix web run build",
)

SMALL = """\
name: small
input: [3, 32, 32]
vars: {width: 16}
layers:
  conv: {op: Conv2d, out_channels: =width, kernel_size: 3, padding: 1}
  pool: {op: GlobalAvgPool, keepdim: false}
  fc: {op: Linear, out_features: 10}
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watched") / "small.yaml"


@pytest.fixture(scope="module")
def serving(spec: Path) -> Iterator[dict[str, str]]:
    """Addresses of a server without a file, and of one that watches a file."""
    spec.write_text(SMALL)
    servers = {"plain": Server(Opened()), "file": Server(Opened(str(spec)))}
    threads = [Thread(target=server.serve_forever) for server in servers.values()]
    for thread in threads:
        thread.start()
    yield {name: server.url for name, server in servers.items()}
    for server, thread in zip(servers.values(), threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of the size of a desktop, on which nothing may go wrong unseen."""
    found = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    wrong: list[str] = []
    found.on("pageerror", lambda error: wrong.append(str(error)))
    found.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    foreign: list[str] = []
    found.on("request", lambda asked: foreign.append(asked.url))
    yield found
    assert not wrong
    assert all(re.match(r"(http://127\.0\.0\.1:\d+/|data:|blob:)", url) for url in foreign)
    found.context.close()


def total(page: Any, name: str) -> str:
    found: str = page.locator("#totals div", has_text=name).locator("dd").first.inner_text()
    return found


def wait(page: Any, text: str) -> None:
    page.wait_for_function(
        "text => document.getElementById('totals').innerText.includes(text)", arg=text
    )


def write(page: Any, text: str) -> None:
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def test_it_begins_with_a_network(page: Any, serving: dict[str, str]) -> None:
    page.goto(serving["plain"])
    wait(page, "6,998,552")
    assert total(page, "MACs") == "1,582,671,872"
    assert page.locator("#table tbody tr").count() == 17
    page.locator("tr[data-layer=inception3a] .fold").click()
    assert page.locator("tr[data-layer='inception3a.conv1x1.conv']").is_visible()


def test_an_edit_is_counted_and_a_mistake_marked(page: Any, serving: dict[str, str]) -> None:
    page.goto(serving["plain"])
    wait(page, "6,998,552")
    write(page, SMALL)
    wait(page, "618")  # 28*16 + 17*10
    write(page, SMALL.replace("kernel_size", "kernel_siz"))
    page.wait_for_selector("#stale:visible")
    assert "did you mean 'kernel_size'?" in page.locator("#problems").inner_text()
    assert page.locator(".cm-lintRange-error").count() >= 1
    assert total(page, "params") == "618"
    write(page, SMALL.replace("16", "32"))
    wait(page, "1,226")  # 28*32 + 33*10
    assert not page.locator("#stale").is_visible()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("  extra: {op: Con", "Conv2d"),
        ("  extra: Con", "Conv2d"),
        ("  extra: [{op: Conv2d, out_channels: 4}, BatchN", "BatchNorm2d"),
        ("  extra: {op: Conv2d, out", "out_channels"),
        ("  extra: {op: Conv2d, kernel_size: 3, rep", "repeat"),
        ("  extra: {block: tw", "twice"),
        ("  extra: tw", "twice"),
        ("  extra: {op: Add, from: [con", "conv"),
        ("docum", "documented"),
    ],
)
def test_what_a_spec_is_written_with_is_completed(
    page: Any, serving: dict[str, str], typed: str, offered: str
) -> None:
    page.goto(serving["plain"])
    wait(page, "6,998,552")
    with page.expect_response(lambda answer: "words" in (answer.request.post_data or "")):
        page.locator(".cm-content").click()
    blocks = "blocks:\n  twice: {layers: {a: ReLU, b: ReLU}}\n"
    write(page, SMALL.replace("layers:", f"{blocks}layers:", 1))
    page.keyboard.press("Control+End")
    page.keyboard.type(typed)
    page.wait_for_selector(f".cm-tooltip-autocomplete:has-text('{offered}')")


def test_a_number_says_why(page: Any, serving: dict[str, str]) -> None:
    page.goto(f"{serving['plain']}#n=alexnet")
    page.wait_for_selector("tr[data-layer=conv1]")
    page.locator("tr[data-layer=conv1] .why").first.click()
    page.wait_for_selector("#why:visible dd")
    assert "(W - F + 2P)/S + 1 = (227 - 11 + 2*0)/4 + 1 = 55" in page.locator("#why").inner_text()
    assert page.locator("#why .asked").inner_text() == "parameters"
    assert page.locator("#diagram g.on").count() == 1
    page.keyboard.press("Escape")
    assert not page.locator("#why").is_visible()


def test_the_drawing_and_the_table_point_at_each_other(page: Any, serving: dict[str, str]) -> None:
    page.goto(f"{serving['plain']}#n=googlenet")
    wait(page, "6,998,552")
    page.locator("#diagram g[data-layer=conv2]").click()
    assert page.locator("tr.on").get_attribute("data-layer") == "conv2"
    assert "conv2" in page.locator(".cm-shown").inner_text()


def test_a_slider_sets_a_variable(page: Any, serving: dict[str, str]) -> None:
    page.goto(serving["plain"])
    wait(page, "6,998,552")
    write(page, SMALL)
    wait(page, "618")
    page.locator("#variables summary").click()
    slider = page.locator("#var-width")
    slider.focus()
    slider.press("ArrowRight")
    wait(page, "656")  # 28*17 + 18*10


def test_a_link_holds_the_state(page: Any, browser: Any, serving: dict[str, str]) -> None:
    page.goto(serving["plain"])
    wait(page, "6,998,552")
    write(page, SMALL)
    wait(page, "618")
    page.locator("#batch").fill("2")
    page.locator("#batch").press("Enter")
    wait(page, "885,056")  # 2 images of 27*16*32*32 + 160 products
    page.wait_for_function("() => location.hash.includes('b=2')")
    other = browser.new_page()
    other.goto(page.url)
    wait(other, "885,056")
    assert "out_features: 10" in other.locator(".cm-content").inner_text()
    other.close()


def test_a_network_is_picked_by_name_and_by_variant(page: Any, serving: dict[str, str]) -> None:
    page.goto(serving["plain"])
    wait(page, "6,998,552")
    page.locator("#network").fill("resnet50")
    page.locator("#network").press("Enter")
    wait(page, "25,557,032")  # torchvision's
    page.locator("#variant").select_option("resnet18")
    wait(page, "11,689,512")  # torchvision's
    assert page.url.endswith("#n=resnet18")
    page.locator("#network").fill("../../x")
    page.locator("#network").press("Enter")
    page.wait_for_selector("#problems li")
    assert "no network '../../x'" in page.locator("#problems").inner_text()


def test_a_model_is_dropped(page: Any, serving: dict[str, str], tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    shape = onnx.TensorProto.FLOAT
    weight = helper.make_tensor("w", shape, [2, 4], [0.0] * 8)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["y"], name="fc", transB=1)],
        "tiny",
        [helper.make_tensor_value_info("x", shape, [1, 4])],
        [helper.make_tensor_value_info("y", shape, [1, 2])],
        [weight],
    )
    file = tmp_path / "tiny.onnx"
    onnx.save(helper.make_model(graph), file)
    page.goto(serving["plain"])
    wait(page, "6,998,552")
    page.locator("#file").set_input_files(file)
    page.wait_for_function(
        "() => document.querySelector('.cm-content').innerText.includes('Linear')"
    )
    page.wait_for_function("() => document.querySelector('#totals dd').innerText === '8'")


def test_of_a_large_model_only_what_says_its_network_is_sent(
    page: Any, serving: dict[str, str], tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weight = helper.make_tensor("w", kind, [2000, 1000], bytes(8_000_000), raw=True)
    bias = helper.make_tensor("b", kind, [2000], bytes(8_000), raw=True)
    graph = helper.make_graph(
        [
            helper.make_node("Constant", [], ["w"], value=weight),
            helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="fc", transB=1),
        ],
        "large",
        [helper.make_tensor_value_info("x", kind, [1, 1000])],
        [helper.make_tensor_value_info("y", kind, [1, 2000])],
        [bias],
    )
    onnx.save(helper.make_model(graph), tmp_path / "large.onnx")
    dense = {"class_name": "Dense", "config": {"name": "fc", "units": 3000}}
    begin = {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [None, 1000]}}
    layers = {"name": "large", "layers": [begin, dense]}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / f"large{method}.keras", "w", method) as archive:
            archive.writestr("model.weights.h5", random.Random(0).randbytes(6_000_000))
            archive.writestr(
                "config.json", json.dumps({"class_name": "Sequential", "config": layers})
            )
    (tmp_path / "broken.onnx").write_bytes(b"\x3a\xff\xff\xff\xff\x0f broken")
    page.goto(serving["plain"])
    wait(page, "6,998,552")
    sent: list[int] = []
    page.on("request", lambda asked: sent.append(len(asked.post_data or "")))
    files = {"large.onnx": "2,002,000", "large0.keras": "3,003,000", "large8.keras": "3,003,000"}
    for name, params in files.items():
        write(page, SMALL)
        wait(page, "618")
        page.locator("#file").set_input_files(tmp_path / name)
        wait(page, params)
    assert max(sent) < 20_000
    page.locator("#file").set_input_files(tmp_path / "broken.onnx")
    page.wait_for_selector("#notice:has-text('broken.onnx')")


@pytest.mark.parametrize("size", [(1100, 800), (390, 844)])
def test_the_work_of_a_layer_is_seen_on_narrow_screens(
    browser: Any, serving: dict[str, str], size: tuple[int, int]
) -> None:
    wide, high = size
    page = browser.new_context(viewport={"width": wide, "height": high}).new_page()
    page.goto(serving["plain"])
    wait(page, "6,998,552")
    where = page.locator(".scroll").first.bounding_box()
    row = page.locator("tr[data-layer=inception4e]")
    cell = row.locator("[data-column=macs]").bounding_box()
    assert cell["x"] + cell["width"] <= where["x"] + where["width"] + 1
    row.locator(".why").last.click()  # and the row that is asked about stays in sight
    page.wait_for_selector("#why:visible dd")
    page.wait_for_function(
        """() => {
          const row = document.querySelector("tr[data-layer=inception4e]").getBoundingClientRect();
          const why = document.getElementById("why").getBoundingClientRect();
          return row.right < why.left + row.width / 2 || row.bottom <= why.top;
        }"""
    )
    page.locator("#columns summary").click()  # what is chosen is shown
    page.locator("#columns [value=groups]").check()
    page.wait_for_selector("#table [data-column=kernel]:visible")
    page.context.close()


def test_a_file_is_watched_and_saved(page: Any, serving: dict[str, str], spec: Path) -> None:
    page.goto(serving["file"])
    wait(page, "618")
    write(page, SMALL.replace("16", "32"))
    wait(page, "1,226")
    page.locator("#save").click()
    page.wait_for_selector("#notice:has-text('saved')")
    assert "width: 32" in spec.read_text()
    spec.write_text(SMALL)
    wait(page, "618")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_it(
    browser: Any, serving: dict[str, str], scheme: str
) -> None:
    size = {"width": 390, "height": 844}
    page = browser.new_context(viewport=size, color_scheme=scheme).new_page()
    page.goto(serving["plain"])
    wait(page, "6,998,552")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for name in ("Spec", "Drawing", "Numbers"):
        page.get_by_role("button", name=name, exact=True).click()
        assert page.locator(f"#{name.lower()}").is_visible()
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    page.context.close()


def test_it_is_used_by_keys_and_read_aloud(page: Any, serving: dict[str, str]) -> None:
    page.goto(serving["plain"])
    wait(page, "6,998,552")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, input:not([hidden]), select, textarea')]
            .filter(each => !each.closest('.cm-editor'))
            .filter(each => !(each.textContent.trim() || each.labels?.length || each.ariaLabel))
            .map(each => each.outerHTML)"""
    )
    assert unnamed == []
    assert page.locator("#table th[scope=row]").count() > 0
    page.locator("tr[data-layer=conv1] .fold").focus()
    page.keyboard.press("Enter")
    assert page.locator("tr[data-layer='conv1.conv']").is_visible()
    page.locator("tr[data-layer='conv1.conv'] .why").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#why:visible")
