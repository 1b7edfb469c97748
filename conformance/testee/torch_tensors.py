"""One torch tensor to its elements, bits as they are, from torch 1.13 on.

The tensor is viewed as integers of the swap unit before anything is copied, so that no floating-point kernel ever
touches it, and read from its address, so that numpy is not needed. Lazy conjugates and negatives (torch keeps one
bit per tensor for each) are undone in the view and made up for by flipping sign bits: IEEE 754's negation.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from endianproof.conformance.testee.canonical import CHUNK, SWAP_UNITS, Blocks, ConversionError, Elements

__all__ = ["elements_of_torch"]

# torch packs two 4-bit elements into what it counts as one.
PACKED = {"float4_e2m1fn_x2": "float4_e2m1fn"}
COMPLEX = ("complex32", "bcomplex32", "complex64", "complex128")
INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
INTEGER_OF_UNIT = {1: "uint8", 2: "int16", 4: "int32", 8: "int64"}


def _check(torch: Any, tensor: Any, name: str) -> None:
    if tensor.layout is not torch.strided:
        raise ConversionError(f"a torch tensor of layout {tensor.layout}; expected dense (torch.strided)")
    if tensor.device.type == "meta":
        raise ConversionError("a torch tensor on the meta device, which holds no elements; expected a dense one")
    if PACKED.get(name, name) not in SWAP_UNITS or name in ("int1", "uint1", "int2", "uint2", "int4", "uint4"):
        raise ConversionError(f"a torch tensor of dtype {tensor.dtype}, whose bytes no rule here describes")


def _without_lazy_bits(torch: Any, tensor: Any) -> Any:
    if tensor.is_conj():
        tensor = torch._conj(tensor)  # noqa: SLF001 (toggles the bit: a view, nothing computed)
    if tensor.is_neg():
        tensor = torch._neg_view(tensor)  # noqa: SLF001 (likewise)
    return tensor


def _flip(tensor: Any, name: str, unit: int) -> bytes:
    """The sign bits that the tensor's lazy bits invert, over one element's canonical bytes."""
    negative, conjugate = tensor.is_neg(), tensor.is_conj()
    if not negative and not conjugate:
        return b""
    signs = [negative, negative != conjugate] if name in COMPLEX else [negative]
    return b"".join(bytes(unit - 1) + (b"\x80" if sign else b"\0") for sign in signs)


def _bytes_at(tensor: Any) -> memoryview:
    size = tensor.numel() * tensor.element_size()
    if size == 0:  # an empty tensor may have no address
        return memoryview(b"")
    octets = (ctypes.c_ubyte * size).from_address(tensor.data_ptr())
    octets.owner = tensor  # the view keeps the octets, and they the memory
    return memoryview(octets).cast("B")


def _memory(tensor: Any) -> memoryview | Blocks:
    """The tensor's bytes; parts of it are copied when they are needed where it is long and not contiguous."""
    size = tensor.element_size()
    if tensor.numel() * size <= CHUNK or (tensor.is_contiguous() and tensor.device.type == "cpu"):
        return _bytes_at(tensor.contiguous().cpu())
    return Blocks(tuple(tensor.shape), size, lambda index: _bytes_at(tensor[index].contiguous().cpu()))


def _shape(tensor: Any, name: str) -> tuple[int, ...]:
    shape = tuple(int(length) for length in tensor.shape)
    if name not in PACKED:
        return shape
    return (*shape[:-1], shape[-1] * 2) if shape else (2,)


def elements_of_torch(torch: Any, tensor: Any) -> Elements:
    """Return the elements of a dense tensor of any shape, strides, device and dtype of SWAP_UNITS.

    Raises ConversionError for sparse, quantized and meta tensors, and for dtypes without defined bytes.
    """
    name = str(tensor.dtype).rpartition(".")[2]
    _check(torch, tensor, name)
    plain = tensor.detach().as_subclass(torch.Tensor)
    if plain.is_neg() and name in INTEGERS:
        plain = plain.resolve_neg()  # two's complement is no flip of a bit, and exact by value
    unit = SWAP_UNITS[PACKED.get(name, name)]
    raw = _without_lazy_bits(torch, plain)
    raw = torch.view_as_real(raw) if name in COMPLEX else raw
    whole = raw.view(getattr(torch, INTEGER_OF_UNIT[unit]))
    return Elements(
        dtype=PACKED.get(name, name),
        shape=_shape(plain, name),
        memory=_memory(whole),
        unit=unit,
        byte_order=sys.byteorder,
        flip=_flip(plain, name, unit),
        owner=whole,
    )
