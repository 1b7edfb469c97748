"""Encodes torch.save's zip files: storages, the pickle that describes tensors over them, the archive."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from endianproof.vectors._encoded import Encoded, apply_file_change, refuse_unknown
from endianproof.vectors._torch_objects import View, placed, torch_pickle, torch_views
from endianproof.vectors._zip import Archive, Record, write_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from endianproof.spec import Format, Spec
    from endianproof.vectors._sparse import Data

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
_CHANGES = ("call", "file", "folder", "global", "persistent_id", "protocol", "record", "tensor")


def _records(pickle: bytes, views: Sequence[View], write: Mapping[str, Any], form: Format) -> list[Record]:
    layout, order = form.layout, write["byte_order"]
    names, extra = layout["records"], not write.get("minimal", False)
    storages = {view.storage.key: view.storage for view in views}
    before = {**layout["writer_records"]["before"], names["byte_order"]: layout["byte_orders"][order]}
    version = {names["version"]: layout["version"]["written"]}
    texts = (before if extra else {}), version | (layout["writer_records"]["after"] if extra else {})
    first, last = ([Record(name, text.encode()) for name, text in part.items()] for part in texts)
    data = [Record(names["storages"] + key, storage.data(order)) for key, storage in storages.items()]
    return [Record(names["pickle"], pickle), *first, *data, *last]


def _overwritten(data: Data, how: Mapping[str, Any]) -> Data:
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


def encode(write: Mapping[str, Any], change: Mapping[str, Any] | None, form: Format, spec: Spec) -> Encoded:
    """The file that `write` describes, with at most one change. Raises ValueError for what it does not know."""
    change = change or {}
    refuse_unknown(write, _WRITE, "write")
    refuse_unknown(change, _CHANGES, "change")
    views = torch_views(write, form, spec)
    pickle = torch_pickle(views, write, change, form)
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
    tensors = (placed(view, places.get(storages + view.storage.key, 0), write["byte_order"]) for view in views)
    return Encoded(apply_file_change(data, change), tuple(tensors))
