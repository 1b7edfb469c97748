"""What made a set-up fail: the output of apt, mmdebstrap, dpkg and tar, told as one message.

The first cause whose pattern occurs in the output wins; a full disk comes before them all, because what
follows from it looks like any of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from endianproof.qemu._error import GuestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from endianproof.qemu._recipe import Recipe

__all__ = ["explain", "no_room"]


@dataclass(frozen=True)
class Cause:
    """One way to fail. Texts may name the recipe's {name} and {suite}, and what the pattern {found}."""

    pattern: str
    message: str
    hint: str
    kind: str = ""


RESUMES = "then run it again: what was downloaded is kept"
MIRROR = "ENDIANPROOF_DEBIAN_MIRROR=URL names another mirror"

CAUSES = (
    Cause(
        r"Unable to locate package (?P<found>\S+)"
        r"|Package '?(?P<found2>[^\s']+)'? (?:is not available|has no installation candidate)",
        "Debian {suite} has no package {found} for s390x, which guest {name} is to have",
        "correct the package's name, in the recipe or as it was given to guest install; "
        "packages.debian.org/{suite} has the right ones: Python packages are called python3-NAME there, and "
        "a wheel of the package index is asked for as NAME==VERSION",
    ),
    Cause(
        r"NO_PUBKEY|is not signed|couldn't be verified|The following signatures were invalid",
        "the package lists of Debian {suite} are not signed by a key that this machine knows",
        "install a newer debian-archive-keyring, then run it again",
    ),
    Cause(
        r"Release file for \S+ is (?P<found>expired|not valid yet)",
        "the package lists of Debian {suite} are {found}",
        f"set this machine's clock, if it is wrong; otherwise {MIRROR}",
    ),
    Cause(
        r"(?P<found>Temporary failure resolving|Could not resolve|Could not connect|Unable to connect|"
        r"Network is unreachable|Connection timed out|Connection failed|Connection refused)",
        "no network: the packages of guest {name} cannot be fetched ({found})",
        f"connect this machine, or set http_proxy, {RESUMES}; {MIRROR}",
        kind="network",
    ),
    Cause(
        r"does not have a Release file",
        "the mirror has no Debian {suite}",
        MIRROR,
    ),
    Cause(
        r"(?P<found>Hash Sum mismatch|File has unexpected size|404 +Not Found|Error reading from server|"
        r"Undetermined Error)",
        "a download for guest {name} broke off or was not what the mirror announced ({found})",
        f"the mirror may be changing just now: wait some minutes, {RESUMES}; {MIRROR}",
        kind="network",
    ),
    Cause(
        r"package cache file is corrupted|could not be parsed or opened|Problem with MergeList",
        "the package lists that were downloaded for guest {name} are damaged",
        "run it again: all downloads of this guest were removed, and will be fetched anew",
        kind="damaged",
    ),
    Cause(
        r"dpkg-deb --fsys-tarfile failed|not a Debian format archive|(?P<found>dpkg-deb: error: .*)",
        "a downloaded package of guest {name} is damaged",
        "run it again: all downloads of this guest were removed, and will be fetched anew",
        kind="damaged",
    ),
)

NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded|don't have enough free space")


def no_room(recipe: Recipe, where: str, free_bytes: int) -> GuestError:
    """Say that the disk is too small, whenever that is noticed."""
    return GuestError(
        f"no room for guest {recipe.name}: it takes about {recipe.disk_mb} MB, "
        f"and {where} has {free_bytes // 10**6} MB free",
        "free some space there, or set ENDIANPROOF_CACHE to a folder on a larger disk",
        kind="disk",
    )


def _last_complaint(lines: Sequence[str]) -> str:
    complaints = [line for line in lines if line.startswith(("E:", "tar:", "dpkg"))] or list(lines)
    return complaints[-1] if complaints else "it said nothing"


def explain(recipe: Recipe, lines: Sequence[str], where: str, free_bytes: int) -> GuestError:
    """Say why mmdebstrap failed, from its output; `where` is the cache folder."""
    output = "\n".join(lines)
    if NO_ROOM.search(output):
        return no_room(recipe, where, free_bytes)
    for cause in CAUSES:
        if match := re.search(cause.pattern, output):
            found = next((text for text in match.groupdict().values() if text), "")
            words = {"name": recipe.name, "suite": recipe.suite, "found": found}
            return GuestError(cause.message.format(**words), cause.hint.format(**words), cause.kind)
    return GuestError(
        f"mmdebstrap could not unpack guest {recipe.name}: {_last_complaint(lines)}",
        "this cause is not known to the suite: please report it",
    )
