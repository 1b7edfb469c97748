"""Bugs in what is made of a tensor's bytes: byte order, values, place, form; and in the load as a whole."""

from __future__ import annotations

from functools import partial

import around
import convert
import spoil
from mutant import Mutant

from endianproof.spec import load_spec

__all__ = ["CONVERSIONS", "TENSORS"]

ST, ZIP = ("safetensors",), ("torch-zip",)
ALL = tuple(load_spec().formats)
PT = tuple(name for name in ALL if name not in ST)
SWAPPED = ("ST-END-01", "PT-END-02", "PTL-END-01")
TYPED = ("ST-DT-02", "PT-DT-01", "BF-FMT-02")
TAILS = ("ST-END-02", "PT-END-06", "PTL-END-03")
NAMES = ("ST-JSON-10", "ST-JSON-11", "ST-JSON-15", "PT-PKL-05")
MISNAMED = "the tensors' names are not the file's: "

BYTE_ORDER = (
    Mutant(
        "st-not-swapped",
        "little-endian elements are taken in a big-endian machine's order",
        ST,
        "elements were not swapped",
        ("ST-END-01",),
        ("safetensors#307/#190", "tinygrad-big-endian"),
        spoil=spoil.not_swapped,
    ),
    Mutant(
        "swapped-always",
        "elements are swapped where file and machine agree",
        ST,
        "swapped although file and machine have the same byte order",
        ("ST-END-01",),
        machine="little",
        spoil=spoil.always_swapped,
    ),
    Mutant(
        "torch-no-byte-order",
        "the machine's own order, whatever the file says",
        ZIP,
        "elements were not swapped",
        ("PT-END-02", "PT-END-03"),
        ("pytorch#65300 / #94503 / #66613",),
        spoil=spoil.not_swapped,
    ),
    Mutant(
        "bfloat16-swap-does-nothing",
        "swapping bfloat16 leaves it as it is",
        ALL,
        "elements were not swapped",
        ("BF-SWP-01",),
        ("ml_dtypes#308 / PR311",),
        spoil=spoil.bfloat16_not_swapped,
    ),
    Mutant(
        "swap-of-single-bytes",
        "the swap runs over a view of single bytes",
        ST,
        "elements were not swapped",
        ("ST-END-01",),
        ("safetensors#321",),
        spoil=partial(spoil.swapped_by, unit=1),
    ),
    Mutant(
        "complex-as-one-unit",
        "complex elements are swapped as one unit",
        ALL,
        "complex elements were swapped as one unit",
        ("EL-CPX-01",),
        spoil=spoil.swapped_by_element,
    ),
    Mutant(
        "swap-by-storage-class",
        "an untyped storage is swapped by its own unit, one byte",
        PT,
        "elements were not swapped",
        ("PT-END-04",),
        ("torch-untyped-storages",),
        machine="little",
        spoil=spoil.swapped_by_class,
    ),
    *(
        Mutant(
            f"swap-by-{unit}",
            f"everything is swapped in groups of {unit} bytes",
            ALL,
            f"bytes were swapped in groups of {unit} instead of",
            (*SWAPPED, "PT-END-04", "EL-ONE-01"),
            spoil=partial(spoil.swapped_by, unit=unit),
        )
        for unit in (2, 4, 8)
    ),
    Mutant(
        "swap-per-view",
        "a shared storage is swapped in place once for each view",
        PT,
        "once for each of the",
        ("PT-END-05",),
        machine="little",
        spoil=spoil.swapped_per_view,
    ),
    Mutant(
        "swap-in-cache",
        "a cached buffer is swapped in place by every load",
        ALL,
        "two loads of the same file differ",
        SWAPPED,
        around=around.swapped_in_cache,
    ),
    Mutant(
        "half-bytes-exchanged",
        "the two elements of a byte in the other order",
        ALL,
        "the two elements of each byte changed places",
        ("ST-DT-02",),
        spoil=spoil.half_bytes_exchanged,
    ),
    *(
        Mutant(
            f"swap-tail-{width}",
            f"a swap loop by {width} bytes has no loop for its tail",
            ALL,
            f"elements were not swapped, the tail of a loop by {width} bytes",
            TAILS,
            spoil=partial(spoil.swap_without_tail, width=width),
        )
        for width in (16, 32, 64)
    ),
    Mutant(
        "swap-head-16",
        "a swap loop begins at the first aligned address and leaves what lies before",
        ALL,
        "elements were not swapped (",
        (*TAILS, "ST-OFF-06"),
        spoil=partial(spoil.swap_from_alignment, width=16),
    ),
)

