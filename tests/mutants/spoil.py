"""Mistakes made on purpose in tensors that were loaded right: what a loader with that bug would have returned.

A spoiler takes a `Read` and returns the bytes to be handed out, a `LoadedTensor`, or None for a tensor left out.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass, replace

import numpy as np
from right import loaded_tensor

from endianproof.spec import load_spec

TYPES = load_spec().element_types


@dataclass(frozen=True)
class Read:
    """One tensor on its way from the file to the caller, on a machine of byte order `machine`.

    `tensor` is what the manifest says of it, `data` its right canonical bytes, `file` the whole file, `siblings`
    every tensor of the file, `number` its place among them.
    """

    tensor: object
    data: bytes
    file: bytes
    machine: str
    siblings: tuple
    number: int

    @property
    def element(self):
        return TYPES[self.tensor.dtype]

    @property
    def foreign(self):
        """Whether the file's byte order is not the machine's, and the difference matters."""
        return self.element.swap_unit > 1 and self.tensor.byte_order != self.machine

    @property
    def views(self):
        """How many tensors lie in the same storage."""
        return sum((t.at, t.storage_nbytes) == (self.tensor.at, self.tensor.storage_nbytes) for t in self.siblings)

    def returned(self, *, name=None, dtype=None, shape=None, data=None):
        """The tensor with something about it changed."""
        return loaded_tensor(
            self.tensor.name if name is None else name,
            dtype or self.tensor.dtype,
            self.tensor.shape if shape is None else shape,
            self.data if data is None else data,
        )

    def gather(self, start, strides, *, unit=None):
        """Canonical bytes of elements read from byte `start` by `strides` in bytes; beyond the file are zeros."""
        size, places = self.element.itemsize, [start]
        for length, stride in zip(self.tensor.shape, strides, strict=True):
            places = [place + step * stride for place in places for step in range(length)]
        data = b"".join(self.file[place : place + size].ljust(size, b"\0") for place in places if place >= 0)
        return reverse(data, unit or self.element.swap_unit) if self.tensor.byte_order == "big" else data


def reverse(data, unit):
    """Bytes reversed in groups of `unit`; a rest that fills no group stays as it is."""
    whole = len(data) // unit * unit
    groups = np.frombuffer(data[:whole], np.uint8).reshape(-1, unit)[:, ::-1]
    return groups.tobytes() + data[whole:]


def contiguous(shape):
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


# --- byte order ---------------------------------------------------------------------------------------------


def not_swapped(read):
    return reverse(read.data, read.element.swap_unit) if read.foreign else read.data


def always_swapped(read):
    return read.data if read.foreign else reverse(read.data, read.element.swap_unit)


def swapped_by_element(read):
    size = read.element.itemsize if read.element.bits % 8 == 0 else 1
    return reverse(not_swapped(read), size) if read.foreign else read.data


def complex_by_size(read):
    """A switch on the element's size: eight bytes are swapped together, sixteen have no case."""
    return {"complex64": swapped_by_element, "complex128": not_swapped}.get(read.tensor.dtype, lambda r: r.data)(
        read
    )


def swapped_by(read, *, unit):
    """Everything of a foreign byte order is swapped in groups of one size, whatever the type's own unit."""
    return reverse(not_swapped(read), unit) if read.tensor.byte_order != read.machine else read.data


def swapped_by_class(read):
    """The storage's class says the unit: an untyped storage's is one byte."""
    typed = load_spec().formats["torch-zip"].layout["pickle"]["storage_classes"].values()
    return not_swapped(read) if read.tensor.dtype not in typed else read.data


def bfloat16_not_swapped(read):
    """The swap of this one type is left out, or does nothing."""
    return not_swapped(read) if read.tensor.dtype == "bfloat16" else read.data


def swapped_per_view(read):
    return not_swapped(read) if read.views % 2 == 0 else read.data


def swap_without_tail(read, *, width):
    """A swap loop over `width` bytes at a time, that never comes back for the rest."""
    whole = len(read.data) // width * width
    return read.data[:whole] + not_swapped(read)[whole:]


def swap_from_alignment(read, *, width):
    """A swap loop that begins at the first address divisible by `width`, and leaves what lies before it."""
    unit = read.element.swap_unit
    before = min(-read.tensor.at % width, len(read.data)) // unit * unit
    return not_swapped(read)[:before] + read.data[before:]


def half_bytes_exchanged(read):
    if read.element.bits != 4:
        return read.data
    return bytes((byte & 15) << 4 | byte >> 4 for byte in read.data)


# --- values --------------------------------------------------------------------------------------------------


