"""`endianproof matrix`: which testees, which versions, which guests, as one YAML file says."""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from endianproof.conformance.counting import counted
from endianproof.conformance.matrix import (
    HOST,
    Earlier,
    MatrixError,
    damaged_records,
    github_matrix,
    make_plan,
    read_matrix,
    read_records,
    run_jobs,
    table,
)
from endianproof.conformance.processors import processors, too_many
from endianproof.qemu import GuestError, guest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from endianproof.conformance.matrix import Cell, Job, Plan

__all__ = ["command"]

INTERRUPTED = 2


class _Command(click.Command):
    """A command with everything behind `--` put aside: that is for each cell's pytest."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        mark = args.index("--") if "--" in args else len(args)
        ctx.obj = tuple(args[mark + 1 :])
        return super().parse_args(ctx, args[:mark])

    def invoke(self, ctx: click.Context) -> Any:
        """What a user can mend is told without a traceback."""
        try:
            return super().invoke(ctx)
        except GuestError as error:
            raise _Failure(f"{error}\n{error.hint}".strip()) from error
        except BrokenPipeError:  # whoever reads what is listed has read enough
            raise
        except (MatrixError, OSError) as error:
            raise _Failure(str(error)) from error


class _Failure(click.ClickException):
    """Something that a user can mend."""

    exit_code = 2


@dataclass(frozen=True)
class _Wish:
    """The options."""

    globs: tuple[str, ...]
    factors: tuple[str, ...]
    show_ids: bool
    emit: str | None
    show: bool
    output: Path
    workers: int | None
    resume: bool
    failed: bool
    exitfirst: bool


def _factors(given: Sequence[str]) -> list[str]:
    return [word for text in given for word in text.replace(",", "-").split("-") if word]


def _list(cells: Sequence[Cell]) -> None:
    for cell in cells:
        click.echo(f"{cell.id}  not run: {cell.excluded}" if cell.excluded else cell.id)


def _workers(asked: int | None, jobs: Sequence[Job]) -> int:
    """How many at a time; without pytest-xdist, one. Raises MatrixError."""
    if asked and (why := too_many(asked)):
        raise MatrixError(f"--workers={asked}: {why}")
    wanted = min(asked or processors(), len(jobs))
    if wanted > 1 and importlib.util.find_spec("xdist") is None:
        how = "pip install pytest-xdist (or endianproof[matrix]) runs several"
        if asked:
            raise MatrixError(f"--workers={asked} needs pytest-xdist, which is not installed: {how}")
        click.echo(f"one cell at a time: {how}", err=True)
        return 1
    return wanted


def _prepare(plan: Plan, cells: Sequence[Cell], folder: Path) -> Earlier:
    """Make the folder, without the records that the run is to write, and set up the guests that it needs."""
    _check_room(folder)
    todo = {job.id for job in plan.jobs}
    for name in dict.fromkeys(cell.guest for cell in cells if cell.id in todo and cell.guest != HOST):
        guest(name).setup(lambda text: click.echo(text, err=True))
    earlier = Earlier.of(cells, folder, plan.jobs)
    earlier.take_away()
    return earlier


def _check_room(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise MatrixError(
            f"the records cannot be written to {folder}: {error}\n--output=FOLDER names another folder"
        ) from error


def _finish(
    ctx: click.Context, cells: Sequence[Cell], wish: _Wish, code: int = 0, kept: Sequence[str] = ()
) -> None:
    """Show what the cells came to. All is well only if each of them passed."""
    records = read_records(cells, wish.output)
    click.echo("\n".join(table(cells, records, kept, damaged_records(cells, wish.output, records))))
    click.echo(f"records: {wish.output.resolve()}")
    well = all(cell.excluded or records.get(cell.id, {}).get("verdict") == "passed" for cell in cells)
    ctx.exit(code or (0 if well else 1))


def _run(ctx: click.Context, file: Path, cells: Sequence[Cell], wish: _Wish) -> None:
    resume = wish.resume or wish.failed
    plan = make_plan(cells, wish.output, ctx.obj, resume=resume, again_failed=wish.failed)
    if not plan.jobs and not plan.kept:
        raise MatrixError(f"{file}: nothing to run: every cell that was chosen is excluded")
    workers = _workers(wish.workers, plan.jobs)
    earlier = _prepare(plan, cells, wish.output)
    kept = f", {len(plan.kept)} kept" if plan.kept else ""
    together = f", {workers} at a time" if workers > 1 else ""
    click.echo(f"{file}: {counted(len(plan.jobs), 'cell')} to run{together}{kept}")
    code = run_jobs(plan.jobs, workers, first_failure=wish.exitfirst) if plan.jobs else 0
    if code == INTERRUPTED:
        click.echo("interrupted: --resume goes on with the cells that have no record")
    back = earlier.put_back()
    for name in back:
        click.echo(f"{name}: nothing was run: its earlier record stays")
    _finish(ctx, cells, wish, code, (*plan.kept, *back))


@click.command(name="matrix", cls=_Command)
@click.argument("file", default="matrix.yaml", type=click.Path(path_type=Path))
@click.option(
    "--cell", "globs", multiple=True, metavar="ID", help="Only these cells: an id or a glob (repeatable)."
)
@click.option(
    "--factors", multiple=True, metavar="WORDS", help="Only cells that have all of these words, as torch-s390x."
)
@click.option("--list", "show_ids", is_flag=True, help="List the cells and run nothing.")
@click.option("--emit", type=click.Choice(["github"]), help="Print the cells as a CI system's matrix, as JSON.")
@click.option("--show", is_flag=True, help="Show the records that are there, of every machine, and run nothing.")
@click.option(
    "--output",
    default="endianproof-matrix",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the records are written.  [default: endianproof-matrix]",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="So many cells at a time.  [default: one per processor]"
)
@click.option("--resume", is_flag=True, help="Keep the cells whose record is of what would be run now.")
@click.option("--failed", is_flag=True, help="Likewise, but run those again that did not pass.")
@click.option("-x", "--exitfirst", is_flag=True, help="Stop at the first cell that does not pass.")
@click.pass_context
def command(ctx: click.Context, /, file: Path, **options: Any) -> None:
    """Run testees of several versions on several guests, as FILE says (default: matrix.yaml).

    Each cell is one pytest run of its own, and leaves one record. What follows `--` is given to each:
    endianproof matrix --factors=torch -- -k bfloat16
    """
    wish = _Wish(**options)
    cells = read_matrix(file).select(wish.globs, _factors(wish.factors))
    if wish.show_ids:
        _list(cells)
    elif wish.emit:
        click.echo(github_matrix(cells, file, ctx.obj))
    elif wish.show:
        _finish(ctx, cells, wish)
    else:
        _run(ctx, file, cells, wish)
