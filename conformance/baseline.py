"""Baselines: known failures of one testee, in a YAML file that is held strictly against what happens.

An entry covers the vectors and saves that its `vector` (an id or a glob) and its `rule` (likewise) both match, in
the runs that its `when` describes. Every one that it covers must fail, with its finding, and with its diagnosis if
it has one. One that passes or fails otherwise, and an entry that covers nothing at all, fail the run: so the
file stays true, and a change in the library under test is seen on the day it comes.

A file that lists what is unsupported, were it nothing, is held to that too: what was supported yesterday and is
declined today fails the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from endianproof.conformance.finding import FAILURES, Finding, Judgement
from endianproof.conformance.selecting import near
from endianproof.conformance.strict_yaml import read_document
from endianproof.qemu import guests

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from endianproof.conformance.outcome import TesteeInfo
    from endianproof.conformance.tasks import Task

__all__ = ["Baseline", "BaselineError", "Entry", "Ruling", "RunConditions", "read_baseline"]

EXAMPLE = "a baseline was expected: baseline: 1, known_failures: [{vector: st-*, finding: crashed, reason: why}]"
NO_GUEST = "none"
FAILING, UNSUPPORTED = "known_failures", Finding.UNSUPPORTED.value


class BaselineError(Exception):
    """A baseline file that cannot be used; the message says which file, where, and what to change."""


@dataclass(frozen=True)
class RunConditions:
    """What an entry's `when` is held against: the guest's name ("none" without one), and the testee's hello."""

    guest: str
    byteorder: str
    packages: Mapping[str, str]

    @classmethod
    def of(cls, guest: str | None, info: TesteeInfo) -> RunConditions:
        """Return the conditions of a run in `guest` (None: on this machine) of the testee that said `info`."""
        return cls(guest or NO_GUEST, info.byteorder, info.packages)


@dataclass(frozen=True)
class Entry:
    """One known failure, or what is unsupported. `number` counts from 1 in its list."""

    number: int
    finding: str
    reason: str
    vector: str = "*"
    rule: str = "*"
    diagnosis: str = ""
    link: str = ""
    when: Mapping[str, Any] = field(default_factory=dict)

    def covers(self, task: Task) -> bool:
        """Whether this entry speaks of this vector or save, in the runs that it applies to."""
        return fnmatchcase(task.id, self.vector) and any(fnmatchcase(rule, self.rule) for rule in task.rules)

    def applies(self, run: RunConditions) -> bool:
        """Whether this entry speaks of this run. A package that the testee does not name satisfies nothing."""
        packages: Mapping[str, str] = self.when.get("packages", {})
        return (
            self.when.get("guest", run.guest) == run.guest
            and self.when.get("byteorder", run.byteorder) == run.byteorder
            and all(_satisfies(run.packages.get(name), wanted) for name, wanted in packages.items())
        )

    def describes(self, judgement: Judgement) -> bool:
        """Whether the failure is the recorded one."""
        return judgement.finding.value == self.finding and self.diagnosis in {"", judgement.diagnosis}

    @property
    def failure(self) -> str:
        """The recorded failure in words."""
        return f"{self.finding} ({self.diagnosis})" if self.diagnosis else self.finding

    def document(self) -> dict[str, Any]:
        """Return the entry as it stands in the file."""
        found = () if self.finding == UNSUPPORTED else ("finding", "diagnosis")  # which its list says
        keys = ("vector", "rule", *found, "when", "reason", "link")
        return {key: _plain(getattr(self, key)) for key in keys if getattr(self, key) not in ("", "*", {})}


