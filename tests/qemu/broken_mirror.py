"""A Debian mirror that announces a package's size, sends half of it, and hangs up. All else is Debian's own."""

from __future__ import annotations

import contextlib
import http.server
import os
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BrokenMirror", "broken_mirror"]

DEBIAN = "http://deb.debian.org/debian"


class BrokenMirror(http.server.ThreadingHTTPServer):
    """It serves one package itself, whole once it is `mended`."""

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name, self.content = name, content
        self.mended = False

    @property
    def url(self) -> str:
        """What ENDIANPROOF_DEBIAN_MIRROR is set to."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: BrokenMirror

    def do_GET(self) -> None:
        if unquote(self.path).rpartition("/")[2] == unquote(self.server.name):
            self._send(self.server.content, broken=not self.server.mended)
            return
        try:
            mirror = os.environ.get("ENDIANPROOF_DEBIAN_MIRROR", DEBIAN)
            with urllib.request.urlopen(mirror + self.path) as found:  # noqa: S310 (the user's own)
                self._send(found.read(), broken=False)
        except urllib.error.HTTPError as error:
            self.send_error(error.code)

    def _send(self, content: bytes, *, broken: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if broken else content)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def broken_mirror(name: str, content: bytes) -> Iterator[BrokenMirror]:
    """Serve one package by its file name, half of it until `mended` is set."""
    with BrokenMirror(name, content) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
