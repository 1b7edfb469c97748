"""What Debian's own installation would have done to the tree, and what must not be in it."""

from __future__ import annotations

import os
from pathlib import Path

from endianproof.qemu._store import remove_tree

__all__ = ["finish_tree", "tree_bytes"]

TRIPLET = "s390x-linux-gnu"

MERGED_USR = ("bin", "lib", "lib64", "sbin")

# QEMU looks up every path in the tree first. A folder that is in the tree hides the host's of the same name
# from whoever lists it (Python's import of a module in /tmp would find nothing), and these are the host's
# business; their files in the tree are empty or belong to a machine that nobody boots.
HOST_FOLDERS = (
    "boot",
    "dev",
    "home",
    "media",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "srv",
    "sys",
    "tmp",
    "var",
)
HOST_FILES = ("etc/fstab", "etc/hostname", "etc/hosts", "etc/localtime", "etc/resolv.conf", "etc/timezone")

# A fifth of the tree, and nothing that a program reads.
UNREAD = (
    "usr/lib/libtorch-test",
    *(f"usr/share/{name}" for name in ("doc", "info", "lintian", "locale", "man")),
)

# update-alternatives never ran: the libraries that it would link to are one folder further down.
ALTERNATIVES = ("blas", "lapack")


def _drop(tree: Path) -> None:
    for name in (*HOST_FOLDERS, *UNREAD):
        remove_tree(tree / name)
    for name in HOST_FILES:
        (tree / name).unlink(missing_ok=True)


def _link_merged_usr(tree: Path) -> None:
    for name in MERGED_USR:
        if not os.path.lexists(tree / name):
            (tree / name).symlink_to(f"usr/{name}")


def _link_alternatives(tree: Path) -> None:
    libraries = tree / "usr" / "lib" / TRIPLET
    for folder in ALTERNATIVES:
        for library in sorted((libraries / folder).glob("lib*.so.?")):
            if not os.path.lexists(libraries / library.name):
                (libraries / library.name).symlink_to(f"{folder}/{library.name}")


def _entries(tree: Path) -> list[Path]:
    return [Path(folder, name) for folder, folders, files in os.walk(tree) for name in (*folders, *files)]


def _make_links_relative(tree: Path) -> None:
    """Absolute links would lead out of the tree, to the host's file of that name."""
    for path in _entries(tree):
        if not path.is_symlink():
            continue
        target = str(path.readlink())
        inside = tree / target.lstrip("/")
        if target.startswith("/") and os.path.lexists(inside):
            path.unlink()
            path.symlink_to(os.path.relpath(inside, path.parent))


def _hide_library_cache(tree: Path) -> None:
    """Make the cache empty: without one the guest's loader would open the host's, for another machine."""
    (tree / "etc").mkdir(exist_ok=True)
    (tree / "etc" / "ld.so.cache").write_bytes(b"")


def finish_tree(tree: Path) -> None:
    """Turn an extracted tree into one whose programs run. Raises OSError."""
    _drop(tree)
    _link_merged_usr(tree)
    _link_alternatives(tree)
    _make_links_relative(tree)
    _hide_library_cache(tree)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def tree_bytes(tree: Path) -> int:
    """Return the bytes that a tree takes on disk; a file with several names counts once.

    Files may come and go meanwhile: apt renames what it has downloaded.
    """
    found = filter(None, map(_status, (tree, *_entries(tree))))
    return sum({(one.st_dev, one.st_ino): one.st_blocks * 512 for one in found}.values())
