"""Storages of the formats before zip files: those with bytes of their own, and those that are views of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from endianproof.vectors._torch_objects import torch_views

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.spec import Format, Spec
    from endianproof.vectors._torch_objects import Storage, View

__all__ = ["Storages", "count_of"]


class Storages:
    """The storages of one file: `roots` by their keys, `views` as the YAML says them, `tensors` over both."""

    def __init__(self, write: Mapping[str, Any], form: Format, spec: Spec) -> None:
        self.views: Mapping[str, Any] = write.get("views", {})
        entries = dict(write.get("storages", {}))
        whole = [{"name": key, "storage": key, "shape": (entry["numel"],)} for key, entry in entries.items()]
        roots = torch_views({"storages": entries, "tensors": whole}, form, spec)
        self.roots: dict[str, Storage] = {view.storage.key: view.storage for view in roots}
        for key, view in self.views.items():
            codes = self.roots[view["storage"]].codes[view["offset"] : view["offset"] + view["numel"]]
            entries[key] = {**entries[view["storage"]], "numel": view["numel"], "values": codes or (0,)}
        self.tensors = torch_views({"storages": entries, "tensors": write["tensors"]}, form, spec)
        for tensor in self.tensors:
            if tensor.storage.key not in self.views:
                self.roots[tensor.storage.key] = tensor.storage

    def begins(self, view: View) -> tuple[str, int]:
        """The storage that holds a tensor's, and the byte of it where the tensor's begins."""
        if view.storage.key not in self.views:
            return view.storage.key, 0
        part = self.views[view.storage.key]
        return part["storage"], part["offset"] * view.storage.element.itemsize


def count_of(storage: Storage, form: Format) -> int:
    """What the file states as the number of elements: of bytes where the element type has no storage class."""
    typed = storage.element.name in form.layout["pickle"]["storage_classes"].values()
    return len(storage.codes) if typed else storage.nbytes
