"""One testee process: lines in and out, bounded in time, memory and what it says. Linux only, as the guests are.

Everything that a process can do to its caller is met here: it dies, it hangs, it eats memory, it floods standard
error or its replies, it closes its streams, it leaves children behind. One thread and no signals: a loop that
waits for whichever stream is ready, and looks at the process itself every TICK seconds.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import signal
import subprocess
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from endianproof.conformance.outcome import OutcomeKind
from endianproof.conformance.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from endianproof.conformance.launch import Launch
    from endianproof.conformance.limits import Allowance

__all__ = ["Child", "ChildEndedError"]

TICK = 0.05  # seconds between looks at the process
GRACE = 2.0  # seconds that a process has to exit by itself
TAIL = 4096  # bytes of standard error that are kept
PIPE = 1 << 16  # bytes read at a time
PAGE = resource.getpagesize()


class ChildEndedError(Exception):
    """The process did not answer, and is gone. `kind` is what that is called; the text says how it ended."""

    def __init__(self, kind: OutcomeKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _end(process: subprocess.Popen[bytes], owner: int) -> int:
    """Kill the process with all it started and did not detach, reap it, and return its peak memory in bytes.

    The group is killed before it is reaped: after that, its number may be another's.
    """
    if process.returncode is not None or os.getpid() != owner:
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    return usage.ru_maxrss * 1024


@dataclass(frozen=True)
class _Memory:
    """What a process holds, in bytes: `resident` without mapped files, `data` that it may write, all `mapped`."""

    resident: int = 0
    data: int = 0
    mapped: int = 0

    @classmethod
    def of(cls, pid: int) -> _Memory:
        with contextlib.suppress(OSError, ValueError, IndexError), Path(f"/proc/{pid}/statm").open("rb") as file:
            pages = [int(field) for field in file.read().split()]
            return cls((pages[1] - pages[2]) * PAGE, pages[5] * PAGE, pages[0] * PAGE)
        return cls()


def _soft_limit(pid: int, kind: int, value: int) -> None:
    with contextlib.suppress(OSError):  # gone already, or a system that does not let us: the watching remains
        _, hard = resource.prlimit(pid, kind)
        resource.prlimit(pid, kind, (_at_most(value, hard), hard))


def _hard_limit(pid: int, kind: int, value: int) -> None:
    """As above, and for good: runtimes (Java's, Go's) raise some limits by themselves as far as they may."""
    with contextlib.suppress(OSError):
        _, hard = resource.prlimit(pid, kind)
        resource.prlimit(pid, kind, (_at_most(value, hard), _at_most(value, hard)))


def _at_most(value: int, hard: int) -> int:
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


class Child:
    """A running process, which may have so many files open. Not for use by two threads, but for `interrupt`."""

    def __init__(self, launch: Launch, open_files: int | None = None) -> None:
        self._process = subprocess.Popen(
            launch.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=launch.cwd,
            env=dict(launch.env),
            start_new_session=True,  # its own group, to be killed as one; Ctrl-C is for pytest
        )
        self.pid = self._process.pid
        self._finalizer = weakref.finalize(self, _end, self._process, os.getpid())
        assert self._process.stdin is not None, "asked for pipes"
        assert self._process.stdout is not None, "asked for pipes"
        assert self._process.stderr is not None, "asked for pipes"
        self._in, self._out, self._err = (
            stream.fileno() for stream in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        self._selector = selectors.PollSelector()
        for descriptor in (self._in, self._out, self._err):
            os.set_blocking(descriptor, False)
        for descriptor in (self._out, self._err):
            self._selector.register(descriptor, selectors.EVENT_READ)
        self._received = bytearray()
        self._tail = bytearray()
        self._asked = False
        self._inherited = (
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        )  # Linux counts it as the child's
        self._before = _Memory()
        self._allowance = 0
        self._emulated = launch.emulated
        _soft_limit(self.pid, resource.RLIMIT_CORE, 0)  # a crash leaves no file where the user stands
        if open_files is not None:
            _hard_limit(self.pid, resource.RLIMIT_NOFILE, open_files)

    def exchange(
        self, request: bytes, allowed: Allowance, is_news: Callable[[bytes], bool] = lambda _line: False
    ) -> bytes:
        """Send one line and return the one that answers it, without its newline.

        Lines before it that `is_news` takes for no answer are passed over, and its time begins anew with each:
        what says how far it is does not hang. Raises ChildEndedError when there is no answer; the process is gone
        then.
        """
        if self._asked:  # what it says before it is asked anything belongs to its start
            self._drain()
            self._tail.clear()
        self._asked = True
        self._limit_memory(allowed.memory)
        _soft_limit(self.pid, resource.RLIMIT_FSIZE, allowed.file)
        now = time.monotonic()
        deadline, look = now + allowed.seconds, now + TICK
        unsent = self._write(memoryview(request))
        while True:
            while not unsent and (line := self._line()) is not None:
                if not is_news(line):
                    return line
                deadline = time.monotonic() + allowed.seconds
            if len(self._received) > allowed.reply:
                self._give_up(OutcomeKind.PROTOCOL_ERROR, f"a reply of more than {allowed.reply} bytes")
            if self._wait(max(0.0, min(look, deadline) - time.monotonic()), writing=bool(unsent)):
                unsent = self._write(unsent)
            now = time.monotonic()
            if now >= look:
                self._look()
                look = now + TICK
            if now >= deadline:
                self._give_up(OutcomeKind.TIMED_OUT, f"no reply within {round(allowed.seconds, 1):g} seconds")

    def _line(self) -> bytes | None:
        """The first whole line that was received and not yet returned, without its newline."""
        end = self._received.find(b"\n")
        if end < 0:
            return None
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def close(self, farewell: bytes) -> None:
        """Say goodbye, wait GRACE seconds for the process to exit, and end it."""
        if self._finalizer.alive:
            self._write(memoryview(farewell))
            with contextlib.suppress(OSError):
                assert self._process.stdin is not None, "asked for pipes"
                self._process.stdin.close()
            self._await_exit()
        self._finish()

    def dismiss(self, farewell: bytes, seconds: float) -> int | None:
        """Send a farewell, or with b"" close the process's requests, and return its exit code.

        None where it has not exited after so many seconds; a signal that ended it is a negative number. The
        process is gone afterwards, and `unasked` has what it still said.
        """
        self._write(memoryview(farewell))
        if not farewell:
            assert self._process.stdin is not None, "asked for pipes"
            self._process.stdin.close()
        deadline = time.monotonic() + seconds
        while not (exited := self.has_exited()) and time.monotonic() < deadline:
            self._drain()
            self.unasked()
            time.sleep(0.002)
        self.unasked()
        self._finish()
        return self._process.returncode if exited else None

    def unasked(self) -> bytes:
        """What has come on standard output since the last reply. Nothing is waited for."""
        while self._finalizer.alive and len(self._received) < PIPE and self._read_rest():
            pass
        return bytes(self._received)

    def has_exited(self) -> bool:
        """Whether the process is gone by itself."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def kill(self) -> None:
        """End the process, and all that it started, at once."""
        self._finish()

    def interrupt(self) -> None:
        """Kill the process and all that it started, from another thread. The thread that uses it reaps it."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    @property
    def tail(self) -> str:
        """The end of what the process wrote to standard error since the last request."""
        return visible(bytes(self._tail).decode("utf-8", "replace").strip())

    def _finish(self) -> int:
        """End the process if it has not, and return its peak memory in bytes."""
        if not self._finalizer.alive:
            return 0
        self._drain()
        self._selector.close()
        peak = self._finalizer()
        return peak if peak is not None else 0

    def _limit_memory(self, allowance: int) -> None:
        """Let the kernel refuse what goes far past the allowance.

        Twice the allowance, because the first line is `_look`. RLIMIT_DATA and not RLIMIT_AS: mapped files and
        libraries, and address space that is only reserved (CUDA, malloc's arenas), are no memory eaten.

        QEMU is another matter. It lays a guest's memory over address space that it reserved, which Linux allows
        past RLIMIT_DATA; the next allocation of QEMU's own fails then, and it spins. RLIMIT_AS stops the
        reservation, and the guest's program is told that there is no memory, as it would be here.
        """
        before = self._before = _Memory.of(self.pid)
        self._allowance = allowance
        kind, held = (resource.RLIMIT_AS, before.mapped) if self._emulated else (resource.RLIMIT_DATA, before.data)
        if held:
            _soft_limit(self.pid, kind, held + 2 * allowance)

    def _write(self, data: memoryview) -> memoryview:
        """Write what the pipe takes, and return the rest. A process that reads no more will be seen otherwise."""
        while data:
            try:
                data = data[os.write(self._in, data) :]
            except BlockingIOError:  # noqa: PERF203 (a turn of the loop is a system call)
                return data
            except OSError:
                return data[:0]
        return data

    def _wait(self, seconds: float, *, writing: bool) -> bool:
        """Wait until a stream is ready, take what came, and return whether more can be written."""
        if writing:
            self._selector.register(self._in, selectors.EVENT_WRITE)
        try:
            ready = {key.fd for key, _ in self._selector.select(seconds)}
        finally:
            if writing:
                self._selector.unregister(self._in)
        if self._err in ready:
            self._take_errors()
        if self._out in ready and not self._take_replies():
            self._lost()
        return self._in in ready

    def _read(self, descriptor: int) -> bytes | None:
        """What a stream has: b"" at its end, None for nothing yet."""
        try:
            return os.read(descriptor, PIPE)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def _take_errors(self) -> bool:
        data = self._read(self._err)
        if data:
            self._tail += data
            del self._tail[:-TAIL]
        elif data == b"" and self._err in self._selector.get_map():
            self._selector.unregister(self._err)  # closed: it would always be ready
        return bool(data)

    def _take_replies(self) -> bool:
        """Take what came. False at the end of the stream."""
        data = self._read(self._out)
        self._received += data or b""
        return data != b""

    def _drain(self) -> None:
        """Take what is left on standard error, as far as it has come; a flood has no end."""
        for _ in range(64):
            if not self._take_errors():
                return

    def _await_exit(self) -> bool:
        deadline = time.monotonic() + GRACE
        while not self.has_exited():
            if time.monotonic() >= deadline:
                return False
            self._drain()
            time.sleep(0.002)
        return True

    def _look(self) -> None:
        """See whether the process is gone or too big."""
        if self.has_exited():
            while b"\n" not in self._received:  # it may have answered before it went
                if not self._read_rest():
                    self._lost()
            return
        grown = _Memory.of(self.pid).resident - self._before.resident
        if grown > self._allowance:
            self._give_up(OutcomeKind.OUT_OF_MEMORY, f"took {_megabytes(grown)} of memory, {self._allowed()}")

    def _read_rest(self) -> bool:
        data = self._read(self._out)
        self._received += data or b""
        return bool(data)

    def _allowed(self) -> str:
        return f"where {_megabytes(self._allowance)} are allowed"

    def _lost(self) -> NoReturn:
        """There will be no reply: find out why, and raise that."""
        if not self._await_exit():
            self._give_up(OutcomeKind.PROTOCOL_ERROR, "closed its replies and went on running")
        grown = self._finish() - max(self._before.resident, self._inherited)
        code = self._process.returncode
        how = _ending(code)
        if code < 0 and grown > self._allowance // 2:  # refused or killed on the way up
            how = f"{how} after taking {_megabytes(grown)} of memory, {self._allowed()}"
            raise ChildEndedError(OutcomeKind.OUT_OF_MEMORY, self._with_tail(how))
        raise ChildEndedError(OutcomeKind.CRASHED, self._with_tail(how))

    def _give_up(self, kind: OutcomeKind, message: str) -> NoReturn:
        self._finish()
        raise ChildEndedError(kind, self._with_tail(message))

    def _with_tail(self, message: str) -> str:
        return f"{message}; standard error ends:\n{self.tail}" if self.tail else message


def _ending(code: int) -> str:
    if code >= 0:
        return f"exited with code {code} before it replied"
    # The suite's own kills never come here; what else sends it is the system, when memory runs out.
    by_system = ", which this suite did not send" if code == -signal.SIGKILL else ""
    return f"killed by {_signal_name(-code)}{by_system}"


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
