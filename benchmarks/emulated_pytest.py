"""The usual way to test on big-endian: pytest itself in the emulated system, one test per vector, in process.

Run inside a guest, this loads the vectors that the suite gives to a testee there, twice each, and compares them
with the manifests. ENDIANPROOF_BENCH_LOADER names the loader: reference or safetensors.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from endianproof.reference import load as load_reference
from endianproof.vectors import Vector, load_vectors

if TYPE_CHECKING:
    from pathlib import Path

LOADER = os.environ["ENDIANPROOF_BENCH_LOADER"]
FORMATS = {"reference": ("safetensors", "torch-zip"), "safetensors": ("safetensors",)}[LOADER]
VECTORS = [vector for vector in load_vectors() if vector.format in FORMATS]


def digests(path: Path) -> dict[str, str]:
    """Names and digests of canonical bytes, by the loader under test."""
    if LOADER == "reference":
        tensors = load_reference(path)
        return {name: hashlib.sha256(tensor.canonical).hexdigest() for name, tensor in tensors.items()}
    import safetensors.torch  # noqa: PLC0415 (not needed for the reference, and slow to import when emulated)
    import torch  # noqa: PLC0415

    unit = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    loaded = safetensors.torch.load_file(path)
    return {
        name: hashlib.sha256(t.contiguous().view(unit[t.element_size()]).numpy().tobytes()).hexdigest()
        for name, t in loaded.items()
    }


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_vector(vector: Vector) -> None:
    """Whatever the loader makes of it: this is a measure of time, not of conformance."""
    for _ in range(2):
        with contextlib.suppress(Exception):  # a library may refuse a file by any exception
            digests(vector.path)
