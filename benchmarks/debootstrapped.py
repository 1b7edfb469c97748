"""What a guest's set-up is measured against: debootstrap of the same packages, as one does by hand.

    debootstrapped.py FOLDER SUITE MIRROR PACKAGE...

debootstrap's first stage unpacks, its second configures, emulated, in a chroot; apt then installs the packages
there, emulated as well. The kernel starts the emulator (binfmt_misc), in a user namespace of its own, so that this
machine is left as it was: Linux 6.7 or later, and root, because Debian's packages want more than one user.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

from endianproof.qemu._started import MAGIC, MASK
from endianproof.qemu._tools import QEMU

__all__ = ["main", "script_of"]

NEW_MOUNTS, NEW_USERS, NEW_PROCESSES = 0x00020000, 0x10000000, 0x20000000  # <linux/sched.h>

BINFMT_MISC = "/proc/sys/fs/binfmt_misc"

# A chroot has no services, and asks nobody.
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "HOME": "/root", "container": "lxc"}
ANY_DATE = ("-oAcquire::Check-Valid-Until=false", "-oAcquire::Check-Date=false")  # as debootstrap itself
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


SCRIPTS = Path("/usr/share/debootstrap/scripts")


def script_of(suite: str) -> str:
    """The script that debootstrap is to use for a suite; sid's for one that is newer than debootstrap itself."""
    return str(next(path for path in (SCRIPTS / suite, SCRIPTS / "sid") if path.exists()))


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, env={**ENVIRONMENT, "PATH": PATH})


def _enter() -> int:
    """Go on as the first process of namespaces of its own; the exit code, in the process that waits for it."""
    entered, mapped = os.pipe(), os.pipe()
    child = os.fork()
    if child:
        os.read(entered[0], 1)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{name}").write_text("0 0 65536\n", encoding="ascii")
        os.write(mapped[1], b"x")
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_MOUNTS | NEW_USERS | NEW_PROCESSES):
        raise OSError(ctypes.get_errno(), "no namespaces")
    os.write(entered[1], b"x")
    os.read(mapped[0], 1)
    if first := os.fork():
        os._exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]))
    return -1


def _have_the_kernel_emulate() -> None:
    qemu = QEMU.find()
    _run("mount", "-t", "proc", "proc", "/proc")
    _run("mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT_MISC)
    Path(BINFMT_MISC, "register").write_text(f":qemu-s390x:M::{MAGIC}:{MASK}:{qemu}:F", encoding="ascii")


def _make(folder: str, suite: str, mirror: str, packages: list[str]) -> None:
    _run("debootstrap", "--foreign", "--arch=s390x", "--variant=minbase", suite, folder, mirror, script_of(suite))
    _run("chroot", folder, "/debootstrap/debootstrap", "--second-stage")
    Path(folder, "etc/apt/sources.list").write_text(f"deb {mirror} {suite} main\n", encoding="ascii")
    _run("chroot", folder, "apt-get", "update", *ANY_DATE)
    _run("chroot", folder, "apt-get", "install", "--yes", "--no-install-recommends", *packages)
    _run("chroot", folder, "apt-get", "clean")
    _run("rm", "-rf", f"{folder}/var/lib/apt/lists")


def main(folder: str, suite: str, mirror: str, *packages: str) -> int:
    """Make the tree, in an empty folder. Raises CalledProcessError and OSError."""
    code = _enter()
    if code >= 0:
        return code
    try:
        _have_the_kernel_emulate()
        _make(folder, suite, mirror, list(packages))
    except (OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)  # what the parent process has to do at its end is not for this one


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
