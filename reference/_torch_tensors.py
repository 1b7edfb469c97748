"""Makes tensors of what a pickle of torch.save says; the format that holds it says where storages are."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from endianproof.reference._machine import Global, StorageId, TensorCall, shown
from endianproof.reference._tensor import Storage, Tensor
from endianproof.reference._violation import SpecViolation
from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from endianproof.spec import ElementType, Format

__all__ = ["OpenStorage", "build_tensors"]

_DEEPEST = 64  # containers inside each other; state dicts of models have two or three
_MOST_VISITS = 1_000_000

# Opens a storage, given its persistent id and the bytes that its number of elements counts. Raises SpecViolation.
OpenStorage = Callable[[StorageId, int], Storage]

# What this reader leaves to others, and the rule that lets it.
_UNSUPPORTED = {
    "rebuild_sparse": "PT-TEN-09",
    "rebuild_nested": "PT-TEN-10",
    "rebuild_meta": "PT-TEN-11",
}
_MOST_ELEMENTS = (1 << 63) - 1


def _refuse_argument(call: TensorCall, found: str, expected: str, rule: str = "PT-TEN-03") -> SpecViolation:
    return SpecViolation(rule, call.at, found, expected)


def _integers(call: TensorCall, value: Any, what: str) -> tuple[int, ...]:
    if isinstance(value, list):
        raise _refuse_argument(call, f"{what} {shown(value)}", "a tuple", "PT-TEN-14")
    if not isinstance(value, tuple) or any(type(item) is not int or item < 0 for item in value):
        raise _refuse_argument(call, f"{what} {shown(value)}", "a tuple of non-negative integers")
    return value


def _check_count(call: TensorCall, size: tuple[int, ...]) -> None:
    """The product of the sizes fits 63 bits; as soon as it does not, nothing is multiplied further."""
    count = 1
    for length in size:
        count *= length
        if count > _MOST_ELEMENTS:
            raise _refuse_argument(call, f"sizes {shown(size)}", "fewer than 2^63 elements", "PT-TEN-17")


class _Tensors:
    """Makes tensors of the pickle's calls."""

    def __init__(self, form: Format, open_storage: OpenStorage) -> None:
        self.form, self.open_storage = form, open_storage
        self.pickle: Mapping[str, Any] = form.layout["pickle"]
        self.classes: Mapping[str, str] = {**self.pickle["storage_classes"], **self.pickle["quantized_classes"]}
        self.names = {element: name for name, element in form.element_types.items()}
        self.storages: dict[tuple[Any, ...], Storage] = {}
        self.first: dict[tuple[Any, ...], StorageId] = {}

    def element(self, call: TensorCall, storage: StorageId) -> tuple[str, int]:
        """The tensor's dtype by the format's name for it, if any, and how many bytes numel counts as one."""
        kind = self.classes.get(storage.storage_class)
        typed = self.names.get(kind, kind) if kind else None
        packed = self.pickle["packed"].get(typed, 1)
        counted = load_spec().element_types[kind].bits * packed // 8 if kind else 1
        if call.role == "rebuild_v3":
            dtype = call.arguments[6]
            if not isinstance(dtype, Global) or dtype.role not in self.form.element_types:
                raise _refuse_argument(call, f"the dtype {shown(dtype)}", "one that the format names", "PT-DT-01")
            return dtype.role, counted
        if typed is None:
            raise _refuse_argument(call, "an untyped storage without a dtype", "a dtype", "PT-DT-02")
        return typed, counted

    def opened(self, where: StorageId, counted: int) -> Storage:
        """A storage's bytes: opened once, however many tensors share it."""
        first = self.first.setdefault((where.key, where.view), where)
        if (first.storage_class, first.numel) != (where.storage_class, where.numel):
            found = f"{where.numel} elements of {where.storage_class} for {where.key!r}"
            expected = f"{first.numel} of {first.storage_class}, as before"
            raise SpecViolation("PT-TEN-13", where.at, found, expected)
        shared = where.key, where.view
        if shared not in self.storages:
            self.storages[shared] = self.open_storage(where, counted)
        return self.storages[shared]

    def turned_signs(self, call: TensorCall, element: ElementType, metadata: Any) -> tuple[bool, ...]:
        words = self.form.layout["pickle"]["metadata"]
        known = isinstance(metadata, dict) and metadata.keys() <= set(words.values())
        if not known or any(value is not True for value in metadata.values()):
            raise _refuse_argument(call, f"metadata {shown(metadata)}", f"{sorted(words.values())}", "PT-TEN-19")
        negative, conjugate = words["negative"] in metadata, words["conjugate"] in metadata
        if negative and element.kind not in ("float", "complex"):
            raise _refuse_argument(call, f"a negative {element.name}", "a float or a complex", "PT-TEN-22")
        return (negative, negative != conjugate) if element.component else (negative,)

    def build(self, name: str, call: TensorCall) -> Tensor:
        if call.role in _UNSUPPORTED:
            raise _refuse_argument(call, call.role, "a dense tensor", _UNSUPPORTED[call.role])
        where, offset, size, stride = call.arguments[:4]
        if not isinstance(where, StorageId):
            raise _refuse_argument(call, f"{shown(where)} in the place of a storage", "a storage", "PT-PKL-12")
        dtype, counted = self.element(call, where)
        element = load_spec().element_types[self.form.element_types.get(dtype, dtype)]
        packed = self.pickle["packed"].get(dtype, 1)
        (offset,) = _integers(call, (offset,), "offset")
        size = _integers(call, size, "size")
        if size and stride in (None, ()):
            raise _refuse_argument(call, "no strides", f"{len(size)} strides", "PT-TEN-20")
        stride = _integers(call, stride, "stride")
        if len(size) != len(stride):
            raise _refuse_argument(call, f"{len(stride)} strides for {len(size)} sizes", "as many")
        capacity = where.count * counted * 8 // (element.bits * packed)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if 0 not in size:
            if last >= capacity:
                found = f"element {last} of a storage of {capacity}"
                raise _refuse_argument(call, found, f"at most element {capacity - 1}", "PT-TEN-02")
            _check_count(call, size)
        if call.role == "rebuild_quantized":
            raise _refuse_argument(call, "a quantized tensor", "a dense one", "PT-TEN-08")
        storage = self.opened(where, counted)
        least, _ = self.pickle["arguments"][call.role]
        metadata = call.arguments[least] if len(call.arguments) > least else {}
        signs = self.turned_signs(call, element, metadata)
        if packed > 1:
            return self.unpacked(call, Tensor(name, element, size, storage, offset, stride), packed)
        return Tensor(name, element, size, storage, offset, stride, signs)

    def unpacked(self, call: TensorCall, tensor: Tensor, packed: int) -> Tensor:
        """A tensor whose sizes count `packed` elements as one: as many more in the last dimension (PT-DT-03)."""
        if not tensor.shape or not tensor.contiguous:
            found = f"strides {shown(tensor.stride)} of a packed dtype"
            raise _refuse_argument(call, found, "a contiguous tensor of one dimension or more", "PT-DT-04")
        shape = (*tensor.shape[:-1], tensor.shape[-1] * packed)
        return Tensor(tensor.name, tensor.element, shape, tensor.storage, tensor.storage_offset * packed)


