"""The specification: YAML in this room, read into the frozen values of `endianproof.spec._model`."""

from __future__ import annotations

from endianproof.spec._checks import Sighting, SpecError, bug_gaps, sightings
from endianproof.spec._model import (
    Bug,
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
from endianproof.spec._reader import load_spec, read_spec, read_yaml

__all__ = [
    "Bug",
    "Conversion",
    "ElementType",
    "FloatFields",
    "Format",
    "Pattern",
    "Policy",
    "Rule",
    "SaveTemplate",
    "Sighting",
    "Spec",
    "SpecError",
    "VectorTemplate",
    "bug_gaps",
    "load_spec",
    "read_spec",
    "read_yaml",
    "sightings",
]
