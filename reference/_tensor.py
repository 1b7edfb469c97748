"""A tensor over bytes of a file: a storage, and how elements lie in it."""

from __future__ import annotations

import importlib
import math
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from endianproof.spec import ElementType

__all__ = ["Storage", "Tensor"]

_LONG = 1 << 20  # bytes; below, a thread costs more than it saves


@dataclass(frozen=True)
class Storage:
    """A run of elements in a file. `verify` is called before an element is handed out; it may refuse the bytes."""

    data: memoryview
    byte_order: str
    verify: Callable[[], None] = field(default=lambda: None, repr=False)


@dataclass(frozen=True)
class Tensor:
    """One tensor of a file, not yet copied.

    `shape`, `storage_offset` and `stride` are in elements; `dtype` is the specification's name of the element
    type. `turned_signs` has one flag per component (one for a real type, two for a complex): true where the
    logical value is the stored one with its sign turned, as torch's conj and neg bits say.
    """

    name: str
    element: ElementType
    shape: tuple[int, ...]
    storage: Storage = field(repr=False)
    storage_offset: int = 0
    stride: tuple[int, ...] | None = None
    turned_signs: tuple[bool, ...] = ()

    @property
    def dtype(self) -> str:
        """The specification's name of the element type."""
        return self.element.name

    @property
    def nbytes(self) -> int:
        """Bytes that the elements take."""
        return math.prod(self.shape) * self.element.bits // 8

    @property
    def contiguous(self) -> bool:
        """Whether elements follow each other in C order."""
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self.stride or ()), strict=bool(self.stride)):
            if size != 1 and stride != expected:
                return False
            expected *= size
        return True

    def _as_stored(self, kind: str, per_element: int = 1) -> np.ndarray[Any, Any]:
        """A view of the storage: shape + (per_element,) of the numpy type `kind`, in the file's byte order.

        Axes of size one are left out: numpy has no more than 64 axes, and a file may state any number.
        """
        dtype = np.dtype(kind).newbyteorder("<" if self.storage.byte_order == "little" else ">")
        if 0 in self.shape:
            return np.empty((0, per_element), dtype)
        if self.nbytes > sys.maxsize:
            raise MemoryError(f"{self.name!r} of shape {self.shape} has {self.nbytes} bytes of elements")
        itemsize = self.element.itemsize
        strides = [itemsize * math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape))]
        if self.stride is not None:
            strides = [itemsize * stride for stride in self.stride]
        # A dimension of size one never steps; its stride may be any number, even one that numpy cannot hold.
        steps = [(size, stride) for size, stride in zip(self.shape, strides, strict=True) if size != 1]
        view: np.ndarray[Any, Any] = np.ndarray(
            (*(size for size, _ in steps), per_element),
            dtype,
            self.storage.data,
            self.storage_offset * itemsize,
            (*(stride for _, stride in steps), itemsize // per_element),
        )
        view.flags.writeable = False
        return view

    def _codes(self) -> np.ndarray[Any, Any]:
        """Unsigned integers of the swap unit, one or two (complex) to an element, logical values."""
        unit = self.element.swap_unit
        codes = self._as_stored(f"u{unit}", self.element.itemsize // unit)
        if not any(self.turned_signs):
            return codes
        sign = 1 << (8 * unit - 1)
        signs = np.array([sign if turned else 0 for turned in self.turned_signs], codes.dtype)
        turned: np.ndarray[Any, Any] = np.bitwise_xor(codes, signs).astype(codes.dtype, copy=False)
        return turned

    @property
    def canonical(self) -> memoryview:
        """The canonical bytes: C order, each element little-endian. A view of the file where it has them so.

        Raises MemoryError where a small file states more elements than memory holds (a view with strides of zero).
        """
        as_it_is = self.storage.byte_order == "little" or self.element.swap_unit == 1
        if as_it_is and self.contiguous and not any(self.turned_signs):
            self.storage.verify()
            start = self.storage_offset * self.element.bits // 8
            return self.storage.data[start : start + self.nbytes]
        little = self._verified_copy("<")
        return little.ravel().view(np.uint8).data.toreadonly()

    def _verified_copy(self, order: str) -> np.ndarray[Any, Any]:
        """`_copied`, a long storage verified meanwhile: each is one pass over its bytes, without Python's lock."""
        if len(self.storage.data) < _LONG:
            self.storage.verify()
            return self._copied(order)
        with ThreadPoolExecutor(1) as aside:
            verified = aside.submit(self.storage.verify)
            try:
                copied = self._copied(order)
            finally:
                # What is wrong with the bytes says more than what came of them.
                verified.result()
        return copied

    def _copied(self, order: str) -> np.ndarray[Any, Any]:
        """The codes in memory of their own, in C order and a byte order: one pass over the file's bytes."""
        codes = self._codes()
        return codes.astype(codes.dtype.newbyteorder(order), order="C")

    def _in_native_order(self) -> np.ndarray[Any, Any]:
        codes = self._codes()
        return codes.astype(codes.dtype.newbyteorder("="), copy=False)

    def numpy(self) -> np.ndarray[Any, Any]:
        """The elements as a read-only numpy array of `shape`; a view of the file where numpy has the type.

        bfloat16 and the float8 types are ml_dtypes', in native byte order. Raises TypeError for a type or a shape
        that numpy and ml_dtypes do not have, ImportError where ml_dtypes is needed and absent, MemoryError where a
        small file states more elements than memory holds.
        """
        if self.element.bits % 8 or self.dtype == "complex32":
            raise TypeError(f"numpy has no {self.dtype}; `canonical` has its bytes")
        self.storage.verify()
        if hasattr(np, self.dtype) and self.dtype != "bool" and not any(self.turned_signs):
            return self._shaped(self._as_stored(self.dtype)[..., 0])
        codes = self._in_native_order()
        array = self._shaped(np.ascontiguousarray(codes).view(self._numpy_type())[..., 0])
        array.flags.writeable = False
        return array

    def _shaped(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The same elements with the axes of size one put back."""
        try:
            return array.reshape(self.shape)
        except ValueError:
            raise TypeError(f"numpy has no array of shape {self.shape}; `canonical` has its bytes") from None

    def _numpy_type(self) -> np.dtype[Any]:
        if self.dtype == "bool":
            return np.dtype(np.bool_)
        home = np if hasattr(np, self.dtype) else importlib.import_module("ml_dtypes")
        dtype: np.dtype[Any] = np.dtype(getattr(home, self.dtype))
        return dtype

    def torch(self) -> Any:
        """The elements as a torch tensor of `shape` with its own memory.

        Raises TypeError for a type that this torch does not have, ImportError where torch is absent.
        """
        torch = importlib.import_module("torch")
        dtype = getattr(torch, self.dtype, None)
        if self.element.bits % 8 or dtype is None:
            raise TypeError(f"torch {torch.__version__} has no {self.dtype}; `canonical` has its bytes")
        if not self.nbytes:
            return torch.empty(self.shape, dtype=dtype)
        own = self._verified_copy("=").reshape(-1).view(np.uint8)
        return torch.frombuffer(own, dtype=dtype).reshape(self.shape)
