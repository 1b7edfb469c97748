"""How a testee's process is started: here or in a guest, the suite's own Python testee or any program."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from endianproof.conformance.installed import how_to_get
from endianproof.conformance.named import named, named_program, named_saver
from endianproof.conformance.unstartable import why_absent, why_refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from endianproof.conformance.named import NamedTestee

__all__ = [
    "GuestLike",
    "Launch",
    "TesteeStartError",
    "by_hand",
    "program_testee",
    "python_testee",
    "refused",
    "saver_testee",
]

TESTEE = Path(__file__).with_name("testee") / "__main__.py"
# Where QEMU's user emulation finds the host's own root: it looks every other absolute path up in the guest's tree
# first, so a folder that both have (/tmp, /usr/src) would show the guest's files.
HOST_ROOT = "/proc/self/root"


class GuestLike(Protocol):
    """What is needed of `endianproof.qemu.Guest`."""

    @property
    def name(self) -> str:
        """The guest's name, for messages."""
        ...

    @property
    def tree(self) -> Path:
        """The folder that holds the guest's files."""
        ...

    def command(self, argv: Sequence[str], env: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
        """Return the host's argv and environment that run `argv` in the guest."""
        ...


class TesteeStartError(Exception):
    """There is no testee to judge. The message says what happened; `hint` says what to do."""

    __test__ = False  # no test class, whatever its name makes pytest think

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Launch:
    """One process to start. `what` is the option that asked for it; `hint` what to try when it does not start.

    `emulated` says that the process is QEMU, and the program one of a guest's.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    what: str
    hint: str = ""
    emulated: bool = False


def _seen_from(guest: GuestLike | None, folder: Path) -> str:
    """The path under which the testee's process sees a folder of the host's."""
    absolute = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve() would follow links, which sys.path must keep)
    if guest is not None and (guest.tree / absolute.relative_to("/")).is_dir():
        return HOST_ROOT + str(absolute)
    return str(absolute)


def _launch(argv: Sequence[str], guest: GuestLike | None, what: str, hint: str) -> Launch:
    env = dict(os.environ)
    if guest is not None:
        env.pop("PYTHONPATH", None)  # its folders come last in a guest: they may hold packages built for the host
        argv, env = guest.command(argv, env)
    return Launch(tuple(argv), env, Path.cwd(), what, hint, emulated=guest is not None)


def _python_path() -> list[Path]:
    return [Path(folder) for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]


def _python_launch(
    options: Sequence[str],
    what: str,
    paths: Sequence[Path],
    guest: GuestLike | None,
    overlay: Path | None,
    *,
    known: NamedTestee | None,
) -> Launch:
    """Modules are looked for in `overlay`, where the user stands, in `paths`, then in what is installed there."""
    given = [*([overlay] if overlay else []), Path.cwd(), *paths]
    folders = list(dict.fromkeys(Path(os.path.abspath(folder)) for folder in given))  # noqa: PTH100 (see _seen_from)
    places = [f"--path={_seen_from(guest, folder)}" for folder in folders]
    if guest is not None:
        places += [f"--path-last={_seen_from(guest, folder)}" for folder in _python_path()]
    argv = ["python3" if guest is not None else sys.executable, str(TESTEE), *places, *options]
    side = f"guest {guest.name}'s packages" if guest is not None else f"the packages of {sys.executable}"
    beside = _in_src(what.partition("=")[2], folders)
    looked = ", ".join(str(folder) for folder in folders)
    if known:
        advice = how_to_get(known, in_guest=guest is not None)
    else:
        advice = "--with=NAME==VERSION puts a package in front"
        if guest is not None:  # numpy, for one, has no wheel for s390x
            advice += f", endianproof guest install {guest.name} python3-NAME adds one of Debian's, and"
            advice += " --with=NAME --build-in-guest compiles one that has no wheel for the guest"
    hint = f"modules are looked for in {looked}, then among {side}; {beside}{advice}"
    return _launch(argv, guest, what, hint)


def _in_src(path: str, folders: Sequence[Path]) -> str:
    """The advice for a module of the project where the user stands that only building it makes importable."""
    here, name = Path.cwd(), path.replace(":", ".").partition(".")[0]
    if not (here / "pyproject.toml").is_file() or not _holds(here / "src", name):
        return ""
    if any(_holds(folder, name) for folder in folders):  # found, then: what failed is something else
        return ""
    return f"{name} is in this project's src: --with=. builds the project and puts it in front; "


def _holds(folder: Path, name: str) -> bool:
    return any((folder / one).is_file() for one in (f"{name}/__init__.py", f"{name}.py"))


def _of_table(known: NamedTestee | None) -> list[str]:
    """The options that a table's entry adds, for loaders and savers alike."""
    if known is None:
        return []
    keywords = [f"--keywords={json.dumps(dict(known.keywords))}"] if known.keywords else []
    imports = [f"--import={module}" for module in known.imports]
    return [*keywords, *imports, *([f"--name={known.name}"] if known.by_glue else [])]


def python_testee(
    loader: str,
    takes: str,
    paths: Sequence[Path],
    guest: GuestLike | None,
    overlay: Path | None,
    *,
    lists: bool = False,
) -> Launch:
    """Describe the process that serves one Python loader, by its dotted path or the name of a named testee.

    Modules are looked for in `overlay`, where the user stands, in `paths`, then in what is installed on the
    testee's side. `takes` is path, bytes or file; a named testee knows better. `lists` says that plain lists of
    numbers are tensors. Raises what `guest.command` raises.
    """
    known = named(loader)
    options = [f"--takes={known.takes if known else takes}", f"--loader={known.calls if known else loader}"]
    options += [*_of_table(known), *(["--lists"] if lists else [])]
    return _python_launch(options, f"--loader={loader}", paths, guest, overlay, known=known)


def saver_testee(
    saver: str, gives: str | None, paths: Sequence[Path], guest: GuestLike | None, overlay: Path | None
) -> Launch:
    """Describe the process that serves one Python saver, likewise.

    `gives` is torch or numpy, None for the default.
    """
    known = named_saver(saver)
    if known is None:
        options = [f"--saver={saver}", *([f"--gives={gives}"] if gives else [])]
    else:
        options = [f"--saver={known.calls}", f"--gives={known.gives}", f"--returns={known.returns}"]
        options += _of_table(known)
    return _python_launch(options, f"--saver={saver}", paths, guest, overlay, known=known)


def refused(launch: Launch, error: OSError) -> TesteeStartError:
    """What to raise where the system did not start a process that was described so."""
    why, hint = why_refused(launch.argv[0], error)
    return TesteeStartError(f"{launch.what}: {why}", hint or launch.hint)


def by_hand(command_line: str, guest: str | None) -> str:
    """How the user sees what a program says, message by message; `guest` is a guest's name."""
    in_guest = f" --guest={guest}" if guest else ""
    return f"step by step: endianproof protocol check --testee={shlex.quote(command_line)}{in_guest}"


def program_testee(command_line: str, guest: GuestLike | None, home: Path | None = None) -> Launch:
    """Describe the process of any program that speaks the testee protocol, as the user typed it.

    It runs in `home`, or where the user stands, and is looked for from there.

    Raises TesteeStartError for a command line that is empty, badly quoted or names no program, and what
    `guest.command` raises.
    """
    what = f"--testee={command_line}"
    known = named_program(command_line)
    try:
        argv = list(known.program) if known else shlex.split(command_line)
    except ValueError as error:
        raise TesteeStartError(f"{what}: the command line cannot be read: {error}") from error
    if not argv:
        raise TesteeStartError("--testee is empty; expected a command line, such as --testee='node adapter.mjs'")
    try:
        if "/" in argv[0] and home is not None and (home / argv[0]).is_file():
            argv[0] = str((home / argv[0]).absolute())
        absent = why_absent(argv[0], home or Path.cwd()) if guest is None and not shutil.which(argv[0]) else None
    except OSError as error:  # a folder above it that may not be searched
        raise TesteeStartError(f"{what}: {error.filename} cannot be looked up: {error.strerror}") from error
    if absent:
        why, hint = absent
        raise TesteeStartError(f"{what}: {why}", hint)
    hint = (
        how_to_get(known, in_guest=guest is not None)
        if known
        else by_hand(command_line, guest.name if guest else None)
    )
    launch = _launch(argv, guest, what, hint)
    return replace(launch, cwd=home) if home is not None else launch
