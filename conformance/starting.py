"""From the user's options to a running testee: the guest set up, packages put in front, the process described."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest

from endianproof.conformance.child import Child
from endianproof.conformance.client import TesteeProcess, TesteeStartError
from endianproof.conformance.examine import DamagedVectorError, Testee, first_load, save_once
from endianproof.conformance.launch import by_hand, program_testee, python_testee, saver_testee
from endianproof.conformance.outcome import Outcome, OutcomeKind
from endianproof.conformance.overlay import OverlayError, overlay
from endianproof.conformance.written import read_back
from endianproof.qemu import GuestError, guest
from endianproof.reference import SpecViolation
from endianproof.vectors import load_saves, load_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from endianproof.conformance.client import Process
    from endianproof.conformance.launch import Launch
    from endianproof.conformance.limits import Limits
    from endianproof.conformance.tasks import Task
    from endianproof.qemu import Guest
    from endianproof.vectors import Save, Vector

__all__ = ["Asked", "Went", "plain_save", "plain_vector", "preflight", "start"]

# What a testee must be able to return before any verdict means something.
UNUSABLE = {OutcomeKind.UNKNOWN_RESULT, OutcomeKind.PROTOCOL_ERROR}


class Asked(Protocol):
    """Which testee the user asked for, of this machine or in a guest: `settings.Settings`, or a part of it."""

    @property
    def loader(self) -> str | None:
        """The loader under test."""
        ...

    @property
    def saver(self) -> str | None:
        """Or the saver."""
        ...

    @property
    def testee(self) -> str | None:
        """Or the program's command line."""
        ...

    @property
    def guest(self) -> str | None:
        """The guest's name, None for this machine."""
        ...

    @property
    def requirements(self) -> tuple[str, ...]:
        """What is put in front of the packages on the testee's side."""
        ...

    @property
    def builds(self) -> bool:
        """Whether the guest builds what has no wheel for it."""
        ...

    @property
    def takes(self) -> str:
        """What the loader is given: path, bytes or file."""
        ...

    @property
    def lists(self) -> bool:
        """Whether plain lists of numbers that a loader returns are tensors."""
        ...

    @property
    def gives(self) -> str | None:
        """Whose tensors the saver is given, None for the default."""
        ...


def _refused(error: Exception) -> pytest.UsageError:
    """The error as pytest shows it: what happened, then what to do."""
    hint: str = getattr(error, "hint", "")
    return pytest.UsageError(f"{error}\n{hint}" if hint else str(error))


def _guest(name: str | None, progress: Callable[[str], None]) -> Guest | None:
    if name is None:
        return None
    chosen = guest(name)
    chosen.setup(progress)
    return chosen


def _launch(settings: Asked, paths: Sequence[Path], progress: Callable[[str], None], home: Path | None) -> Launch:
    system = _guest(settings.guest, progress)
    if settings.testee is not None:
        return program_testee(settings.testee, system, home)
    folder = overlay(settings.requirements, system, progress, builds=settings.builds)
    if settings.saver is not None:
        return saver_testee(settings.saver, settings.gives, paths, system, folder)
    assert settings.loader is not None, "read_settings sees to it that there is one of the three"
    return python_testee(settings.loader, settings.takes, paths, system, folder, lists=settings.lists)


def start(
    settings: Asked,
    paths: Sequence[Path],
    progress: Callable[[str], None],
    limits: Limits | None = None,
    *,
    begin: Callable[[Launch, int | None], Process] = Child,
    home: Path | None = None,
) -> TesteeProcess:
    """Set up what the testee needs, start it, and let it introduce itself.

    `paths` are folders that the user's own tests import from; `begin` starts the process; `home`
    is where a program runs, None for where the user stands. Raises pytest.UsageError for a guest, package, loader
    or program that cannot be had.
    """
    try:
        testee = TesteeProcess(_launch(settings, paths, progress, home), limits, begin)
        testee.hello()
    except (GuestError, OverlayError, TesteeStartError) as error:
        raise _refused(error) from error
    return testee


def plain_vector(format_name: str) -> Vector:
    """The smallest valid vector of a format, of float32 tensors if there is one: what any loader should read.

    Of a format that a loader may refuse as a whole, it is one that says so.
    """
    valid = [v for v in load_vectors() if v.format == format_name and v.tensors]

    def remoteness(v: Vector) -> tuple[bool, bool, int]:
        return v.verdict != "accept", any(t.dtype != "float32" or 0 in t.shape for t in v.tensors), v.size

    return min(valid, key=remoteness)


def plain_save(format_name: str) -> Save:
    """A small save of a format, of one float32 tensor without any layout: what any saver should write."""
    valid = [s for s in load_saves() if s.format == format_name and s.verdict == "accept" and s.tensors]
    return min(
        valid, key=lambda s: (any(t.dtype != "float32" or not t.is_plain for t in s.tensors), len(s.tensors))
    )


def _unusable(testee: Testee, task: Task, outcome: Outcome, advice: str) -> pytest.UsageError:
    why = outcome.message or outcome.kind.value
    return pytest.UsageError(
        f"{testee.hello().name} cannot be judged: for {task.id}, a plain valid one, {why}\n{advice}"
    )


class Went(NamedTuple):
    """How the plainest task of a format went.

    `well` is True where it did, False where the file was refused or an invalid one was written, None where it
    ended otherwise. `error` is the class of the exception that refused it; `unsupported` says that the testee
    declined it.
    """

    well: bool | None
    error: str = ""
    unsupported: bool = False


def preflight(settings: Asked, testee: Testee, op: str, formats: Sequence[str]) -> dict[str, Went]:
    """Have the plainest vector of each format loaded, or the plainest save made; return how that went.

    Raises pytest.UsageError where the testee returns something that cannot be judged at all.
    """
    advice = ADVICE[op] if settings.testee is None else by_hand(settings.testee, settings.guest)
    try:
        return {name: CHECKS[op](testee, name, advice) for name in formats}
    except (DamagedVectorError, TesteeStartError) as error:
        raise _refused(error) from error


ADVICE = {
    "load": "A loader returns a mapping of names to tensors of torch, numpy, or with __array__ or __dlpack__.",
    "save": "A saver is called with a dict of names to tensors, and a path.",
}


def _loads_well(testee: Testee, format_name: str, advice: str) -> Went:
    vector = plain_vector(format_name)
    outcome = first_load(vector, testee)
    if outcome.kind in UNUSABLE:
        raise _unusable(testee, vector, outcome, advice)
    refused = False if vector.verdict == "accept" else None  # a loader may leave out the whole format
    well = {OutcomeKind.LOADED: True, OutcomeKind.REJECTED: refused}.get(outcome.kind)
    return Went(well, outcome.error_type, outcome.kind is OutcomeKind.UNSUPPORTED)


def _saves_well(testee: Testee, format_name: str, advice: str) -> Went:
    save = plain_save(format_name)
    outcome, file, _ = save_once(save, testee)
    if outcome.kind in UNUSABLE:
        raise _unusable(testee, save, outcome, advice)
    well = {OutcomeKind.SAVED: _is_valid(file, save), OutcomeKind.REJECTED: False}.get(outcome.kind)
    return Went(well, outcome.error_type, outcome.kind is OutcomeKind.UNSUPPORTED)


def _is_valid(file: bytes | None, save: Save) -> bool:
    try:
        return file is not None and bool(read_back(file, save.format).tensors)
    except SpecViolation:
        return False


CHECKS = {"load": _loads_well, "save": _saves_well}
