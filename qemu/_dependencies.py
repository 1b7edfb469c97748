"""What the packages in a folder need, and neither the folder nor the testee's side has.

pip cannot say it: for another machine it looks at no installed package, and would fetch torch once more, or fail.
So each wheel is unpacked alone, and what its metadata asks for beyond what is there is asked for next. There is no
going back: a version once chosen stays, and one that does not fit another package is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from endianproof.qemu._error import GuestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from endianproof.qemu._wheels import WheelPlatform

__all__ = ["Need", "add_needs", "needs", "satisfies", "versions_of"]

LEFT_OUT = {"absent", "unbuildable"}


@dataclass(frozen=True)
class Need:
    """A requirement that nothing there satisfies, and the package that has it."""

    requirement: Requirement
    of: str

    @property
    def name(self) -> str:
        """The required package's normal name."""
        return canonicalize_name(self.requirement.name)


def versions_of(paths: list[str] | None) -> dict[str, str]:
    """The versions of the packages in folders, by normal name; None: of the Python that runs this."""
    found = metadata.distributions() if paths is None else metadata.distributions(path=paths)
    # What an uninstallation that broke off leaves behind has no name.
    whole = (one for one in found if one.metadata and one.metadata["Name"])
    return {canonicalize_name(one.metadata["Name"]): one.version for one in whole}


def satisfies(version: str | None, requirement: Requirement) -> bool:
    """Whether a package that is there, of this version, is what is required; None: it is not there."""
    try:
        return version is not None and requirement.specifier.contains(version, prereleases=True)
    except InvalidVersion:  # of before PEP 440
        return False


def _read(text: str, one: metadata.Distribution) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise GuestError(
            f"{one.metadata['Name']} {one.version} asks for {text!r}, which is no requirement (PEP 508)",
            f"ask for another release of it: --with={one.metadata['Name']}==VERSION",
        ) from error


def _requirements(
    one: metadata.Distribution, extras: frozenset[str], environment: Mapping[str, str]
) -> list[Requirement]:
    """What a package asks for on the testee's side, with these extras. Raises GuestError."""
    stated = [_read(text, one) for text in one.requires or ()]
    return [
        requirement
        for requirement in stated
        if requirement.marker is None
        or any(requirement.marker.evaluate({**environment, "extra": extra}) for extra in extras | {""})
    ]


def needs(folder: Path, platform: WheelPlatform, extras: Mapping[str, frozenset[str]]) -> list[Need]:
    """Everything that a folder's packages need and do not find; `extras` are those asked for, by normal name.

    Raises GuestError where a package needs another version of its neighbour, or something that is no requirement.
    """
    beside = versions_of([str(folder)])
    there = {**versions_of(platform.paths), **beside}
    found = []
    for one in metadata.distributions(path=[str(folder)]):
        name = canonicalize_name(one.metadata["Name"])
        for requirement in _requirements(one, extras.get(name, frozenset()), platform.environment):
            need = Need(requirement, f"{one.metadata['Name']} {one.version}")
            version = there.get(need.name)
            if satisfies(version, requirement):
                continue
            if need.name in beside:
                raise GuestError(
                    f"{need.of} needs {requirement.name}{requirement.specifier}, and {version} was taken",
                    f"ask for a version of each that fits: --with={requirement.name}==VERSION",
                )
            found.append(need)
    return found


def add_needs(
    folder: Path,
    platform: WheelPlatform,
    extras: Mapping[str, frozenset[str]],
    add: Callable[[str], None],
    progress: Callable[[str], None],
) -> None:
    """Have `add` put what is needed into the folder, until nothing is; what cannot be had is told, and left out.

    Raises GuestError, where `add` does for another reason than that there is no such package.
    """
    known, tried = dict(extras), set[str]()
    while missing := [need for need in needs(folder, platform, known) if need.name not in tried]:
        need = missing[0]
        tried.add(need.name)
        known[need.name] = frozenset(need.requirement.extras)
        wanted = f"{need.requirement.name}{need.requirement.specifier}"
        try:
            add(wanted)
            progress(f"with {wanted}, which {need.of} needs")
        except GuestError as error:
            if error.kind not in LEFT_OUT:
                raise
            progress(f"without {wanted}, which {need.of} asks for: {str(error).splitlines()[0].rstrip(':')}")
