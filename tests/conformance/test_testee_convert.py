"""The testee's conversion to canonical bytes. Expected bytes come from codes by shifts, never from a framework."""

from __future__ import annotations

import base64
import hashlib
import sys

import ml_dtypes
import numpy as np
import pytest
import torch

from endianproof.conformance.testee import canonical
from endianproof.conformance.testee.canonical import BITS, SWAP_UNITS, ConversionError, Elements
from endianproof.conformance.testee.convert import elements_of, named_elements, tensor_messages

# Bytes per element as frameworks keep them in memory; complex elements are two swap units.
MEMORY_BYTES = {name: 2 * unit if "complex" in name else unit for name, unit in SWAP_UNITS.items()}
COUNT = 24
PACKED_BY_TORCH = "float4_e2m1fn_x2"
NARROW = ("int1", "int2", "int4", "uint1", "uint2", "uint4")
TORCH_NAMES = sorted({str(d)[6:] for d in vars(torch).values() if isinstance(d, torch.dtype)})
TORCH_CONVERTED = [name for name in TORCH_NAMES if name in SWAP_UNITS and name not in NARROW]
TORCH_REFUSED = [n for n in TORCH_NAMES if n not in TORCH_CONVERTED and n != PACKED_BY_TORCH and n[0] != "q"]
NUMPY_NAMES = [n for n in SWAP_UNITS if hasattr(np, n)]
ML_NAMES = [n for n in SWAP_UNITS if hasattr(ml_dtypes, n) and n not in NUMPY_NAMES]


def units(name, count=COUNT):
    """A different code for each swap unit; for bool, what bool may hold."""
    unit = SWAP_UNITS[name]
    total = count * MEMORY_BYTES[name] // unit
    if name == "bool":
        return [index % 3 % 2 for index in range(total)]
    if name in BITS:
        return [(index * 5 + 1) % (1 << BITS[name]) for index in range(total)]
    return [
        int.from_bytes(bytes((index * 7 + at * 31 + 1) % 251 for at in range(unit)), "big")
        for index in range(total)
    ]


def in_memory(name, codes, order=sys.byteorder):
    return b"".join(code.to_bytes(SWAP_UNITS[name], order) for code in codes)


