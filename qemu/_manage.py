"""What is done to guests beside setting them up: something is installed into one, one is removed, leavings are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from endianproof.qemu._added import Added, read_added, write_added
from endianproof.qemu._build import builder
from endianproof.qemu._error import GuestError
from endianproof.qemu._guest import Guest, guests, recipes
from endianproof.qemu._store import cache_root, exclusive, is_held, is_used, remove_tree, removing
from endianproof.qemu._tree import tree_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["install", "leavings", "other_trees", "prune", "remove"]

PARTIAL = ".partial"
LEAVINGS = ("built", "downloads", "overlays")


def _trees() -> Path:
    return cache_root() / "guests"


def install(one: Guest, wanted: Sequence[str], progress: Callable[[str], None]) -> Guest:
    """Add Debian packages, and wheels as NAME==VERSION, to a guest, and set it up with them.

    Returns the guest that has them. Where that fails nothing has changed. Raises GuestError, OSError.
    """

    def waiting(holder: str) -> None:
        progress(f"guest {one.name}: waiting for another installation into it ({holder})")

    with exclusive(_trees() / f"{one.name}.added.lock", waiting):
        added = read_added(cache_root(), one.name).and_these(wanted)
        whole = Guest(added.to(one.recipe))
        whole.setup(progress)
        write_added(cache_root(), one.name, added)
    return whole


def remove(one: Guest, progress: Callable[[str], None]) -> int:
    """Remove a guest's trees and what was installed into it; return the bytes that they took.

    Raises GuestError, also where another process runs something in it, and OSError.
    """

    def waiting(holder: str) -> None:
        progress(f"guest {one.name}: waiting for its set-up to end ({holder})")

    with exclusive(_trees() / f"{one.name}.lock", waiting):
        freed = sum(_remove(tree) for tree in sorted(_trees_of(one)) if tree.is_dir())
        write_added(cache_root(), one.name, None)
    return freed


def _trees_of(one: Guest) -> set[Path]:
    """Where its trees are: the one it has now, and those it had before each installation into it."""
    base, added = recipes()[one.name], read_added(cache_root(), one.name)
    stages = [
        Guest(Added(added.packages[:packages], added.wheels[:wheels]).to(base))
        for packages in range(len(added.packages) + 1)
        for wheels in range(len(added.wheels) + 1)
    ]
    return {tree for stage in (one, *stages) for tree in (stage.tree, builder(stage).tree)}


def _remove(tree: Path) -> int:
    """The tree loses its name by one rename first: what ends this early leaves no guest, never half of one."""
    freed, doomed = tree_bytes(tree), tree.with_name(f"{tree.name}.removed")
    remove_tree(doomed)
    try:
        with removing(tree):
            tree.rename(doomed)
    except BlockingIOError:
        hint = "wait for it, or end it: what is left would give false verdicts there"
        raise GuestError(f"another process runs something in {tree}", hint) from None
    remove_tree(doomed)
    return freed


def other_trees() -> tuple[Path, ...]:
    """Folders among the guests' trees that no guest known here has: other recipes' trees, and halves.

    A tree in the making is not among them, nor one that something runs in, nor one that a guest builds in.
    """
    trees = {tree for one in guests().values() for tree in (one.tree, builder(one).tree)}
    found = (path for path in _trees().glob("*") if path.is_dir() and path not in trees)
    return tuple(sorted(path for path in found if not (_in_the_making(path) or is_used(path))))


def _in_the_making(path: Path) -> bool:
    return path.suffix == PARTIAL and is_held(path.with_suffix(".lock"))


def leavings() -> tuple[Path, ...]:
    """What can be had again: packages that guests were made of, that were put in front, that guests built.

    What another process makes or uses just now is not among them.
    """
    found = (path for name in LEAVINGS for path in (cache_root() / name).glob("*") if path.is_dir())
    return tuple(sorted(path for path in found if not (is_held(_lock(path)) or is_used(path))))


def _lock(leaving: Path) -> Path:
    """What is held by whoever fills it: of downloads, the set-up of their guest."""
    folder = _trees() if leaving.parent.name == "downloads" else leaving.parent
    return folder / f"{leaving.name}.lock"


def prune(folders: Sequence[Path]) -> int:
    """Remove such folders, and return the bytes that they took. Raises GuestError where one is used, OSError."""
    return sum(_remove(folder) for folder in folders)
