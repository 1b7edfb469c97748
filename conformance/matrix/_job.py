"""One cell's process, from its start to its record.

The record is written when the process has judged and ended, whole or not at all: a cell that was interrupted has
none, and is run again.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from endianproof._whole_file import write_over

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FAILED", "NOT_JUDGED", "PASSED", "VERSION", "Job", "JobInterruptedError", "nothing_run", "run_job"]

VERSION = 1
GRACE_SECONDS = 20.0  # that a run has to end its testee and to write what it owes
DEATH_OF_PARENT = 1  # prctl(2): PR_SET_PDEATHSIG
LIBC = ctypes.CDLL(None)

NOTHING_RUN = {int(pytest.ExitCode.USAGE_ERROR), int(pytest.ExitCode.NO_TESTS_COLLECTED)}  # unless it has results

PASSED, FAILED, NOT_JUDGED = "passed", "failed", "not judged"


class JobInterruptedError(Exception):
    """The run was ended before it was through, and has no record. The message is all that it wrote."""


@dataclass(frozen=True)
class Job:
    """One run to do: plain values, which reach pytest-xdist's workers as JSON.

    `argv` is the command without the file of its report; `head` is what its record says of it beforehand.
    """

    id: str
    argv: tuple[str, ...]
    cwd: str
    addopts: str | None
    record: str
    head: Mapping[str, Any]


def _end_with_parent() -> None:
    """In the new process: a worker that is killed must not leave a run behind that nobody waits for."""
    LIBC.prctl(DEATH_OF_PARENT, signal.SIGTERM)


def _environment(job: Job) -> dict[str, str]:
    """The user's own, with the options for pytest that were kept from the session around the cells."""
    added = {"PYTEST_ADDOPTS": job.addopts} if job.addopts is not None else {}
    return {**os.environ, **added}


def _to_its_end(argv: list[str], job: Job) -> tuple[int, str]:
    """Run it, ending it as Ctrl-C would if we are interrupted; return its exit code and all that it wrote."""
    process = subprocess.Popen(
        argv,
        cwd=job.cwd,
        env=_environment(job),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # Ctrl-C is for the session around it, which ends it in its own way
        preexec_fn=_end_with_parent,  # noqa: PLW1509 (one system call, of a library that is loaded already)
    )
    try:
        output, _ = process.communicate()
    finally:
        _end(process)
    return process.returncode, output


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _verdict(code: int, report: Mapping[str, Any] | None) -> str:
    judged = {int(pytest.ExitCode.OK): PASSED, int(pytest.ExitCode.TESTS_FAILED): FAILED}
    return judged.get(code, NOT_JUDGED) if report is not None else NOT_JUDGED


def nothing_run(record: Mapping[str, Any]) -> bool:
    """Whether a cell's pytest refused what it was told, or found no vector to run."""
    report = record["report"]
    return record.get("exit_code") in NOTHING_RUN and (report is None or not report["results"])


def _closing(output: str) -> str:
    """The last line that says something, without its rule."""
    lines = [line.strip("= ") for line in output.splitlines()]
    return next((line for line in reversed(lines) if line), "")


def run_job(job: Job) -> dict[str, Any]:
    """Run one cell, write its record and return it. Raises JobInterruptedError, and OSError."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="endianproof-cell-") as scratch:
        path = Path(scratch) / "report.json"
        code, output = _to_its_end([*job.argv, f"--report={path}"], job)
        report = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    if code == pytest.ExitCode.INTERRUPTED or code in {-signal.SIGTERM, -signal.SIGINT}:
        raise JobInterruptedError(output)
    verdict = _verdict(code, report)
    record = {
        **job.head,
        "command": list(job.argv),
        "seconds": round(time.monotonic() - started, 1),
        "exit_code": code,
        "verdict": verdict,
        "closing": _closing(output),
        "output": "" if verdict == PASSED else output,
        "report": report,
    }
    write_over(Path(job.record), json.dumps(record, ensure_ascii=False) + "\n")
    return record
