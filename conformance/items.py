"""Tasks as pytest items: one item per vector or save, `<format>::<id>`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from endianproof.conformance.baseline import Ruling
from endianproof.conformance.examine import DamagedVectorError
from endianproof.conformance.finding import Finding
from endianproof.conformance.large import NoRoomError
from endianproof.conformance.summary import Result

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from endianproof.conformance.finding import Judgement
    from endianproof.conformance.session import ConformanceRun
    from endianproof.conformance.tasks import Task

__all__ = ["FormatCollector", "NonconformingError", "TaskItem", "report_alone"]


class NonconformingError(Exception):
    """A vector or a save failed. The message is the whole report; its first line says what happened."""


def report_alone(excinfo: pytest.ExceptionInfo[BaseException], place: str) -> Any:
    """A failure's own words without a traceback; the first line goes into the short summary, under `place`."""
    shown = excinfo.getrepr(style="value")
    if shown.reprcrash is not None:
        shown.reprcrash.message = str(excinfo.value).splitlines()[0]
        shown.reprcrash.path = place
        shown.reprcrash.lineno = 1
    return shown


class FormatCollector(pytest.Collector):
    """The selected vectors and saves of one format.

    No `pytest.File`: golden files are not test files, and what pytest does to those (`--lf` leaving out files that
    had no failure, say) must not touch them.
    """

    def __init__(self, *, run: ConformanceRun, tasks: tuple[Task, ...], **node: Any) -> None:
        super().__init__(**node)
        self._run = run
        self._tasks = tasks

    def collect(self) -> Iterator[TaskItem]:
        """Yield an item for each, vectors in the manifest's order, then saves in the specification's."""
        for task in self._tasks:
            yield TaskItem.from_parent(self, name=task.id, run=self._run, task=task, path=task.path)


class TaskItem(pytest.Item):
    """One vector or save: passes, fails with a report, is skipped as unsupported, or fails as was expected."""

    def __init__(self, *, run: ConformanceRun, task: Task, **node: Any) -> None:
        super().__init__(**node)
        self._run = run
        self.task = task

    def runtest(self) -> None:
        """Examine the task, and turn the judgement into pytest's kind of outcome."""
        judgement = self._run.examine(self.task)
        ruling = Ruling() if self._run.settings.update else self._run.rule(self.task, judgement)
        result = Result.of(self.task, judgement, ruling)
        self.user_properties.extend(result.properties())
        self._conclude(judgement, ruling)

    def _conclude(self, judgement: Judgement, ruling: Ruling) -> None:
        if ruling.message:
            raise NonconformingError(f"{ruling.message}\n\n{judgement.text()}")
        if ruling.known is not None:
            pytest.xfail(f"known: {ruling.known.reason}")
        if judgement.failed and self._run.settings.update:
            pytest.xfail(f"goes into the baseline: {judgement.headline}")
        if judgement.failed:
            raise NonconformingError(judgement.text())
        if judgement.finding is Finding.UNSUPPORTED:
            pytest.skip(judgement.headline)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show the report alone, without a traceback; the headline goes into the short summary."""
        if isinstance(excinfo.value, (DamagedVectorError, NoRoomError)):
            return str(excinfo.value)
        if not isinstance(excinfo.value, NonconformingError):
            return super().repr_failure(excinfo, style)
        return report_alone(excinfo, str(self.path))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return the golden file, or the YAML that has the save, as the place, and the id as the title."""
        return self.path, None, self.name
