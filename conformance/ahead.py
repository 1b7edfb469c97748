"""Has the next task carried out while the last one is judged: the testee and pytest work on two cores.

All requests go through one thread, one after another, so the testee never sees two at once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from endianproof.conformance.examine import observe

if TYPE_CHECKING:
    from concurrent.futures import Future

    from endianproof.conformance.examine import Observation, SaveObservation, Testee
    from endianproof.conformance.tasks import Task

__all__ = ["Ahead"]


class Ahead:
    """Observes tasks in the order in which they are announced, at most one of them early."""

    def __init__(self, testee: Testee) -> None:
        self._testee = testee
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="endianproof")
        self._early: tuple[Task, Future[Observation | SaveObservation]] | None = None

    def observe(self, task: Task, following: Task | None) -> Observation | SaveObservation:
        """What the testee did with `task`; `following` is begun before this returns. Raises as `observe` does.

        A task that was begun and is not the one asked for is finished, and forgotten.
        """
        early, self._early = self._early, None
        future = early[1] if early and early[0] is task else self._thread.submit(observe, task, self._testee)
        try:
            return future.result()
        except KeyboardInterrupt:
            self._testee.interrupt()  # the run is over: nobody waits for what is under way
            raise
        finally:
            if following is not None:
                self._early = following, self._thread.submit(observe, following, self._testee)

    def settle(self) -> Testee:
        """The testee, once nothing is under way: for requests that are no vectors."""
        early, self._early = self._early, None
        if early is not None:
            early[1].exception()
        return self._testee

    def close(self) -> None:
        """End the thread and the testee, at once where a task is at work that nobody will ask for."""
        if self._early is not None and not self._early[1].cancel() and not self._early[1].done():
            self._testee.interrupt()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._testee.close()
