"""The tensors of a save request, built as the caller of a saver would have them: torch's or numpy's.

The request gives every tensor's canonical bytes; a `layout` says how it lies in memory, over a storage that
several may share. What was built is read back before it is handed to the saver, so that a tensor built wrong never
counts against the library.
"""

from __future__ import annotations

import base64
import importlib
import importlib.util
import sys
from array import array
from typing import TYPE_CHECKING, Any

from endianproof.conformance.testee.canonical import BITS, SWAP_UNITS
from endianproof.conformance.testee.convert import elements_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FRAMEWORKS", "BuildError", "CannotBuildError", "build", "default_framework"]

ITEM_CODES = {2: "H", 4: "I", 8: "Q"}
# torch packs two 4-bit elements into what it counts as one.
PACKED = {"float4_e2m1fn": "float4_e2m1fn_x2"}


class CannotBuildError(Exception):
    """The framework has no such tensor: no fault of anyone's, and nothing to judge."""


class BuildError(Exception):
    """The tensor that was built is not the one asked for: a fault of this testee's."""


def _in_memory(canonical: bytes, dtype: str, order: str) -> bytes:
    """Canonical bytes as memory of that byte order holds them."""
    unit = SWAP_UNITS[dtype]
    if order == "little" or unit == 1:
        return canonical
    items = array(ITEM_CODES[unit])
    items.frombytes(canonical)
    items.byteswap()
    return items.tobytes()


def _torch_dtype(torch: Any, name: str) -> Any:
    dtype = getattr(torch, PACKED.get(name, name), None)
    if not isinstance(dtype, torch.dtype):
        raise CannotBuildError(f"torch {torch.__version__} has no {name}")
    return dtype


def _torch_storage(torch: Any, dtype: str, canonical: bytes) -> Any:
    """A one-dimensional tensor over memory of its own, which holds the whole storage."""
    kind = _torch_dtype(torch, dtype)
    if not canonical:
        return torch.empty(0, dtype=kind)
    memory = bytearray(_in_memory(canonical, dtype, sys.byteorder))
    return torch.frombuffer(memory, dtype=torch.uint8).clone().view(kind)


def _torch_view(torch: Any, flat: Any, shape: list[int], layout: Mapping[str, Any]) -> Any:
    if layout.get("byte_order", sys.byteorder) != sys.byteorder:
        raise CannotBuildError("torch keeps every tensor in the machine's byte order")
    if "stride" not in layout:
        view = flat.view(shape)
    elif any(step < 0 for step in layout["stride"]):
        raise CannotBuildError("torch has no negative strides")
    else:
        view = flat.as_strided(shape, layout["stride"], layout["storage_offset"])
    for bit in layout.get("bits", ()):
        view = torch._conj(view) if bit == "conjugate" else torch._neg_view(view)  # noqa: SLF001 (there is no other way)
    if layout.get("parameter"):
        view = torch.nn.Parameter(view, requires_grad=view.is_floating_point() or view.is_complex())
    return view


def _numpy_dtype(numpy: Any, name: str, order: str) -> Any:
    if name in BITS:
        raise CannotBuildError(f"numpy keeps no packed {name}")
    kind = getattr(numpy, name + ("_" if name == "bool" else ""), None)
    if isinstance(kind, type):
        return numpy.dtype(kind).newbyteorder({"little": "<", "big": ">"}[order])
    if importlib.util.find_spec("ml_dtypes") is None:
        raise CannotBuildError(f"numpy has no {name}, and there is no ml_dtypes")
    kind = getattr(importlib.import_module("ml_dtypes"), name, None)
    if kind is None:
        raise CannotBuildError(f"neither numpy nor ml_dtypes has {name}")
    if order != sys.byteorder and SWAP_UNITS[name] > 1:
        raise CannotBuildError(f"ml_dtypes keeps {name} in the machine's byte order")
    return numpy.dtype(kind)


def _numpy_storage(numpy: Any, dtype: str, canonical: bytes, order: str) -> Any:
    kind = _numpy_dtype(numpy, dtype, order)
    return numpy.frombuffer(bytearray(_in_memory(canonical, dtype, order)), dtype=numpy.uint8).view(kind)


