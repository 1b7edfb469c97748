"""Where guests are kept, and how two processes that want the same one take turns.

    ROOT/guests/NAME-DIGEST/     a finished tree: it got this name, by one rename, when it was complete
    ROOT/guests/NAME.partial/    a tree in the making, or what a killed set-up left
    ROOT/guests/NAME-DIGEST.use  held, shared, by whoever runs something in that tree; its time is the last use
                                 (so is ROOT/overlays/PLATFORM.use, for what --with puts in front)
    ROOT/guests/NAME.lock        held by whoever makes or removes it
    ROOT/guests/NAME.added.json  what was installed into it
    ROOT/downloads/NAME/         packages and their lists, which the next set-up needs not download

The digest is the recipe's. A changed recipe is thus another tree, and no set-up removes one that another
process, or another release of the suite, may be using.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "CACHE_VARIABLE",
    "cache_root",
    "exclusive",
    "is_held",
    "is_used",
    "last_use",
    "remove_tree",
    "removing",
    "use",
]

CACHE_VARIABLE = "ENDIANPROOF_CACHE"


def cache_root() -> Path:
    """Return the cache folder, absolute: ENDIANPROOF_CACHE, or the user's own. It may not exist yet."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else platformdirs.user_cache_path("endianproof")


def remove_tree(path: Path) -> None:
    """Remove a folder with all that is in it, if it is there. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)


@contextlib.contextmanager
def exclusive(lock: Path, waiting: Callable[[str], None]) -> Iterator[int]:
    """Hold a lock file; `waiting` is first told who has it, when another process does. Raises OSError.

    Yields the open file's descriptor, to be inherited by every program started meanwhile: flock(2) belongs to
    the open file, so it lasts until the last of them has ended, even when this process was killed.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            waiting(file.read().strip() or "unknown")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield file.fileno()


def is_held(lock: Path) -> bool:
    """Whether another process holds a lock file just now. Raises OSError."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _use_file(tree: Path) -> Path:
    return tree.with_name(f"{tree.name}.use")


@functools.cache
def _used(tree: Path) -> int:
    """The descriptor that this process has of a tree's file: one, so that its own use is not another's.

    It is never closed, and goes on to the program that this process becomes (`guest exec`). To read it is enough
    for a lock, also where it is another user's.
    """
    descriptor = os.open(_use_file(tree), os.O_RDONLY | os.O_CREAT, 0o666)
    os.set_inheritable(descriptor, True)
    return descriptor


def use(tree: Path) -> None:
    """Keep a tree from being removed for as long as this process lives. Raises BlockingIOError while it is.

    In a cache that cannot be written, nothing is kept, and nothing need be.
    """
    try:
        fcntl.flock(_used(tree), fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.utime(_used(tree))
    except BlockingIOError:
        raise
    except OSError:  # it is not there, is another user's, or on a file system that is only read
        return


@contextlib.contextmanager
def removing(tree: Path) -> Iterator[None]:
    """Keep every other process from starting to use a tree. Raises BlockingIOError while one uses it, OSError."""
    if last_use(tree) is None:  # nothing ever ran there
        yield
        return
    fcntl.flock(_used(tree), fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield
    finally:
        fcntl.flock(_used(tree), fcntl.LOCK_UN)


def is_used(tree: Path) -> bool:
    """Whether another process runs something in a tree just now. Raises OSError."""
    try:
        with removing(tree):
            return False
    except BlockingIOError:
        return True


def last_use(tree: Path) -> float | None:
    """When something was last started in a tree, in seconds since the epoch; None when that is not known."""
    try:
        return _use_file(tree).stat().st_mtime
    except FileNotFoundError:
        return None
