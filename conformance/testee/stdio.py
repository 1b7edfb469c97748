"""Keeps the protocol's streams out of the library's reach.

Whatever a library prints, from Python or from C, goes to standard error; whatever it reads from standard input is
empty; what it closes is not ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Channel"]

# Far above the descriptors that libraries get, so that `os.closerange(3, 64)` and the like do not hit ours.
FIRST_DESCRIPTOR = 200


def _moved(descriptor: int) -> int:
    """A private copy of a descriptor, which programs started by the library do not inherit."""
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR)
    except OSError:  # fewer descriptors are allowed than that
        return os.dup(descriptor)


class Channel:
    """Newline-delimited JSON: requests from what was standard input, replies to what was standard output."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._requests: BinaryIO = os.fdopen(_moved(0), "rb")
        self._replies: BinaryIO = os.fdopen(_moved(1), "wb")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        if isinstance(sys.stdout, io.TextIOWrapper):
            with contextlib.suppress(OSError, ValueError):  # a nicety: what is printed comes before the next reply
                sys.stdout.reconfigure(line_buffering=True)

    def requests(self) -> Iterator[dict[str, Any]]:
        """Yield each request, until the runner closes its end. Raises ValueError for what is no JSON object."""
        for line in self._requests:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError(f"a request is a JSON object; found {type(request).__name__}")  # noqa: TRY004 (bad JSON is one too)
            yield request

    def reply(self, message: dict[str, Any]) -> None:
        """Send one reply. In a copy of this process that the library forked, end it instead: it has no runner."""
        if os.getpid() != self._process:
            os._exit(0)
        self._replies.write(json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n")
        self._replies.flush()
