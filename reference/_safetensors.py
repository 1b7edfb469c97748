"""Reads safetensors: a length, a JSON header, a buffer that the header indexes without holes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from endianproof.reference._structs import read_integer
from endianproof.reference._tensor import Storage, Tensor
from endianproof.reference._violation import SpecViolation
from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.spec import Format

__all__ = ["read", "recognizes"]

_JSON_WHITE_SPACE = " \t\n\r"
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
_ESCAPES_QUOTES_AND_BRACKETS = re.compile(r"\\.|[\"\[\]{}]", re.DOTALL)


@dataclass(frozen=True)
class _Object:
    """A JSON object with its repeated keys, which a dict would lose."""

    pairs: tuple[tuple[str, Any], ...]

    def all(self, key: str) -> list[Any]:
        return [value for name, value in self.pairs if name == key]


class _MinusZero:
    """The size or offset -0: an integer by JSON's grammar, a float to serde_json."""

    def __str__(self) -> str:
        return "-0"


@dataclass(frozen=True)
class _Header:
    """The header's text, and where things lie: violations point at bytes of the file."""

    text: str
    start: int

    def at(self, what: str) -> int:
        """The byte of the file where a name first stands in the header; the header's start where it is escaped."""
        found = self.text.find(json.dumps(what, ensure_ascii=False))
        return self.start + len(self.text[: max(found, 0)].encode("utf-8"))


def recognizes(data: memoryview, form: Format) -> bool:
    """Whether the file's ninth byte is the one that begins a header."""
    return bytes(data[8:9]) == bytes([form.layout["first_byte"]])


def _read_header(data: memoryview, form: Format) -> _Header:
    layout = form.layout
    fields = {field["id"]: field for field in layout["seq"]}
    length_type = fields[fields["header"]["size"]]["type"]
    size = int(length_type[1])
    if len(data) < size:
        raise SpecViolation("ST-HDR-02", 0, f"a file of {len(data)} bytes", f"at least {size}")
    length, start = read_integer(length_type, data, 0)
    if length > layout["max_header_length"]:
        limit = f"at most {layout['max_header_length']}"
        raise SpecViolation("ST-HDR-03", 0, f"a header length of {length}", limit)
    if start + length > len(data):
        left = f"at most {len(data) - start}, which the file has left"
        raise SpecViolation("ST-HDR-04", 0, f"a header length of {length}", left)
    raw = bytes(data[start : start + length])
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"byte 0x{raw[error.start]:02X} ({error.reason})"
        raise SpecViolation("ST-HDR-05", start + error.start, found, "UTF-8") from None
    if text.startswith("\ufeff"):
        raise SpecViolation("ST-HDR-05", start, "a byte order mark", "no byte order mark")
    return _Header(text, start)


class _LoneSurrogateError(ValueError):
    """Half of a surrogate pair: JSON can spell it, and it is no character."""


def _check_characters(value: Any) -> None:
    if isinstance(value, str) and _HALF_A_PAIR.search(value):
        raise _LoneSurrogateError(ascii(value))
    for item in value if isinstance(value, list) else ():
        _check_characters(item)


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    for name, value in pairs:
        _check_characters(name)
        _check_characters(value)
    return _Object(tuple(pairs))


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _integer(digits: str) -> int | _MinusZero:
    # Python refuses to convert thousands of digits; 25 are as much too large.
    return _MinusZero() if digits == "-0" else int(digits[:25])


def _deepest(text: str) -> int:
    """How many levels of brackets and braces lie within each other; 0 where not all of them close."""
    level = deepest = 0
    in_string = False
    for found in _ESCAPES_QUOTES_AND_BRACKETS.finditer(text):
        mark = found[0]
        in_string ^= mark == '"'
        if not in_string:
            level += (mark in "[{") - (mark in "]}")
            deepest = max(deepest, level)
    return 0 if level else deepest


