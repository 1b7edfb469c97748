"""Tensors expected, held against those that came: names, then types and shapes, then values, each in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from endianproof.conformance.counting import counted
from endianproof.conformance.finding import Finding, Judgement
from endianproof.conformance.verifying._asking import LostError
from endianproof.conformance.verifying._looking import look_at, look_at_form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from endianproof.conformance.difference import Difference
    from endianproof.conformance.outcome import LoadedTensor
    from endianproof.conformance.verifying._fingerprint import Fingerprint
    from endianproof.conformance.verifying._looking import Look
    from endianproof.reference import Tensor

__all__ = ["Sources", "checked", "compared", "listed"]

EXPLAINED = 3  # tensors of which the elements are looked at
LISTED = 8  # names in a line


@dataclass(frozen=True)
class Sources:
    """What tensors were expected by and what came, in words; and what there is to look at.

    `tensors` are the reference's, as far as it read them just as they were expected.
    """

    where: str = "the file"
    came: str = "returned"
    advice: str = "return each tensor once, under the name that the file gives it"
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    look: Look | None = None


def listed(names: Iterable[str]) -> str:
    """The first of them, and how many more there are."""
    known = [repr(name) for name in names]
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return ", ".join(known[:LISTED]) + more


def _form(tensor: LoadedTensor) -> str:
    return f"{tensor.dtype}, shape {list(tensor.shape)}"


def _names(wanted: Sequence[LoadedTensor], found: Sequence[LoadedTensor], sources: Sources) -> Iterator[Judgement]:
    ours, theirs = [t.name for t in wanted], [t.name for t in found]
    cases = (
        ("missing", f"in {sources.where}, and not {sources.came}", sorted(set(ours) - set(theirs))),
        ("extra", f"{sources.came}, and not in {sources.where}", sorted(set(theirs) - set(ours))),
        ("twice", f"{sources.came} twice", sorted(name for name, n in Counter(theirs).items() if n > 1)),
    )
    for what, words, names in cases:
        if names:
            count = counted(len(names), "tensor")
            yield Judgement(
                Finding.WRONG_FORM,
                f"{what}: {count} {words}: {listed(names)}",
                (("what to do", sources.advice),),
                diagnosis="wrong-names",
            )


def _same_form(ours: LoadedTensor, theirs: LoadedTensor) -> bool:
    return (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)


def _wrong_form(wanted: LoadedTensor, found: LoadedTensor, sources: Sources) -> Judgement:
    mistake = None
    if sources.look is not None and wanted.name in sources.tensors:
        try:
            mistake = look_at_form(sources.tensors[wanted.name], found, sources.look)
        except LostError as error:
            return _unseen(wanted, found, sources, f"its elements could not be had: {error}")
    lines = (("tensor", f"{wanted.name!r}, {_form(wanted)}"), ("came back", _form(found)))
    if mistake is None:
        headline = f"{_form(found)} in place of {_form(wanted)}: tensor {wanted.name!r}"
        return Judgement(Finding.WRONG_FORM, headline, lines, diagnosis="wrong-form")
    advice = ("what to do", mistake.advice)
    return Judgement(Finding.WRONG_FORM, mistake.headline, (*lines, advice), diagnosis=mistake.name)


def _unseen(wanted: LoadedTensor, found: LoadedTensor, sources: Sources, why: str) -> Judgement:
    """Wrong values of which there is no more than the digest."""
    return Judgement(
        Finding.WRONG_VALUES,
        f"values differ: tensor {wanted.name!r}",
        (
            ("tensor", f"{wanted.name!r}, {_form(wanted)}"),
            ("SHA-256", f"{found.sha256} came back, {wanted.sha256} by {sources.where}"),
            *((("why", why),) if why else ()),
        ),
        diagnosis="unexplained",
    )


def _another(wanted: LoadedTensor, found: LoadedTensor, every: Sequence[LoadedTensor]) -> Judgement | None:
    """Where what came back is another tensor, bit by bit: its digest says so."""
    other = next((t for t in every if t.sha256 == found.sha256 and t.name != wanted.name), None)
    if other is None:
        return None
    return Judgement(
        Finding.WRONG_VALUES,
        f"the values are those of the tensor {other.name!r}: tensor {wanted.name!r}",
        (
            ("tensor", f"{wanted.name!r}, {_form(wanted)}"),
            ("what to do", "look up each tensor's own offsets or storage key, and reuse no buffer"),
        ),
        diagnosis="other-tensor",
    )


def _shown(difference: Difference) -> Judgement:
    why = difference.explanation
    advice = (
        why.advice if why else "compare the bytes at that place of the file with what the loader makes of them"
    )
    return Judgement(
        Finding.WRONG_VALUES,
        difference.headline,
        (*difference.lines(), ("what to do", advice)),
        diagnosis=why.name if why else "unexplained",
    )


def _wrong_values(
    wanted: LoadedTensor, found: LoadedTensor, every: Sequence[LoadedTensor], sources: Sources
) -> Judgement:
    if (other := _another(wanted, found, every)) is not None:
        return other
    if sources.look is None or wanted.name not in sources.tensors:
        return _unseen(wanted, found, sources, "")
    if not sources.look.asking.can_show:
        why = "the file is large, and the testee sends no parts of tensors: its hello has no op `read`"
        return _unseen(wanted, found, sources, why)
    try:
        difference = look_at(sources.tensors[wanted.name], found, sources.look)
    except (LostError, ValueError) as error:
        return _unseen(wanted, found, sources, f"its elements could not be had: {error}")
    if difference is None:
        why = "its elements, asked for once more, are right: what is returned changes from one look to the next"
        return _unseen(wanted, found, sources, why)
    return _shown(difference)


def _rest(names: Sequence[str], what: str, finding: Finding) -> Iterator[Judgement]:
    if names:
        one = f"{counted(len(names), 'more tensor')} {what}"
        yield Judgement(finding, f"{one}: {listed(names)}", diagnosis="unexplained")


def _advised_once(judgements: Iterable[Judgement]) -> Iterator[Judgement]:
    """The same judgements, each advice given only the first time."""
    given: set[tuple[str, str]] = set()
    for judgement in judgements:
        lines = tuple(line for line in judgement.lines if line not in given)
        given.update(line for line in lines if line[0] == "what to do")
        yield replace(judgement, lines=lines)


def compared(
    wanted: Sequence[LoadedTensor],
    found: Sequence[LoadedTensor],
    sources: Sources,
    say: Callable[[str], None] = lambda _what: None,
) -> Iterator[Judgement]:
    """Everything that is wrong, the first few tensors in full. `say` is told before one is looked at."""
    yield from _advised_once(_faults(wanted, found, sources, say))


def _faults(
    wanted: Sequence[LoadedTensor],
    found: Sequence[LoadedTensor],
    sources: Sources,
    say: Callable[[str], None],
) -> Iterator[Judgement]:
    yield from _names(wanted, found, sources)
    came = {tensor.name: tensor for tensor in found}
    pairs = [(tensor, came[tensor.name]) for tensor in wanted if tensor.name in came]
    forms = [(ours, theirs) for ours, theirs in pairs if not _same_form(ours, theirs)]
    values = [
        (ours, theirs) for ours, theirs in pairs if _same_form(ours, theirs) and ours.sha256 != theirs.sha256
    ]
    for pair in values[:EXPLAINED]:
        say(f"looking at {pair[0].name!r}, which differs")
        yield _wrong_values(*pair, wanted, sources)
    yield from _rest([pair[0].name for pair in values[EXPLAINED:]], "differ too", Finding.WRONG_VALUES)
    for pair in forms[:EXPLAINED]:
        yield _wrong_form(*pair, sources)
    more = [pair[0].name for pair in forms[EXPLAINED:]]
    yield from _rest(more, "are of another type or shape too", Finding.WRONG_FORM)


def checked(known: Fingerprint, found: Fingerprint) -> tuple[Judgement, ...]:
    """How files differ from a fingerprint that is known of them."""
    advice = "the files are of another model, or of another state of it, or damaged"
    return tuple(compared(known.tensors, found.tensors, Sources("the fingerprint", "in the files", advice)))
