"""One task, examined: a copy of a golden file is loaded twice, or a save made twice, each in its own folder.

The testee never sees the golden file itself, so a loader that writes to its input spoils one copy and one verdict.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from endianproof.conformance.finding import Finding, Judgement
from endianproof.conformance.judge import NOTHING, judge
from endianproof.conformance.outcome import Outcome, OutcomeKind, TesteeInfo
from endianproof.conformance.saved import SaveTrial, judge_save
from endianproof.spec import load_spec
from endianproof.vectors import Save

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.conformance.tasks import Task
    from endianproof.vectors import Vector

__all__ = [
    "DamagedVectorError",
    "Observation",
    "SaveObservation",
    "Testee",
    "conclude",
    "examine",
    "first_load",
    "observe",
    "save_once",
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

    def save(self, save: Save, path: Path, /) -> Outcome:
        """Have the tensors of one save written to a file."""
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
class SaveObservation:
    """What a testee did with one save: two of them, the files they left, and what stood beside the first."""

    save: Save
    machine_order: str
    first: Outcome | None = None
    file: bytes | None = None
    strays: tuple[str, ...] = ()
    second: Outcome | None = None
    second_file: bytes | None = None
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


def undeclared(task: Task, info: TesteeInfo) -> str:
    """Return why the testee need not be asked, by what it said of itself in its hello; "" where it must be."""
    if info.formats is not None and task.format not in info.formats:
        return f"format {task.format} (the testee's are {', '.join(info.formats) or 'none'})"
    missing = sorted({t.dtype for t in task.tensors} - set(info.dtypes)) if info.dtypes is not None else ()
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


def observe(task: Task, testee: Testee) -> Observation | SaveObservation:
    """Have a copy of one golden file loaded twice, or the tensors of one save saved twice, and judge nothing.

    Raises DamagedVectorError for a golden file that is not its manifest's, and what starting the testee raises.
    """
    info = testee.hello()
    reason = undeclared(task, info)
    if isinstance(task, Save):
        unasked = SaveObservation(task, info.byteorder, unasked=reason)
        return unasked if reason else _observe_save(task, testee, info.byteorder)
    if reason:
        return Observation(task, info.byteorder, unasked=reason)
    with tempfile.TemporaryDirectory(prefix="endianproof-", ignore_cleanup_errors=True) as folder:
        first, second, unchanged = _load_twice(task, testee, folder)
    return Observation(task, info.byteorder, first, second, unchanged)


def save_once(save: Save, testee: Testee) -> tuple[Outcome, bytes | None, tuple[str, ...]]:
    """Have one save made in an empty folder: the outcome, the file if there is one, and what else there is."""
    with tempfile.TemporaryDirectory(prefix="endianproof-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / f"{save.id}.{load_spec().formats[save.format].extension}"
        outcome = testee.save(save, path)
        file = path.read_bytes() if path.is_file() else None
        strays = sorted(one.name for one in Path(folder).iterdir() if one != path or file is None)
    return outcome, file, tuple(strays)


def _observe_save(save: Save, testee: Testee, machine_order: str) -> SaveObservation:
    first, file, strays = save_once(save, testee)
    second, second_file = save_once(save, testee)[:2] if first.kind is OutcomeKind.SAVED else (None, None)
    return SaveObservation(save, machine_order, first, file, strays, second, second_file)


def conclude(
    seen: Observation | SaveObservation, policies: Mapping[str, str], accepted: Mapping[str, str] = NOTHING
) -> Judgement:
    """Judge what was observed; `policies` are the user's for `may` vectors and saves, `accepted` for loads."""
    if seen.first is None:
        return Judgement(Finding.UNSUPPORTED, f"unsupported: {seen.unasked}")
    if isinstance(seen, Observation):
        return judge(
            seen.vector,
            seen.first,
            seen.second,
            seen.unchanged,
            policies,
            machine_order=seen.machine_order,
            accepted=accepted,
        )
    return judge_save(
        SaveTrial(
            save=seen.save,
            first=seen.first,
            file=seen.file,
            strays=seen.strays,
            second=seen.second,
            second_file=seen.second_file,
            policies=policies,
            machine_order=seen.machine_order,
        )
    )


def examine(task: Task, testee: Testee, policies: Mapping[str, str]) -> Judgement:
    """Observe one vector or save and judge it. Raises what `observe` raises."""
    return conclude(observe(task, testee), policies)
