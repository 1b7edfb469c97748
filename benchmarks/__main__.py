"""`python -m benchmarks [NAME...]`: overhead, emulation, setup, regeneration."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
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


def _inside(loader: str, folder: Path) -> Command:
    """Start pytest in the guest, which sees the package through a folder that holds nothing else."""
    (folder / "endianproof").symlink_to(Path(endianproof.__file__).resolve().parent)
    argv = ["python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "emulated_pytest.py")]
    wanted = {"PYTHONPATH": str(folder), "ENDIANPROOF_BENCH_LOADER": loader, "PYTHONDONTWRITEBYTECODE": "1"}
    argv, env = guest("s390x").command(argv, wanted)
    return Command(f"pytest inside the guest, {loader}", argv, env, cwd=str(folder))


def emulation() -> None:
    """The s390x leg, where only the testee is emulated, against pytest itself inside the guest."""
    print("s390x leg against pytest inside the guest, the same vectors")
    guest("s390x").setup(print)
    loaders = {"reference": ["--loader=reference"], "safetensors": ["--loader=safetensors.torch.load_file"]}
    for loader, options in loaders.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            leg = Command(f"pytest --guest=s390x, {loader}", _leg([*options]), cwd=name)
            report(leg, _inside(loader, folder), "wall", 3, aim=1 / 3)


def _leg(options: list[str]) -> list[str]:
    """The suite's command line; failures of a library are no failures of the benchmark."""
    code = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode not in (0, 1))"
    return [PYTHON, "-c", code, *SUITE, "--guest=s390x", *options]


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
