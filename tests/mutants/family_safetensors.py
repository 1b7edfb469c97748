"""Bugs in reading safetensors: the header's length, its text, its JSON, its entries."""

from __future__ import annotations

from mutant import Mutant, Seam

__all__ = ["SAFETENSORS"]

REFUSED, ACCEPTED = "a valid file was refused", "an invalid file was accepted"
CHECKED_LENGTH = "length, start = read_integer(length_type, data, 0)"
DECODED = 'text = raw.decode("utf-8")'
PARSED = "parsed, end = decoder.raw_decode(text)"
START = 'start = header.start + len(header.text.encode("utf-8"))'
KNOWN_DTYPE = "if dtype not in form.element_types:"
GOOD_INTEGER = "type(item) is int and 0 <= item <= largest"
FILE = "_safetensors.py"


def _mutant(name, what, says, rules, *seams, bugs=()):
    """Seams are pairs of what is found in the reader and what stands in its place."""
    made = tuple(Seam(FILE, found, put) for found, put in seams)
    return Mutant(f"st-{name}", what, ("safetensors",), says, tuple(rules.split()), tuple(bugs), seams=made)


def _unchecked(condition):
    """A check that is left out."""
    return condition, "if False:"


LENGTH = (
    _mutant(
        "length-big-endian",
        "the header's length is read in a big-endian machine's order",
        REFUSED,
        "ST-HDR-01",
        (CHECKED_LENGTH, 'length, start = read_integer("u8be", data, 0)'),
    ),
    _mutant(
        "length-32-bits",
        "the header's length is read in 32 bits",
        ACCEPTED,
        "ST-HDR-03",
        (CHECKED_LENGTH, 'length, start = read_integer("u4le", data, 0)[0], 8'),
    ),
    _mutant(
        "length-unlimited",
        "a header length over the limit is allocated",
        "the loader ran out of memory",
        "ST-HDR-03",
        (
            'if length > layout["max_header_length"]:',
            'if length > layout["max_header_length"]:\n        raise MemoryError\n    if False:',
        ),
        bugs=["openasr#73, lattice#752, h3.c#48, imp#1605"],
    ),
    _mutant(
        "length-short-file",
        "a file of less than eight bytes is empty, and has no tensors",
        ACCEPTED,
        "ST-HDR-02",
        (
            "    header = _read_header(data, form)\n",
            "    if len(data) < 8:\n        return {}\n    header = _read_header(data, form)\n",
        ),
    ),
    _mutant(
        "length-past-end",
        "a header that the file cuts off is read as far as it goes",
        ACCEPTED,
        "ST-HDR-04",
        _unchecked("if start + length > len(data):"),
    ),
    _mutant(
        "header-at-most-100000",
        "a header of nearly 100,000 bytes is cut off",
        REFUSED,
        "ST-HDR-01",
        ("if start + length > len(data):", "if start + length > min(len(data), 100_000):"),
        bugs=["huggingface_hub#4602"],
    ),
    _mutant(
        "length-rounded-up",
        "the header's length must be a multiple of eight",
        REFUSED,
        "ST-HDR-10",
        ("if start + length > len(data):", "if length % 8 or start + length > len(data):"),
    ),
)