def expected(name, codes):
    width = BITS.get(name, 8 * SWAP_UNITS[name])
    packed = sum(code << (index * width) for index, code in enumerate(codes))
    return packed.to_bytes((width * len(codes) + 7) // 8, "little")


def elements_codes(name, codes, order):
    """Codes of whole elements (one or two swap units each) at the given places."""
    parts = MEMORY_BYTES[name] // SWAP_UNITS[name]
    return [code for place in order for code in codes[place * parts : (place + 1) * parts]]


def bytes_of(elements):
    return b"".join(elements.chunks())


def torch_tensor(name, codes):
    octets = torch.tensor(list(in_memory(name, codes)), dtype=torch.uint8)
    return octets.view(getattr(torch, name))


def numpy_array(name, codes, order=sys.byteorder):
    kind = np.dtype(getattr(np if name in NUMPY_NAMES else ml_dtypes, name + "_" * (name == "bool")))
    kind = kind if order == sys.byteorder else kind.newbyteorder(">" if order == "big" else "<")
    return np.frombuffer(in_memory(name, codes, order), dtype=np.uint8).copy().view(kind)


ROWS, COLUMNS = 4, 6
# What to do to a tensor of ROWS x COLUMNS, and the places in memory that its elements then come from, in C order.
LAYOUTS = {
    "contiguous": (lambda t: t, range(COUNT), (4, 6)),
    "transposed": (lambda t: t.T, [r * COLUMNS + c for c in range(COLUMNS) for r in range(ROWS)], (6, 4)),
    "strided": (lambda t: t[::2, 1::3], [r * COLUMNS + c for r in (0, 2) for c in (1, 4)], (2, 2)),
    "offset": (lambda t: t[3], range(18, 24), (6,)),
    # Without the ellipsis numpy makes a scalar, which ml_dtypes 0.6 swaps wrongly for complex types (its #383).
    "0-d": (lambda t: t[2, 5, ...], [17], ()),
    "empty": (lambda t: t[:0], [], (0, 6)),
    "empty-inside": (lambda t: t[:, 2:2], [], (4, 0)),
}


def test_there_is_something_to_convert():
    assert {"bfloat16", "float8_e5m2", "complex128", "bool"} <= set(TORCH_CONVERTED)
    assert {"bfloat16", "float4_e2m1fn", "float6_e3m2fn", "float8_e8m0fnu"} <= set(ML_NAMES)
    assert {"float16", "uint64", "complex64"} <= set(NUMPY_NAMES)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", TORCH_CONVERTED)
def test_torch_tensors_keep_every_bit(name, layout):
    change, places, shape = LAYOUTS[layout]
    codes = units(name)
    elements = elements_of(change(torch_tensor(name, codes).reshape(ROWS, COLUMNS)))
    assert (elements.dtype, elements.shape) == (name, shape)
    assert bytes_of(elements) == expected(name, elements_codes(name, codes, places))


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("layout", [*LAYOUTS, "reversed"])
@pytest.mark.parametrize("name", NUMPY_NAMES + ML_NAMES)
def test_numpy_arrays_keep_every_bit(name, layout, order):
    reversed_layout = (lambda t: t[::-1, ::-1], range(COUNT - 1, -1, -1), (4, 6))
    change, places, shape = {**LAYOUTS, "reversed": reversed_layout}[layout]
    codes = units(name)
    elements = elements_of(change(numpy_array(name, codes, order).reshape(ROWS, COLUMNS)))
    assert (elements.dtype, elements.shape) == (name, shape)
    assert bytes_of(elements) == expected(name, elements_codes(name, codes, places))


@pytest.mark.parametrize("name", TORCH_CONVERTED)
def test_torch_expanded_and_as_strided_views_are_written_out(name):
    codes = units(name)
    flat = torch_tensor(name, codes)
    assert bytes_of(elements_of(flat[:1].expand(3))) == expected(name, elements_codes(name, codes, [0, 0, 0]))
    overlapping = flat.as_strided((3, 2), (1, 2), 4)
    places = [4, 6, 5, 7, 6, 8]
    assert bytes_of(elements_of(overlapping)) == expected(name, elements_codes(name, codes, places))


def test_every_bfloat16_code_survives():
    codes = list(range(1 << 16))
    for value in (torch_tensor("bfloat16", codes), numpy_array("bfloat16", codes)):
        assert bytes_of(elements_of(value)) == expected("bfloat16", codes)


def test_signalling_nans_survive_strided_copies():
    codes = [0x7F800001, 0xFF812345, 0x7FC00001, 0x00000001]
    assert bytes_of(elements_of(torch_tensor("float32", codes)[::3])) == expected("float32", [codes[0], codes[3]])
    assert bytes_of(elements_of(numpy_array("float32", codes)[::3])) == expected("float32", [codes[0], codes[3]])


@pytest.mark.parametrize("name", ["complex32", "complex64", "complex128"])
def test_lazy_bits_flip_signs_and_nothing_else(name):
    unit = SWAP_UNITS[name]
    sign = 1 << (8 * unit - 1)
    codes = units(name)
    codes[0:2] = [codes[0], sign - 1]  # an imaginary NaN: its payload stays
    plain = torch_tensor(name, codes)
    conjugate = [code ^ (sign if index % 2 else 0) for index, code in enumerate(codes)]
    negative = [code ^ sign for code in codes]
    both = [code ^ (0 if index % 2 else sign) for index, code in enumerate(codes)]
    for tensor, want in (
        (torch._conj(plain), conjugate),
        (torch._neg_view(plain), negative),
        (torch._neg_view(torch._conj(plain)), both),
    ):
        assert tensor.is_conj() or tensor.is_neg()
        assert bytes_of(elements_of(tensor)) == expected(name, want)
        assert bytes_of(elements_of(tensor.reshape(4, 6).T)) == expected(
            name, elements_codes(name, want, LAYOUTS["transposed"][1])
        )


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64"])
def test_negative_views_of_floats_flip_the_sign(name):
    codes = units(name)
    sign = 1 << (8 * SWAP_UNITS[name] - 1)
    tensor = torch._neg_view(torch_tensor(name, codes))
    assert tensor.is_neg()
    assert bytes_of(elements_of(tensor)) == expected(name, [code ^ sign for code in codes])


def test_the_imaginary_part_of_a_conjugate_is_a_negative_view():
    part = torch.tensor([1 + 2j]).conj().imag
    assert part.is_neg()
    assert bytes_of(elements_of(part)) == bytes.fromhex("000000c0")


@pytest.mark.parametrize("name", ["int8", "int16", "int32", "int64", "uint8"])
def test_negative_views_of_integers_are_twos_complement(name):
    codes = units(name)
    tensor = torch._neg_view(torch_tensor(name, codes))
    assert tensor.is_neg()
    assert bytes_of(elements_of(tensor)) == expected(
        name, [-code % (1 << (8 * SWAP_UNITS[name])) for code in codes]
    )


def test_torch_counts_two_float4_as_one_element():
    if not hasattr(torch, PACKED_BY_TORCH):
        pytest.skip("this torch has no float4")
    octets = torch.tensor([0x21, 0x43, 0x65, 0x87], dtype=torch.uint8).view(getattr(torch, PACKED_BY_TORCH))
    elements = elements_of(octets.reshape(2, 2))
    assert (elements.dtype, elements.shape) == ("float4_e2m1fn", (2, 4))
    assert bytes_of(elements) == bytes([0x21, 0x43, 0x65, 0x87])
    assert bytes_of(elements_of(octets.reshape(2, 2).T)) == bytes([0x21, 0x65, 0x43, 0x87])
    assert elements_of(octets[0]).shape == (2,)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("name", BITS)
def test_narrow_elements_are_packed_without_gaps(name, count):
    if not hasattr(ml_dtypes, name):
        pytest.skip("this ml_dtypes lacks it")
    codes = units(name, count)
    assert bytes_of(elements_of(numpy_array(name, codes))) == expected(name, codes)


@pytest.mark.parametrize("name", TORCH_REFUSED)
def test_torch_dtypes_without_defined_bytes_are_unknown(name):
    tensor = torch.zeros(8, dtype=torch.uint8).view(getattr(torch, name))
    with pytest.raises(ConversionError, match=f"torch.{name}"):
        elements_of(tensor)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.quint8), "torch.quint8"),
        (lambda: torch.ones(2, 2).to_sparse(), "layout torch.sparse_coo"),
        (lambda: torch.ones(2, device="meta"), "meta device"),
    ],
)
def test_torch_tensors_that_are_not_dense_are_unknown(make, said):
    with pytest.raises(ConversionError, match=said):
        elements_of(make())


