"""Setting a guest up: one pass from an empty folder to a tree that got its name by a single rename.

1. mmdebstrap resolves, downloads and unpacks the packages. Its package lists and archives are links into the
   downloads folder, so that apt itself continues a broken download there and finds what is there already.
2. The tree is finished (`_tree`), and gets the recipe's wheels.
3. The guest's Python imports the recipe's modules: proof that all of it works, and the bytecode that makes
   later starts quick. Python writes it into `__pycache__` in the tree, as on any system, and corrects the
   file names in it when it loads it. A prefix outside the tree (PYTHONPYCACHEPREFIX) would be found by path
   and modification time alone, and those can be the same in the next tree, whose packages are not.
4. A JSON file of facts is written into the tree, and the tree is renamed.

Whatever ends this early leaves no tree of that name. What a killed set-up leaves is removed by the next.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endianproof.qemu._error import GuestError
from endianproof.qemu._failures import explain, no_room
from endianproof.qemu._launch import guest_argv, guest_environment, write_programs
from endianproof.qemu._process import run
from endianproof.qemu._store import exclusive, remove_tree
from endianproof.qemu._tree import finish_tree, tree_bytes
from endianproof.qemu._wheels import fetch_wheels, guest_platform, unpack_wheels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from endianproof.qemu._recipe import Recipe
    from endianproof.qemu._wheels import WheelPlatform

__all__ = ["FACTS", "set_up"]

FACTS = "endianproof-guest.json"
ANSWER = "endianproof-facts: "  # modules may print lines of their own
NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '(?P<name>[^']+)'")
WARM_UP = Path(__file__).resolve().parent / "_warm_up.py"

FRESH_SECONDS = 7 * 24 * 3600.0
"""For so long the packages of an earlier try are used as they are, without asking for newer ones."""

MIRROR_VARIABLE = "ENDIANPROOF_DEBIAN_MIRROR"

DOWNLOADING = "downloading packages"
UNPACKING = "unpacking packages"
STAGES = {  # beginnings of mmdebstrap's lines
    "I: running apt-get update": "fetching package lists",
    "I: downloading packages": DOWNLOADING,
    "I: extracting archives": UNPACKING,
}

SOURCES = {False: "the mirror", True: "an earlier try's downloads"}

NO_WHEEL = (
    "Debian may have it: endianproof guest install {name} python3-NAME\n"
    "or have it compiled for a run: pytest --loader=... --guest={name} --with=NAME --build-in-guest"
)

# With these two a guest would change every night, and mirrors serve them at other times than the suite.
DROP_UPDATES = r"""f="$1/etc/apt/sources.list"; if [ -e "$f" ]; then sed -i '/-updates\|-security/d' "$f"; fi"""

# mmdebstrap's apt reads nothing of the host's configuration; a machine needs these for any download at all.
HOST_SETTINGS = re.compile(r'^Acquire::(Check-Date|Check-Valid-Until|Retries|[a-z]+::([^ ]+::)?Proxy(::[^ ]+)?) "')


@dataclass(frozen=True)
class _Job:
    """One set-up: what is made, where, who is told; and the lock's descriptor, which programs inherit."""

    recipe: Recipe
    root: Path
    tree: Path
    partial: Path
    downloads: Path
    qemu: str
    progress: Callable[[str], None]
    lock: int

    def say(self, text: str) -> None:
        self.progress(f"guest {self.recipe.name}: {text}")


# --- downloads ------------------------------------------------------------------------------------


def _complete_mark(job: _Job) -> Path:
    """Name the file that says that all packages of the recipe with this digest were downloaded."""
    return job.downloads / "complete"


def _complete_age(job: _Job) -> float | None:
    """Seconds since all packages were there, or None when they never were."""
    mark = _complete_mark(job)
    try:
        complete = mark.read_text(encoding="ascii") == job.recipe.digest
        return time.time() - mark.stat().st_mtime if complete else None
    except FileNotFoundError:
        return None


def _megabytes(count: int) -> str:
    return f"{count / 10**6:.0f} MB"


def _downloaded_bytes(job: _Job) -> int:
    return tree_bytes(job.downloads / "archives") if job.downloads.exists() else 0


# --- mmdebstrap -----------------------------------------------------------------------------------


