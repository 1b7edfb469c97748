"""What every format of torch.save pickles: tensors as views over storages, in containers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from endianproof.vectors._codes import ByteOrder, conjugate, negate
from endianproof.vectors._encoded import Placed, c_strides, refuse_unknown, shape_of
from endianproof.vectors._patterns import codes_for, encode_all
from endianproof.vectors._pickle import Built, Call, Global, PersistentId, write_pickle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from endianproof.spec import ElementType, Format, Spec
    from endianproof.vectors._sparse import Data

__all__ = ["Storage", "View", "foreign", "placed", "torch_object", "torch_pickle", "torch_views"]

_TENSOR = (
    "copies",
    "dtype",
    "leading_zeros",
    "metadata",
    "name",
    "offset",
    "parameter",
    "rebuild",
    "shape",
    "storage",
    "stride",
    "values",
)
_RESOLVE: Mapping[str, Callable[[ElementType, int], int]] = {"conjugate": conjugate, "negative": negate}


@dataclass(frozen=True)
class Storage:
    key: str
    element: ElementType
    codes: Sequence[int]
    pattern: str | None

    def data(self, order: ByteOrder) -> Data:
        return encode_all(self.element, self.codes, order)


@dataclass(frozen=True)
class View:
    """A tensor over a storage, as the pickle says it; sizes may be wrong on purpose."""

    name: str
    storage: Storage
    offset: int
    shape: tuple[Any, ...]
    stride: tuple[int, ...]
    rebuild: str
    parameter: bool
    metadata: tuple[str, ...]

    def codes(self) -> tuple[int, ...]:
        """The logical elements in C order."""
        ranges = [range(size) for size in self.shape]
        at = (
            self.offset + sum(i * s for i, s in zip(index, self.stride, strict=True))
            for index in itertools.product(*ranges)
        )
        codes = [self.storage.codes[position] for position in at]
        for bit in self.metadata:
            codes = [_RESOLVE[bit](self.storage.element, code) for code in codes]
        return tuple(codes)


def _storage(key: str, entry: Mapping[str, Any], count: int, spec: Spec) -> Storage:
    element = spec.element_types[entry["dtype"]]
    values = entry["values"]
    codes = codes_for(element, values, count, entry.get("leading_zeros", 0))
    return Storage(key, element, codes, values if isinstance(values, str) else None)


def torch_views(write: Mapping[str, Any], form: Format, spec: Spec) -> list[View]:
    """The tensors; one without a named storage gets its own, the next free key."""
    storages = {
        key: _storage(key, entry, entry["numel"], spec) for key, entry in write.get("storages", {}).items()
    }
    classes = set(form.layout["pickle"]["storage_classes"].values())
    views = []
    for tensor in write["tensors"]:
        refuse_unknown(tensor, _TENSOR, "tensor")
        for copy in range(tensor.get("copies", 1)):
            shape = tuple(tensor["shape"])
            if "storage" in tensor:
                storage = storages[tensor["storage"]]
            else:
                shape = shape_of(shape, spec.element_types[tensor["dtype"]])
                key = str(len(storages))
                storage = storages[key] = _storage(key, tensor, math.prod(shape), spec)
            typed = storage.element.name in classes
            views.append(
                View(
                    name=tensor["name"].replace("{i}", str(copy)),
                    storage=storage,
                    offset=tensor.get("offset", 0),
                    shape=shape,
                    stride=tuple(tensor.get("stride", c_strides(shape))),
                    rebuild=tensor.get("rebuild", "rebuild_v2" if typed else "rebuild_v3"),
                    parameter=tensor.get("parameter", False),
                    metadata=tuple(tensor.get("metadata", ())),
                )
            )
    return views


def _changed_view(view: View, change: Mapping[str, Any]) -> View:
    if change.get("tensor", {}).get("name") != view.name:
        return view
    return replace(view, **change["tensor"]["set"])


def foreign(value: Any) -> Any:
    """What a change's `call` says: a call, a global, an object given a state, or a plain value."""
    if not isinstance(value, Mapping):
        return value
    if "global" in value:
        return Global(value["global"])
    if "function" in value:
        return Call(Global(value["function"]), tuple(foreign(argument) for argument in value["arguments"]))
    if "build" in value:
        return Built(foreign(value["build"]), foreign(value["state"]))
    return {key: foreign(item) for key, item in value.items()}


