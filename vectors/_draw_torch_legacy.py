"""Draws files of torch.save's legacy stream: what `write` says of them, and edits of their parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from endianproof.vectors._draw_torch import contents, with_views

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

    from endianproof.spec import ElementType, Format

__all__ = ["change", "dtypes", "write"]

_BOOLEANS, _DIGITS = st.booleans(), st.binary(min_size=1, max_size=4).map(bytes.hex)
_BYTE, _PLACE = st.binary(min_size=1, max_size=1).map(bytes.hex), st.integers(0, 400)
_COUNTS = st.sampled_from((0, 1, 2, 8, -1, 1 << 31, 1 << 62, (1 << 63) - 1))
_EDITS: SearchStrategy[Mapping[str, Any]] = st.one_of(
    st.fixed_dictionaries({"overwrite": st.fixed_dictionaries({"at": _PLACE, "with": _BYTE})}),
    st.fixed_dictionaries({"append": _DIGITS}),
    st.fixed_dictionaries({"end": st.integers(0, 64)}),
)


def dtypes(form: Format) -> Iterable[str]:
    """The element types of whole bytes: a stream states how many elements, or bytes, a storage has."""
    return [element for name, element in form.element_types.items() if name not in form.layout["pickle"]["packed"]]


def write(draw: DrawFn, form: Format, elements: SearchStrategy[ElementType]) -> Mapping[str, Any]:
    """A `write` of up to six tensors, some over views of storages, as any machine may have written it."""
    objects = contents(draw, elements)
    views = with_views(draw, objects, form.layout["pickle"]["storage_classes"].values())
    # What the file says of its writer's byte order does not matter.
    system = {**form.layout["system"], "little_endian": objects["byte_order"] == "little"}
    return {"container": objects["container"], "pickled": {"system": system}, **views}


def change(draw: DrawFn, written: Mapping[str, Any], _form: Format) -> Mapping[str, Any]:
    """A `change` of one pickle or storage, most often of the pickle with the objects; or of all the counts."""
    keys = list(written["storages"])
    if draw(_BOOLEANS) and keys:
        return (
            {"count": {"with": draw(_COUNTS)}} if draw(_BOOLEANS) else _section(draw, [f"data {k}" for k in keys])
        )
    return _section(draw, ["objects", "objects", "magic", "version", "system", "keys"])


def _section(draw: DrawFn, names: list[str]) -> Mapping[str, Any]:
    return {"section": {"name": draw(st.sampled_from(names)), **draw(_EDITS)}}
