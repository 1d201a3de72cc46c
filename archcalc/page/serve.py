"""The page for the one who runs this, on the machine's own address and no other.

A page of anybody's that is open in the same browser must learn nothing and write nothing here. So
the name it was asked by is checked (DNS rebinding), where a request comes from, and its type: a
page from elsewhere can send ``application/json`` only after asking, which is not answered.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from archcalc.document.data import dumps
from archcalc.errors import ArchcalcError, SpecError
from archcalc.frontends.sources import graph, is_foreign
from archcalc.page.engine import SECONDS, Engine
from archcalc.page.request import LARGEST_REQUEST
from archcalc.spec import text, zoo

ADDRESS = "127.0.0.1"

NOT_BUILT = (
    "the page is not built\n  in a clone of the repository, with node: "
    "npm --prefix web ci && npm --prefix web run build"
)

BUILT = Path(__file__).parent / "built"
"""Where the page lies that ``npm run build`` makes in ``web/``."""

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}

PATIENCE = 10
"""Seconds that may pass while a request arrives."""

HEADERS = {
    "Cache-Control": "no-store",
    # Styles are written by the editor and in drawings; code is the page's own alone.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Opened:
    """What the page begins with: nothing, a network of the zoo, a spec's file, or a model's."""

    def __init__(self, source: str | None = None) -> None:
        """Raises :class:`ArchcalcError` for what can't be read."""
        self.name: str | None = None
        self.file: Path | None = None
        self._text = ""
        if source is None:
            return
        if is_foreign(source):
            from archcalc.frontends.fold import written
            from archcalc.spec.form import SCHEMA, as_yaml

            self._text = as_yaml(written(graph(source)), SCHEMA)
        elif not os.path.isfile(source) and zoo.find(source) is not None:
            self.name = source
        else:
            self._text, _ = text.contents(source)
            self.file = Path(source)

    def data(self) -> dict[str, Any]:
        """What the page is told: a name, or a text, and which edition of the file that is."""
        if self.name is not None:
            return {"name": self.name}
        if self.file is None:
            return {"text": self._text} if self._text else {}
        with suppress(SpecError):  # it is being written, or gone: what was there last
            self._text, _ = text.contents(self.file)
        return {"file": self.file.name, "text": self._text, "stamp": self.stamp()}

    def stamp(self) -> str:
        """What changes whenever the file does."""
        try:
            found = os.stat(self.file or "")
        except OSError:
            return ""
        return f"{found.st_mtime_ns}-{found.st_size}"

    def save(self, content: str, stamp: str) -> bool:
        """Write the file, whole or not at all; False where it is not the edition that is meant.

        Raises :class:`ArchcalcError` where there is none, or it can't be written.
        """
        if self.file is None:
            raise ArchcalcError("no file was opened")
        if stamp != self.stamp():
            return False
        target = self.file.resolve()
        try:
            number, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            try:
                with os.fdopen(number, "w", encoding="utf-8", newline="") as out:
                    out.write(content)
                os.chmod(part, target.stat().st_mode & 0o777)
                os.replace(part, target)
            except BaseException:
                os.unlink(part)
                raise
        except OSError as error:
            raise ArchcalcError(f"{self.file}: can't be written: {error.strerror}") from None
        return True


class Server(ThreadingHTTPServer):
    """Serves the page on ``port`` of this machine, 0 for one that is free."""

    daemon_threads = True

    def __init__(
        self, opened: Opened, port: int = 0, seconds: float = SECONDS, built: Path = BUILT
    ) -> None:
        """Raises :class:`ArchcalcError` where the page is not built, or the port is taken."""
        if not (built / "index.html").is_file():
            raise ArchcalcError(NOT_BUILT)
        self.pages = {
            f"/{path.name}": (path.read_bytes(), TYPES[path.suffix])
            for path in built.iterdir()
            if path.suffix in TYPES
        }
        self.pages["/"] = self.pages["/index.html"]
        self.opened = opened
        self.engine: Engine | None = None
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ArchcalcError(f"port {port}: {reason}\n  --port says another") from None
        self.hosts = {f"{name}:{self.server_port}" for name in (ADDRESS, "localhost")}
        self.engine = Engine(seconds)  # not for one that finds no port

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_port}/"

    def server_close(self) -> None:
        """End the engine, too."""
        super().server_close()
        if self.engine is not None:
            self.engine.close()


class _Refused(Exception):
    def __init__(self, status: HTTPStatus) -> None:
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = PATIENCE
    server_version = "archcalc"
    sys_version = ""

    def do_GET(self) -> None:
        self._answered(self._get)

    def do_POST(self) -> None:
        self._answered(self._post)

    def _answered(self, how: Any) -> None:
        try:
            self._check()
            how()
        except _Refused as refused:
            self.close_connection = True
            self._send(b"", "text/plain", refused.status)
        except OSError:  # whoever asked is gone, or slow
            self.close_connection = True

    def _check(self) -> None:
        host, origin = self.headers.get_all("Host", []), self.headers.get("Origin")
        if len(host) != 1 or host[0] not in self.server.hosts:
            raise _Refused(HTTPStatus.MISDIRECTED_REQUEST)
        if origin is not None and origin != f"http://{host[0]}":
            raise _Refused(HTTPStatus.FORBIDDEN)

    def _get(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/opened":
            if query and query == self.server.opened.stamp():
                self._send(b"", "text/plain", HTTPStatus.NO_CONTENT)
            else:
                self._json(self.server.opened.data())
            return
        if path not in self.server.pages:
            raise _Refused(HTTPStatus.NOT_FOUND)
        self._send(*self.server.pages[path])

    def _post(self) -> None:
        if self.path not in ("/ask", "/save"):
            raise _Refused(HTTPStatus.NOT_FOUND)
        if self.headers.get_content_type() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise _Refused(HTTPStatus.LENGTH_REQUIRED)
        if len(length) > 10 or int(length) > LARGEST_REQUEST:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            body = self.rfile.read(int(length)).decode("utf-8")
        except UnicodeDecodeError:
            raise _Refused(HTTPStatus.BAD_REQUEST) from None
        if self.path == "/ask":
            assert self.server.engine is not None
            self._send(self.server.engine.respond(body).encode(), "application/json")
        else:
            self._save(body)

    def _save(self, body: str) -> None:
        try:
            asked = json.loads(body)
            content, stamp = asked["text"], asked["stamp"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _Refused(HTTPStatus.BAD_REQUEST) from None
        if not isinstance(content, str) or len(content) > text.LARGEST_FILE:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        opened = self.server.opened
        try:
            if opened.save(content, stamp):
                self._json({"ok": True, "stamp": opened.stamp()})
            else:
                self._json({"ok": False, "message": "the file was changed since it was read"})
        except ArchcalcError as error:
            self._json({"ok": False, "message": str(error)})

    def _json(self, data: Mapping[str, Any]) -> None:
        self._send(dumps(data).encode("utf-8", "replace"), "application/json")

    def _send(self, body: bytes, type: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """What is asked is nobody's business."""