def _host_apt_settings() -> tuple[str, ...]:
    if shutil.which("apt-config") is None:
        return ()
    lines = run(("apt-config", "dump"), env=os.environ).lines
    return tuple(line for line in lines if HOST_SETTINGS.match(line))


def _hooks(job: _Job) -> tuple[str, ...]:
    folders = (("archives", "var/cache/apt/archives"), ("lists", "var/lib/apt/lists"))
    links = "; ".join(
        f'rm -rf "$1/{inside}" && ln -s {shlex.quote(str(job.downloads / name))} "$1/{inside}"'
        for name, inside in folders
    )
    return (
        f"--setup-hook={DROP_UPDATES}",
        f"--setup-hook=set -e; {links}",
        # Packages that the mirror no longer has are of no use to the next set-up.
        "--customize-hook=apt-get -qq autoclean",
    )


def _mmdebstrap_argv(job: _Job, *, offline: bool) -> tuple[str, ...]:
    mirror = os.environ.get(MIRROR_VARIABLE)
    settings = (*_host_apt_settings(), 'Acquire::GzipIndexes "true";')
    return (
        "mmdebstrap",
        "--mode=chrootless",  # needs neither root nor a user namespace: `extract` runs nothing in the tree
        "--variant=extract",
        "--arch=s390x",
        "--skip=cleanup/apt",
        *(("--skip=update",) if offline else ()),
        *(f"--aptopt={setting}" for setting in settings),
        *_hooks(job),
        f"--include={','.join(job.recipe.packages)}",
        job.recipe.suite,
        str(job.partial),
        *((mirror,) if mirror else ()),
    )


def _enter(job: _Job, stage: str, *, offline: bool) -> None:
    if stage == UNPACKING:
        _complete_mark(job).write_text(job.recipe.digest, encoding="ascii")
        job.say(f"{stage}: {_megabytes(_downloaded_bytes(job))}")
    elif not (offline and stage == DOWNLOADING):
        job.say(stage)


