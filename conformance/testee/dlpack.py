"""One tensor with `__dlpack__` to its elements, read from the capsule itself: no framework has to know its dtype.

The layout of the structures, and the codes, are those of dlpack.h, versions 0.8 and 1.1. Memory is in the byte
order of this machine.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from endianproof.conformance.testee.canonical import SWAP_UNITS, ConversionError, Elements
from endianproof.conformance.testee.strided import gathered

__all__ = ["elements_of_dlpack"]

CPU = 1
HOST_READABLE = {1: "cpu", 3: "pinned by CUDA", 11: "pinned by ROCm", 13: "managed by CUDA"}
DEVICES = {2: "CUDA", 4: "OpenCL", 7: "Vulkan", 8: "Metal", 10: "ROCm", 14: "oneAPI", 15: "WebGPU", 16: "Hexagon"}
PADDED = {
    7: "float8_e3m4", 8: "float8_e4m3", 9: "float8_e4m3b11fnuz", 10: "float8_e4m3fn", 11: "float8_e4m3fnuz",
    12: "float8_e5m2", 13: "float8_e5m2fnuz", 14: "float8_e8m0fnu",
}  # fmt: skip
KINDS = {0: "int", 1: "uint", 2: "float", 4: "bfloat", 5: "complex"}


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    )


def _tensor_in(capsule: Any) -> Any:
    """The structure in a capsule, which stays its owner: its deleter is called when the capsule goes."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    valid = ctypes.pythonapi.PyCapsule_IsValid
    valid.restype, valid.argtypes = ctypes.c_int, (ctypes.py_object, ctypes.c_char_p)
    if valid(capsule, b"dltensor_versioned"):
        versioned = _Versioned.from_address(pointer(capsule, b"dltensor_versioned"))
        if versioned.major != 1:
            raise ConversionError(f"a DLPack capsule of version {versioned.major}; expected 1")
        return versioned.tensor
    if valid(capsule, b"dltensor"):
        return _Tensor.from_address(pointer(capsule, b"dltensor"))
    raise ConversionError("__dlpack__ gave no unused capsule of DLPack's")


def _name(tensor: Any) -> str:
    name = "bool" if (tensor.code, tensor.bits) == (6, 8) else PADDED.get(tensor.code, "")
    name = name or f"{KINDS.get(tensor.code, 'unknown')}{tensor.bits}"
    if tensor.lanes != 1 or tensor.bits % 8 or name not in SWAP_UNITS:
        raise ConversionError(
            f"a DLPack tensor of type code {tensor.code}, {tensor.bits} bits and {tensor.lanes} lanes, which is "
            "no element type that is read; expected whole bytes, one lane"
        )
    return name


def _strides(tensor: Any, shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    if tensor.strides:
        return tuple(tensor.strides[axis] * itemsize for axis in range(tensor.ndim))
    steps = [itemsize]
    for length in reversed(shape[1:]):
        steps.append(steps[-1] * length)
    return tuple(reversed(steps))[: len(shape)] if shape else ()


def _elsewhere(kind: int) -> ConversionError:
    return ConversionError(
        f"a tensor on a device, {DEVICES.get(kind, f'number {kind} of DLPack')}: return it on the CPU"
    )


def _capsule(value: Any) -> Any:
    """Ask for the tensor, or for a copy of it on the CPU where it lies elsewhere."""
    kind = int(value.__dlpack_device__()[0]) if hasattr(value, "__dlpack_device__") else CPU
    if kind in HOST_READABLE:
        return value.__dlpack__()
    try:
        return value.__dlpack__(dl_device=(CPU, 0))
    except Exception as error:  # whatever a producer raises that cannot: older ones know no such argument
        raise _elsewhere(kind) from error


def elements_of_dlpack(value: Any) -> Elements:
    """Return the elements of a tensor of any shape and strides. Raises ConversionError for other types."""
    capsule = _capsule(value)
    tensor = _tensor_in(capsule)
    if tensor.device_type not in HOST_READABLE:
        raise _elsewhere(tensor.device_type)
    name = _name(tensor)
    shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
    itemsize = tensor.bits // 8
    memory = gathered(
        (tensor.data or 0) + tensor.byte_offset, shape, _strides(tensor, shape, itemsize), itemsize, capsule
    )
    return Elements(name, shape, memory, SWAP_UNITS[name], sys.byteorder, owner=(capsule, value))