def _check_beginning(header: _Header, form: Format) -> None:
    first, expected = header.text[:1], chr(form.layout["first_byte"])
    if first != expected:
        rule = "ST-HDR-06" if first and first in _JSON_WHITE_SPACE else "ST-JSON-01"
        raise SpecViolation(
            rule, header.start, f"{first!r} first" if first else "nothing", f"a header from {expected!r} on"
        )
    deepest, most = _deepest(header.text), form.layout["max_nesting"]
    if deepest > most:
        raise SpecViolation("ST-JSON-17", header.start, f"{deepest} levels of brackets", f"at most {most}")


def _parse(header: _Header, form: Format) -> _Object:
    _check_beginning(header, form)
    text = header.text
    decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_not_json, parse_int=_integer)
    try:
        parsed, end = decoder.raw_decode(text)
    except _LoneSurrogateError as error:
        raise SpecViolation("ST-JSON-13", header.start, f"{error!s:.60}", "whole characters") from None
    except (ValueError, RecursionError) as error:
        position = error.pos if isinstance(error, json.JSONDecodeError) else 0
        what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        at = header.start + len(text[:position].encode("utf-8"))
        raise SpecViolation("ST-JSON-01", at, f"no JSON ({what})", "one JSON object") from None
    _check_padding(header, end, form)
    found: _Object = parsed
    return found


def _check_padding(header: _Header, end: int, form: Format) -> None:
    padding = header.text[end:].strip(chr(form.layout["padding_byte"]))
    if padding:
        position = header.text.index(padding, end)
        rule = "ST-HDR-09" if padding.strip(_JSON_WHITE_SPACE) else "ST-HDR-08"
        at = header.start + len(header.text[:position].encode("utf-8"))
        raise SpecViolation(rule, at, f"{padding[0]!r} behind the object", "spaces or nothing")


def _check_metadata(parsed: _Object, header: _Header, key: str) -> None:
    def refuse(rule: str, found: str, expected: str) -> SpecViolation:
        return SpecViolation(rule, header.at(key), found, expected)

    found = parsed.all(key)
    if len(found) > 1:
        raise refuse("ST-JSON-14", f"{key} {len(found)} times", "once")
    for metadata in found:
        if metadata is None:
            raise refuse("ST-JSON-05", f"{key} of null", "an object, or no {key}")
        if not isinstance(metadata, _Object):
            raise refuse("ST-JSON-03", f"{key} of type {type(metadata).__name__}", "an object")
        seen: set[str] = set()
        for name, value in metadata.pairs:
            if not isinstance(value, str):
                raise refuse("ST-JSON-03", f"{name!r:.60} of type {type(value).__name__}", "a string")
            if name in seen:
                raise refuse("ST-JSON-04", f"the key {name!r:.60} twice", "each key once")
            seen.add(name)


def _check_names(parsed: _Object, header: _Header, offsets: str) -> None:
    """Each name once. Of two entries that state the same bytes one may count; of others, neither can."""
    seen: dict[str, Any] = {}
    for name, entry in parsed.pairs:
        ranges = entry.all(offsets) if isinstance(entry, _Object) else None
        if name in seen:
            rule = "ST-JSON-02" if ranges == seen[name] else "ST-JSON-20"
            raise SpecViolation(rule, header.at(name), f"the name {name!r:.60} twice", "each name once")
        seen[name] = ranges


def _member(entry: _Object, key: str, name: str, header: _Header) -> Any:
    values = entry.all(key)
    if len(values) != 1:
        found = f"{len(values)} times {key} in the entry of {name!r:.60}"
        raise SpecViolation("ST-JSON-09", header.at(name), found, "exactly one")
    return values[0]


def _integers(value: Any, key: str, name: str, header: _Header, largest: int) -> tuple[int, ...]:
    items = value if isinstance(value, list) else [value]
    good = [type(item) is int and 0 <= item <= largest for item in items]
    if any(isinstance(item, _MinusZero) for item in items):
        raise SpecViolation("ST-JSON-16", header.at(name), f"-0 in {key} of {name!r:.60}", "0")
    if not isinstance(value, list) or not all(good):
        wrong = value if not isinstance(value, list) else items[good.index(False)]
        found = f"{str(wrong)[:40]} in {key} of {name!r:.60}"
        raise SpecViolation("ST-JSON-06", header.at(name), found, f"an array of integers from 0 to {largest}")
    return tuple(items)