def test_parameters_and_tensors_that_require_grad_are_read():
    parameter = torch.nn.Parameter(torch.tensor([1.0]))
    assert bytes_of(elements_of(parameter)) == bytes.fromhex("0000803f")
    assert bytes_of(elements_of(torch.tensor([1.0], requires_grad=True))) == bytes.fromhex("0000803f")


@pytest.mark.parametrize("kind", ["O", "U3", "S3", "V3", "M8[s]", "m8[s]", "g", "G", "i4,f4"])
def test_numpy_dtypes_without_defined_bytes_are_unknown(kind):
    with pytest.raises(ConversionError, match="a numpy array of dtype"):
        elements_of(np.zeros(2, dtype=kind))


def test_numpy_scalars_and_read_only_arrays_are_read():
    assert bytes_of(elements_of(np.float32(1))) == bytes.fromhex("0000803f")
    array = np.frombuffer(b"\x01\x00", dtype="<u2")
    assert not array.flags.writeable
    assert bytes_of(elements_of(array)) == b"\x01\x00"


class Own:
    """As the reference's Tensor."""

    def __init__(self, canonical_bytes):
        self.name, self.dtype, self.shape, self.canonical = "w", "bfloat16", (2,), canonical_bytes


class OwnMethod:
    name, dtype, shape = "w", "bfloat16", (1,)

    def canonical(self):
        return b"\x80\x3f"


