"""A loader that is wrong on big-endian machines alone, without anything but numpy and the reference."""

from __future__ import annotations

import sys

from endianproof.reference import load


class _Words:
    """A tensor in the form of the reference's own."""

    def __init__(self, tensor, canonical):
        self.dtype, self.shape, self.canonical = tensor.dtype, tensor.shape, canonical


def unswapped(path):
    """The file's bytes as they are, taken for the machine's."""
    tensors = {}
    for name, tensor in load(path).items():
        data = bytes(tensor.canonical)
        if sys.byteorder == "big" and tensor.element.swap_unit == 2:
            swapped = bytearray(data)
            swapped[0::2], swapped[1::2] = data[1::2], data[0::2]
            data = bytes(swapped)
        tensors[name] = _Words(tensor, data)
    return tensors