def _count(shape: tuple[int, ...], largest: int) -> int:
    """The number of elements, exact up to `largest`: a long shape need not be multiplied out to be too large."""
    count = 0 if 0 in shape else 1
    for size in shape:
        count *= size
        if count > largest:
            break
    return count


def _tensor(name: str, entry: Any, header: _Header, form: Format, buffer: memoryview) -> tuple[int, int, Tensor]:
    """A tensor of one entry, with the begin and end of its bytes in the buffer."""
    keys, largest = form.layout["entry_keys"], form.layout["max_integer"]

    def refuse(rule: str, found: str, expected: str) -> SpecViolation:
        return SpecViolation(rule, header.at(name), found, expected)

    if not isinstance(entry, _Object):
        rule = "ST-JSON-08" if isinstance(entry, list) else "ST-JSON-19"
        raise refuse(rule, f"an entry of type {type(entry).__name__}", "an object")
    dtype = _member(entry, keys["dtype"], name, header)
    shape = _integers(_member(entry, keys["shape"], name, header), keys["shape"], name, header, largest)
    offsets = _member(entry, keys["offsets"], name, header)
    offsets = _integers(offsets, keys["offsets"], name, header, largest)
    if not isinstance(dtype, str):
        rule = "ST-JSON-08" if isinstance(dtype, _Object) else "ST-JSON-19"
        raise refuse(rule, f"a dtype of type {type(dtype).__name__}", "a string")
    if dtype not in form.element_types:
        raise refuse("ST-DT-01", f"dtype {dtype!r:.60}", f"one of {', '.join(form.element_types)}")
    if len(offsets) != 2:
        raise refuse("ST-JSON-09", f"{len(offsets)} offsets", "two")
    begin, end = offsets
    if end < begin:
        raise refuse("ST-OFF-08", f"an end of {end} before the begin {begin}", "an end behind it")
    element = load_spec().element_types[form.element_types[dtype]]
    count = _count(shape, largest)
    if count * element.bits > largest:
        found = f"a shape of {len(shape)} sizes, with elements of {element.bits} bits"
        raise refuse("ST-OFF-04", found, f"at most {largest} bits")
    nbytes = element.nbytes(count)
    if nbytes is None:
        raise refuse("ST-OFF-05", f"{count} elements of {element.bits} bits", "whole bytes")
    if end - begin != nbytes:
        raise refuse("ST-OFF-03", f"{end - begin} bytes for {name!r:.60}", f"{nbytes}")
    return begin, end, Tensor(name, element, shape, Storage(buffer[begin:end], form.layout["byte_order"]))


def _check_coverage(ranges: list[tuple[int, int, str]], header: _Header, buffer: memoryview, start: int) -> None:
    previous = 0
    for begin, end, name in sorted(ranges):
        if begin != previous:
            found = f"{name!r:.60} at offset {begin}"
            raise SpecViolation("ST-OFF-01", header.at(name), found, f"offset {previous}")
        previous = end
    if previous != len(buffer):
        found = f"a buffer of {len(buffer)} bytes"
        raise SpecViolation("ST-OFF-02", start + min(previous, len(buffer)), found, f"{previous}")


def read(data: memoryview, form: Format) -> Mapping[str, Tensor]:
    """The tensors of a safetensors file, in the header's order. Raises SpecViolation."""
    header = _read_header(data, form)
    start = header.start + len(header.text.encode("utf-8"))
    buffer = data[start:]
    parsed = _parse(header, form)
    metadata_key = form.layout["metadata_key"]
    _check_metadata(parsed, header, metadata_key)
    _check_names(parsed, header, form.layout["entry_keys"]["offsets"])
    entries = [pair for pair in parsed.pairs if pair[0] != metadata_key]
    found = [_tensor(name, entry, header, form, buffer) for name, entry in entries]
    ranges = [(begin, end, tensor.name) for begin, end, tensor in found]
    _check_coverage(ranges, header, buffer, start)
    return {tensor.name: tensor for _, _, tensor in found}
