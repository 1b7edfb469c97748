"""Tensors found, held against those expected: names, then each tensor's type and shape, then its values.

What was found is what a load returned, or what a file says that a saver wrote: `Contents` knows the difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from endianproof.conformance.accepting import way_of
from endianproof.conformance.counting import counted
from endianproof.conformance.diagnosis import explain_form
from endianproof.conformance.difference import Difference, compare
from endianproof.conformance.finding import Finding, Judgement
from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from endianproof.conformance.difference import Place
    from endianproof.conformance.outcome import LoadedTensor
    from endianproof.vectors import ExpectedTensor

__all__ = ["LOADING", "SAVING", "Contents", "Words", "judge_contents"]


@dataclass(frozen=True)
class Words:
    """How a report speaks of tensors that were loaded, or saved."""

    names: str
    extra: str
    twice: str
    names_advice: str
    form_advice: str  # "" for the mistake's own
    unexplained_advice: str


LOADING = Words(
    names="the tensors' names are not the file's",
    extra="not in the file",
    twice="returned twice",
    names_advice=(
        "return each tensor once, under the name that the file gives it; plain lists of numbers count as tensors "
        "with --accept=lists=values alone"
    ),
    form_advice="",
    unexplained_advice="compare the bytes at that place of the file with what the loader makes of them",
)
SAVING = Words(
    names="the file's names are not the tensors'",
    extra="not handed over",
    twice="written twice",
    names_advice="write each tensor once, under the name that the caller gives it",
    form_advice="write the tensor's own element type and shape",
    unexplained_advice="compare the bytes at that place of the file with the caller's tensor",
)


@dataclass(frozen=True)
class Contents:
    """What was expected and what was found.

    `source` gives the bytes that a tensor's elements were taken from, and `place` where a report is to point, None
    for that source; `machine_order` is the testee's byte order, and among `siblings` another tensor's values are
    looked for.
    """

    wanted: Sequence[ExpectedTensor]
    found: Sequence[LoadedTensor]
    source: Callable[[ExpectedTensor], bytes]
    machine_order: str
    words: Words
    siblings: Sequence[ExpectedTensor]
    place: Callable[[ExpectedTensor], Place | None] = lambda _: None


def judge_contents(contents: Contents) -> Iterator[Judgement]:
    """Names first, then each tensor's type and shape, then its values."""
    words = contents.words
    found = {tensor.name: tensor for tensor in contents.found}
    wanted = {tensor.name: tensor for tensor in contents.wanted}
    if found.keys() != wanted.keys() or len(found) != len(contents.found):
        yield _names(list(wanted), [tensor.name for tensor in contents.found], words)
    pairs = [(wanted[name], found[name]) for name in wanted if name in found]
    yield from (
        fault for expected, got in pairs if (fault := _form(expected, got, words) or _length(expected, got))
    )
    yield from (fault for expected, got in pairs if (fault := _digest(expected, got)))
    compared = [(expected, got, d) for expected, got in pairs if (d := _values(contents, expected, got))]
    # Elements in another shape than the file's are in another order too: the shape is what is wrong then.
    different = [d for expected, got, d in compared if _same_form(expected, got) or d.explanation]
    if different:
        yield _wrong_values(different, contents)


def _names(wanted: list[str], found: list[str], words: Words) -> Judgement:
    missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    twice = sorted({name for name in found if found.count(name) > 1})
    parts = (("missing", missing), (words.extra, extra), (words.twice, twice))
    said = "; ".join(f"{what}: {', '.join(map(repr, names[:4]))}" for what, names in parts if names)
    return Judgement(
        Finding.WRONG_FORM,
        f"{words.names}: {said}",
        (("what to do", words.names_advice),),
        diagnosis="wrong-names",
        group=words.names,
    )