def _walk(value: Any, at: int, path: tuple[str, ...], visits: Iterator[int]) -> Iterator[tuple[str, TensorCall]]:
    """Every tensor of nested containers by its dotted name.

    A pickle of a few hundred bytes can hold itself, or a list of lists that unfolds to 2^60 items: there is an end
    to the depth and to the number of visits.
    """
    if len(path) > _DEEPEST or next(visits) > _MOST_VISITS:
        raise SpecViolation("PT-PKL-13", at, "containers without end", f"at most {_DEEPEST} inside each other")
    if isinstance(value, TensorCall):
        yield ".".join(path), value
    elif isinstance(value, (dict, list, tuple)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _walk(item, at, (*path, key if isinstance(key, str) else shown(key)), visits)


def build_tensors(root: Any, at: int, form: Format, open_storage: OpenStorage) -> dict[str, Tensor]:
    """The tensors of an unpickled object by their dotted names; `at` is the byte of the pickle.

    Storages are opened once, however many tensors share them. Raises SpecViolation.
    """
    tensors = _Tensors(form, open_storage)
    found: dict[str, Tensor] = {}
    for name, call in _walk(root, at, (), itertools.count()):
        if name in found:
            raise SpecViolation("PT-PKL-05", call.at, f"two tensors called {name!r}", "a name for each")
        found[name] = tensors.build(name, call)
    return found
