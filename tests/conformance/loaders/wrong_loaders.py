"""Loaders that are wrong on purpose, one way each. Every one of them must cost one outcome and nothing else.

`good` stands among them: what the testee must still do after any of the others.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path


class Words:
    """A tensor in the form of the reference's own: what it is, and its canonical bytes."""

    def __init__(self, data, dtype="uint16"):
        self.name, self.dtype, self.shape, self.canonical = "w", dtype, (len(data) // 2,), data


GOOD = {"w": Words(b"\x01\x02\x03\x04")}


def good(path):
    return GOOD


def segfault(path):
    ctypes.memset(8, 1, 1)  # a write: reading near 0 works in QEMU's s390x


def abort(path):
    os.abort()


def exit_at_once(path):
    os._exit(0)


def exit_with_five(path):
    sys.exit(5)


def interrupt(path):
    raise KeyboardInterrupt


def killed(path):
    os.kill(os.getpid(), signal.SIGKILL)


class PanicError(BaseException):
    """As pyo3's PanicException: not an Exception."""


def panic(path):
    raise PanicError("index out of bounds")


def hang(path):
    while True:
        time.sleep(60)


def hang_in_c(path):
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    ctypes.CDLL(None).pause()


def eat_memory(path):
    held = []
    while True:
        held.append(b"\1" * (8 << 20))


def ask_for_too_much(path):
    return bytearray(1 << 60)


def ask_for_two_gigabytes(path):
    return {"w": Words(bytes(2 << 30))}  # of zeros, which take no memory until they are read


def hold_and_raise(path):
    held = bytearray(64 << 20)
    raise MemoryError(f"after {len(held)} bytes")


def print_much(path):
    print("hello " * 100_000)
    return GOOD


def print_from_c(path):
    libc = ctypes.CDLL(None)
    libc.puts(b'{"id":"v1","outcome":"loaded","tensors":[]}')
    libc.fflush(None)
    return GOOD


def write_to_descriptor_one(path):
    os.write(1, b"\x00\xff garbage\n" * 1000)
    return GOOD


def flood_errors(path):
    while True:
        os.write(2, b"warning: all is well\n" * 1000)


def complain(path):
    os.write(2, b"x" * 1_000_000 + b"the last words\n")
    return GOOD


def complain_and_die(path):
    complain(path)
    os._exit(1)


def close_streams(path):
    sys.stdin.close()
    sys.stdout.close()
    return GOOD


def close_everything(path):
    os.closerange(0, 1000)
    time.sleep(60)


def read_stdin(path):
    assert sys.stdin.read() == ""
    return GOOD


def raise_error(path):
    raise ValueError("no header: found 0 bytes, expected 8")


class MuteError(Exception):
    """An exception whose text cannot be had."""

    def __str__(self):
        raise RuntimeError("no text")


def raise_mute(path):
    raise MuteError


def raise_long(path):
    raise ValueError("x" * 1_000_000)


def not_implemented(path):
    raise NotImplementedError("big-endian files")


def recurse(path):
    return recurse(path)


def return_none(path):
    return None


def return_list(path):
    return [GOOD["w"]]


def return_int_keys(path):
    return {0: GOOD["w"]}


def return_unknown_objects(path):
    return {"w": object()}


def return_nested(path):
    return {"model": {"w": GOOD["w"]}}


def return_no_name(path):
    return {}


class LazyMapping(dict):
    """A mapping that reads when it is asked, and finds the file damaged then."""

    def __getitem__(self, name):
        raise ValueError(f"{name}: offsets past the end of the file")


def refuse_lazily(path):
    return LazyMapping(w=None)


def spawn_children(path):
    """Leave two processes behind, one of which holds everything that fork copies."""
    subprocess.Popen(["sleep", "600"])
    if os.fork() == 0:
        time.sleep(600)
    return GOOD


def fork_and_return(path):
    os.fork()
    return GOOD


def spawn_and_crash(path):
    spawn_children(path)
    os.kill(os.getpid(), signal.SIGSEGV)


def crash_after_reply(path):
    threading.Timer(0.05, os.abort).start()
    return GOOD


def change_folder(path):
    os.chdir("/")
    return GOOD


def take_exactly(argument):
    """Return what it was given: bytes as they are, a path or an open file read."""
    if isinstance(argument, str):
        with Path(argument).open("rb") as file:
            return {"str": Words(file.read())}
    if isinstance(argument, bytes):
        return {"bytes": Words(argument)}
    return {"file": Words(argument.read())}


class Namespace:
    """Something with a method, for paths such as `wrong_loaders:Namespace.load`."""

    @staticmethod
    def load(path):  # noqa: ARG004 (as loaders are called)
        return GOOD


NOT_CALLABLE = 3