def _plain(value: Any) -> Any:
    return {key: _plain(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _satisfies(version: str | None, wanted: str) -> bool:
    if version is None:
        return False
    try:
        return SpecifierSet(wanted).contains(version, prereleases=True)
    except InvalidVersion:
        return False


@dataclass(frozen=True)
class Ruling:
    """What a baseline says of one judgement.

    `known` is the entry that records this very failure; `message` is what is wrong with the file where it records
    another one. Neither: the baseline does not speak of it.
    """

    known: Entry | None = None
    message: str = ""


@dataclass(frozen=True)
class Baseline:
    """The entries of one file, in its order. `unsupported` is None where the file does not say what is."""

    path: Path
    entries: tuple[Entry, ...] = ()
    unsupported: tuple[Entry, ...] | None = None

    def rule(self, task: Task, judgement: Judgement, run: RunConditions) -> Ruling:
        """Hold one judgement against the entries that cover the vector in this run."""
        covering = [entry for entry in self.entries if entry.applies(run) and entry.covers(task)]
        if not covering:
            return Ruling(message=self._undeclared(task, judgement, run))
        known = next((entry for entry in covering if entry.describes(judgement)), None)
        return Ruling(known) if known else Ruling(message=self._mismatch(covering[0], task, judgement))

    def foresees(self, judgement: Judgement, alike: Iterable[Task], run: RunConditions) -> bool:
        """Whether an entry describes this failure of a file that is no vector, and covers a vector like it.

        What `alike` means, `--explore` says (`endianproof.conformance.exploring.known`).
        """
        describing = [entry for entry in self.entries if entry.applies(run) and entry.describes(judgement)]
        return any(entry.covers(vector) for vector in alike for entry in describing)

    def _undeclared(self, task: Task, judgement: Judgement, run: RunConditions) -> str:
        """What is wrong with the file's list of what is unsupported; "" where it is right, or there is none."""
        listed = [e for e in self.unsupported or () if e.applies(run) and e.covers(task)]
        is_so = judgement.finding is Finding.UNSUPPORTED
        if self.unsupported is None or is_so == bool(listed):
            return ""
        if is_so:
            return (
                f"{task.id} is unsupported, and {self.path} does not list it as that: {judgement.headline}\n"
                "  what to do  support it, or run again with --update-baseline"
            )
        came = "fails" if judgement.failed else "passes"
        return (
            f"{task.id} {came}, and unsupported entry {listed[0].number} of {self.path} lists it as unsupported\n"
            f"  what to do  remove that entry{_narrower(listed[0], task)}, or run again with --update-baseline"
        )

    def _mismatch(self, entry: Entry, task: Task, judgement: Judgement) -> str:
        where = f"entry {entry.number} of {self.path}"
        found = {Finding.PASSED: "passes", Finding.UNSUPPORTED: "is unsupported"}.get(judgement.finding)
        narrower = _narrower(entry, task)
        if found:
            return (
                f"{task.id} {found}, and {where} says that it fails: {entry.failure}\n"
                f"  what to do  remove that entry{narrower}, or run again with --update-baseline"
            )
        diagnosis = f" ({judgement.diagnosis})" if judgement.diagnosis else ""
        return (
            f"{task.id} fails otherwise than {where} says: {judgement.finding.value}{diagnosis} instead of "
            f"{entry.failure}\n"
            f"  what to do  mend the loader, change that entry{narrower}, or run again with --update-baseline"
        )

    def updated(
        self,
        results: Sequence[tuple[Task, Judgement]],
        run: RunConditions,
        conditions: Mapping[str, Any],
        tasks: Iterable[Task] = (),
    ) -> Baseline:
        """Return the baseline that these results call for; `conditions` becomes the `when` of new entries.

        Kept as they are: entries that do not apply to this run, that cover no vector of it, or that are right
        about every one. An entry that is wrong about some gives way to one for each of its other vectors, with its
        reason, link and condition; also for those of `tasks`, all that there are, which were not run. What is
        unsupported is listed from then on, if it was not before.
        """
        judged = {(task.format, task.id) for task, _ in results}
        not_run = [task for task in tasks if (task.format, task.id) not in judged]
        failing = [(task, judgement) for task, judgement in results if judgement.failed]
        declined = [(task, judgement) for task, judgement in results if judgement.finding is Finding.UNSUPPORTED]

        def with_new(old: Sequence[Entry], wanted: Sequence[tuple[Task, Judgement]]) -> tuple[Entry, ...]:
            kept = [one for entry in old for one in _remains(entry, results, not_run, run)]
            return _updated(old, kept, wanted, run, conditions)

        return Baseline(self.path, with_new(self.entries, failing), with_new(self.unsupported or (), declined))


def _narrower(entry: Entry, task: Task) -> str:
    return "" if entry.vector == task.id else f", or narrow it so that it does not cover {task.id}"


def _updated(
    old: Sequence[Entry],
    kept: Sequence[Entry],
    wanted: Sequence[tuple[Task, Judgement]],
    run: RunConditions,
    conditions: Mapping[str, Any],
) -> tuple[Entry, ...]:
    """What is kept of one old list, and new entries for those `wanted` that it does not describe."""
    new = [
        _entry_for(old, task, judgement, run, conditions)
        for task, judgement in wanted
        if not any(e.applies(run) and e.covers(task) and e.describes(judgement) for e in kept)
    ]
    return tuple(replace(entry, number=number) for number, entry in enumerate((*kept, *new), 1))


def _remains(
    entry: Entry, results: Sequence[tuple[Task, Judgement]], not_run: Iterable[Task], run: RunConditions
) -> list[Entry]:
    """The entry itself where it stays, else what it says of vectors that nobody has looked at."""
    if _stays(entry, results, run):
        return [entry]
    return [replace(entry, vector=task.id) for task in not_run if entry.covers(task)]


def _stays(entry: Entry, results: Iterable[tuple[Task, Judgement]], run: RunConditions) -> bool:
    covered = [judgement for task, judgement in results if entry.covers(task)]
    return not entry.applies(run) or all(entry.describes(judgement) for judgement in covered)


def _entry_for(
    old: Sequence[Entry], task: Task, judgement: Judgement, run: RunConditions, conditions: Mapping[str, Any]
) -> Entry:
    before = next((e for e in old if e.applies(run) and e.covers(task)), None)
    return Entry(
        number=0,
        vector=task.id,
        finding=judgement.finding.value,
        diagnosis=judgement.diagnosis,
        when=before.when if before else conditions,
        reason=before.reason if before else judgement.headline,
        link=before.link if before else "",
    )


def read_baseline(path: Path, tasks: Sequence[Task]) -> Baseline:
    """Read a baseline and hold it against the vectors that there are.

    Raises BaselineError for a file that cannot be read or is no baseline, and for an entry that covers no vector.
    """
    document = read_document(path, "baseline-1.schema.json", BaselineError, EXAMPLE)
    failures = tuple(Entry(number, **entry) for number, entry in enumerate(document.value[FAILING], 1))
    declined = _unsupported(document.value[UNSUPPORTED]) if UNSUPPORTED in document.value else None
    findings = [finding.value for finding in FAILURES]
    for key, entries, known in ((FAILING, failures, findings), (UNSUPPORTED, declined or (), [UNSUPPORTED])):
        for entry in entries:
            if wrong := _wrong(entry, known, tasks):
                raise document.error((key, entry.number - 1), f"{key}[{entry.number - 1}]: {wrong}")
    return Baseline(path, failures, declined)


def _unsupported(listed: Iterable[Mapping[str, Any]]) -> tuple[Entry, ...]:
    return tuple(Entry(number, UNSUPPORTED, **entry) for number, entry in enumerate(listed, 1))


def _is_range(text: str) -> bool:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True


def _wrong(entry: Entry, findings: Sequence[str], tasks: Sequence[Task]) -> str:
    """What no schema can say of an entry; "" where nothing is wrong."""
    if entry.finding not in findings:
        return f"unknown finding {entry.finding!r}{near(entry.finding, findings)}; there are {', '.join(findings)}"
    for name, wanted in entry.when.get("packages", {}).items():
        if not _is_range(wanted):
            return f"{wanted!r} is no range of versions of {name}: write it like >=2.1,<3"
    if not any(entry.covers(task) for task in tasks):
        named = (("vector", entry.vector), ("rule", entry.rule))
        said = " and ".join(f"{key} {value}" for key, value in named if value != "*")
        return f"this matches no vector: there is none with {said}. Remove it, or correct the id"
    return _no_guest(entry.when.get("guest", NO_GUEST))


def _no_guest(name: str) -> str:
    """What is wrong with a guest's name, by which an entry would apply to no run; "" where nothing is."""
    own = {alias: one.name for one in guests().values() for alias in (one.name, *one.aliases)}
    if name == NO_GUEST or own.get(name) == name:
        return ""
    if name in own:
        return f"write {own[name]} for guest {name}: runs are known by the guest's own name"
    return f"there is no guest {name!r}{near(name, own)}; there are {', '.join((NO_GUEST, *own))}"
