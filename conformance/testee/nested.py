"""The tensors in what a loader returned: a mapping of names to tensors, or a checkpoint with more in it.

A checkpoint has mappings, lists and tuples inside each other, named tuples and dataclasses among them, and
torch's modules; its tensors' names are the keys joined by dots. An iterator gives names with their tensors. What
cannot be a tensor (numbers, strings, None) is left out, and so is what has no elements (the meta device). A
tensor that is made of others (sparse, quantized, nested) is given as its parts.
"""

from __future__ import annotations

import dataclasses
import reprlib
import sys
from collections.abc import ItemsView, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from endianproof.conformance.testee.canonical import ConversionError
from endianproof.conformance.testee.plain_lists import is_numbers

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["described", "named_values", "pairs", "value_named"]

_PLAIN = (type(None), bool, int, float, complex, str, bytes, bytearray, set, frozenset)
_TORCH_PLAIN = ("dtype", "device", "layout", "qscheme", "UntypedStorage", "TypedStorage")
_DEEPEST = 64


def described(value: Any) -> str:
    """The kind of a value, for a message."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _is_plain(value: Any) -> bool:
    if isinstance(value, (*_PLAIN, type)):
        return True
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    kinds = tuple(getattr(torch, name) for name in _TORCH_PLAIN if isinstance(getattr(torch, name, None), type))
    return isinstance(value, kinds) or type(value).__name__ in ("StorageType", "TypedStorage")


def _getter(value: Any) -> Callable[[Any], Any] | None:
    """What gives a mapping's value for a key: `[key]`, or an open file's `get_tensor`; None for no mapping."""
    if isinstance(value, Mapping) or (hasattr(value, "keys") and hasattr(value, "__getitem__")):
        return lambda key: value[key]
    return value.get_tensor if hasattr(value, "keys") and hasattr(value, "get_tensor") else None


def pairs(given: Any) -> Iterator[tuple[Any, Any]]:
    """What an iterator gives, each a name and a tensor. Raises ConversionError for anything else."""
    for pair in given:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not isinstance(pair[0], str):
            raise ConversionError(f"the loader returned an iterator of {described(pair)}; expected (name, tensor)")
        yield pair[0], pair[1]


def _fields(value: Any) -> list[str]:
    """The names of a named tuple's or a dataclass's fields, of neither none. What has a shape is a tensor."""
    if isinstance(value, tuple):
        return list(getattr(value, "_fields", ()))
    if isinstance(value, type) or not dataclasses.is_dataclass(value) or hasattr(value, "shape"):
        return []
    return [field.name for field in dataclasses.fields(value)]


def _is_module(value: Any) -> bool:
    module = getattr(sys.modules.get("torch.nn"), "Module", None)
    return module is not None and isinstance(value, module)


def _items(value: Any) -> Iterator[tuple[Any, Any]] | None:
    """Keys and values of a container, or None where it is none. A lazy mapping is asked for one at a time."""
    if _is_module(value):
        value = value.state_dict()
    get, names = _getter(value), _fields(value)
    if get is not None:
        return ((key, get(key)) for key in list(value.keys()))
    if names:
        return ((name, getattr(value, name)) for name in names)
    if isinstance(value, (Iterator, ItemsView)):
        return pairs(value)
    return enumerate(value) if isinstance(value, (list, tuple)) else None


def _compressed(first: str, second: str) -> Callable[[Any], dict[str, Any]]:
    return lambda tensor: {
        first: getattr(tensor, first)(),
        second: getattr(tensor, second)(),
        "values": tensor.values(),
    }


_LAYOUTS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "torch.sparse_coo": lambda tensor: {"indices": tensor._indices(), "values": tensor._values()},  # noqa: SLF001
    "torch.sparse_csr": _compressed("crow_indices", "col_indices"),
    "torch.sparse_bsr": _compressed("crow_indices", "col_indices"),
    "torch.sparse_csc": _compressed("ccol_indices", "row_indices"),
    "torch.sparse_bsc": _compressed("ccol_indices", "row_indices"),
}


def _quantized(tensor: Any) -> dict[str, Any]:
    parts = {"int_repr": tensor.int_repr()}
    if "per_channel" in str(tensor.qscheme()):
        parts |= {"scales": tensor.q_per_channel_scales(), "zero_points": tensor.q_per_channel_zero_points()}
    return parts


def _parts(value: Any) -> dict[str, Any] | None:
    """The tensors that a torch tensor is made of; none of the meta device's; None where it is one itself."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return None
    if value.device.type == "meta":
        return {}
    if str(value.layout) in _LAYOUTS:
        return _LAYOUTS[str(value.layout)](value)
    if value.is_quantized:
        return _quantized(value)
    return {str(index): part for index, part in enumerate(value.unbind())} if value.is_nested else None


def _walk(value: Any, path: tuple[str, ...], seen: dict[int, Any], lists: bool) -> Iterator[tuple[str, Any]]:
    """Every tensor by its name. What was `seen` holds itself, or holds no tensors: once through it is enough."""
    if len(path) > _DEEPEST:
        raise ConversionError(f"containers more than {_DEEPEST} deep")
    if path and lists and is_numbers(value):
        yield ".".join(path), value
        return
    if path and _is_plain(value):
        return
    parts = _parts(value)
    items = _items(value) if parts is None else iter(parts.items())
    if items is None:
        yield ".".join(path), value
        return
    if id(value) in seen:
        return
    seen[id(value)] = value
    found = False
    for key, item in items:
        for named in _walk(item, (*path, key if isinstance(key, str) else reprlib.repr(key)), seen, lists):
            found = True
            yield named
    if found:
        del seen[id(value)]


def named_values(result: Any, *, lists: bool = False) -> Iterator[tuple[str, Any]]:
    """Yield each tensor of a loader's result by its name, a lone one by the empty name. Raises ConversionError.

    With `lists`, plain lists of numbers are tensors, and so are numbers alone.
    """
    if _is_plain(result):
        raise ConversionError(f"the loader returned {described(result)}; expected a mapping of names to tensors")
    yield from _walk(result, (), {}, lists)


def value_named(result: Any, name: str, *, lists: bool = False) -> Any:
    """The tensor of that name in a loader's result; of a lazy mapping, no other is made. Raises KeyError."""
    get = _getter(result)
    inside = {name: get(name)} if get is not None and name in set(result.keys()) else result
    for found, value in named_values(inside, lists=lists):
        if found == name:
            return value
    raise KeyError(name)
