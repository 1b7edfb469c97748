"""`endianproof guest`: the emulated s390x systems that --guest runs a testee in."""

from __future__ import annotations

import click

from endianproof.qemu import Guest, GuestError, cache_root, guest, guests, other_trees

__all__ = ["command"]

USAGE_ERROR = 2
SHOWN = ("numpy", "safetensors", "torch")


class _Failure(click.ClickException):
    """A GuestError, shown as its message and, below it, what to do."""

    exit_code = USAGE_ERROR

    def __init__(self, error: GuestError) -> None:
        super().__init__(f"{error}\n{error.hint}" if error.hint else str(error))


def _say(text: str) -> None:
    click.echo(text, err=True)


@click.group(name="guest")
def command() -> None:
    """Set up and list the emulated big-endian systems."""


@command.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def setup(names: tuple[str, ...]) -> None:
    """Set up guests, unless they are.

    pytest --guest does the same when it first needs one. Guests are kept in the user's cache folder, or in
    ENDIANPROOF_CACHE; their packages come from Debian's mirrors, or from ENDIANPROOF_DEBIAN_MIRROR.
    """
    try:
        chosen = [guest(name) for name in names]
        for one in chosen:
            tree = one.setup(_say)
            click.echo(f"{one.name}: {_described(one)}, in {tree}")
    except GuestError as error:
        raise _Failure(error) from error


@command.command(name="list")
def list_guests() -> None:
    """List the guests: which are set up, what is in them, and what they take on disk."""
    try:
        known = guests()
        for name, one in known.items():
            names = " ".join((name, *(f"({alias})" for alias in one.aliases)))
            click.echo(f"{names:<18} {_described(one) if one.is_ready() else 'not set up'}")
        for path in other_trees():
            click.echo(f"another recipe's, or unfinished; if nothing runs, it can be removed: {path}")
    except GuestError as error:
        raise _Failure(error) from error
    click.echo(f"kept in {cache_root()}")


def _described(one: Guest) -> str:
    """What a guest that is set up contains."""
    facts = one.facts()
    versions = facts["packages"].items()
    packages = ", ".join(f"{name} {version}" for name, version in versions if name in SHOWN)
    return f"s390x, big-endian, Python {facts['python']}, {packages}, {facts['bytes'] // 10**6} MB"
