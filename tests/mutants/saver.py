"""A small saver of safetensors that is right, and what can be wrong about it: each seam is one callable.

The caller's memory is the machine's; where a save asks for another byte order, it is swapped by what it says.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from endianproof.conformance.examine import SaveObservation
from endianproof.conformance.outcome import LoadedTensor, Outcome, OutcomeKind
from endianproof.spec import load_spec
from endianproof.vectors import load_saves

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TYPES", "Saver"]

TYPES = load_spec().element_types
NAMES = {name: dtype for dtype, name in load_spec().formats["safetensors"].element_types.items()}


def canonical(tensor, _save, _machine):
    return tensor.canonical


def wide_first(tensors):
    return sorted(tensors, key=lambda tensor: -TYPES[tensor.dtype].bits)


def nothing_refused(_save):
    return ""


def must_refuse(save):
    return "not to be saved" if save.verdict == "reject" else ""


@dataclass(frozen=True)
class Saver:
    """A saver; every field is a seam with the right thing in it."""

    data: Callable = canonical  # the bytes of a tensor in the file
    dtype: Callable = lambda tensor: NAMES.get(tensor.dtype, tensor.dtype)
    shape: Callable = lambda tensor: list(tensor.shape)
    name: Callable = lambda tensor: tensor.name
    pad: bytes = b" "
    align: int = 8
    length_order: str = "little"
    order: Callable = wide_first  # in which the tensors lie
    refuse: Callable = nothing_refused
    must: Callable = must_refuse
    after: Callable = canonical  # the caller's tensor afterwards
    again: Callable = canonical  # as `data`, in the second save
    whole: Callable = lambda file: file

    def file(self, save, machine, data):
        """The bytes of a file."""
        header, buffer = {}, b""
        for tensor in self.order(save.tensors):
            held = data(tensor, save, machine)
            entry = {"dtype": self.dtype(tensor), "shape": self.shape(tensor)}
            header[self.name(tensor)] = {**entry, "data_offsets": [len(buffer), len(buffer) + len(held)]}
            buffer += held
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        text += self.pad * (-len(text) % self.align)
        return self.whole(len(text).to_bytes(8, self.length_order) + text + buffer)

    def files(self, save, machine):
        """What two saves leave, one after the other."""
        data = self.data if self.again is canonical else self.again
        return self.file(save, machine, self.data), self.file(save, machine, data)

    def saves(self):
        """The saves of the format."""
        return tuple(save for save in load_saves() if save.format == "safetensors")

    def observe(self, save, machine):
        """What this saver does with a save, on a machine of this byte order."""
        reason = self.must(save) or self.refuse(save)
        if reason:
            outcome = Outcome(OutcomeKind.REJECTED, error_type="ValueError", message=reason)
            return SaveObservation(save, machine, outcome)
        files = self.files(save, machine)
        tensors = tuple(self._afterwards(tensor, save, machine) for tensor in save.tensors)
        outcome = Outcome(OutcomeKind.SAVED, tensors)
        return SaveObservation(save, machine, outcome, files[0], (), outcome, files[1])

    def _afterwards(self, tensor, save, machine):
        data = self.after(tensor, save, machine)
        return LoadedTensor(tensor.name, tensor.dtype, tensor.shape, hashlib.sha256(data).hexdigest(), data)
