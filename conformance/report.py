"""`--report=FILE`: all that a run found out, as JSON for programs; schemas/report-1.schema.json describes it.

One run is one record. A file that exists is never written over: it may be the only record of another run.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from endianproof import __version__
from endianproof._whole_file import unwritable, write_new

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from endianproof.conformance.outcome import TesteeInfo
    from endianproof.conformance.settings import Settings
    from endianproof.conformance.summary import Result
    from endianproof.conformance.tasks import Task

__all__ = ["VERSION", "check_place", "document", "write_report"]

VERSION = 1


def check_place(path: Path) -> Path:
    """Refuse, before anything runs, a file that could not be written at its end. Raises pytest.UsageError."""
    if why := unwritable(path, new=True):
        raise pytest.UsageError(f"--report: {why}")
    return path


def _asked(settings: Settings) -> dict[str, Any]:
    """The options, as far as they tell one run from another."""
    return {
        "loader": settings.loader,
        "saver": settings.saver,
        "testee": settings.testee,
        "guest": settings.guest,
        "with": list(settings.requirements),
        "policies": dict(settings.policies),
        "accept": dict(settings.accepted),
    }


def document(
    settings: Settings,
    info: TesteeInfo,
    results: Sequence[Result],
    asked: Sequence[Task],
    seconds: float,
    *,
    interrupted: bool,
) -> dict[str, Any]:
    """Make the record of a run; `asked` are the tasks that the testee could have been given."""
    rules = {(task.format, task.id): list(task.rules) for task in asked}
    judged = {(result.format, result.task) for result in results}
    return {
        "report": VERSION,
        "endianproof": __version__,
        "run": _asked(settings),
        "testee": info.document(),
        "seconds": round(seconds, 1),
        "interrupted": interrupted,
        "counts": dict(sorted(Counter(result.kind for result in results).items())),
        "results": [
            {**asdict(result), "kind": result.kind, "rules": rules.get((result.format, result.task), [])}
            for result in results
        ],
        "not_run": [f"{task.format}::{task.id}" for task in asked if (task.format, task.id) not in judged],
    }


def write_report(path: Path, record: dict[str, Any]) -> None:
    """Write a record, whole or not at all. Raises OSError."""
    write_new(path, json.dumps(record, ensure_ascii=False) + "\n")
