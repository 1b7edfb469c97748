"""`--explore` inside pytest: one item per format, `<format>::explore`, and a line in the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from endianproof.conformance.counting import counted
from endianproof.conformance.endings import not_started_again
from endianproof.conformance.examine import DamagedVectorError
from endianproof.conformance.exploring.explore import explore
from endianproof.conformance.exploring.found import FoundFileError
from endianproof.conformance.items import NonconformingError, report_alone
from endianproof.conformance.launch import TesteeStartError
from endianproof.conformance.selecting import EXPLORE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from endianproof.conformance.session import ConformanceRun
    from endianproof.conformance.settings import Exploring

__all__ = ["ExploreCollector", "ExploreItem", "ExploreRun"]

EXPLORED = "explored"  # the user property that carries a search's line to the summary, through pytest-xdist too


class ExploreItem(pytest.Item):
    """The search beyond the vectors of one format: fails with a report of each kind of failure that it found."""

    def __init__(self, *, run: ConformanceRun, format_name: str, **node: Any) -> None:
        super().__init__(**node)
        self._run = run
        self._format = format_name

    def runtest(self) -> None:
        """Search, and turn what was found into pytest's kind of outcome."""
        try:
            explored = explore(self._format, self._run.idle_testee(), self._run.settings, self._run.conditions())
        except TesteeStartError as error:
            raise NonconformingError(not_started_again(error).text()) from error
        self.user_properties.append((EXPLORED, explored.line))
        if explored.reports:
            raise NonconformingError("\n\n".join(explored.reports))
        if explored.unsearched:
            pytest.skip(explored.unsearched)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show the reports alone, without a traceback; the first line goes into the short summary."""
        if isinstance(excinfo.value, (FoundFileError, DamagedVectorError)):
            return str(excinfo.value)
        if not isinstance(excinfo.value, NonconformingError):
            return super().repr_failure(excinfo, style)
        return report_alone(excinfo, self._format)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return the format's folder as the place, and the node's own id as the title of its report."""
        return self.path, None, self.nodeid


class ExploreCollector(pytest.Collector):
    """The one search of a format: pytest counts what collectors yield."""

    def __init__(self, *, run: ConformanceRun, **node: Any) -> None:
        super().__init__(**node)
        self._run = run

    def collect(self) -> Iterator[ExploreItem]:
        """Yield the search."""
        yield ExploreItem.from_parent(self, name=EXPLORE, run=self._run, format_name=self.name)


class ExploreRun:
    """The hooks of `--explore`, beside those of the run that it belongs to."""

    def __init__(self, run: ConformanceRun, wish: Exploring) -> None:
        self._run, self._wish = run, wish
        self._lines: list[str] = []

    def pytest_report_header(self) -> str:
        """Say what is drawn, and from which seed."""
        return f"endianproof: exploring {counted(self._wish.count, 'file')} of each format, seed {self._wish.seed}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Put the searches before what pytest collected; the run puts its vectors before them."""
        folder = self._wish.folder
        collectors = [
            ExploreCollector.from_parent(session, name=name, nodeid=name, path=folder, run=self._run)
            for name in self._wish.formats
        ]
        items[:0] = [item for collector in collectors for item in session.genitems(collector)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather the lines, here or from a worker."""
        if report.when == "call":
            self._lines += [str(line) for key, line in report.user_properties if key == EXPLORED]

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how many files were tried, and what could not be judged."""
        if not self._lines and self._wish.count:
            lead = (
                "; name the searches, too: -k 'explore or ...'" if terminalreporter.config.option.keyword else ""
            )
            terminalreporter.write_line(f"nothing was explored: no search was run to its end{lead}", yellow=True)
        for line in self._lines:
            terminalreporter.write_line(f"explored {line}")
