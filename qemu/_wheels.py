"""PyPI wheels, unpacked into a folder: for a guest's Python and s390x, or for the Python that runs this.

pip does the work, so that the user's own index, proxy and certificates hold. Wheels only: nothing is compiled
and no code of a package runs. Dependencies are left out: see `_dependencies`. The user's own project is the one
exception: `build_wheel` has pip build it here, as pip install would.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import sysconfig
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.markers import default_environment
from packaging.version import Version

from endianproof.qemu._error import GuestError
from endianproof.qemu._process import run
from endianproof.qemu._source import copy_source
from endianproof.qemu._store import remove_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["WheelPlatform", "build_wheel", "fetch_wheels", "guest_platform", "host_platform", "unpack_wheels"]

OLDEST_MANYLINUX = 17  # manylinux_2_17 is manylinux2014, the first that s390x has

# The user's settings for their own installs that would send these somewhere else.
PIP_ENVIRONMENT = {
    "PIP_USER": "0",
    "PIP_REQUIRE_VIRTUALENV": "0",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
}


@dataclass(frozen=True)
class WheelPlatform:
    """What wheels must run on: `tag` for file names, `label` for people, `options` for pip.

    `environment` is what markers are evaluated in; `paths` are the folders whose packages are there already,
    None for those of the Python that runs this.
    """

    tag: str
    label: str
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)
    paths: list[str] | None = field(default=None, hash=False)


def host_platform() -> WheelPlatform:
    """Return the platform of the Python that runs this."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return WheelPlatform(
        tag=f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}",
        label=f"Python {version} on {platform.machine()}",
        environment={name: str(value) for name, value in default_environment().items()},
    )


# What does not depend on the guest's Python (PEP 508).
S390X = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "s390x",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "sys_platform": "linux",
}


def guest_platform(python: str, glibc: str, paths: Sequence[Path] = ()) -> WheelPlatform:
    """Return the platform of a guest's Python ("3.13") with its C library ("2.41"), on s390x.

    `paths` are the folders of the packages that it has.
    """
    _, _, minor = glibc.partition(".")
    tags = [f"manylinux_2_{number}_s390x" for number in range(int(minor), OLDEST_MANYLINUX - 1, -1)]
    platforms = (*tags, "manylinux2014_s390x", "linux_s390x")
    return WheelPlatform(
        tag=f"cp{python.replace('.', '')}-glibc{glibc}-s390x",
        label=f"Python {python} on s390x (glibc {glibc})",
        options=("--python-version", python, *(f"--platform={name}" for name in platforms)),
        environment={
            **S390X,
            "implementation_version": f"{python}.0",
            "python_full_version": f"{python}.0",
            "python_version": python,
        },
        paths=[str(path) for path in paths],
    )


NO_PIP = re.compile(r"No module named pip\b")
NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded")
NO_NETWORK = re.compile(
    r"Failed to establish a new connection|Temporary failure in name resolution|Connection refused|"
    r"Network is unreachable|ConnectTimeoutError|ReadTimeoutError|ProxyError|connection broken by"
)
DAMAGED = re.compile(
    r"DO NOT MATCH THE HASHES|IncompleteRead|not a zip file|BadZipFile|Wheel '[^']*' located at \S+ is invalid"
)
NO_VERSION = re.compile(r"satisfies the requirement (?P<wanted>.+?) \(from versions: (?P<offered>[^)]*)\)")
SHOWN_VERSIONS = 8


def _shortened(versions: Sequence[str]) -> Sequence[str]:
    if len(versions) <= 2 * SHOWN_VERSIONS:
        return versions
    return (*versions[:SHOWN_VERSIONS], "...", *versions[-SHOWN_VERSIONS:])


def _no_version(wanted: str, offered: str, where: WheelPlatform) -> GuestError:
    if offered == "none":
        hint = (
            "check the name: the index may have it as source alone, or not at all\n"
            "what only comes as source can be built for this platform, and its wheel given as a file: "
            "--with=dist/NAME.whl"
        )
    else:
        versions = [version for version in offered.split(", ") if not Version(version).is_prerelease]
        hint = f"versions that have one: {', '.join(_shortened(versions))}"
    if where.options:  # a guest
        hint += "\n--build-in-guest has the guest build it from its source"
    return GuestError(f"there is no wheel of {wanted} for {where.label}", hint, kind="absent")


