"""Loaders of a user's own file, right and wrong on purpose, one mistake each. They return numpy arrays."""

from __future__ import annotations

import os
import sys
import time

import ml_dtypes  # noqa: F401 (gives numpy its bfloat16)
import numpy as np

from endianproof.reference import load


def right(path):
    return {name: tensor.numpy() for name, tensor in load(path).items()}


def lazy(path):
    """Each tensor is made when it is asked for, and again each time."""
    tensors = load(path)

    class Lazy:
        def keys(self):
            return tensors.keys()

        def __getitem__(self, name):
            return tensors[name].numpy()

    return Lazy()


def _changed(path, change):
    return {name: change(name, array) for name, array in right(path).items()}


def swapped(path):
    return _changed(path, lambda _name, array: array.view(f"u{array.itemsize}").byteswap().view(array.dtype))


def last_element_wrong(path):
    """Of the first tensor alone: one bit of its last element."""
    tensors = right(path)
    name = next(iter(tensors))
    tensors[name] = tensors[name].copy()
    tensors[name].reshape(-1).view(np.uint8)[-1] ^= 1
    return tensors


def second_half_zero(path):
    def zeroed(_name, array):
        array = array.copy()
        array.reshape(-1).view(np.uint8)[array.nbytes // 2 :] = 0
        return array

    return _changed(path, zeroed)


def one_missing(path):
    tensors = right(path)
    tensors.pop(next(iter(tensors)))
    return tensors


def one_too_many(path):
    return {**right(path), "extra": np.zeros(3, np.float32)}


def widened(path):
    return _changed(path, lambda _name, array: array.astype(np.float32))


def as_integers(path):
    return _changed(path, lambda _name, array: array.view(f"u{array.itemsize}"))


def flattened(path):
    return _changed(path, lambda _name, array: array.reshape(-1))


def rotated_names(path):
    tensors = right(path)
    return dict(zip(tensors, [*list(tensors.values())[1:], next(iter(tensors.values()))], strict=True))


def changing(path):
    """Wrong when it is first looked at, right from then on: the second look at a lazy tensor is another."""

    class Fickle(dict):
        looked = 0

        def __getitem__(self, name):
            Fickle.looked += 1
            array = super().__getitem__(name)
            return array if Fickle.looked > len(self) else array.view("u1")[::-1].copy().view(array.dtype)

    return Fickle(right(path))


def refusing(path):
    raise ValueError("cannot read this")


def unsupported(path):
    raise NotImplementedError("no bfloat16 here")


def unsupported_first(path):
    return unsupported(path) if "00001" in str(path) else swapped(path)


def crashing(path):
    os._exit(9)


def hanging(path):
    time.sleep(3600)


def eating(path):
    held = []
    while True:
        held.append(b"\1" * (8 << 20))


def not_tensors(path):
    return "a model"


def touching(path):
    """Writes to the file that it reads."""
    tensors = {name: array.copy() for name, array in right(path).items()}
    with open(path, "r+b") as file:  # noqa: PTH123 (it is about what a loader may do)
        file.seek(-1, os.SEEK_END)
        file.write(b"\1")
    return tensors


def cutting(path):
    """Cuts the file short that it was given."""
    tensors = {name: array.copy() for name, array in right(path).items()}
    os.truncate(path, os.path.getsize(path) // 2)  # noqa: PTH202 (likewise)
    return tensors


def removing(path):
    os.remove(path)  # noqa: PTH107 (likewise)
    return {}


def emptying(path):
    os.truncate(path, 0)
    return {}


def exiting(path):
    sys.stderr.write("first words\nlast words\n")
    sys.stderr.flush()
    os._exit(3)


def explaining(path):
    raise ValueError("no\nand why")
