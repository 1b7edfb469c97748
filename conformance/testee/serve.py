"""The protocol's loop: one request, one reply.

A refusal is an `Exception` of the library's. What is none (SystemExit, a Rust panic, KeyboardInterrupt) would end
the program that called it, so it ends this one, and the runner sees it from outside, as it sees a crash.
"""

from __future__ import annotations

import gc
import os
import traceback
from typing import TYPE_CHECKING, Any

from endianproof.conformance.testee.building import CannotBuildError
from endianproof.conformance.testee.canonical import ConversionError
from endianproof.conformance.testee.convert import tensor_messages
from endianproof.conformance.testee.handshake import Prover, introduction

if TYPE_CHECKING:
    from collections.abc import Callable

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


def _call_with_path(load: Callable[[Any], Any], path: str, convert: Callable[[Any], Any]) -> Any:
    return convert(load(path))


def _call_with_bytes(load: Callable[[Any], Any], path: str, convert: Callable[[Any], Any]) -> Any:
    with open(path, "rb") as file:  # noqa: PTH123 (pathlib would be one more import in an emulated guest)
        data = file.read()
    return convert(load(data))


def _call_with_file(load: Callable[[Any], Any], path: str, convert: Callable[[Any], Any]) -> Any:
    with open(path, "rb") as file:  # noqa: PTH123 (as above)
        return convert(load(file))  # before the file is closed: tensors may be read lazily


TAKES = {"path": _call_with_path, "bytes": _call_with_bytes, "file": _call_with_file}


class Server:
    """Serves one loader or one saver, which was imported from `name`."""

    def __init__(self, name: str, answer: Loading | Saving) -> None:
        self._name = name
        self._answer = answer
        self._prover = Prover()
        self._operations = {"hello": self._hello, "load": self._carry_out, "save": self._carry_out}

    def serve(self, channel: Channel) -> None:
        """Answer until `bye`, or until the runner is gone."""
        for request in channel.requests():
            if request.get("op") == "bye":
                return
            channel.reply(self._answered(request))

    def _answered(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._operations.get(str(request.get("op")), self._unknown)(request)
        except BaseException as error:  # noqa: BLE001 (see the module's docstring)
            traceback.print_exc()
            code = error.code if isinstance(error, SystemExit) else ENDED
            # Not by sys.exit: the library's threads could keep a process alive that has nothing more to say.
            os._exit(code if isinstance(code, int) else ENDED)

    def _hello(self, _request: dict[str, Any]) -> dict[str, Any]:
        said = introduction(self._name)
        return {**said, "ops": [self._answer.op], "conversion": self._prover.samples()}

    def _unknown(self, request: dict[str, Any]) -> dict[str, Any]:
        found = request.get("op")
        error = {"type": "UnknownOperation", "message": f"op {found!r}; expected hello, load, save or bye"}
        return {"id": str(request.get("id", "")), "error": error}

    def _carry_out(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["op"] != self._answer.op:
            reason = f"this testee can {self._answer.op}, and was asked to {request['op']}"
            return {"id": request["id"], "outcome": "unsupported", "reason": reason}
        reply = {"id": request["id"], **_outcome(self._answer, request)}
        samples = self._prover.samples()
        return {**reply, "conversion": samples} if samples else reply


class Loading:
    """Answers load requests with one loader. `takes` is what it is given: path, bytes or file."""

    op = "load"

    def __init__(self, load: Callable[[Any], Any], takes: str) -> None:
        self._load = load
        self._call = TAKES[takes]

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        """The outcome of one request. Raises whatever the loader raises."""
        want = request.get("reply", "data")
        tensors = self._call(self._load, request["path"], lambda result: tensor_messages(result, want))
        return {"outcome": "loaded", "tensors": tensors}


class Saving:
    """Answers save requests with one saver."""

    op = "save"

    def __init__(self, saver: Saver) -> None:
        self._saver = saver

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        """The outcome of one request. Raises whatever the saver raises; what this side fails at is answered."""
        try:
            tensors = self._saver.build(request)
        except CannotBuildError as error:
            return {"outcome": "unsupported", "reason": _text(error)}
        except Exception as error:  # noqa: BLE001 (whatever a framework raises here, no saver is to blame)
            return {"error": failure(error)}
        return {"outcome": "saved", "tensors": self._saver.write(tensors, request["path"])}


def _outcome(answer: Loading | Saving, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return answer(request)
    except MemoryError as error:
        memory = _text(error) or "no memory left"
    except ConversionError as error:
        return {"outcome": "unknown-result", "reason": _text(error)}
    except NotImplementedError as error:
        return {
            "outcome": "unsupported",
            "reason": _text(error) or f"the {answer.op}er raised NotImplementedError",
        }
    except Exception as error:  # noqa: BLE001 (a refusal, of whatever class the library chose)
        return {"outcome": "rejected", "error": failure(error)}
    # Outside the handler, where the traceback no longer keeps the library's frames, and what they hold, alive.
    gc.collect()
    return {"outcome": "rejected", "error": {"type": "MemoryError", "message": memory}}
