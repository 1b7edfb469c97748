"""`--build-in-guest`: a source becomes a wheel, built by a guest's own Python, build backend and compiler.

    ROOT/built/PLATFORM/KEY/NAME.whl   a finished wheel; KEY is made of its source and of what built it
    ROOT/built/PLATFORM/partial/       a build in the making, or what a killed one left
    ROOT/built/PLATFORM.lock           held while something is built
    ROOT/built/PLATFORM/NAME.log       all that a build said which failed

The compiler is in a second tree beside the guest's, whose recipe is the guest's with some packages more: a guest
that tests run in stays as it is. What a source requires to be built is taken from that tree where it has it, from
the package index otherwise; then the backend is called as PEP 517 has it. Everything is emulated.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from endianproof.qemu._compiling import failed_build
from endianproof.qemu._dependencies import add_needs, satisfies, versions_of
from endianproof.qemu._error import GuestError
from endianproof.qemu._guest import Guest
from endianproof.qemu._launch import lend_programs
from endianproof.qemu._process import run
from endianproof.qemu._source import build_system, source_digest
from endianproof.qemu._started import way
from endianproof.qemu._store import cache_root, exclusive, remove_tree
from endianproof.qemu._wheels import unpack_wheels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from endianproof.qemu._source import BuildSystem
    from endianproof.qemu._started import Way
    from endianproof.qemu._wheels import WheelPlatform

__all__ = ["build_in_guest", "builder"]

PACKAGES = ("cmake", "g++", "ninja-build", "pkgconf", "python3-dev")
PACKAGES_MB = 450  # downloads and tree together

# Requirements that those packages meet: the index's own start their program by its path, which not every host can.
STAND_INS = {"cmake", "ninja"}
RUST = {"maturin", "setuptools-rust"}

# The host's settings for its own compilers.
HOST_COMPILING = re.compile(
    r"AR|AS|CC|CPP|CXX|LD|LDSHARED|NM|RANLIB|(ARCH|C|CPP|CXX|LD|MAKE)FLAGS|CPATH|(C|CPLUS)_INCLUDE_PATH|"
    r"(COMPILER|LIBRARY|LD_LIBRARY)_PATH|GCC_EXEC_PREFIX|LD_(AUDIT|PRELOAD)|PYTHON(PATH|STARTUP)|"
    r"(CMAKE|PKG_CONFIG|SKBUILD)_.*"
)

BACKEND = Path(__file__).resolve().parent / "_backend.py"
ANSWER = "endianproof-answer: "
TOLD_EVERY_SECONDS = 30.0


def builder(one: Guest) -> Guest:
    """The guest that builds for another: its packages, and a compiler."""
    recipe = one.recipe
    packages = (*recipe.packages, *(name for name in PACKAGES if name not in recipe.packages))
    return Guest(dataclasses.replace(recipe, packages=packages, imports=(), disk_mb=recipe.disk_mb + PACKAGES_MB))


def _set_up(one: Guest, progress: Callable[[str], None]) -> Guest:
    whole = builder(one)
    if not whole.is_ready():
        progress(f"guest {one.name}: {', '.join(PACKAGES)} are needed to build, and come into a tree beside it")
    whole.setup(progress)
    return whole


@dataclass(frozen=True)
class _Job:
    """One build: what is built by whom, where, who is told; and the lock's descriptor, which programs inherit."""

    label: str
    system: BuildSystem
    whole: Guest
    platform: WheelPlatform
    work: Path
    log: Path
    way: Way
    progress: Callable[[str], None]
    lock: int

    @property
    def source(self) -> Path:
        return self.work / "source"

    @property
    def needed(self) -> Path:
        """What the build requires, unpacked."""
        return self.work / "needed"

    @property
    def environment(self) -> dict[str, str]:
        own = (str(self.source / folder) for folder in self.system.path)
        env = _guest_environment(self.whole)
        return {
            **env,
            "PATH": f"{self.work / 'programs'}{os.pathsep}{env['PATH']}",
            "PYTHONPATH": os.pathsep.join([*own, str(self.needed)]),
            "PYTHONPYCACHEPREFIX": str(self.work / "bytecode"),
            "TMPDIR": str(self.work / "tmp"),
        }


def _guest_environment(whole: Guest) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not HOST_COMPILING.fullmatch(name)}
    return {**whole.environment(kept), "QEMU_LD_PREFIX": str(whole.tree)}


# --- what a build requires ------------------------------------------------------------------------


def _add(job: _Job, wanted: str) -> None:
    """Unpack one requirement, and have its programs run in the guest. Raises GuestError."""
    unpack_wheels([wanted], job.needed, job.platform, keep_open=(job.lock,))
    if (programs := job.needed / "bin").is_dir():
        kept = job.work / f"bin-{len(list(job.work.glob('bin-*')))}"
        programs.rename(kept)  # pip adds nothing to one that there is
        lend_programs(job.whole.tree, kept, job.work / "programs")


