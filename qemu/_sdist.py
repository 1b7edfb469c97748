"""The source of a release: found in the package index, downloaded, unpacked.

pip would run a release's code here only to say its name, so the index is asked directly (PEP 503), at the
addresses that pip is set to: `index-url`, `extra-index-url`, `cert`.
"""

from __future__ import annotations

import ast
import base64
import gzip
import hashlib
import http.client
import os
import re
import ssl
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import zlib
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename

from endianproof.qemu._error import GuestError
from endianproof.qemu._process import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from packaging.requirements import Requirement
    from packaging.version import Version

    from endianproof.qemu._wheels import WheelPlatform

__all__ = ["fetch_source"]

PYPI = "https://pypi.org/simple"
TIMEOUT_SECONDS = 60
SETTING = re.compile(r"(?P<where>:env:|download|global)\.(?P<name>index-url|extra-index-url|cert)=(?P<value>.*)")
STRONGEST_LAST = ("global", "download", ":env:")


def _settings() -> Mapping[str, str]:
    """What pip is set to, by its names for it."""
    lines = run((sys.executable, "-m", "pip", "config", "list"), env=os.environ).lines
    found = [match for line in lines if (match := SETTING.fullmatch(line))]
    found.sort(key=lambda match: STRONGEST_LAST.index(match["where"]))
    return {match["name"]: str(ast.literal_eval(match["value"])) for match in found}


@dataclass(frozen=True)
class _File:
    """One sdist that an index lists."""

    url: str
    version: Version
    sha256: str
    python: str
    yanked: bool

    def fits(self, requirement: Requirement, python: str) -> bool:
        try:
            runs = SpecifierSet(self.python).contains(python, prereleases=True)
        except InvalidSpecifier:
            runs = True
        pinned = any(one.operator in {"==", "==="} for one in requirement.specifier)
        return runs and (pinned or not self.yanked)


class _Page(HTMLParser):
    """One project's page: an anchor for each file."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__()
        self.url, self.name = url, name
        self.files: list[_File] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag != "a" or "href" not in given:
            return
        url = urllib.parse.urljoin(self.url, given["href"])
        path = urllib.parse.urlparse(url)
        try:
            name, version = parse_sdist_filename(urllib.parse.unquote(path.path.rpartition("/")[2]))
        except InvalidSdistFilename:  # a wheel, or something older than both
            return
        sums = urllib.parse.parse_qs(path.fragment).get("sha256", [""])
        if name == self.name and path.path.endswith(".tar.gz"):
            python, yanked = given.get("data-requires-python", ""), "data-yanked" in given
            self.files.append(_File(urllib.parse.urldefrag(url).url, version, sums[0], python, yanked))


def _request(url: str) -> urllib.request.Request:
    """An address, and who asks: urllib itself takes NAME:PASSWORD@ for a part of the host's name."""
    parts = urllib.parse.urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    plain = parts._replace(netloc=host).geturl()
    request = urllib.request.Request(plain, headers={"Accept": "text/html"})  # noqa: S310 (pip is set to this address)
    if user:
        secret = base64.b64encode(urllib.parse.unquote(user).encode()).decode("ascii")
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    return request


def _read(url: str, certificates: str | None) -> bytes:
    """Raises OSError, of which urllib's errors are."""
    try:
        context = ssl.create_default_context(cafile=certificates)
        with urllib.request.urlopen(_request(url), timeout=TIMEOUT_SECONDS, context=context) as answer:  # noqa: S310 (as above)
            return bytes(answer.read())
    except (http.client.HTTPException, ValueError) as error:  # an answer that broke off, and what is no address
        raise OSError(str(error)) from error


def _listed(name: str, settings: Mapping[str, str]) -> Iterator[_File]:
    """All sdists of a package, in every index. Raises GuestError."""
    indexes = (settings.get("index-url", PYPI), *settings.get("extra-index-url", "").split())
    for index in indexes:
        page = _Page(f"{index.rstrip('/')}/{name}/", name)
        where = page.url if not page.url.startswith("file:") else f"{page.url}index.html"
        try:
            page.feed(_read(where, settings.get("cert")).decode(errors="replace"))
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise _unreachable(where, error) from error
        except OSError as error:
            if not where.startswith("file:"):
                raise _unreachable(where, error) from error
        yield from page.files


def _unreachable(url: str, error: Exception) -> GuestError:
    hint = "connect this machine, or set up pip's index, then run it again"
    shown = re.sub(r"//[^/]*@", "//", url)  # without a password
    return GuestError(f"no network: {shown} cannot be read: {error}", hint, kind="network")


def fetch_source(requirement: Requirement, where: WheelPlatform, folder: Path) -> Path:
    """Download the newest sdist that fits, and unpack it below `folder`, which is empty.

    Returns the folder of the source, which is called NAME-VERSION. Raises GuestError, OSError.
    """
    settings, name = _settings(), canonicalize_name(requirement.name)
    python = where.environment["python_full_version"]
    files = {one.version: one for one in _listed(name, settings) if one.fits(requirement, python)}
    fitting = sorted(requirement.specifier.filter(files))
    if not fitting:
        raise GuestError(
            f"there is neither a wheel nor the source of {requirement} for {where.label}",
            "check the name and the version; a source that you have is given by its folder: --with=./NAME",
            kind="absent",
        )
    return _unpacked(files[fitting[-1]], settings.get("cert"), folder)


def _unpacked(file: _File, certificates: str | None, folder: Path) -> Path:
    try:
        content = _read(file.url, certificates)
    except OSError as error:
        raise _unreachable(file.url, error) from error
    archive = folder / file.url.rpartition("/")[2]
    if file.sha256 and hashlib.sha256(content).hexdigest() != file.sha256:
        raise GuestError(f"{archive.name} is not what the index announced: its checksum differs", kind="damaged")
    archive.write_bytes(content)
    try:
        with tarfile.open(archive) as opened:
            # Debian 12's Python 3.11.2 has no filters yet, and 3.12 warns where none is chosen.
            opened.extraction_filter = getattr(tarfile, "data_filter", None)
            opened.extractall(folder)  # noqa: S202 (its code is to run next)
        (source,) = (path for path in folder.iterdir() if path.is_dir())
    except (tarfile.TarError, ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise GuestError(f"{archive.name} is no source of a release: {error}", kind="damaged") from error
    return source
