"""Encodes torch.save's tar format: storages, tensors over them, and a pickle that names tensors by their keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from endianproof.vectors._encoded import Encoded, apply_file_change, refuse_unknown
from endianproof.vectors._pickle import Call, Global, PersistentId, Style, write_pickle
from endianproof.vectors._sparse import plain
from endianproof.vectors._structs import pack_integer
from endianproof.vectors._tar import Member, write_tar
from endianproof.vectors._torch_objects import foreign, placed
from endianproof.vectors._torch_storages import Storages, count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from endianproof.spec import Format, Spec
    from endianproof.vectors._torch_objects import Storage, View

__all__ = ["encode"]

_WRITE = ("container", "members", "storage_values", "storages", "system", "tensors", "views")
_CHANGES = (
    "call",
    "count",
    "entry",
    "file",
    "global",
    "id",
    "member",
    "rank",
    "storage_key",
    "system",
    "tensor",
    "view",
    "views",
)
_FIRST_TENSOR_KEY = 1000  # tensors and storages have their keys from one set of numbers


class _Encoder:
    """One file with its one change."""

    def __init__(self, write: Mapping[str, Any], change: Mapping[str, Any], form: Format, spec: Spec) -> None:
        self.write, self.change, self.form, self.layout = write, change, form, form.layout
        self.storages = Storages(write, form, spec)
        classes = form.layout["pickle"]["storage_classes"]
        self.storage_classes = {element: name for name, element in classes.items()}
        self.tensor_classes = {element: name for name, element in form.layout["tensor_classes"].items()}

    def pickled(self, value: Any) -> bytes:
        style = Style()
        return write_pickle(value, style.protocol, self.layout["pickle"]["opcodes"], style)

    def integer(self, what: str, value: int) -> bytes:
        """A number outside the pickles; in a tensor's description by what it is, or a storage's count."""
        kinds = self.layout["tensor"]
        return pack_integer(kinds[what] if what in kinds else self.layout[what], value)

    def named(self, name: str) -> Global:
        change = self.change.get("global", {})
        return Global(change["with"] if change.get("replace") == name else f"torch {name}")

    def system(self) -> bytes:
        value = self.write.get("system", self.layout["system"])
        return self.pickled(self.change.get("system", value))

    def objects(self) -> bytes:
        """Each tensor is a persistent id, its key in digits; so is a storage that stands for itself."""
        keys = (str(_FIRST_TENSOR_KEY + index) for index in range(len(self.storages.tensors)))
        ids = {view.name: PersistentId(key) for view, key in zip(self.storages.tensors, keys, strict=True)}
        ids |= {name: PersistentId(key) for name, key in self.write.get("storage_values", {}).items()}
        if "id" in self.change:
            ids = dict.fromkeys(ids, PersistentId(foreign(self.change["id"]["with"], self.form)))
        if "call" in self.change:
            return self.pickled({**ids, "code": foreign(self.change["call"], self.form)})
        ordered = self.write.get("container") == "ordered_dict"
        name = Global(self.layout["pickle"]["globals"]["ordered_dict"])
        return self.pickled(Call(name, (), ids) if ordered else ids)

    def tensor(self, view: View, index: int) -> bytes:
        change = self.change.get("tensor", {})
        said = replace(view, **change["set"]) if change.get("name") == view.name else view
        key = self.change.get("storage_key", {}).get("with", int(view.storage.key))
        kind = self.named(self.tensor_classes[view.storage.element.name])
        rank = self.change.get("rank", {}).get("with", len(said.shape))
        numbers = [
            *(("size", size) for size in said.shape),
            *(("stride", stride) for stride in said.stride),
            ("offset", said.offset),
        ]
        return b"".join(
            [
                self.entry("tensor", (_FIRST_TENSOR_KEY + index, key, kind)),
                self.integer("rank", rank),
                self.integer("unused", 0),
                *(self.integer(what, number) for what, number in numbers),
            ]
        )

    def tensors(self) -> bytes:
        described = [self.tensor(view, index) for index, view in enumerate(self.storages.tensors)]
        return self.pickled(self.counted("tensors", len(described))) + b"".join(described)

    def entry(self, what: str, parts: tuple[Any, ...]) -> bytes:
        """The pickled tuple before a tensor's or a storage's numbers."""
        return self.pickled(foreign(self.change.get("entry", {}).get(what, {"$tuple": parts}), self.form))

    def counted(self, what: str, count: int) -> Any:
        return foreign(self.change.get("count", {}).get(what, count), self.form)

    def storage(self, storage: Storage) -> tuple[bytes, bytes]:
        """What stands before a storage's bytes, and its bytes."""
        kind = self.named(self.storage_classes[storage.element.name])
        head = self.entry("storage", (int(storage.key), self.layout["pickle"]["location"], kind))
        count = self.counted("elements", count_of(storage, self.form))
        return head + self.integer("count", count), plain(storage.data(self.layout["byte_order"]))

    def members(self) -> tuple[list[Member], dict[str, int]]:
        """The members, and where each storage's bytes begin in theirs."""
        data = self.pickled(self.counted("storages", len(self.storages.roots)))
        places: dict[str, int] = {}
        for key, storage in self.storages.roots.items():
            head, elements = self.storage(storage)
            places[key] = len(data) + len(head)
            data += head + elements
        views = [
            (int(key), int(view["storage"]), view["offset"], view["numel"])
            for key, view in self.storages.views.items()
        ]
        views = [foreign(self.change.get("view", {}).get("with", {"$tuple": view}), self.form) for view in views]
        views = foreign(self.change["views"]["with"], self.form) if "views" in self.change else views
        contents = {
            "system": self.system(),
            "objects": self.objects(),
            "tensors": self.tensors(),
            "storages": data + self.pickled(views),
        }
        names = self.layout["members"]
        order = self.write.get("members", tuple(contents))
        return [Member(names[what], contents[what]) for what in order], places


