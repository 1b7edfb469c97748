"""One conformance run inside pytest: the hooks, from the user's options to the summary.

With pytest-xdist the controller checks options, sets guests up and asks the testee who it is; each worker then has
a testee of its own, and the controller gathers what the workers' reports say.
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from endianproof.conformance.accepting import said_of
from endianproof.conformance.ahead import Ahead, InTurn
from endianproof.conformance.baseline import NO_GUEST, Ruling, RunConditions
from endianproof.conformance.baseline_writer import write_baseline
from endianproof.conformance.child import Child
from endianproof.conformance.client import TesteeStartError
from endianproof.conformance.endings import not_started_again
from endianproof.conformance.examine import conclude
from endianproof.conformance.given import given_of
from endianproof.conformance.hints import hints, nothing_judged, unused, whose_tensors
from endianproof.conformance.items import FormatCollector, TaskItem
from endianproof.conformance.large import at_hand
from endianproof.conformance.report import document, write_report
from endianproof.conformance.selecting import own_ids
from endianproof.conformance.settings import Settings, read_settings
from endianproof.conformance.signals import heed
from endianproof.conformance.starting import preflight, start
from endianproof.conformance.summary import Result, Summary
from endianproof.conformance.tasks import OPS, load_tasks, tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from endianproof.conformance.ahead import Observer
    from endianproof.conformance.baseline import Baseline
    from endianproof.conformance.client import TesteeProcess
    from endianproof.conformance.examine import Testee
    from endianproof.conformance.finding import Judgement
    from endianproof.conformance.given import Given
    from endianproof.conformance.inside import Inside
    from endianproof.conformance.outcome import TesteeInfo
    from endianproof.conformance.starting import Went
    from endianproof.conformance.tasks import Task

__all__ = ["ConformanceRun", "begin"]


IN_PROCESS = "endianproof: in pytest's own process: no limits, no isolation; a crash of the loader ends pytest"


def _inside() -> type[Inside]:
    from endianproof.conformance.inside import Inside  # noqa: PLC0415 - the testee's side, only if asked

    return Inside


def begin(config: pytest.Config) -> None:
    """Make this pytest run a conformance run. Raises pytest.UsageError for options that cannot be followed."""
    asked = given_of(config)
    run = ConformanceRun(config, read_settings(asked, own_ids(config, asked)))
    _refuse_beside_xdist(config, asked)
    config.add_cleanup(run.close)
    heed(config)
    config.pluginmanager.register(run, "endianproof-run")
    if (wish := run.settings.exploring) is not None:
        from endianproof.conformance.exploring.items import ExploreRun  # noqa: PLC0415 - Hypothesis, only if asked

        config.pluginmanager.register(ExploreRun(run, wish), "endianproof-explore")


def _refuse_beside_xdist(config: pytest.Config, asked: Given) -> None:
    """One way to have several testees is enough, and pytest-xdist's workers have no terminal to debug at."""
    for key in ("workers", "in_process"):
        if asked.has(key) and config.getoption("numprocesses", None):
            raise pytest.UsageError(f"{asked.called(key)} and -n exclude each other: leave one of them out")


