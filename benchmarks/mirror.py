"""A Debian mirror on this machine, so that the network is no part of a figure: what was asked for once is kept."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["mirror"]

DEBIAN = "http://deb.debian.org/debian"


class _Mirror(http.server.ThreadingHTTPServer):
    def __init__(self, archives: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.packages = {unquote(path.name): path for path in archives.glob("*.deb")}
        self.kept: dict[str, bytes] = {}

    def content(self, path: str) -> bytes:
        """A package, a list by its path or by its digest, or whatever Debian has there. Raises URLError."""
        name = unquote(path).rpartition("/")[2]
        if name in self.packages:
            return self.packages[name].read_bytes()
        if name not in self.kept and path not in self.kept:
            url = os.environ.get("ENDIANPROOF_DEBIAN_MIRROR", DEBIAN) + path
            with urllib.request.urlopen(url) as found:  # noqa: S310 (the user's own mirror)
                content: bytes = found.read()
            self.kept |= {path: content, hashlib.sha256(content).hexdigest(): content}
        return self.kept[name] if name in self.kept else self.kept[path]


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Mirror), "which is what answers by this class"
        try:
            content = self.server.content(self.path)
        except urllib.error.HTTPError as error:
            self.send_error(error.code)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Say nothing."""


@contextlib.contextmanager
def mirror(archives: Path) -> Iterator[str]:
    """Serve these packages, and all else that Debian has; the mirror's URL."""
    with _Mirror(archives) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