def _damaged(wanted: Sequence[str]) -> GuestError:
    names = ", ".join(wanted)
    if all(Path(one).is_file() for one in wanted):  # the user's own
        return GuestError(f"{names} is damaged", "build it anew, or fetch it again", kind="damaged")
    message = f"a download of {names} broke off, or is not what the package index announced"
    hint = "run it again; if it stays so, the index or what is between is to blame"
    return GuestError(message, hint, kind="damaged")


def _explain(lines: Sequence[str], wanted: Sequence[str], where: WheelPlatform) -> GuestError:
    output = "\n".join(lines)
    names = ", ".join(wanted)
    if NO_PIP.search(output):
        hint = f"run: {sys.executable} -m ensurepip"
        return GuestError(f"pip, which fetches {names}, is not installed for {sys.executable}", hint)
    if NO_ROOM.search(output):
        hint = "free some space, or set ENDIANPROOF_CACHE (and TMPDIR) to folders on a larger disk"
        return GuestError(f"no room on the disk to unpack {names}", hint, kind="disk")
    if NO_NETWORK.search(output):
        hint = "connect this machine, or set up pip's proxy or index, then run it again"
        return GuestError(f"no network: {names} cannot be fetched from the package index", hint, kind="network")
    if DAMAGED.search(output):
        return _damaged(wanted)
    if match := NO_VERSION.search(output):
        return _no_version(match["wanted"], match["offered"], where)
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    reason = errors[0] if errors else (lines[-1] if lines else "it said nothing")
    return GuestError(f"pip could not unpack {names}: {reason}", "this is what pip says; it may name a way out")


def _pip(
    action: Sequence[str], requirements: Sequence[str], where: WheelPlatform, keep_open: Sequence[int]
) -> None:
    chosen = ("--no-deps", "--only-binary=:all:", "--retries=2", *where.options)
    argv = (sys.executable, "-m", "pip", *action, *chosen, "--", *requirements)
    finished = run(argv, env={**os.environ, **PIP_ENVIRONMENT}, keep_open=keep_open)
    if finished.code:
        raise _explain(finished.lines, requirements, where)


def fetch_wheels(
    requirements: Sequence[str], folder: Path, where: WheelPlatform, keep_open: Sequence[int] = ()
) -> None:
    """Download wheels into a folder. Raises GuestError."""
    _pip(("download", f"--dest={folder}"), requirements, where, keep_open)


def build_wheel(project: Path, folder: Path, keep_open: Sequence[int] = ()) -> Path:
    """Build a project's wheel into an empty folder, by its own build system, here. Raises GuestError, OSError."""
    copy = folder / "project"
    copy_source(project, copy)
    argv = (sys.executable, "-m", "pip", "wheel", "--no-deps", f"--wheel-dir={folder}", "--", str(copy))
    finished = run(argv, env={**os.environ, **PIP_ENVIRONMENT}, keep_open=keep_open)
    if finished.code:
        raise _unbuildable(finished.lines, project)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _unbuildable(lines: Sequence[str], project: Path) -> GuestError:
    """Say why, as the build's own output ends: pip shows it between two lines of its own."""
    said = [line.strip() for line in lines if line.strip()]
    ends = [at for at, line in enumerate(said) if line.endswith("[end of output]")]
    reason = said[ends[0] - 1] if ends and ends[0] else (said[-1] if said else "it said nothing")
    hint = f"see all of it: {sys.executable} -m pip wheel --no-deps {project}"
    return GuestError(f"no wheel of {project} could be built: {reason}", hint)


def unpack_wheels(
    requirements: Sequence[str],
    folder: Path,
    where: WheelPlatform,
    *,
    wheels: Path | None = None,
    keep_open: Sequence[int] = (),
) -> dict[str, str]:
    """Unpack wheels into a folder, from the package index or from the folder `wheels` alone.

    Into a folder of its own first: pip does not add to a package that is in its target already, and two
    distributions may share one (mlx and mlx-cpu, google). Returns what is in `folder` then: versions by name.
    Raises GuestError, OSError.
    """
    source = () if wheels is None else ("--no-index", f"--find-links={wheels}")
    fresh = folder.with_name(f"{folder.name}.new")
    remove_tree(fresh)
    try:
        _pip(("install", f"--target={fresh}", "--no-compile", *source), requirements, where, keep_open)
        if fresh.is_dir():
            shutil.copytree(fresh, folder, symlinks=True, copy_function=shutil.move, dirs_exist_ok=True)
    finally:
        remove_tree(fresh)
    found = metadata.distributions(path=[str(folder)])
    return {distribution.metadata["Name"]: distribution.version for distribution in found}
