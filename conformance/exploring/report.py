"""The report of one kind of failure: what failed, how small it is, where it is kept, and how to try it again."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from endianproof import __version__
from endianproof.conformance.counting import counted
from endianproof.conformance.exploring.found import keep
from endianproof.conformance.selecting import EXPLORE

if TYPE_CHECKING:
    from pathlib import Path

    from endianproof.conformance.baseline import RunConditions
    from endianproof.conformance.exploring.failure import Failure
    from endianproof.conformance.exploring.search import Search
    from endianproof.conformance.settings import Settings

__all__ = ["report"]


def _command(settings: Settings, form_name: str) -> str:
    """What tries the kept files of this format again, and nothing else."""
    wish = settings.exploring
    assert wish is not None, "asked for, or there is no item"
    options = [
        ("--loader", settings.loader),
        ("--testee", settings.testee),
        *(("--with", requirement) for requirement in settings.requirements),
        ("--loader-takes", settings.takes if settings.takes != "path" else None),
        *(("--accept", f"{dtype}={given}") for dtype, given in settings.accepted.items()),
        ("--guest", settings.guest),
        ("--explore", "0"),
        ("--explore-into", str(wish.folder)),
    ]
    words = [shlex.quote(f"{name}={value}") for name, value in options if value is not None]
    words += [*(["--build-in-guest"] if settings.builds else []), *settings.limits.changed()]
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


def report(failure: Failure, search: Search, settings: Settings, run: RunConditions, name: str) -> str:
    """The judge's report, with the file in place of the vector; the file is kept. Raises FoundFileError."""
    wish, judgement, file = settings.exploring, failure.judgement, failure.file
    assert wish is not None, "asked for, or there is no item"
    seen = search.seen[failure.kind]
    stem = f"{file.format}-{judgement.finding.value}"
    path: Path = keep(file, wish.folder, stem, _about(failure, settings, run, name))
    inflated = any(tensor.at >= len(file.data) for tensor in failure.expectation.tensors)  # nowhere in the file
    unfit = {"vector", "file", "what to do", *(("in file",) if inflated else ())}
    lines = (
        ("file", f"{path}, {counted(len(file.data), 'byte')}: {failure.expectation.description}"),
        *((("made by", "; ".join(file.damages)),) if file.damages else ()),
        *((("expected", failure.expectation.expected),) if failure.expectation.expected else ()),
        *(line for line in judgement.lines if line[0] not in unfit),
        *(line for line in judgement.lines if line[0] == "what to do"),
        *((("seen in", f"{seen} of {search.drawn} files drawn"),) if seen else ()),
        ("run again", _command(settings, file.format)),
    )
    return replace(judgement, lines=lines).text()
