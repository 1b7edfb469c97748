"""The runner's side of the testee protocol: requests become outcomes, whatever the testee does.

A testee that dies, hangs, eats memory or answers nonsense costs the request it was at; the next starts it anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from endianproof.conformance.child import Child, ChildEndedError
from endianproof.conformance.launch import TesteeStartError, refused
from endianproof.conformance.limits import Limits
from endianproof.conformance.mark import Mark
from endianproof.conformance.messages import (
    MessageError,
    encode,
    read_hello,
    read_load,
    read_progress,
    read_save,
)
from endianproof.conformance.outcome import Outcome, OutcomeKind
from endianproof.conformance.proof import false_samples
from endianproof.conformance.requests import save_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Any, TypeAlias

    from typing_extensions import Self

    from endianproof.conformance.launch import Launch
    from endianproof.conformance.limits import Allowance
    from endianproof.conformance.outcome import TesteeInfo
    from endianproof.vectors import Save

    Reader: TypeAlias = Callable[[bytes, str], tuple[Outcome, list[Mapping[str, Any]]]]

__all__ = ["Limits", "TesteeProcess", "TesteeStartError"]

HELLO = encode({"op": "hello", "protocol": 1})
BYE = encode({"op": "bye"})

# Outcomes after which the process is replaced, though it answered: what it holds, or says, cannot be relied on.
SPOILED = {OutcomeKind.OUT_OF_MEMORY, OutcomeKind.PROTOCOL_ERROR}


# What a limit can bring about: a refusal with the system's words, or an end.
TROUBLE = {OutcomeKind.REJECTED, OutcomeKind.CRASHED, OutcomeKind.TIMED_OUT, OutcomeKind.OUT_OF_MEMORY}


class Process(Protocol):
    """What is needed of a started testee: `child.Child`, or `inside.Inside`."""

    def exchange(self, request: bytes, allowed: Allowance, is_news: Callable[[bytes], bool] = ..., /) -> bytes:
        """Send one line and return the one that answers it. Raises ChildEndedError."""
        ...

    def has_exited(self) -> bool:
        """Whether it is gone by itself."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...

    def interrupt(self) -> None:
        """End it from another thread."""
        ...

    def close(self, farewell: bytes, /) -> None:
        """Say goodbye, and end it."""
        ...


