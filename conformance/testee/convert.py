"""What a loader returned, as named tensors.

Two kinds of code run here, and their errors mean different things. The library's own (a lazy mapping's
`__getitem__`, `__array__`, a tensor that reads its file when asked) may refuse the file: its exceptions pass
through and count as the loader's. This package's conversion has no business failing: whatever it raises becomes a
ConversionError, so that a result that cannot be read never counts as a refusal.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from endianproof.conformance.testee.buffers import elements_of_buffer, is_buffer
from endianproof.conformance.testee.canonical import SWAP_UNITS, ConversionError, Elements
from endianproof.conformance.testee.dlpack import elements_of_dlpack
from endianproof.conformance.testee.nested import described, named_values
from endianproof.conformance.testee.numpy_arrays import elements_of_numpy
from endianproof.conformance.testee.plain_lists import elements_of_list, is_numbers
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


def _offers(value: Any, name: str) -> bool:
    """Whether an object, or its class, has it: an array's interface may be the object's own."""
    return hasattr(type(value), name) or name in getattr(value, "__dict__", ())


def _own(value: Any) -> Elements | None:
    """The elements of something that names its dtype and has canonical bytes, as the reference's Tensor does."""
    if not _offers(value, "canonical") or not _offers(value, "shape"):
        return None
    canonical: Any = value.canonical() if callable(value.canonical) else value.canonical
    memory = memoryview(canonical).cast("B")
    return Elements(str(value.dtype), tuple(value.shape), memory, unit=1, byte_order="little", owner=canonical)


def _paddle(paddle: Any, tensor: Any) -> Elements:
    """Paddle gives numpy's arrays, and types that numpy has not as integers: the tensor says what they are."""
    del paddle
    name = str(tensor.dtype).rpartition(".")[2]
    elements = elements_of_numpy(sys.modules["numpy"], tensor.detach().numpy())
    if SWAP_UNITS.get(name) != elements.unit:
        raise ConversionError(
            f"a paddle tensor of dtype {tensor.dtype}, which is no element type of this protocol"
        )
    return replace(elements, dtype=name)


def _mlx(mlx: Any, array: Any) -> Elements:
    """MLX is lazy: an array of a file is read here, and what fails then is the library's refusal."""
    del mlx
    return elements_of_buffer(array)


def _cupy(cupy: Any, array: Any) -> Elements:
    """A copy on the CPU: CuPy makes none by itself."""
    del cupy
    return elements_of_numpy(sys.modules["numpy"], array.get())


def _tensorflow(tensorflow: Any, tensor: Any) -> Elements:
    """By its own method: its `__array__` gives no array for a bfloat16 without dimensions, which numpy refuses."""
    del tensorflow
    numpy = sys.modules["numpy"]
    return elements_of_numpy(numpy, numpy.asarray(tensor.numpy()))


# Frameworks that are read in a way of their own; the others offer one of the common ones below.
FRAMEWORKS: tuple[tuple[str, tuple[str, ...], Callable[[Any, Any], Elements]], ...] = (
    ("torch", ("Tensor",), lambda torch, value: _converted(elements_of_torch, torch, value)),
    ("numpy", ("ndarray", "generic"), lambda numpy, value: _converted(elements_of_numpy, numpy, value)),
    ("tinygrad", ("Tensor",), elements_of_tinygrad),
    ("paddle", ("Tensor",), _paddle),
    ("mlx.core", ("array",), _mlx),
    ("cupy", ("ndarray",), _cupy),
    ("tensorflow", ("Tensor", "Variable"), _tensorflow),
)
BY_NUMPY = ("__array__", "__array_interface__", "__array_struct__")


def _numpy() -> Any:
    """Numpy, where the testee's side has it: a result asks for it that the loader made without."""
    try:
        return importlib.import_module("numpy")
    except ImportError:
        return None


def _interchanged(value: Any) -> Elements | None:
    """The elements of an object that offers them in one of the common ways, or None where it offers none."""
    offers = [name for name in BY_NUMPY if _offers(value, name)]
    numpy = _numpy() if offers else None
    if numpy is not None:
        return elements_of(numpy.asarray(value))
    if hasattr(type(value), "__dlpack__"):
        return elements_of_dlpack(value)
    if is_buffer(value):
        return elements_of_buffer(value)
    if offers:
        raise ConversionError(f"{described(value)}, which has {offers[0]}: install numpy on the testee's side")
    return None


def elements_of(value: Any) -> Elements:
    """Return the elements of one tensor of any supported framework. Raises ConversionError for anything else."""
    for module, names, convert in FRAMEWORKS:
        if _is(value, module, *names):
            return convert(sys.modules[module], value)
    if is_numbers(value):
        return elements_of_list(value)
    found = _own(value) or _interchanged(value)
    if found is None:
        raise ConversionError(
            f"{described(value)}; expected a tensor: torch, numpy, or what has __array__, __dlpack__ or a buffer"
        )
    return found


def named_elements(result: Any, *, lists: bool = False) -> Iterator[tuple[str, Elements]]:
    """Yield each name and its tensor's elements, in the result's order. Raises ConversionError.

    With `lists`, plain lists of numbers are tensors.
    """
    for name, value in named_values(result, lists=lists):
        try:
            yield name, elements_of(value)
        except ConversionError as error:  # noqa: PERF203 (the name is known only here)
            raise ConversionError(f"under the name {name!r} the loader returned {error}") from error


def tensor_messages(result: Any, reply: str, *, lists: bool = False) -> list[dict[str, Any]]:
    """Return a reply's `tensors`, with base64 of the canonical bytes or, for `reply` "sha256", their digest."""
    return [
        {
            "name": name,
            "dtype": elements.dtype,
            "shape": list(elements.shape),
            **({"sha256": elements.sha256()} if reply == "sha256" else {"data": elements.base64()}),
        }
        for name, elements in named_elements(result, lists=lists)
    ]