VALUES = (
    Mutant(
        "bfloat16-through-float16-swap",
        "bfloat16 goes through float16 by value around the swap",
        ALL,
        "values went through float16",
        ("BF-SWP-01", "BF-FMT-02"),
        ("safetensors#448",),
        spoil=spoil.through_float16_around_swap,
    ),
    Mutant(
        "bfloat16-through-float16",
        "bfloat16 goes through float16 by value",
        ALL,
        "values were rounded to float16 and back",
        ("BF-FMT-01", "BF-FMT-02"),
        ("tinygrad#3310/#2453",),
        spoil=spoil.through_float16,
    ),
    Mutant(
        "bfloat16-read-as-float16",
        "bits of bfloat16 are read as float16 and converted",
        ALL,
        "bits were read as float16",
        ("BF-FMT-01", "BF-FMT-02"),
        spoil=spoil.read_as_float16,
    ),
    Mutant(
        "bfloat16-named-float16",
        "bfloat16 comes back under the name float16",
        ALL,
        "float16 in place of bfloat16",
        TYPED,
        spoil=partial(spoil.given_as, dtype="bfloat16", by="float16"),
    ),
    Mutant(
        "bfloat16-taken-as-float32",
        "bfloat16 is read by four bytes, as float32",
        ALL,
        "float32 in place of bfloat16",
        TYPED,
        ("aprender#369",),
        spoil=spoil.taken_as_float32,
    ),
    Mutant(
        "bfloat16-widened",
        "bfloat16 comes back as float32",
        ALL,
        "bfloat16 was widened to float32",
        TYPED,
        spoil=spoil.widened,
    ),
    Mutant(
        "bfloat16-as-uint16",
        "bfloat16 comes back as the integers of its bits",
        ALL,
        "uint16 in place of bfloat16, with the same bits",
        TYPED,
        spoil=partial(spoil.given_as, dtype="bfloat16", by="uint16"),
    ),
    Mutant(
        "uint16-as-bfloat16",
        "uint16 is taken for the bits of bfloat16",
        ALL,
        "bfloat16 in place of uint16, with the same bits",
        TYPED,
        ("safetensors-paddle",),
        spoil=partial(spoil.given_as, dtype="uint16", by="bfloat16"),
    ),
    Mutant(
        "float8-fnuz-as-fn",
        "one 8-bit float is taken for its neighbour",
        ALL,
        "float8_e4m3fn in place of",
        TYPED,
        spoil=partial(spoil.given_as, dtype="float8_e4m3fnuz", by="float8_e4m3fn"),
    ),
    Mutant(
        "zeros-for-16-bits",
        "16-bit floats are not implemented and come back as zeros",
        ALL,
        "values came back as zero",
        (*TYPED, "BF-SWP-01"),
        ("raven#81/#84",),
        spoil=spoil.zeros_for_16_bits,
    ),
    Mutant(
        "subnormals-flushed",
        "subnormals become zero",
        ALL,
        "subnormals were flushed to zero",
        TYPED,
        spoil=spoil.subnormals_flushed,
    ),
    Mutant(
        "zero-sign-lost",
        "minus zero becomes zero",
        ALL,
        "zeros lost their sign",
        TYPED,
        spoil=spoil.zero_sign_lost,
    ),
    Mutant(
        "nan-canonicalised",
        "every NaN becomes the same one",
        ALL,
        "the bits of NaNs were rewritten",
        TYPED,
        spoil=spoil.nan_canonicalised,
    ),
    Mutant(
        "nan-made-quiet",
        "signalling NaNs become quiet",
        ALL,
        "the bits of NaNs were rewritten",
        TYPED,
        spoil=spoil.nan_made_quiet,
    ),
    Mutant(
        "nan-became-infinity",
        "NaNs become infinity",
        ALL,
        "NaNs became infinities",
        TYPED,
        spoil=spoil.nan_became_infinity,
    ),
    Mutant(
        "int64-through-double",
        "64-bit integers go through double",
        ALL,
        "values were rounded to float64 and back",
        (*TYPED, *SWAPPED),
        spoil=partial(spoil.through, dtypes={"int64", "uint64"}, middle="float64"),
    ),
    Mutant(
        "double-through-single",
        "double precision goes through single",
        ALL,
        "values were rounded to float32 and back",
        (*TYPED, *SWAPPED),
        ("safetensors-wide-types",),
        spoil=partial(spoil.through, dtypes={"float64"}, middle="float32"),
    ),
    Mutant(
        "bool-normalised",
        "a bool byte other than 0 and 1 becomes 1",
        ST,
        "bytes of bool were made 0 or 1",
        ("ST-BOOL-01",),
        spoil=spoil.bool_normalised,
    ),
)

