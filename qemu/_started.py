"""Ways to let a build start programs of the guest by their paths: those it has just compiled, above all.

What a guest's program starts by name runs anywhere (`_launch`). A path reaches the kernel itself, which runs such
a program only where binfmt_misc names QEMU for it: on the whole machine, or, since Linux 6.7, in a user namespace
of one's own. Compiling needs neither; Meson and configure scripts, which try out what they compile, do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from endianproof.qemu._process import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Way", "way"]

# Any 64-bit program or library for s390x: the first 20 bytes of its file, and which bits of them count. The flag F
# has the kernel open QEMU now, so that it is found from everywhere.
MAGIC = r"\x7fELF\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x16"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff"

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
REGISTER = 'mount -t binfmt_misc none "$1" && printf %s "$2" > "$1/register" && shift 2 && exec "$@"'


@dataclass(frozen=True)
class Way:
    """How a build is started: what goes before its command; `what` says so to people.

    `missing` is why programs cannot be started by their paths, or "".
    """

    what: str
    before: tuple[str, ...] = ()
    missing: str = ""


def _refusal(argv: tuple[str, ...], env: Mapping[str, str]) -> str:
    """Why a program does not run; "" where it does."""
    try:
        finished = run(argv, env=env)
    except OSError as error:
        return str(error)
    return "" if finished.code == 0 else (finished.lines or ("it said nothing",))[-1]


def way(qemu: str, program: Path, mount: Path, env: Mapping[str, str]) -> Way:
    """Find out what is possible here, by starting `program`, one of the guest's, with `--version`.

    `mount` is an empty folder. `env` names the guest's tree for QEMU.
    """
    if not _refusal((str(program), "--version"), env):
        return Way("programs started by path: binfmt_misc of this machine")
    entry = f":endianproof-s390x:M::{MAGIC}:{MASK}:{qemu}:F"
    before = (*NAMESPACE, "sh", "-c", REGISTER, "sh", str(mount), entry)
    if not (why := _refusal((*before, str(program), "--version"), env)):
        return Way("programs started by path: binfmt_misc of a user namespace", before)
    return Way("programs started by path: none, which compiling does not need", missing=why)
