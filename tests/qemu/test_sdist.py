"""The source of a release, from an index of files: which one is taken, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import tarfile
import threading
from typing import ClassVar

import pytest
from packaging.requirements import Requirement

from endianproof.qemu import GuestError, fetch_source
from endianproof.qemu._wheels import guest_platform


def sdist(folder, version):
    path = folder / f"my_pkg-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo(f"my_pkg-{version}/setup.py")
        content = f"version = {version!r}".encode()
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return path


class Index:
    def __init__(self, folder):
        self.folder = folder / "my-pkg"
        self.folder.mkdir(parents=True)
        self.anchors = []

    def add(self, version, attributes="", sha256=None):
        path = sdist(self.folder, version)
        sha256 = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
        self.anchors.append(f'<a href="{path.name}#sha256={sha256}" {attributes}>{path.name}</a>')
        self.anchors.append(f'<a href="My_Pkg-{version}-cp313-cp313-win_amd64.whl">a wheel</a>')
        (self.folder / "index.html").write_text("\n".join(self.anchors))


@pytest.fixture
def index(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "nothing").as_uri())
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", (tmp_path / "simple").as_uri())
    return Index(tmp_path / "simple")


def fetched(tmp_path, text):
    folder = tmp_path / "fetched"
    folder.mkdir()
    return fetch_source(Requirement(text), guest_platform("3.13", "2.41"), folder)


@pytest.mark.parametrize(
    ("wanted", "version"),
    [
        ("My.Pkg", "1.10"),
        ("my-pkg<1.10", "1.9"),
        ("my_pkg==1.2", "1.2"),
        ("my_pkg==2.0rc1", "2.0rc1"),
    ],
)
def test_the_newest_that_fits_is_taken(index, tmp_path, wanted, version):
    for one in ("1.2", "1.9", "1.10", "2.0rc1"):
        index.add(one)
    source = fetched(tmp_path, wanted)
    assert source.name == f"my_pkg-{version}"
    assert (source / "setup.py").read_text() == f"version = {version!r}"


def test_what_is_not_for_the_guests_python_is_not_taken(index, tmp_path):
    index.add("1.0", 'data-requires-python="&gt;=3.9"')
    index.add("2.0", 'data-requires-python="&gt;=3.14"')
    assert fetched(tmp_path, "my-pkg").name == "my_pkg-1.0"


@pytest.mark.parametrize(("wanted", "version"), [("my-pkg", "1.0"), ("my-pkg==2.0", "2.0")])
def test_what_was_yanked_is_taken_only_where_it_is_asked_for(index, tmp_path, wanted, version):
    index.add("1.0")
    index.add("2.0", 'data-yanked="broken"')
    assert fetched(tmp_path, wanted).name == f"my_pkg-{version}"


@pytest.mark.parametrize("wanted", ["my-pkg>=3", "nowhere"])
def test_a_release_without_source_is_absent(index, tmp_path, wanted):
    index.add("1.0")
    with pytest.raises(GuestError, match="neither a wheel nor the source of") as caught:
        fetched(tmp_path, wanted)
    assert caught.value.kind == "absent"


def test_a_download_that_is_not_what_was_announced_is_refused(index, tmp_path):
    index.add("1.0", sha256="0" * 64)
    with pytest.raises(GuestError, match=r"my_pkg-1.0.tar.gz is not what the index announced"):
        fetched(tmp_path, "my-pkg")


def test_an_index_that_cannot_be_reached_is_no_network(index, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(GuestError, match=r"no network: http://127.0.0.1:9/simple/my-pkg/") as caught:
        fetched(tmp_path, "my-pkg")
    assert caught.value.kind == "network"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A private index of one release, over HTTP; `breaks` says how the download does, and who asked is kept."""
    content = sdist(tmp_path, "1.0").read_bytes()

    class Answers(http.server.BaseHTTPRequestHandler):
        asked_by: ClassVar[list[str | None]] = []
        breaks = ""

        def do_GET(self):
            self.asked_by.append(self.headers["Authorization"])
            page = self.path.endswith("/")
            body = b'<a href="my_pkg-1.0.tar.gz">it</a>' if page else content
            self.send_response(200)
            if page or self.breaks != "without a length":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if page or not self.breaks else body[: len(body) // 2])

        def log_message(self, *_):
            pass

    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as started:
        Answers.at = f"127.0.0.1:{started.server_port}"
        monkeypatch.setenv("PIP_INDEX_URL", f"http://{Answers.at}")
        threading.Thread(target=started.serve_forever, daemon=True).start()
        yield Answers
        started.shutdown()


@pytest.mark.parametrize(
    ("breaks", "message", "kind"),
    [
        ("with a length", r"my_pkg-1.0.tar.gz cannot be read: IncompleteRead", "network"),
        ("without a length", r"my_pkg-1.0.tar.gz is no source of a release: Compressed file ended", "damaged"),
    ],
)
def test_a_download_that_breaks_off_is_told(server, tmp_path, breaks, message, kind):
    server.breaks = breaks
    with pytest.raises(GuestError, match=message) as caught:
        fetched(tmp_path, "my-pkg")
    assert caught.value.kind == kind


def test_a_private_index_is_told_who_asks(server, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:pass%20word@{server.at}/simple")
    assert fetched(tmp_path, "my-pkg").name == "my_pkg-1.0"
    assert server.asked_by == [f"Basic {base64.b64encode(b'me:pass word').decode()}"] * 2


def test_a_message_has_no_password(index, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple")
    with pytest.raises(GuestError, match=r"no network: http://127.0.0.1:9/simple/my-pkg/") as caught:
        fetched(tmp_path, "my-pkg")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["pypi.org/simple", "http://[::1/simple", "http://host:port/simple"])
def test_an_address_that_is_none_is_named(index, tmp_path, monkeypatch, address):
    monkeypatch.setenv("PIP_INDEX_URL", address)
    with pytest.raises(GuestError, match="my-pkg/ cannot be read"):
        fetched(tmp_path, "my-pkg")
