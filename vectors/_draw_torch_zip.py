"""Draws files of torch.save's zip format: what `write` says of them, and edits of their records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from endianproof.vectors._draw_torch import contents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

    from endianproof.spec import ElementType, Format

__all__ = ["archive", "change", "write"]


_FOLDERS = st.sampled_from(("archive", "model", "a b", "\u00e9"))
# The smallest archive first.
_ALIGNMENTS, _ZIP64 = st.sampled_from((0, 1, 8, 64)), st.sampled_from(("none", "always", "fields"))
_BOOLEANS, _DESCRIPTORS = st.booleans(), st.sampled_from(("none", "signed", "wide", "bare"))
_DIGITS = st.binary(min_size=1, max_size=4).map(bytes.hex)
_TEXTS = ("", "little", "big", "1", "3\n", "11", "LITTLE", "\ufeffbig")
# What is done to a record's bytes, name or checksum, in the words of `change`.
_EDITS: SearchStrategy[Mapping[str, Any]] = st.one_of(
    st.fixed_dictionaries({"overwrite": st.fixed_dictionaries({"at": st.integers(0, 400), "with": _DIGITS})}),
    st.fixed_dictionaries({"cut": st.integers(1, 8)}),
    st.fixed_dictionaries({"append": _DIGITS}),
    st.fixed_dictionaries({"rename": st.sampled_from(("data/0", "data/1", "version", "DATA.PKL"))}),
    st.sampled_from(({"cut": "all"}, {"remove": True}, {"repeat": True}, {"method": "deflated"})),
    st.fixed_dictionaries({"state_crc": st.sampled_from((0, 0xDEADBEEF))}),
    st.fixed_dictionaries({"text": st.sampled_from(_TEXTS)}),
)


def archive(draw: DrawFn) -> Mapping[str, Any]:
    """The keys of a `write` that say how the archive is made."""
    return {
        "alignment": draw(_ALIGNMENTS),
        "descriptors": draw(_DESCRIPTORS),
        "folder": draw(_FOLDERS),
        "zip64": draw(_ZIP64),
    }


def write(draw: DrawFn, form: Format, elements: SearchStrategy[ElementType]) -> Mapping[str, Any]:
    """A `write` of up to six tensors, in any archive that a writer may make of them."""
    objects = contents(draw, elements)
    made = archive(draw)
    # Without the record that names it, the byte order is the default one.
    minimal = objects["byte_order"] == form.layout["default_byte_order"] and not draw(_BOOLEANS)
    return {**objects, **made, "minimal": minimal}


def change(draw: DrawFn, written: Mapping[str, Any], form: Format) -> Mapping[str, Any]:
    """A `change` of one record, its checksum set right; most often of the pickle, where most can go wrong."""
    names = form.layout["records"]
    storages = [names["storages"] + key for key in written["storages"]]
    texts = [] if written["minimal"] else [names["byte_order"]]
    name = draw(st.sampled_from([names["pickle"], names["pickle"], names["version"], *texts, *storages]))
    return {"record": {"name": name, **draw(_EDITS)}}
