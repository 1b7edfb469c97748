"""A small guest, set up for real by the command line, while something goes wrong: a broken download, a full disk,
a kill, a second set-up. Each leaves a working guest or none, and the next set-up succeeds.

Packages come from Debian's mirror once, about 17 MB and 9 MB of lists, and from its own cache folder afterwards.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from broken_mirror import broken_mirror

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.guest

PROJECT = """
[tool.endianproof.guests.tiny]
suite = "trixie"
disk_mb = 20

[tool.endianproof.guests.wheel]
suite = "trixie"
wheels = ["typing_extensions==4.15.0"]
disk_mb = 20
"""
# What fills up while the lists are fetched, while packages are unpacked, and not at all: apt's own index and the
# guest's documentation, which does not stay, take more at the peak than the 40 MB of downloads and 55 MB of tree.
FOR_NO_LISTS_MB, FOR_HALF_A_TREE_MB, ENOUGH_MB = 20, 130, 400
ABSENT = "not set up"


@dataclass(frozen=True)
class Cache:
    """A cache folder and a project with guests of its own: what `endianproof guest` is run with."""

    folder: Path
    project: Path

    @property
    def downloads(self) -> Path:
        return self.folder / "downloads" / "tiny"

    def start(self, *arguments: str, under: tuple[str, ...] = (), **settings: str) -> subprocess.Popen[str]:
        argv = [*under, sys.executable, "-m", "endianproof.conformance.cli", "guest", *arguments]
        return subprocess.Popen(
            argv,
            cwd=self.project,
            env={**os.environ, "ENDIANPROOF_CACHE": str(self.folder), **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, **settings: str) -> tuple[int, str]:
        process = self.start(*arguments, **settings)
        said, _ = process.communicate()
        return process.returncode, said

    def listed(self, name: str = "tiny") -> str:
        _, said = self.run("list")
        return next(line for line in said.splitlines() if line.startswith(name))

    def works(self, name: str = "tiny") -> bool:
        """Whether the guest is listed as set up, and its Python runs."""
        _, said = self.run("exec", name, "python3", "-c", "import sys, json, ctypes, ssl; print(sys.byteorder)")
        return ABSENT not in self.listed(name) and said == "big\n"

    def left(self) -> list[str]:
        """What is among the guests' trees, without the files that are held."""
        return sorted(
            path.name for path in (self.folder / "guests").glob("*") if path.suffix not in {".lock", ".use"}
        )


def make_cache(folder: Path) -> Cache:
    (folder / "project").mkdir(parents=True)
    (folder / "project" / "pyproject.toml").write_text(PROJECT)
    return Cache(folder / "cache", folder / "project")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A cache in which the guest was set up, from the mirror."""
    cache = make_cache(tmp_path_factory.mktemp("made"))
    code, said = cache.run("setup", "tiny")
    assert code == 0, said
    assert cache.works()
    return cache


@pytest.fixture
def cache(made, tmp_path):
    """A cache that has the guest's downloads, and not the guest."""
    found = make_cache(tmp_path)
    for name in ("tiny", "wheel"):
        copy = found.folder / "downloads" / name
        shutil.copytree(made.downloads, copy, ignore=shutil.ignore_patterns("partial", "lock", "auxfiles"))
    return found


def archive(cache: Cache, pattern: str = "libpython3*-stdlib_*.deb") -> Path:
    """The largest of the packages of that name."""
    return max(cache.downloads.glob(f"archives/{pattern}"), key=lambda path: path.stat().st_size)


# --- downloads that are not what they should be -----------------------------------------------------


