"""Encodes torch.save's zip files: storages, the pickle that describes tensors over them, the archive."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from endianproof.vectors._codes import ByteOrder, conjugate, negate
from endianproof.vectors._codes import encode as encode_codes
from endianproof.vectors._encoded import (
    Encoded,
    Placed,
    apply_file_change,
    c_strides,
    refuse_unknown,
    shape_of,
)
from endianproof.vectors._patterns import codes_for
from endianproof.vectors._pickle import Call, Global, PersistentId, write_pickle
from endianproof.vectors._zip import Archive, Record, write_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from endianproof.spec import ElementType, Format, Spec

__all__ = ["encode"]

_WRITE = (
    "alignment",
    "byte_order",
    "comment",
    "container",
    "descriptors",
    "folder",
    "minimal",
    "storages",
    "tensors",
    "zip64",
)
_TENSOR = (
    "copies",
    "dtype",
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
_CHANGES = ("file", "folder", "global", "persistent_id", "protocol", "record", "tensor")
_RESOLVE: Mapping[str, Callable[[ElementType, int], int]] = {"conjugate": conjugate, "negative": negate}


@dataclass(frozen=True)
class _Storage:
    key: str
    element: ElementType
    codes: tuple[int, ...]
    pattern: str | None

    def data(self, order: ByteOrder) -> bytes:
        return encode_codes(self.element, self.codes, order)


@dataclass(frozen=True)
class _View:
    """A tensor over a storage, as the pickle says it; sizes may be wrong on purpose."""

    name: str
    storage: _Storage
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


def _storage(key: str, entry: Mapping[str, Any], count: int, spec: Spec) -> _Storage:
    element = spec.element_types[entry["dtype"]]
    values = entry["values"]
    return _Storage(
        key, element, tuple(codes_for(element, values, count)), values if isinstance(values, str) else None
    )


def _views(write: Mapping[str, Any], form: Format, spec: Spec) -> list[_View]:
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
                _View(
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


def _changed_view(view: _View, change: Mapping[str, Any]) -> _View:
    if change.get("tensor", {}).get("name") != view.name:
        return view
    return replace(view, **change["tensor"]["set"])


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

    def storage(self, storage: _Storage) -> PersistentId:
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

    def tensor(self, view: _View, dtype_name: str) -> Call:
        arguments: list[Any] = [self.storage(view.storage), view.offset, view.shape, view.stride]
        if view.rebuild != "rebuild_v1":
            arguments += [False, self.empty_dict()]
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
        versions = Call(self.named("ordered_dict"), (), {"": {"version": 1}})
        state = {"_metadata": versions} if kind == "state_dict" else None
        return Call(self.named("ordered_dict"), (), items, state)


def _pickle(views: Sequence[_View], write: Mapping[str, Any], change: Mapping[str, Any], form: Format) -> bytes:
    dtypes = {element: name for name, element in form.element_types.items()}
    objects = _Objects(form, change)
    items = {view.name: objects.tensor(view, dtypes[view.storage.element.name]) for view in views}
    pickle = form.layout["pickle"]
    return write_pickle(
        objects.container(write.get("container", "dict"), items),
        change.get("protocol", pickle["protocols"][0]),
        pickle["opcodes"],
    )


def _records(pickle: bytes, views: Sequence[_View], write: Mapping[str, Any], form: Format) -> list[Record]:
    layout, order = form.layout, write["byte_order"]
    names, extra = layout["records"], not write.get("minimal", False)
    storages = {view.storage.key: view.storage for view in views}
    before = {**layout["writer_records"]["before"], names["byte_order"]: layout["byte_orders"][order]}
    version = {names["version"]: layout["version"]["written"]}
    texts = (before if extra else {}), version | (layout["writer_records"]["after"] if extra else {})
    first, last = ([Record(name, text.encode()) for name, text in part.items()] for part in texts)
    data = [Record(names["storages"] + key, storage.data(order)) for key, storage in storages.items()]
    return [Record(names["pickle"], pickle), *first, *data, *last]


def _overwritten(data: bytes, how: Mapping[str, Any]) -> bytes:
    new = bytes.fromhex(how["with"])
    return data[: how["at"]] + new + data[how["at"] + len(new) :]


_RECORD_CHANGES: Mapping[str, Callable[[Record, Any], list[Record]]] = {
    "append": lambda record, digits: [replace(record, data=record.data + bytes.fromhex(digits))],
    "cut": lambda record, count: [
        replace(record, data=b"" if count == "all" else record.data[: len(record.data) - count])
    ],
    "method": lambda record, name: [replace(record, method=name)],
    "overwrite": lambda record, how: [replace(record, data=_overwritten(record.data, how))],
    "remove": lambda _record, _yes: [],
    "rename": lambda record, name: [replace(record, name=name)],
    "repeat": lambda record, _yes: [record, record],
    "state_crc": lambda record, crc: [replace(record, state_crc=crc)],
    "text": lambda record, text: [replace(record, data=text.encode())],
}


def _changed_records(records: list[Record], change: Mapping[str, Any] | None) -> list[Record]:
    if not change:
        return records
    rest = dict(change)
    name = rest.pop("name")
    if "add" in rest:
        return [*records, Record(name, rest["add"].encode())]
    if name not in [record.name for record in records]:
        raise ValueError(f"there is no record {name!r} to change")
    ((kind, value),) = rest.items()
    return [
        new
        for record in records
        for new in (_RECORD_CHANGES[kind](record, value) if record.name == name else [record])
    ]


def _placed(view: _View, places: Mapping[str, int], write: Mapping[str, Any], prefix: str) -> Placed:
    storage, order = view.storage, write["byte_order"]
    codes = view.codes()
    return Placed(
        name=view.name,
        element=storage.element,
        shape=view.shape,
        codes=codes,
        byte_order=order,
        at=places.get(prefix + storage.key, 0),
        storage_nbytes=len(storage.data(order)),
        storage_offset=view.offset,
        stride=view.stride,
        pattern=storage.pattern if codes == storage.codes else None,
    )


def encode(write: Mapping[str, Any], change: Mapping[str, Any] | None, form: Format, spec: Spec) -> Encoded:
    """The file that `write` describes, with at most one change. Raises ValueError for what it does not know."""
    change = change or {}
    refuse_unknown(write, _WRITE, "write")
    refuse_unknown(change, _CHANGES, "change")
    views = _views(write, form, spec)
    pickle = _pickle([_changed_view(view, change) for view in views], write, change, form)
    records = _changed_records(_records(pickle, views, write, form), change.get("record"))
    folder = change.get("folder", write.get("folder", "archive"))
    outside = change.get("record", {}).get("name") if change.get("record", {}).get("outside") else None
    prefix = f"{folder}/" if folder else ""
    named = [
        record if record.name == outside else replace(record, name=prefix + record.name) for record in records
    ]
    archive = Archive(
        alignment=write.get("alignment", form.layout["alignment"]),
        zip64=write.get("zip64", "always"),
        descriptors=write.get("descriptors", True),
        comment=bytes.fromhex(write.get("comment", "")),
    )
    data, places = write_zip(named, archive, form.layout["zip"])
    storages = prefix + form.layout["records"]["storages"]
    return Encoded(
        apply_file_change(data, change), tuple(_placed(view, places, write, storages) for view in views)
    )
