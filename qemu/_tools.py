"""The host's programs that guests need: found, installed when we may, and otherwise asked for by name."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from endianproof.qemu._error import GuestError
from endianproof.qemu._process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["QEMU", "TO_SET_UP", "Tool", "emulator", "ensure", "missing_tools"]


@dataclass(frozen=True)
class Tool:
    """Something the host must have: one of `programs` on PATH (or of `files`), from one of `packages`.

    Packages are those of Debian and Ubuntu, the preferred first.
    """

    what: str
    packages: tuple[str, ...]
    programs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def find(self) -> str | None:
        """Path of the program or file, or None."""
        found = (shutil.which(program) for program in self.programs)
        present = (file for file in self.files if Path(file).exists())
        return next((path for path in (*found, *present) if path), None)


# Called -static in Debian up to 12 and Ubuntu up to 24.04; later packages drop the suffix, because all are static.
QEMU = Tool(
    "QEMU's s390x user emulation",
    packages=("qemu-user-static", "qemu-user"),
    programs=("qemu-s390x-static", "qemu-s390x"),
)
MMDEBSTRAP = Tool("mmdebstrap", packages=("mmdebstrap",), programs=("mmdebstrap",))
# mmdebstrap only recommends it, and Ubuntu does not have it by itself.
KEYRING = Tool(
    "Debian's archive keys",
    packages=("debian-archive-keyring",),
    files=tuple(f"/usr/share/keyrings/debian-archive-keyring.{suffix}" for suffix in ("gpg", "pgp")),
)

TO_SET_UP = (QEMU, MMDEBSTRAP, KEYRING)

APT_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


def _apt(*arguments: str) -> tuple[bool, tuple[str, ...]]:
    """Run an apt program: whether it succeeded, and its output."""
    finished = run(arguments, env={**os.environ, **APT_ENVIRONMENT})
    return finished.code == 0, finished.lines


def _has_candidate(package: str) -> bool:
    _, lines = _apt("apt-cache", "policy", package)
    return any("Candidate:" in line and "(none)" not in line for line in lines)


def _package(tool: Tool) -> str:
    """Choose the package to install for a tool here: the preferred one where apt knows none of them."""
    known = (package for package in tool.packages if _has_candidate(package))
    return next(known, tool.packages[0])


def _install(missing: Sequence[Tool], progress: Callable[[str], None]) -> None:
    progress("fetching the host's package lists (apt-get update)")
    _, complaints = _apt("apt-get", "update")
    packages = [_package(tool) for tool in missing]
    progress(f"installing {', '.join(packages)} on the host (apt-get install, as root)")
    done, lines = _apt(
        *("apt-get", "install", "--yes", "--no-install-recommends", "-oDPkg::Lock::Timeout=300"), *packages
    )
    if not done:
        reasons = [line for line in (*complaints, *lines) if line.startswith("E:")]
        reason = " ".join(reasons[-2:]) or "no reason given"
        raise GuestError(
            f"apt-get could not install {', '.join(packages)}: {reason}",
            f"mend that, then try again; by hand: apt-get update && apt-get install {' '.join(packages)}",
        )


def ensure(tools: Sequence[Tool], progress: Callable[[str], None]) -> None:
    """Install what is missing of `tools` when root and there is apt, else say exactly what to install."""
    missing = [tool for tool in tools if tool.find() is None]
    if not missing:
        return
    has_apt = shutil.which("apt-get") is not None
    if has_apt and os.geteuid() == 0:
        _install(missing, progress)
        missing = [tool for tool in missing if tool.find() is None]
        if not missing:
            return
    raise GuestError(f"not installed here: {_described(missing)}", _advice(missing, has_apt=has_apt))


def _described(tools: Sequence[Tool]) -> str:
    return "; ".join(
        f"{tool.what} ({' or '.join(tool.programs or tool.files)})" if tool.programs != (tool.what,) else tool.what
        for tool in tools
    )


def _advice(tools: Sequence[Tool], *, has_apt: bool) -> str:
    if has_apt:
        packages = " ".join(_package(tool) for tool in tools)
        return f"run: sudo apt-get update && sudo apt-get install --no-install-recommends {packages}"
    packages = ", ".join(" or ".join(tool.packages) for tool in tools)
    return f"install them with this system's package manager (in Debian and Ubuntu they are {packages})"


def missing_tools() -> tuple[str, str]:
    """What set-up needs and is not here, and the line that installs it; twice nothing where all is here."""
    missing = [tool for tool in TO_SET_UP if tool.find() is None]
    has_apt = shutil.which("apt-get") is not None
    return (_described(missing), _advice(missing, has_apt=has_apt)) if missing else ("", "")


def emulator() -> str:
    """Which QEMU runs the guests' programs here, for people."""
    path = QEMU.find()
    if path is None:
        return f"{QEMU.what}, which is not installed yet"
    lines = run((path, "--version"), env=os.environ).lines
    return f"{path} ({lines[0] if lines else 'it does not say its version'})"
