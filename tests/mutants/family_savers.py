"""Bugs in saving safetensors."""

from __future__ import annotations

import saver
from mutant import Mutant
from saver import TYPES, Saver
from spoil import reverse

__all__ = ["SAVERS"]


def swapped(tensor):
    """The tensor's memory on a big-endian machine, as it is."""
    return reverse(tensor.canonical, TYPES[tensor.dtype].swap_unit)


def memory_as_it_is(tensor, _save, machine):
    order = tensor.byte_order or machine
    return swapped(tensor) if order == "big" else tensor.canonical


def foreign_memory_as_it_is(tensor, _save, _machine):
    return swapped(tensor) if tensor.byte_order == "big" else tensor.canonical


def storage_from_its_beginning(tensor, save, _machine):
    """Offset and strides of a view are not looked at."""
    held = save.memory(tensor, "little")
    return held[: len(tensor.canonical)].ljust(len(tensor.canonical), b"\0")


def bits_ignored(tensor, _save, _machine):
    """Lazy conjugates and negatives as they lie in memory: the signs of parts turned back."""
    parts = 2 if TYPES[tensor.dtype].component else 1
    if not tensor.bits:
        return tensor.canonical
    negative, conjugate = "negative" in tensor.bits, "conjugate" in tensor.bits
    turned = (negative, negative != conjugate)[:parts]
    size = TYPES[tensor.dtype].itemsize // parts
    data = bytearray(tensor.canonical)
    for number, place in enumerate(range(size - 1, len(data), size)):
        data[place] ^= 0x80 if turned[number % parts] else 0
    return bytes(data)


def refusing(*dtypes):
    def refuse(save):
        bad = [t.dtype for t in save.tensors if t.dtype in dtypes]
        return f"KeyError: torch.{bad[0]}" if bad else ""

    return refuse


def _mutant(name, what, says, rules, made, bugs=(), machine="big"):  # noqa: PLR0917 (a row of the table)
    return Mutant(
        f"st-saver-{name}", what, ("safetensors",), says, tuple(rules.split()), tuple(bugs), machine, save=made
    )


WRITTEN = "an invalid file was written"
SAVERS = (
    _mutant(
        "memory-as-it-is",
        "a big-endian machine's memory is written as it is",
        "elements were not swapped",
        "ST-W-02",
        Saver(data=memory_as_it_is),
        ["safetensors#812/#830"],
    ),
    _mutant(
        "foreign-memory",
        "a big-endian array is written as it is, on any machine",
        "elements were not swapped",
        "ST-W-02",
        Saver(data=foreign_memory_as_it_is),
        ["safetensors#75 (PR#82)"],
        "little",
    ),
    _mutant(
        "view-from-beginning",
        "of a view, the storage is written from its beginning",
        "ignored",
        "ST-W-01",
        Saver(data=storage_from_its_beginning),
        bugs=["safetensors#825"],
        machine="little",
    ),
    _mutant(
        "nul-padding",
        "the header is padded with NUL",
        WRITTEN,
        "ST-W-03 ST-W-06 ST-W-04",
        Saver(pad=b"\0"),
        ["RuView#809 / @ruvector/ruvllm"],
    ),
    _mutant(
        "order-as-given",
        "tensors lie in the order in which they were handed over",
        "the file shows tensor-order=anywhere",
        "ST-W-12",
        Saver(order=tuple),
    ),
    _mutant(
        "length-big-endian",
        "the header's length is written big-endian",
        WRITTEN,
        "ST-W-03 ST-W-04",
        Saver(length_order="big"),
    ),
    _mutant(
        "bfloat16-as-u16",
        "bfloat16 is written under the name U16",
        "uint16 in place of bfloat16",
        "ST-W-03 ST-DT-02",
        Saver(dtype=lambda t: "U16" if t.dtype == "bfloat16" else saver.NAMES[t.dtype]),
        ["PaddleNLP#6242 / fastsafetensors#24"],
    ),
    _mutant(
        "bfloat16-refused",
        "bfloat16 cannot be saved",
        "valid tensors were refused",
        "ST-W-03",
        Saver(refuse=refusing("bfloat16")),
        ["mlverse/safetensors#11"],
    ),
    _mutant(
        "unsigned-refused",
        "unsigned integers cannot be saved on a big-endian machine",
        "valid tensors were refused",
        "ST-W-03",
        Saver(refuse=refusing("uint16", "uint32", "uint64")),
        ["OBSERVED-ST-3"],
    ),
    _mutant(
        "scalar-as-vector",
        "no sizes become one size of one",
        "shape [1] instead of []",
        "ST-OFF-09",
        Saver(shape=lambda t: list(t.shape) or [1]),
    ),
    _mutant(
        "names-ascii",
        "what is beyond ASCII in names is lost",
        "the file's names are not the tensors'",
        "ST-JSON-11",
        Saver(name=lambda t: t.name.encode("ascii", "replace").decode()),
    ),
    _mutant(
        "caller-swapped",
        "the caller's tensors are swapped in place",
        "the caller's tensors were changed",
        "ST-W-10",
        Saver(after=lambda t, _save, _machine: swapped(t)),
    ),
    _mutant(
        "swapped-again",
        "the second save swaps what the first has swapped",
        "two saves of the same tensors differ",
        "ST-W-02 ST-W-03",
        Saver(again=lambda t, _save, _machine: swapped(t)),
    ),
    _mutant(
        "truncated",
        "the last bytes are not written",
        WRITTEN,
        "ST-W-03 ST-W-04",
        Saver(whole=lambda file: file[:-1]),
    ),
    _mutant(
        "trailing",
        "a byte is left behind the last tensor",
        WRITTEN,
        "ST-W-03 ST-W-04",
        Saver(whole=lambda file: file + b"\n"),
    ),
    _mutant(
        "bits-ignored",
        "lazy conj and neg bits are not looked at",
        "values differ",
        "ST-W-01",
        Saver(data=bits_ignored),
        ["safetensors#831"],
    ),
    _mutant(
        "metadata-name",
        "a tensor called __metadata__ is saved",
        "tensors were saved that must be refused",
        "ST-W-08",
        Saver(must=lambda _save: ""),
        ["OBSERVED-ST-SAVE-NAME"],
    ),
)
