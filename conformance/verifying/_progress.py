"""How far it is, on standard error: a bar on a terminal, else a plain line now and then, or nothing at all."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Meter", "Progress", "gigabytes"]

INTERVAL = 10.0  # seconds between two plain lines


def gigabytes(count: float) -> str:
    """An amount of bytes for a person: 13.5 GB, 20.1 MB, 5 bytes."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"


class Meter:
    """One file's progress: how much each side has done of the same bytes. Told from any thread."""

    def __init__(
        self, label: str, nbytes: int, tensors: int, sides: int, draw: Callable[[Meter, int], None]
    ) -> None:
        self.label = label
        self.nbytes = nbytes
        self.tensors = tensors
        self.sides = sides
        self.started = time.monotonic()
        self._draw = draw
        self._lock = threading.Lock()
        self._done: dict[str, tuple[int, int]] = {}

    def tell(self, side: str) -> Callable[[int, int], None]:
        """A function that is told the tensors and bytes that a side has done so far."""
        return functools.partial(self._tell, side)

    def _tell(self, side: str, tensors: int, nbytes: int) -> None:
        with self._lock:
            before = self.done[1]
            self._done[side] = tensors, nbytes
            self._draw(self, self.done[1] - before)

    @property
    def done(self) -> tuple[int, int]:
        """Tensors that every side has done, and bytes that all have done together."""
        sides = self._done.values()
        every = min((tensors for tensors, _ in sides), default=0) if len(sides) == self.sides else 0
        return every, sum(nbytes for _, nbytes in sides)

    def __str__(self) -> str:
        tensors, nbytes = self.done
        share = nbytes / self.sides
        speed = share / max(time.monotonic() - self.started, 0.001)
        left = f", {(self.nbytes - share) / speed:.0f} s left" if speed and share < self.nbytes else ""
        size = f"{gigabytes(share)} of {gigabytes(self.nbytes)}"
        counted = f"{tensors} of {self.tensors}" if self.tensors else str(tensors)  # nobody knows how many come
        return f"{counted} tensors, {size}, {gigabytes(speed)}/s{left}"


def _counted(meter: Any) -> str:
    """What a bar says behind itself; it has nothing to show before the first word of progress."""
    return "" if meter is None else f"{meter.done[0]}/{meter.tensors or '?'} tensors"


class Progress:
    """Says how far a run is: `quiet` says nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._said = time.monotonic()

    def say(self, text: str) -> None:
        """One line of what is being done."""
        if not self._quiet:
            click.echo(text, err=True)

    @contextlib.contextmanager
    def of(self, label: str, nbytes: int, tensors: int, sides: int) -> Iterator[Meter]:
        """Show one file's progress while the context lasts."""
        if self._quiet or not sys.stderr.isatty():
            self._said = time.monotonic()
            yield Meter(label, nbytes, tensors, sides, self._plain)
            return
        bar: Any = click.progressbar(
            length=max(nbytes * sides, 1),
            label=label,
            file=sys.stderr,
            show_pos=False,
            item_show_func=_counted,
        )
        with bar:
            yield Meter(label, nbytes, tensors, sides, lambda meter, more: bar.update(more, meter))

    def _plain(self, meter: Meter, _more: int) -> None:
        if not self._quiet and time.monotonic() - self._said >= INTERVAL:
            self._said = time.monotonic()
            click.echo(f"{meter.label}: {meter}", err=True)
