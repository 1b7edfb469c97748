"""Guests' set-up against debootstrap of the same packages, and a whole run of safetensors against upstream's way.

Upstream (huggingface/safetensors: Dockerfile.s390x.test, built for each pull request) makes an emulated s390x
container, installs torch and a Rust compiler in it, builds itself there, and runs its pytest there. Here that is
debootstrap, and pytest inside the emulated system, of the same vectors as the suite's own run and without the
emulated compiler, which would only add to it. Nothing is fetched while a clock runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.debootstrapped import script_of
from benchmarks.measure import Command, Sample, sample
from benchmarks.mirror import mirror
from endianproof.qemu import cache_root, guest, guests, remove_tree, tree_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["against_debootstrap", "made_both_ways", "missing"]

HERE = Path(__file__).resolve().parent
SET_UP = "import sys; from endianproof.qemu import guest; guest(sys.argv[1]).setup(print)"
MINIMAL = ("--arch=s390x", "--variant=minbase", "--download-only")


@dataclass(frozen=True)
class Made:
    """One way to make a system: how long it took, and the bytes that it takes on disk."""

    took: Sample
    size: int

    def text(self) -> str:
        """Both, for people."""
        return f"{self.took.wall:.0f} s wall, {self.took.cpu:.0f} s cpu, {self.size / 10**6:.0f} MB"


def _downloaded(name: str, root: Path) -> None:
    """Fill a cache folder with what a guest's set-up downloads, from the user's own where that has it."""
    own = cache_root() / "downloads" / name
    if own.is_dir():
        shutil.copytree(own, root / "downloads" / name, copy_function=os.link)
    mark = root / "downloads" / name / "complete"
    if not mark.is_file() or mark.read_text(encoding="ascii") != guest(name).recipe.digest:
        _set_up(name, root)
        remove_tree(root / "guests")


def _set_up(name: str, root: Path) -> Made:
    env = {"ENDIANPROOF_CACHE": str(root)}
    took = sample(Command(f"set-up of {name}", [sys.executable, "-c", SET_UP, name], env))
    return Made(took, sum(tree_bytes(path) for path in (root / "guests").glob(f"{name}-*")))


def _debootstrap(name: str, root: Path) -> Made:
    tree, recipe = root / "debootstrapped", guest(name).recipe
    with mirror(root / "downloads" / name / "archives") as url:
        argv = ["debootstrap", *MINIMAL, recipe.suite, str(root / "fetched"), url, script_of(recipe.suite)]
        subprocess.run(argv, check=True, capture_output=True)
        script = [sys.executable, str(HERE / "debootstrapped.py"), str(tree), recipe.suite, url, *recipe.packages]
        took = sample(Command(f"debootstrap of {name}", script))
    return Made(took, tree_bytes(tree))


def made_both_ways(name: str) -> tuple[Made, Made]:
    """Set a guest up, and debootstrap it, each once, from nothing but its packages."""
    with tempfile.TemporaryDirectory(dir=cache_root()) as folder:
        root = Path(folder)
        root.chmod(0o755)  # Debian's own users have to reach what is theirs in it
        _downloaded(name, root)
        return _set_up(name, root), _debootstrap(name, root)


def missing() -> str:
    """What this machine lacks for it; nothing, where it lacks nothing."""
    if os.geteuid() == 0 and shutil.which("debootstrap"):
        return ""
    return "debootstrap needs root, and to be installed: apt-get install debootstrap"


def against_debootstrap(runs: Sequence[Command]) -> None:
    """Print, for each guest, times and sizes; for the default one also with a run.

    `runs` are two commands: the suite's run, and upstream's way.
    """
    for name in guests():
        print(f"set-up of guest {name} against debootstrap of the same packages, which are there already")
        ours, theirs = made_both_ways(name)
        print(f"  set-up: {ours.text()}\n  debootstrap: {theirs.text()}")
        print(f"  ratio of wall seconds: {ours.took.wall / theirs.took.wall:.2f} (aim: at most 0.33), ", end="")
        print(f"of sizes: {ours.size / theirs.size:.2f} (aim: at most 1)", flush=True)
        if "s390x" in guests()[name].aliases:
            _whole(ours, theirs, [sample(command) for command in runs])


def _whole(ours: Made, theirs: Made, runs: Sequence[Sample]) -> None:
    print("safetensors on s390x, from nothing to the verdict, against upstream's way: all of it emulated")
    totals = []
    for made, run, text in zip((ours, theirs), runs, ("suite", "pytest in a debootstrapped system"), strict=True):
        totals.append(made.took.wall + run.wall)
        print(f"  {text}: {totals[-1]:.0f} s wall, of which the run {run.wall:.1f} s")
    print(f"  ratio: {totals[0] / totals[1]:.2f} (aim: at most 0.33), ", end="")
    print(f"of the runs alone: {runs[0].wall / runs[1].wall:.2f} (aim: at most 0.33)", flush=True)