def _form(expected: ExpectedTensor, found: LoadedTensor, words: Words) -> Judgement | None:
    mistake = explain_form(expected, found, load_spec().element_types)
    if mistake is None:
        return None
    tensor = f"{expected.name!r}, {expected.dtype}, shape {list(expected.shape)}"
    return Judgement(
        Finding.WRONG_FORM,
        mistake.headline,
        (
            ("tensor", tensor),
            ("came back", f"{found.dtype}, shape {list(found.shape)}"),
            ("what to do", words.form_advice or _form_advice(mistake.advice, expected, found)),
        ),
        diagnosis=mistake.name,
        group=mistake.headline.split(":")[0],
    )


def _form_advice(advice: str, expected: ExpectedTensor, found: LoadedTensor) -> str:
    """The mistake's own, and the option for a loader whose framework has no such type."""
    way = way_of(expected.dtype, found.dtype)
    return f"{advice}; if this is how the library gives {expected.dtype}, say {way}" if way else advice


def _same_form(expected: ExpectedTensor, found: LoadedTensor) -> bool:
    return (found.dtype, found.shape) == (expected.dtype, expected.shape)


def _length(expected: ExpectedTensor, found: LoadedTensor) -> Judgement | None:
    """What is called the expected dtype and shape has as many bytes; a testee that says otherwise is broken."""
    wanted = expected.nbytes
    if found.data is None or not _same_form(expected, found) or len(found.data) == wanted:
        return None
    form = f"{expected.dtype} of shape {list(expected.shape)}"
    return Judgement(
        Finding.PROTOCOL_ERROR,
        f"the testee's reply is wrong: {counted(len(found.data), 'byte')} for {expected.name!r}, "
        f"where {form} has {wanted}",
        (("what to do", "send all elements, in C order, each little-endian"),),
        group="the testee's reply is wrong: data of another length than dtype and shape say",
    )


def _digest(expected: ExpectedTensor, found: LoadedTensor) -> Judgement | None:
    """Wrong values that are too many to be sent: of those there is only the digest."""
    if found.data is not None or not _same_form(expected, found) or found.sha256 == expected.sha256:
        return None
    return Judgement(
        Finding.WRONG_VALUES,
        f"values differ: SHA-256 {found.sha256[:12]}..., where {expected.sha256[:12]}... is right",
        (
            ("tensor", f"{expected.name!r}, {expected.dtype}, shape {list(expected.shape)}"),
            (
                "in file",
                f"{expected.storage_nbytes} bytes from byte {expected.at} on, {expected.byte_order}-endian",
            ),
            ("what to do", "look for offsets, sizes and counters of 32 bits: a small file does not need more"),
        ),
        diagnosis="unexplained",
        group="values differ, by their digest",
    )


def _values(contents: Contents, expected: ExpectedTensor, found: LoadedTensor) -> Difference | None:
    """The difference in values, where they can be compared: as many bits as expected, whatever they are called."""
    if found.data is None or found.sha256 == expected.sha256 or len(found.data) != expected.nbytes:
        return None
    siblings = tuple(tensor for tensor in contents.siblings if tensor.name != expected.name)
    return compare(
        expected,
        found.data,
        load_spec().element_types,
        file=contents.source(expected),
        place=contents.place(expected),
        siblings=siblings,
        machine_order=contents.machine_order,
    )


def _wrong_values(different: list[Difference], contents: Contents) -> Judgement:
    """The first wrong tensor that a known mistake explains speaks for all; the others are counted."""
    shown = next((one for one in different if one.explanation), different[0])
    why = shown.explanation
    others = len(different) - 1
    advice = why.advice if why else contents.words.unexplained_advice
    return Judgement(
        Finding.WRONG_VALUES,
        shown.headline,
        (
            *shown.lines(),
            *((("others", f"{others} more of {len(contents.wanted)} tensors differ too"),) if others else ()),
            ("what to do", advice),
        ),
        diagnosis=why.name if why else "unexplained",
        group=why.sentence if why else "values differ in a way that no known mistake explains",
    )