def _unpack(job: _Job, *, offline: bool) -> None:
    """Run mmdebstrap once. Raises GuestError with the cause."""
    remove_tree(job.partial)
    for name in ("archives", "lists"):
        (job.downloads / name / "partial").mkdir(parents=True, exist_ok=True)
    stage = ""

    def on_line(line: str) -> None:
        nonlocal stage
        for beginning, text in STAGES.items():
            if line.startswith(beginning):
                stage = text
                _enter(job, stage, offline=offline)

    def on_quiet() -> None:
        if stage == DOWNLOADING and not offline:
            job.say(f"{stage}: {_megabytes(_downloaded_bytes(job))} so far")

    environment = {**os.environ, "LC_ALL": "C.UTF-8", "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    argv = _mmdebstrap_argv(job, offline=offline)
    finished = run(argv, env=environment, keep_open=(job.lock,), on_line=on_line, on_quiet=on_quiet)
    if finished.code:
        free = shutil.disk_usage(job.root).free
        raise explain(job.recipe, finished.lines, str(job.root), free)


def _failure(job: _Job, *, offline: bool) -> GuestError | None:
    """Unpack once, and return what went wrong; where a download is damaged, none is kept."""
    try:
        _unpack(job, offline=offline)
    except GuestError as error:
        if error.kind == "damaged":
            remove_tree(job.downloads)
        return error
    return None


def _unpack_from_anywhere(job: _Job) -> None:
    """Unpack from an earlier try's downloads where they will do, else from the mirror: once more after damage."""
    age = _complete_age(job)
    ways = [False] if age is None else [True, False] if age < FRESH_SECONDS else [False, True]
    failure = None
    damage = 0
    while ways:
        offline = ways.pop(0)
        job.say(f"{f'{failure}: ' if failure else ''}packages come from {SOURCES[offline]}")
        failure = _failure(job, offline=offline)
        if failure is None or failure.kind == "disk":
            break
        if failure.kind == "damaged":
            damage += 1
            ways = [False] if damage == 1 else []
    if failure:
        raise failure


# --- inside the tree ------------------------------------------------------------------------------


def _facts(job: _Job, modules: Sequence[str]) -> dict[str, Any]:
    """Import modules in the guest's Python, and what it says of itself."""
    command = ("python3", "-c", WARM_UP.read_text(encoding="utf-8"), *modules)
    environment = guest_environment(job.qemu, job.partial, os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # writing it is what this is for
    argv = guest_argv(job.qemu, job.partial, command)
    finished = run(argv, env=environment, keep_open=(job.lock,), cwd=job.partial)
    answer = next((line for line in finished.lines if line.startswith(ANSWER)), None)
    if finished.code or answer is None:
        last = finished.lines[-1] if finished.lines else f"exit code {finished.code} and no output"
        if missing := NO_MODULE.match(last):
            raise GuestError(
                f"guest {job.recipe.name} has no module {missing['name']}, which it is to import",
                "add the package or the wheel that has it to the guest, or take it out of its imports",
            )
        raise GuestError(
            f"guest {job.recipe.name} was unpacked but does not work: {last}",
            f"the emulator was {job.qemu}; a newer QEMU may help, and so may setting the guest up again",
        )
    return dict(json.loads(answer.removeprefix(ANSWER)))


def _fetch_wheels(job: _Job, wheels: Path, where: WheelPlatform) -> None:
    """Download the recipe's wheels. What is advised where there is none must be what a set-up can do."""
    try:
        fetch_wheels(job.recipe.wheels, wheels, where, keep_open=(job.lock,))
    except GuestError as error:
        if error.kind != "absent":
            raise
        known, *_ = error.hint.splitlines()
        raise GuestError(str(error), f"{known}\n{NO_WHEEL.format(name=job.recipe.name)}", error.kind) from error


def _add_wheels(job: _Job, python: str, glibc: str) -> None:
    if not job.recipe.wheels:
        return
    job.say(f"adding {', '.join(job.recipe.wheels)} from the package index")
    folder = job.partial / "usr" / "local" / "lib" / f"python{python}" / "dist-packages"
    wheels = job.downloads / "wheels"
    where = guest_platform(python, glibc)
    try:
        unpack_wheels(job.recipe.wheels, folder, where, wheels=wheels, keep_open=(job.lock,))
    except GuestError as error:
        if error.kind == "disk":
            raise
        _fetch_wheels(job, wheels, where)
        unpack_wheels(job.recipe.wheels, folder, where, wheels=wheels, keep_open=(job.lock,))


def _complete(job: _Job) -> int:
    """Take steps 2 to 4: from the unpacked packages to the tree's own name. Returns the bytes that it takes."""
    finish_tree(job.partial)
    probed = _facts(job, ())
    glibc = probed["libc"].split()[-1]
    _add_wheels(job, probed["python"], glibc)
    if job.recipe.imports:
        job.say(f"importing {', '.join(job.recipe.imports)} once, emulated: about half a minute")
    facts = _facts(job, job.recipe.imports)
    write_programs(job.partial, job.tree)
    size = tree_bytes(job.partial)
    facts |= {"recipe": job.recipe.digest, "glibc": glibc, "bytes": size}
    (job.partial / FACTS).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    job.partial.rename(job.tree)
    return size


# --- all of it ------------------------------------------------------------------------------------


def _check_room(job: _Job) -> None:
    free = shutil.disk_usage(job.root).free
    if free + _downloaded_bytes(job) < job.recipe.disk_mb * 10**6:
        raise no_room(job.recipe, str(job.root), free)


def _make(job: _Job) -> None:
    started = time.monotonic()
    job.say(f"setting it up in {job.root}, which takes up to {job.recipe.disk_mb} MB there")
    try:
        remove_tree(job.partial)
        remove_tree(job.tree)  # nothing of ours leaves a tree without its facts there
        _check_room(job)
        _unpack_from_anywhere(job)
        size = _complete(job)
    finally:
        remove_tree(job.partial)
    job.say(f"ready after {time.monotonic() - started:.0f} s: {_megabytes(size)}, in {job.tree}")


def set_up(recipe: Recipe, root: Path, tree: Path, qemu: str, progress: Callable[[str], None]) -> None:
    """Make `tree` unless another process just did; `root` is the cache folder. Raises GuestError, OSError."""
    guests = tree.parent

    def waiting(holder: str) -> None:
        progress(f"guest {recipe.name}: waiting for another set-up of it ({holder})")

    with exclusive(guests / f"{recipe.name}.lock", waiting) as lock:
        if (tree / FACTS).is_file():
            return
        downloads = root / "downloads" / recipe.name
        partial = guests / f"{recipe.name}.partial"
        _make(_Job(recipe, root, tree, partial, downloads, qemu, progress, lock))
