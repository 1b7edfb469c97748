"""`endianproof run`: pytest with the same options, for whoever does not think of pytest first."""

from __future__ import annotations

import os
import sys

import click

__all__ = ["command"]

NAMES_A_TESTEE = ("--loader", "--saver", "--testee")


def _names_a_testee(argument: str) -> bool:
    return argument.split("=", 1)[0] in NAMES_A_TESTEE


@click.command(
    name="run",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]},
    options_metavar="--loader=LOADER | --saver=SAVER | --testee=COMMAND [PYTEST OPTIONS]",
)
@click.argument("arguments", metavar="", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Test a loader or a saver: the same options as pytest's, and the same exit codes.

    \b
    endianproof run --loader=mypkg.load                  a loader of this Python, by its dotted path
    endianproof run --loader=mypkg.load --guest=s390x    the same, on an emulated big-endian machine
    endianproof run --saver=mypkg.save                   a saver, by what the files say that it writes
    endianproof run --testee="node adapter.mjs"          any program that speaks the testee protocol
    endianproof run --loader=mypkg.load --format=safetensors -k bfloat16 -x

    `pytest --help` lists the options, in the section on endianproof.
    """  # noqa: D301 - click's mark for lines that it must not join
    if not any(map(_names_a_testee, arguments)):
        raise click.UsageError("nothing to test: give --loader=mypkg.load, --saver=mypkg.save or --testee=COMMAND")
    # By its entry point's name: so pytest finds the plugin even where plugins are not loaded by themselves, and
    # knows it for the same where they are. In a process of its own, where pytest imports the plugin first: here it
    # is imported already, and pytest warns that it cannot rewrite its asserts.
    argv = [sys.executable, "-m", "pytest", "-p", "endianproof", *arguments]
    os.execv(sys.executable, argv)  # noqa: S606 (no shell is wanted)
