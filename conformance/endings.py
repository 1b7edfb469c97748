"""How a request ended, in words: what is said of a crash or a refusal, whether a file was loaded or tensors saved.

A library's own words are quoted for people. They never decide anything.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from endianproof.conformance.finding import Finding, Judgement
from endianproof.conformance.outcome import OutcomeKind
from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from endianproof.conformance.launch import TesteeStartError
    from endianproof.conformance.outcome import Outcome
    from endianproof.conformance.tasks import Task

    Endings: TypeAlias = Mapping[OutcomeKind, tuple[Finding, str, str]]

__all__ = [
    "LOADER_ENDINGS",
    "SAVER_ENDINGS",
    "VARYING",
    "ended_badly",
    "first_line",
    "heading",
    "not_started_again",
    "refusal_of",
    "reported",
    "said",
]

# Colour, as `visible` leaves it. It says nothing to a reader, and what would steer a terminal stays to be seen.
COLOUR = re.compile(r"\\x1b\[[0-9;]*m")
# What differs between a library's refusals of the same kind: quoted names, paths, numbers.
VARYING = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\S*/\S*|\d+")
LONGEST_QUOTE = 200
STDERR = "; standard error ends"  # where the client's account of an end goes on with the testee's own words

NOT_THE_LIBRARY = "this says nothing about the library: mend the adapter"

LOADER_ENDINGS: Endings = {
    OutcomeKind.CRASHED: (
        Finding.CRASHED,
        "crashed",
        "no file may end the process: check before reading, and raise",
    ),
    OutcomeKind.TIMED_OUT: (
        Finding.TIMED_OUT,
        "timed out",
        "no file may hang the reader: bound every loop by the file",
    ),
    OutcomeKind.OUT_OF_MEMORY: (
        Finding.OUT_OF_MEMORY,
        "ran out of memory",
        "hold every size that the file states against the file's own length before allocating",
    ),
    OutcomeKind.UNKNOWN_RESULT: (
        Finding.UNKNOWN_RESULT,
        "gave a result that is no mapping of names to tensors",
        "return a dict of str to tensors, or write an adapter that does",
    ),
    OutcomeKind.PROTOCOL_ERROR: (Finding.PROTOCOL_ERROR, "broke the testee protocol", NOT_THE_LIBRARY),
    OutcomeKind.SAVED: (Finding.PROTOCOL_ERROR, "answered a load request with `saved`", NOT_THE_LIBRARY),
}

SAVER_ENDINGS: Endings = {
    OutcomeKind.CRASHED: (
        Finding.CRASHED,
        "crashed",
        "no tensors may end the process: check strides and storages before copying memory, and raise",
    ),
    OutcomeKind.TIMED_OUT: (
        Finding.TIMED_OUT,
        "timed out",
        "no tensors may hang the writer: bound every loop by their sizes",
    ),
    OutcomeKind.OUT_OF_MEMORY: (
        Finding.OUT_OF_MEMORY,
        "ran out of memory",
        "write tensor by tensor; a save takes no more than a copy of the largest one",
    ),
    OutcomeKind.PROTOCOL_ERROR: (Finding.PROTOCOL_ERROR, "broke the testee protocol", NOT_THE_LIBRARY),
    OutcomeKind.LOADED: (Finding.PROTOCOL_ERROR, "answered a save request with `loaded`", NOT_THE_LIBRARY),
}


def ended_badly(outcome: Outcome, which: str, endings: Endings) -> Judgement:
    """The judgement on a request that got no proper answer. `which` is the sentence's subject: `the loader`."""
    finding, what, advice = endings[outcome.kind]
    reason = first_line(outcome.message).partition(STDERR)[0]
    return Judgement(
        finding,
        f"{which} {what}: {reason}" if reason else f"{which} {what}",
        (*said(outcome, "loader" if endings is LOADER_ENDINGS else "saver"), ("what to do", advice)),
        group=f"{which} {what}",
    )


def not_started_again(error: TesteeStartError) -> Judgement:
    """The judgement where a testee answered before, and now cannot be started."""
    what = "the testee could not be started again"
    return Judgement(
        Finding.PROTOCOL_ERROR,
        f"{what}: {str(error).splitlines()[0]}",
        (("testee said", str(error)), ("what to do", error.hint or "see why it ended before")),
        group=what,
    )


def first_line(message: str) -> str:
    """The first line of a library's words, without colours, and no longer than a headline bears."""
    first = next(iter(COLOUR.sub("", message).strip().splitlines()), "")
    return first if len(first) <= LONGEST_QUOTE else f"{first[:LONGEST_QUOTE]}..."


def said(outcome: Outcome, who: str) -> tuple[tuple[str, str], ...]:
    """A library's words in full, where the headline has only their first line, and the limit that was met."""
    text = COLOUR.sub("", outcome.message).strip()
    words = ((f"{who} said", text),) if text != first_line(outcome.message) else ()
    return (*words, ("limit", outcome.limit)) if outcome.limit else words


def refusal_of(outcome: Outcome) -> str:
    """The class and the first line of an exception."""
    return (
        ": ".join(part for part in (outcome.error_type, first_line(outcome.message)) if part) or "no reason given"
    )


def heading(task: Task) -> tuple[tuple[str, str], ...]:
    """What a report's evidence opens with: which vector or save, and by which rules."""
    rules = load_spec().rules
    return (
        (task.kind, f"{task.id}: {task.description}"),
        *(("rule", f"{name} ({rules[name].level}): {rules[name].statement}") for name in task.rules),
    )


def reported(task: Task, faults: Sequence[Judgement], notes: tuple[tuple[str, str], ...] = ()) -> Judgement:
    """The worst of the faults, which comes first, with the whole report: the heading opens it, advice ends it."""
    worst, *others = faults
    lines = (*heading(task), *worst.lines, *(("also", other.headline) for other in others), *notes)
    advice = [line for line in lines if line[0] == "what to do"]
    ordered = (*(line for line in lines if line[0] != "what to do"), *advice)
    return replace(worst, lines=ordered, group=worst.group or worst.headline)
