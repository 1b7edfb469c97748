"""pt-safe-loader: the tensors of a checkpoint that it has parsed."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["state_dict"]

pt_loader: Any = importlib.import_module("pt_loader")


def state_dict(path: str, **options: Any) -> Any:
    """Every array by its name; `options` are state_dict's."""
    return pt_loader.PtCheckpoint.load(path).state_dict(**options)
