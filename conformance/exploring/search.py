"""The search beyond the vectors: files are drawn, damaged, judged as vectors are; what fails is made small.

The same seed draws the same files, with one release of Hypothesis and one installation: constants of modules that
are not installed are drawn too. Half of the files are valid, and come first: what goes wrong with those needs no
damage. Failures are told apart by kind: each kind is shrunk for itself, and a kind that was found is passed over
afterwards, so that a shallow fault does not hide a deep one.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import hypothesis
from hypothesis.errors import Flaky, NoSuchExample

from endianproof.conformance.client import TesteeStartError
from endianproof.conformance.endings import not_started_again
from endianproof.conformance.examine import Observation, conclude, observe
from endianproof.conformance.exploring.expectation import expectation_of, own_account
from endianproof.conformance.exploring.failure import Failure
from endianproof.conformance.finding import Finding, Judgement
from endianproof.conformance.judge import NOTHING
from endianproof.conformance.outcome import OutcomeKind
from endianproof.vectors import Vector
from endianproof.vectors.strategies import damaged_files, files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from hypothesis.strategies import SearchStrategy

    from endianproof.conformance.examine import Testee
    from endianproof.conformance.exploring.expectation import Expectation
    from endianproof.conformance.exploring.failure import Kind
    from endianproof.vectors.strategies import File

__all__ = ["Search"]

MOST_KINDS = 8  # of valid files, and as many of damaged ones
# A hang costs the whole time limit, a crash a new process. How often each may come before the search ends, and how
# often a file may be loaded to make one of its kind smaller.
PATIENCE = {Finding.TIMED_OUT: 3, Finding.OUT_OF_MEMORY: 10, Finding.CRASHED: 30}
SHRINKING = {Finding.TIMED_OUT: 0, Finding.OUT_OF_MEMORY: 20, Finding.CRASHED: 60}
OTHERWISE = 800


@dataclass
class Search:
    """One search with one testee in one format.

    `silent` says which failures are known (a baseline's). `counts` are files by what came of them: `judged`,
    `open` (the format leaves it to the loader), `unsupported`, `too large`, `known`; and how many ended badly.
    `seen` are drawn files by kind of failure, `drawn` all of them; `tried` also those that shrinking made of them.
    """

    testee: Testee
    format: str
    silent: Callable[[Failure], bool]
    # A factory: before Python 3.12 a mappingproxy has no hash, and dataclasses take it for a mutable default.
    accepted: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    failures: dict[Kind, Failure] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    seen: Counter[Kind] = field(default_factory=Counter)
    drawn: int = 0
    tried: int = 0
    ended_early: str = ""
    _folder: Path = field(default=Path(), init=False)
    _left: int = field(default=0, init=False)
    _most: int = field(default=MOST_KINDS, init=False)
    _hopeless: bool = field(default=False, init=False)
    _shrinks: int = field(default=0, init=False)
    _target: Kind | None = field(default=None, init=False)
    _done: set[Kind] = field(default_factory=set, init=False)

    def again(self, kept: Iterable[File]) -> None:
        """Try files that an earlier search found."""
        with self._somewhere():
            for file in kept:
                failure = self._failure(file)
                if failure is not None:
                    self._remember(failure)
                    self._done.add(failure.kind)

    def draw(self, count: int, seed: int, dtypes: Sequence[str] | None) -> None:
        """Draw `count` files, valid and damaged ones; `dtypes` are the element types that the testee has."""
        valid, damaged = files(self.format, dtypes=dtypes), damaged_files(self.format, dtypes=dtypes)
        with self._somewhere():
            self._draw_from(valid, count - count // 2, f"{seed}-valid")
            if not self._hopeless:
                self._draw_from(damaged, count // 2, f"{seed}-damaged")

    def _draw_from(self, strategy: SearchStrategy[File], count: int, seed: str) -> None:
        self._left, self._most = count, len(self.failures) + MOST_KINDS
        for number in range(MOST_KINDS):
            if not self._left or not self._next_kind(strategy, Random(f"{seed}-{number}")):  # noqa: S311 (no secret)
                return
        if self._left and not self._hopeless:
            self.ended_early = f"no more than {MOST_KINDS} kinds of failure are kept"

    @contextlib.contextmanager
    def _somewhere(self) -> Iterator[None]:
        with tempfile.TemporaryDirectory(prefix="endianproof-", ignore_cleanup_errors=True) as folder:
            self._folder = Path(folder)
            yield

    def _next_kind(self, strategy: SearchStrategy[File], random: Random) -> bool:
        """Draw until a new kind of failure is found, and shrink it. False where nothing is left to draw."""
        self._target = None
        settings = hypothesis.settings(
            max_examples=self._left,
            database=None,
            deadline=None,
            phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        )
        # Flaky: a file failed once and not again, or shrinking was cut short. The smallest that was seen will do.
        with contextlib.suppress(NoSuchExample, Flaky):
            simplest = self._failure(hypothesis.find(strategy, self._fails, settings=settings, random=random))
            if simplest is not None and simplest.kind == self._target:
                self.failures[simplest.kind] = simplest
        if self._target is None:
            return False
        self._done.add(self._target)
        return True

    def _fails(self, file: File) -> bool:
        """Whether this file shows the kind of failure that is looked for: any new one, then that one alone."""
        searching = self._target is None
        if (self._left if searching else self._shrinks) <= 0:
            return False
        failure = self._failure(file)
        if searching:
            self._left -= 1
            self.drawn += 1
        else:
            self._shrinks -= 1
        if failure is None:
            return False
        self._remember(failure)
        if searching:
            self.seen[failure.kind] += 1
            self._lose_patience(failure.judgement.finding)
        if searching and failure.kind not in self._done and failure.kind in self.failures:
            self._target = failure.kind
            self._shrinks = SHRINKING.get(failure.judgement.finding, OTHERWISE)
        return failure.kind == self._target

    def _lose_patience(self, finding: Finding) -> None:
        if finding in PATIENCE:
            self.counts[finding.value] += 1
            if self.counts[finding.value] >= PATIENCE[finding]:
                self._give_up(f"{finding.value} {PATIENCE[finding]} times")

    def _give_up(self, why: str) -> None:
        self._left, self._hopeless, self.ended_early = 0, True, f"ended early: {why}"

    def _remember(self, failure: Failure) -> None:
        known = self.failures.get(failure.kind)
        if len(self.failures) < self._most if known is None else failure.rank < known.rank:
            self.failures[failure.kind] = failure

    def _failure(self, file: File) -> Failure | None:
        """The file's failure; None where it passed, where nothing can be said, and where the failure is known."""
        self.tried += 1
        path = file.write_to(self._folder)
        expectation = expectation_of(file, path)
        if expectation.too_large:
            self._count("too large")
            return None
        judgement = self._judged(_as_vector(file, path, expectation), expectation)
        failure = Failure(file, expectation, judgement)
        if not judgement.failed:
            unsupported = judgement.finding is Finding.UNSUPPORTED
            self._count("unsupported" if unsupported else "open" if expectation.verdict == "open" else "judged")
            return None
        if self.silent(failure):
            self._count("known")
            return None
        self._count("judged")
        return failure

    def _count(self, what: str) -> None:
        """Count drawn files, not the smaller ones made of them."""
        if self._target is None:
            self.counts[what] += 1

    def _judged(self, vector: Vector, expectation: Expectation) -> Judgement:
        try:
            seen = observe(vector, self.testee)
        except TesteeStartError as error:
            self._give_up("no testee")
            return not_started_again(error)
        assert isinstance(seen, Observation), "a vector was observed"
        if expectation.verdict == "open" and seen.first is not None and seen.first.kind is OutcomeKind.LOADED:
            seen = replace(seen, vector=replace(vector, tensors=own_account(seen.first.tensors)))
        return conclude(seen, {}, self.accepted)


def _as_vector(file: File, path: Path, expectation: Expectation) -> Vector:
    """The file as the judge takes it. `may` without a policy: loaded rightly or refused, both are well."""
    return Vector(
        id=f"{file.format}::explore",
        format=file.format,
        path=path,
        sha256=hashlib.sha256(file.data).hexdigest(),
        size=len(file.data),
        rules=(expectation.rule,) if expectation.verdict == "reject" else (),
        verdict="may" if expectation.verdict == "open" else expectation.verdict,
        description=expectation.description,
        tensors=expectation.tensors,
    )
