"""A tensor of the reference's with its 16-bit elements swapped, for loaders that a test writes into a project."""

from __future__ import annotations


class Swapped:
    """Wrong on every machine."""

    def __init__(self, tensor):
        self.dtype, self.shape = tensor.dtype, tensor.shape
        data = bytes(tensor.canonical)
        self.canonical = bytes(data[i ^ 1] for i in range(len(data)))
