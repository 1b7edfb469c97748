"""A format's layout as tables: sequences of fields, and the names and numbers beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from endianproof.conformance.rendered._blocks import Heading, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from endianproof.conformance.rendered._blocks import Block

__all__ = ["layout_blocks"]

_INTEGERS = {"u": "unsigned", "s": "signed"}
_ORDERS = {"le": ", little-endian", "be": ", big-endian"}


def _value(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, str, tuple, Mapping)):
        return str(value)
    if isinstance(value, int):
        return f"{value} (0x{value:X})" if value > 9 else str(value)
    if isinstance(value, str):
        return f"`{value!r}`" if value != value.strip() or not value.isprintable() or not value else f"`{value}`"
    if isinstance(value, tuple):
        return ", ".join(map(_value, value))
    return "; ".join(f"{key}: {_value(item)}" for key, item in value.items())


def _kind(field: Mapping[str, Any]) -> tuple[str, str]:
    """How long a field is, and what it holds."""
    if "contents" in field:
        contents = field["contents"]
        return f"{len(contents)}", " ".join(f"{byte:02X}" for byte in contents)
    if "type" in field:
        kind = field["type"]
        sign, order = _INTEGERS.get(kind[0], kind[0]), _ORDERS.get(kind[2:], "")
        value = f": {_value(field['value'])}" if "value" in field else ""
        return kind[1], f"{sign} integer{order}{value}"
    if "size" in field:
        return f"{field['size']}", "bytes"
    return "the rest", "bytes"


def _is_sequence(value: Any) -> bool:
    marks = {"type", "size", "contents", "size-eos"}
    return (
        isinstance(value, tuple)
        and bool(value)
        and all(isinstance(f, Mapping) and marks & f.keys() for f in value)
    )


def _fields(value: tuple[Mapping[str, Any], ...]) -> Table:
    rows = tuple((str(field.get("id", field.get("doc"))), *_kind(field)) for field in value)
    return Table(("field", "size in bytes", "holds"), rows)


def layout_blocks(layout: Mapping[str, Any], level: int = 3, prefix: str = "") -> Iterator[Block]:
    """The names and numbers of one mapping in one table, then what lies deeper, each under a heading."""
    flat = {key: v for key, v in layout.items() if not isinstance(v, Mapping) and not _is_sequence(v)}
    if flat:
        yield Table(("name", "value"), tuple((str(key), _value(value)) for key, value in flat.items()))
    for key, value in layout.items():
        if key in flat:
            continue
        title = f"{prefix}{key}".replace("_", " ")
        yield Heading(min(level, 5), title)
        if _is_sequence(value):
            yield _fields(value)
        elif value and all(
            isinstance(item, Mapping) and not any(map(_is_sequence, item.values())) for item in value.values()
        ):
            yield Table(("name", "value"), tuple((str(k), _value(v)) for k, v in value.items()))
        else:
            yield from layout_blocks(value, level + 1, f"{title}: ")
