"""A file that a command is told to write: refused beforehand where it could not be written, and written whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from endianproof._whole_file import unwritable, write_new

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CANNOT", "CannotError", "check_new", "write"]

CANNOT = 2


class CannotError(click.ClickException):
    """What was asked for cannot be had; exit code 2, as for a user's mistake."""

    exit_code = CANNOT


def check_new(path: Path | None, option: str) -> None:
    """Refuse a file that could not be written at the end. Raises click.UsageError."""
    if path is not None and (why := unwritable(path, new=True)):
        raise click.UsageError(f"{option}: {why}")


def write(path: Path, text: str, shown: str) -> None:
    """Write it where nothing is; `shown` is how a message calls it. Raises CannotError."""
    try:
        write_new(path, text)
    except OSError as error:
        raise CannotError(f"{shown} cannot be written: {error.strerror}") from error