class ConformanceRun:
    """The hooks of one run. The testee starts when it is first needed, and ends with pytest."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.settings = settings
        self._config = config
        self._is_worker = hasattr(config, "workerinput")  # pytest-xdist sets it in its workers
        self._testee: TesteeProcess | None = None
        self._observing: Observer | None = None
        self._following: tuple[Task, ...] = ()
        self._places: dict[pytest.Item, int] = {}
        self._info: TesteeInfo | None = None
        self._plain: dict[str, Mapping[str, Went]] = {}
        self._results: list[Result] = []
        self._written: str = ""
        self._started = time.monotonic()

    # What items need

    def examine(self, task: Task) -> Judgement:
        """Judge one vector or save. A testee that cannot be started again is that task's protocol error."""
        following, self._following = self._following, ()
        try:
            with at_hand(task, self._progress) as ready:
                seen = self._observer().observe(ready, following)
                return self.settings.unsupported.hold(
                    task, conclude(seen, self.settings.policies, self.settings.accepted)
                )
        except TesteeStartError as error:
            return not_started_again(error)

    def idle_testee(self) -> Testee:
        """The testee, once no task is under way."""
        return self._observer().settle()

    def rule(self, task: Task, judgement: Judgement) -> Ruling:
        """What the baseline says of a judgement."""
        if self.settings.baseline is None:
            return Ruling()
        return self.settings.baseline.rule(task, judgement, self.conditions())

    def conditions(self) -> RunConditions:
        """What the entries of a baseline are held against."""
        return RunConditions.of(self.settings.guest, self._information())

    def _running(self) -> TesteeProcess:
        if self._testee is None:
            asked, begin = self.settings, Child if not self.settings.in_process else _inside()
            self._testee = start(
                asked, self._python_paths(), self._progress, asked.limits, begin=begin, home=asked.folder
            )
        return self._testee

    def _observer(self) -> Observer:
        if self._observing is None:
            first = self._running()
            others = [first.twin() for _ in range(self.settings.workers - 1)]
            self._observing = InTurn(first) if self.settings.in_process else Ahead(first, *others)
        return self._observing

    def _information(self) -> TesteeInfo:
        if self._info is None:
            self._info = self._running().hello()
        return self._info

    def _python_paths(self) -> list[Path]:
        """The folders that pytest's `pythonpath` lets the user's own tests import from, then the settings' own."""
        folders = [Path(folder) for folder in self._config.getini("pythonpath")]
        return [*folders, self.settings.folder] if self.settings.folder else folders

    def _progress(self, line: str) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"endianproof: {line}")
        elif not self._is_worker:
            sys.stderr.write(f"endianproof: {line}\n")

    def close(self) -> None:
        """End the testee."""
        ending = self._observing or self._testee
        if ending is not None:
            ending.close()
        self._testee = self._observing = None

    # pytest's hooks, in the order in which pytest calls them

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Start the testee and give it something plain to do, before anything is collected or workers start."""
        if self._is_worker or self._config.getoption("collectonly"):
            return
        self._info = self._running().hello()
        declared = self._info.formats
        for op, kind in OPS.items():
            formats = dict.fromkeys(task.format for task in self._tasks() if isinstance(task, kind))
            asked = [name for name in formats if declared is None or name in declared]
            self._plain[op] = preflight(self.settings, self._running(), op, asked)
        if self._config.getoption("dist", "no") != "no":
            self.close()  # the workers have their own

    def pytest_report_header(self) -> list[str]:
        """Say who is tested, where, and with what."""
        chosen = f"{len(self._tasks())} of {tally(self._all_tasks())}"
        if self._info is None:
            return [f"endianproof: {chosen}"]
        info, guest = self._info, self.settings.guest
        packages = ", ".join(f"{name} {version}" for name, version in sorted(info.packages.items()))
        where = f"{info.machine}, {info.byteorder}-endian" + (f", guest {guest}" if guest else "")
        return [
            f"endianproof: {' '.join(filter(None, (self._name(), info.version)))}, {info.runtime}, {where}",
            f"endianproof: {packages or 'no packages'}; {chosen}",
            *([f"endianproof: {whose}"] if (whose := whose_tensors(self.settings, info.packages)) else []),
            *self._conditions_shown(),
        ]

    def _conditions_shown(self) -> Iterator[str]:
        """What is not as usual: the project's settings, what is accepted, no process of its own, other limits."""
        if accepted := self.settings.accepted:
            said = ", ".join(itertools.starmap(said_of, accepted.items()))
            yield f"endianproof: accepted, because you say so: {said}"
        if self.settings.project:
            yield f"endianproof: {self.settings.project}"
        if self.settings.in_process:
            yield IN_PROCESS
        elif changed := self.settings.limits.changed():
            yield f"endianproof: limits: {' '.join(changed)}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Put the tasks in front of what pytest collected, before `-k`, `--deselect` and `--lf` choose."""
        ours = [item for name in self._formats() for item in session.genitems(self._collector(session, name))]
        items[:0] = ours

    def _formats(self) -> list[str]:
        return list(dict.fromkeys(task.format for task in self._tasks()))

    def _ops(self) -> tuple[str, ...]:
        """What is asked of the testee: of a program, what it says that it can."""
        if self.settings.testee is None or self._config.getoption("collectonly"):
            return self.settings.ops
        return tuple(op for op in self.settings.ops if op in self._information().ops)

    def _asked(self, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
        kinds = tuple(OPS[op] for op in self._ops())
        return tuple(task for task in tasks if isinstance(task, kinds))

    def _tasks(self) -> tuple[Task, ...]:
        """The selected tasks that the testee can be asked for."""
        return self._asked(self.settings.tasks)

    def _all_tasks(self) -> tuple[Task, ...]:
        """The tasks that it could have been asked for."""
        return self._asked(self.settings.all_tasks)

    def _collector(self, session: pytest.Session, name: str) -> FormatCollector:
        tasks = tuple(task for task in self._tasks() if task.format == name)
        return FormatCollector.from_parent(
            session, name=name, nodeid=name, path=tasks[0].path.parent, run=self, tasks=tasks
        )

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the order in which items will run."""
        self._places = {item: place for place, item in enumerate(session.items)}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Note which tasks come next, and leave the running to pytest."""
        self._following = tuple(
            one.task
            for one in self._next_items(item, nextitem)
            if isinstance(one, TaskItem) and not one.task.large  # a large vector's file is not made yet
        )

    def _next_items(self, item: pytest.Item, nextitem: pytest.Item | None) -> list[pytest.Item]:
        """The next item, or enough for each testee to be at one and to have one waiting."""
        if self.settings.workers == 1 or nextitem is None:
            return [nextitem] if nextitem is not None else []
        after = self._places[item] + 1
        return item.session.items[after : after + 2 * self.settings.workers]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather results, here or from a worker."""
        result = Result.from_report(report)
        if result is not None:
            self._results.append(result)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the report and the baseline, where they were asked for. What cannot be written fails the run."""
        if self._info is None or self._is_worker:
            return
        if exitstatus == pytest.ExitCode.OK and self._nothing_judged():
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        through = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
        try:
            if self.settings.report:
                seconds = time.monotonic() - self._started
                judged = self._results, self._all_tasks()
                found = document(self.settings, self._info, *judged, seconds, interrupted=not through)
                write_report(self.settings.report, found)
            if self.settings.update and self.settings.baseline:
                self._written = (
                    self._update(self.settings.baseline) if through else "not written: the run did not end"
                )
        except OSError as error:
            self._written = f"not written: {error}"
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def _nothing_judged(self) -> str:
        return nothing_judged(self._results, self._all_tasks(), self._plain)

    def _update(self, old: Baseline) -> str:
        by_id = {(task.format, task.id): task for task in self.settings.all_tasks}
        results = [(by_id[result.format, result.task], result.judgement()) for result in self._results]
        run = self.conditions()
        when = {"guest": run.guest} if run.guest != NO_GUEST else {"guest": NO_GUEST, "byteorder": run.byteorder}
        new = old.updated(results, run, when, load_tasks(self.settings.ops, large=True))
        write_baseline(new)
        declined = f", {len(new.unsupported)} unsupported" if new.unsupported else ""
        return f"baseline written: {old.path}: {len(new.entries)} entries ({len(old.entries)} before){declined}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Group what failed, and show what was not judged."""
        if self._info is None:
            return
        summary = Summary(
            self._results,
            self._all_tasks(),
            [
                *(hints(self.settings, self._plain, self._info.packages) if self._results else ()),
                *filter(None, [self._nothing_judged()]),
                *unused(self.settings.accepted, {result.note for result in self._results}),
            ],
            self._written,
            self.settings.left_out if "load" in self._ops() else 0,
        )
        terminalreporter.section(f"endianproof: {self._name()}", sep="=")
        for line in summary.lines():
            terminalreporter.write_line(line)

    def _name(self) -> str:
        """The loader or saver as the user wrote it; a program says its own name."""
        return self.settings.loader or self.settings.saver or self._information().name
