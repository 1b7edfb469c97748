"""The host's command line that runs a program inside a tree.

A program is named as in a shell: without a slash it is one of the guest's, otherwise a file, either the
guest's (an absolute path that the tree has) or the host's. Scripts are run by the guest's interpreter of that
name, because the host's kernel, left to itself, would start its own.

What a guest's program starts itself is looked for on PATH, or is `sys.executable`. Both lead to one folder of
the tree: it has a small script of the host's for each program of the guest's, which starts QEMU. So they run
wherever the guest does, without binfmt_misc and without a user namespace. A compiler is told to look for its
passes there, too, and for headers and libraries nowhere but in the tree.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import endianproof
from endianproof.qemu._error import GuestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "guest_argv",
    "guest_environment",
    "lend_programs",
    "package_alone",
    "programs_folder",
    "write_programs",
]

# Java's programs are linked into /usr/bin only when its packages are configured, which nothing here is. The last
# two have the compilers' passes, in later releases of Debian and in earlier ones.
SEARCH_PATH = (
    "usr/local/bin",
    "usr/bin",
    "usr/sbin",
    "usr/lib/jvm/*/bin",
    "usr/libexec/gcc/*/*",
    "usr/lib/gcc/*/*",
)
# Names that Debian's alternatives would give; without them those of the host's compilers were found.
OTHER_NAMES = {"cc": "gcc", "c++": "g++"}
NO_PROGRAMS = {".o", ".so"}  # ELF files that lie beside the compilers' passes
# Mono's code calls over distances of 32 bits, and QEMU lays memory farther apart unless it is told where to stop.
# And it looks for its configuration beside its own programs, where a tree has none.
MONO = re.compile(r"mono(-sgen)?")
FOR_MONO = ("-R", "0x80000000", "-E", "MONO_CFG_DIR=/etc")
COMPILER = re.compile(r"(s390x-linux-gnu-)?(gcc|g\+\+|cpp|gfortran)(-\d+)?")

PROGRAMS = "endianproof-programs"
QEMU_VARIABLE = "ENDIANPROOF_QEMU"
STARTED_BY = f'"${{{QEMU_VARIABLE}:?is not set: start this with endianproof guest exec}}"'

# The host's settings for its own Python and libraries, which make no sense to another machine's.
HOST_PYTHON = ("PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONPYCACHEPREFIX", "PYTHONEXECUTABLE")
# These the emulator itself may need: it keeps them, and does not pass them on.
HOST_LOADER = ("LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT")

ELF_MAGIC = b"\x7fELF"
ELF_HEADER_BYTES = 20
BIG_ENDIAN_64 = b"\x02\x02"  # e_ident[4:6]: 64-bit, most significant byte first
S390 = 22  # e_machine, bytes 18 and 19, in the file's own byte order
MACHINES = {
    3: "x86",
    20: "ppc",
    21: "ppc64",
    S390: "s390 with 31 bits",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    243: "riscv",
}


def guest_environment(qemu: str, tree: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a guest's process: `env` without what belongs to the host's Python.

    A host's ~/.local has packages for the host, and the guest's Python would find them there. QEMU_LD_PREFIX is
    for what the kernel starts by itself where binfmt_misc knows s390x: nobody gives that QEMU an -L.
    """
    kept = {name: value for name, value in env.items() if name not in HOST_PYTHON}
    path = f"{programs_folder(tree)}{os.pathsep}{env.get('PATH', os.defpath)}"
    return {**kept, "PATH": path, "PYTHONNOUSERSITE": "1", "QEMU_LD_PREFIX": str(tree), QEMU_VARIABLE: qemu}


def _interpreter(path: Path, first_line: bytes) -> list[str]:
    """Return the name and arguments that a script's #! line gives; `env` is looked through."""
    words = first_line[2:].decode(errors="replace").split()
    if words and Path(words[0]).name == "env":
        words = words[2:] if words[1:2] == ["-S"] else words[1:]
    if not words:
        raise GuestError(f"{path} begins with #! and names no interpreter")
    name = Path(words[0]).name
    return ["python3" if re.fullmatch(r"python[\d.]*", name) else name, *words[1:]]


def _search_path(tree: Path) -> list[Path]:
    return [folder for pattern in SEARCH_PATH for folder in sorted(tree.glob(pattern))]


def _find(tree: Path, name: str) -> Path:
    """Find the file that a program's name means."""
    if "/" not in name:
        places = [folder / name for folder in _search_path(tree)]
    else:
        places = [tree / name.lstrip("/")] if name.startswith("/") else []
    try:
        places += [Path(name)] if "/" in name else []
        if found := next((place for place in places if place.is_file()), None):
            return found
    except OSError as error:  # a folder above it that may not be searched
        raise GuestError(f"{name} cannot be looked up: {error.strerror}") from error
    raise GuestError(
        f"{name}: there is no such program {'on this machine or ' if '/' in name else ''}in the guest",
        "a program of the host's is named by its path (./loader), and has to be built for s390x; "
        "endianproof guest install adds Debian's packages to a guest",
    )


