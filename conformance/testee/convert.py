"""What a loader returned, as named tensors.

Two kinds of code run here, and their errors mean different things. The library's own (a lazy mapping's
`__getitem__`, `__array__`, a tensor that reads its file when asked) may refuse the file: its exceptions pass
through and count as the loader's. This package's conversion has no business failing: whatever it raises becomes a
ConversionError, so that a result that cannot be read never counts as a refusal.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from endianproof.conformance.testee.canonical import ConversionError, Elements
from endianproof.conformance.testee.nested import described, named_values
from endianproof.conformance.testee.numpy_arrays import elements_of_numpy
from endianproof.conformance.testee.tinygrad_tensors import elements_of_tinygrad
from endianproof.conformance.testee.torch_tensors import elements_of_torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["elements_of", "named_elements", "tensor_messages"]


def _converted(convert: Callable[[Any, Any], Elements], framework: Any, value: Any) -> Elements:
    try:
        return convert(framework, value)
    except (ConversionError, MemoryError):
        raise
    except Exception as error:  # whatever a framework raises for a view: see the module's docstring
        message = f"{described(value)} could not be read bit by bit: {type(error).__name__}: {error}"
        raise ConversionError(message) from error


def _is(value: Any, module: str, *names: str) -> bool:
    """Whether `value` is an instance of a framework's class, without importing the framework."""
    classes = (getattr(sys.modules.get(module), name, None) for name in names)
    return any(isinstance(kind, type) and isinstance(value, kind) for kind in classes)


def _own(value: Any) -> Elements | None:
    """The elements of something that names its dtype and has canonical bytes, as the reference's Tensor does."""
    if not all(
        hasattr(type(value), part) or part in getattr(value, "__dict__", ()) for part in ("canonical", "shape")
    ):
        return None
    canonical: Any = value.canonical() if callable(value.canonical) else value.canonical
    memory = memoryview(canonical).cast("B")
    return Elements(str(value.dtype), tuple(value.shape), memory, unit=1, byte_order="little", owner=canonical)


def _interchanged(value: Any) -> Any:
    """The numpy array or torch tensor that an object offers through `__array__` or `__dlpack__`, or None."""
    offers = [name for name in ("__array__", "__dlpack__") if hasattr(type(value), name)]
    if not offers:
        return None
    if offers[0] == "__dlpack__" and "torch" in sys.modules:  # numpy's reader knows fewer dtypes
        return sys.modules["torch"].from_dlpack(value)
    import numpy  # noqa: ICN001, PLC0415 (only where a result asks for it: the testee's side may have none)

    return numpy.asarray(value) if offers[0] == "__array__" else numpy.from_dlpack(value)


def elements_of(value: Any) -> Elements:
    """Return the elements of one tensor of any supported framework. Raises ConversionError for anything else."""
    if _is(value, "torch", "Tensor"):
        return _converted(elements_of_torch, sys.modules["torch"], value)
    if _is(value, "numpy", "ndarray", "generic"):
        return _converted(elements_of_numpy, sys.modules["numpy"], value)
    if _is(value, "tinygrad", "Tensor"):
        return elements_of_tinygrad(sys.modules["tinygrad"], value)
    own = _own(value)
    if own is not None:
        return own
    other = _interchanged(value)
    if other is None:
        raise ConversionError(
            f"{described(value)}; expected a tensor: torch, numpy, or an object with __array__ or __dlpack__"
        )
    return elements_of(other)


def named_elements(result: Any) -> Iterator[tuple[str, Elements]]:
    """Yield each name and its tensor's elements, in the result's order. Raises ConversionError."""
    for name, value in named_values(result):
        try:
            yield name, elements_of(value)
        except ConversionError as error:  # noqa: PERF203 (the name is known only here)
            raise ConversionError(f"under the name {name!r} the loader returned {error}") from error


def tensor_messages(result: Any, reply: str) -> list[dict[str, Any]]:
    """Return a reply's `tensors`, with base64 of the canonical bytes or, for `reply` "sha256", their digest."""
    return [
        {
            "name": name,
            "dtype": elements.dtype,
            "shape": list(elements.shape),
            **({"sha256": elements.sha256()} if reply == "sha256" else {"data": elements.base64()}),
        }
        for name, elements in named_elements(result)
    ]
