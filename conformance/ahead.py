"""Has the next vector loaded while the last one is judged: the testee and pytest work on two cores.

All requests go through one thread, one after another, so the testee never sees two at once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from endianproof.conformance.examine import observe

if TYPE_CHECKING:
    from concurrent.futures import Future

    from endianproof.conformance.examine import Observation, Testee
    from endianproof.vectors import Vector

__all__ = ["Ahead"]


class Ahead:
    """Observes vectors in the order in which they are announced, at most one of them early."""

    def __init__(self, testee: Testee) -> None:
        self._testee = testee
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="endianproof")
        self._early: tuple[Vector, Future[Observation]] | None = None

    def observe(self, vector: Vector, following: Vector | None) -> Observation:
        """What the testee did with `vector`; `following` is begun before this returns. Raises as `observe` does.

        A vector that was begun and is not the one asked for is finished, and forgotten.
        """
        early, self._early = self._early, None
        future = early[1] if early and early[0] is vector else self._thread.submit(observe, vector, self._testee)
        try:
            return future.result()
        finally:
            if following is not None:
                self._early = following, self._thread.submit(observe, following, self._testee)

    def close(self) -> None:
        """End the thread and the testee, at once where a vector is at work that nobody will ask for."""
        if self._early is not None and not self._early[1].cancel() and not self._early[1].done():
            self._testee.interrupt()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._testee.close()
