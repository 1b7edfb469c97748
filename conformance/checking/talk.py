"""A talk with one testee: lines out and in, each reply held against the schema, and whatever is wrong raised."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from endianproof.conformance.child import Child, ChildEndedError
from endianproof.conformance.launch import refused
from endianproof.conformance.malformed import mismatch
from endianproof.conformance.messages import MessageError, encode, read_load, read_progress, read_save
from endianproof.conformance.outcome import OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.conformance.launch import Launch
    from endianproof.conformance.limits import Limits
    from endianproof.conformance.outcome import Outcome

__all__ = ["BYE", "HELLO", "Talk", "WrongError", "quoted"]

HELLO = encode({"op": "hello", "protocol": 1})
BYE = encode({"op": "bye"})
SMALL = 1 << 20  # bytes: no file of a check is larger
SHOWN = 300  # characters of a line that are quoted
LAST_WORDS = 5.0  # seconds that a testee has to write what it kept in a buffer

STRAY = (
    "standard output is for replies alone, each on one line: what a library prints has to go to standard error "
    "(C: dup(1), then dup2(2, 1); Node: console.log = console.error; C#: Console.SetOut(Console.Error))"
)
FLUSH = (
    "flush standard output after every reply: into a pipe it is written when a buffer is full (C: fflush(stdout); "
    "C++: std::endl; Python: flush=True; C#: AutoFlush; Go: do not wrap os.Stdout, or Flush)"
)
LIVE = "a testee answers every request and lives on: catch what the library throws, and answer `rejected`"


def quoted(line: bytes) -> str:
    """A line as people read it, cut where it is long."""
    text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(line)} bytes)"


class WrongError(Exception):
    """One step that is not as the protocol has it: what was found, expected by which definition, what to do."""

    def __init__(self, found: str, expected: str, advice: str, schema: str = "") -> None:
        super().__init__(found)
        self.found, self.expected, self.advice, self.schema = found, expected, advice, schema


class Talk:
    """One testee, whose process is started when it is needed. `sent` and `received` are the last lines."""

    def __init__(self, launch: Launch, limits: Limits) -> None:
        self._launch = launch
        self._limits = limits
        self._child: Child | None = None
        self._count = 0
        self._is_new = False  # no line was sent to the process yet
        self.sent = self.received = b""
        self.errors = ""  # the end of what came on standard error with the last reply

    def fresh(self) -> None:
        """End the process, if there is one, and start another, which has introduced itself to nobody."""
        self.end()
        self._is_new = True
        try:
            self._child = Child(self._launch, self._limits.open_files)
        except OSError as error:
            raise refused(self._launch, error) from error

    def ready(self) -> None:
        """Have a process that answers: the one there is, or a new one that has introduced itself.

        Raises WrongError where the one there was has exited: sooner or later, a request would be lost to that.
        """
        if self._child is not None and self._child.has_exited():
            self.end()
            raise WrongError("the process exited after its last reply", "it waits for the next request", LIVE)
        if self._child is None:
            self.fresh()
            self.line(HELLO)

    def end(self) -> None:
        """Kill the process, if there is one."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def line(self, line: bytes, request_id: str = "") -> bytes:
        """Send a line, nothing for b"", and return the one that answers it. Raises WrongError where none comes."""
        assert self._child is not None, "fresh() or ready() comes first"
        self.sent, self.received = line or self.sent, b""
        allowed = self._limits.to_start() if self._is_new else self._limits.for_request(SMALL)
        self._is_new = False
        try:
            self.received = self._child.exchange(
                line,
                allowed,
                lambda one: request_id != "" and read_progress(one, request_id) is not None,
            )
        except ChildEndedError as ended:
            self._child = None
            raise self._unanswered(ended, line) from ended
        self.errors = self._child.tail or self.errors
        return self.received

    def _unanswered(self, ended: ChildEndedError, line: bytes) -> WrongError:
        expected = "one line in answer"
        if ended.kind is not OutcomeKind.TIMED_OUT:
            return WrongError(str(ended), expected, LIVE)
        if self._is_buffered(line):
            found = f"{ended}; the answer came when the requests were at an end"
            return WrongError(found, expected, FLUSH)
        return WrongError(str(ended), expected, "read a line, answer it, read the next; do not wait for more")

    def _is_buffered(self, line: bytes) -> bool:
        """Whether a testee that did not answer does so when no more requests can come."""
        before = b"" if line == HELLO else HELLO
        process = subprocess.Popen(
            self._launch.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._launch.cwd,
            env=dict(self._launch.env),
            start_new_session=True,
        )
        with process, contextlib.suppress(OSError, subprocess.TimeoutExpired):
            try:
                said, _ = process.communicate(before + line, LAST_WORDS)
                return said.count(b"\n") > before.count(b"\n")
            finally:
                if process.returncode is None:  # what it started ends with it
                    os.killpg(process.pid, signal.SIGKILL)
        return False

    def message(self, name: str) -> dict[str, Any]:
        """The last line received as a message that the schema calls `name`. Raises WrongError."""
        found = self._parsed()
        wrong = mismatch(found, name)
        if wrong is not None:
            advice = f"the definition is {wrong.schema}: endianproof protocol show --schema"
            raise WrongError(str(wrong), f"a {name}", advice, wrong.schema)
        message: dict[str, Any] = found
        return message

    def introduction(self) -> dict[str, Any]:
        """The last line received as an answer to hello: what the testee is, or its error. Raises WrongError."""
        found = self._parsed()
        return self.message("hello_error" if isinstance(found, dict) and "error" in found else "hello_reply")

    def _parsed(self) -> Any:
        try:
            return json.loads(self.received.decode("utf-8"))
        except (ValueError, RecursionError):
            raise WrongError(f"no JSON: {quoted(self.received)}", "one JSON object on a line", STRAY) from None

    def new_id(self) -> str:
        """An id that no request had yet."""
        self._count += 1
        return f"c{self._count}"

    def ask(self, request: Mapping[str, Any], line: bytes = b"", name: str = "load_reply") -> dict[str, Any]:
        """Make a request, spelt as `line` if it is given, and return its reply. Raises WrongError."""
        self.ready()
        self.line(line or encode(request), request["id"])
        reply = self.message(name)
        self.same_id(reply, request["id"])
        return reply

    def same_id(self, reply: Mapping[str, Any], request_id: str) -> None:
        """Raise WrongError unless a reply is to that request."""
        if reply["id"] != request_id:
            raise WrongError(
                f"a reply to {reply['id']!r}",
                f"one to {request_id!r}",
                "repeat the request's id as it is: any string, escaped as JSON has it",
                "#/$defs/id",
            )

    def outcome(self, request_id: str, want: str) -> Outcome:
        """The last reply to a load or a save as the runner reads it. Raises WrongError."""
        try:
            if want:
                return read_load(self.received, request_id, want)[0]
            return read_save(self.received, request_id)[0]
        except MessageError as error:
            advice = "`data` is base64 with + and /, padded with =; `sha256` is 64 hexadecimal digits, lower case"
            raise WrongError(
                str(error), "canonical bytes as base64, or their digest", advice, "#/$defs/data"
            ) from None

    def nothing_more(self) -> None:
        """Raise WrongError where something came that no request asked for."""
        if self._child is not None and (found := self._child.unasked()):
            self.end()
            raise WrongError(f"besides the reply: {quoted(found)}", "one line for each request", STRAY)

    def dismiss(self, farewell: bytes, seconds: float) -> int | None:
        """Say `farewell`, or close the requests with b""; return the exit code, or None. Raises WrongError."""
        assert self._child is not None, "ready() comes first"
        child, self._child = self._child, None
        self.sent, self.received = farewell, b""
        code = child.dismiss(farewell, seconds)
        self.errors = child.tail or self.errors
        if found := child.unasked():
            raise WrongError(f"an answer: {quoted(found)}", "none: the testee exits", "exit without a word")
        return code