TEXT = (
    _mutant(
        "bom-skipped",
        "a byte order mark before the header is skipped",
        ACCEPTED,
        "ST-HDR-05",
        _unchecked('if text.startswith("\\ufeff"):'),
        ("return _Header(text, start)", 'return _Header(text.removeprefix("\\ufeff") + " " * 3, start)'),
    ),
    _mutant(
        "utf8-replaced",
        "bytes that are no UTF-8 are replaced",
        ACCEPTED,
        "ST-HDR-05",
        (DECODED, 'text = raw.decode("utf-8", "replace")'),
        (START, "start = 8 + int.from_bytes(data[:8], 'little')"),
    ),
    _mutant(
        "latin-1",
        "the header is read as Latin-1",
        "the tensors' names are not the file's",
        "ST-JSON-10 ST-JSON-11",
        (DECODED, 'text = raw.decode("latin-1")'),
        (START, "start = header.start + len(header.text)"),
    ),
    _mutant(
        "white-space-before",
        "white space before the header is skipped",
        ACCEPTED,
        "ST-HDR-06",
        ("    if first != expected:\n", "    if header.text.lstrip()[:1] != expected:\n"),
        (PARSED, "parsed, end = decoder.raw_decode(text, len(text) - len(text.lstrip()))"),
    ),
    _mutant(
        "padding-any-white-space",
        "any white space pads the header",
        ACCEPTED,
        "ST-HDR-08",
        ('chr(form.layout["padding_byte"])', "_JSON_WHITE_SPACE"),
    ),
    _mutant(
        "padding-nul", "NUL pads the header", ACCEPTED, "ST-HDR-09", ('chr(form.layout["padding_byte"])', '" \\0"')
    ),
    _mutant(
        "padding-anything",
        "what follows the header's object is not looked at",
        ACCEPTED,
        "ST-HDR-09",
        _unchecked("if padding:"),
    ),
    _mutant(
        "padding-refused",
        "padding is refused",
        REFUSED,
        "ST-HDR-07",
        ('.strip(chr(form.layout["padding_byte"]))', ""),
    ),
)

JSON = (
    _mutant(
        "json-not-an-object",
        "a header that is no object is a file without tensors",
        ACCEPTED,
        "ST-JSON-01",
        (
            "    _check_padding(header, end, form)\n    found",
            "    parsed = parsed if isinstance(parsed, _Object) else _Object(())\n    found",
        ),
        _unchecked("if first != expected:"),
    ),
    _mutant(
        "json-constants",
        "NaN and Infinity are JSON",
        ACCEPTED,
        "ST-JSON-01",
        ("parse_constant=_not_json", "parse_constant=lambda _: 5"),
    ),
    _mutant(
        "json-control-characters",
        "control characters stand in strings as they are",
        ACCEPTED,
        "ST-JSON-01",
        ("object_pairs_hook=_object,", "object_pairs_hook=_object, strict=False,"),
    ),
    _mutant(
        "json-trailing-comma",
        "a comma before a closing bracket is skipped",
        ACCEPTED,
        "ST-JSON-01",
        (PARSED, 'parsed, end = decoder.raw_decode(text.replace(",]", " ]"))'),
    ),
    _mutant(
        "json-single-quotes",
        "single quotes are quotes",
        ACCEPTED,
        "ST-JSON-01",
        (PARSED, """parsed, end = decoder.raw_decode(text.replace("'", '"'))"""),
    ),
    _mutant(
        "json-comments",
        "comments are skipped",
        ACCEPTED,
        "ST-JSON-01",
        (PARSED, 'parsed, end = decoder.raw_decode(text.replace("/**/", "    "))'),
    ),
    _mutant(
        "json-leading-zeros",
        "integers may begin with zeros",
        ACCEPTED,
        "ST-JSON-01",
        (PARSED, 'parsed, end = decoder.raw_decode(text.replace("[0,0", "[0, "))'),
    ),
    _mutant(
        "json-escapes-kept",
        "escapes in names are not resolved",
        "the tensors' names are not the file's",
        "ST-JSON-11",
        (
            PARSED,
            'parsed, end = decoder.raw_decode(text.replace("\\\\", "\\\\\\\\") if "\\\\u" in text else text)',
        ),
    ),
    _mutant(
        "json-no-white-space",
        "white space between tokens is refused",
        REFUSED,
        "ST-JSON-01",
        (
            "    if first != expected:\n",
            '    if first != expected or "\\n" in header.text:\n',
        ),
    ),
    _mutant(
        "json-surrogates",
        "half of a surrogate pair is let through",
        ACCEPTED,
        "ST-JSON-13",
        ("raise _LoneSurrogateError(ascii(value))", "return"),
    ),
    _mutant(
        "no-tensors-refused",
        "a file without tensors is refused",
        REFUSED,
        "ST-JSON-01",
        (
            "    _check_padding(header, end, form)",
            (
                "    if not parsed.pairs:\n        raise ValueError('no tensors')\n"
                "    _check_padding(header, end, form)"
            ),
        ),
    ),
)

