"""What the packages in a folder need, and neither the folder nor the testee's side has.

pip cannot say it: for another machine it looks at no installed package, and would fetch torch once more, or fail.
So each wheel is unpacked alone, and what its metadata asks for beyond what is there is asked for next. There is no
going back: a version once chosen stays, and one that does not fit another package is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from endianproof.qemu._error import GuestError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from endianproof.qemu._wheels import WheelPlatform

__all__ = ["Need", "needs"]


@dataclass(frozen=True)
class Need:
    """A requirement that nothing there satisfies, and the package that has it."""

    requirement: Requirement
    of: str

    @property
    def name(self) -> str:
        """The required package's normal name."""
        return canonicalize_name(self.requirement.name)


def _versions(paths: list[str] | None) -> dict[str, str]:
    found = metadata.distributions() if paths is None else metadata.distributions(path=paths)
    return {canonicalize_name(one.metadata["Name"]): one.version for one in found}


def _requirements(
    one: metadata.Distribution, extras: frozenset[str], environment: Mapping[str, str]
) -> list[Requirement]:
    """What a package asks for on the testee's side, with these extras."""
    stated = [Requirement(text) for text in one.requires or ()]
    return [
        requirement
        for requirement in stated
        if requirement.marker is None
        or any(requirement.marker.evaluate({**environment, "extra": extra}) for extra in extras | {""})
    ]


def needs(folder: Path, platform: WheelPlatform, extras: Mapping[str, frozenset[str]]) -> list[Need]:
    """Everything that a folder's packages need and do not find; `extras` are those asked for, by normal name.

    Raises GuestError where a package of the folder needs another version of its neighbour.
    """
    beside = _versions([str(folder)])
    there = {**_versions(platform.paths), **beside}
    found = []
    for one in metadata.distributions(path=[str(folder)]):
        name = canonicalize_name(one.metadata["Name"])
        for requirement in _requirements(one, extras.get(name, frozenset()), platform.environment):
            need = Need(requirement, f"{one.metadata['Name']} {one.version}")
            version = there.get(need.name)
            if version is not None and requirement.specifier.contains(version, prereleases=True):
                continue
            if need.name in beside:
                raise GuestError(
                    f"{need.of} needs {requirement.name}{requirement.specifier}, and {version} was taken",
                    f"ask for a version of each that fits: --with={requirement.name}==VERSION",
                )
            found.append(need)
    return found
