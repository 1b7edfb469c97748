"""Why a program does not start: found out from its file, and told with what to do."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

__all__ = ["why_absent", "why_refused"]

ELF = b"\x7fELF"
WINDOWS = b"MZ"
# By word size and byte order (bytes 4 and 5), then by machine (bytes 18 and 19).
S390X = (b"\x02\x02", b"\x00\x16")


def why_absent(program: str, folder: Path) -> tuple[str, str]:
    """Say why a program's name, as a user typed it in `folder`, leads to nothing to start, and what to do."""
    path = folder / program
    if path.is_dir():
        return f"{program} is a folder", "name the program in it"
    if path.is_file() and "/" not in program:
        hint = f"a program of this folder is written ./{program}; a script's interpreter comes before it"
        return f"{program!r} is a file here and no program on PATH", hint
    if path.is_file():
        return f"{program} may not be executed", f"chmod +x {program}, or name its interpreter before it"
    return f"there is no program {program!r}", f"it is looked for on PATH or, with a slash in it, from {folder}"


def why_refused(program: str, error: OSError) -> tuple[str, str]:
    """Say why the system did not start a program that is there, and what to do, "" where that is unclear."""
    found = shutil.which(program)
    try:
        with Path(found or program).open("rb") as file:
            head = file.read(256)
    except OSError:
        head = b""
    refused = f"{program} cannot be started: {error.strerror}"
    if head[:2] == b"#!":
        return _of_script(program, refused, head)
    if head[:4] == ELF:
        return _of_another_machine(program, refused, head)
    if head[:2] == WINDOWS:
        return f"{program} is a program for Windows or .NET", f"name what runs it: --testee='mono {program}'"
    if head:
        return f"{program} is neither a program nor a script that begins with #!", "name its interpreter before it"
    return refused, ""


def _of_script(program: str, refused: str, head: bytes) -> tuple[str, str]:
    line = head[2:].split(b"\n")[0]
    interpreter = line.decode(errors="replace").strip().partition(" ")[0]
    if interpreter and not Path(interpreter).exists():
        return f"{program} names the interpreter {interpreter}, which is not here", "mend its first line"
    if line.endswith(b"\r"):
        return f"the first line of {program} ends with CR LF, as Windows has it", "save it with LF alone"
    return refused, ""


def _of_another_machine(program: str, refused: str, head: bytes) -> tuple[str, str]:
    with Path(sys.executable).open("rb") as file:
        own = file.read(20)
    if (head[4:6], head[18:20]) == (own[4:6], own[18:20]):
        return refused, ""
    if (head[4:6], head[18:20]) == S390X:
        return f"{program} is built for s390x, and this machine is another", "run it in a guest: --guest=s390x"
    return f"{program} is built for another machine", "build it for this one"
