"""Times whole commands in turn, and prints medians and their ratio: absolute times of one machine say little."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Command", "Sample", "compare", "median", "report", "sample"]


@dataclass(frozen=True)
class Command:
    """One command to be timed: what it is for, and how it is started."""

    label: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None


@dataclass(frozen=True)
class Sample:
    """One run: wall-clock seconds, seconds of processor time of the command and all its children, what it said."""

    wall: float
    cpu: float
    output: str = field(default="", repr=False)


def sample(command: Command) -> Sample:
    """Run a command once. Raises RuntimeError with its output where it fails: a failed run is no figure."""
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(
        command.argv,
        env={**os.environ, **command.env},
        cwd=command.cwd,
        check=False,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    wall, after = time.perf_counter() - started, os.times()
    if done.returncode:
        raise RuntimeError(f"{command.label} failed with exit code {done.returncode}:\n{done.stdout[-4000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Sample(wall, cpu, done.stdout)


def compare(first: Command, second: Command, runs: int) -> tuple[list[Sample], list[Sample]]:
    """Run both in turn, first, second, first, ..., after one run of each that is not counted."""
    for warming in (first, second):
        sample(warming)
    pairs = [(sample(first), sample(second)) for _ in range(runs)]
    return [one for one, _ in pairs], [two for _, two in pairs]


def median(samples: Sequence[Sample], what: str) -> float:
    """The median of `wall` or `cpu`."""
    return float(statistics.median(getattr(one, what) for one in samples))


def report(first: Command, second: Command, what: str, runs: int, aim: float | None = None) -> None:
    """Compare two commands and print both medians, the ratio of the medians, and the aim."""
    ones, twos = compare(first, second, runs)
    one, two = median(ones, what), median(twos, what)
    aimed = "" if aim is None else f" (aim: at most {aim:.2f})"
    print(f"  {first.label}: {one:.2f} s {what}\n  {second.label}: {two:.2f} s {what}")
    print(f"  ratio: {one / two:.2f}{aimed}, medians of {runs}", flush=True)
