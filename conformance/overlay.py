"""`--with=safetensors==0.4.2`: packages from PyPI, put in front of what the testee's side has installed.

    ROOT/overlays/PLATFORM/KEY.json     which folder a request led to, and when
    ROOT/overlays/PLATFORM/NAME-VERSION.../   what was unpacked; never changed afterwards
    ROOT/overlays/PLATFORM.lock         held while something is unpacked

An exact version is asked for once and kept. A range can mean another version tomorrow, so the index is asked
again after a day; the older folder stays, because another run may be using it.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from endianproof.qemu import (
    GuestError,
    cache_root,
    exclusive,
    host_platform,
    remove_tree,
    unpack_wheels,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from endianproof.qemu import Guest, WheelPlatform

__all__ = ["OverlayError", "overlay"]

RANGE_SECONDS = 24 * 3600.0
LONGEST_NAME = 100
EXAMPLE = "write it as safetensors==0.4.2, or as a range: safetensors<0.5"


class OverlayError(Exception):
    """An overlay cannot be had. The message says what happened, `hint` what to do about it (may be "")."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class _Request:
    """What was asked for, in one normal form, and for which platform."""

    requirements: tuple[str, ...]
    exact: bool
    platform: WheelPlatform
    folder: Path

    @property
    def record(self) -> Path:
        """The file that remembers the answer."""
        key = hashlib.sha256("\n".join(self.requirements).encode()).hexdigest()[:16]
        return self.folder / f"{key}.json"


def _parse(text: str) -> Requirement:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise OverlayError(f"{text!r} is not a package with a version: {reason}", EXAMPLE) from error
    if requirement.url or requirement.marker:
        unwanted = "a URL" if requirement.url else "a condition"
        raise OverlayError(f"{text!r} has {unwanted}; only a name and versions are taken", EXAMPLE)
    return requirement


def _is_exact(requirement: Requirement) -> bool:
    return any(
        specifier.operator in {"==", "==="} and "*" not in specifier.version for specifier in requirement.specifier
    )


def _request(requirements: Sequence[str], guest: Guest | None) -> _Request:
    parsed: dict[str, Requirement] = {}
    for text in requirements:
        requirement = _parse(text)
        name = canonicalize_name(requirement.name)
        if name in parsed:
            raise OverlayError(f"{name} is asked for twice: {parsed[name]} and {requirement}", "ask for it once")
        parsed[name] = requirement
    platform = guest.wheel_platform if guest else host_platform()
    return _Request(
        requirements=tuple(sorted(map(str, parsed.values()))),
        exact=all(map(_is_exact, parsed.values())),
        platform=platform,
        folder=cache_root() / "overlays" / platform.tag,
    )


def _remembered(request: _Request) -> tuple[Path, float] | None:
    """The folder that the same request led to before, and how many seconds ago."""
    try:
        record = json.loads(request.record.read_text(encoding="utf-8"))
        folder = request.folder / record["folder"]
        age = time.time() - float(record["time"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None  # never asked for, or a record of another release of the suite: asked for anew
    return (folder, age) if folder.is_dir() else None


def _remember(request: _Request, folder: Path) -> None:
    new = request.record.with_suffix(".new")
    record = {"folder": folder.name, "requirements": request.requirements, "time": time.time()}
    new.write_text(json.dumps(record) + "\n", encoding="utf-8")
    new.replace(request.record)


def _folder_name(versions: dict[str, str]) -> str:
    """Name a folder by its content: readable when it holds little, and always within a file name's length."""
    content = "-".join(f"{name}-{version}" for name, version in sorted(versions.items()))
    if len(content) <= LONGEST_NAME:
        return content
    return f"{len(versions)}-packages-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _unpack(request: _Request, lock: int) -> Path:
    """Unpack beside, then rename: what has its final name is complete."""
    partial = request.folder / "partial"
    remove_tree(partial)
    try:
        versions = unpack_wheels(request.requirements, partial, request.platform, keep_open=(lock,))
        folder = request.folder / _folder_name(versions)
        if not folder.is_dir():
            partial.rename(folder)
    finally:
        remove_tree(partial)
    _remember(request, folder)
    return folder


def _obtain(request: _Request, progress: Callable[[str], None]) -> Path:
    names = ", ".join(request.requirements)

    def waiting(holder: str) -> None:
        progress(f"waiting for another run that is fetching packages ({holder})")

    with exclusive(request.folder.with_name(f"{request.folder.name}.lock"), waiting) as lock:
        before = _remembered(request)
        if before and (request.exact or before[1] < RANGE_SECONDS):
            return before[0]
        progress(f"fetching {names} for {request.platform.label}")
        request.folder.mkdir(parents=True, exist_ok=True)
        try:
            return _unpack(request, lock)
        except GuestError as error:
            if before and error.kind == "network":
                progress(f"{error}: using {before[0].name}, fetched {before[1] / 3600:.0f} hours ago")
                return before[0]
            raise


def overlay(requirements: Sequence[str], guest: Guest | None, progress: Callable[[str], None]) -> Path | None:
    """Unpack packages for this machine's Python, or for a guest's, which must be set up.

    Returns the folder to put in front of sys.path, or None when nothing is asked for. Their dependencies are
    left to what is installed on the testee's side. Raises OverlayError.
    """
    if not requirements:
        return None
    try:
        request = _request(requirements, guest)
        before = _remembered(request)
        if before and request.exact:
            return before[0]
        return _obtain(request, progress)
    except GuestError as error:
        raise OverlayError(str(error), error.hint) from error
    except OSError as error:
        hint = "make that folder writable, or set ENDIANPROOF_CACHE to another"
        raise OverlayError(f"packages cannot be kept in {cache_root()}: {error}", hint) from error
