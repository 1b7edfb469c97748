"""What a testee did with one request, as the runner saw it. Facts only: the judge says what they are worth."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LoadedTensor", "Outcome", "OutcomeKind", "TesteeInfo"]


class OutcomeKind(enum.Enum):
    """How a request ended. The first five are the testee's own replies; the rest the runner saw from outside."""

    LOADED = "loaded"
    SAVED = "saved"
    REJECTED = "rejected"
    UNSUPPORTED = "unsupported"
    UNKNOWN_RESULT = "unknown-result"  # the loader returned something that is no mapping of tensors
    CRASHED = "crashed"
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    PROTOCOL_ERROR = "protocol-error"  # the testee's side is broken: says nothing about the library under test


@dataclass(frozen=True)
class LoadedTensor:
    """One tensor that a testee returned, or that it looked at again after saving it.

    `data` is the canonical bytes (C order, each element little-endian); None when only the digest was asked
    for. `sha256` is always there: the hex digest of the canonical bytes.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str
    data: bytes | None = None


@dataclass(frozen=True)
class Outcome:
    """How one load or save request ended.

    `error_type` and `message` are the exception's, for REJECTED; `message` alone explains every other kind
    (signal or exit code and the end of stderr for CRASHED, seconds for TIMED_OUT, the limit for
    OUT_OF_MEMORY, the reason for UNSUPPORTED, the type found for UNKNOWN_RESULT). `ran_code` says that code
    which the file names was executed, whatever came of the request. `limit` names the limit that was met, and
    what raises it; "" where none was, as far as can be told.
    """

    kind: OutcomeKind
    tensors: tuple[LoadedTensor, ...] = ()
    error_type: str = ""
    message: str = ""
    ran_code: bool = False
    limit: str = ""


@dataclass(frozen=True)
class TesteeInfo:
    """What a testee said of itself in reply to `hello`.

    `byteorder` is sys.byteorder of its process ("little" or "big"); `ops` are what it can be asked for, "load",
    "read" and "save"; `formats` and `dtypes` are None when it did not restrict itself.
    """

    __test__: ClassVar[bool] = False  # no test class, whatever its name makes pytest think

    name: str
    version: str
    byteorder: str
    machine: str
    runtime: str
    packages: Mapping[str, str]
    ops: tuple[str, ...] = ("load",)
    formats: tuple[str, ...] | None = None
    dtypes: tuple[str, ...] | None = None

    def document(self) -> dict[str, Any]:
        """Who it is and where it runs, as records hold it."""
        return {
            "name": self.name,
            "version": self.version,
            "runtime": self.runtime,
            "machine": self.machine,
            "byteorder": self.byteorder,
            "packages": dict(self.packages),
        }
