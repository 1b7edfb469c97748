"""What a named testee needs: what of it is here, and the line that installs it."""

from __future__ import annotations

import json
import platform
import shlex
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.version import InvalidVersion

if TYPE_CHECKING:
    from endianproof.conformance.named import NamedTestee

__all__ = ["how_to_get", "install_line", "installed", "s390x_line"]

# What the shipped guests have anyway.
OF_GUESTS = ("endianproof", "numpy", "torch")


def _python_version(need: str) -> str | None:
    """The version that is installed here, or None where it is missing or older than the floor."""
    wanted = Requirement(need)
    try:
        version = metadata.version(wanted.name)
        return version if wanted.specifier.contains(version, prereleases=True) else None
    except (metadata.PackageNotFoundError, InvalidVersion):
        return None


def _node_version(need: str) -> str | None:
    """The version that a script started where the user stands would find."""
    name = need.rpartition("@")[0]
    here = Path.cwd()
    for folder in (here, *here.parents):
        try:
            document = json.loads((folder / "node_modules" / name / "package.json").read_text(encoding="utf-8"))
            return str(document["version"])
        except (OSError, ValueError, KeyError):  # noqa: PERF203 (a few folders, none of which need have it)
            continue
    return None


VERSION_OF = {"Python": _python_version, "Node": _node_version}


def installed(testee: NamedTestee) -> str | None:
    """Return the library's version here, or None unless all that the entry needs is here."""
    found = [VERSION_OF[testee.language](need) for need in testee.needs]
    return None if None in found else found[0] if found else ""


def install_line(testee: NamedTestee) -> str:
    """The command that installs what the entry needs, on a machine that can have it."""
    if testee.language == "Node":
        return f"npm install {' '.join(testee.needs)}"
    return f"pip install {' '.join(map(shlex.quote, testee.needs))}"


def s390x_line(testee: NamedTestee) -> str:
    """The options that bring what the entry needs into a guest; "" where the guest has all of it."""
    names = [Requirement(need).name for need in testee.needs] if testee.language == "Python" else []
    wanted = [name for name in names if name not in OF_GUESTS]
    return " ".join(
        f"--with={name}=={testee.tried}" if name == testee.library else f"--with={name}" for name in wanted
    )


def how_to_get(testee: NamedTestee, *, in_guest: bool) -> str:
    """What to do where a named testee does not start: the line that installs it, or why there is none."""
    place, machine = (
        (testee.s390x, "s390x") if in_guest or platform.machine() == "s390x" else (testee.x86_64, "x86-64")
    )
    if not place.by:
        return f"{testee.name} is not to be had on {machine}: {place.why}"
    if in_guest and testee.language == "Python":
        return (
            f"{testee.name} needs {s390x_line(testee)}" if s390x_line(testee) else f"guests have {testee.library}"
        )
    return f"{testee.name} needs: {install_line(testee)}"