def test_own_tensors_are_taken_at_their_word():
    elements = elements_of(Own(b"\x80\x3f\x00\x40"))
    assert (elements.dtype, elements.shape, bytes_of(elements)) == ("bfloat16", (2,), b"\x80\x3f\x00\x40")
    assert bytes_of(elements_of(OwnMethod())) == b"\x80\x3f"


class ByArray:
    def __array__(self, dtype=None, copy=None):
        return np.array([258], dtype=">u2")


class ByDLPack:
    def __init__(self, inner):
        self._inner = inner

    def __dlpack__(self, **keywords):
        return self._inner.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self._inner.__dlpack_device__()


def test_other_frameworks_are_read_through_their_interchange():
    assert bytes_of(elements_of(ByArray())) == b"\x02\x01"
    tensor = torch_tensor("bfloat16", [0x3F80, 0xC020])
    assert bytes_of(elements_of(ByDLPack(tensor))) == bytes.fromhex("803f20c0")


def test_dlpack_is_read_without_torch(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    assert bytes_of(elements_of(ByDLPack(np.array([258], dtype="u2")))) == b"\x02\x01"


def test_a_failing_conversion_is_no_refusal(monkeypatch):
    def no_kernel(tensor):
        raise RuntimeError("no kernel")

    monkeypatch.setattr(torch.Tensor, "contiguous", no_kernel)
    with pytest.raises(ConversionError, match="could not be read bit by bit: RuntimeError: no kernel"):
        elements_of(torch.ones(2))


def test_memory_that_runs_out_during_conversion_is_told_apart(monkeypatch):
    def no_memory(tensor):
        raise MemoryError

    monkeypatch.setattr(torch.Tensor, "contiguous", no_memory)
    with pytest.raises(MemoryError):
        elements_of(torch.ones(2))


def test_what_merely_resembles_a_mapping_is_read():
    class Lazy:
        def keys(self):
            return ["b", "a"]

        def __getitem__(self, name):
            return np.frombuffer(name.encode(), dtype=np.uint8)

    assert [(name, bytes_of(elements)) for name, elements in named_elements(Lazy())] == [("b", b"b"), ("a", b"a")]


@pytest.mark.parametrize("name", ["uint8", "int16", "complex64", "float64"])
@pytest.mark.parametrize("order", ["little", "big"])
def test_chunks_cut_no_element(monkeypatch, name, order):
    codes = units(name, 100)
    whole = expected(name, codes)
    monkeypatch.setattr(canonical, "CHUNK", 48)
    elements = elements_of(numpy_array(name, codes, order))
    assert len(list(elements.chunks())) == -(-len(whole) // 48)
    assert base64.b64decode(elements.base64()) == whole
    assert elements.sha256() == hashlib.sha256(whole).hexdigest()


def test_chunks_are_whole_groups_of_base64_and_of_elements():
    assert canonical.CHUNK % 48 == 0


def test_big_endian_memory_is_swapped_by_the_swap_unit_alone():
    memory = memoryview(bytes(range(1, 17)))
    for unit, want in (
        (1, "0102030405060708090a0b0c0d0e0f10"),
        (2, "02010403060508070a090c0b0e0d100f"),
        (4, "04030201080706050c0b0a09100f0e0d"),
        (8, "0807060504030201100f0e0d0c0b0a09"),
    ):
        assert bytes_of(Elements("x", (16,), memory, unit, "big")).hex() == want
        assert bytes_of(Elements("x", (16,), memory, unit, "little")) == bytes(memory)


def test_messages_carry_data_or_digest():
    result = {"w": np.array([1, 2], dtype=">u2"), "\ud800": np.zeros((0, 3), dtype=bool)}
    data, digest = tensor_messages(result, "data"), tensor_messages(result, "sha256")
    assert data[0] == {"name": "w", "dtype": "uint16", "shape": [2], "data": "AQACAA=="}
    assert data[1] == {"name": "\ud800", "dtype": "bool", "shape": [0, 3], "data": ""}
    assert digest[0]["sha256"] == hashlib.sha256(b"\x01\x00\x02\x00").hexdigest()
    assert "data" not in digest[0]
