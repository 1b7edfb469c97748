"""The protocol's loop: one request, one reply.

A refusal is an `Exception` of the library's. What is none (SystemExit, a Rust panic, KeyboardInterrupt) would end
the program that called it, so it ends this one, and the runner sees it from outside, as it sees a crash.
"""

from __future__ import annotations

import contextlib
import gc
import math
import os
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from endianproof.conformance.testee.building import CannotBuildError
from endianproof.conformance.testee.canonical import ConversionError
from endianproof.conformance.testee.convert import elements_of, named_elements, tensor_messages
from endianproof.conformance.testee.handshake import Prover, introduction
from endianproof.conformance.testee.nested import pairs, value_named
from endianproof.conformance.testee.opened import opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from endianproof.conformance.testee.canonical import Elements
    from endianproof.conformance.testee.saving import Saver
    from endianproof.conformance.testee.stdio import Channel

__all__ = ["TAKES", "Loading", "Saving", "Server", "failure"]

# Characters of an exception's text that travel; some libraries put the whole file in.
MESSAGE_LIMIT = 2000
# The exit code for an exception that no program survives, when the exception names none.
ENDED = 1


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 (an exception's __str__ is the library's code too)
        text = f"(its text cannot be had: {type(broken).__name__})"
    return text if len(text) <= MESSAGE_LIMIT else text[:MESSAGE_LIMIT] + "..."


def failure(error: BaseException) -> dict[str, str]:
    """An exception as the protocol's `error`: its class and its text."""
    return {"type": type(error).__name__, "message": _text(error)}


@contextlib.contextmanager
def _path(path: str) -> Iterator[Any]:
    yield path


@contextlib.contextmanager
def _bytes(path: str) -> Iterator[Any]:
    with open(path, "rb") as file:  # noqa: PTH123 (pathlib would be one more import in an emulated guest)
        data = file.read()
    yield data


@contextlib.contextmanager
def _file(path: str) -> Iterator[Any]:
    with open(path, "rb") as file:  # noqa: PTH123 (as above)
        yield file  # open until the tensors were looked at: they may be read lazily


# What a loader is given, as a context that lasts as long as what it returned is looked at.
TAKES = {"path": _path, "bytes": _bytes, "file": _file}


