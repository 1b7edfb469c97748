"""One vector, examined: a copy of the golden file is loaded twice and looked at afterwards.

The testee never sees the golden file itself, so a loader that writes to its input spoils one copy and one verdict.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from endianproof.conformance.finding import Finding, Judgement
from endianproof.conformance.judge import judge
from endianproof.conformance.outcome import Outcome, OutcomeKind, TesteeInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.vectors import Vector

__all__ = [
    "DamagedVectorError",
    "Observation",
    "Testee",
    "conclude",
    "examine",
    "first_load",
    "observe",
    "undeclared",
]


MOST_SENT = 64 << 20  # canonical bytes of a vector that travel; of more, the digests do


class DamagedVectorError(Exception):
    """A golden file is not what its manifest says: the installation is damaged, and no loader is to blame."""


class Testee(Protocol):
    """What the runner needs of a testee: `client.TesteeProcess`, or a stand-in for it in a test."""

    def hello(self) -> TesteeInfo:
        """Start the testee if it is not running, and return what it says of itself."""
        ...

    def load(self, path: Path, format_name: str, /, want: str = "data") -> Outcome:
        """Have one file loaded. `want` is "data" for canonical bytes, "sha256" for digests."""
        ...

    def close(self) -> None:
        """End the testee's process."""
        ...

    def interrupt(self) -> None:
        """Kill the testee's process from another thread, for good: a request under way ends."""
        ...


@dataclass(frozen=True)
class Observation:
    """What a testee did with one vector: two loads, and whether the file is unchanged. Or why it was not asked."""

    vector: Vector
    machine_order: str
    first: Outcome | None = None
    second: Outcome | None = None
    unchanged: bool = True
    unasked: str = ""


@dataclass(frozen=True)
class _Copy:
    """A copy of a golden file, and whether it is still one."""

    path: Path
    sha256: str

    def is_unchanged(self) -> bool:
        try:
            return hashlib.sha256(self.path.read_bytes()).hexdigest() == self.sha256
        except OSError:  # removed or made unreadable: changed, then
            return False


class _Made:
    """A large file, made for this one use, and whether anybody wrote to it: its bytes are not looked through."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp = self._look()

    def _look(self) -> tuple[int, ...]:
        found = self.path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_blocks

    def is_unchanged(self) -> bool:
        try:
            return self._look() == self._stamp
        except OSError:  # removed
            return False


def _golden(vector: Vector) -> bytes:
    data = vector.path.read_bytes()
    if hashlib.sha256(data).hexdigest() != vector.sha256:
        raise DamagedVectorError(
            f"golden file {vector.path} is not the one in its manifest (sha256 {vector.sha256[:12]}... expected): "
            "install endianproof anew"
        )
    return data


def undeclared(vector: Vector, info: TesteeInfo) -> str:
    """Return why the testee need not be asked, by what it said of itself in its hello; "" where it must be."""
    if info.formats is not None and vector.format not in info.formats:
        return f"format {vector.format} (the testee reads {', '.join(info.formats) or 'no format'})"
    missing = sorted({t.dtype for t in vector.tensors} - set(info.dtypes)) if info.dtypes is not None else ()
    return f"dtype {', '.join(missing)} (not among those that the testee declares)" if missing else ""


def _prepared(vector: Vector, folder: str) -> _Copy | _Made:
    if vector.large:
        return _Made(vector.path)
    copy = _Copy(Path(folder) / vector.path.name, vector.sha256)
    copy.path.write_bytes(_golden(vector))
    return copy


def _load_twice(vector: Vector, testee: Testee, folder: str) -> tuple[Outcome, Outcome | None, bool]:
    copy = _prepared(vector, folder)
    many = sum(tensor.nbytes for tensor in vector.tensors) > MOST_SENT
    first = testee.load(copy.path, vector.format, want="sha256" if many else "data")
    second = testee.load(copy.path, vector.format, want="sha256") if first.kind is OutcomeKind.LOADED else None
    return first, second, copy.is_unchanged()


def first_load(vector: Vector, testee: Testee) -> Outcome:
    """Load a copy of one golden file once, and return the outcome unjudged."""
    with tempfile.TemporaryDirectory(prefix="endianproof-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / vector.path.name
        path.write_bytes(_golden(vector))
        return testee.load(path, vector.format, want="sha256")


def observe(vector: Vector, testee: Testee) -> Observation:
    """Have a copy of one golden file loaded twice, and judge nothing.

    Raises DamagedVectorError for a golden file that is not its manifest's, and what starting the testee raises.
    """
    info = testee.hello()
    if reason := undeclared(vector, info):
        return Observation(vector, info.byteorder, unasked=reason)
    with tempfile.TemporaryDirectory(prefix="endianproof-", ignore_cleanup_errors=True) as folder:
        first, second, unchanged = _load_twice(vector, testee, folder)
    return Observation(vector, info.byteorder, first, second, unchanged)


def conclude(observation: Observation, policies: Mapping[str, str]) -> Judgement:
    """Judge what was observed; `policies` are the user's for `may` vectors."""
    seen = observation
    if seen.first is None:
        return Judgement(Finding.UNSUPPORTED, f"unsupported: {seen.unasked}")
    return judge(seen.vector, seen.first, seen.second, seen.unchanged, policies, machine_order=seen.machine_order)


def examine(vector: Vector, testee: Testee, policies: Mapping[str, str]) -> Judgement:
    """Observe one vector and judge it. Raises what `observe` raises."""
    return conclude(observe(vector, testee), policies)
