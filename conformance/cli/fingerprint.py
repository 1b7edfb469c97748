"""`endianproof fingerprint`: a digest per tensor, to be kept beside a model and checked on any machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from endianproof.conformance.cli.chosen import Chosen, chosen_options, clean_end, limits_of, running
from endianproof.conformance.cli.new_file import CannotError, check_new, write
from endianproof.conformance.counting import counted
from endianproof.conformance.named import formats_of
from endianproof.conformance.verifying import (
    FilesError,
    FingerprintError,
    Progress,
    Run,
    UnreadableError,
    checked,
    fingerprint,
    gather,
    read_fingerprint,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from endianproof.conformance.verifying import Fingerprint, NamedFile

__all__ = ["command"]


def _taken(files: Sequence[NamedFile], chosen: Chosen | None, options: dict[str, Any]) -> Fingerprint:
    progress, limits = Progress(quiet=options["quiet"]), limits_of(options)
    try:
        if chosen is None:
            return fingerprint(files, progress)
        with running(chosen, limits, progress.say) as testee:
            return fingerprint(files, progress, Run(testee, progress))
    except (UnreadableError, FingerprintError) as error:
        raise CannotError(str(error)) from error


def _compare(known: Fingerprint, found: Fingerprint) -> int:
    """Print what differs, and return the exit code."""
    faults = checked(known, found)
    for fault in faults:
        click.echo(fault.text())
    count = len(known.tensors)
    if not faults:
        click.echo(f"same: {counted(count, 'tensor')}, {known.sha256}")
    return 1 if faults else 0


def _write(found: Fingerprint, output: Path | None) -> None:
    if output is None:
        click.echo(found.text(), nl=False)
        return
    write(output, found.text(), str(output))
    click.echo(f"{output}: {counted(len(found.tensors), 'tensor')}, {found.sha256}")


@click.command(name="fingerprint", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@chosen_options
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FINGERPRINT", help="Write it to this new file."
)
@click.option(
    "--check", type=click.Path(path_type=Path), metavar="FINGERPRINT", help="Compare the files with this one."
)
def command(names: tuple[Path, ...], output: Path | None, check: Path | None, **options: Any) -> None:
    """Print a digest of each tensor in FILE, which no byte order, file format or order of tensors changes.

    \b
    endianproof fingerprint model.safetensors -o model.fingerprint.json
    endianproof fingerprint model.pt --check=model.fingerprint.json

    The reference reads the files; with --loader or --testee, the digests are of what a loader makes of them.
    Several files, an index of shards or a folder are one model. Exit code 0: made, or the same; 1: --check found
    a difference; 2: it cannot be had.
    """  # noqa: D301 (click's mark for lines that it must not join)
    chosen = Chosen.of(options)
    if output is not None and check is not None:
        raise click.UsageError("--output and --check exclude each other")
    check_new(output, "--output")
    try:
        known = None if check is None else read_fingerprint(check)
        files = gather(names, options["format_name"], formats_of(chosen.loader or "") if chosen else None)
    except (FingerprintError, FilesError) as error:
        raise click.UsageError(str(error)) from error
    with clean_end():
        found = _taken(files, chosen, options)
        if known is not None:
            sys.exit(_compare(known, found))
        _write(found, output)
