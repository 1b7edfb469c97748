"""Writing a baseline back, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from endianproof._whole_file import write_over

if TYPE_CHECKING:
    from endianproof.conformance.baseline import Baseline

__all__ = ["write_baseline"]

HEADER = """\
# Known failures, held strictly by `pytest --baseline`: what is no longer true fails the run.
# `pytest --update-baseline` rewrites this file and keeps reasons and links; other comments are lost.
"""


def write_baseline(baseline: Baseline) -> None:
    """Write the file atomically: the old one or the new one is there. Raises OSError, leaving no scratch file."""
    document: dict[str, Any] = {
        "baseline": 1,
        "known_failures": [entry.document() for entry in baseline.entries],
    }
    if baseline.unsupported is not None:
        document["unsupported"] = [entry.document() for entry in baseline.unsupported]
    text = HEADER + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    write_over(baseline.path, text)