def _applies(requirement: Requirement, platform: WheelPlatform) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**platform.environment, "extra": ""})


def _require(job: _Job, wanted: Iterable[Requirement]) -> None:
    """Have these there, and what they need. Raises GuestError."""
    extras: dict[str, frozenset[str]] = {}
    for one in wanted:
        name = canonicalize_name(one.name)
        if name in RUST:
            raise _rust(job, one)
        there = {**versions_of(job.platform.paths), **versions_of([str(job.needed)])}.get(name)
        if name in STAND_INS or not _applies(one, job.platform):
            continue
        if satisfies(there, one):
            continue
        extras[name] = frozenset(one.extras)
        text = f"{one.name}{one.specifier}"
        job.progress(f"with {text}, to build {job.label}")
        try:
            _add(job, text)
        except GuestError as error:
            hint = f"where Debian has it: endianproof guest install {job.whole.name} python3-{name}"
            why = f"{job.label} needs {text} to be built: {error}"
            raise GuestError(why, hint, kind="unbuildable" if error.kind == "absent" else error.kind) from error
    add_needs(job.needed, job.platform, extras, lambda text: _add(job, text), job.progress)


def _rust(job: _Job, requirement: Requirement) -> GuestError:
    return GuestError(
        f"{job.label} is written in Rust ({requirement.name}), and guests build C and C++",
        "build its wheel here, with the target s390x-unknown-linux-gnu (maturin build --zig), and give its path: "
        "--with=NAME-VERSION-...-s390x.whl",
        kind="unbuildable",
    )


# --- the backend ----------------------------------------------------------------------------------


def _hook(job: _Job, hook: str, *arguments: str) -> Any:
    """Call one of the backend's hooks in the guest, and return its answer. Raises GuestError."""
    started = told = time.monotonic()

    def tell() -> None:
        nonlocal told
        if time.monotonic() - told >= TOLD_EVERY_SECONDS:
            told = time.monotonic()
            job.progress(f"building {job.label}: {told - started:.0f} s so far")

    text = BACKEND.read_text(encoding="utf-8")
    argv, _ = job.whole.command(("python3", "-c", text, job.system.backend, hook, *arguments), {})
    said = job.work / "log"
    with said.open("a", encoding="utf-8") as log:

        def on_line(line: str) -> None:
            log.write(f"{line}\n")
            tell()

        finished = run(
            (*job.way.before, *argv),
            env=job.environment,
            keep_open=(job.lock,),
            cwd=job.source,
            on_line=on_line,
            on_quiet=tell,
        )
    answers = [line for line in finished.lines if line.startswith(ANSWER)]
    if finished.code or not answers:
        said.replace(job.log)
        raise failed_build(job.label, job.whole.name, finished.lines, job.log, job.way)
    return json.loads(answers[-1].removeprefix(ANSWER))


def _build(job: _Job) -> Path:
    """From a source to its wheel, in the job's own folder."""
    _require(job, job.system.requires)
    _require(job, map(Requirement, _hook(job, "get_requires_for_build_wheel") or ()))
    made = job.work / "wheel"
    made.mkdir()
    return made / str(_hook(job, "build_wheel", str(made)))


# --- all of it ------------------------------------------------------------------------------------


def _kept(folder: Path) -> Path | None:
    return next(folder.glob("*.whl"), None)


def _prepared(one: Guest, work: Path, source: Path) -> Way:
    remove_tree(work)
    for name in ("needed", "programs", "tmp", "binfmt"):
        (work / name).mkdir(parents=True)
    shutil.move(source, work / "source")
    environment = _guest_environment(one)
    return way(environment["ENDIANPROOF_QEMU"], one.tree / "usr" / "bin" / "gcc", work / "binfmt", environment)


def build_in_guest(one: Guest, source: Path, label: str, progress: Callable[[str], None]) -> Path:
    """Build a source in a guest, which must be set up, and return its wheel; one that was built before is kept.

    `source` is a copy, which is moved away; `label` names it to people. Raises GuestError, OSError.
    """
    system = build_system(source)
    digest = source_digest(source)
    whole = _set_up(one, progress)
    platform = whole.wheel_platform
    home = cache_root() / "built" / platform.tag
    folder = home / f"{digest[:16]}-{whole.recipe.digest}"

    def waiting(holder: str) -> None:
        progress(f"waiting for another build for {platform.label} ({holder})")

    with exclusive(home.with_name(f"{home.name}.lock"), waiting) as lock:
        if kept := _kept(folder):
            return kept
        started, work, log = time.monotonic(), home / "partial", home / f"{Path(label).name}.log"
        try:
            how = _prepared(whole, work, source)
            log.unlink(missing_ok=True)
            progress(f"building {label} in guest {one.name} ({how.what})")
            wheel = _build(_Job(label, system, whole, platform, work, log, how, progress, lock))
            (work / "wheel").rename(folder)
        finally:
            remove_tree(work)
        progress(f"built {wheel.name} in {time.monotonic() - started:.0f} s")
        return folder / wheel.name
