"""From the user's options to a running testee: the guest set up, packages put in front, the process described."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from endianproof.conformance.client import TesteeProcess, TesteeStartError
from endianproof.conformance.examine import DamagedVectorError, Testee, first_load
from endianproof.conformance.launch import program_testee, python_testee
from endianproof.conformance.outcome import Outcome, OutcomeKind
from endianproof.conformance.overlay import OverlayError, overlay
from endianproof.qemu import GuestError, guest
from endianproof.vectors import load_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from endianproof.conformance.launch import Launch
    from endianproof.conformance.settings import Settings
    from endianproof.qemu import Guest
    from endianproof.vectors import Vector

__all__ = ["plain_vector", "preflight", "start"]

# What a testee must be able to return before any verdict means something.
UNUSABLE = {OutcomeKind.UNKNOWN_RESULT, OutcomeKind.PROTOCOL_ERROR}


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


def _launch(settings: Settings, paths: Sequence[Path], progress: Callable[[str], None]) -> Launch:
    system = _guest(settings.guest, progress)
    if settings.loader is None:
        assert settings.testee is not None, "read_settings lets just one of them be absent"
        return program_testee(settings.testee, system)
    folder = overlay(settings.requirements, system, progress) if settings.requirements else None
    return python_testee(settings.loader, settings.takes, paths, system, folder)


def start(settings: Settings, paths: Sequence[Path], progress: Callable[[str], None]) -> Testee:
    """Set up what the testee needs, start it, and let it introduce itself.

    `paths` are folders that the user's own tests import from. Raises pytest.UsageError for a guest, package,
    loader or program that cannot be had.
    """
    try:
        testee = TesteeProcess(_launch(settings, paths, progress))
        testee.hello()
    except (GuestError, OverlayError, TesteeStartError) as error:
        raise _refused(error) from error
    return testee


def plain_vector(format_name: str) -> Vector:
    """The smallest valid vector of a format, of float32 tensors if there is one: what any loader should read."""
    valid = [v for v in load_vectors() if v.format == format_name and v.verdict == "accept" and v.tensors]
    return min(valid, key=lambda v: (any(t.dtype != "float32" or 0 in t.shape for t in v.tensors), v.size))


def preflight(testee: Testee, formats: Sequence[str]) -> dict[str, Outcome]:
    """Load the plainest vector of each format, and return how that ended.

    Raises pytest.UsageError where the testee returns something that cannot be judged at all.
    """
    outcomes: dict[str, Outcome] = {}
    for name in formats:
        vector = plain_vector(name)
        try:
            outcome = first_load(vector, testee)
        except (DamagedVectorError, TesteeStartError) as error:
            raise _refused(error) from error
        if outcome.kind in UNUSABLE:
            raise pytest.UsageError(
                f"{testee.hello().name} cannot be judged: for {vector.id}, a plain valid file, "
                f"{outcome.message or outcome.kind.value}\n"
                "A loader returns a mapping of names to tensors of torch, numpy, or with __array__ or __dlpack__."
            )
        outcomes[name] = outcome
    return outcomes
