"""One cell: a testee, a version, a guest; what it is called, what selects it, and what pytest is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from endianproof.conformance.matrix._error import MatrixError
from endianproof.conformance.packages import from_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["HOST", "INSTALLED", "Cell", "Testee"]

HOST = "host"  # the machine that runs the matrix, among the guests' names
INSTALLED = "installed"  # among versions: the one that this machine has, in guests too

# A key of a testee in the file, and the options of pytest that it becomes; paths are from the file's folder.
OPTIONS: Mapping[str, Callable[[Any, Path], Sequence[str]]] = {
    "takes": lambda value, _: [f"--loader-takes={value}"],
    "gives": lambda value, _: [f"--saver-gives={value}"],
    "format": lambda value, _: [f"--format={','.join(value)}"],
    "rule": lambda value, _: [f"--rule={','.join(value)}"],
    "policy": lambda value, _: [f"--policy={name}={choice}" for name, choice in value.items()],
    "with": lambda value, folder: [f"--with={from_folder(one, folder)}" for one in value],
    "baseline": lambda value, folder: [f"--baseline={(folder / value).resolve()}"],
    "large": lambda value, _: ["--large"] if value else [],
    "explore": lambda value, _: [f"--explore={value}"],
    "build-in-guest": lambda value, _: ["--build-in-guest"] if value else [],
}
GUESTS_OWN = {"build-in-guest"}  # keys that say nothing of the runs on this machine


@dataclass(frozen=True)
class Testee:
    """One testee of a matrix. `kind` is loader, saver or testee; `options` are the keys of OPTIONS that it has."""

    __test__ = False  # no test class, whatever its name makes pytest think

    name: str
    kind: str
    target: str
    package: str
    versions: tuple[str, ...]
    guests: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


def _installed(package: str) -> str:
    """The version of a package that this machine has. Raises MatrixError."""
    try:
        return Version(metadata.version(package)).public
    except metadata.PackageNotFoundError:
        raise MatrixError(
            f"{package} is not installed here, and its installed version is asked for: install it, or name one"
        ) from None


@dataclass(frozen=True)
class Cell:
    """One run. `version` is "" where nothing is put in front; `excluded` says why it is not run, else "".

    `words` are what --factors selects it by, `folder` is what its relative paths start from.
    """

    matrix: str
    testee: Testee
    version: str
    guest: str
    folder: Path
    words: frozenset[str] = frozenset()
    excluded: str = ""

    @property
    def id(self) -> str:
        """The name that stays: NAME-VERSION-GUEST, as they are written in the file."""
        return "-".join(filter(None, (self.testee.name, self.version, self.guest)))

    @property
    def row(self) -> str:
        """What it shares with the same testee elsewhere."""
        return " ".join(filter(None, (self.testee.name, self.version)))

    def definition(self) -> dict[str, Any]:
        """What the file says of it, the same on every machine."""
        return {
            "kind": self.testee.kind,
            "testee": self.testee.target,
            "package": self.testee.package,
            "version": self.version,
            "guest": self.guest,
            "options": dict(self.testee.options),
        }

    def pytest_options(self) -> list[str]:
        """Return the options of its run. Raises MatrixError where no version is installed that is asked for."""
        options = [f"--{self.testee.kind}={self.testee.target}"]
        options += [f"--guest={self.guest}"] if self.guest != HOST else []
        options += self._in_front()
        for key, value in self.testee.options.items():
            if self.guest != HOST or key not in GUESTS_OWN:
                options += OPTIONS[key](value, self.folder)
        return options

    def _in_front(self) -> list[str]:
        if not self.version or (self.version == INSTALLED and self.guest == HOST):
            return []
        package = self.testee.package
        return [f"--with={package}=={_installed(package) if self.version == INSTALLED else self.version}"]
