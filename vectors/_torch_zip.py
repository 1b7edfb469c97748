"""Encodes torch.save's zip files: storages, the pickle that describes tensors over them, the archive."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from endianproof.vectors._encoded import Encoded, apply_file_change, refuse_unknown
from endianproof.vectors._sparse import plain
from endianproof.vectors._torch_objects import CHANGES, View, placed, torch_pickle, torch_views
from endianproof.vectors._zip import Archive, Record, Written, write_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from endianproof.spec import Format, Spec
    from endianproof.vectors._codes import ByteOrder
    from endianproof.vectors._sparse import Data

__all__ = ["encode"]

_ARCHIVE = ("alignment", "beyond", "comment", "descriptors", "padding", "prefix", "zip64")
_WRITE = (*_ARCHIVE, "byte_order", "container", "folder", "minimal", "root", "storages", "tensors")
_CHANGES = (*CHANGES, *_ARCHIVE, "file", "folder", "lie", "order", "record", "truncate")


def _records(pickle: bytes, views: Sequence[View], write: Mapping[str, Any], form: Format) -> list[Record]:
    """The records in torch's order; a `minimal` file has none that old and other writers leave out.

    With `minimal: byteorder`, it has that one of them. Raises ValueError for another kind of minimal.
    """
    layout, names, minimal = form.layout, form.layout["records"], write.get("minimal", False)
    if minimal not in (False, True, "byteorder"):
        raise ValueError(f"write: minimal is true, false or byteorder, not {minimal!r}")
    order: ByteOrder = write["byte_order"]
    storages = {view.storage.key: view.storage for view in views}
    extra = layout["writer_records"] if not minimal else {"before": {}, "after": {}}
    named = {} if minimal is True else {names["byte_order"]: layout["byte_orders"][order]}
    version = {names["version"]: layout["version"]["written"]}
    texts = {**extra["before"], **named}, {**version, **extra["after"]}
    first, last = ([Record(name, text.encode()) for name, text in part.items()] for part in texts)
    data = [Record(names["storages"] + key, storage.data(order)) for key, storage in storages.items()]
    return [Record(names["pickle"], pickle), *first, *data, *last]


def _overwritten(data: Data, how: Mapping[str, Any]) -> Data:
    new = bytes.fromhex(how["with"])
    return data[: how["at"]] + new + data[how["at"] + len(new) :]


def _stored_block(data: Data) -> bytes:
    """DEFLATE without compression (RFC 1951, 3.2.4): one final block, its length, and the length's complement."""
    size = len(data)
    return b"\x01" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + plain(data)


_RECORD_CHANGES: Mapping[str, Callable[[Record, Any], list[Record]]] = {
    "append": lambda record, digits: [replace(record, data=record.data + bytes.fromhex(digits))],
    "block": lambda record, _yes: [replace(record, method="deflated", packed=_stored_block(record.data))],
    "bytes": lambda record, digits: [replace(record, data=bytes.fromhex(digits))],
    "before": lambda record, digits: [replace(record, data=bytes.fromhex(digits)), record],
    "cut": lambda record, count: [
        replace(record, data=b"" if count == "all" else record.data[: len(record.data) - count])
    ],
    "method": lambda record, name: [replace(record, method=name)],
    "overwrite": lambda record, how: [replace(record, data=_overwritten(record.data, how))],
    "packed": lambda record, digits: [replace(record, method="deflated", packed=bytes.fromhex(digits))],
    "remove": lambda _record, _yes: [],
    "rename": lambda record, name: [replace(record, name=name)],
    "repeat": lambda record, _yes: [record, record],
    "state_crc": lambda record, crc: [replace(record, state_crc=crc)],
    "text": lambda record, text: [replace(record, data=text.encode())],
}


def _record_name(name: str | Mapping[str, str]) -> str:
    """A name, or the one of some `bytes`, which need not be UTF-8."""
    return name if isinstance(name, str) else bytes.fromhex(name["bytes"]).decode("utf-8", "surrogateescape")


def _changed_records(records: list[Record], change: Mapping[str, Any] | None) -> list[Record]:
    if not change:
        return records
    rest = dict(change)
    name = _record_name(rest.pop("name"))
    if "add" in rest:
        new = Record(name, rest["add"].encode())
        return [new, *records] if rest.get("first") else [*records, new]
    if name not in [record.name for record in records]:
        raise ValueError(f"there is no record {name!r} to change")
    ((kind, value),) = rest.items()
    return [
        new
        for record in records
        for new in (_RECORD_CHANGES[kind](record, value) if record.name == name else [record])
    ]


def _reordered(records: list[Record], first: Sequence[str]) -> list[Record]:
    """The records with those named first coming first, in that order."""
    return sorted(records, key=lambda record: first.index(record.name) if record.name in first else len(first))


def _named(records: Sequence[Record], prefix: str, change: Mapping[str, Any]) -> list[Record]:
    """The records under the folder, but for the one that the change puts outside of it."""
    record = change.get("record", {})
    outside = Record(record["name"], record["add"].encode()) if record.get("outside") else None
    return [each if each == outside else replace(each, name=prefix + each.name) for each in records]


def _bytes(value: str | Mapping[str, int]) -> bytes:
    """Bytes in hex digits, or so many `zeros`."""
    return bytes.fromhex(value) if isinstance(value, str) else bytes(value["zeros"])


def _archive(write: Mapping[str, Any], change: Mapping[str, Any], form: Format) -> Archive:
    settings: dict[str, Any] = {"alignment": form.layout["alignment"]}
    settings |= {name: value for source in (write, change) for name, value in source.items() if name in _ARCHIVE}
    for name in ("comment", "prefix"):
        settings[name] = _bytes(settings.get(name, ""))
    return Archive(**settings, lie=change.get("lie", {}))


def _finished(written: Written, prefix: str, change: Mapping[str, Any]) -> Data:
    """The file's bytes, cut off where a structure begins, or changed as a whole."""
    if "truncate" not in change:
        return apply_file_change(written.data, change)
    kind, of, name = change["truncate"].partition(" of ")
    return written.data[: written.structures[f"{kind}{of}{prefix}{name}" if of else kind]]


def encode(
    write: Mapping[str, Any],
    change: Mapping[str, Any] | None,
    form: Format,
    spec: Spec,
    more: Sequence[Record] = (),
) -> Encoded:
    """The file that `write` describes, with at most one change; `more` records stand behind the pickle's.

    Raises ValueError for what it does not know.
    """
    change = change or {}
    refuse_unknown(write, _WRITE, "write")
    refuse_unknown(change, _CHANGES, "change")
    views = torch_views(write, form, spec)
    pickle = torch_pickle(views, write, change, form)
    first, *rest = _records(pickle, views, write, form)
    records = _changed_records([first, *more, *rest], change.get("record"))
    records = _reordered(records, change.get("order", ()))
    folder = change.get("folder", write.get("folder", "archive"))
    prefix = f"{folder}/" if folder else ""
    written = write_zip(_named(records, prefix, change), _archive(write, change, form), form.layout["zip"])
    storages = prefix + form.layout["records"]["storages"]
    places = [written.places.get(storages + view.storage.key, 0) for view in views]
    tensors = [
        placed(view, at, write["byte_order"]) for view, at in zip(views, places, strict=True) if not view.hidden
    ]
    return Encoded(_finished(written, prefix, change), tuple(tensors))
