"""`--report=FILE`: the verdicts as JSON for programs; schemas/verify-1.schema.json describes it."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

from endianproof import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from endianproof.conformance.finding import Judgement
    from endianproof.conformance.outcome import TesteeInfo
    from endianproof.conformance.verifying._verdict import Verdict

__all__ = ["peak_memory", "record"]

VERSION = 1


def peak_memory() -> dict[str, int]:
    """The most bytes of memory that this process has had, and the largest of its children that have ended.

    Pages of mapped files count where a process has touched and kept them.
    """
    kinds = {"suite": resource.RUSAGE_SELF, "testee": resource.RUSAGE_CHILDREN}
    return {who: resource.getrusage(kind).ru_maxrss * 1024 for who, kind in kinds.items()}


def _found(judgement: Judgement) -> dict[str, Any]:
    return {
        "finding": judgement.finding.value,
        "diagnosis": judgement.diagnosis,
        "headline": judgement.headline,
        "lines": [list(line) for line in judgement.lines],
    }


def record(verdicts: Sequence[Verdict], info: TesteeInfo, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that was found out; `asked` are the options that tell one run from another."""
    return {
        "verify": VERSION,
        "endianproof": __version__,
        "run": dict(asked),
        "testee": info.document(),
        "peak_bytes": peak_memory(),
        "files": [
            {
                "file": verdict.name,
                "format": verdict.format,
                "state": verdict.state,
                "why": verdict.why,
                "tensors": verdict.tensors,
                "bytes": verdict.nbytes,
                "seconds": round(verdict.seconds, 3),
                "findings": [_found(judgement) for judgement in verdict.judgements],
            }
            for verdict in verdicts
        ],
    }
