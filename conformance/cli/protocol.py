"""`endianproof protocol`: the testee protocol's page and schema, and a check of a testee by a scripted talk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from endianproof.conformance.checking import check as talk_to
from endianproof.conformance.checking import lines
from endianproof.conformance.cli.chosen import clean_end
from endianproof.conformance.launch import TesteeStartError, program_testee
from endianproof.conformance.limits import Limits
from endianproof.conformance.malformed import PROTOCOL_SCHEMA
from endianproof.qemu import GuestError, guest

if TYPE_CHECKING:
    from endianproof.qemu import Guest

__all__ = ["command"]

PAGE = Path(__file__).resolve().parent.parent / "protocol.md"
USAGE_ERROR = 2


@click.group(name="protocol")
def command() -> None:
    """The testee protocol, by which programs in any language are tested."""


@command.command()
@click.option("--schema", is_flag=True, help="The JSON Schema of its messages instead.")
def show(*, schema: bool) -> None:
    """Print the page that says how to write a testee, twenty lines in any language."""
    click.echo((PROTOCOL_SCHEMA if schema else PAGE).read_text(encoding="utf-8"), nl=False)


class _Failure(click.ClickException):
    """There is nothing to talk to: what happened, and below it what to do."""

    exit_code = USAGE_ERROR

    def __init__(self, error: GuestError | TesteeStartError) -> None:
        super().__init__(f"{error}\n{error.hint}" if error.hint else str(error))


def _guest(name: str | None) -> Guest | None:
    if name is None:
        return None
    found = guest(name)
    found.setup(lambda text: click.echo(text, err=True))
    return found


@command.command()
@click.option("--testee", required=True, metavar="COMMAND", help='The program, such as "node adapter.mjs".')
@click.option("--guest", "guest_name", metavar="NAME", help="Run it in this emulated big-endian system.")
def check(testee: str, guest_name: str | None) -> None:
    """Talk to a testee, in good requests and bad ones; exit code 1 where it leaves the protocol."""
    try:
        with clean_end():
            system = _guest(guest_name)
            order = sys.byteorder if system is None else str(system.facts()["byteorder"])
            found = talk_to(program_testee(testee, system), order, Limits())
    except (GuestError, TesteeStartError) as error:
        raise _Failure(error) from error
    for line in lines(found):
        click.echo(line)
    sys.exit(0 if found.passed else 1)
