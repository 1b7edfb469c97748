"""How many processors there are for this process, and how many that work at a time they can bear."""

from __future__ import annotations

import os

from endianproof.conformance.counting import counted

__all__ = ["processors", "too_many"]

MOST_PER_PROCESSOR = 4  # some wait for the disk, or for another; more are a slip of the finger


def processors() -> int:
    """Those that this process may run on."""
    return len(os.sched_getaffinity(0))


def too_many(workers: int) -> str:
    """Why so many cannot be meant; "" where they can."""
    found = processors()
    most = MOST_PER_PROCESSOR * found
    if workers <= most:
        return ""
    return (
        f"there {'is' if found == 1 else 'are'} {counted(found, 'processor')} here, for which {most} are the most"
    )
