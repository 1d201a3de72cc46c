"""The page's server, as browsers and strangers meet it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from archcalc.errors import ArchcalcError
from archcalc.page.engine import Engine
from archcalc.page.serve import Opened, Server

SMALL = "name: small\ninput: [4]\nlayers:\n  fc: {op: Linear, out_features: 2}\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    (folder / "index.html").write_text("<title>page</title>")
    (folder / "page.js").write_text("0")
    (folder / "secret.txt").write_text("secret")
    return folder


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("spec") / "small.yaml"
    file.write_text(SMALL)
    return file


@pytest.fixture(scope="module")
def server(built: Path, spec: Path) -> Iterator[Server]:
    found = Server(Opened(str(spec)), built=built)
    thread = Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def send(
    server: Server, method: str, path: str, body: str | bytes | None = None, **headers: str
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        named.setdefault("Content-Type", "application/json")
    connection.request(method, path, body, named)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def post(server: Server, path: str, data: Any, **headers: str) -> Any:
    response, content = send(server, "POST", path, json.dumps(data), **headers)
    assert response.status == 200
    return json.loads(content)


def test_the_page_is_served_and_nothing_of_anybody_else_may_run_in_it(server: Server) -> None:
    response, content = send(server, "GET", "/")
    assert (response.status, content) == (200, b"<title>page</title>")
    policy = response.getheader("Content-Security-Policy") or ""
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert response.getheader("X-Content-Type-Options") == "nosniff"
    assert response.getheader("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize(
    "path", ["/secret.txt", "/../small.yaml", "/%2e%2e/small.yaml", "//etc/passwd", "/built", "*"]
)
def test_no_other_file_is_served(server: Server, path: str) -> None:
    response, content = send(server, "GET", path)
    assert (response.status, content) == (404, b"")


def test_a_request_is_answered(server: Server) -> None:
    # 4*2 weights and 2 biases.
    found = post(server, "/ask", {"ask": "analyze", "text": SMALL})
    assert found["totals"]["params"] == "10"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "[::1]:80", ""])
def test_another_name_of_this_machine_is_refused(server: Server, method: str, host: str) -> None:
    body = "{}" if method == "POST" else None
    response, content = send(server, method, "/opened", body, Host=host)
    assert (response.status, content) == (421, b"")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1"])
def test_a_page_from_elsewhere_is_refused(server: Server, origin: str) -> None:
    for path, body in (("/ask", "{}"), ("/save", "{}")):
        assert send(server, "POST", path, body, Origin=origin)[0].status == 403
    assert send(server, "GET", "/opened", Origin=origin)[0].status == 403


def test_its_own_page_is_not(server: Server) -> None:
    own = f"http://127.0.0.1:{server.server_port}"
    assert post(server, "/ask", {"ask": "networks"}, Origin=own)["ok"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_what_a_form_can_send_is_refused(server: Server, kind: str) -> None:
    for path in ("/ask", "/save"):
        assert send(server, "POST", path, "{}", Content_Type=kind)[0].status == 415


def test_a_browser_that_asks_whether_it_may_is_not_told_so(server: Server) -> None:
    response, _ = send(server, "OPTIONS", "/ask", Origin="http://evil.example")
    assert response.status == 501
    assert response.getheader("Access-Control-Allow-Origin") is None


def test_a_body_has_a_length_and_a_limit(server: Server) -> None:
    assert send(server, "POST", "/ask", "", Content_Length="9" * 30)[0].status == 413
    assert send(server, "POST", "/ask", "", Content_Length=str(2**24))[0].status == 413
    assert send(server, "POST", "/ask", "", Content_Length="-1")[0].status == 411
    assert send(server, "POST", "/ask", b"\xff")[0].status == 400
    assert send(server, "POST", "/save", "[1]")[0].status == 400
    assert send(server, "POST", "/save", "[" * 50_000)[0].status == 400
    assert send(server, "POST", "/nothing", "{}")[0].status == 404


def test_the_file_is_watched_and_saved_back(server: Server, spec: Path) -> None:
    opened = json.loads(send(server, "GET", "/opened")[1])
    assert (opened["file"], opened["text"]) == ("small.yaml", SMALL)
    assert send(server, "GET", f"/opened?{opened['stamp']}")[0].status == 204

    changed = SMALL.replace("2", "3")
    saved = post(server, "/save", {"text": changed, "stamp": opened["stamp"]})
    assert saved["ok"]
    assert spec.read_text() == changed
    assert [path.name for path in spec.parent.iterdir()] == ["small.yaml"]

    spec.write_text(SMALL.replace("2", "5000"))
    assert not post(server, "/save", {"text": changed, "stamp": saved["stamp"]})["ok"]
    assert "5000" in spec.read_text()
    again = json.loads(send(server, "GET", f"/opened?{saved['stamp']}")[1])
    assert "5000" in again["text"]


def test_without_a_file_nothing_is_written(built: Path) -> None:
    with pytest.raises(ArchcalcError, match="no file"):
        Opened("lenet5").save("", "")
    assert Opened("lenet5").data() == {"name": "lenet5"}
    assert Opened().data() == {}


def test_what_was_opened_keeps_its_rights(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(SMALL)
    file.chmod(0o640)
    opened = Opened(str(file))
    assert opened.save("x", opened.stamp())
    assert os.stat(file).st_mode & 0o777 == 0o640


def test_bad_beginnings_are_told(built: Path, server: Server, tmp_path: Path) -> None:
    with pytest.raises(ArchcalcError, match="no such file"):
        Opened("nothing.yaml")
    with pytest.raises(ArchcalcError, match="npm"):
        Server(Opened(), built=tmp_path)
    with pytest.raises(ArchcalcError, match="--port"):
        Server(Opened(), server.server_port, built=built)


def test_what_takes_too_long_is_stopped_and_the_next_is_answered() -> None:
    engine = Engine(seconds=0.001)
    try:
        slow = json.loads(engine.respond('{"ask": "analyze", "name": "resnet50"}'))
        assert "too long" in slow["problems"][0]["message"]
        engine._seconds = 60
        assert json.loads(engine.respond('{"ask": "networks"}'))["ok"]
    finally:
        engine.close()
