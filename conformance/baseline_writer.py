"""Writing a baseline back, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from endianproof.conformance.baseline import Baseline

__all__ = ["write_baseline"]

HEADER = """\
# Known failures, held strictly by `pytest --baseline`: what is no longer true fails the run.
# `pytest --update-baseline` rewrites this file and keeps reasons and links; other comments are lost.
"""


def write_baseline(baseline: Baseline) -> None:
    """Write the file atomically: the old one or the new one is there. Raises OSError, leaving no scratch file."""
    document = {"baseline": 1, "known_failures": [entry.document() for entry in baseline.entries]}
    text = HEADER + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    target = Path(os.path.realpath(baseline.path))  # a link stays one
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".new")
    scratch = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        scratch.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
        scratch.replace(target)
    except BaseException:  # whatever happens, no half-made file stays
        scratch.unlink(missing_ok=True)
        raise
