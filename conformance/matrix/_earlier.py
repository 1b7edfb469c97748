"""The records of an earlier run, while the same cells are run again.

They are taken away first, so that a cell that is interrupted has none. Where nothing was run in a cell, because
its pytest refused its options or found none of its vectors chosen, the earlier one is put back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from endianproof._whole_file import write_over
from endianproof.conformance.matrix._job import nothing_run
from endianproof.conformance.matrix._plan import read_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from endianproof.conformance.matrix._cell import Cell
    from endianproof.conformance.matrix._job import Job

__all__ = ["Earlier"]


@dataclass(frozen=True)
class Earlier:
    """What is in the places of the records that jobs are to write: the texts of those that still hold, by cell."""

    cells: tuple[Cell, ...]
    folder: Path
    places: Mapping[str, Path]
    texts: Mapping[str, str]

    @classmethod
    def of(cls, cells: Iterable[Cell], folder: Path, jobs: Iterable[Job]) -> Earlier:
        """As they are now. Raises MatrixError, OSError."""
        places = {job.id: Path(job.record) for job in jobs}
        concerned = tuple(cell for cell in cells if cell.id in places)
        texts = {name: places[name].read_text(encoding="utf-8") for name in read_records(concerned, folder)}
        return cls(concerned, folder, places, texts)

    def take_away(self) -> None:
        """Leave none of them in its place. Raises OSError."""
        for place in self.places.values():
            place.unlink(missing_ok=True)

    def put_back(self) -> list[str]:
        """Put those back in whose cells nothing was run; return these cells. Raises MatrixError, OSError."""
        found = read_records(self.cells, self.folder)
        back = [name for name in self.texts if name in found and nothing_run(found[name])]
        for name in back:
            write_over(self.places[name], self.texts[name])
        return back
