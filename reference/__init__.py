"""The minimal loader, written from the specification: what a conforming loader does, in code short enough to read.

`load(path)` returns tensors over a memory map of the file. Nothing is copied until it is asked for, and nothing at
all where the file's byte order is the one wanted. What breaks a rule is refused with that rule's id.
"""

from __future__ import annotations

from endianproof.reference._load import load, recognize
from endianproof.reference._tensor import Tensor
from endianproof.reference._violation import SpecViolation

__all__ = ["SpecViolation", "Tensor", "load", "recognize"]
