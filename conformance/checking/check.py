"""Runs the steps: each with a testee that answers, whatever the one before it came to."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endianproof.conformance.checking.case import Case
from endianproof.conformance.checking.steps import INTRODUCTION, STEPS, Step
from endianproof.conformance.checking.talk import Talk, WrongError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from endianproof.conformance.launch import Launch
    from endianproof.conformance.limits import Limits

__all__ = ["Checked", "Result", "check"]


@dataclass(frozen=True)
class Result:
    """How one step went: `said` where it went well, `wrong` where not, neither where it was not tried."""

    step: Step
    said: str = ""
    wrong: WrongError | None = None
    sent: bytes = b""
    received: bytes = b""


@dataclass(frozen=True)
class Checked:
    """A check: what the testee said of itself (empty where it said nothing), its last words on standard error."""

    hello: Mapping[str, Any]
    results: tuple[Result, ...]
    errors: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing that was tried was wrong."""
        return all(result.wrong is None for result in self.results)


def _tried(step: Step, case: Case) -> Result:
    if not step.is_ready(case):
        return Result(step)
    try:
        said = step.check(case)
        case.talk.nothing_more()
    except WrongError as wrong:
        result = Result(step, wrong=wrong, sent=case.talk.sent, received=case.talk.received)
        case.talk.end()  # what it is about to say belongs to no later step
        return result
    return Result(step, said)


def _results(case: Case) -> Iterator[Result]:
    first = _tried(INTRODUCTION, case)
    yield first
    for step in STEPS:
        yield _tried(step, case) if first.wrong is None else Result(step)


def check(launch: Launch, machine_order: str, limits: Limits) -> Checked:
    """Talk to a testee. `machine_order` is the byte order, "little" or "big", of the machine that it runs on.

    Raises TesteeStartError where there is no process to talk to.
    """
    talk = Talk(launch, limits)
    try:
        with tempfile.TemporaryDirectory(prefix="endianproof-", ignore_cleanup_errors=True) as folder:
            case = Case(talk, Path(folder), machine_order)
            results = tuple(_results(case))
    finally:
        talk.end()
    return Checked(case.hello, results, talk.errors)
