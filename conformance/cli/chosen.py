"""The options that choose a loader, and what it may take: those of pytest, for commands that do without it."""

from __future__ import annotations

import contextlib
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import click
import pytest

from endianproof.conformance.given import Given, given_twice
from endianproof.conformance.launch import TesteeStartError
from endianproof.conformance.limits import LimitError, read_limits
from endianproof.conformance.options import LIMITS, OPTIONS, TESTEES
from endianproof.conformance.settings import checked_builds, checked_requirements, checked_takes, guest_name
from endianproof.conformance.starting import start
from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from endianproof.conformance.client import TesteeProcess
    from endianproof.conformance.limits import Limits
    from endianproof.conformance.options import Option

__all__ = ["Chosen", "chosen_options", "clean_end", "limits_of", "running"]

INTERRUPTED = 130  # the exit code of a program that Ctrl-C ended, as shells have it


@dataclass(frozen=True)
class Chosen:
    """The testee that the options choose, in the form that `starting.start` takes; none where neither is given."""

    loader: str | None = None
    testee: str | None = None
    guest: str | None = None
    requirements: tuple[str, ...] = ()
    takes: str = "path"
    builds: bool = False
    saver: str | None = None
    lists: bool = False
    gives: str | None = None

    @classmethod
    def of(cls, options: dict[str, Any]) -> Chosen | None:
        """Read from a command's parameters. Raises click.UsageError for what cannot be followed."""
        loader, testee = options["loader"], options["testee"]
        if loader is None and testee is None:
            stray = [option.flag for option in (*OURS, *LIMITS) if options[option.key]]
            if stray:
                raise click.UsageError(f"{stray[0]} goes with --loader or --testee")
            return None
        if loader is not None and testee is not None:
            raise click.UsageError("--loader and --testee exclude each other: one run tests one testee")
        try:
            return cls(
                loader=loader,
                testee=testee,
                guest=guest_name(options["guest"]),
                requirements=checked_requirements(options["with"], testee),
                takes=checked_takes(options["takes"], loader),
                builds=checked_builds(_given(options)),
            )
        except pytest.UsageError as error:
            raise click.UsageError(str(error)) from error


def _given(options: dict[str, Any]) -> Given:
    return Given({option.key: options[option.key] for option in OURS if options[option.key]})


def _declared(option: Option) -> Callable[..., Any]:
    """A row of pytest's table as click's option."""
    if option.switch:
        return click.option(
            option.flag, option.key, is_flag=True, help=f"{option.text[0].upper()}{option.text[1:]}."
        )
    kind = click.Choice(option.choices) if option.choices else option.kind
    text = f"{option.text[0].upper()}{option.text[1:]}."
    once = option in TESTEES
    return click.option(
        option.flag,
        option.key,
        metavar=option.metavar,
        type=kind,
        help=text,
        multiple=once or option.repeatable,
        callback=_only if once else None,
    )


def _only(_ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> str | None:
    """The one that was given. Raises click.UsageError for two of them, as pytest's side does."""
    if len(set(given)) > 1:
        raise click.UsageError(given_twice(param.opts[0], given))
    return given[0] if given else None


USED = ("loader", "testee", "guest", "with", "builds", "takes")
FORMAT = click.option(
    "--format",
    "format_name",
    type=click.Choice(list(load_spec().formats)),
    help="What the files are. Default: what their contents say.",
)
QUIET = click.option("--quiet", "-q", is_flag=True, help="No progress.")
OURS = tuple(option for option in OPTIONS if option.key in USED)


def chosen_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of this module."""
    for option in reversed((*map(_declared, OURS), FORMAT, *map(_declared, LIMITS), QUIET)):
        command = option(command)
    return command


def limits_of(options: dict[str, Any]) -> Limits:
    """What a testee may take. Raises click.UsageError."""
    try:
        return read_limits(options)
    except LimitError as error:
        flag = next(option.flag for option in LIMITS if option.key == error.key)
        raise click.UsageError(f"{flag}: {error}") from error


@contextlib.contextmanager
def running(chosen: Chosen, limits: Limits, say: Callable[[str], None]) -> Iterator[TesteeProcess]:
    """The testee, started; it ends with the context. Raises click.UsageError where it cannot be had."""
    try:
        with start(chosen, [], say, limits) as testee:
            yield testee
    except pytest.UsageError as error:
        raise click.UsageError(str(error)) from error
    except TesteeStartError as error:
        raise click.UsageError("\n".join(filter(None, (str(error), error.hint)))) from error


def _end(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)  # through every `finally`: the testee is ended


@contextlib.contextmanager
def clean_end() -> Iterator[None]:
    """End the testee with this process, also by a signal; Ctrl-C has an exit code of its own."""
    heeded = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is signal.SIG_DFL]
    for number in heeded:  # under nohup SIGHUP is ignored, and stays so
        signal.signal(number, _end)
    try:
        yield
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)
