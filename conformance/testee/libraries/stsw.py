"""stsw: every tensor of a reader, as each of its frameworks."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["to_numpy", "to_torch"]

stsw: Any = importlib.import_module("stsw")


def to_numpy(path: str) -> dict[str, Any]:
    """Every array by its name, copied, because the reader maps the file."""
    with stsw.StreamReader(path) as reader:
        return {name: reader.to_numpy(name).copy() for name in reader.keys()}  # noqa: SIM118 (it is no mapping)


def to_torch(path: str) -> dict[str, Any]:
    """Every tensor by its name, copied likewise."""
    with stsw.StreamReader(path) as reader:
        return {name: reader.to_torch(name).clone() for name in reader.keys()}  # noqa: SIM118 (as above)
