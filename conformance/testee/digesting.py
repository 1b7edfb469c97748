"""Digests of many tensors, however large: several at once, piece by piece, with word of how far they are.

SHA-256 runs outside Python's lock. The tensors themselves are asked for one after the other, in this thread: a
lazy mapping's `__getitem__` is the library's own code. No more of them are held than are being digested.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor, TimeoutError  # noqa: A004 (Python 3.9's is not the builtin)
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from endianproof.conformance.testee.canonical import Elements

__all__ = ["Digests"]

MOST_WORKERS = 4  # more only hold more tensors: reading them is as slow
INTERVAL = 0.2  # seconds between two words of progress


def _workers() -> int:
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)))


class Digests:
    """Makes the `tensors` of one reply. `tell` is called now and then with the tensors and the bytes so far."""

    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self._tell = tell
        self._told = time.monotonic()
        self._said = (0, 0)
        self._waiting: deque[tuple[str, Elements, Future[str]]] = deque()
        self._bytes: list[int] = []  # one number per tensor: threads do not write to the same
        self._done: list[dict[str, Any]] = []

    def of(self, named: Iterable[tuple[str, Elements]]) -> list[dict[str, Any]]:
        """Return each tensor with its digest, in order. Raises what taking the next one raises."""
        workers = _workers()
        with ThreadPoolExecutor(workers) as pool:
            for name, elements in named:
                self._bytes.append(0)
                future = pool.submit(self._digest, elements, len(self._bytes) - 1)
                self._waiting.append((name, elements, future))
                while len(self._waiting) > workers:
                    self._finish()
            while self._waiting:
                self._finish()
        return self._done

    def _digest(self, elements: Elements, number: int) -> str:
        digest = hashlib.sha256()
        for chunk in elements.chunks():
            digest.update(chunk)
            self._bytes[number] += len(chunk)
        return digest.hexdigest()

    def _finish(self) -> None:
        name, elements, future = self._waiting.popleft()
        while True:
            try:
                sha256 = future.result(INTERVAL)
                break
            except TimeoutError:
                self._report()
        said = {"name": name, "dtype": elements.dtype, "shape": list(elements.shape), "sha256": sha256}
        self._done.append(said)
        self._report()

    def _report(self) -> None:
        """Say how far it is, and never twice the same: the time limit begins anew with each word."""
        far = len(self._done), sum(self._bytes)
        if time.monotonic() - self._told >= INTERVAL and far != self._said:
            self._tell(*far)
            self._told, self._said = time.monotonic(), far
