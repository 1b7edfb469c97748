"""Which cells are to be run, by which commands, and which have a record that still speaks of them."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endianproof import __version__
from endianproof.conformance.matrix._cell import HOST
from endianproof.conformance.matrix._error import MatrixError
from endianproof.conformance.matrix._job import PASSED, VERSION, Job
from endianproof.qemu import guest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from endianproof.conformance.matrix._cell import Cell

    Record = Mapping[str, Any]

__all__ = ["PYTEST", "Plan", "damaged_records", "make_plan", "read_records"]

# As `endianproof run` does: by its entry point's name, so that it is found and loaded just once.
# What a cell is tested with stands in the matrix file, and nowhere else.
PYTEST = (sys.executable, "-m", "pytest", "-p", "endianproof", "-p", "no:cacheprovider", "--settings=none")

# Of a record, here and in the table.
NEEDED = {"cell", "definition", "fingerprint", "passed_on", "report", "verdict"}


@dataclass(frozen=True)
class Plan:
    """Jobs in the order in which they start, and the records, by cell, that stand for the others."""

    jobs: tuple[Job, ...]
    kept: Mapping[str, Record]


def _place(cell: Cell, folder: Path) -> Path:
    return folder / f"{cell.id}.json"


def _record(path: Path) -> Record | None:
    """What a record's file says: None where there is no file, nothing where it is none of this version."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return {}
    told = isinstance(found, dict) and found.keys() >= NEEDED and found["cell"] == VERSION
    return found if told else {}


def _records(cells: Iterable[Cell], folder: Path) -> list[tuple[Cell, Record | None]]:
    try:
        return [(cell, _record(_place(cell, folder))) for cell in cells]
    except OSError as error:
        raise MatrixError(f"the record {error.filename} cannot be read: {error.strerror}") from error


def read_records(cells: Iterable[Cell], folder: Path) -> dict[str, Record]:
    """The records in a folder by cell, of those that are still defined as they were then. Raises MatrixError."""
    return {
        cell.id: record
        for cell, record in _records(cells, folder)
        if record and record["definition"] == cell.definition()
    }


def damaged_records(cells: Iterable[Cell], folder: Path, records: Mapping[str, Record]) -> dict[str, Path]:
    """The files, by cell, that are in a record's place and are none. `records` were read. Raises MatrixError."""
    found = _records((cell for cell in cells if not cell.excluded and cell.id not in records), folder)
    return {cell.id: _place(cell, folder) for cell, record in found if record == {}}


def _environment() -> list[str]:
    """What is installed here, for what a cell takes from it."""
    found = {f"{one.metadata['Name']}=={one.version}" for one in metadata.distributions()}
    return [platform.python_version(), *sorted(found)]


def _added(addopts: str | None) -> list[str]:
    """The options that each cell's pytest takes from the environment. Raises MatrixError."""
    try:
        return shlex.split(addopts or "")
    except ValueError as error:
        raise MatrixError(f"PYTEST_ADDOPTS cannot be read: {error}") from error


def _fingerprint(cell: Cell, argv: Sequence[str], added: Sequence[str], environment: Sequence[str]) -> str:
    """A digest of all that a cell's result depends on, but the code of projects and testees themselves."""
    baseline = cell.testee.options.get("baseline")
    parts = {
        "definition": cell.definition(),
        "options": [*added, *argv[len(PYTEST) :]],
        "endianproof": __version__,
        "baseline": hashlib.sha256((cell.folder / baseline).read_bytes()).hexdigest() if baseline else "",
        "guest": guest(cell.guest).tree.name if cell.guest != HOST else "",
        "environment": list(environment),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _job(
    cell: Cell, folder: Path, passed_on: Sequence[str], environment: Sequence[str], addopts: str | None
) -> Job:
    argv, added = (*PYTEST, *cell.pytest_options(), *passed_on), _added(addopts)
    head = {
        "cell": VERSION,
        "id": cell.id,
        "matrix": cell.matrix,
        "definition": cell.definition(),
        "fingerprint": _fingerprint(cell, argv, added, environment),
        "passed_on": [*added, *passed_on],
        "endianproof": __version__,
    }
    return Job(cell.id, argv, str(Path.cwd()), addopts, str(_place(cell, folder)), head)


def make_plan(
    cells: Sequence[Cell], folder: Path, passed_on: Sequence[str], *, resume: bool, again_failed: bool
) -> Plan:
    """Plan the runs of cells that are not excluded.

    With `resume`, a cell is kept whose record in `folder` has the fingerprint that it would get now; with
    `again_failed` only if it passed. Emulated cells, the slowest, start first. Raises MatrixError, and GuestError.
    """
    environment, addopts = _environment(), os.environ.get("PYTEST_ADDOPTS")
    ordered = sorted((cell for cell in cells if not cell.excluded), key=lambda cell: cell.guest == HOST)
    jobs = [_job(cell, folder.resolve(), passed_on, environment, addopts) for cell in ordered]
    records = read_records(ordered, folder) if resume else {}
    kept = {
        job.id: records[job.id]
        for job in jobs
        if job.id in records
        and records[job.id]["fingerprint"] == job.head["fingerprint"]
        and (records[job.id]["verdict"] == PASSED or not again_failed)
    }
    return Plan(tuple(job for job in jobs if job.id not in kept), kept)
