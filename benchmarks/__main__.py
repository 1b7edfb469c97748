"""`python -m benchmarks [NAME...]`: overhead, emulation, setup, regeneration."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import endianproof
from benchmarks.measure import Command, median, report, sample
from endianproof.qemu import cache_root, guest

HERE = Path(__file__).resolve().parent
PYTHON = sys.executable
SUITE = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider"]


def overhead() -> None:
    """The suite with the reference as loader against a bare loop over the same files, in processor time."""
    print("suite against a bare loop, the reference as loader")
    with tempfile.TemporaryDirectory() as folder:
        suite = Command("pytest --loader=reference", [*SUITE, "--loader=reference"], cwd=folder)
        report(suite, Command("bare loop", [PYTHON, str(HERE / "bare_loop.py")]), "cpu", 5)
        start = Command("start", [PYTHON, "-c", "import pytest, numpy, jsonschema"])
        print(f"  of which starting Python with pytest and numpy: {sample(start).cpu:.2f} s cpu")


# The loader's name for the suite, its path, the formats it reads.
LOADERS = (
    ("reference", "endianproof.reference:load", "safetensors,torch-zip"),
    ("safetensors.torch.load_file", "safetensors.torch:load_file", "safetensors"),
)


def _inside(path: str, formats: str, folder: Path) -> Command:
    """Start pytest in the guest, which sees the package through a folder that holds nothing else."""
    (folder / "endianproof").symlink_to(Path(endianproof.__file__).resolve().parent)
    argv = ["python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "emulated_pytest.py")]
    wanted = {
        "PYTHONPATH": str(folder),
        "ENDIANPROOF_BENCH_LOADER": path,
        "ENDIANPROOF_BENCH_FORMATS": formats,
    }
    argv, env = guest("s390x").command(argv, wanted)
    return _whatever_fails(Command("pytest inside the guest", argv, env, cwd=str(folder)))


def _whatever_fails(command: Command) -> Command:
    """The same command; what a library fails is no failure of the benchmark, but any other exit code is."""
    code = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode not in (0, 1))"
    return replace(command, argv=[PYTHON, "-c", code, *command.argv])


def emulation() -> None:
    """The s390x leg, where only the testee is emulated, against pytest itself inside the guest."""
    guest("s390x").setup(print)
    for name, path, formats in LOADERS:
        print(f"s390x leg against pytest inside the guest, the same vectors, {name}")
        with tempfile.TemporaryDirectory() as folder:
            argv = [*SUITE, "--guest=s390x", f"--loader={name}"]
            leg = _whatever_fails(Command("pytest --guest=s390x", argv, cwd=folder))
            report(leg, _inside(path, formats, Path(folder)), "wall", 3, aim=1 / 3)


def setup() -> None:
    """Guest set-up with the packages already downloaded, and a second use, before the testee starts."""
    print("guest set-up")
    guest("s390x").setup(print)
    with tempfile.TemporaryDirectory(dir=cache_root()) as name:
        shutil.copytree(cache_root() / "downloads", Path(name) / "downloads", copy_function=os.link)
        env = {"ENDIANPROOF_CACHE": name}
        code = "from endianproof.qemu import guest; guest('s390x').setup(print)"
        first = sample(Command("first", [PYTHON, "-c", code], env))
        again = [sample(Command("again", [PYTHON, "-c", code], env)) for _ in range(5)]
    second = median(again, "wall")
    print(f"  set-up, packages already downloaded: {first.wall:.1f} s wall (aim: under 60)")
    print(f"  second use, before the testee starts: {second:.2f} s wall (aim: under 1), median of 5")
    print(f"  ratio: {second / first.wall:.3f}", flush=True)


def regeneration() -> None:
    """All golden files made anew, against starting Python."""
    print("regeneration of all vectors (aim: under 5 s)")
    argv = [PYTHON, "-m", "endianproof.conformance.cli", "vectors", "check"]
    started = Command("python -c pass", [PYTHON, "-c", "pass"])
    report(Command("endianproof vectors check", argv), started, "wall", 5)


BENCHMARKS = {"overhead": overhead, "emulation": emulation, "setup": setup, "regeneration": regeneration}


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        BENCHMARKS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