class TesteeProcess:
    """A testee, started when it is first needed and again after each time it was lost. Also a context manager."""

    __test__ = False  # no test class, whatever its name makes pytest think

    def __init__(
        self,
        launch: Launch,
        limits: Limits | None = None,
        begin: Callable[[Launch, int | None], Process] = Child,
    ) -> None:
        self._begin = begin
        self._launch = launch
        self._mark: Mark | None = None
        self._limits = limits or Limits()
        self._child: Process | None = None
        self._info: TesteeInfo | None = None
        self._count = 0
        self._size = 0  # of the file that is kept
        self._interrupted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the process and have it introduce itself, unless it is running. Raises TesteeStartError."""
        self._go_on()
        if self._child is not None and self._child.has_exited():
            self._drop()  # after its last reply, so that the next request is not to blame
        if self._child is not None:
            return
        self._mark = self._mark or Mark()
        try:
            self._child = self._begin(
                replace(self._launch, env={**self._launch.env, **self._mark.environment}), self._limits.open_files
            )
        except OSError as error:
            raise refused(self._launch, error) from error
        try:
            self._go_on()  # the other thread, which saw no process to kill, leaves it to this one
            self._info = self._introduce(self._child)
        except BaseException:  # also Ctrl-C during a slow import: nothing must stay behind
            self._drop()
            raise

    def _go_on(self) -> None:
        if self._interrupted:
            raise TesteeStartError(f"{self._launch.what}: the run is over")

    def twin(self) -> TesteeProcess:
        """Another one, of the same launch and with the same limits. It is not started yet."""
        return TesteeProcess(self._launch, self._limits, self._begin)

    def restart(self) -> None:
        """End the process and start another. Raises TesteeStartError."""
        self.close()
        self.start()

    def hello(self) -> TesteeInfo:
        """Return what the testee says of itself; starts it for that if it must. Raises TesteeStartError."""
        if self._info is None:
            self.start()
        assert self._info is not None, "start() sets it or raises"
        return self._info

    def load(self, path: Path, format_name: str, /, want: str = "data") -> Outcome:
        """Have one file loaded. `want` is "data" for canonical bytes, "sha256" for digests alone.

        Raises TesteeStartError where the testee cannot be started (again); nothing else it does raises.
        """
        request = {"op": "load", "path": str(path.absolute()), "format": format_name, "reply": want}
        return self._ask(request, _size(path), lambda line, request_id: read_load(line, request_id, want))

    def keep(self, path: Path, format_name: str, /, tell: Callable[[int, int], None]) -> Outcome:
        """Have one file loaded and kept, for `read`; only the digests come. `tell` is told tensors and bytes done.

        Only for a testee whose ops have "read". Raises as `load` does.
        """
        request = {
            "op": "load",
            "path": str(path.absolute()),
            "format": format_name,
            "reply": "sha256",
            "keep": True,
        }
        self._size = _size(path)
        return self._ask(request, self._size, lambda line, request_id: read_load(line, request_id, "sha256"), tell)

    def read(self, name: str, start: int, stop: int, /, want: str = "data") -> Outcome:
        """Have the elements from `start` to `stop` of a tensor sent that is kept, as a tensor of one dimension.

        `want` is as for `load`. Raises as `load` does; what was kept is gone with a process that was lost.
        """
        request = {"op": "read", "name": name, "start": start, "stop": stop, "reply": want}
        return self._ask(request, self._size, lambda line, request_id: read_load(line, request_id, want))

    def save(self, save: Save, path: Path, /) -> Outcome:
        """Have the tensors of one save written to a file. Raises as `load` does."""
        request = save_request(save, path)
        size = sum(len(one.data()) for one in save.storages)
        return self._ask(request, size, read_save)

    def _ask(
        self,
        request: Mapping[str, Any],
        size: int,
        read: Reader,
        tell: Callable[[int, int], None] = lambda _tensors, _bytes: None,
    ) -> Outcome:
        """Make one request about `size` bytes of tensors, and have `read` read the reply to its id."""
        self.start()
        assert self._child is not None, "start() sets it or raises"
        try:
            outcome = self._exchange(self._child, request, size, read, tell)
        except ChildEndedError as ended:
            self._drop()
            outcome = Outcome(ended.kind, message=str(ended))
        except BaseException:  # Ctrl-C: a reply may be on its way, to a request that nobody remembers
            self._drop()
            raise
        if outcome.kind in SPOILED:
            self._drop()
        ran_code = self._mark is not None and self._mark.take()
        limit = self._limits.met_by(outcome) if outcome.kind in TROUBLE else ""
        return replace(outcome, ran_code=ran_code, limit=limit) if ran_code or limit else outcome

    def close(self) -> None:
        """End the process, and all that it started, if it is running."""
        if self._child is not None:
            self._child.close(BYE)
            self._child = None
        if self._mark is not None:
            self._mark.close()
            self._mark = None

    def interrupt(self) -> None:
        """Kill the process from another thread, for good: a request under way ends, and no other begins."""
        self._interrupted = True
        child = self._child
        if child is not None:
            child.interrupt()

    def _drop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _exchange(
        self,
        child: Process,
        request: Mapping[str, Any],
        size: int,
        read: Reader,
        tell: Callable[[int, int], None],
    ) -> Outcome:
        self._count += 1
        request_id = f"v{self._count}"

        def is_news(line: bytes) -> bool:
            done = read_progress(line, request_id) if request.get("keep") else None
            if done is not None:
                tell(*done)
            return done is not None

        line = child.exchange(
            encode({"op": request["op"], "id": request_id, **request}), self._limits.for_request(size), is_news
        )
        try:
            outcome, samples = read(line, request_id)
            _prove(samples)
        except MessageError as error:
            return Outcome(OutcomeKind.PROTOCOL_ERROR, message=str(error))
        return outcome

    def _introduce(self, child: Process) -> TesteeInfo:
        what, hint = self._launch.what, self._launch.hint
        try:
            line = child.exchange(HELLO, self._limits.to_start())
            answer = read_hello(line)
            if isinstance(answer, tuple):
                _prove(answer[1])
                return answer[0]
        except ChildEndedError as ended:
            late = f"; {self._limits.twice('start_timeout')}" if ended.kind is OutcomeKind.TIMED_OUT else ""
            why = f"{what}: the testee did not answer hello: {ended}{late}"
            advice = self._limits.to_start_in(str(ended), hint, answered=False)
            raise TesteeStartError(why, advice) from ended
        except MessageError as error:
            raise TesteeStartError(f"{what}: {error}", hint) from error
        said = f"{answer['type']}: {answer['message']}"
        advice = self._limits.to_start_in(said, hint, answered=True)
        raise TesteeStartError(f"{what} cannot be imported: {said}", advice)


def _size(path: Path) -> int:
    """Bytes of a file; 0 of one that an earlier load took away. It is asked for all the same: see what comes."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _prove(samples: list[Mapping[str, Any]]) -> None:
    """Raise MessageError unless the testee's conversion is right."""
    complaints = false_samples(samples)
    if complaints:
        more = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
        raise MessageError(f"the testee's conversion is wrong: {complaints[0]}{more}")
