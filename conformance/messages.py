"""The testee protocol's messages: requests as bytes, replies read and checked against their JSON Schema.

The schema decides. Well-formed replies, which are nearly all, are recognised first by a few comparisons: a JSON
Schema validator takes longer over a reply than the loader over its file. `_is_plain` accepts a part of what the
schema accepts (a test holds the two together), and whatever it does not know goes to the schema.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from endianproof.conformance.malformed import mismatch
from endianproof.conformance.outcome import LoadedTensor, Outcome, OutcomeKind, TesteeInfo
from endianproof.conformance.visible import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "MessageError",
    "encode",
    "read_hello",
    "read_load",
    "read_progress",
    "read_save",
    "schema_error",
]

LONGEST_PROGRESS = 500  # bytes
STRAY = "standard output is for replies alone; what a library prints goes to standard error"
SHOWN = 200  # characters of a bad reply that a message quotes

TENSOR_KEYS = ({"name", "dtype", "shape", "data"}, {"name", "dtype", "shape", "sha256"})
DTYPE = re.compile(r"[a-z][a-z0-9_]*")
SHA256 = re.compile(r"[0-9a-f]{64}")
KINDS = {
    kind.value: kind
    for kind in (
        OutcomeKind.LOADED,
        OutcomeKind.SAVED,
        OutcomeKind.REJECTED,
        OutcomeKind.UNSUPPORTED,
        OutcomeKind.UNKNOWN_RESULT,
    )
}


class MessageError(Exception):
    """A reply breaks the protocol. The message says what was found and what was expected."""


def encode(message: Mapping[str, Any]) -> bytes:
    """One message as its line."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def schema_error(message: Any, name: str) -> str:
    """Say what keeps `message` from being the schema's `name` (load_reply, hello_reply, ...); "" for nothing."""
    return str(mismatch(message, name) or "")


def _is_plain_tensor(tensor: Any) -> bool:
    return (
        type(tensor) is dict
        and tensor.keys() in TENSOR_KEYS
        and type(tensor["name"]) is str
        and type(tensor["dtype"]) is str
        and DTYPE.fullmatch(tensor["dtype"]) is not None
        and type(tensor["shape"]) is list
        and all(type(length) is int and length >= 0 for length in tensor["shape"])
        and (
            type(tensor["data"]) is str
            if "data" in tensor
            else type(tensor["sha256"]) is str and SHA256.fullmatch(tensor["sha256"]) is not None
        )
    )


def _is_plain(reply: Mapping[str, Any], outcome: str) -> bool:
    """Whether this is a well-formed `loaded` or `saved` reply that has its tensors and nothing optional else."""
    return (
        reply.keys() == {"id", "outcome", "tensors"}
        and type(reply["id"]) is str
        and reply["outcome"] == outcome
        and type(reply["tensors"]) is list
        and all(map(_is_plain_tensor, reply["tensors"]))
    )


def _quoted(line: bytes) -> str:
    text = repr(line[:SHOWN])[1:]
    return text if len(line) <= SHOWN else f"{text}... ({len(line)} bytes)"


