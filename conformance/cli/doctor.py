"""`endianproof doctor`: what would run, with what, and what is missing, each with the line that mends it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from endianproof import __version__
from endianproof.conformance.given import Given
from endianproof.conformance.project import ProjectError, read_project
from endianproof.conformance.settings import read_settings
from endianproof.conformance.starting import start
from endianproof.conformance.tasks import tally
from endianproof.qemu import GuestError, cache_root, guest, guests, missing_tools, ways

if TYPE_CHECKING:
    from collections.abc import Iterator

    from endianproof.conformance.outcome import TesteeInfo
    from endianproof.conformance.project import Project, ProjectTestee
    from endianproof.conformance.settings import Settings

__all__ = ["command"]

MISSING = 1
LIBRARIES = ("numpy", "ml_dtypes", "torch", "safetensors")
PLUGINS = ("pytest-xdist", "pytest-randomly", "pytest-timeout")
ROOM = 2_000_000_000  # bytes that a guest, its downloads and the largest vectors do with


@dataclass(frozen=True)
class Found:
    """One line: what was looked at, and what was found. `mend` is there where something needed is missing."""

    what: str
    said: str
    mend: str = ""


def _version(name: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return ""


def _versions(names: tuple[str, ...]) -> str:
    return ", ".join(filter(None, map(_version, names))) or "none of " + ", ".join(names)


def _suite() -> Iterator[Found]:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    machine = f"{platform.machine()}, {sys.byteorder}-endian"
    yield Found("suite", f"endianproof {__version__}, {python} ({sys.executable}), {machine}")
    yield Found("libraries", _versions(LIBRARIES))
    yield Found("pytest", f"{_version('pytest')}; plugins: {_versions(PLUGINS)}")


def _settings(project: Project | None, broken: str) -> Found:
    if broken:
        return Found("settings", broken, "mend that file")
    if project is None:
        return Found(
            "settings", "no [tool.endianproof] in a pyproject.toml here or above; endianproof init writes one"
        )
    if not project.testees:
        return Found("settings", f"{project.shown} names no testee", "name one: [tool.endianproof.testees.NAME]")
    return Found("settings", f"{project.shown}: {', '.join(testee.name for testee in project.testees)}")


def _testee(testee: ProjectTestee, file: Path) -> Found:
    """Whether a testee would run: its settings are followed as far as its own introduction."""
    what = f"testee {testee.name}"
    try:
        settings = read_settings(Given(testee.values, testee.places, testee.name, file), set())
        if absent := _absent_guest(settings):
            return Found(
                what,
                f"{_plan(testee, settings)}; guest {absent} is not set up",
                f"endianproof guest setup {absent}",
            )
        return Found(what, f"{_plan(testee, settings)}; {_introduced(settings)}")
    except pytest.UsageError as error:
        message, _, hint = str(error).partition("\n")
        return Found(what, message, hint or "mend the settings")


def _absent_guest(settings: Settings) -> str:
    """The guest that is to be set up first, "" for none."""
    return settings.guest if settings.guest is not None and not guest(settings.guest).is_ready() else ""


def _plan(testee: ProjectTestee, settings: Settings) -> str:
    """What would be run, and under which conditions."""
    formats = ", ".join(dict.fromkeys(task.format for task in settings.tasks))
    unsupported = ", ".join(sorted(settings.unsupported.dtypes))
    baseline = settings.baseline
    parts = (
        f"{testee.kind} {testee.tested}",
        f"{tally(settings.tasks)} of {formats}",
        f"guest {settings.guest}" if settings.guest else "",
        f"with {' '.join(settings.requirements)}" if settings.requirements else "",
        f"without {unsupported}" if unsupported else "",
        f"{len(baseline.entries)} known failures in {baseline.path}" if baseline else "",
        " ".join(settings.limits.changed()),
    )
    return "; ".join(filter(None, parts))


def _introduced(settings: Settings) -> str:
    folders = [settings.folder] if settings.folder else []
    with start(settings, folders, _say, settings.limits, home=settings.folder) as testee:
        return _described(testee.hello())


def _described(info: TesteeInfo) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in sorted(info.packages.items()))
    return f"answers: {info.runtime}, {info.byteorder}-endian, {packages or 'no packages'}"


def _machine(needed: bool) -> Iterator[Found]:
    """What guests need. It is missing only where a testee runs in one."""
    absent, advice = missing_tools()
    if absent:
        yield Found("for guests", f"not here: {absent}", advice if needed else "")
    else:
        yield Found("for guests", "; ".join(ways()))
    ready = [name for name, one in guests().items() if one.is_ready()]
    sizes = [f"{name} ({guests()[name].facts()['bytes'] / 1e6:.0f} MB)" for name in ready]
    others = [name for name in guests() if name not in ready]
    yield Found("guests", f"set up: {', '.join(sizes) or 'none'}; not set up: {', '.join(others) or 'none'}")
    yield _cache(needed)


def _cache(needed: bool) -> Found:
    root = cache_root()
    there = next(folder for folder in (root, *root.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    said = f"{root}, {free / 1e9:.1f} GB free"
    if not os.access(there, os.W_OK):
        return Found("cache", f"{said}, and {there} may not be written to", _elsewhere("of your own"))
    if needed and free < ROOM:
        return Found("cache", f"{said}; a guest may take {ROOM / 1e9:.0f}", _elsewhere("with more room"))
    return Found("cache", said)


def _elsewhere(which: str) -> str:
    return f"set ENDIANPROOF_CACHE to a folder {which}"


def _say(line: str) -> None:
    click.echo(f"endianproof: {line}", err=True)


def _examine(file: str | None) -> Iterator[Found]:
    project, broken = None, ""
    try:
        project = read_project(Path.cwd(), file)
    except ProjectError as error:
        broken = str(error)
    yield from _suite()
    yield _settings(project, broken)
    testees = project.testees if project else ()
    for testee in testees:
        assert project is not None, "it has testees"
        yield _testee(testee, project.path)
    try:
        yield from _machine(needed=any("guest" in testee.values for testee in testees))
    except GuestError as error:
        yield Found("guests", str(error), error.hint or "mend that")


def _show(one: Found) -> None:
    click.echo(f"{'missing' if one.mend else 'ok':<8} {one.what}: {one.said}")
    for line in one.mend.splitlines():
        click.echo(f"{'':<8} {line}")


@click.command(name="doctor")
@click.option(
    "--settings", metavar="FILE", help="This file's settings, not those of the project's pyproject.toml."
)
@click.option("--json", "as_json", is_flag=True, help="The same for programs.")
def command(*, settings: str | None, as_json: bool) -> None:
    """Say what would run, with what, and what is missing.

    Every testee of [tool.endianproof] is started, and asked who it is; no guest is set up for that. Exit code 0
    when all that is needed is there, 1 when something is missing: the line below it mends that.
    """
    found = []
    for one in _examine(settings):
        found.append(one)
        if not as_json:
            _show(one)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
    sys.exit(MISSING if any(one.mend for one in found) else 0)
