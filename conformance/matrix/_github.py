"""Cells as the JSON that a GitHub workflow's `strategy.matrix` takes: one job for each.

One line, so that it can be written to $GITHUB_OUTPUT and read with fromJSON.
"""

from __future__ import annotations

import json
from shlex import join
from typing import TYPE_CHECKING, Any

from endianproof.conformance.counting import counted
from endianproof.conformance.matrix._error import MatrixError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from endianproof.conformance.matrix._cell import Cell

__all__ = ["github_matrix"]

MOST_JOBS = 256  # of one matrix, says GitHub's documentation


def _include(cell: Cell, path: Path, passed_on: Sequence[str]) -> dict[str, Any]:
    more = ["--", *passed_on] if passed_on else []
    return {
        "cell": cell.id,
        "name": f"{cell.row} on {cell.guest}",
        "testee": cell.testee.name,
        "version": cell.version,
        "guest": cell.guest,
        "run": join(["endianproof", "matrix", str(path), f"--cell={cell.id}", *more]),
        "record": f"{cell.id}.json",
    }


def github_matrix(cells: Sequence[Cell], path: Path, passed_on: Sequence[str] = ()) -> str:
    """Return the matrix of these cells, without the excluded. Raises MatrixError for too many, or none."""
    wanted = [cell for cell in cells if not cell.excluded]
    if not 0 < len(wanted) <= MOST_JOBS:
        raise MatrixError(
            f"{path}: {counted(len(wanted), 'cell')}, and a workflow's matrix has 1 to {MOST_JOBS}: use --cell"
        )
    return json.dumps({"include": [_include(cell, path, passed_on) for cell in wanted]})
