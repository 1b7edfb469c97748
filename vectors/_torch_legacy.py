"""Encodes torch.save's legacy stream: five pickles one after another, then the bytes of the storages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from endianproof.vectors._encoded import Encoded, apply_file_change, refuse_unknown
from endianproof.vectors._pickle import Built, Call, PersistentId, Style, write_pickle
from endianproof.vectors._sparse import join
from endianproof.vectors._structs import pack_integer
from endianproof.vectors._torch_objects import foreign, placed, torch_object
from endianproof.vectors._torch_storages import Storages, count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from endianproof.spec import Format, Spec
    from endianproof.vectors._sparse import Data

__all__ = ["encode"]

_WRITE = ("container", "pickled", "root", "storages", "styles", "tensors", "views")
_OBJECT_CHANGES = ("call", "global", "persistent_id", "tensor")
_CHANGES = (*_OBJECT_CHANGES, "count", "file", "pickled", "repeat", "section", "styles", "view")


def _identified(value: Any, identify: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> Any:
    """The object with other persistent ids, where they are tuples as they should be."""

    def again(item: Any) -> Any:
        return _identified(item, identify)

    if isinstance(value, PersistentId):
        return PersistentId(identify(value.parts)) if isinstance(value.parts, tuple) else value
    if isinstance(value, Call):
        items, state = again(value.items), again(value.state)
        return replace(value, arguments=again(value.arguments), items=items, state=state)
    if isinstance(value, Built):
        return Built(again(value.value), again(value.state))
    if isinstance(value, (tuple, list)):
        return type(value)(again(item) for item in value)
    return {key: again(item) for key, item in value.items()} if hasattr(value, "items") else value


def _objects(storages: Storages, write: Mapping[str, Any], change: Mapping[str, Any], form: Format) -> Any:
    """The object that holds the tensors. Its persistent ids are storages' with a last item, the view."""
    length = change.get("persistent_id", {}).get("length", form.layout["persistent_id_length"])

    def identify(parts: tuple[Any, ...]) -> tuple[Any, ...]:
        view = storages.views.get(parts[2])
        said: Any = None
        if view is not None:
            root = view["storage"]
            said = (parts[2], view["offset"], view["numel"])
            parts = (*parts[:2], root, parts[3], count_of(storages.roots[root], form))
        said = change.get("view", {}).get("with", said)
        return (*parts, *[said] * (length - len(parts)))[:length]

    kept = {name: value for name, value in change.items() if name in _OBJECT_CHANGES and "length" not in value}
    return _identified(torch_object(storages.tensors, write, kept, form), identify)


def _pickles(
    storages: Storages, write: Mapping[str, Any], change: Mapping[str, Any], form: Format
) -> tuple[list[tuple[str, bytes]], list[Any]]:
    """The five pickles by their names, and the keys that the last lists."""
    layout = form.layout
    other = {**write.get("pickled", {}), **change.get("pickled", {})}
    values = {
        "magic": layout["magic"],
        "version": layout["protocol_version"],
        "system": layout["system"],
        "objects": _objects(storages, write, change, form),
        "keys": sorted(storages.roots),
        **{name: foreign(value, form) for name, value in other.items()},
    }
    styles = {**write.get("styles", {}), **change.get("styles", {})}
    opcodes = layout["pickle"]["opcodes"]
    pickles = []
    for name, value in values.items():
        style = Style(**styles.get(name, styles.get("all", {})))
        pickles.append((name, write_pickle(value, style.protocol, opcodes, style)))
    return pickles, values["keys"]


def _data(
    storages: Storages, keys: Sequence[str], change: Mapping[str, Any], form: Format
) -> list[tuple[str, Data]]:
    sections: list[tuple[str, Data]] = []
    for key in keys:
        storage = storages.roots[key]
        count = change.get("count", {}).get("with", count_of(storage, form))
        sections.append((f"count {key}", pack_integer(form.layout["count"], count)))
        sections.append((f"data {key}", storage.data(form.layout["byte_order"])))
    return sections


_SECTION_CHANGES: Mapping[str, Callable[[Data, Any], Data]] = {
    "append": lambda data, digits: data + bytes.fromhex(digits),
    "overwrite": lambda data, how: data[: how["at"]] + bytes.fromhex(how["with"]) + data[how["at"] + 1 :],
}


def _changed(sections: list[tuple[str, Data]], change: Mapping[str, Any]) -> list[tuple[str, Data]]:
    """The sections with one changed; or those before it, and its own first bytes where some are kept."""
    if not change:
        return sections
    at = [name for name, _ in sections].index(change["name"])
    name, data = sections[at]
    if "end" in change:
        return [*sections[:at], (name, data[: change["end"]])]
    return [
        *sections[:at],
        *((name, apply(data, change[kind])) for kind, apply in _SECTION_CHANGES.items() if kind in change),
        *sections[at + 1 :],
    ]


def encode(write: Mapping[str, Any], change: Mapping[str, Any] | None, form: Format, spec: Spec) -> Encoded:
    """The file that `write` describes, with at most one change. Raises ValueError for what it does not know."""
    change = change or {}
    refuse_unknown(write, _WRITE, "write")
    refuse_unknown(change, _CHANGES, "change")
    storages = Storages(write, form, spec)
    pickles, keys = _pickles(storages, write, change, form)
    listed = [key for key in keys if key in storages.roots] if isinstance(keys, list) else list(storages.roots)
    sections: list[tuple[str, Data]] = [*pickles, *_data(storages, listed, change, form)]
    places: dict[str, int] = {}
    at = 0
    for name, data in sections:
        places.setdefault(name, at)
        at += len(data)
    whole = [data for _, data in _changed(sections, change.get("section", {}))]
    tensors = []
    for view in storages.tensors:
        key, offset = storages.begins(view)
        tensors.append(placed(view, places.get(f"data {key}", 0) + offset, form.layout["byte_order"]))
    return Encoded(apply_file_change(join(whole * change.get("repeat", 1)), change), tuple(tensors))