def as_floats(codes):
    """bfloat16 codes as float32 values."""
    return (codes.astype(np.uint32) << 16).view(np.float32)


def as_bfloat16(values):
    """float32 values as bfloat16 codes, by truncation: what came of 16 bits fits them."""
    return (values.astype(np.float32).view(np.uint32) >> 16).astype("<u2")


def bfloat16s(change):
    """A spoiler of bfloat16 codes only."""

    def spoiler(read):
        if read.tensor.dtype != "bfloat16":
            return read.data
        with np.errstate(all="ignore"):
            return change(np.frombuffer(read.data, "<u2"), read).astype("<u2").tobytes()

    return spoiler


@bfloat16s
def through_float16_around_swap(codes, read):
    if not read.foreign:
        return codes
    return as_bfloat16(as_floats(codes.byteswap()).astype(np.float16).byteswap().astype(np.float32))


@bfloat16s
def through_float16(codes, _read):
    return as_bfloat16(as_floats(codes).astype(np.float16).astype(np.float32))


@bfloat16s
def read_as_float16(codes, _read):
    return as_bfloat16(codes.view("<f2").astype(np.float32))


def zeros_for_16_bits(read):
    return bytes(len(read.data)) if read.tensor.dtype in {"float16", "bfloat16"} else read.data


def taken_as_float32(read):
    if read.tensor.dtype != "bfloat16":
        return read.data
    size = 4 * math.prod(read.tensor.shape)
    return read.returned(dtype="float32", data=read.file[read.tensor.at :][:size].ljust(size, b"\0"))


def widened(read):
    if read.tensor.dtype != "bfloat16":
        return read.data
    return read.returned(dtype="float32", data=as_floats(np.frombuffer(read.data, "<u2")).tobytes())


def given_as(read, *, dtype, by):
    """The same bits under another type's name."""
    return read.returned(dtype=by) if read.tensor.dtype == dtype else read.data


def float_fields(read):
    """The codes of a floating-point tensor with its bit fields, or None for another."""
    scalar = TYPES[read.element.component] if read.element.component else read.element
    if scalar.float_fields is None or scalar.bits % 8 or scalar.float_fields.specials != "ieee":
        return None
    fields = scalar.float_fields
    codes = np.frombuffer(read.data, f"<u{scalar.bits // 8}")
    sign = codes & codes.dtype.type(1 << (scalar.bits - 1))
    top = codes.dtype.type(((1 << fields.exponent) - 1) << fields.fraction)
    quiet = codes.dtype.type(1 << (fields.fraction - 1))
    return codes, sign, codes & top, codes & codes.dtype.type((1 << fields.fraction) - 1), top, quiet


def floats(change):
    """A spoiler of the codes of ieee floats, by sign, exponent, fraction, all-ones, quiet bit."""

    def spoiler(read):
        parts = float_fields(read)
        return read.data if parts is None else change(*parts).astype(parts[0].dtype).tobytes()

    return spoiler


@floats
def subnormals_flushed(codes, sign, exponent, fraction, _top, _quiet):
    return np.where((exponent == 0) & (fraction != 0), sign, codes)


@floats
def zero_sign_lost(codes, _sign, exponent, fraction, _top, _quiet):
    return np.where((exponent == 0) & (fraction == 0), 0, codes)


@floats
def nan_canonicalised(codes, _sign, exponent, fraction, top, quiet):
    return np.where((exponent == top) & (fraction != 0), top | quiet, codes)


@floats
def nan_made_quiet(codes, _sign, exponent, fraction, top, quiet):
    return np.where((exponent == top) & (fraction != 0), codes | quiet, codes)


@floats
def nan_became_infinity(codes, sign, exponent, fraction, top, _quiet):
    return np.where((exponent == top) & (fraction != 0), sign | top, codes)


def through(read, *, dtypes, middle):
    """Integers or floats by way of a narrower float."""
    if read.tensor.dtype not in dtypes:
        return read.data
    kinds = {"int": "i", "uint": "u", "float": "f"}
    values = np.frombuffer(read.data, f"<{kinds[read.element.kind]}{read.element.itemsize}")
    with np.errstate(all="ignore"):
        return values.astype(middle).astype(values.dtype).tobytes()


def bool_normalised(read):
    return bytes(map(bool, read.data)) if read.tensor.dtype == "bool" else read.data


# --- place ---------------------------------------------------------------------------------------------------


def placed(change):
    """A spoiler of where elements are read from, given the read, the first byte and the strides in bytes."""

    def spoiler(read, **options):
        if read.element.bits % 8 or not read.data:
            return read.data
        size, tensor = read.element.itemsize, read.tensor
        first = tensor.at + tensor.storage_offset * size
        return change(read, first, [stride * size for stride in tensor.stride], **options)

    return spoiler