NAME_TWICE = '    _check_names(parsed, header, form.layout["entry_keys"]["offsets"])\n'
NAMES = (
    _mutant(
        "duplicates-first",
        "of two entries of one name the first counts",
        ACCEPTED,
        "ST-JSON-02",
        (NAME_TWICE, ""),
        (
            "entries = [pair for pair in parsed.pairs if pair[0] != metadata_key]",
            "entries = [*dict(reversed([pair for pair in parsed.pairs if pair[0] != metadata_key])).items()]",
        ),
    ),
    _mutant(
        "duplicates-last",
        "of two entries of one name the last counts",
        ACCEPTED,
        "ST-JSON-02",
        (NAME_TWICE, ""),
        (
            "entries = [pair for pair in parsed.pairs if pair[0] != metadata_key]",
            "entries = [*dict(pair for pair in parsed.pairs if pair[0] != metadata_key).items()]",
        ),
        bugs=["safetensors#401"],
    ),
    _mutant(
        "empty-name-refused",
        "an empty name is refused",
        REFUSED,
        "ST-JSON-10",
        (NAME_TWICE, "    if parsed.all(''):\n        raise KeyError\n"),
    ),
    _mutant(
        "metadata-unchecked",
        "what stands in the metadata is not looked at",
        ACCEPTED,
        "ST-JSON-03",
        ("    _check_metadata(parsed, header, metadata_key)\n", ""),
    ),
    _mutant(
        "metadata-twice",
        "of two metadata the last counts",
        ACCEPTED,
        "ST-JSON-14",
        _unchecked("if len(found) > 1:"),
        (NAME_TWICE, ""),
    ),
    _mutant(
        "minus-zero",
        "minus zero is zero",
        ACCEPTED,
        "ST-JSON-16",
        ('return _MinusZero() if digits == "-0" else', "return"),
    ),
    _mutant(
        "entries-unknown-dropped",
        "an entry that is no object describes no tensor",
        ACCEPTED,
        "ST-JSON-19",
        (
            "pair for pair in parsed.pairs if pair[0] != metadata_key]",
            "pair for pair in parsed.pairs if pair[0] != metadata_key and isinstance(pair[1], _Object)]",
        ),
        bugs=["stsw-header"],
    ),
    _mutant(
        "metadata-required",
        "a file without metadata is refused",
        REFUSED,
        "ST-END-01 ST-DT-02",
        (
            "    _check_metadata(parsed, header, metadata_key)\n",
            (
                "    _check_metadata(parsed, header, metadata_key)\n    if not parsed.all(metadata_key):\n"
                "        raise KeyError(metadata_key)\n"
            ),
        ),
    ),
)

