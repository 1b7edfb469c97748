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
    from pathlib import Path

    from endianproof.conformance.matrix._cell import Cell

__all__ = ["table"]

LEGEND = "version: passed/failed/known/unsupported"
# The kinds of a report that each number adds up.
COUNTED = (("passed",), ("failed", "not as the baseline says"), ("known failures",), ("unsupported",))
EXCLUDED, ABSENT, DAMAGED = "excluded", "no record", "damaged record"
STATES = (PASSED, FAILED, NOT_JUDGED, DAMAGED, ABSENT)


def _counts(report: Mapping[str, Any]) -> str:
    counts, version = report["counts"], report["testee"]["version"]
    numbers = "/".join(str(sum(counts.get(kind, 0) for kind in kinds)) for kinds in COUNTED)
    return f"{version}: {numbers}" if version else numbers


def _state(cell: Cell, records: Mapping[str, Mapping[str, Any]], damaged: Collection[str]) -> str:
    """What became of a cell, in a word."""
    if cell.excluded:
        return EXCLUDED
    if cell.id in records:
        return str(records[cell.id]["verdict"])
    return DAMAGED if cell.id in damaged else ABSENT


def _entry(
    cell: Cell, records: Mapping[str, Mapping[str, Any]], kept: Collection[str], damaged: Collection[str]
) -> str:
    record = records.get(cell.id)
    if cell.excluded or record is None or record["report"] is None:
        return _state(cell, records, damaged)
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


def _damages(damaged: Mapping[str, Path]) -> Iterator[str]:
    for name, path in damaged.items():
        yield f"{name}: {path} is no record, or a damaged one: run the cell again, or fetch the file again"


def _total(cells: Sequence[Cell], records: Mapping[str, Mapping[str, Any]], damaged: Collection[str]) -> str:
    states = Counter(_state(cell, records, damaged) for cell in cells)
    excluded = states.pop(EXCLUDED, 0)
    told = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
    return f"{counted(states.total(), 'cell')}: {told}" + (f"; {excluded} more excluded" if excluded else "")


def table(
    cells: Sequence[Cell],
    records: Mapping[str, Mapping[str, Any]],
    kept: Collection[str] = (),
    damaged: Mapping[str, Path] | None = None,
) -> Iterator[str]:
    """Yield the lines for these cells.

    `kept` are those whose record is of an earlier run, `damaged` those that have another file in its place.
    """
    damaged = damaged or {}
    guests = list(dict.fromkeys(cell.guest for cell in cells))
    placed = {(cell.row, cell.guest): _entry(cell, records, kept, damaged) for cell in cells}
    names = dict.fromkeys(cell.row for cell in cells)
    rows = [[name, *(placed.get((name, guest), "") for guest in guests)] for name in names]
    yield from _aligned([[LEGEND, *guests], *rows])
    yield from _with_options(cells, records)
    yield from _exclusions(cells)
    yield from _damages(damaged)
    yield _total(cells, records, damaged)
