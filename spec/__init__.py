"""The specification: YAML in this room, read into the frozen values of `endianproof.spec._model`."""

from __future__ import annotations

from endianproof.spec._model import (
    Conversion,
    ElementType,
    FloatFields,
    Format,
    Pattern,
    Policy,
    Rule,
    SaveTemplate,
    Spec,
    VectorTemplate,
)
from endianproof.spec._reader import SpecError, load_spec, read_spec

__all__ = [
    "Conversion",
    "ElementType",
    "FloatFields",
    "Format",
    "Pattern",
    "Policy",
    "Rule",
    "SaveTemplate",
    "Spec",
    "SpecError",
    "VectorTemplate",
    "load_spec",
    "read_spec",
]
