"""instanttensor: every tensor of an open file."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["tensors"]

instanttensor: Any = importlib.import_module("instanttensor")


def tensors(path: str, **options: Any) -> dict[str, Any]:
    """Every tensor by its name, copied, because the library uses its buffers again."""
    with instanttensor.safe_open(path, **options) as file:
        return {name: tensor.clone() for name, tensor in file.tensors()}
