"""Bugs in saving torch's zip files and legacy streams."""

from __future__ import annotations

import numpy as np
from family_savers import refusing, swapped
from mutant import Mutant
from saver import TYPES
from spoil import as_bfloat16, as_floats, contiguous
from torch_saver import TorchSaver

__all__ = ["TORCH_SAVERS"]

FORMATS = {"torch-zip": "PT-W", "torch-legacy": "PTL-W"}
INVALID = "an invalid file was written"


def tensors(change):
    """Each tensor described otherwise, or left out where that is None; `change` is given all before it, too."""

    def described(description, _machine):
        found = []
        for tensor in description["tensors"]:
            changed = change(tensor, found)
            found += [changed] if changed else []
        return {**description, "tensors": tuple(found)}

    return described


def storages(change, **said):
    """Each storage with other codes, on a big-endian machine; and what else the description then says."""

    def described(description, machine):
        if machine != "big":
            return description
        held = {key: {**one, **change(one)} for key, one in description["storages"].items()}
        return {**description, "storages": held, **said}

    return described


def reversed_units(storage):
    """Memory of a big-endian machine, taken for little-endian."""
    element = TYPES[storage["dtype"]]
    if element.swap_unit == 1:
        return {}
    unit, size = element.swap_unit, element.itemsize
    data = [code.to_bytes(size, "little") for code in storage["values"]]
    turned = (b"".join(one[at : at + unit][::-1] for at in range(0, size, unit)) for one in data)
    return {"values": tuple(int.from_bytes(one, "little") for one in turned)}


def parts_exchanged(storage):
    """A complex element swapped as a whole: each part is little-endian, and the imaginary one comes first."""
    element = TYPES[storage["dtype"]]
    if not element.component:
        return {}
    half = element.bits // 2
    return {"values": tuple(code >> half | (code % (1 << half)) << half for code in storage["values"])}


def halved(storage):
    if storage["dtype"] != "bfloat16":
        return {}
    codes = np.array(storage["values"], np.uint16)
    with np.errstate(all="ignore"):
        return {"values": tuple(map(int, as_bfloat16(as_floats(codes).astype(np.float16))))}


def as_int16(storage):
    return {"dtype": "int16"} if storage["dtype"] == "bfloat16" else {}


def shared_once(tensor, before):
    return None if tensor["storage"] in {one["storage"] for one in before} else tensor


def without_bits(tensor, _before):
    return {key: value for key, value in tensor.items() if key != "metadata"}


def scalar_as_vector(tensor, _before):
    return tensor if tensor["shape"] else {**tensor, "shape": (1,), "stride": (1,)}


def in_ascii(tensor, _before):
    return {**tensor, "name": tensor["name"].encode("ascii", "replace").decode()}


def flat(tensor, _before):
    return {**tensor, "stride": contiguous(tensor["shape"])}


def said_otherwise(**said):
    return lambda description, _machine: {**description, **said}


# name, what is wrong, what the report says, the numbers of the rules, and the saver's seams
ROWS = (
    ("memory-as-it-is", "a big-endian machine's memory is written as it lies", "not swapped", "02",
     {"described": storages(reversed_units, byte_order="little")}),
    ("complex-as-one-unit", "complex elements are swapped as one unit", "complex elements were swapped",
     "02", {"described": storages(parts_exchanged)}),
    ("through-float16", "bfloat16 goes through float16 on a big-endian machine", "float16", "03",
     {"described": storages(halved)}),
    ("bfloat16-as-int16", "bfloat16 is written as int16", "int16 in place of bfloat16", "03",
     {"described": storages(as_int16)}),
    ("offset-ignored", "a view begins where its storage does", "ignored", "01",
     {"described": tensors(lambda tensor, _: {**tensor, "offset": 0})}),
    ("strides-ignored", "strides are written as those of a contiguous tensor", "ignored", "01",
     {"described": tensors(flat)}),
    ("bits-ignored", "lazy conj and neg bits are left out", "values differ", "01",
     {"described": tensors(without_bits)}),
    ("shared-once", "of tensors in one storage, the first is written", "missing", "01",
     {"described": tensors(shared_once)}),
    ("empty-dropped", "tensors without elements are left out", "missing", "03",
     {"described": tensors(lambda tensor, _: None if 0 in tensor["shape"] else tensor)}),
    ("scalar-as-vector", "no sizes become one size of one", "shape [1] instead of []", "03",
     {"described": tensors(scalar_as_vector)}),
    ("names-ascii", "what is beyond ASCII in names is lost", "the file's names are not the tensors'", "03",
     {"described": tensors(in_ascii)}),
    ("unsigned-refused", "wide unsigned integers cannot be saved", "valid tensors were refused", "03",
     {"refuse": refusing("uint16", "uint32", "uint64")}),
    ("truncated", "the last byte is not written", INVALID, "03", {"whole": lambda file: file[:-1]}),
    ("caller-swapped", "the caller's tensors are swapped in place", "the caller's tensors were changed", "04",
     {"after": lambda tensor, _save, _machine: swapped(tensor)}),
    ("swapped-again", "the second save swaps what the first did", "two saves of the same tensors differ", "02",
     {"described_again": storages(reversed_units)}),
)  # fmt: skip
OF_ARCHIVES = (
    ("no-byteorder", "a big-endian archive has no record byteorder", "not swapped", "02 05",
     {"described": said_otherwise(minimal=True)}),
    ("unaligned", "storages begin at any byte", "the file shows storage-alignment=", "06",
     {"described": said_otherwise(alignment=0)}),
)  # fmt: skip


def _mutant(form, name, what, says, rules, seams):  # noqa: PLR0917 (a row of the table)
    prefix = FORMATS[form]
    made = TorchSaver(format=form, **seams)
    named = tuple(f"{prefix}-{rule}" for rule in rules.split())
    return Mutant(f"{prefix.removesuffix('-W').lower()}-saver-{name}", what, (form,), says, named, save=made)


def _without_order(seams):
    """A stream does not say its byte order."""
    return {**seams, "described": storages(reversed_units)} if seams == ROWS[0][-1] else seams


TORCH_SAVERS = (
    *(_mutant("torch-zip", *row) for row in (*ROWS, *OF_ARCHIVES)),
    *(_mutant("torch-legacy", *row[:-1], _without_order(row[-1])) for row in ROWS),
)
