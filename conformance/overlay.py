"""`--with=safetensors==0.4.2`, `--with=.`: packages put in front of what the testee's side has installed.

    ROOT/overlays/PLATFORM/KEY.json     which folder a request led to, and when
    ROOT/overlays/PLATFORM/NAME-VERSION.../   what was unpacked; never changed afterwards
    ROOT/overlays/PLATFORM.lock         held while something is unpacked
    ROOT/overlays/PLATFORM.use          held, shared, by whoever has a testee with some of them

An exact version is asked for once and kept. A range can mean another version tomorrow, so the index is asked
again after a day; the older folder stays, because another run may be using it. A project or a wheel given by its
path is looked at each time, and its folder is named by what it holds. What a package depends on is added where the
testee's side does not have it. With `--build-in-guest` a guest builds what has no wheel for it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from endianproof._whole_file import write_over
from endianproof.conformance.packages import OverlayError, content_of, request_of
from endianproof.qemu import (
    GuestError,
    add_needs,
    build_in_guest,
    cache_root,
    exclusive,
    fetch_source,
    remove_tree,
    unpack_wheels,
    use,
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


@dataclass
class _Partial:
    """A folder in the making. `built` is what is in the wheels that came from source, in their order."""

    request: Request
    folder: Path
    lock: int
    progress: Callable[[str], None]
    built: list[str] = field(default_factory=list)

    def add(self, wanted: str) -> dict[str, str]:
        """Unpack one package, as a wheel or else from its source; return the versions of all that is there."""
        try:
            return unpack_wheels([wanted], self.folder, self.request.platform, keep_open=(self.lock,))
        except GuestError as error:
            if error.kind != "absent" or self.request.builder is None:
                raise
        wheel = self._build(wanted, self.request.builder)
        self.built.append(content_of(wheel))
        return unpack_wheels([str(wheel)], self.folder, self.request.platform, keep_open=(self.lock,))

    def _build(self, wanted: str, builder: Guest) -> Path:
        with tempfile.TemporaryDirectory(prefix="endianproof-source-") as scratch:
            self.progress(f"{wanted} has no wheel for {self.request.platform.label}: fetching its source")
            source = fetch_source(Requirement(wanted), self.request.platform, Path(scratch))
            return build_in_guest(builder, source, source.name, self.progress)


def _unpack(request: Request, lock: int, progress: Callable[[str], None]) -> Path:
    """Unpack beside, then rename: what has its final name is complete."""
    partial = _Partial(request, request.folder / "partial", lock, progress)
    remove_tree(partial.folder)
    versions: dict[str, str] = {}

    def add(wanted: str) -> None:
        versions.update(partial.add(wanted))

    try:
        for wanted in request.requirements.values():
            add(wanted)
        add_needs(partial.folder, request.platform, request.extras, add, progress)
        content = "\n".join([*filter(None, [request.content]), *partial.built])
        folder = request.folder / _folder_name(versions, content)
        if not folder.is_dir():
            partial.folder.rename(folder)
    finally:
        remove_tree(partial.folder)
    _remember(request, folder)
    return folder


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


def _keep(request: Request) -> None:
    """Keep what is there for as long as this process lives: without it a testee would import other versions."""
    request.folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        use(request.folder)
    except BlockingIOError:
        raise OverlayError("another process removes the packages that were fetched", "run it again") from None


def overlay(
    requirements: Sequence[str], guest: Guest | None, progress: Callable[[str], None], *, builds: bool = False
) -> Path | None:
    """Unpack packages for this machine's Python, or for a guest's, which must be set up.

    `requirements` are names with versions, folders of projects, and wheels. Dependencies that the testee's side
    does not have are unpacked with them; what the index does not have for it is told, and left out. A guest that
    `builds` makes wheels of projects, and of releases that have none for it. Returns the folder to put in front of
    sys.path, or None when nothing is asked for. Raises OverlayError.
    """
    if not requirements:
        return None
    try:
        with tempfile.TemporaryDirectory(prefix="endianproof-wheels-") as made:
            request = request_of(requirements, guest, Path(made), progress, builds=builds)
            _keep(request)
            before = _remembered(request)
            return before[0] if before and request.exact else _obtain(request, progress)
    except GuestError as error:
        raise OverlayError(str(error), error.hint) from error
    except OSError as error:
        hint = "make that folder writable, or set ENDIANPROOF_CACHE to another"
        raise OverlayError(f"packages cannot be kept in {cache_root()}: {error}", hint) from error
