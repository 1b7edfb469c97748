"""`--in-process`: the testee's side of the protocol in pytest's own process, for a debugger in the loader.

It stands where a process stands otherwise, and is asked and judged in the same way. Nothing holds it: no limit,
and no wall between it and pytest.
"""

from __future__ import annotations

import bdb
import functools
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from endianproof.conformance.child import ChildEndedError
from endianproof.conformance.mark import VARIABLE
from endianproof.conformance.outcome import OutcomeKind
from endianproof.conformance.testee.arguments import answer_of, parse
from endianproof.conformance.testee.handshake import PROTOCOL
from endianproof.conformance.testee.serve import Server, failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from endianproof.conformance.launch import Launch
    from endianproof.conformance.limits import Allowance

__all__ = ["Inside"]

# How a person leaves the debugger. They are Exceptions, and no refusals of the library's.
LEFT = (bdb.BdbQuit, pytest.exit.Exception)


class Inside:
    """What `child.Child` is, without a process."""

    def __init__(self, launch: Launch, _open_files: int | None = None) -> None:
        self._arguments = parse(launch.argv[2:])  # behind the interpreter and the testee's own file
        self._path = list(sys.path)
        self._mark = os.environ.get(VARIABLE)
        self._left: BaseException | None = None
        os.environ[VARIABLE] = launch.env[VARIABLE]
        sys.path[:0] = self._arguments.path
        self._server: Server | None = None

    def exchange(
        self, request: bytes, _allowed: Allowance, _is_news: Callable[[bytes], bool] = lambda _line: False
    ) -> bytes:
        """Answer one line. Raises ChildEndedError for what would end a program that does not catch it."""
        try:
            reply = self._reply(json.loads(request))
        except (KeyboardInterrupt, *LEFT):
            raise
        except BaseException as error:
            text = f"{type(error).__name__}: {error}, which ends a program that does not catch it"
            raise ChildEndedError(OutcomeKind.CRASHED, text) from error
        if self._left is not None:
            raise self._left
        return json.dumps(reply).encode("ascii")

    def _reply(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._server is None:
            name = self._arguments.name or self._arguments.loader or self._arguments.saver
            try:
                self._server = Server(name, answer_of(self._arguments, self._heeding))
            except (Exception, SystemExit) as error:  # noqa: BLE001 (importing may raise anything)
                return {"protocol": PROTOCOL, "error": failure(error)}
        return self._server.answer(request)

    def _heeding(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same function; that the user left the debugger in it is remembered."""

        @functools.wraps(call)
        def heeding(*args: Any, **kwargs: Any) -> Any:
            try:
                return call(*args, **kwargs)
            except LEFT as error:
                self._left = error
                raise

        return heeding

    def has_exited(self) -> bool:
        """Whether it is gone: pytest would be, too."""
        return False

    def interrupt(self) -> None:
        """Nothing is under way: it is asked in pytest's own thread."""

    def kill(self) -> None:
        """Undo what starting it changed. Modules stay imported."""
        sys.path[:] = self._path
        os.environ.pop(VARIABLE, None)
        if self._mark is not None:
            os.environ[VARIABLE] = self._mark

    def close(self, _farewell: bytes) -> None:
        """As `kill`."""
        self.kill()
