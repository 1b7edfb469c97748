"""`endianproof verify`: whether this file loads right, by this loader, on that byte order."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from endianproof.conformance.cli.chosen import Chosen, chosen_options, clean_end, limits_of, running
from endianproof.conformance.cli.new_file import CANNOT, check_new, write
from endianproof.conformance.named import formats_of
from endianproof.conformance.verifying import (
    DIFFERENT,
    UNJUDGED,
    FilesError,
    FingerprintError,
    Progress,
    Run,
    gather,
    peak_memory,
    read_fingerprint,
    record,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from endianproof.conformance.outcome import TesteeInfo
    from endianproof.conformance.verifying import Fingerprint, NamedFile, Verdict

__all__ = ["command"]

DIFFERENCE = 1


def _fingerprint(path: Path | None) -> Fingerprint | None:
    try:
        return None if path is None else read_fingerprint(path)
    except FingerprintError as error:
        raise click.UsageError(f"--against: {error}") from error


def _files(names: Sequence[Path], options: dict[str, Any]) -> list[NamedFile]:
    read = formats_of(options["loader"]) if options["loader"] else None
    try:
        return gather(names, options["format_name"], read)
    except FilesError as error:
        raise click.UsageError(str(error)) from error


def _described(info: TesteeInfo, guest: str | None) -> str:
    version = f" {info.version}" if info.version else ""
    where = f", guest {guest}" if guest else ""
    return f"endianproof: {info.name}{version}, {info.runtime}, {info.machine}, {info.byteorder}-endian{where}"


def _exit_code(verdicts: Sequence[Verdict]) -> int:
    states = {verdict.state for verdict in verdicts}
    return DIFFERENCE if DIFFERENT in states else CANNOT if UNJUDGED in states else 0


def _summary(verdicts: Sequence[Verdict]) -> str:
    counts = {
        state: sum(verdict.state == state for verdict in verdicts) for state in ("same", DIFFERENT, UNJUDGED)
    }
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


@click.command(name="verify", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@chosen_options
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="FINGERPRINT",
    help="Compare with this fingerprint, of any machine, in place of what the reference reads.",
)
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Write a new file of JSON.")
def command(names: tuple[Path, ...], against: Path | None, report: Path | None, **options: Any) -> None:
    """Load FILE by a loader and by the reference, and compare every tensor, bit by bit.

    \b
    endianproof verify model.safetensors --loader=mypkg.load
    endianproof verify model.safetensors --loader=mypkg.load --guest=s390x
    endianproof verify model.safetensors.index.json --testee="node adapter.mjs"
    endianproof verify model.safetensors --loader=mypkg.load --against=model.fingerprint.json

    FILE is a file of any size, an index of shards, or a folder. Exit code 0: all is the same; 1: something
    differs, or the loader failed; 2: it cannot be judged.
    """  # noqa: D301 (click's mark for lines that it must not join)
    chosen = Chosen.of(options)
    if chosen is None:
        raise click.UsageError("nothing to verify it by: give --loader=mypkg.load or --testee=COMMAND")
    check_new(report, "--report")
    known, files = _fingerprint(against), _files(names, options)
    progress, limits = Progress(quiet=options["quiet"]), limits_of(options)
    verdicts = []
    with clean_end():
        with running(chosen, limits, progress.say) as testee:
            info = testee.hello()
            click.echo(_described(info, chosen.guest))
            for verdict in verify(files, Run(testee, progress), known):
                click.echo(verdict.text())
                verdicts.append(verdict)
        if len(verdicts) > 1:
            click.echo(_summary(verdicts))
        peaks = ", ".join(f"{who} {nbytes / 1e6:.0f} MB" for who, nbytes in peak_memory().items())
        progress.say(f"peak memory: {peaks}")
        if report is not None:
            asked = {
                "loader": chosen.loader,
                "testee": chosen.testee,
                "guest": chosen.guest,
                "with": list(chosen.requirements),
                "against": known.sha256 if known else None,
            }
            text = json.dumps(record(verdicts, info, asked), ensure_ascii=False) + "\n"
            write(report, text, f"--report: {report}")
    sys.exit(_exit_code(verdicts))
