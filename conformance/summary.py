"""What the run came to: results as they travel in pytest's reports, and the lines at the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from endianproof.conformance.finding import Finding, Judgement
from endianproof.conformance.tasks import tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pytest

    from endianproof.conformance.baseline import Ruling
    from endianproof.conformance.tasks import Task

__all__ = ["Result", "Summary"]

PREFIX = "endianproof_"
SHOWN_IDS = 3


@dataclass(frozen=True)
class Result:
    """One vector's or save's result as plain text, so that it survives pytest-xdist and stands in JUnit files.

    `baseline` is "known" for a failure that the baseline records, "wrong" where it records another, else "".
    `policy` is `name=choice` for a `may` one, else ""; `note` is worth showing and no failure.
    """

    format: str
    task: str
    finding: str
    diagnosis: str
    headline: str
    group: str
    policy: str
    baseline: str
    note: str

    @classmethod
    def of(cls, task: Task, judgement: Judgement, ruling: Ruling) -> Result:
        """Sum up one judgement and what the baseline says of it."""
        return cls(
            format=task.format,
            task=task.id,
            finding=judgement.finding.value,
            diagnosis=judgement.diagnosis,
            headline=judgement.headline,
            group=judgement.group or judgement.headline,
            policy="=".join(judgement.choice or ()),
            baseline="wrong" if ruling.message else "known" if ruling.known else "",
            note=judgement.note,
        )

    def properties(self) -> list[tuple[str, str]]:
        """Return the result as a report's user properties."""
        return [(PREFIX + field.name, getattr(self, field.name)) for field in fields(self)]

    @classmethod
    def from_report(cls, report: pytest.TestReport) -> Result | None:
        """Read the result back from a report; None for reports of other tests, of set-up and of tear-down."""
        said = {
            name.removeprefix(PREFIX): value for name, value in report.user_properties if name.startswith(PREFIX)
        }
        return cls(**{key: str(value) for key, value in said.items()}) if said and report.when == "call" else None

    def judgement(self) -> Judgement:
        """Return the judgement without its evidence."""
        return Judgement(Finding(self.finding), self.headline, diagnosis=self.diagnosis, group=self.group)

    @property
    def kind(self) -> str:
        """How the summary counts it."""
        if self.baseline:
            return {"known": "known failures", "wrong": "not as the baseline says"}[self.baseline]
        named = {Finding.PASSED: "passed", Finding.UNSUPPORTED: "unsupported"}
        return named.get(Finding(self.finding), "failed")


def _several(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = len(listed) - SHOWN_IDS
    return ", ".join(listed[:SHOWN_IDS]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class Summary:
    """The lines at the end of a run. Whatever was not judged is shown, and never counted as passed.

    `left_out` is the number of large vectors that would have been run, had they been asked for.
    """

    results: Sequence[Result]
    tasks: Sequence[Task]
    hints: Sequence[str] = ()
    written: str = ""
    left_out: int = 0

    def lines(self) -> Iterator[str]:
        """Yield the counts, then each group of failures, what is unsupported, policies, notes, and hints."""
        yield self._counts()
        if self.left_out:
            yield f"{self.left_out} large vectors not run: --large makes their files, of up to 4 GiB, one by one"
        yield from self._groups("failed", "failed, the most harmful first:")
        yield from self._groups("not as the baseline says", "not as the baseline says:")
        yield from self._groups("unsupported", "unsupported, and not counted as passed:")
        yield from self._policies()
        yield from self._notes()
        yield from self._groups("known failures", "known failures, by the baseline:")
        yield from (f"hint: {hint}" for hint in self.hints)
        if self.written:
            yield self.written

    def _counts(self) -> str:
        counts = Counter(result.kind for result in self.results)
        order = ("passed", "failed", "not as the baseline says", "known failures", "unsupported")
        parts = [f"{counts[kind]} {kind}" for kind in order if counts[kind]]
        missing = len(self.tasks) - len(self.results)
        if missing:
            parts.append(f"{missing} not run (not selected, or the run ended before)")
        return f"{tally(self.tasks)}: {', '.join(parts)}"

    def _groups(self, kind: str, title: str) -> Iterator[str]:
        """Each group by the headline that most of its vectors share, then which vectors."""
        chosen: defaultdict[tuple[int, str], list[Result]] = defaultdict(list)
        for result in self.results:
            if result.kind == kind:
                chosen[Finding(result.finding).severity, result.group].append(result)
        if chosen:
            yield title
        for _, results in sorted(chosen.items(), key=lambda entry: (entry[0][0], -len(entry[1]), entry[0][1])):
            headlines = Counter(result.headline for result in results)
            ((headline, _),) = headlines.most_common(1)
            yield f"  {len(results):>4}  {headline}{', and the like' if len(headlines) > 1 else ''}"
            yield f"        {_several(result.task for result in results)}"

    def _notes(self) -> Iterator[str]:
        """What is no failure and worth knowing."""
        notes: defaultdict[str, list[str]] = defaultdict(list)
        for result in self.results:
            if result.note:
                notes[result.note].append(result.task)
        if notes:
            yield "worth knowing:"
        yield from (f"  {note} ({_several(ids)})" for note, ids in sorted(notes.items()))

    def _policies(self) -> Iterator[str]:
        """Which way each policy went, vector by vector where the testee is of two minds."""
        went: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for result in self.results:
            if result.policy:
                name, _, choice = result.policy.partition("=")
                went[name][choice].append(result.task)
        recommended = {v.policy.name: v.policy.recommended for v in self.tasks if v.policy}
        if went:
            yield "what the format leaves open:"
        for name, choices in sorted(went.items()):
            said = "; ".join(f"{choice} ({_several(ids)})" for choice, ids in sorted(choices.items()))
            advice = f" [recommended: {recommended[name]}]" if recommended.get(name) else ""
            yield f"  {name}: {said}{advice}"
