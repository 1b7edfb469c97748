"""`--with=safetensors==0.4.2`, `--with=.`: packages put in front of what the testee's side has installed.

    ROOT/overlays/PLATFORM/KEY.json     which folder a request led to, and when
    ROOT/overlays/PLATFORM/NAME-VERSION.../   what was unpacked; never changed afterwards
    ROOT/overlays/PLATFORM.lock         held while something is unpacked

An exact version is asked for once and kept. A range can mean another version tomorrow, so the index is asked
again after a day; the older folder stays, because another run may be using it. A project or a wheel given by its
path is looked at each time, and its folder is named by what it holds. What a package depends on is added where the
testee's side does not have it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from endianproof.conformance.packages import OverlayError, request_of
from endianproof.conformance.whole_file import write_over
from endianproof.qemu import (
    GuestError,
    cache_root,
    exclusive,
    needs,
    remove_tree,
    unpack_wheels,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from endianproof.conformance.packages import Request
    from endianproof.qemu import Guest

__all__ = ["OverlayError", "overlay"]

RANGE_SECONDS = 24 * 3600.0
LONGEST_NAME = 100


def _remembered(request: Request) -> tuple[Path, float] | None:
    """The folder that the same request led to before, and how many seconds ago."""
    try:
        record = json.loads(request.record.read_text(encoding="utf-8"))
        folder = request.folder / record["folder"]
        age = time.time() - float(record["time"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None  # never asked for, or a record of another release of the suite: asked for anew
    return (folder, age) if folder.is_dir() else None


def _remember(request: Request, folder: Path) -> None:
    record = {"folder": folder.name, "requirements": request.shown, "time": time.time()}
    write_over(request.record, json.dumps(record) + "\n")


def _folder_name(versions: Mapping[str, str], content: str) -> str:
    """Name a folder by its content: readable when it holds little, and always within a file name's length."""
    names = "-".join(f"{name}-{version}" for name, version in sorted(versions.items()))
    digest = hashlib.sha256((names + content).encode()).hexdigest()[:16]
    if len(names) > LONGEST_NAME:
        return f"{len(versions)}-packages-{digest}"
    return f"{names}-{digest}" if content else names


def _unpack(request: Request, lock: int, progress: Callable[[str], None]) -> Path:
    """Unpack beside, then rename: what has its final name is complete."""
    partial = request.folder / "partial"
    remove_tree(partial)
    try:
        versions = unpack_wheels(list(request.requirements.values()), partial, request.platform, keep_open=(lock,))
        versions = _with_dependencies(request, versions, partial, lock, progress)
        folder = request.folder / _folder_name(versions, request.content)
        if not folder.is_dir():
            partial.rename(folder)
    finally:
        remove_tree(partial)
    _remember(request, folder)
    return folder


def _with_dependencies(
    request: Request, versions: dict[str, str], partial: Path, lock: int, progress: Callable[[str], None]
) -> dict[str, str]:
    """Unpack what is needed beside these, until nothing is; return the versions of all that is there then."""
    extras, tried = dict(request.extras), set[str]()
    while missing := [need for need in needs(partial, request.platform, extras) if need.name not in tried]:
        need = missing[0]
        tried.add(need.name)
        extras[need.name] = frozenset(need.requirement.extras)
        wanted = f"{need.requirement.name}{need.requirement.specifier}"
        try:
            versions = unpack_wheels([wanted], partial, request.platform, keep_open=(lock,))
            progress(f"with {wanted}, which {need.of} needs")
        except GuestError as error:
            if error.kind != "absent":
                raise
            progress(f"without {wanted}, which {need.of} asks for: {error}")
    return versions


def _obtain(request: Request, progress: Callable[[str], None]) -> Path:
    def waiting(holder: str) -> None:
        progress(f"waiting for another run that is fetching packages ({holder})")

    with exclusive(request.folder.with_name(f"{request.folder.name}.lock"), waiting) as lock:
        before = _remembered(request)
        if before and (request.exact or before[1] < RANGE_SECONDS):
            return before[0]
        progress(f"fetching {request.shown} for {request.platform.label}")
        request.folder.mkdir(parents=True, exist_ok=True)
        try:
            return _unpack(request, lock, progress)
        except GuestError as error:
            if before and error.kind == "network":
                progress(f"{error}: using {before[0].name}, fetched {before[1] / 3600:.0f} hours ago")
                return before[0]
            raise


def overlay(requirements: Sequence[str], guest: Guest | None, progress: Callable[[str], None]) -> Path | None:
    """Unpack packages for this machine's Python, or for a guest's, which must be set up.

    `requirements` are names with versions, folders of projects, and wheels. Dependencies that the testee's side
    does not have are unpacked with them; what the index does not have for it is told, and left out. Returns the
    folder to put in front of sys.path, or None when nothing is asked for. Raises OverlayError.
    """
    if not requirements:
        return None
    try:
        with tempfile.TemporaryDirectory(prefix="endianproof-wheels-") as made:
            request = request_of(requirements, guest, Path(made), progress)
            before = _remembered(request)
            return before[0] if before and request.exact else _obtain(request, progress)
    except GuestError as error:
        raise OverlayError(str(error), error.hint) from error
    except OSError as error:
        hint = "make that folder writable, or set ENDIANPROOF_CACHE to another"
        raise OverlayError(f"packages cannot be kept in {cache_root()}: {error}", hint) from error
