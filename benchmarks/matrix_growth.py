"""How a version matrix's time grows with its cells, and what running them side by side saves.

The cells are alike: the reference as loader, the safetensors vectors, on this machine.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Command, sample

__all__ = ["growth_of_matrix"]

MOST = 8
CELLS = (1, 2, 4, MOST)
RUNS = 3


def _matrix(folder: Path) -> Path:
    names = (
        f"  - {{loader: reference, format: [safetensors], name: cell{number}}}\n" for number in range(1, MOST + 1)
    )
    path = folder / "matrix.yaml"
    path.write_text(f"matrix: 1\ntestees:\n{''.join(names)}", encoding="utf-8")
    return path


def _seconds(path: Path, count: int, workers: int) -> float:
    chosen = (f"--cell=cell{number}-host" for number in range(1, count + 1))
    argv = [
        sys.executable,
        "-m",
        "endianproof.conformance.cli",
        "matrix",
        str(path),
        *chosen,
        f"--workers={workers}",
    ]
    return sample(Command(f"{count} cells", argv, cwd=str(path.parent))).wall


def growth_of_matrix() -> None:
    """Wall-clock seconds of 1 to 8 cells, two at a time, and of 8 one after the other."""
    print(f"a version matrix on {len(os.sched_getaffinity(0))} processors, medians of {RUNS}")
    plans = [(count, 2) for count in CELLS] + [(MOST, 1)]
    with tempfile.TemporaryDirectory() as folder:
        path = _matrix(Path(folder))
        _seconds(path, 1, 1)  # what is read once
        taken = [{plan: _seconds(path, *plan) for plan in plans} for _ in range(RUNS)]
    wall = {plan: statistics.median(run[plan] for run in taken) for plan in plans}
    first = wall[1, 2]
    for count in CELLS:
        print(
            f"  {count} cells, two at a time: {wall[count, 2]:.1f} s, {wall[count, 2] / first:.2f} times one cell"
        )
    print(f"  {MOST} cells, one at a time: {wall[MOST, 1]:.1f} s, {wall[MOST, 1] / first:.2f} times one cell")
    print(f"  ratio: {wall[MOST, 2] / wall[MOST, 1]:.2f} of the time side by side (aim: at most 0.75)", flush=True)
