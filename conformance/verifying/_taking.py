"""The fingerprint of files: of what the reference reads in them, or of what a loader makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from endianproof.conformance.endings import LOADER_ENDINGS, ended_badly, refusal_of, said
from endianproof.conformance.finding import Finding, Judgement
from endianproof.conformance.outcome import OutcomeKind
from endianproof.conformance.verifying._asking import Asking
from endianproof.conformance.verifying._fingerprint import Fingerprint
from endianproof.conformance.verifying._reading import FileChangedError, Reading, Stamp
from endianproof.conformance.verifying._verdict import index_faults, refused, unrecognized
from endianproof.reference import SpecViolation, load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from endianproof.conformance.outcome import LoadedTensor, Outcome
    from endianproof.conformance.verifying._files import NamedFile
    from endianproof.conformance.verifying._progress import Progress
    from endianproof.conformance.verifying._verify import Run

__all__ = ["UnreadableError", "fingerprint"]


class UnreadableError(Exception):
    """A file cannot be read as what it is said to be, or is not the same all the while. The message explains."""


def _read(file: NamedFile, progress: Progress) -> tuple[LoadedTensor, ...]:
    """Raises SpecViolation, FileChangedError, UnreadableError, OSError."""
    if file.format is None:
        raise UnreadableError(unrecognized(file))
    stamp = Stamp.of(file.path)
    tensors = load(file.path, format_name=file.format)
    nbytes = sum(tensor.nbytes for tensor in tensors.values())
    with (
        progress.of(file.path.name, nbytes, len(tensors), 1) as meter,
        Reading(stamp, tensors, meter.tell("reference")) as reading,
    ):
        return reading.entries()


def _not_loaded(outcome: Outcome) -> str:
    """Why there is nothing to take a fingerprint of, with all that the loader said."""
    if outcome.kind in LOADER_ENDINGS:
        return ended_badly(outcome, "the loader", LOADER_ENDINGS).text()
    headline = f"the loader: {outcome.kind.value}: {refusal_of(outcome)}"
    return Judgement(Finding.VALID_REFUSED, headline, said(outcome, "loader")).text()


def _loaded(file: NamedFile, run: Run) -> tuple[LoadedTensor, ...]:
    """Raises FileChangedError, UnreadableError, OSError, TesteeStartError."""
    stamp = Stamp.of(file.path)
    asking = Asking(run.testee, file.path, file.format)
    with run.progress.of(file.path.name, file.path.stat().st_size, 0, 1) as meter:
        outcome = asking.load(meter.tell("loader"))
    stamp.check()
    if outcome.kind is not OutcomeKind.LOADED:
        raise UnreadableError(_not_loaded(outcome))
    return outcome.tensors


def fingerprint(files: Sequence[NamedFile], progress: Progress, by: Run | None = None) -> Fingerprint:
    """The fingerprint of all tensors of these files, read by the reference, or by the loader of a run.

    Raises UnreadableError, which names the file, FingerprintError, TesteeStartError.
    """
    found: list[LoadedTensor] = []
    for file in files:
        try:
            tensors = _loaded(file, by) if by else _read(file, progress)
        except SpecViolation as violation:
            raise UnreadableError(f"{file.path.name}: {refused(violation, None)}") from violation
        except (FileChangedError, UnreadableError, OSError) as error:
            raise UnreadableError(f"{file.path.name}: {error}") from error
        if index := index_faults(file, (tensor.name for tensor in tensors)):
            raise UnreadableError(f"{file.path.name}: {index}")
        found += tensors
    return Fingerprint.of(found)
