"""Golden vectors: the encoder that makes them from the specification, the files, and their manifests.

The encoder knows the specification and nothing else: not the reference, no library under test.
"""

from __future__ import annotations

from endianproof.vectors._codes import code_of
from endianproof.vectors._generate import Drift, check, generate
from endianproof.vectors._large import make
from endianproof.vectors._manifest import (
    ExpectedTensor,
    PolicyChoice,
    Vector,
    load_large,
    load_manifest,
    load_vectors,
)
from endianproof.vectors._saves import GivenStorage, GivenTensor, Save, load_saves

__all__ = [
    "Drift",
    "ExpectedTensor",
    "GivenStorage",
    "GivenTensor",
    "PolicyChoice",
    "Save",
    "Vector",
    "check",
    "code_of",
    "generate",
    "load_large",
    "load_manifest",
    "load_saves",
    "load_vectors",
    "make",
]
