"""Has the next tasks carried out while the last one is judged: testees and pytest work at the same time.

Each testee has one request at a time. With several testees as many tasks are at work at once, in whichever is
idle; they are judged and reported in their order all the same.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol, TypeAlias

from endianproof.conformance.examine import observe

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from endianproof.conformance.examine import Observation, SaveObservation, Testee
    from endianproof.conformance.tasks import Task

__all__ = ["Ahead", "InTurn", "Observer"]

Seen: TypeAlias = "Observation | SaveObservation"


class Observer(Protocol):
    """Observes tasks, some of them before they are asked for."""

    def observe(self, task: Task, following: Iterable[Task] = ()) -> Seen:
        """What the testee did with `task`; `following` come next, as far as is known. Raises as `observe` does."""
        ...

    def settle(self) -> Testee:
        """A testee, once nothing is under way: for requests that are no vectors."""
        ...

    def close(self) -> None:
        """End the testees."""
        ...


class Ahead:
    """Observes tasks early, in the order in which they are announced, each in a testee that is idle."""

    def __init__(self, *testees: Testee) -> None:
        self._testees = testees
        self._idle: SimpleQueue[Testee] = SimpleQueue()
        for testee in testees:
            self._idle.put(testee)
        self._threads = ThreadPoolExecutor(max_workers=len(testees), thread_name_prefix="endianproof")
        self._early: dict[int, tuple[Task, Future[Seen]]] = {}  # by the task's identity

    def observe(self, task: Task, following: Iterable[Task] = ()) -> Seen:
        """What a testee did with `task`; `following` are begun before this returns. Raises as `observe` does.

        A task that was begun and is neither this one nor to follow is finished, and forgotten.
        """
        wanted = (task, *following)
        before, self._early = self._early, {}
        for one in wanted:
            begun = before.pop(id(one)) if id(one) in before else (one, self._threads.submit(self._carry_out, one))
            self._early[id(one)] = begun
        for _, vain in before.values():
            vain.cancel()
        try:
            return self._early.pop(id(task))[1].result()
        except KeyboardInterrupt:
            self._interrupt()  # the run is over: nobody waits for what is under way
            raise

    def _carry_out(self, task: Task) -> Seen:
        testee = self._idle.get()  # there is one for each thread
        try:
            return observe(task, testee)
        finally:
            self._idle.put(testee)

    def settle(self) -> Testee:
        """A testee, once nothing is under way: for requests that are no vectors."""
        for _, future in self._early.values():
            if not future.cancel():
                future.exception()
        self._early = {}  # only now: who interrupts this has `close` end what is under way
        return self._testees[0]

    def _interrupt(self) -> None:
        for testee in self._testees:
            testee.interrupt()

    def close(self) -> None:
        """End the threads and the testees, at once where a task is at work that nobody will ask for."""
        if any(not future.cancel() and not future.done() for _, future in self._early.values()):
            self._interrupt()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for testee in self._testees:
            testee.close()


class InTurn:
    """Observes each task when it is asked for, in the thread that asks: a debugger needs pytest's own."""

    def __init__(self, testee: Testee) -> None:
        self._testee = testee

    def observe(self, task: Task, following: Iterable[Task] = ()) -> Seen:
        """What the testee did with `task`. Raises as `observe` does."""
        del following
        return observe(task, self._testee)

    def settle(self) -> Testee:
        """The testee: nothing is under way."""
        return self._testee

    def close(self) -> None:
        """End the testee."""
        self._testee.close()
