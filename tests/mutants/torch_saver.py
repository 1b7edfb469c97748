"""A small saver of torch.save's formats that is right, and what can be wrong about it.

The file is the specification's own encoding of the caller's storages and of the tensors as views of them: a seam
changes that description before it is encoded, or the file after it.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from saver import Saver

from endianproof.spec import load_spec
from endianproof.vectors import load_saves

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TorchSaver"]


def as_it_is(description, _machine):
    return description


def _storage(storage):
    return {"dtype": storage.element.name, "numel": len(storage.codes), "values": storage.codes or (0,)}


def _tensor(tensor):
    view = {"name": tensor.name, "storage": str(tensor.storage), "shape": tensor.shape}
    view |= {"offset": tensor.storage_offset, "stride": tensor.stride, "parameter": tensor.parameter}
    return {**view, "metadata": tensor.bits} if tensor.bits else view


@functools.cache
def _saves(format_name):
    return {save.id: save for save in load_saves() if save.format == format_name}


def _encoded(format_name, description, machine):
    """The file's bytes. A zip archive has the machine's byte order and says so; a stream is little-endian.

    Storages of which no tensor is a view are not in it.
    """
    encoder = importlib.import_module(f"endianproof.vectors._{format_name.replace('-', '_')}")
    used = {tensor["storage"] for tensor in description["tensors"]}
    write = {**description, "storages": {key: one for key, one in description["storages"].items() if key in used}}
    write = {"byte_order": machine, **write} if format_name == "torch-zip" else write
    return encoder.encode(write, None, load_spec().formats[format_name], load_spec()).data


@functools.cache
def _right(format_name, save_id, machine):
    """What the caller hands over in the words of a vector's `write`, and the file that it makes."""
    save = _saves(format_name)[save_id]
    storages = {str(number): _storage(storage) for number, storage in enumerate(save.storages)}
    description = {"storages": storages, "tensors": tuple(map(_tensor, save.tensors))}
    return description, _encoded(format_name, description, machine)


@dataclass(frozen=True)
class TorchSaver(Saver):
    """A saver of one of torch's formats. Of the seams of `Saver` it has `refuse`, `after` and `whole`."""

    format: str = "torch-zip"
    described: Callable = as_it_is  # the description, given the machine
    described_again: Callable = as_it_is  # the same, in the second save

    def saves(self):
        """The saves of the format."""
        return tuple(_saves(self.format).values())

    def files(self, save, machine):
        """What two saves leave, one after the other."""
        given, file = _right(self.format, save.id, machine)
        changed = (change(given, machine) for change in (self.described, self.described_again))
        made = [file if one == given else _encoded(self.format, one, machine) for one in changed]
        return self.whole(made[0]), self.whole(made[0] if self.described_again is as_it_is else made[1])