def altered(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(byte ^ 0xFF for byte in content[middle : middle + 64]) + content[middle + 64 :]


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def test_damaged_packages_are_fetched_anew(cache):
    """apt itself sees that the one is too short; that the other is not what it was is seen when it is unpacked."""
    short, other = archive(cache), archive(cache, "python3*-minimal_*.deb")
    wholes = {path: path.read_bytes() for path in (short, other)}
    short.write_bytes(truncated(wholes[short]))
    other.write_bytes(altered(wholes[other]))
    code, said = cache.run("setup", "tiny")
    assert code == 0, said
    assert "a downloaded package of guest tiny is damaged: packages come from the mirror" in said
    assert {path: path.read_bytes() for path in wholes} == wholes
    assert cache.works()


def test_a_mirror_that_breaks_off_leaves_no_guest_and_the_next_try_goes_on(cache):
    missing = archive(cache)
    whole = missing.read_bytes()
    missing.unlink()
    (cache.downloads / "complete").unlink()
    with broken_mirror(missing.name, whole) as mirror:
        code, said = cache.run("setup", "tiny", ENDIANPROOF_DEBIAN_MIRROR=mirror.url)
        assert code == 2
        assert "a download for guest tiny broke off or was not what the mirror announced" in said
        assert ABSENT in cache.listed()
        assert cache.left() == []
        mirror.mended = True
        code, said = cache.run("setup", "tiny", ENDIANPROOF_DEBIAN_MIRROR=mirror.url)
        assert code == 0, said
    assert missing.read_bytes() == whole
    assert cache.works()


def test_a_damaged_wheel_is_fetched_anew(cache):
    wheel = cache.folder / "downloads" / "wheel" / "wheels" / "typing_extensions-4.15.0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(b"PK\x03\x04 and no more")
    code, said = cache.run("setup", "wheel")
    assert code == 0, said
    assert wheel.stat().st_size > 10_000
    code, said = cache.run("exec", "wheel", "python3", "-c", "import typing_extensions as t; print(t.__name__)")
    assert (code, said) == (0, "typing_extensions\n")


# --- a full disk ------------------------------------------------------------------------------------


WAYS_TO_MOUNT = (
    ("unshare", "--mount"),
    ("unshare", "--user", "--map-root-user", "--mount"),
    ("sudo", "-n", "-E", "unshare", "--mount"),
)


def mounting(folder: Path) -> tuple[str, ...]:
    """Return what is put before a command line, so that it may mount: nothing else makes a disk full for real."""
    for way in WAYS_TO_MOUNT:
        with contextlib.suppress(OSError):
            argv = [*way, "mount", "-t", "tmpfs", "none", str(folder)]
            if subprocess.run(argv, capture_output=True, check=False).returncode == 0:
                return way
    give_up = pytest.fail if os.environ.get("ENDIANPROOF_CI") else pytest.skip
    return give_up("no disk can be made full: neither root, nor a user namespace, nor sudo may mount one here")


def test_a_disk_that_fills_up_leaves_no_guest_and_with_more_room_there_is_one(cache):
    shutil.rmtree(cache.folder / "downloads")
    script = f"""
        mount -t tmpfs -o size={ENOUGH_MB}m small "$ENDIANPROOF_CACHE"
        head -c {ENOUGH_MB - FOR_NO_LISTS_MB}M /dev/zero > "$ENDIANPROOF_CACHE/ballast"
        "$@" setup tiny; echo "== $?"
        truncate -s {ENOUGH_MB - FOR_HALF_A_TREE_MB}M "$ENDIANPROOF_CACHE/ballast"
        "$@" setup tiny; echo "== $?"
        "$@" list; ls "$ENDIANPROOF_CACHE/guests"
        rm "$ENDIANPROOF_CACHE/ballast"
        "$@" setup tiny; echo "== $?"
        "$@" exec tiny python3 -c 'import sys; print(sys.byteorder)'
    """
    process = cache.start(under=(*mounting(cache.folder), "sh", "-c", script, "sh"))
    said, _ = process.communicate()
    first, code, second, other_code, third, last_code, running = re.split(r"^== (\d+)\n", said, flags=re.MULTILINE)
    left, _, _ = third.partition("guest tiny: setting it up")
    assert (code, other_code, last_code, running) == ("2", "2", "0", "big\n"), said
    assert ["Error: no room for guest tiny" in text for text in (first, second)] == [True, True]
    assert ["unpacking packages" in text for text in (first, second)] == [False, True]
    assert f"tiny               {ABSENT}" in left
    assert ".partial" not in left


# --- a kill -----------------------------------------------------------------------------------------


def descendants(process: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            found += [int(path.parent.name)] if parent == process else []
    return [one for child in found for one in (child, *descendants(child))]


def kill(process: subprocess.Popen[str], *, alone: bool) -> None:
    """Kill a set-up alone, as a kernel out of memory does, or with all that it started, as a power cut does."""
    for one in [process.pid, *([] if alone else descendants(process.pid))]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    process.wait()


def still_there(processes: Iterable[int]) -> list[int]:
    """Those that have not ended after a while; the kernel and init need a moment for what was told to end."""
    deadline = time.monotonic() + 30
    while (found := [one for one in processes if Path(f"/proc/{one}").exists()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    said = ""
    while text not in said:
        line = process.stdout.readline()
        assert line, f"it ended before {text!r}:\n{said}"
        said += line


def start_and_kill(cache: Cache, arguments: list[str], moment: str, delay: float, *, alone: bool) -> None:
    """Kill a set-up some time after it says what it is at."""
    process = cache.start(*arguments)
    wait_for(process, moment)
    time.sleep(delay)
    kill(process, alone=alone)
    assert process.returncode == -signal.SIGKILL
    assert process.stdout is not None
    process.stdout.close()


MOMENTS = [
    ("setting it up", 0.0, False),
    ("fetching package lists", 0.3, True),
    ("downloading packages", 0.2, False),
    ("unpacking packages", 0.0, True),
    ("unpacking packages", 1.0, False),
]


def test_a_killed_set_up_leaves_no_guest_and_the_next_one_succeeds(cache):
    """At one moment after the other, in the same cache: each has to do with what the last one left."""
    shutil.rmtree(cache.downloads)
    for moment, delay, alone in MOMENTS:
        start_and_kill(cache, ["setup", "tiny"], moment, delay, alone=alone)
        assert ABSENT in cache.listed(), (moment, delay)
        (cache.downloads / "complete").unlink(missing_ok=True)
    code, said = cache.run("setup", "tiny")
    assert code == 0, said
    assert cache.works()
    assert [name.partition("-")[0] for name in cache.left()] == ["tiny"]


def test_a_terminated_set_up_ends_what_it_started_and_leaves_nothing(cache):
    process = cache.start("setup", "tiny")
    wait_for(process, "unpacking packages")
    started = descendants(process.pid)
    process.terminate()
    said, _ = process.communicate()
    assert process.returncode not in {0, -signal.SIGTERM}, said
    assert started
    assert still_there(started) == []
    assert cache.left() == []


def test_a_killed_installation_leaves_the_guest_as_it_was(cache):
    cache.run("setup", "tiny")
    before = cache.listed()
    start_and_kill(cache, ["install", "tiny", "netbase"], "unpacking packages", 0.3, alone=False)
    assert cache.listed().split(", set up")[0] == before.split(", set up")[0]
    assert cache.works()
    assert [name.partition("-")[0] for name in cache.left()] == ["tiny", "tiny.partial"]


# --- two at once ------------------------------------------------------------------------------------


def test_of_two_set_ups_at_once_one_works_and_the_other_waits_for_it(cache):
    first = cache.start("setup", "tiny")
    wait_for(first, "setting it up")
    second = cache.start("setup", "tiny")
    wait_for(second, f"waiting for another set-up of it (process {first.pid})")
    said = [process.communicate()[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0]
    assert ["unpacking packages" in text for text in said] == [True, False]
    assert all("tiny: s390x, big-endian" in text for text in said)
    assert cache.works()
