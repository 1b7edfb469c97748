"""Draws files of torch.save's tar format: what `write` says of them, and edits of their members and numbers."""

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
_NUMBERS = (0, 1, 2, -1, 7, 1 << 31, (1 << 62) + 1)
_NUMBER, _RANK = st.sampled_from(_NUMBERS), st.sampled_from((0, 1, 2, -1, 64, (1 << 31) - 1))
# What is done to a member, or to its header, in the words of `change`.
_EDITS: SearchStrategy[Mapping[str, Any]] = st.one_of(
    st.fixed_dictionaries({"append": _DIGITS}),
    st.fixed_dictionaries({"cut": st.integers(1, 64)}),
    st.sampled_from(({"remove": True}, {"rename": "Storages"}, {"rename": "pickle"})),
    st.fixed_dictionaries(
        {
            "state": st.sampled_from(
                ({"size": "00000000000\0"}, {"size": "77777777777\0"}, {"checksum": "000000\0 "})
            )
        }
    ),
)
# What is said of storages, tensors and views.
_SAID: SearchStrategy[Mapping[str, Any]] = st.one_of(
    st.fixed_dictionaries(
        {
            "count": st.dictionaries(
                st.sampled_from(("elements", "storages", "tensors")), _NUMBER, min_size=1, max_size=1
            )
        }
    ),
    st.fixed_dictionaries({"rank": st.fixed_dictionaries({"with": _RANK})}),
    st.fixed_dictionaries({"storage_key": st.fixed_dictionaries({"with": _NUMBER})}),
    st.fixed_dictionaries(
        {"view": st.fixed_dictionaries({"with": st.tuples(_NUMBER, _NUMBER, _NUMBER, _NUMBER)})}
    ),
)


def dtypes(form: Format) -> Iterable[str]:
    """The element types that the format has a class for, fewer than the formats after it."""
    classes: Mapping[str, str] = form.layout["tensor_classes"]
    return classes.values()


def write(draw: DrawFn, form: Format, elements: SearchStrategy[ElementType]) -> Mapping[str, Any]:
    """A `write` of up to six tensors, some over views of storages, its members in any order."""
    objects = contents(draw, elements)
    system = {**form.layout["system"], "little_endian": objects["byte_order"] == "little"}
    return {
        "container": "dict" if objects["container"] == "dict" else "ordered_dict",
        "members": draw(st.permutations(list(form.layout["members"]))),
        "system": system,
        **with_views(draw, objects, dtypes(form)),
    }


def change(draw: DrawFn, _written: Mapping[str, Any], form: Format) -> Mapping[str, Any]:
    """A `change` of one member, or of a number that one of them says."""
    if draw(_BOOLEANS):
        return draw(_SAID)
    return {"member": {"name": draw(st.sampled_from(list(form.layout["members"].values()))), **draw(_EDITS)}}
