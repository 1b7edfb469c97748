"""unifiedefficientloader: every tensor of an open file, one by one and as a stream."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["get_tensor", "load_all"]

unifiedefficientloader: Any = importlib.import_module("unifiedefficientloader")


def get_tensor(path: str, **options: Any) -> dict[str, Any]:
    """Every tensor by its name; `options` are the loader's."""
    with unifiedefficientloader.UnifiedSafetensorsLoader(path, **options) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)


def load_all(path: str, **options: Any) -> Any:
    """All tensors by one call; `options` are the loader's."""
    with unifiedefficientloader.UnifiedSafetensorsLoader(path, **options) as file:
        return file.load_all()
