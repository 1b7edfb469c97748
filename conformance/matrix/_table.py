"""Records as a table: testees and versions down, guests across; what was not run is shown, and never counted."""

from __future__ import annotations

import shlex
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any

from endianproof.conformance.counting import counted
from endianproof.conformance.matrix._job import FAILED, NOT_JUDGED, PASSED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from endianproof.conformance.matrix._cell import Cell

__all__ = ["table"]

LEGEND = "version: passed/failed/known/unsupported"
# The kinds of a report that each number adds up.
COUNTED = (("passed",), ("failed", "not as the baseline says"), ("known failures",), ("unsupported",))
EXCLUDED, ABSENT = "excluded", "no record"
STATES = (PASSED, FAILED, NOT_JUDGED, ABSENT)


def _counts(report: Mapping[str, Any]) -> str:
    counts, version = report["counts"], report["testee"]["version"]
    numbers = "/".join(str(sum(counts.get(kind, 0) for kind in kinds)) for kinds in COUNTED)
    return f"{version}: {numbers}" if version else numbers


def _state(cell: Cell, records: Mapping[str, Mapping[str, Any]]) -> str:
    """What became of a cell, in a word."""
    if cell.excluded:
        return EXCLUDED
    return str(records[cell.id]["verdict"]) if cell.id in records else ABSENT


def _entry(cell: Cell, records: Mapping[str, Mapping[str, Any]], kept: Collection[str]) -> str:
    record = records.get(cell.id)
    if cell.excluded or record is None or record["report"] is None:
        return _state(cell, records)
    marks = (" *" if record["passed_on"] else "") + (" kept" if cell.id in kept else "")
    return _counts(record["report"]) + marks


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def _exclusions(cells: Sequence[Cell]) -> Iterator[str]:
    excluded = sorted((cell for cell in cells if cell.excluded), key=lambda cell: cell.excluded)
    for reason, those in groupby(excluded, key=lambda cell: cell.excluded):
        yield f"not run: {', '.join(cell.id for cell in those)}: {reason}"


def _with_options(cells: Sequence[Cell], records: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What the marked cells were given besides: it may have left vectors out."""
    found = [shlex.join(records[cell.id]["passed_on"]) for cell in cells if cell.id in records]
    for given in dict.fromkeys(filter(None, found)):
        yield f"* with {given}"


def _total(cells: Sequence[Cell], records: Mapping[str, Mapping[str, Any]]) -> str:
    states = Counter(_state(cell, records) for cell in cells)
    excluded = states.pop(EXCLUDED, 0)
    told = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
    return f"{counted(states.total(), 'cell')}: {told}" + (f"; {excluded} more excluded" if excluded else "")


def table(
    cells: Sequence[Cell], records: Mapping[str, Mapping[str, Any]], kept: Collection[str] = ()
) -> Iterator[str]:
    """Yield the lines for these cells; `kept` are those whose record is of an earlier run."""
    guests = list(dict.fromkeys(cell.guest for cell in cells))
    placed = {(cell.row, cell.guest): _entry(cell, records, kept) for cell in cells}
    names = dict.fromkeys(cell.row for cell in cells)
    rows = [[name, *(placed.get((name, guest), "") for guest in guests)] for name in names]
    yield from _aligned([[LEGEND, *guests], *rows])
    yield from _with_options(cells, records)
    yield from _exclusions(cells)
    yield _total(cells, records)
