"""fastsafetensors: every tensor of an open file."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["fastsafe_open"]

fastsafetensors: Any = importlib.import_module("fastsafetensors")


def fastsafe_open(path: str, **options: Any) -> dict[str, Any]:
    """Every tensor by its name."""
    with fastsafetensors.fastsafe_open(path, **options) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
