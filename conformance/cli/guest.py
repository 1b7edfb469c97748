"""`endianproof guest`: the emulated s390x systems that --guest runs a testee in."""

from __future__ import annotations

import os
import time
from typing import Any, NoReturn

import click

from endianproof.conformance.signals import heed_until
from endianproof.qemu import (
    Guest,
    GuestError,
    builder,
    cache_root,
    guest,
    guests,
    install,
    last_use,
    leavings,
    other_trees,
    programs_folder,
    prune,
    remove,
    tree_bytes,
    ways,
)

__all__ = ["command"]

USAGE_ERROR = 2
SHOWN = ("numpy", "safetensors", "torch")
UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"))
# A program's own options are not ours.
PASSED_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}


class _Failure(click.ClickException):
    """A GuestError, shown as its message and, below it, what to do."""

    exit_code = USAGE_ERROR

    def __init__(self, error: GuestError) -> None:
        super().__init__(f"{error}\n{error.hint}" if error.hint else str(error))


class _Command(click.Command):
    """A command whose GuestErrors and failing files are a user's to read."""

    def invoke(self, ctx: click.Context) -> Any:
        heed_until(ctx.call_on_close)  # a set-up that is terminated ends mmdebstrap and QEMU, too
        try:
            return super().invoke(ctx)
        except GuestError as error:
            raise _Failure(error) from error
        except BrokenPipeError:  # whoever reads what is listed has read enough
            raise
        except OSError as error:
            hint = f"guests are kept in {cache_root()}; ENDIANPROOF_CACHE names another folder"
            raise _Failure(GuestError(str(error), hint)) from error


class _Group(click.Group):
    command_class = _Command


def _say(text: str) -> None:
    click.echo(text, err=True)


def _megabytes(count: int) -> str:
    return f"{count / 10**6:.0f} MB"


@click.group(name="guest", cls=_Group)
def command() -> None:
    """Set up, list and use the emulated big-endian systems.

    QEMU runs each program of a guest as an ordinary process of yours, with your files: there is no boot and no
    chroot, and neither root, binfmt_misc nor a user namespace is needed. A guest of your own is a table in
    pyproject.toml:

    \b
    [tool.endianproof.guests.mine]
    suite = "sid"
    packages = ["python3-numpy", "nodejs"]
    wheels = ["safetensors==0.7.0"]
    """  # noqa: D301 (the backspace is click's: what follows is not wrapped)


@command.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def setup(names: tuple[str, ...]) -> None:
    """Set up guests, unless they are.

    pytest --guest does the same when it first needs one. Guests are kept in the user's cache folder, or in
    ENDIANPROOF_CACHE; their packages come from Debian's mirrors, or from ENDIANPROOF_DEBIAN_MIRROR.
    """
    for one in [guest(name) for name in names]:
        _tell(one, one.setup(_say))
    _tell_ways()


@command.command(name="list")
def list_guests() -> None:
    """List the guests: which are set up, what is in them, and what they take on disk."""
    for name, one in guests().items():
        names = " ".join((name, *(f"({alias})" for alias in one.aliases)))
        click.echo(f"{names:<18} {_described(one) if one.is_ready() else 'not set up'}")
    for whole in map(builder, guests().values()):
        if whole.is_ready():
            click.echo(f"{whole.name} has a tree beside it to build in, {_megabytes(whole.facts()['bytes'])}")
    for path in other_trees():
        size = _megabytes(tree_bytes(path))
        click.echo(f"another recipe's, or unfinished; endianproof guest prune removes it: {path}, {size}")
    if fetched := sum(map(tree_bytes, leavings())):
        click.echo(f"also fetched, and removed by endianproof guest prune --all: {_megabytes(fetched)}")
    click.echo(f"kept in {cache_root()}")
    _tell_ways()


@command.command(name="install")
@click.argument("name")
@click.argument("packages", metavar="PACKAGE...", nargs=-1, required=True)
def install_packages(name: str, packages: tuple[str, ...]) -> None:
    """Add Debian packages (nodejs) or wheels (safetensors==0.7.0) to a guest.

    They stay until the guest is removed. For others, and for CI, describe a guest of your own in pyproject.toml.
    """
    whole = install(guest(name), packages, _say)
    _tell(whole, whole.tree)


@command.command(name="exec", context_settings=PASSED_ON)
@click.argument("name")
@click.argument("program")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def execute(name: str, program: str, arguments: tuple[str, ...]) -> NoReturn:
    """Run a program in a guest: one of its own (python3), or a file that is built for s390x (./loader)."""
    one = _ready(name)
    argv, env = one.command([program, *arguments], os.environ)
    os.execvpe(argv[0], argv, env)  # noqa: S606 (a shell is what it is to do without)


@command.command()
@click.argument("name")
def shell(name: str) -> NoReturn:
    """Start your own shell, in which the guest's programs are found first.

    python3 is the guest's there, emulated; what the guest does not have is this machine's.
    """
    one = _ready(name)
    env = one.environment(os.environ)
    mine = os.environ.get("SHELL") or "sh"
    _say(f"programs of guest {one.name}, in {programs_folder(one.tree)}, come first; exit leaves them")
    os.execvpe(mine, [mine], env)  # noqa: S606 (it is the shell)


@command.command(name="remove")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def remove_guests(names: tuple[str, ...]) -> None:
    """Remove guests, and what was installed into them; not while something runs in them.

    What was downloaded for them is kept, and makes the next set-up quick; endianproof guest prune --all
    removes it.
    """
    for one in [guest(name) for name in names]:
        freed = remove(one, _say)
        click.echo(f"{one.name}: {f'{_megabytes(freed)} freed' if freed else 'was not set up'}")


@command.command(name="prune")
@click.option("--all", "everything", is_flag=True, help="Also what was downloaded for guests and for --with.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def prune_trees(*, everything: bool, dry_run: bool) -> None:
    """Remove trees that no guest known here has: of other releases of the suite, other projects, broken set-ups.

    Another project's guests are among them, and are set up anew when it needs them.
    """
    folders = [*other_trees(), *(leavings() if everything else ())]
    for path in folders:
        used = last_use(path)
        when = "" if used is None else f", last used {_ago(time.time() - used)}"
        click.echo(f"{'would remove' if dry_run else 'removing'} {path}, {_megabytes(tree_bytes(path))}{when}")
    if not folders:
        click.echo("there is nothing to remove")
    elif not dry_run:
        click.echo(f"{_megabytes(prune(folders))} freed")


def _ready(name: str) -> Guest:
    one = guest(name)
    one.setup(_say)
    return one


def _tell_ways() -> None:
    direct, others = ways()
    click.echo(f"run by {direct}")
    click.echo(f"what a guest's program starts itself runs {others}")


def _tell(one: Guest, tree: object) -> None:
    click.echo(f"{one.name}: {_described(one)}, in {tree}")


def _described(one: Guest) -> str:
    """What a guest that is set up contains."""
    facts = one.facts()
    versions = facts["packages"].items()
    packages = [f"{name} {version}" for name, version in versions if name in SHOWN]
    sizes = [_megabytes(facts["bytes"]), f"set up {_ago(one.age())}"]
    return ", ".join(["s390x, big-endian", f"Python {facts['python']}", *packages, *sizes])


def _ago(seconds: float) -> str:
    """How long ago, in the largest unit of which at least two have passed."""
    for unit, name in UNITS:
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name} ago"
    return "just now"