ENTRIES = (
    _mutant(
        "integers-through-double",
        "integers of the header go through double",
        "instead of [",
        "ST-JSON-06 ST-OFF-07",
        ('"-0" else int(digits[:25])', '"-0" else int(float(digits[:25]))'),
    ),
    _mutant(
        "fractions-truncated",
        "a size with a fraction or an exponent is made an integer",
        ACCEPTED,
        "ST-JSON-06",
        ("parse_constant=_not_json,", "parse_constant=_not_json, parse_float=lambda digits: int(float(digits)),"),
    ),
    _mutant(
        "booleans-as-integers",
        "true is the size one",
        ACCEPTED,
        "ST-JSON-06",
        (GOOD_INTEGER, "isinstance(item, int) and 0 <= item <= largest"),
    ),
    _mutant(
        "strings-as-integers",
        "a size in quotes is an integer",
        ACCEPTED,
        "ST-JSON-06",
        (
            "    good = [",
            (
                "    items = [int(item) if isinstance(item, str) and item.isdigit() else item for item in items]\n"
                "    good = ["
            ),
        ),
    ),
    _mutant(
        "null-as-size",
        "a size of null is left out",
        ACCEPTED,
        "ST-JSON-06",
        ("    good = [", "    items = [item for item in items if item is not None]\n    good = ["),
    ),
    _mutant(
        "negative-size",
        "a negative size counts as its amount",
        ACCEPTED,
        "ST-JSON-06",
        (
            "    good = [",
            "    items = [abs(item) if isinstance(item, int) else item for item in items]\n    good = [",
        ),
    ),
    _mutant(
        "sizes-modulo-2-64",
        "integers wrap at 2^64",
        ACCEPTED,
        "ST-JSON-06",
        (
            "    good = [",
            "    items = [item % 2**64 if isinstance(item, int) else item for item in items]\n    good = [",
        ),
    ),
    _mutant(
        "sizes-modulo-2-32",
        "sizes lose what is above their lower 32 bits",
        ACCEPTED,
        "ST-OFF-03",
        (
            "    good = [",
            "    items = [item % 2**32 if isinstance(item, int) else item for item in items]\n    good = [",
        ),
        bugs=["mlx-shapes"],
    ),
    _mutant(
        "shape-number",
        "a shape that is a number is one size",
        ACCEPTED,
        "ST-JSON-06",
        ("if not isinstance(value, list) or not all(good):", "if not all(good):"),
    ),
    _mutant(
        "keys-unknown-refused",
        "a key that the format does not name is refused",
        REFUSED,
        "ST-JSON-07",
        (
            "    dtype = _member(entry,",
            "    if len(entry.pairs) > 3:\n        raise KeyError(name)\n    dtype = _member(entry,",
        ),
    ),
    _mutant(
        "entry-positional",
        "an entry may be an array",
        ACCEPTED,
        "ST-JSON-08",
        (
            "    if not isinstance(entry, _Object):\n        rule",
            (
                "    if isinstance(entry, list):\n"
                "        entry = _Object(tuple(zip(keys.values(), entry)))\n"
                "    if not isinstance(entry, _Object):\n        rule"
            ),
        ),
    ),
    _mutant(
        "member-missing",
        "a key that is missing has a default",
        ACCEPTED,
        "ST-JSON-09",
        (
            "    if len(values) != 1:\n",
            (
                '    values = values or [{"dtype": "F32", "shape": [5], "data_offsets": [0, 20]}[key]]\n'
                "    if len(values) != 1:\n"
            ),
        ),
    ),
    _mutant(
        "member-twice",
        "of a key that stands twice in an entry the last counts",
        ACCEPTED,
        "ST-JSON-09",
        ("    if len(values) != 1:\n", "    values = values[-1:]\n    if len(values) != 1:\n"),
    ),
    _mutant(
        "offsets-beyond-two",
        "offsets after the second are not looked at",
        ACCEPTED,
        "ST-JSON-09",
        ("    if len(offsets) != 2:\n", "    offsets = offsets[:2]\n    if len(offsets) != 2:\n"),
    ),
)

TYPES = (
    _mutant(
        "dtype-unknown-float32",
        "a dtype that is not known is taken for float32",
        ACCEPTED,
        "ST-DT-01",
        (KNOWN_DTYPE, 'if dtype not in form.element_types:\n        dtype = "F32"\n    if False:'),
    ),
    _mutant(
        "dtype-any-case",
        "dtype names are compared without regard to capitals",
        ACCEPTED,
        "ST-DT-01",
        (KNOWN_DTYPE, "dtype = dtype.upper()\n    " + KNOWN_DTYPE),
    ),
    _mutant(
        "dtype-stripped",
        "dtype names are stripped",
        ACCEPTED,
        "ST-DT-01",
        (KNOWN_DTYPE, "dtype = dtype.strip()\n    " + KNOWN_DTYPE),
    ),
    _mutant(
        "dtype-by-prefix",
        "a dtype is known by its first three letters",
        ACCEPTED,
        "ST-DT-01",
        (KNOWN_DTYPE, "dtype = dtype if dtype in form.element_types else dtype[:3]\n    " + KNOWN_DTYPE),
    ),
)

