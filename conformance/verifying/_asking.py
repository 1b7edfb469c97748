"""The loader's side: the digests of what it returned, and parts of a tensor, however much a testee can do."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

from endianproof.conformance.outcome import LoadedTensor, OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from endianproof.conformance.client import TesteeProcess
    from endianproof.conformance.outcome import Outcome

__all__ = ["MOST_SENT", "Asking", "LostError"]

MOST_SENT = 64 << 20  # bytes of a file whose tensors a testee sends as a whole, where it cannot send parts
UNKNOWN = "unknown"  # the format of a file that none recognizes, in a request


class LostError(Exception):
    """The testee did not answer when it was asked for a part of what it had loaded."""


class Asking:
    """One file, loaded once by a testee, and once more where that cannot send parts of what it loaded."""

    def __init__(self, testee: TesteeProcess, path: Path, format_name: str | None) -> None:
        self._testee = testee
        self._path = path
        self._format = format_name or UNKNOWN
        self._whole: dict[str, bytes] | None = None

    @property
    def tells(self) -> bool:
        """Whether the testee says how far it is, and sends parts."""
        return "read" in self._testee.hello().ops

    @property
    def can_show(self) -> bool:
        """Whether values can be had, not digests alone."""
        return self.tells or self._path.stat().st_size <= MOST_SENT

    def load(self, tell: Callable[[int, int], None]) -> Outcome:
        """Have the file loaded: digests come. Raises TesteeStartError."""
        if self.tells:
            return self._testee.keep(self._path, self._format, tell=tell)
        return self._testee.load(self._path, self._format, want="sha256")

    def data(self, tensor: LoadedTensor, start: int, stop: int) -> bytes:
        """The canonical bytes of the elements from `start` to `stop` of what was loaded. Raises LostError."""
        if not self.tells:
            data, count = self._sent(tensor.name), math.prod(tensor.shape)
            return data[len(data) * start // count : len(data) * stop // count] if count else b""
        part = self._part(tensor, start, stop, "data").data
        assert part is not None, "read_load sees to it that data comes where it is asked for"
        return part

    def digest(self, tensor: LoadedTensor, start: int, stop: int) -> str:
        """Their hex SHA-256. Raises LostError."""
        if not self.tells:
            return hashlib.sha256(self.data(tensor, start, stop)).hexdigest()
        return self._part(tensor, start, stop, "sha256").sha256

    def _part(self, tensor: LoadedTensor, start: int, stop: int, want: str) -> LoadedTensor:
        outcome = self._testee.read(tensor.name, start, stop, want=want)
        if outcome.kind is not OutcomeKind.LOADED or len(outcome.tensors) != 1:
            raise LostError(outcome.message or outcome.kind.value)
        return outcome.tensors[0]

    def _sent(self, name: str) -> bytes:
        if self._whole is None:
            outcome = self._testee.load(self._path, self._format)
            if outcome.kind is not OutcomeKind.LOADED:
                raise LostError(outcome.message or outcome.kind.value)
            self._whole = {tensor.name: tensor.data or b"" for tensor in outcome.tensors}
        if name not in self._whole:
            raise LostError(f"a second load returned no {name!r}")
        return self._whole[name]
