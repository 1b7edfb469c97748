"""The tensors in what a loader returned: a mapping of names to tensors, or a checkpoint with more in it.

A checkpoint has mappings, lists and tuples inside each other; its tensors' names are the keys joined by dots. What
cannot be a tensor (numbers, strings, None) is left out, and so is what has no elements (the meta device). A tensor
that is made of others (sparse, quantized, nested) is given as its parts.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from endianproof.conformance.testee.canonical import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["described", "named_values", "value_named"]

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


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) or (hasattr(value, "keys") and hasattr(value, "__getitem__"))


def _items(value: Any) -> Iterator[tuple[Any, Any]] | None:
    """Keys and values of a container, or None where it is none. A lazy mapping is asked for one at a time."""
    if _is_mapping(value):
        return ((key, value[key]) for key in list(value.keys()))
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


def _walk(value: Any, path: tuple[str, ...], seen: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    """Every tensor by its name. What was `seen` holds itself, or holds no tensors: once through it is enough."""
    if len(path) > _DEEPEST:
        raise ConversionError(f"containers more than {_DEEPEST} deep")
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
        for named in _walk(item, (*path, key if isinstance(key, str) else reprlib.repr(key)), seen):
            found = True
            yield named
    if found:
        del seen[id(value)]


def named_values(result: Any) -> Iterator[tuple[str, Any]]:
    """Yield each tensor of a loader's result by its name, a lone one by the empty name. Raises ConversionError."""
    if _is_plain(result):
        raise ConversionError(f"the loader returned {described(result)}; expected a mapping of names to tensors")
    module = getattr(sys.modules.get("torch.nn"), "Module", None)
    is_module = module is not None and isinstance(result, module)
    yield from _walk(result.state_dict() if is_module else result, (), {})


def value_named(result: Any, name: str) -> Any:
    """The tensor of that name in a loader's result; of a lazy mapping, no other is made. Raises KeyError."""
    inside = {name: result[name]} if _is_mapping(result) and name in set(result.keys()) else result
    for found, value in named_values(inside):
        if found == name:
            return value
    raise KeyError(name)
