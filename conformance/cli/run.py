"""`endianproof run`: pytest with the same options, for whoever does not think of pytest first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from endianproof.conformance.given import NOTHING
from endianproof.conformance.project import ProjectError, read_project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from endianproof.conformance.project import Project

__all__ = ["command"]

NAMES_A_TESTEE = ("--loader", "--saver", "--testee")
ONE_FILE = ("--report", "--junit-xml", "--junitxml")  # which a second testee would write over, or could not write
# Exit codes of a run that was ended from outside: pytest's own, and those of one that a signal killed.
ENDED = {2, *(128 + number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))}
PASSED_ON = (signal.SIGTERM, signal.SIGHUP)

# By its entry point's name: so pytest finds the plugin even where plugins are not loaded by themselves, and knows
# it for the same where they are. In a process of its own, where pytest imports the plugin first: here it is
# imported already, and pytest warns that it cannot rewrite its asserts.
PYTEST = (sys.executable, "-m", "pytest", "-p", "endianproof")


def _option(argument: str) -> str:
    return argument.split("=", 1)[0]


def _settings(arguments: Sequence[str]) -> str | None:
    """What `--settings` is given, in either way of writing it."""
    for place, argument in enumerate(arguments):
        if _option(argument) == "--settings":
            return argument.partition("=")[2] if "=" in argument else next(iter(arguments[place + 1 :]), None)
    return None


def _project(arguments: Sequence[str]) -> Project | None:
    given = _settings(arguments)
    try:
        return None if given == NOTHING else read_project(Path.cwd(), given)
    except ProjectError as error:
        raise click.UsageError(str(error)) from error


def _names(arguments: Sequence[str]) -> list[str]:
    """The testees of the settings, all of which are to run. Raises click.UsageError where there are none."""
    project = _project(arguments)
    if project is None or not project.testees:
        where = f", or in {project.shown}: [tool.endianproof] has none yet" if project else ""
        raise click.UsageError(
            "nothing to test: give --loader=mypkg.load, --saver=mypkg.save or --testee=COMMAND"
            f"{where or '; endianproof init writes settings that do'}"
        )
    names = [testee.name for testee in project.testees]
    file = next((_option(argument) for argument in arguments if _option(argument) in ONE_FILE), None)
    if file and len(names) > 1:
        raise click.UsageError(
            f"{file} is one file, and {project.shown} has {len(names)} testees: add --testee={names[0]}"
        )
    return names


def _run_one(argv: Sequence[str]) -> int:
    """The exit code of one run, as a shell has it: 128 and more for one that a signal killed.

    A signal ends the run in its own way, and then this. A terminal's Ctrl-C reaches the run by itself; what is
    sent to this process alone is passed on.
    """
    process = subprocess.Popen(argv)
    heeded = [number for number in PASSED_ON if signal.getsignal(number) is signal.SIG_DFL]
    before = {number: signal.signal(number, lambda sent, _: process.send_signal(sent)) for number in heeded}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda _sent, _frame: None)
    try:
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _run_each(names: Sequence[str], arguments: Sequence[str]) -> int:
    """Run pytest once for each, one after another; the exit code is the worst."""
    codes: list[int] = []
    for name in names:
        click.secho(f"endianproof: {name}, {len(codes) + 1} of {len(names)}", bold=True, err=True)
        codes.append(_run_one([*PYTEST, f"--testee={name}", *arguments]))
        if codes[-1] in ENDED:
            break
    return max(codes)


@click.command(
    name="run",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]},
    options_metavar="[--loader=LOADER | --saver=SAVER | --testee=COMMAND] [PYTEST OPTIONS]",
)
@click.argument("arguments", metavar="", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Test a loader or a saver: the same options as pytest's, and the same exit codes.

    \b
    endianproof run                                      every testee of [tool.endianproof] in pyproject.toml
    endianproof run --testee=NAME --guest=s390x          one of them, on an emulated big-endian machine
    endianproof run --loader=mypkg.load                  a loader of this Python, by its dotted path
    endianproof run --saver=mypkg.save                   a saver, by what the files say that it writes
    endianproof run --testee="node adapter.mjs"          any program that speaks the testee protocol
    endianproof run --loader=mypkg.load --format=safetensors -k bfloat16 -x

    `pytest --help` lists the options, in the section on endianproof.
    """  # noqa: D301 - click's mark for lines that it must not join
    if any(_option(argument) in NAMES_A_TESTEE for argument in arguments):
        os.execv(PYTEST[0], [*PYTEST, *arguments])  # noqa: S606 (no shell is wanted)
    names = _names(arguments)
    if len(names) > 1:
        sys.exit(_run_each(names, arguments))
    os.execv(PYTEST[0], [*PYTEST, f"--testee={names[0]}", *arguments])  # noqa: S606 (as above)
