"""pure-safetensors: every array of an open file."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["as_numpy"]

pure_safetensors: Any = importlib.import_module("pure_safetensors")


def as_numpy(path: str) -> dict[str, Any]:
    """Every array by its name, copied, because the library maps the file."""
    with pure_safetensors.SafeTensors(path, "r") as file:
        arrays = file.as_numpy()
        return {name: arrays[name].copy() for name in file.tensors}