@placed
def offset_ignored(read, _first, strides):
    return read.gather(read.tensor.at, strides) if read.tensor.storage_offset else read.data


@placed
def offset_in_bytes(read, _first, strides):
    if not read.tensor.storage_offset:
        return read.data
    return read.gather(read.tensor.at + read.tensor.storage_offset, strides)


@placed
def strides_ignored(read, first, strides):
    flat = [stride * read.element.itemsize for stride in contiguous(read.tensor.shape)]
    if flat == strides:
        return read.data
    return read.gather(first, flat)


@placed
def strides_ignored_padded(read, first, strides):
    """As above; what would lie outside the storage is zero."""
    flat = [stride * read.element.itemsize for stride in contiguous(read.tensor.shape)]
    if flat == strides:
        return read.data
    end = read.tensor.at + read.tensor.storage_nbytes
    return replace(read, file=read.file[:end]).gather(first, flat)


@placed
def strides_in_bytes(read, first, _strides):
    return read.gather(first, read.tensor.stride)


@placed
def expanded_flat(read, first, strides):
    """A stride of zero is taken for one that is missing."""
    flat = [stride * read.element.itemsize for stride in contiguous(read.tensor.shape)]
    return read.gather(first, flat) if 0 in strides else read.data


@placed
def column_major(read, _first, _strides):
    """Elements in Fortran order: of what is contiguous, and read into an array of the wrong order."""
    if sum(size > 1 for size in read.tensor.shape) < 2 or len(read.tensor.shape) > 32:
        return read.data
    size = read.element.itemsize
    array = np.frombuffer(read.data, f"V{size}").reshape(read.tensor.shape, order="F")
    return np.ascontiguousarray(array).tobytes()


@placed
def bits_ignored(read, first, strides):
    """The conj and neg bits: what lies in the storage is handed out as it is."""
    return read.gather(first, strides)


@placed
def odd_address_rounded_down(read, first, strides):
    """A pointer that is cast is taken from the aligned address below."""
    return read.gather(first - first % read.element.swap_unit, strides)


@placed
def rounded_up(read, first, strides, *, by):
    """The buffer is taken to begin at the next multiple of `by`, as in GGUF."""
    base = 8 + int.from_bytes(read.file[:8], "little")
    return read.gather(first + -base % by, strides)


@placed
def base_left_out(read, first, strides):
    return read.gather(first - 8 - int.from_bytes(read.file[:8], "little"), strides)


@placed
def first_row_only(read, _first, _strides):
    """Only the first row is read; the rest of the buffer was allocated as zeros."""
    shape = read.tensor.shape
    if not shape or shape[0] < 2:
        return read.data
    row = len(read.data) // shape[0]
    return read.data[:row] + bytes(len(read.data) - row)


# --- form ----------------------------------------------------------------------------------------------------


def empty_dropped(read):
    return read.data or None


def scalar_as_vector(read):
    return read.returned(shape=read.tensor.shape or (1,))


def rank_limited(read, *, most):
    return read.data if len(read.tensor.shape) <= most else None


def ones_squeezed(read):
    return read.returned(shape=[size for size in read.tensor.shape if size != 1])


def flattened(read):
    return read.returned(shape=[math.prod(read.tensor.shape)])


def cut_short(read, *, most):
    """No more than `most` elements of any tensor."""
    count = math.prod(read.tensor.shape)
    if len(read.tensor.shape) != 1 or count <= most:
        return read.data
    return read.returned(shape=[most], data=read.data[: most * read.element.itemsize])


def beyond_dropped(read, *, most):
    return read.data if read.number < most else None


def shape_reversed(read):
    return read.returned(shape=read.tensor.shape[::-1])


def normalised(name):
    return unicodedata.normalize("NFC", name)


def ascii_only(name):
    return name.encode("ascii", "replace").decode()


def last_part(name):
    return name.rpartition(".")[2]


def renamed(read, *, by):
    """A name that was tidied up."""
    return read.returned(name=by(read.tensor.name))


def name_order_assumed(read):
    """The names are sorted, and the data taken in the file's order: each gets another's."""
    by_place = sorted(read.siblings, key=lambda t: t.at)
    place = sorted(t.name for t in read.siblings).index(read.tensor.name)
    other = by_place[place]
    if (other.dtype, other.shape) != (read.tensor.dtype, read.tensor.shape):
        return read.returned(dtype=other.dtype, shape=other.shape, data=other.canonical)
    return other.canonical
