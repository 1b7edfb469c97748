"""Makes tensors of what a pickle of torch.save says; the format that holds it says where storages are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from endianproof.reference._tensor import Storage, Tensor
from endianproof.reference._unpickle import Global, StorageId, TensorCall, shown
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


def _refuse_argument(call: TensorCall, found: str, expected: str, rule: str = "PT-TEN-03") -> SpecViolation:
    return SpecViolation(rule, call.at, found, expected)


def _integers(call: TensorCall, value: Any, what: str) -> tuple[int, ...]:
    if not isinstance(value, tuple) or any(type(item) is not int or item < 0 for item in value):
        raise _refuse_argument(call, f"{what} {shown(value)}", "a tuple of non-negative integers")
    return value


class _Tensors:
    """Makes tensors of the pickle's calls."""

    def __init__(self, form: Format, open_storage: OpenStorage) -> None:
        self.form, self.open_storage = form, open_storage
        self.classes: Mapping[str, str] = form.layout["pickle"]["storage_classes"]
        self.storages: dict[tuple[Any, ...], Storage] = {}

    def element(self, call: TensorCall, storage: StorageId, extra: tuple[Any, ...]) -> tuple[ElementType, int]:
        """The tensor's element type, and the bytes that the storage's number of elements counts."""
        types = load_spec().element_types
        typed = self.classes.get(storage.storage_class)
        name = typed
        if call.role == "rebuild_v3" and extra and isinstance(extra[0], Global):
            name = self.form.element_types.get(extra[0].role)
        if name is None or (typed is None and storage.storage_class != "untyped_storage"):
            raise _refuse_argument(call, f"a {storage.storage_class} without a dtype", "a dtype", "PT-DT-01")
        return types[name], types[typed].itemsize if typed else 1

    def turned_signs(self, call: TensorCall, element: ElementType, metadata: Any) -> tuple[bool, ...]:
        words = self.form.layout["pickle"]["metadata"]
        if not isinstance(metadata, dict) or not metadata.keys() <= set(words.values()):
            raise _refuse_argument(call, f"metadata {shown(metadata)}", f"{sorted(words.values())}", "PT-TEN-04")
        negative, conjugate = bool(metadata.get(words["negative"])), bool(metadata.get(words["conjugate"]))
        return (negative, negative != conjugate) if element.component else (negative,)

    def build(self, name: str, call: TensorCall) -> Tensor:
        fixed = {"rebuild_v1": 4, "rebuild_v2": 6, "rebuild_v3": 7}[call.role]
        if len(call.arguments) < fixed or not isinstance(call.arguments[0], StorageId):
            raise _refuse_argument(call, f"{len(call.arguments)} arguments", f"a storage and {fixed - 1} more")
        where, offset, size, stride = call.arguments[:4]
        element, counted = self.element(call, where, call.arguments[6:7])
        (offset,) = _integers(call, (offset,), "offset")
        size, stride = _integers(call, size, "size"), _integers(call, stride, "stride")
        if len(size) != len(stride):
            raise _refuse_argument(call, f"{len(stride)} strides for {len(size)} sizes", "as many")
        capacity = where.count * counted // element.itemsize
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if math.prod(size) and last >= capacity:
            found = f"element {last} of a storage of {capacity}"
            raise _refuse_argument(call, found, f"at most element {capacity - 1}", "PT-TEN-02")
        shared = where.key, where.numel * counted, where.view
        if shared not in self.storages:  # inflated and checked once, however many tensors share it
            self.storages[shared] = self.open_storage(where, counted)
        storage = self.storages[shared]
        metadata = call.arguments[fixed] if len(call.arguments) > fixed else {}
        signs = self.turned_signs(call, element, metadata)
        return Tensor(name, element, size, storage, offset, stride, signs)


def _walk(value: Any, at: int, path: tuple[str, ...], visits: Iterator[int]) -> Iterator[tuple[str, TensorCall]]:
    """Every tensor of nested containers by its dotted name.

    A pickle of a few hundred bytes can hold itself, or a list of lists that unfolds to 2^60 items: there is an end
    to the depth and to the number of visits.
    """
    if len(path) > _DEEPEST or next(visits) > _MOST_VISITS:
        raise SpecViolation("PT-PKL-03", at, "containers without end", f"at most {_DEEPEST} inside each other")
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
