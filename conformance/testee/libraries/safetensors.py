"""safetensors: its ways to a tensor that are methods of an open file, or that name no dtype of a framework."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["deserialize", "get_slice", "get_tensor", "get_tensors", "load_model"]

safetensors: Any = importlib.import_module("safetensors")

# The format's names of element types, and those of the protocol.
DTYPES = {
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "BOOL": "bool",
    "BF16": "bfloat16",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F6_E2M3": "float6_e2m3fn",
    "F6_E3M2": "float6_e3m2fn",
    "F4": "float4_e2m1fn",
}


class _Tensor:
    """The elements of one tensor as they lie in the file: little-endian, in C order."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.dtype = DTYPES[entry["dtype"]]
        self.shape = tuple(entry["shape"])
        self.canonical = bytes(entry["data"])


def deserialize(data: bytes) -> dict[str, _Tensor]:
    """Every tensor of a file's bytes."""
    return {name: _Tensor(entry) for name, entry in safetensors.deserialize(data)}


def _each(path: str, options: dict[str, Any], read: Callable[[Any, str], Any]) -> dict[str, Any]:
    with safetensors.safe_open(path, **options) as file:
        return {name: read(file, name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)


def get_tensor(path: str, **options: Any) -> dict[str, Any]:
    """Every tensor by its name; `options` are safe_open's."""
    return _each(path, options, lambda file, name: file.get_tensor(name))


def get_slice(path: str, **options: Any) -> dict[str, Any]:
    """Every tensor as the slice of all of it; `options` are safe_open's."""
    return _each(path, options, lambda file, name: file.get_slice(name)[...])


def get_tensors(path: str, **options: Any) -> Any:
    """All tensors by one call; `options` are safe_open's."""
    with safetensors.safe_open(path, **options) as file:
        return file.get_tensors()


def load_model(path: str) -> dict[str, Any]:
    """Every tensor, handed to a module that takes whatever comes."""
    torch = importlib.import_module("torch")
    loaded: dict[str, Any] = {}

    class Module(torch.nn.Module):  # type: ignore[misc, name-defined]  # torch is had at run time
        def load_state_dict(self, tensors: dict[str, Any], strict: bool = True) -> Any:
            del strict
            loaded.update(tensors)
            return [], []

    importlib.import_module("safetensors.torch").load_model(Module(), path)
    return loaded
