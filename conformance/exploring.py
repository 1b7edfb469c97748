"""One search of `--explore`, from the settings to the report: what failed, how small, and where it is kept."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from endianproof import __version__
from endianproof.conformance.examine import first_load
from endianproof.conformance.explore import Search
from endianproof.conformance.found import keep, kept
from endianproof.conformance.outcome import OutcomeKind
from endianproof.conformance.settings import EXPLORE
from endianproof.conformance.starting import plain_vector
from endianproof.spec import load_spec
from endianproof.vectors import load_vectors
from endianproof.vectors.strategies import File

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from endianproof.conformance.baseline import RunConditions
    from endianproof.conformance.examine import Testee
    from endianproof.conformance.explore import Failure
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
    dtypes = [name for name in dict.fromkeys(own) if info.dtypes is None or name in info.dtypes]
    if reason := _unsearchable(form_name, testee, dtypes):
        return Explored(f"{form_name}: not explored: {reason}", unsearched=reason)

    search = Search(testee, form_name, lambda failure: _is_known(failure, settings, conditions))
    before = list(kept(wish.folder, form_name, File))
    search.again(file for _, file in before)
    search.draw(wish.count, wish.seed, dtypes)
    failures = sorted(search.failures.values(), key=lambda one: one.rank)
    reports = tuple(_report(failure, settings, conditions, info.name) for failure in failures)
    counts = ", ".join(f"{number} {what}" for what, number in sorted(search.counts.items()) if number)
    said = f"{form_name}: {wish.count} files drawn from seed {wish.seed}, {len(before)} kept from before: {counts}"
    said += f"; {search.ended_early}" if search.ended_early else ""
    judged = "" if search.counts["judged"] or not (wish.count or before) else "no file could be judged"
    return Explored(f"{said}; {_kinds(len(reports), wish)}", reports, unsearched=judged if not reports else "")


def _is_known(failure: Failure, settings: Settings, conditions: RunConditions) -> bool:
    """Whether the baseline records this failure of a vector that is like the file.

    Alike are vectors of the same rule, for a file that is to be refused; for any other, those that share an
    element type with it.
    """
    rule, dtypes = failure.expectation.rule, failure.dtypes
    alike = (
        vector
        for vector in load_vectors()
        if vector.format == failure.file.format
        and (rule in vector.rules if rule else any(tensor.dtype in dtypes for tensor in vector.tensors))
    )
    return settings.baseline is not None and settings.baseline.foresees(failure.judgement, alike, conditions)


def _unsearchable(form_name: str, testee: Testee, dtypes: Sequence[str]) -> str:
    """Why no search of this format would find anything but that the testee does not read it; "" for no reason."""
    info = testee.hello()
    if info.formats is not None and form_name not in info.formats:
        return f"the testee reads {', '.join(info.formats) or 'no format'}"
    if not dtypes:
        return "the testee has none of the format's element types"
    vector = plain_vector(form_name)
    outcome = first_load(vector, testee)
    if outcome.kind is OutcomeKind.LOADED:
        return ""
    return f"even {vector.id}, a plain valid file, is not loaded ({outcome.error_type or outcome.kind.value})"


def _kinds(count: int, wish: Exploring) -> str:
    if not count:
        return "nothing failed"
    return f"{count} {'kind' if count == 1 else 'kinds'} of failure, the smallest file of each in {wish.folder}"


def _command(settings: Settings, form_name: str) -> str:
    """What tries the kept files of this format again, and nothing else."""
    wish = settings.exploring
    assert wish is not None, "asked for, or there is no item"
    options = [
        ("--loader", settings.loader),
        ("--testee", settings.testee),
        *(("--with", requirement) for requirement in settings.requirements),
        ("--loader-takes", settings.takes if settings.takes != "path" else None),
        ("--guest", settings.guest),
        ("--explore", "0"),
        ("--explore-into", str(wish.folder)),
    ]
    words = [shlex.quote(f"{name}={value}") for name, value in options if value is not None]
    return " ".join(["pytest", *words, f"{form_name}::{EXPLORE}"])


def _about(failure: Failure, settings: Settings, run: RunConditions, name: str) -> dict[str, Any]:
    wish = settings.exploring
    assert wish is not None, "asked for, or there is no item"
    judgement = failure.judgement
    return {
        "endianproof": __version__,
        "testee": {"name": name, "byteorder": run.byteorder, "guest": run.guest, "packages": dict(run.packages)},
        "seed": wish.seed,
        "finding": judgement.finding.value,
        "diagnosis": judgement.diagnosis,
        "headline": judgement.headline,
        "verdict": failure.expectation.verdict,
        "rule": failure.expectation.rule,
        "description": failure.expectation.description,
        "damages": list(failure.file.damages),
        "run_again": _command(settings, failure.file.format),
    }


def _report(failure: Failure, settings: Settings, run: RunConditions, name: str) -> str:
    """The judge's report, with the file in place of the vector; the file is kept."""
    wish, judgement, file = settings.exploring, failure.judgement, failure.file
    assert wish is not None, "asked for, or there is no item"
    stem = f"{file.format}-{judgement.finding.value}"
    path: Path = keep(file, wish.folder, stem, _about(failure, settings, run, name))
    inflated = any(tensor.at >= len(file.data) for tensor in failure.expectation.tensors)  # nowhere in the file
    unfit = {"vector", "file", "what to do", *(("in file",) if inflated else ())}
    lines = (
        ("file", f"{path}, {len(file.data)} bytes: {failure.expectation.description}"),
        *((("made by", "; ".join(file.damages)),) if file.damages else ()),
        *((("expected", failure.expectation.expected),) if failure.expectation.expected else ()),
        *(line for line in judgement.lines if line[0] not in unfit),
        *(line for line in judgement.lines if line[0] == "what to do"),
        ("run again", _command(settings, file.format)),
    )
    return replace(judgement, lines=lines).text()
