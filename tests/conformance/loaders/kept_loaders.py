"""Right loaders that are given bytes or an open file, and read their tensors only when they are looked at."""

from __future__ import annotations

import os
import tempfile

from endianproof.reference import load


class _Lazy:
    """A mapping over an open file: a tensor is read from it each time it is asked for."""

    def __init__(self, file):
        self._file = file

    def _all(self):
        self._file.seek(0)
        return from_bytes(self._file.read())

    def keys(self):
        return self._all().keys()

    def __getitem__(self, name):
        return self._all()[name]


def from_bytes(data):
    with tempfile.NamedTemporaryFile(suffix=".safetensors", delete=False) as file:
        file.write(data)
    try:
        return load(file.name)
    finally:
        os.unlink(file.name)  # noqa: PTH108 (what was mapped stays)


def from_file(file):
    return _Lazy(file)