def _numpy_view(numpy: Any, flat: Any, shape: list[int], layout: Mapping[str, Any]) -> Any:
    if layout.get("bits") or layout.get("parameter"):
        raise CannotBuildError("numpy has no lazy conjugates, no lazy negatives and no parameters")
    if "stride" not in layout or not flat.size:
        return flat.reshape(shape)
    size = flat.dtype.itemsize
    strides = [step * size for step in layout["stride"]]
    return numpy.ndarray(shape, flat.dtype, flat, layout["storage_offset"] * size, strides)


class _Torch:
    """Builds torch's tensors; tensors that name the same storage share its memory."""

    def __init__(self, storages: list[Mapping[str, Any]]) -> None:
        torch = importlib.import_module("torch")  # the one framework that this testee was asked to build with
        self._torch = torch
        self._flat = [_torch_storage(torch, one["dtype"], base64.b64decode(one["data"])) for one in storages]

    def tensor(self, entry: Mapping[str, Any], layout: Mapping[str, Any]) -> Any:
        """One tensor of the request."""
        shape = list(entry["shape"])
        if entry["dtype"] in PACKED:
            if layout or not shape or shape[-1] % 2:
                raise CannotBuildError(f"torch keeps {entry['dtype']} in pairs along the last dimension")
            shape[-1] //= 2
        if "storage" in layout:
            return _torch_view(self._torch, self._flat[layout["storage"]], shape, layout)
        flat = _torch_storage(self._torch, entry["dtype"], base64.b64decode(entry["data"]))
        return _torch_view(self._torch, flat, shape, layout)


class _Numpy:
    """Builds numpy's arrays, of ml_dtypes' types where numpy has none and ml_dtypes is there."""

    def __init__(self, storages: list[Mapping[str, Any]]) -> None:
        import numpy  # noqa: ICN001, PLC0415 (as above)

        self._numpy = numpy
        self._storages = storages
        self._flat: dict[tuple[int, str], Any] = {}

    def _storage(self, number: int, order: str) -> Any:
        if (number, order) not in self._flat:
            one = self._storages[number]
            data = base64.b64decode(one["data"])
            self._flat[number, order] = _numpy_storage(self._numpy, one["dtype"], data, order)
        return self._flat[number, order]

    def tensor(self, entry: Mapping[str, Any], layout: Mapping[str, Any]) -> Any:
        """One array of the request."""
        order = layout.get("byte_order", sys.byteorder)
        if "storage" in layout:
            flat = self._storage(layout["storage"], order)
        else:
            flat = _numpy_storage(self._numpy, entry["dtype"], base64.b64decode(entry["data"]), order)
        return _numpy_view(self._numpy, flat, list(entry["shape"]), layout)


FRAMEWORKS: Mapping[str, type[_Torch | _Numpy]] = {"torch": _Torch, "numpy": _Numpy}


def default_framework() -> str:
    """Torch if it is installed, else numpy."""
    return "torch" if importlib.util.find_spec("torch") is not None else "numpy"


def _check(name: str, entry: Mapping[str, Any], tensor: Any) -> None:
    built = elements_of(tensor)
    found, expected = (built.dtype, list(built.shape)), (entry["dtype"], entry["shape"])
    if found != expected or built.base64() != entry["data"]:
        raise BuildError(
            f"tensor {name!r} was built as {found[0]} {found[1]}, or with other elements than asked for"
        )


def build(request: Mapping[str, Any], framework: str) -> dict[str, Any]:
    """The request's tensors by name, in its order.

    Raises CannotBuildError for what the framework does not have, BuildError where this testee is at fault.
    """
    builder = FRAMEWORKS[framework](request.get("storages", []))
    tensors = {}
    for entry in request["tensors"]:
        tensors[entry["name"]] = builder.tensor(entry, entry.get("layout", {}))
        _check(entry["name"], entry, tensors[entry["name"]])
    return tensors