PLACES = (
    Mutant(
        "offset-ignored",
        "the storage offset is not read",
        PT,
        "the storage offset was ignored",
        ("PT-TEN-01",),
        ("tinygrad#700",),
        spoil=spoil.offset_ignored,
    ),
    Mutant(
        "offset-in-bytes",
        "the storage offset is taken as bytes",
        PT,
        "the storage offset was taken as bytes instead of elements",
        ("PT-TEN-01",),
        ("candle#1546/#2824",),
        spoil=spoil.offset_in_bytes,
    ),
    Mutant(
        "strides-ignored",
        "views are read flat",
        PT,
        "strides were ignored",
        ("PT-TEN-01",),
        ("bumblebee#46", "tinygrad-strides"),
        spoil=spoil.strides_ignored,
    ),
    Mutant(
        "strides-ignored-and-padded",
        "views are read flat, and padded with zeros where the storage ends",
        PT,
        "strides were ignored",
        ("PT-TEN-01",),
        ("burn#5383/PR5392",),
        spoil=spoil.strides_ignored_padded,
    ),
    Mutant(
        "strides-in-bytes",
        "strides are taken as bytes",
        PT,
        "strides were taken as bytes instead of elements",
        ("PT-TEN-01",),
        ("MindAct(mindnlp)#850",),
        machine="little",
        spoil=spoil.strides_in_bytes,
    ),
    Mutant(
        "expanded-flat",
        "a stride of zero is taken for a missing one",
        PT,
        "strides were ignored",
        ("PT-TEN-01",),
        spoil=spoil.expanded_flat,
    ),
    Mutant(
        "column-major",
        "elements are read in Fortran order",
        ALL,
        "elements were read in column-major order",
        ("ST-ORD-01", "PT-TEN-01"),
        spoil=spoil.column_major,
    ),
    Mutant(
        "conj-and-neg-ignored",
        "the conj and neg bits are ignored",
        PT,
        "bit was ignored",
        ("PT-TEN-04",),
        spoil=spoil.bits_ignored,
    ),
    Mutant(
        "odd-address-rounded-down",
        "a cast pointer loses its odd address",
        ALL,
        "bytes were read",
        ("ST-OFF-06", "PT-ZIP-10"),
        machine="little",
        spoil=spoil.odd_address_rounded_down,
    ),
    *(
        Mutant(
            f"buffer-rounded-up-{by}",
            f"the buffer is taken to begin at a multiple of {by} bytes",
            ST,
            "after their place",
            ("ST-HDR-10", "ST-END-02"),
            bugs,
            machine="little",
            spoil=partial(spoil.rounded_up, by=by),
        )
        for by, bugs in ((8, ("llama.cpp#18282/PR18291",)), (32, ()))
    ),
    Mutant(
        "offsets-absolute",
        "offsets are taken from the beginning of the file",
        ST,
        "before their place",
        ("ST-END-01", "ST-HDR-01", "ST-DT-02"),
        ("1bit-MONSTER#1058",),
        machine="little",
        spoil=spoil.base_left_out,
    ),
    Mutant(
        "first-row-only",
        "all but the first row stays zero",
        ALL,
        "values end after",
        ("ST-ORD-01", "PT-TEN-01"),
        spoil=spoil.first_row_only,
    ),
)

FORM = (
    Mutant(
        "empty-dropped",
        "tensors without elements are left out",
        ALL,
        f"{MISNAMED}missing",
        ("ST-OFF-09", "PT-TEN-07"),
        spoil=spoil.empty_dropped,
    ),
    Mutant(
        "scalar-as-vector",
        "no sizes become one size of one",
        ALL,
        "shape [1] instead of []",
        ("ST-OFF-09", "PT-TEN-07"),
        spoil=spoil.scalar_as_vector,
    ),
    Mutant(
        "ones-squeezed",
        "sizes of one are left out",
        ALL,
        "shape [",
        ("ST-ORD-01", "PT-TEN-01"),
        spoil=spoil.ones_squeezed,
    ),
    Mutant(
        "flattened",
        "every tensor comes back with one size",
        ALL,
        "shape [25] instead of [5, 5]",
        ("ST-ORD-01",),
        spoil=spoil.flattened,
    ),
    Mutant(
        "shape-reversed",
        "sizes come back in reverse",
        ALL,
        "instead of [",
        ("ST-ORD-01", "PT-TEN-01"),
        spoil=spoil.shape_reversed,
    ),
    *(
        Mutant(
            f"rank-at-most-{most}",
            f"a tensor of more than {most} sizes is left out",
            ALL,
            f"{MISNAMED}missing",
            ("ST-ORD-01", "ST-SHP-01", "PT-TEN-01", "PT-TEN-07"),
            spoil=partial(spoil.rank_limited, most=most),
        )
        for most in (4, 8)
    ),
    Mutant(
        "cut-at-64",
        "no more than 64 elements come back",
        ALL,
        "only 64 of",
        TAILS,
        spoil=partial(spoil.cut_short, most=64),
    ),
    *(
        Mutant(
            f"tensors-beyond-{most}",
            f"no more than {most} tensors come back",
            ALL,
            f"{MISNAMED}missing",
            ("ST-DT-02", "ST-JSON-10", "PT-DT-01", "PT-PKL-03", "ST-OFF-01"),
            spoil=partial(spoil.beyond_dropped, most=most),
        )
        for most in (8, 32)
    ),
    Mutant(
        "order-of-names-assumed",
        "the data are taken to lie in the order of names",
        ALL,
        "in place of",
        ("ST-OFF-06", "PT-DT-01"),
        spoil=spoil.name_order_assumed,
    ),
    *(
        Mutant(f"names-{name}", f"names are {what}", ALL, MISNAMED, NAMES, spoil=partial(spoil.renamed, by=by))
        for name, what, by in (
            ("casefolded", "folded to lower case", str.casefold),
            ("stripped", "stripped", str.strip),
            ("ascii", "cut to ASCII", spoil.ascii_only),
            ("last-part", "cut to what follows the last dot", spoil.last_part),
        )
    ),
)