def _program(tree: Path, name: str) -> list[str]:
    """Return the arguments that make QEMU run a program by its name: an s390x ELF file first."""
    path = _find(tree, name)
    try:
        with path.open("rb") as file:
            head = file.read(ELF_HEADER_BYTES)
            first_line = head + file.readline(4096)
    except OSError as error:
        raise GuestError(f"{path} cannot be read: {error.strerror}") from error
    if head[:2] == b"#!":
        interpreter, *arguments = _interpreter(path, first_line.split(b"\n")[0])
        return [*_run_by(tree, interpreter, path), *arguments, str(path)]
    if head[:4] != ELF_MAGIC:
        raise GuestError(f"{path} is neither an ELF program nor a script with a #! line")
    machine = int.from_bytes(head[18:20], "big" if head[5:6] == BIG_ENDIAN_64[1:] else "little")
    if head[4:6] != BIG_ENDIAN_64 or machine != S390:
        raise GuestError(
            f"{path} is built for {MACHINES.get(machine, 'another machine')}, not for s390x",
            "build it for s390x (Debian: gcc-s390x-linux-gnu), or name a program of the guest's",
        )
    return [str(path)]


def _run_by(tree: Path, interpreter: str, script: Path) -> list[str]:
    try:
        return _program(tree, interpreter)
    except GuestError as error:
        raise GuestError(f"{script} is run by {error}", error.hint) from error


def _emulated(tree: Path, program: Sequence[str]) -> list[str]:
    """QEMU's arguments for a program. A Python is told to be the one that others can start."""
    words = [word for name in HOST_LOADER for word in ("-U", name)]
    started, *arguments = program
    name, is_guests = Path(started).name, Path(started).is_relative_to(tree)
    if is_guests and name.startswith("python3"):
        words += ["-0", str(programs_folder(tree) / name), "-E", f"PYTHONHOME={tree / 'usr'}"]
    if is_guests and MONO.fullmatch(name):
        words += FOR_MONO
    if is_guests and COMPILER.fullmatch(name):
        arguments = [f"-B{programs_folder(tree)}/", f"--sysroot={tree}", *arguments]
    return [*words, "-L", str(tree), started, *arguments]


def guest_argv(qemu: str, tree: Path, argv: Sequence[str]) -> list[str]:
    """Return the host's command line for `argv` in the guest. Raises GuestError if it cannot run there."""
    return [qemu, *_emulated(tree, _program(tree, argv[0])), *argv[1:]]


def programs_folder(tree: Path) -> Path:
    """The folder of a tree that comes first on the PATH of a guest's processes."""
    return tree / PROGRAMS


def _write_script(script: Path, words: Sequence[str]) -> None:
    script.write_text(f'#!/bin/sh\nexec {STARTED_BY} {shlex.join(words)} "$@"\n', encoding="utf-8")
    script.chmod(0o755)


def write_programs(partial: Path, tree: Path) -> None:
    """Make that folder in a tree in the making, for the path that it will have.

    Scripts whose interpreter the tree does not have are left out. Raises OSError.
    """
    folder = programs_folder(partial)
    folder.mkdir()
    found = (path for place in _search_path(partial) for path in place.iterdir())
    for name in {path.name for path in found if path.suffix not in NO_PROGRAMS}:
        with contextlib.suppress(GuestError):
            words = _emulated(partial, _program(partial, name))
            _write_script(folder / name, [word.replace(str(partial), str(tree)) for word in words])
    for other, name in OTHER_NAMES.items():
        if (folder / name).exists() and not (folder / other).exists():
            (folder / other).symlink_to(name)


def lend_programs(tree: Path, programs: Path, folder: Path) -> None:
    """Make scripts in `folder` that start in the guest what is in another folder, `programs`. Raises OSError."""
    folder.mkdir(exist_ok=True)
    for path in programs.iterdir():
        with contextlib.suppress(GuestError):
            _write_script(folder / path.name, _emulated(tree, _program(tree, str(path))))


def package_alone(folder: Path) -> dict[str, str]:
    """Link this package into an empty folder, and return the environment in which a guest's Python finds it there.

    Of the host's packages the guest sees no other: they are built for the host.
    """
    (folder / "endianproof").symlink_to(Path(endianproof.__file__).resolve().parent)
    return {"PYTHONPATH": str(folder)}
