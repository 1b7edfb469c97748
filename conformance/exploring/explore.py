"""One search of `--explore`, from the settings to what is said of it."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from endianproof.conformance.examine import first_load, undeclared
from endianproof.conformance.exploring.found import kept
from endianproof.conformance.exploring.known import is_known
from endianproof.conformance.exploring.report import report
from endianproof.conformance.exploring.search import Search
from endianproof.conformance.outcome import OutcomeKind
from endianproof.conformance.starting import plain_vector
from endianproof.spec import load_spec
from endianproof.vectors.strategies import File, files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from endianproof.conformance.baseline import RunConditions
    from endianproof.conformance.examine import Testee
    from endianproof.conformance.settings import Exploring, Settings

__all__ = ["Explored", "explore"]


@dataclass(frozen=True)
class Explored:
    """What came of one search.

    `reports` has one text for each kind of failure, the most harmful first; `line` is the summary's. `unsearched`
    says why nothing was tried, "" where something was.
    """

    line: str
    reports: tuple[str, ...] = ()
    unsearched: str = ""


def explore(form_name: str, testee: Testee, settings: Settings, conditions: RunConditions) -> Explored:
    """Search one format as `settings.exploring` says. Raises FoundFileError for a folder that cannot be used."""
    wish, info = settings.exploring, testee.hello()
    assert wish is not None, "asked for, or there is no item"
    own = load_spec().formats[form_name].element_types.values()
    absent = settings.unsupported.dtypes
    dtypes = [name for name in dict.fromkeys(own) if info.dtypes is None or name in info.dtypes]
    dtypes = [name for name in dtypes if name not in absent]
    if reason := _unsearchable(form_name, testee, dtypes):
        return Explored(f"{form_name}: not explored: {reason}", unsearched=reason)

    known = functools.partial(is_known, baseline=settings.baseline, run=conditions)
    search = Search(testee, form_name, known, settings.accepted)
    before, began = list(kept(wish.folder, form_name, File)), time.monotonic()
    search.again(file for _, file in before)
    search.draw(wish.count, wish.seed, dtypes)
    took = time.monotonic() - began
    failures = sorted(search.failures.values(), key=lambda one: one.rank)
    reports = tuple(report(failure, search, settings, conditions, info.name) for failure in failures)
    judged = "" if search.counts["judged"] or not (wish.count or before) else "no file could be judged"
    line = "; ".join(filter(None, _account(search, wish, len(before), took)))
    return Explored(f"{form_name}: {line}", reports, unsearched=judged if not reports else "")


def _account(search: Search, wish: Exploring, before: int, took: float) -> Iterator[str]:
    """What was tried and what came of it, in parts; "" for a part of which there is nothing to say."""
    drawn = str(wish.count) if search.drawn == wish.count else f"{search.drawn} of {wish.count}"
    counts = ", ".join(f"{number} {what}" for what, number in sorted(search.counts.items()) if number)
    said = f": {counts}" if counts else ""
    yield f"{drawn} files drawn from seed {wish.seed}, {before} kept from before{said}"
    yield search.ended_early
    yield _kinds(len(search.failures), wish)
    if search.tried:
        smaller = search.tried - search.drawn - before
        made = f" with {smaller} smaller ones made of what failed" if smaller > 0 else ""
        yield f"{took:.1f} s{made}, {search.tried / max(took, 0.001):.0f} files per second"


def _unsearchable(form_name: str, testee: Testee, dtypes: Sequence[str]) -> str:
    """Why no search of this format would find anything but that the testee does not read it; "" for no reason."""
    info = testee.hello()
    if info.formats is not None and form_name not in info.formats:
        return f"the testee reads {', '.join(info.formats) or 'no format'}"
    try:
        files(form_name, dtypes=dtypes)
    except ValueError:
        return f"no element type of the testee's ({', '.join(info.dtypes or ())}) is drawn in this format"
    vector = plain_vector(form_name)
    if undeclared(vector, info):
        return ""  # it cannot be asked for this one
    outcome = first_load(vector, testee)
    if outcome.kind is OutcomeKind.LOADED:
        return ""
    return f"even {vector.id}, a plain valid file, is not loaded ({outcome.error_type or outcome.kind.value})"


def _kinds(count: int, wish: Exploring) -> str:
    if not count:
        return "nothing failed"
    return f"{count} {'kind' if count == 1 else 'kinds'} of failure, the smallest file of each in {wish.folder}"