class _Objects:
    """Builds the pickled objects of one file, with the change that touches them."""

    def __init__(self, form: Format, change: Mapping[str, Any]) -> None:
        self.pickle = form.layout["pickle"]
        self.change = change
        self.classes = {element: name for name, element in self.pickle["storage_classes"].items()}

    def named(self, role: str) -> Global:
        """A global by its role, or a storage class or dtype of module torch by its name."""
        change = self.change.get("global", {})
        if change.get("replace") == role:
            return Global(change["with"])
        return Global(self.pickle["globals"].get(role, f"torch {role}"))

    def empty_dict(self) -> Call:
        return Call(self.named("ordered_dict"), ())

    def storage(self, storage: Storage) -> PersistentId:
        name = storage.element.name
        typed = name in self.classes
        count = len(storage.codes) if typed else len(storage.codes) * storage.element.itemsize
        parts = [
            self.pickle["persistent_id"]["word"],
            self.named(self.classes[name] if typed else "untyped_storage"),
            storage.key,
            self.pickle["location"],
            count,
        ]
        change = self.change.get("persistent_id", {})
        if "index" in change:
            parts[change["index"] : change["index"] + 1] = [change["with"]]
        return PersistentId(tuple(parts[: change.get("length")]))

    def tensor(self, view: View, dtype_name: str) -> Call:
        arguments: list[Any] = [self.storage(view.storage), view.offset, view.shape, view.stride]
        if view.rebuild != "rebuild_v1":
            # Backward hooks: an empty dict, or what a call gives, which takes no part in the tensor.
            hooks = foreign(self.change["call"]) if "call" in self.change else self.empty_dict()
            arguments += [False, hooks]
        if view.rebuild == "rebuild_v3":
            arguments.append(self.named(dtype_name))
        if view.metadata:
            arguments.append({self.pickle["metadata"][bit]: True for bit in view.metadata})
        tensor = Call(self.named(view.rebuild), tuple(arguments))
        if view.parameter:
            return Call(self.named("parameter"), (tensor, True, self.empty_dict()))
        return tensor

    def container(self, kind: str, items: Mapping[str, Call]) -> Any:
        if kind == "dict":
            return items
        if kind not in ("ordered_dict", "state_dict"):
            raise ValueError(f"{kind!r} is no container; there are dict, ordered_dict and state_dict")
        versions = Call(self.named("ordered_dict"), (), {"": {"version": 1}})
        state = {"_metadata": versions} if kind == "state_dict" else None
        return Call(self.named("ordered_dict"), (), items, state)


def torch_object(views: Sequence[View], write: Mapping[str, Any], change: Mapping[str, Any], form: Format) -> Any:
    """The object that holds the tensors, not yet pickled, with the one change where it touches objects."""
    dtypes = {element: name for name, element in form.element_types.items()}
    objects = _Objects(form, change)
    changed = [_changed_view(view, change) for view in views]
    items = {view.name: objects.tensor(view, dtypes[view.storage.element.name]) for view in changed}
    return objects.container(write.get("container", "dict"), items)


def torch_pickle(
    views: Sequence[View], write: Mapping[str, Any], change: Mapping[str, Any], form: Format
) -> bytes:
    """The pickle of that object."""
    pickle = form.layout["pickle"]
    protocol = change.get("protocol", pickle["protocols"][0])
    return write_pickle(torch_object(views, write, change, form), protocol, pickle["opcodes"])


def placed(view: View, at: int, order: ByteOrder) -> Placed:
    """A view as the file holds it, its storage at a byte of the file and in a byte order."""
    storage = view.storage
    codes = view.codes()
    return Placed(
        name=view.name,
        element=storage.element,
        shape=view.shape,
        codes=codes,
        byte_order=order,
        at=at,
        storage_nbytes=len(storage.data(order)),
        storage_offset=view.offset,
        stride=view.stride,
        pattern=storage.pattern if codes == storage.codes else None,
    )
