"""`python -m benchmarks [NAME...]`: every benchmark of the table below, or those named."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.adapters import LANGUAGES, absent, per_vector
from benchmarks.against_debootstrap import against_debootstrap, missing
from benchmarks.matrix_growth import growth_of_matrix
from benchmarks.measure import Command, median, report, sample
from endianproof.qemu import cache_root, guest, package_alone
from endianproof.vectors import load_vectors

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
    argv = ["python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "emulated_pytest.py")]
    wanted = {
        **package_alone(folder),
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


def upstream() -> None:
    """Guests against debootstrap, and a whole run of safetensors against the way that upstream does it."""
    if what := missing():
        print(f"guests against debootstrap: not measured, {what}", flush=True)
        return
    name, path, formats = LOADERS[1]
    guest("s390x").setup(print)
    with tempfile.TemporaryDirectory() as folder:
        argv = [*SUITE, "--guest=s390x", f"--loader={name}", f"--format={formats}"]
        leg = _whatever_fails(Command("pytest --guest=s390x", argv, cwd=folder))
        against_debootstrap([leg, _inside(path, formats, Path(folder))])


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


def _own(ids: list[str], folder: str) -> tuple[float, float]:
    """Wall-clock seconds of a run of these vectors, and processor seconds of the runner without its testee."""
    argv = [PYTHON, str(HERE / "own_time.py"), "-q", "-p", "no:cacheprovider", "--loader=reference", *ids]
    done = sample(Command("pytest", argv, cwd=folder))
    return done.wall, float(done.output.splitlines()[-1].removeprefix("own "))


def growth() -> None:
    """The runner's own processor time per vector, and how the suite's time grows with the number of vectors."""
    ids = [f"{vector.format}::{vector.id}" for vector in load_vectors()]
    few, many = 250, min(1000, len(ids))
    step = len(ids) / few
    chosen = {few: [ids[int(i * step)] for i in range(few)], many: ids[:many]}
    with tempfile.TemporaryDirectory() as folder:
        runs = [{count: _own(these, folder) for count, these in chosen.items()} for _ in range(6)][1:]
    wall, own = ({n: statistics.median(run[n][part] for run in runs) for n in chosen} for part in (0, 1))
    each = (own[many] - own[few]) / (many - few)
    print(f"from {few} to {many} vectors, the reference as loader, medians of {len(runs)}")
    print(f"  runner's own processor time: {1000 * each:.2f} ms per vector")
    print(
        f"  wall: {wall[few]:.2f} s and {wall[many]:.2f} s; vectors times {many / few:.1f}, seconds times ", end=""
    )
    print(f"{wall[many] / wall[few]:.2f} (aim: at most {many / few:.2f})", flush=True)


def _figures(what: str) -> dict[str, float]:
    done = sample(Command(what, [PYTHON, "-m", "benchmarks.large_load", what], cwd=str(HERE.parent)))
    figures: dict[str, float] = json.loads(done.output.splitlines()[-1])
    return figures


def loading() -> None:
    """The reference on half a gigabyte: in native order nothing is copied; in foreign order, with torch.load."""
    native = _figures("native")
    print("the reference, native byte order, 1 MB and 512 MB (aim: the same seconds, and no memory)")
    for name in ("small", "large"):
        print(f"  {name}: {1000 * native[f'{name} seconds']:.2f} ms, {native[f'{name} bytes'] / 1e6:.1f} MB added")
    print(f"  ratio of seconds: {native['large seconds'] / native['small seconds']:.2f} (aim: about 1)")
    foreign = _figures("foreign")
    print(
        "512 MB of bfloat16 of the other byte order, read in full into torch tensors (aim: 1.5 times torch.load)"
    )
    for name, seconds in foreign.items():  # the checksums are the reference's alone: torch does not look at them
        print(f"  {name}: {seconds:.2f} s, {(512 << 20) / 1e9 / seconds:.2f} GB/s")
    for name in ("reference", "reference in threads"):
        print(f"  {name}, throughput over torch.load's: {foreign['torch.load'] / foreign[name]:.2f}", flush=True)


def checkpoint() -> None:
    """A checkpoint of 13.5 GB, verified and fingerprinted, against a plain read of the same file."""
    loaders = ("reference", "safetensors.torch.load_file")
    argv = [PYTHON, "-m", "benchmarks.large_verify", "1", *loaders]
    figures = json.loads(sample(Command("checkpoint", argv, cwd=str(HERE.parent))).output.splitlines()[-1])
    size, plain = figures.pop("bytes"), figures["plain read"]["seconds"]
    print(f"a bfloat16 checkpoint of the shapes of Llama-2-7B, {size / 1e9:.1f} GB, each time read from the disk")
    for name, found in figures.items():
        speed, ratio = size / 1e9 / found["seconds"], found["seconds"] / plain
        peaks = [
            f"{who} {found[f'{who} bytes'] / 1e6:.0f} MB" for who in ("suite", "testee") if f"{who} bytes" in found
        ]
        memory = f"; peak memory, mapped pages included: {', '.join(peaks)}" if peaks else ""
        print(
            f"  {name}: {found['seconds']:.1f} s, {speed:.2f} GB/s, {ratio:.2f} times a plain read{memory}",
            flush=True,
        )


def adapters() -> None:
    """The example adapters over the safetensors vectors: the run, the runner's part, and the program alone."""
    print("example adapters, a vector loaded twice, without starting anything, medians of 3")
    for language in LANGUAGES:
        if needed := absent(language):
            print(f"  {language}: not measured, without {', '.join(needed)}")
            continue
        runs = [per_vector(language) for _ in range(3)]
        each = {key: 1000 * statistics.median(run[key] for run in runs) for key in runs[0]}
        print(f"  {language}: {each['wall']:.2f} ms, of processor time {each['whole']:.2f} ms: ", end="")
        print(f"{each['runner']:.2f} the runner, {each['adapter']:.2f} the program, when it is alone")
        print(f"  {language}, the run over the program alone: {each['whole'] / each['adapter']:.1f}", flush=True)


def workers() -> None:
    """Two testees at a time against one, here and in the guest, where the testee is most of the work."""
    guest("s390x").setup(print)
    for name, more in (
        ("reference", []),
        ("safetensors.torch.load_file", ["--guest=s390x", "--with=safetensors"]),
    ):
        print(f"two testees at a time against one, {name} {' '.join(more)}".rstrip())
        with tempfile.TemporaryDirectory() as folder:
            argv = [*SUITE, f"--loader={name}", *more]
            two = _whatever_fails(Command("--workers=2", [*argv, "--workers=2"], cwd=folder))
            report(two, _whatever_fails(Command("one testee", argv, cwd=folder)), "wall", 3, aim=1)


BENCHMARKS = {
    "adapters": adapters,
    "overhead": overhead,
    "growth": growth,
    "loading": loading,
    "checkpoint": checkpoint,
    "matrix": growth_of_matrix,
    "emulation": emulation,
    "setup": setup,
    "regeneration": regeneration,
    "workers": workers,
}
# These take an hour.
BY_NAME_ONLY = {"upstream": upstream}


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all."""
    known = {**BENCHMARKS, **BY_NAME_ONLY}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        known[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
