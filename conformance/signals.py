"""Signals that would kill pytest end its run as Ctrl-C does: testees end too, and nothing is left half-made."""

from __future__ import annotations

import functools
import signal
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    import pytest

__all__ = ["heed", "heed_until", "see_how_processes_end"]


def _end_like_an_interruption(number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _leave(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_DFL)


def _is_main() -> bool:
    """Whether this is the thread that may set what a signal does."""
    return threading.current_thread() is threading.main_thread()


def heed(config: pytest.Config) -> None:
    """Heed what CI systems and closed terminals send, until pytest ends."""
    see_how_processes_end()
    heed_until(config.add_cleanup)


def heed_until(at_end: Callable[[Callable[[], None]], object]) -> None:
    """Heed the same, until what is given to `at_end` is called."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if _is_main() and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end_like_an_interruption)
            at_end(functools.partial(_leave, number))


def see_how_processes_end() -> None:
    """Undo that SIGCHLD is ignored, as some programs hand it down: then nobody is told how a process ended.

    For good: processes that were started may be waited for until this one ends.
    """
    if _is_main() and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
