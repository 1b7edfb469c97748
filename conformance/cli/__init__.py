"""The command line: a table of commands, each imported when it is called, so that none waits for the others."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from endianproof import __version__
from endianproof.conformance.signals import see_how_processes_end

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["COMMANDS", "LazyCommand", "main"]


@dataclass(frozen=True)
class LazyCommand:
    """A command: the module that has it, under the name `command`, and the line that --help shows for it."""

    module: str
    help: str


COMMANDS: Mapping[str, LazyCommand] = {
    "explain": LazyCommand(
        "endianproof.conformance.cli.explain", "Print a rule, policy, vector, save or known bug in full."
    ),
    "fingerprint": LazyCommand(
        "endianproof.conformance.cli.fingerprint", "Print a digest of each tensor, or check files by one."
    ),
    "doctor": LazyCommand(
        "endianproof.conformance.cli.doctor", "Say what would run, with what, and what is missing."
    ),
    "guest": LazyCommand(
        "endianproof.conformance.cli.guest", "Set up, list and use the emulated big-endian systems."
    ),
    "init": LazyCommand(
        "endianproof.conformance.cli.init", "Write first settings into this project's pyproject.toml."
    ),
    "matrix": LazyCommand(
        "endianproof.conformance.cli.matrix", "Run testees, versions and guests as one YAML file says."
    ),
    "protocol": LazyCommand(
        "endianproof.conformance.cli.protocol", "Show the testee protocol, and check a testee against it."
    ),
    "run": LazyCommand(
        "endianproof.conformance.cli.run", "Test a loader or a saver: pytest, with the same options."
    ),
    "spec": LazyCommand("endianproof.conformance.cli.spec", "Write the specification as pages to read."),
    "testees": LazyCommand(
        "endianproof.conformance.cli.testees", "List the loaders and savers that are known by name."
    ),
    "vectors": LazyCommand("endianproof.conformance.cli.vectors", "List, write and check the golden vectors."),
    "verify": LazyCommand(
        "endianproof.conformance.cli.verify", "Compare what a loader makes of your own file, bit by bit."
    ),
}


class _Commands(click.Group):
    """The commands of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name].module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by the table's own text, which imports none of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in sorted(COMMANDS)])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="endianproof")
def main() -> None:
    """Test tensor file loaders and savers, on little-endian and big-endian machines.

    The tests themselves are run by pytest: pytest --loader=mypkg.load
    """
    see_how_processes_end()
