"""Draws safetensors files: what `write` says of them, and edits of their headers."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from endianproof.vectors._draw import TEXTS, drawn_tensors, several
from endianproof.vectors._structs import pack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

    from endianproof.spec import ElementType, Format
    from endianproof.vectors._draw import DrawnTensor

__all__ = ["edit", "write"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+|[][{}:,]|\w+')
_OTHER = (
    *("", "0", "1", "2", "8", "-1", "1.0", "1e0", "-0", "00", "18446744073709551615", "18446744073709551616"),
    *("9223372036854775807", "null", "true", "[]", "{}", "[0]", '""', '"F32"', '"bf16"', '"dtype"', '"shape"'),
    *('"data_offsets"', '"__metadata__"', ",", ":", "]", "}", "NaN", '"\\ud800"', " ", "\t", "/**/"),
)


_PADDING = st.sampled_from(({}, {"padding": 0}, {"padding": 1}, {"padding": 64}, {"length_modulo_8": 5}))
_BOOLEANS, _METADATA = st.booleans(), st.dictionaries(TEXTS, TEXTS, max_size=3)


def write(draw: DrawFn, form: Format, elements: SearchStrategy[ElementType]) -> Mapping[str, Any]:
    """A `write` of up to four tensors, in any order of the header, with or without metadata, padded or not."""
    drawn = {tensor.name: tensor for tensor in draw(_tensors(elements))}
    drawn.pop(form.layout["metadata_key"], None)  # no tensor may have this name
    written: dict[str, Any] = {
        "tensors": [
            {"name": tensor.name, "dtype": tensor.dtype, "shape": tensor.shape, "values": tensor.values}
            for tensor in drawn.values()
        ],
        **draw(_PADDING),
    }
    if len(drawn) > 1 and draw(_BOOLEANS):
        written["header_order"] = draw(st.permutations(list(drawn)))
    if draw(_BOOLEANS):
        written["metadata"] = draw(_METADATA)
    return written


@functools.cache
def _tensors(elements: SearchStrategy[ElementType]) -> SearchStrategy[list[DrawnTensor]]:
    return several(drawn_tensors(elements, views=False), 4)


def edit(draw: DrawFn, data: bytes, form: Format) -> tuple[bytes, str]:
    """The file with one token of its header replaced by another of it or a telling one, the length set right."""
    length = int.from_bytes(data[:8], "little")
    text, buffer = data[8 : 8 + length].decode(), data[8 + length :]
    tokens = list(_TOKEN.finditer(text))
    old = draw(st.sampled_from(tokens))
    new = draw(st.sampled_from((*_OTHER, *dict.fromkeys(token.group() for token in tokens))))
    new = old.group() + new if draw(_BOOLEANS) else new
    header = (text[: old.start()] + new + text[old.end() :]).encode()
    said = f"header: {old.group()} replaced by {new or 'nothing'}"
    return pack(form.layout["seq"], {"header": header, "buffer": buffer}), said
