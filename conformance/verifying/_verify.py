"""Files, each loaded by the loader and by the reference at the same time, and compared tensor by tensor."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from endianproof.conformance.outcome import OutcomeKind
from endianproof.conformance.verifying._asking import Asking
from endianproof.conformance.verifying._comparing import EXPLAINED, Sources, compared
from endianproof.conformance.verifying._looking import Look
from endianproof.conformance.verifying._pieces import digest_of, mapped_file
from endianproof.conformance.verifying._reading import FileChangedError, Reading, Stamp
from endianproof.conformance.verifying._verdict import (
    DIFFERENT,
    SAME,
    UNJUDGED,
    Verdict,
    ended,
    index_faults,
    refused,
    unrecognized,
)
from endianproof.reference import SpecViolation, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from endianproof.conformance.client import TesteeProcess
    from endianproof.conformance.outcome import LoadedTensor
    from endianproof.conformance.verifying._files import NamedFile
    from endianproof.conformance.verifying._fingerprint import Fingerprint
    from endianproof.conformance.verifying._progress import Progress
    from endianproof.reference import Tensor

__all__ = ["Run", "verify"]


@dataclass(frozen=True)
class Run:
    """A loader at work, and who is told how far it is."""

    testee: TesteeProcess
    progress: Progress


def _look(asking: Asking, tensors: Mapping[str, Tensor], run: Run) -> Look:
    return Look(asking, mapped_file(tensors.values()), run.testee.hello().byteorder)


def _judged(file: NamedFile, run: Run) -> Verdict:
    """One file, by the reference. Raises FileChangedError, OSError, TesteeStartError."""
    started, stamp = time.monotonic(), Stamp.of(file.path)
    asking = Asking(run.testee, file.path, file.format)
    broken = Verdict(file.path.name, file.format, UNJUDGED)
    try:
        tensors = load(file.path, format_name=file.format)
    except SpecViolation as violation:
        outcome = asking.load(lambda _tensors, _bytes: None)
        return replace(broken, why=refused(violation, outcome, stamp.change()))
    nbytes = sum(tensor.nbytes for tensor in tensors.values())
    with (
        run.progress.of(file.path.name, nbytes, len(tensors), 1 + asking.tells) as meter,
        Reading(stamp, tensors, meter.tell("reference")) as reading,
    ):
        outcome = asking.load(meter.tell("loader"))
        if outcome.kind not in {OutcomeKind.LOADED, OutcomeKind.REJECTED}:
            return ended(outcome, file)
        try:
            wanted = reading.entries()
        except SpecViolation as violation:
            return replace(broken, why=refused(violation, outcome, stamp.change()))
    if outcome.kind is OutcomeKind.REJECTED:
        return ended(outcome, file)
    seconds = time.monotonic() - started
    sources = Sources(tensors=tensors, look=_look(asking, tensors, run))
    faults = tuple(compared(wanted, outcome.tensors, sources, run.progress.say))
    index = index_faults(file, tensors)
    state = DIFFERENT if faults else UNJUDGED if index else SAME
    return Verdict(file.path.name, file.format, state, faults, index, len(wanted), nbytes, seconds)


def _verdict(file: NamedFile, run: Run) -> Verdict:
    unjudged = Verdict(file.path.name, file.format, UNJUDGED)
    try:
        if file.format is None:
            return replace(unjudged, why=unrecognized(file))
        return _judged(file, run)
    except (FileChangedError, OSError) as error:
        return replace(unjudged, why=str(error))


def _agreeing(
    file: NamedFile, wanted: Mapping[str, LoadedTensor], found: Iterable[LoadedTensor]
) -> dict[str, Tensor]:
    """Of the tensors that differ, the first few that the reference reads just as they are expected."""
    differing = [t.name for t in found if t.name in wanted and t.sha256 != wanted[t.name].sha256][:EXPLAINED]
    try:
        tensors = load(file.path, format_name=file.format) if differing and file.format else {}
        read = {name: tensors[name] for name in differing if name in tensors}
        return {name: one for name, one in read.items() if digest_of(one) == wanted[name].sha256}
    except (SpecViolation, OSError):
        return {}


def _against(file: NamedFile, known: Mapping[str, LoadedTensor], run: Run) -> tuple[Verdict, set[str]]:
    """One file by a fingerprint, and the names that came. Raises TesteeStartError, OSError."""
    started, asking, stamp = time.monotonic(), Asking(run.testee, file.path, file.format), Stamp.of(file.path)
    with run.progress.of(file.path.name, file.path.stat().st_size, len(known), 1) as meter:
        outcome = asking.load(meter.tell("loader"))
    seconds = time.monotonic() - started
    stamp.check()
    if outcome.kind is not OutcomeKind.LOADED:
        return ended(outcome, file), set()
    names = {tensor.name for tensor in outcome.tensors}
    wanted = [known[name] for name in known if name in names]
    tensors = _agreeing(file, known, outcome.tensors)
    sources = Sources("the fingerprint", tensors=tensors, look=_look(asking, tensors, run) if tensors else None)
    faults = tuple(compared(wanted, outcome.tensors, sources, run.progress.say))
    size = file.path.stat().st_size
    state = DIFFERENT if faults else SAME
    return Verdict(file.path.name, file.format, state, faults, "", len(wanted), size, seconds), names


def _all_against(files: Sequence[NamedFile], against: Fingerprint, run: Run) -> Iterator[Verdict]:
    """Every file by one fingerprint, and last what none of them had, where it is known what each has."""
    known = {tensor.name: tensor for tensor in against.tensors}
    missing, seen_all = set(known), True
    for file in files:
        try:
            verdict, names = _against(file, known, run)
        except (FileChangedError, OSError) as error:
            verdict, names = Verdict(file.path.name, file.format, UNJUDGED, why=str(error)), set()
        missing -= names
        seen_all = seen_all and verdict.state != UNJUDGED and (verdict.state == SAME or bool(names))
        yield verdict
    if missing and seen_all:
        left = [tensor for tensor in against.tensors if tensor.name in missing]
        faults = tuple(compared(left, (), Sources("the fingerprint")))
        yield Verdict(", ".join(file.path.name for file in files), files[0].format, DIFFERENT, faults)


def verify(files: Sequence[NamedFile], run: Run, against: Fingerprint | None = None) -> Iterator[Verdict]:
    """A verdict on each file: what the loader returns, compared with what the reference reads, or a fingerprint.

    Raises TesteeStartError where the testee cannot be started (again).
    """
    if against is not None:
        yield from _all_against(files, against, run)
        return
    for file in files:
        yield _verdict(file, run)
