"""What every format of torch.save pickles: tensors as views over storages, in containers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from endianproof.vectors._codes import ByteOrder, component_of, conjugate, negate
from endianproof.vectors._encoded import Placed, c_strides, refuse_unknown, shape_of
from endianproof.vectors._patterns import codes_for, encode_all
from endianproof.vectors._pickle import Built, Call, Global, New, PersistentId, ShortString, Style, write_pickle
from endianproof.vectors._sparse import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from endianproof.spec import ElementType, Format, Spec
    from endianproof.vectors._sparse import Data

__all__ = ["CHANGES", "Storage", "View", "foreign", "placed", "torch_object", "torch_pickle", "torch_views"]

# The changes that touch the pickle, for the encoders of the formats that hold one.
CHANGES = ("call", "first_memo", "global", "persistent_id", "protocol", "root", "splice", "style", "tensor")

_TENSOR = (
    "arguments",
    "copies",
    "dtype",
    "hidden",
    "leading_zeros",
    "lengths",
    "metadata",
    "name",
    "numel",
    "offset",
    "parameter",
    "rebuild",
    "shape",
    "storage",
    "stride",
    "untyped",
    "values",
)
_STORAGE = ("dtype", "leading_zeros", "numel", "values")
_RESOLVE: Mapping[str, Callable[[ElementType, int], int]] = {"conjugate": conjugate, "negative": negate}


@dataclass(frozen=True)
class Storage:
    key: str
    element: ElementType
    codes: Sequence[int]
    pattern: str | None

    @property
    def nbytes(self) -> int:
        """Bytes that the elements take, in whole bytes."""
        return -(-len(self.codes) * self.element.bits // 8)

    def data(self, order: ByteOrder) -> Data:
        return encode_all(self.element, self.codes, order)

    def codes_as(self, element: ElementType, order: ByteOrder) -> Sequence[int]:
        """The storage's bytes as codes of this type, which need not be the one that it was made of."""
        if element == self.element:
            return self.codes
        part, data = component_of(element), plain(self.data(order))
        size = part.itemsize
        parts = [int.from_bytes(data[at : at + size], order) for at in range(0, len(data), size)]
        if not element.component:
            return tuple(parts)
        return tuple(low | high << part.bits for low, high in zip(parts[::2], parts[1::2], strict=True))


@dataclass(frozen=True)
class View:
    """A tensor over a storage, as the pickle says it; sizes may be wrong on purpose.

    `arguments` stand in the place of those of the call that rebuilds it, by name; `numel` in the place of the
    storage's number of elements. A `hidden` one is in the file and is none that a reader returns.
    """

    name: str
    storage: Storage
    element: ElementType
    offset: int
    shape: tuple[Any, ...]
    stride: tuple[int, ...]
    typed: bool
    rebuild: str
    parameter: str | None
    metadata: tuple[str, ...]
    arguments: Mapping[str, Any]
    numel: int | None = None
    hidden: bool = False

    def codes(self, order: ByteOrder) -> tuple[int, ...]:
        """The logical elements in C order."""
        if 0 in self.shape:
            return ()  # product would make tuples of the other sizes, however large
        ranges = [range(size) for size in self.shape]
        at = (
            self.offset + sum(i * s for i, s in zip(index, self.stride, strict=True))
            for index in itertools.product(*ranges)
        )
        stored = self.storage.codes_as(self.element, order)
        codes = [stored[position] for position in at]
        for bit in self.metadata:
            codes = [_RESOLVE[bit](self.element, code) for code in codes]
        return tuple(codes)


def _storage(key: str, entry: Mapping[str, Any], count: int, spec: Spec) -> Storage:
    element = spec.element_types[entry["dtype"]]
    values = entry["values"]
    codes = codes_for(element, values, count, entry.get("leading_zeros", 0))
    return Storage(key, element, codes, values if isinstance(values, str) else None)


