"""A loader and savers that take what they can get: memory, time, files. Each has a limit that it meets."""

from __future__ import annotations

import signal
import time

MIB = 1 << 20
kept = []


def sleep(_path):
    time.sleep(600)


def ask_at_once(_path):
    """Much more than any limit lets through, and nothing of it is touched."""
    return {"x": bytearray(64 << 30)}


def eat(_path):
    while True:
        kept.append(bytearray(b"x") * (16 * MIB))


def leak(path):
    while True:
        kept.append(open(path))  # noqa: PTH123, SIM115 (a leak is what this is)


def flood(_tensors, path):
    with open(path, "wb") as file:  # noqa: PTH123
        file.writelines(bytes(MIB) for _ in range(64))


def flood_unheeding(tensors, path):
    """As most programs do, which know nothing of the limit."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    flood(tensors, path)
