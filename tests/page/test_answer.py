"""A request of the page to its answer."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from archcalc.page.answer import respond
from archcalc.spec import zoo

SMALL = """\
name: small
input: [3, 32, 32]
vars: {width: 16}
layers:
  conv: {op: Conv2d, out_channels: =width, kernel_size: 3, padding: 1}
  relu: ReLU
  pool: {op: GlobalAvgPool, keepdim: false}
  fc: {op: Linear, out_features: 10}
"""


def ask(**request: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(respond(json.dumps(request)))
    return found


def analyze(**request: Any) -> dict[str, Any]:
    found = ask(ask="analyze", **request)
    assert found["ok"], found
    return found


def refused(**request: Any) -> list[dict[str, Any]]:
    found = ask(**request)
    assert not found["ok"], found
    problems: list[dict[str, Any]] = found["problems"]
    return problems


def test_a_network_of_the_zoo_has_its_published_totals() -> None:
    # torchvision's documentation of ResNet-50: 25,557,032 parameters.
    assert analyze(name="resnet50")["totals"]["params"] == "25,557,032"


def test_a_text_is_analyzed() -> None:
    found = analyze(text=SMALL)
    # (3*3*3 + 1)*16 + (16 + 1)*10, and 27*16*32*32 + 160.
    assert found["totals"]["params"] == "618"
    assert found["totals"]["MACs"] == "442,528"
    assert found["vars"] == {"width": 16}
    assert found["inputs"] == {"input": [3, 32, 32]}
    assert found["places"] == {"conv": 5, "relu": 6, "pool": 7, "fc": 8}


def test_variables_batch_and_input_are_set() -> None:
    found = analyze(text=SMALL, vars={"width": 32}, batch=2, input={"input": [3, 16, 16]})
    # 2 images of 27*32 products at 16*16 places, and 32*10.
    assert found["totals"]["MACs"] == f"{2 * (27 * 32 * 256 + 320):,}"
    assert found["vars"] == {"width": 32}


def test_stages_open_to_layers_and_add_up() -> None:
    table = analyze(name="googlenet", columns=["layer", "params"])["table"]
    rows = table["rows"]
    assert [column["name"] for column in table["columns"]] == ["layer", "params"]
    total = sum(int(row["cells"][1].replace(",", "")) for row in rows)
    # The sum of the parameters in table 1 of the paper, with biases, is pinned in the zoo.
    assert f"{total:,}" == table["sums"][1] == "6,998,552"
    opened = next(row for row in rows if row["name"] == "inception3a")
    within = sum(int(row["cells"][1].replace(",", "")) for row in opened["layers"])
    assert f"{within:,}" == opened["cells"][1]


def test_a_problem_has_its_place() -> None:
    text = SMALL.replace("kernel_size: 3", "kernel_siz: 3")
    missing, misspelt = refused(ask="analyze", text=text)
    assert missing["message"] == "Conv2d needs 'kernel_size'"
    assert (misspelt["line"], misspelt["column"]) == (5, 44)
    assert misspelt["hint"] == "did you mean 'kernel_size'?"


def test_all_problems_come_at_once() -> None:
    text = SMALL.replace("ReLU", "Relo").replace("out_features: 10", "out_features: 0")
    assert [problem["line"] for problem in refused(ask="analyze", text=text)] == [6, 8]


def test_a_number_is_explained() -> None:
    found = ask(ask="explain", text=SMALL, layer="conv")
    assert "(3*3*3 + 1)*16 = 448" in found["html"]


def test_every_convention_has_its_number_and_what_it_is_blind_to() -> None:
    found = {each["name"]: each for each in analyze(text=SMALL)["conventions"]}
    assert found["macs"]["number"] == "442,528"
    assert found["2xmacs"]["number"] == "885,056"


def test_what_a_position_sees() -> None:
    (height, width) = analyze(text=SMALL)["fields"]["conv"]
    # A 3x3 window, of which position 16 begins one before it; the end is the first not seen.
    assert height == width
    assert (height["size"], height["middle"]) == (3, [15, 18])


def test_memory_says_what_is_there_while_each_layer_runs() -> None:
    found = analyze(text=SMALL)["memory"]
    assert found["parts"]["weights"] == 4 * 618
    assert [layer for layer, *_ in found["moments"]] == ["conv", "relu", "pool", "fc"]
    # The input and the output of the convolution, in float32.
    assert found["moments"][0][1] == 4 * (3 * 32 * 32 + 16 * 32 * 32)


def test_what_is_drawn_has_the_layers_name() -> None:
    drawn = analyze(name="googlenet")["diagram"]
    assert {"conv1", "inception3a", "fc"} <= set(re.findall(r'data-layer="([^"]*)"', drawn))


def test_two_networks_are_compared() -> None:
    found = ask(ask="compare", text=SMALL, other={"text": SMALL.replace("16", "32")})
    assert "618" in found["html"]
    assert "1,226" in found["html"]  # (27 + 1)*32 + 33*10


def test_a_printed_number_is_reconciled() -> None:
    found = ask(ask="reconcile", text=SMALL, value="885,056")  # 2 * 442,528
    assert "counting 2 for a MAC" in found["html"]


def test_a_printed_table_is_audited() -> None:
    printed = "layer,output,params\nconv,16x32x32,448\nfc,10,171\n"
    found = ask(ask="audit", text=SMALL, table=printed)
    assert found["html"].startswith("<h1>the table</h1>")  # no folder of ours
    assert found["ok"], found
    assert "<mark>171" in found["html"]


def test_the_least_time_is_that_of_a_machine_that_is_shipped() -> None:
    assert "H100" in ask(ask="roofline", text=SMALL, machine="h100-sxm")["html"]
    (problem,) = refused(ask="roofline", text=SMALL, machine="/etc/passwd")
    assert "machine" in problem["message"]


def test_a_dropped_file_becomes_a_spec() -> None:
    cfg = "[net]\nheight=8\nwidth=8\nchannels=3\n[convolutional]\nfilters=4\nsize=3\npad=1\n"
    found = ask(ask="take", file="x.cfg", content=base64.b64encode(cfg.encode()).decode())
    assert found["ok"], found
    # (3*3*3 + 1)*4
    assert analyze(text=found["text"])["totals"]["params"] == "112"


def test_where_a_dropped_file_lies_is_not_told() -> None:
    content = base64.b64encode(b"nonsense").decode()
    (problem,) = refused(ask="take", file="net.cfg", content=content)
    assert "/" not in problem["message"]
    for file, said in (("a.exe", "can't be read"), ("../../etc/passwd", "can't be read")):
        assert said in refused(ask="take", file=file, content=content)[0]["message"]
    assert "whole" in refused(ask="take", file="a.cfg", content="%%%")[0]["message"]


def test_inside_a_page_no_onnx_file_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "emscripten")
    (problem,) = refused(ask="take", file="net.onnx", content="")
    assert problem["hint"] == "the page of 'archcalc serve' takes it"


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "-", "specs/googlenet.yaml", "torch:os:getcwd", "x.onnx"]
)
def test_a_name_is_never_a_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/googlenet.yaml").write_text(SMALL)
    for word in ("analyze", "explain", "compare", "reconcile", "audit"):
        other = {"name": name} if word == "compare" else None
        (problem,) = refused(ask=word, name=name, other=other, value="1M", table="a,b\n1,2")
        assert problem["message"] == f"no network '{name}'"


@pytest.mark.parametrize(
    "request_",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"ask": "load"}',
        '{"ask": "analyze", "path": "/etc/passwd"}',
        '{"ask": "analyze", "name": "resnet50", "batch": 0}',
        '{"ask": "analyze", "name": "resnet50", "batch": 1e400}',
        '{"ask": "analyze", "name": "resnet50", "input": {"input": [-1]}}',
        '{"ask": "analyze", "name": "resnet50", "input": {"inputs": [3, 2, 2]}}',
        '{"ask": "analyze", "name": "resnet50", "vars": {"side": "=9**9**9**9"}}',
        '{"ask": "analyze", "name": "resnet50", "vars": {"nothing": 1}}',
        '{"ask": "analyze", "name": "resnet50", "variant": "alexnet"}',
        '{"ask": "analyze", "name": "resnet50", "dtype": "float3"}',
        '{"ask": "analyze", "name": "resnet50", "convention": "macros"}',
        '{"ask": "analyze", "name": "resnet50", "columns": ["nothing"]}',
        '{"ask": "explain", "name": "resnet50", "layer": "nothing"}',
    ],
)
def test_bad_requests_are_answered(request_: str) -> None:
    found = json.loads(respond(request_))
    assert found["ok"] is False
    assert all(problem["message"] for problem in found["problems"])


def test_variables_with_names_of_our_own_are_variables() -> None:
    text = SMALL.replace("width", "training")
    assert analyze(text=text, vars={"training": 32})["totals"]["params"] == "1,226"


@pytest.mark.every_network
@pytest.mark.parametrize("name", list(zoo.words()))
def test_every_network_is_answered(name: str) -> None:
    found = analyze(name=name)
    # 58 layers of 256 experts each are more than a page draws.
    assert bool(found["diagram"]) is not name.startswith("deepseek")
    assert found["table"]["rows"]


def test_the_names_are_those_of_the_zoo() -> None:
    families = ask(ask="networks")["families"]
    assert [name for family in families for name in family["names"]] == list(zoo.words())


def test_words_to_complete_name_every_field() -> None:
    found = ask(ask="words")
    fields = [name for name, _ in found["operators"]["Conv2d"]["fields"]]
    assert {"out_channels", "kernel_size", "stride"} <= set(fields)
    assert {"op", "block", "from", "repeat"} <= set(found["layer"])