def _copies(tensor: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """One tensor as several: `copies` of it, or one of each of `lengths`; `{i}` is the number or the length.

    `lengths` are a list, or all from a `first` to a `last`.
    """
    refuse_unknown(tensor, _TENSOR, "tensor")
    numbers = tensor.get("lengths", range(tensor.get("copies", 1)))
    if isinstance(numbers, Mapping):
        numbers = range(numbers["first"], numbers["last"] + 1)
    return [
        {
            **tensor,
            "name": tensor["name"].replace("{i}", str(number)),
            "shape": (number,) if "lengths" in tensor else tensor["shape"],
        }
        for number in numbers
    ]


def _view(
    tensor: Mapping[str, Any], shape: tuple[int, ...], storage: Storage, classes: set[str], spec: Spec
) -> View:
    element = spec.element_types[tensor["dtype"]] if "dtype" in tensor else storage.element
    typed = element.name in classes and not tensor.get("untyped", False)
    parameter = tensor.get("parameter", False)
    return View(
        name=tensor["name"],
        storage=storage,
        element=element,
        offset=tensor.get("offset", 0),
        shape=shape,
        stride=tuple(tensor.get("stride", c_strides(shape))),
        typed=typed,
        rebuild=tensor.get("rebuild", "rebuild_v2" if typed else "rebuild_v3"),
        parameter="parameter" if parameter is True else parameter or None,
        metadata=tuple(tensor.get("metadata", ())),
        arguments=tensor.get("arguments", {}),
        numel=tensor.get("numel"),
        hidden=tensor.get("hidden", False),
    )


def torch_views(write: Mapping[str, Any], form: Format, spec: Spec) -> list[View]:
    """The tensors; one without a named storage gets its own, the next free key."""
    storages = {}
    for key, entry in write.get("storages", {}).items():
        refuse_unknown(entry, _STORAGE, "storage")
        storages[key] = _storage(key, entry, entry["numel"], spec)
    classes = set(form.layout["pickle"]["storage_classes"].values())
    views = []
    for tensor in itertools.chain.from_iterable(map(_copies, write["tensors"])):
        shape = tuple(tensor["shape"])
        if "storage" not in tensor:
            shape = shape_of(shape, spec.element_types[tensor["dtype"]])
            key = str(len(storages))
            storages[key] = _storage(key, tensor, math.prod(shape), spec)
        storage = storages[tensor["storage"]] if "storage" in tensor else storages[key]
        views.append(_view(tensor, shape, storage, classes, spec))
    return views


def _changed_view(view: View, change: Mapping[str, Any]) -> View:
    """The view with its fields `set`, or with other `arguments` for the call that rebuilds it."""
    change = change.get("tensor", {})
    if change.get("name") != view.name:
        return view
    if "arguments" in change:
        return replace(view, arguments=change["arguments"])
    return replace(view, **change["set"])


class _Objects:
    """Builds the pickled objects of one file, with the change that touches them.

    A YAML mapping is a dict and a YAML list is a list, but for mappings whose one key begins with `$`: they are
    what a pickle can say and YAML cannot.
    """

    def __init__(self, form: Format, views: Sequence[View], change: Mapping[str, Any]) -> None:
        self.pickle: Mapping[str, Any] = form.layout["pickle"]
        self.change = change
        self.classes = {element: name for name, element in self.pickle["storage_classes"].items()}
        self.dtypes = {element: name for name, element in form.element_types.items()}
        harmless = self.pickle["harmless"]
        names = (*self.pickle["storage_classes"], *self.pickle["quantized_classes"], *form.element_types)
        self.globals = {name: f"torch {name}" for name in names}
        self.globals |= {**harmless["functions"], **harmless["values"], **self.pickle["globals"]}
        self.views = {view.name: view for view in views}
        self.special: Mapping[str, Callable[[Any], Any]] = {
            "$arguments": lambda name: self.arguments(self.views[name]),
            "$call": lambda parts: Call(self.named(parts[0]), tuple(self.made(part) for part in parts[1:])),
            "$global": self.named,
            "$id": lambda parts: PersistentId(self.made(parts)),
            "$object": lambda parts: Built(New(Global(parts[0])), self.made(parts[1])),
            "$ordered": lambda items: Call(self.named("ordered_dict"), (), self.made(items)),
            "$short": ShortString,
            "$state": lambda parts: Built(self.made(parts[0]), self.made(parts[1])),
            "$storage": lambda parts: self.storage(self.views[parts[0]], parts[1]),
            "$tensor": lambda name: self.tensor(self.views[name]),
            "$tuple": lambda items: tuple(self.made(item) for item in items),
        }

    def made(self, node: Any) -> Any:
        """The object that a node of the YAML describes."""
        if isinstance(node, tuple):
            return [self.made(item) for item in node]
        if not isinstance(node, Mapping):
            return node
        if len(node) == 1 and next(iter(node)) in self.special:
            ((kind, value),) = node.items()
            return self.special[kind](value)
        return {key: self.made(item) for key, item in node.items()}

    def named(self, role: str) -> Global:
        """A global by its role, or a storage class or dtype of module torch by its name; any by both its names."""
        change = self.change.get("global", {})
        if change.get("replace") == role:
            return Global(change["with"])
        if " " not in role and role not in self.globals:
            raise ValueError(f"{role!r} is no global's role, and no storage class or dtype of module torch")
        return Global(role if " " in role else self.globals[role])

    def empty_dict(self) -> Call:
        return Call(self.named("ordered_dict"), ())

    def storage(self, view: View, storage_class: str | None = None) -> PersistentId:
        """The persistent id of a tensor's storage, of its own class or of another."""
        name, nbytes = view.element.name, view.storage.nbytes
        bits = view.element.bits * self.pickle["packed"].get(self.dtypes[name], 1)
        count = nbytes * 8 // bits if view.typed else nbytes
        parts = [
            self.pickle["persistent_id"]["word"],
            self.named(storage_class or (self.classes[name] if view.typed else "untyped_storage")),
            view.storage.key,
            self.pickle["location"],
            count if view.numel is None else view.numel,
        ]
        change = self.change.get("persistent_id", {})
        if "index" in change:
            parts[change["index"] : change["index"] + 1] = [self.made(change["with"])]
        parts = parts[: change.get("length")]
        return PersistentId(parts if change.get("list") else tuple(parts))

    def packed(self, view: View) -> tuple[int, tuple[Any, ...], tuple[int, ...]]:
        """Offset, shape and strides as the file says them: of a packed dtype, fewer."""
        count = self.pickle["packed"].get(self.dtypes[view.element.name], 1)
        if count == 1:
            return view.offset, view.shape, view.stride
        shape = (*view.shape[:-1], view.shape[-1] // count)
        return view.offset // count, shape, c_strides(shape)

    def arguments(self, view: View) -> tuple[Any, ...]:
        """Of the call that rebuilds the tensor."""
        offset, shape, stride = self.packed(view)
        arguments: dict[str, Any] = {
            "storage": self.storage(view),
            "offset": offset,
            "size": shape,
            "stride": stride,
        }
        if view.rebuild != "rebuild_v1":
            # Backward hooks: an empty dict, or what a call gives, which takes no part in the tensor.
            hooks = self.made(self.change["call"]) if "call" in self.change else self.empty_dict()
            arguments |= {"requires_grad": False, "hooks": hooks}
        if view.rebuild == "rebuild_v3":
            arguments["dtype"] = self.named(self.dtypes[view.element.name])
        if view.metadata:
            arguments["metadata"] = {self.pickle["metadata"][bit]: True for bit in view.metadata}
        arguments |= {name: self.made(node) for name, node in view.arguments.items()}
        return tuple(arguments.values())

    def tensor(self, view: View) -> Call:
        tensor = Call(self.named(view.rebuild), self.arguments(view))
        state = ({"mark": 1},) if view.parameter == "parameter_with_state" else ()
        if view.parameter:
            return Call(self.named(view.parameter), (tensor, True, self.empty_dict(), *state))
        return tensor

    def container(self, kind: str) -> Any:
        items = {name: self.tensor(view) for name, view in self.views.items()}
        if kind == "dict":
            return items
        if kind not in ("ordered_dict", "state_dict"):
            raise ValueError(f"{kind!r} is no container; there are dict, ordered_dict and state_dict")
        versions = Call(self.named("ordered_dict"), (), {"": {"version": 1}})
        state = {"_metadata": versions} if kind == "state_dict" else None
        return Call(self.named("ordered_dict"), (), items, state)


def foreign(node: Any, form: Format) -> Any:
    """The object that a node of the YAML describes, where it holds no tensors."""
    return _Objects(form, (), {}).made(node)


def torch_object(views: Sequence[View], write: Mapping[str, Any], change: Mapping[str, Any], form: Format) -> Any:
    """The object that holds the tensors, not yet pickled, with the one change where it touches objects.

    `root` describes it; without that, it is the `container` of all tensors by their names.
    """
    objects = _Objects(form, [_changed_view(view, change) for view in views], change)
    root = change.get("root", write.get("root"))
    return objects.container(write.get("container", "dict")) if root is None else objects.made(root)


def torch_pickle(
    views: Sequence[View], write: Mapping[str, Any], change: Mapping[str, Any], form: Format
) -> bytes:
    """The pickle of that object."""
    pickle = form.layout["pickle"]
    style = Style(change.get("style", pickle["protocol"]), change.get("first_memo", 0))
    return write_pickle(
        torch_object(views, write, change, form),
        change.get("protocol", style.protocol),
        {**pickle["opcodes"], **pickle["other_opcodes"]},
        style,
        change.get("splice"),
    )


def placed(view: View, at: int, order: ByteOrder) -> Placed:
    """A view as the file holds it, its storage at a byte of the file and in a byte order."""
    storage = view.storage
    codes = view.codes(order)
    return Placed(
        name=view.name,
        element=view.element,
        shape=view.shape,
        codes=codes,
        byte_order=order,
        at=at,
        storage_nbytes=storage.nbytes,
        storage_offset=view.offset,
        stride=view.stride,
        pattern=storage.pattern if view.element == storage.element and codes == storage.codes else None,
    )