def _object(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise MessageError(f"the reply is no JSON: {_quoted(line)} ({STRAY})") from None
    if not isinstance(message, dict):
        raise MessageError(f"the reply is no JSON object: {_quoted(line)}")
    return message


def _bytes(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MessageError(f"{what} is no base64: {error}") from None


def _samples(reply: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    samples: list[Mapping[str, Any]] = reply.get("conversion", [])
    for sample in samples:
        _bytes(sample["data"], f"the conversion sample of {sample['dtype']}")
    return samples


def _info(reply: Mapping[str, Any]) -> TesteeInfo:
    return TesteeInfo(
        name=visible(reply["name"]),
        version=visible(reply["version"]),
        byteorder=reply["byteorder"],
        machine=visible(reply["machine"]),
        runtime=visible(reply["runtime"]),
        packages={visible(name): visible(version) for name, version in reply.get("packages", {}).items()},
        ops=tuple(reply.get("ops", ("load",))),
        formats=tuple(map(visible, reply["formats"])) if "formats" in reply else None,
        dtypes=tuple(map(visible, reply["dtypes"])) if "dtypes" in reply else None,
    )


def read_hello(line: bytes) -> tuple[TesteeInfo, list[Mapping[str, Any]]] | Mapping[str, str]:
    """Read the reply to hello: what the testee is and its conversion samples, or the error that it has instead.

    Raises MessageError.
    """
    reply = _object(line)
    name = "hello_error" if "error" in reply else "hello_reply"
    if reply.get("protocol") != 1:
        raise MessageError(f"protocol version {reply.get('protocol')!r}; this suite speaks version 1")
    if error := schema_error(reply, name):
        raise MessageError(f"the reply to hello is malformed: {error}")
    if "error" in reply:
        return {key: visible(text) for key, text in reply["error"].items()}
    return _info(reply), _samples(reply)


def _tensor(entry: Mapping[str, Any], want: str) -> LoadedTensor:
    shape = tuple(int(length) for length in entry["shape"])
    if "data" not in entry:
        if want == "data":
            raise MessageError(f"tensor {entry['name']!r} came as a digest; its data was asked for")
        return LoadedTensor(entry["name"], entry["dtype"], shape, entry["sha256"])
    data = _bytes(entry["data"], f"the data of tensor {entry['name']!r}")
    digest = hashlib.sha256(data).hexdigest()
    return LoadedTensor(entry["name"], entry["dtype"], shape, digest, None if want == "sha256" else data)


def _outcome(reply: Mapping[str, Any], want: str) -> Outcome:
    if "outcome" not in reply:
        error = reply["error"]
        raise MessageError(
            f"the testee could not carry out the request: {visible(error['type'])}: {visible(error['message'])}"
        )
    kind = KINDS[reply["outcome"]]
    if kind in {OutcomeKind.LOADED, OutcomeKind.SAVED}:
        return Outcome(kind, tensors=tuple(_tensor(entry, want) for entry in reply.get("tensors", ())))
    if kind is not OutcomeKind.REJECTED:
        return Outcome(kind, message=visible(reply["reason"]))
    error = reply["error"]
    if error["type"] == "MemoryError":
        return Outcome(OutcomeKind.OUT_OF_MEMORY, error_type="MemoryError", message=visible(error["message"]))
    return Outcome(kind, error_type=visible(error["type"]), message=visible(error["message"]))


def _read(
    line: bytes, request_id: str, want: str, plain: str, name: str
) -> tuple[Outcome, list[Mapping[str, Any]]]:
    reply = _object(line)
    if not _is_plain(reply, plain) and (error := schema_error(reply, name)):
        raise MessageError(f"the reply is malformed: {error}")
    if reply["id"] != request_id:
        raise MessageError(f"a reply to {reply['id']!r}; expected one to {request_id!r}")
    return _outcome(reply, want), _samples(reply)


def read_load(line: bytes, request_id: str, want: str) -> tuple[Outcome, list[Mapping[str, Any]]]:
    """Read the reply to a load request of that id, with the conversion samples that came with it.

    Raises MessageError.
    """
    return _read(line, request_id, want, "loaded", "load_reply")


def read_progress(line: bytes, request_id: str) -> tuple[int, int] | None:
    """The tensors and bytes that are done, where a line is word of progress with that request; else None."""
    if len(line) > LONGEST_PROGRESS or b'"progress"' not in line:
        return None
    try:
        said = _object(line)
    except MessageError:
        return None
    if said.get("id") != request_id or schema_error(said, "progress"):
        return None
    return said["progress"]["tensors"], said["progress"]["bytes"]


def read_save(line: bytes, request_id: str) -> tuple[Outcome, list[Mapping[str, Any]]]:
    """Read the reply to a save request of that id: the caller's tensors as they are afterwards, where they came.

    Raises MessageError.
    """
    return _read(line, request_id, "either", "saved", "save_reply")
