"""The mark: what a pickle leaves behind when a loader runs the code that it names.

Golden bytes are the same everywhere, so a vector can only name the mark by an environment variable. The folder
that holds it is private to one testee: others at work, and the folder where the user stands, have no part in it.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VARIABLE", "Mark"]

VARIABLE = "ENDIANPROOF_MARK"  # torch-zip's vectors spell it


class Mark:
    """A path that does not exist until code from a vector makes a folder or a file of it."""

    def __init__(self) -> None:
        folder = tempfile.mkdtemp(prefix="endianproof-mark-")
        self._path = Path(folder) / "code-was-executed"
        self._finalizer = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    @property
    def environment(self) -> Mapping[str, str]:
        """What the testee's process, and all that it starts, needs in its environment."""
        return MappingProxyType({VARIABLE: str(self._path)})

    def close(self) -> None:
        """Remove the folder with all that is in it. No mark can be made after that."""
        self._finalizer()

    def take(self) -> bool:
        """Whether the mark is there; it is not afterwards."""
        if self._path.is_dir() and not self._path.is_symlink():
            shutil.rmtree(self._path, ignore_errors=True)
            return True
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True
