"""Where the files of large vectors are made: sparse, one at a time whoever runs, and gone afterwards."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from endianproof.qemu import cache_root
from endianproof.qemu import exclusive as hold
from endianproof.vectors import Vector, make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from endianproof.conformance.tasks import Task

__all__ = ["NoRoomError", "at_hand", "roomy_folder"]

LONGEST = 1 << 33  # bytes that a file must be able to have
ROOM = 256 << 20  # bytes that must be free: holes take none, a header of 100 MB does


class NoRoomError(Exception):
    """There is no folder for large files, or no more room in it. The message says why, and what to do."""


def _fault(folder: Path) -> str:
    """What keeps large files from being made in a folder; "" for nothing."""
    try:
        free = shutil.disk_usage(folder).free
        with tempfile.TemporaryFile(dir=folder, prefix="endianproof-") as file:
            file.truncate(LONGEST)
            sparse = Path(f"/proc/self/fd/{file.fileno()}").stat().st_blocks * 512 < ROOM
    except OSError as error:
        return error.strerror or str(error)
    if not sparse:
        return "its file system has no sparse files"
    return "" if free >= ROOM else f"{free >> 20} MB free, {ROOM >> 20} MB needed"


def _lock() -> Path:
    """The file that whoever makes a large file holds. Raises NoRoomError where it cannot be held."""
    path = cache_root() / "large.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    except OSError as error:
        raise NoRoomError(
            f"--large needs {path}, by which runs take turns: {error.strerror}\n"
            "set ENDIANPROOF_CACHE to a folder of your own"
        ) from error
    return path


def roomy_folder() -> Path:
    """The folder for temporary files, or else the cache's, whichever can hold them. Raises NoRoomError."""
    _lock()
    folders = dict.fromkeys((Path(tempfile.gettempdir()), cache_root()))
    faults = {}
    for folder in folders:
        faults[folder] = _fault(folder)
        if not faults[folder]:
            return folder
    said = "; ".join(f"{folder}: {fault}" for folder, fault in faults.items())
    raise NoRoomError(
        f"--large needs a folder that holds sparse files of up to {LONGEST >> 30} GiB: {said}\n"
        "set TMPDIR to such a folder"
    )


@contextlib.contextmanager
def at_hand(vector: Task, progress: Callable[[str], None]) -> Iterator[Task]:
    """The task, its file at hand: a large vector's is made, and removed at the end. Raises NoRoomError.

    Only one such file is there at a time, and one testee at work on it: each may take gigabytes of memory.
    """
    if not isinstance(vector, Vector) or not vector.large:
        yield vector
        return
    folder = roomy_folder()
    waiting = f"{vector.id}: waiting for another run's large file"
    with (
        hold(_lock(), lambda who: progress(f"{waiting} ({who})")),
        tempfile.TemporaryDirectory(dir=folder, prefix="endianproof-large-", ignore_cleanup_errors=True) as name,
    ):
        try:
            made = make(vector, Path(name))
        except OSError as error:
            raise NoRoomError(f"{vector.id}: its file cannot be made in {folder}: {error.strerror}") from error
        yield made