_MEMBER_CHANGES: Mapping[str, Callable[[Member, Any], list[Member]]] = {
    "append": lambda member, digits: [replace(member, data=member.data + bytes.fromhex(digits))],
    "before": lambda member, how: [Member(how["name"], how["data"].encode(), how["kind"]), member],
    "cut": lambda member, count: [replace(member, data=member.data[: len(member.data) - count])],
    "remove": lambda _member, _yes: [],
    "rename": lambda member, name: [replace(member, name=name)],
    "state": lambda member, fields: [replace(member, stated=fields)],
}


def _changed(members: Sequence[Member], change: Mapping[str, Any]) -> list[Member]:
    """The members with the one of that name changed."""
    rest = dict(change)
    name = rest.pop("name", None)
    if name is not None and name not in [member.name for member in members]:
        raise ValueError(f"there is no member {name!r} to change")
    found = []
    for member in members:
        kinds = rest.items() if member.name == name else ()
        found += (
            [new for kind, value in kinds for new in _MEMBER_CHANGES[kind](member, value)] if kinds else [member]
        )
    return found


def encode(write: Mapping[str, Any], change: Mapping[str, Any] | None, form: Format, spec: Spec) -> Encoded:
    """The file that `write` describes, with at most one change. Raises ValueError for what it does not know."""
    change = change or {}
    refuse_unknown(write, _WRITE, "write")
    refuse_unknown(change, _CHANGES, "change")
    encoder = _Encoder(write, change, form, spec)
    members, begins = encoder.members()
    data, places = write_tar(_changed(members, change.get("member", {})), form.layout["tar"])
    start = places.get(form.layout["members"]["storages"], 0)
    tensors = []
    for view in encoder.storages.tensors:
        key, offset = encoder.storages.begins(view)
        tensors.append(placed(view, start + begins[key] + offset, form.layout["byte_order"]))
    return Encoded(apply_file_change(data, change), tuple(tensors))