class Server:
    """Serves one loader or one saver, which was imported from `name`."""

    def __init__(self, name: str, answer: Loading | Saving) -> None:
        self._name = name
        self._answer = answer
        self._prover = Prover()
        self._operations = {"hello": self._hello, **dict.fromkeys(("load", "read", "save"), self._carry_out)}
        self._send: Callable[[dict[str, Any]], None] = lambda _message: None

    def serve(self, channel: Channel) -> None:
        """Answer until `bye`, or until the runner is gone."""
        self._send = channel.reply
        for request in channel.requests():
            if request.get("op") == "bye":
                return
            channel.reply(self._answered(request))

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request. Raises what is no `Exception`, whatever the library raised of it."""
        return self._operations.get(str(request.get("op")), self._unknown)(request)

    def _answered(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.answer(request)
        except BaseException as error:  # noqa: BLE001 (see the module's docstring)
            traceback.print_exc()
            code = error.code if isinstance(error, SystemExit) else ENDED
            # Not by sys.exit: the library's threads could keep a process alive that has nothing more to say.
            os._exit(code if isinstance(code, int) else ENDED)

    def _hello(self, _request: dict[str, Any]) -> dict[str, Any]:
        said = introduction(self._name)
        return {**said, "ops": list(self._answer.ops), "conversion": self._prover.samples()}

    def _unknown(self, request: dict[str, Any]) -> dict[str, Any]:
        found = request.get("op")
        error = {"type": "UnknownOperation", "message": f"op {found!r}; expected hello, load, read, save or bye"}
        return {"id": str(request.get("id", "")), "error": error}

    def _carry_out(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["op"] not in self._answer.ops:
            reason = f"this testee can {' and '.join(self._answer.ops)}, and was asked to {request['op']}"
            return {"id": request["id"], "outcome": "unsupported", "reason": reason}
        reply = {"id": request["id"], **_outcome(self._answer, request, self._send)}
        samples = self._prover.samples()
        return {**reply, "conversion": samples} if samples else reply


class _Kept:
    """What a loader returned, and what it was given, until the next load: tensors are read in parts from it."""

    def __init__(self, result: Any, given: contextlib.ExitStack, *, lists: bool) -> None:
        self._result = result
        self._lists = lists
        self._given = given
        self._last: tuple[str, Elements] | None = None

    def part(self, request: dict[str, Any]) -> dict[str, Any]:
        """The elements from `start` to `stop` of one tensor, as a tensor of one dimension. Raises KeyError."""
        name, start, stop = request["name"], request["start"], request["stop"]
        if self._last is None or self._last[0] != name:
            self._last = None
            self._last = name, elements_of(value_named(self._result, name, lists=self._lists))
        elements = self._last[1]
        count = math.prod(elements.shape)
        span = [(place * elements.nbytes + count - 1) // count if count else 0 for place in (start, stop)]
        key, said = ("sha256", elements.sha256) if request["reply"] == "sha256" else ("data", elements.base64)
        return {"name": name, "dtype": elements.dtype, "shape": [stop - start], key: said(*span)}

    def drop(self) -> None:
        """Let go of it."""
        self._result = self._last = None
        self._given.close()


class Loading:
    """Answers load requests with one loader, and reads in what it returned. `takes` is what it is given.

    With `lists`, plain lists of numbers are tensors.
    """

    who = "loader"
    ops = ("load", "read")

    def __init__(self, load: Callable[[Any], Any], takes: str, *, lists: bool = False) -> None:
        self._load = load
        self._lists = lists
        self._takes = TAKES[takes]
        self._kept: _Kept | None = None

    def __call__(self, request: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """The outcome of one request. Raises whatever the loader raises."""
        if request["op"] == "read":
            return self._read(request)
        if self._kept is not None:
            self._kept.drop()
            self._kept = None
        with contextlib.ExitStack() as given:
            result = opened(self._load(given.enter_context(self._takes(request["path"]))), given)
            if request.get("keep") and isinstance(result, Iterator):
                result = dict(pairs(result))  # it gives each tensor once, and they are read again
            tensors = self._tensors(result, request, send)
            if request.get("keep"):
                self._kept = _Kept(result, given.pop_all(), lists=self._lists)
        return {"outcome": "loaded", "tensors": tensors}

    def _tensors(
        self, result: Any, request: dict[str, Any], send: Callable[[dict[str, Any]], None]
    ) -> list[dict[str, Any]]:
        want = request.get("reply", "data")
        if not request.get("keep") or want != "sha256":
            return tensor_messages(result, want, lists=self._lists)
        from endianproof.conformance.testee.digesting import Digests  # noqa: PLC0415 (threads, for large files alone)

        def tell(tensors: int, size: int) -> None:
            send({"id": request["id"], "progress": {"tensors": tensors, "bytes": size}})

        return Digests(tell).of(named_elements(result, lists=self._lists))

    def _read(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._kept is None:
            return {"error": {"type": "NothingKept", "message": "read goes after a load with keep, and none was"}}
        try:
            return {"outcome": "loaded", "tensors": [self._kept.part(request)]}
        except KeyError as error:
            return {"error": failure(error)}


class Saving:
    """Answers save requests with one saver."""

    who = "saver"
    ops = ("save",)

    def __init__(self, saver: Saver) -> None:
        self._saver = saver

    def __call__(self, request: dict[str, Any], _send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """The outcome of one request. Raises whatever the saver raises; what this side fails at is answered."""
        try:
            tensors = self._saver.build(request)
        except CannotBuildError as error:
            return {"outcome": "unsupported", "reason": _text(error)}
        except Exception as error:  # noqa: BLE001 (whatever a framework raises here, no saver is to blame)
            return {"error": failure(error)}
        return {"outcome": "saved", "tensors": self._saver.write(tensors, request["path"])}


def _outcome(
    answer: Loading | Saving, request: dict[str, Any], send: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    try:
        return answer(request, send)
    except MemoryError as error:
        memory = _text(error) or "no memory left"
    except ConversionError as error:
        return {"outcome": "unknown-result", "reason": _text(error)}
    except NotImplementedError as error:
        return {
            "outcome": "unsupported",
            "reason": _text(error) or f"the {answer.who} raised NotImplementedError",
        }
    except Exception as error:  # noqa: BLE001 (a refusal, of whatever class the library chose)
        return {"outcome": "rejected", "error": failure(error)}
    # Outside the handler, where the traceback no longer keeps the library's frames, and what they hold, alive.
    gc.collect()
    return {"outcome": "rejected", "error": {"type": "MemoryError", "message": memory}}
