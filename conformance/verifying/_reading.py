"""One file, read by the reference: its tensors at once, their digests by threads, while a loader is at work."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from endianproof.conformance.outcome import LoadedTensor
from endianproof.conformance.processors import processors
from endianproof.conformance.verifying._pieces import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from endianproof.reference import Tensor

__all__ = ["FileChangedError", "Reading", "Stamp"]

MOST_THREADS = 4


class FileChangedError(Exception):
    """The file is not the one that it was when it was opened: nothing can be said of it."""


class StoppedError(Exception):
    """The reading was given up."""


@dataclass(frozen=True)
class Stamp:
    """What tells a file from one that was written to, or put in its place."""

    path: Path
    seen: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """As it is now. Raises OSError."""
        return cls(path, _look(path))

    def change(self) -> str:
        """What became of it, in words; "" where it is the same now."""
        try:
            what = "" if _look(self.path) == self.seen else "was changed"
        except OSError:
            what = "was taken away"
        return f"{self.path.name} {what} while it was read, by the loader or by another program" if what else ""

    def check(self) -> None:
        """Raise FileChangedError where it is another now."""
        if change := self.change():
            raise FileChangedError(change)


def _look(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class Reading:
    """The digests of a file's tensors, which are begun at once. A context, which ends the threads.

    `stamp` is the file's, from before it was opened. `tell` is told tensors and bytes done, from any thread.
    """

    def __init__(self, stamp: Stamp, tensors: Mapping[str, Tensor], tell: Callable[[int, int], None]) -> None:
        self._stamp = stamp
        self._tensors = tensors
        self._tell = tell
        self._told = threading.Lock()
        self._done = [0, 0]
        self._stopped = threading.Event()
        threads = min(MOST_THREADS, processors())
        self._pool = ThreadPoolExecutor(threads)
        self._digests: dict[str, Future[str]] = {}

    def __enter__(self) -> Self:
        self._digests = {name: self._pool.submit(self._digest, one) for name, one in self._tensors.items()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._pool.shutdown(cancel_futures=True)

    def _advance(self, tensors: int, nbytes: int) -> None:
        if self._stopped.is_set():
            raise StoppedError
        self._stamp.check()  # what was cut off the end of a mapped file may not be touched
        with self._told:
            self._done[0] += tensors
            self._done[1] += nbytes
            self._tell(*self._done)

    def _digest(self, tensor: Tensor) -> str:
        digest = digest_of(tensor, tell=lambda nbytes: self._advance(0, nbytes))
        self._advance(1, 0)
        return digest

    def entries(self) -> tuple[LoadedTensor, ...]:
        """Every tensor with its digest, in the file's order. Raises SpecViolation, FileChangedError."""
        found = tuple(
            LoadedTensor(name, tensor.dtype, tensor.shape, self._digests[name].result())
            for name, tensor in self._tensors.items()
        )
        self._stamp.check()
        return found