OFFSETS = (
    _mutant(
        "ranges-aliased",
        "two tensors may lie on the same bytes",
        ACCEPTED,
        "ST-OFF-01",
        ("if begin != previous:", "if begin > previous:"),
        bugs=["safetensors#586"],
    ),
    _mutant(
        "hole-allowed",
        "bytes between tensors need no owner",
        ACCEPTED,
        "ST-OFF-01",
        ("if begin != previous:", "if begin < previous:"),
        bugs=["readers-of-safetensors"],
    ),
    _mutant(
        "trailing-bytes-allowed",
        "bytes after the last tensor need no owner",
        ACCEPTED,
        "ST-OFF-02",
        ("if previous != len(buffer):", "if previous > len(buffer):"),
        bugs=["ComfyUI#15722/#15602"],
    ),
    _mutant(
        "data-cut-off",
        "data that the file's end cuts off are filled with zeros",
        ACCEPTED,
        "ST-OFF-02",
        ("if previous != len(buffer):", "if previous < len(buffer):"),
        (
            "Storage(buffer[begin:end],",
            'Storage(memoryview(bytes(buffer[begin:end]).ljust(min(end - begin, 1 << 16), b"\\0")),',
        ),
        bugs=["unifiedefficientloader-truncated"],
    ),
    _mutant(
        "size-unchecked",
        "the length of a tensor's bytes is not held against its shape",
        ACCEPTED,
        "ST-OFF-03",
        _unchecked("if end - begin != nbytes:"),
        (
            "Storage(buffer[begin:end],",
            'Storage(memoryview(bytes(buffer[begin:end]).ljust(min(nbytes, 1 << 16), b"\\0")),',
        ),
        bugs=["runai-model-streamer#121"],
    ),
    _mutant(
        "overflow-wraps",
        "the number of bytes wraps at 2^64",
        ACCEPTED,
        "ST-OFF-04",
        _unchecked("if count * element.bits > largest:"),
        ("nbytes = element.nbytes(count)", "nbytes = element.itemsize * count % 2**64"),
        ("Tensor(name, element, shape,", "Tensor(name, element, (nbytes // element.itemsize,),"),
    ),
    _mutant(
        "count-wraps",
        "the number of elements wraps at 2^64",
        ACCEPTED,
        "ST-OFF-04",
        (
            "        count *= size\n        if count > largest:\n            break\n",
            "        count = count * size % 2**64\n",
        ),
        ("Tensor(name, element, shape,", "Tensor(name, element, (count,),"),
    ),
    _mutant(
        "product-saturates-before-zero",
        "a product that passes 2^64 before a zero is wrong",
        "shape [",
        "ST-OFF-07",
        ("count = 0 if 0 in shape else 1", "count = 1"),
        ("        if count > largest:\n            break\n", ""),
        ("Tensor(name, element, shape,", "Tensor(name, element, tuple(n % 2**32 for n in shape),"),
    ),
    _mutant(
        "half-byte-rounded",
        "half a byte is rounded up to a whole one",
        ACCEPTED,
        "ST-OFF-05",
        ("nbytes = element.nbytes(count)", "nbytes = -(-element.bits * count // 8)"),
    ),
    _mutant(
        "reversed-offsets",
        "an end before the begin makes a tensor of no bytes",
        ACCEPTED,
        "ST-OFF-08",
        _unchecked("if end < begin:"),
        ("if end - begin != nbytes:", "if max(end - begin, 0) != nbytes:"),
        ("        previous = end\n", "        previous = max(previous, end)\n"),
        bugs=["stable-diffusion.cpp#1754"],
    ),
    _mutant(
        "offsets-in-order",
        "tensors must lie in the header's order",
        REFUSED,
        "ST-OFF-06",
        ("in sorted(ranges):", "in ranges:"),
    ),
)

SAFETENSORS = (*LENGTH, *TEXT, *JSON, *NAMES, *ENTRIES, *TYPES, *OFFSETS)
