"""The jobs as pytest items: pytest-xdist runs them in parallel, and pytest counts, times and stops them.

The session that the command line starts has the jobs; each worker of pytest-xdist gets them from there, and finds
this module because it is named on the session's command line.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Any

import pytest

from endianproof.conformance.matrix._job import PASSED, Job, JobInterruptedError, run_job
from endianproof.conformance.matrix._plan import PYTEST
from endianproof.conformance.signals import heed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["pytest_configure", "run_jobs"]

INPUT = "endianproof_jobs"
CLOSING, SECONDS = "endianproof_closing", "endianproof_seconds"

# Nothing of the user's own settings for pytest is meant for this session: its items are cells, not tests.
QUIET = (
    "-q",
    "--noconftest",
    f"--config-file={os.devnull}",
    "--assert=plain",
    *("-p", "no:cacheprovider"),
    *("-p", __name__),
)


class CellFailedError(Exception):
    """A cell that did not pass. The message is all that its run wrote."""


class CellItem(pytest.Item):
    """One cell."""

    def __init__(self, *, job: Job, **node: Any) -> None:
        super().__init__(**node)
        self._job = job

    def runtest(self) -> None:
        """Run the cell, and fail if it did not pass."""
        try:
            record = run_job(self._job)
        except JobInterruptedError as error:
            raise CellFailedError(f"interrupted, without a record; it wrote:\n{error}") from error
        self.user_properties += [(CLOSING, record["closing"]), (SECONDS, record["seconds"])]
        if record["verdict"] != PASSED:
            raise CellFailedError(f"{record['verdict']}, exit code {record['exit_code']}\n{record['output']}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The run's own output, in full, without a traceback of ours."""
        if isinstance(excinfo.value, CellFailedError):
            return f"{join(self._job.argv)}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """What heads its failure."""
        return self.path, None, self.name


class Cells:
    """The hooks of a session over cells, and of its workers."""

    def __init__(self, jobs: Sequence[Job], config: pytest.Config) -> None:
        self._jobs = {job.id: job for job in jobs}
        self._config = config
        self._started = 0

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give pytest-xdist's worker the jobs."""
        node.workerinput[INPUT] = [asdict(job) for job in self._jobs.values()]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Cells, and nothing else."""
        items[:] = [
            CellItem.from_parent(session, name=name, nodeid=name, path=Path(job.record), job=job)
            for name, job in self._jobs.items()
        ]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Say what starts."""
        self._started += 1
        options = join(self._jobs[nodeid].argv[len(PYTEST) :])
        self._say(f"[{self._started}/{len(self._jobs)}] {nodeid}: pytest {options}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Say how it ended."""
        said = dict(report.user_properties)
        if report.when == "call" and CLOSING in said:
            self._say(f"  {report.outcome}  {report.nodeid}, {said[SECONDS]} s: {said[CLOSING]}")

    def _say(self, line: str) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(line, flush=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Count it, and print no letter: it has a line."""
        return (report.outcome, "", "") if report.when == "call" else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """End what still runs, where the session ends before its cells: pytest-xdist waits ten seconds first."""
        if not hasattr(self._config, "workerinput"):
            for worker in _children(os.getpid()):
                for child in _children(worker):
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGTERM)


def _children(process: int) -> Iterator[int]:
    """The processes that a process has started and that are still there."""
    with suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            yield from map(int, (thread / "children").read_text(encoding="ascii").split())


def _begin(config: pytest.Config, jobs: Sequence[Job]) -> None:
    config.args[:] = []  # no paths: pytest is to collect nothing of its own
    config.pluginmanager.register(Cells(jobs, config), "endianproof-cells")
    heed(config)


def pytest_configure(config: pytest.Config) -> None:
    """In a worker of pytest-xdist, take the jobs from the session that started it."""
    if INPUT in (given := getattr(config, "workerinput", {})):
        _begin(config, [Job(**job) for job in given[INPUT]])


class _Start:
    """The plugin of the session itself, which has the jobs."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs

    def pytest_configure(self, config: pytest.Config) -> None:
        """Begin, unless this is a worker."""
        _begin(config, self._jobs)


def run_jobs(jobs: Sequence[Job], workers: int, *, first_failure: bool) -> int:
    """Run jobs, so many at a time; more than one needs pytest-xdist. Returns pytest's exit code."""
    parallel = ["-n", str(workers), "--dist=load", "--maxschedchunk=1"] if workers > 1 else []
    stop = ["-x"] if first_failure else []
    kept = os.environ.pop("PYTEST_ADDOPTS", None)
    try:
        return int(pytest.main([*QUIET, f"--rootdir={Path.cwd()}", *parallel, *stop], plugins=[_Start(jobs)]))
    finally:
        if kept is not None:
            os.environ["PYTEST_ADDOPTS"] = kept
