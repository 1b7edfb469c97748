"""Running a program to its end while its output is followed, and ending it when we are interrupted."""

from __future__ import annotations

import collections
import os
import queue
import signal
import subprocess
import threading
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["Finished", "run"]

KEPT_LINES = 400
QUIET_SECONDS = 5.0
GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Finished:
    """How a program ended: its exit code, and the last lines of stdout and stderr together."""

    code: int
    lines: tuple[str, ...]


def _pump(stream: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    with stream:
        for line in stream:
            lines.put(line.rstrip("\n"))
    lines.put(None)


def _follow(stream: IO[str], on_line: Callable[[str], None], on_quiet: Callable[[], None]) -> tuple[str, ...]:
    """Hand on each line as it comes; `on_quiet` is called whenever none has come for a while."""
    kept: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_pump, args=(stream, lines), daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=QUIET_SECONDS)
        except queue.Empty:
            on_quiet()
            continue
        if line is None:
            return tuple(kept)
        kept.append(line)
        on_line(line)


def _end(process: subprocess.Popen[str]) -> None:
    """End a program and all that it started, if it still runs."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    keep_open: Sequence[int] = (),
    cwd: Path | None = None,
    on_line: Callable[[str], None] = lambda _: None,
    on_quiet: Callable[[], None] = lambda: None,
) -> Finished:
    """Run a program without input. Raises OSError where it cannot be started.

    It gets a process group of its own, so that whatever ends this call early (Ctrl-C) ends all of it.
    `keep_open` are descriptors that it inherits.
    """
    process = subprocess.Popen(
        argv,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        pass_fds=keep_open,
    )
    assert process.stdout is not None
    try:
        lines = _follow(process.stdout, on_line, on_quiet)
        return Finished(process.wait(), lines)
    finally:
        _end(process)