FORM = (
    *FORM,
    Mutant(
        "names-normalised",
        "names are brought to one Unicode form, and of two the last counts",
        ALL,
        "the values are those of the tensor",
        ("ST-JSON-15",),
        spoil=partial(spoil.renamed, by=spoil.normalised),
    ),
)

LOADS = (
    Mutant(
        "uninitialised-complex128",
        "complex128 has no case, and comes back as whatever was in memory",
        PT,
        "two loads of the same file differ",
        ("PT-DT-01", "EL-CPX-01"),
        around=around.uninitialised,
    ),
    Mutant(
        "uninitialised-tail",
        "the last element of long tensors is never written",
        ALL,
        "two loads of the same file differ",
        TAILS,
        around=around.tail_uninitialised,
    ),
    Mutant(
        "file-modified",
        "the mapped file is swapped in place",
        ALL,
        "the file was changed by loading it",
        SWAPPED,
        around=around.file_modified,
    ),
    Mutant(
        "unaligned-refused",
        "a place that is no multiple of the element's size is refused",
        ALL,
        "a valid file was refused",
        ("ST-OFF-06", "PT-ZIP-10"),
        ("ComfyUI#12266",),
        around=around.unaligned_refused,
    ),
    Mutant(
        "unaligned-crashes",
        "a place that is no multiple of the element's size ends the process",
        ALL,
        "the loader crashed",
        ("ST-OFF-06", "PT-ZIP-10"),
        ("safetensors#231/#695",),
        around=around.unaligned_crashes,
    ),
    Mutant(
        "bfloat16-refused",
        "bfloat16 cannot be swapped, and is refused",
        ALL,
        "a valid file was refused",
        ("BF-FMT-02", "BF-SWP-01"),
        ("OBSERVED-ST-2", "safetensors-get_slice-bf16"),
        around=around.bfloat16_refused,
    ),
    Mutant(
        "one-byte-floats-refused",
        "floats of one byte or less are refused",
        ALL,
        "a valid file was refused",
        ("EL-ONE-01", "ST-DT-02"),
        ("safetensors-one-byte-floats", "safetensors-slices"),
        around=around.one_byte_floats_refused,
    ),
    Mutant(
        "metadata-listed",
        "__metadata__ comes back among the tensors",
        ST,
        "not in the file: '__metadata__'",
        ("ST-JSON-12",),
        around=around.metadata_listed,
    ),
    Mutant(
        "pickle-executed",
        "the pickle is executed",
        PT,
        "code from the file was executed",
        ("PT-PKL-01",),
        around=around.pickle_executed,
    ),
)

TENSORS = (*BYTE_ORDER, *VALUES, *PLACES, *FORM, *LOADS)

CONVERSIONS = tuple(
    Mutant(f"convert-{name}", what, ("any",), "became bfloat16", (rule,), bugs, convert=by)
    for name, what, rule, bugs, by in (
        (
            "truncates",
            "float32 to bfloat16 cuts off sixteen bits",
            "BF-RND-01",
            ("aprender#2144",),
            convert.truncated,
        ),
        ("nan-rounded", "the bias is added to NaN too", "BF-NAN-01", ("gorse#1240/#1244",), convert.nan_rounded),
        (
            "nan-truncated",
            "a signalling NaN becomes infinity",
            "BF-NAN-01",
            ("dotnet/runtime#130583",),
            convert.nan_truncated,
        ),
        ("half-up", "ties are rounded up", "BF-RND-01", (), convert.half_up),
        ("saturates", "what rounds to infinity stays finite", "BF-RND-01", (), convert.saturated),
        ("flushes", "subnormals become zero", "BF-RND-02", (), convert.subnormals_flushed),
        ("zero-sign", "minus zero becomes zero", "BF-RND-01", (), convert.sign_of_zero_lost),
    )
)
