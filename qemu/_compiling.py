"""What made a build in a guest fail: of all that it said, what a person has to read first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from endianproof.qemu._error import GuestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from endianproof.qemu._started import Way

__all__ = ["failed_build"]

SHOWN_LINES = 8
LONGEST_LINE = 200

# A compiler's, a linker's and CMake's first complaint; what follows it is the build tools' own account.
COMPLAINT = re.compile(r": (fatal )?error: |^ld: |/ld: |undefined reference to|^CMake Error|ERROR: |^error: ")
ABSENT = re.compile(r"fatal error: \S+: No such file or directory|ld: cannot find -l|No package '\S+' found")
NOT_STARTED = re.compile(r"Exec format error|not runnable|cannot run C compiled programs|Syntax error: ")


def _first_to_read(lines: Sequence[str]) -> Sequence[str]:
    said = [line for line in lines if line.strip()]
    at = next((at for at, line in enumerate(said) if COMPLAINT.search(line)), max(len(said) - SHOWN_LINES, 0))
    return [line[:LONGEST_LINE] for line in said[at : at + SHOWN_LINES]] or ["it said nothing"]


def failed_build(label: str, guest: str, lines: Sequence[str], log: Path, way: Way) -> GuestError:
    """Say why a source could not be built: the compiler's own lines, and where all of them are."""
    shown = "\n".join(f"    {line}" for line in _first_to_read(lines))
    hints = [f"all that was said is in {log}"]
    output = "\n".join(lines)
    if ABSENT.search(output):
        hints.append(f"what Debian has of it comes by: endianproof guest install {guest} NAME-dev")
    if way.missing and NOT_STARTED.search(output):
        hints.append(
            "this build starts what it has just compiled; for that this machine has to know s390x by binfmt_misc "
            "(as root: apt-get install qemu-user-static binfmt-support), or be a Linux from 6.7 on that allows "
            f"user namespaces, and here that is refused: {way.missing}"
        )
    return GuestError(f"{label} could not be built in guest {guest}:\n{shown}", "\n".join(hints), "unbuildable")
