"""What to try, or to mind, where even the plainest task of a format goes wrong, or nothing was judged at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from endianproof.conformance.accepting import said_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from endianproof.conformance.settings import Settings
    from endianproof.conformance.starting import Went

__all__ = ["NOTHING_PASSED", "hints", "unused"]

NOT_MADE_FOR_IT = {
    "load": "even the plainest {name} file is refused: if the loader is not made for it, say --format={only}",
    "save": "even the plainest save gives no {name} file: if the saver is not made for it, say --format={only}",
}
PROVES_NOTHING = "even the plainest {name} file is refused: that invalid ones are refused, too, proves nothing"
CALLED = {
    "load": "the loader raises {error} even for the plainest {name} file: it is called with {takes} and nothing "
    "else; --loader-takes=path, bytes or file says what it wants",
    "save": "the saver raises {error} even for the plainest {name} save: it is called with a dict of names to "
    "tensors and a path, or with the dict alone where it takes no more; --saver-gives says whose tensors they are",
}
TAKES = {"path": "a path, a str", "bytes": "the file's bytes", "file": "a file open for reading bytes"}
MISCALLED = ("TypeError", "AttributeError")  # what Python raises for an argument of another kind

NOTHING_PASSED = "nothing was judged: every one is unsupported, which proves nothing; the exit code says so"


def hints(settings: Settings, plain: Mapping[str, Mapping[str, Went]]) -> Iterator[str]:
    """Lines for the summary; `plain` is how the plainest task of each format went, by operation."""
    for op, went in plain.items():
        yield from _miscalled(op, went, settings.takes)
    if settings.narrowed:
        refused = plain.get("load", {}).items()
        yield from (PROVES_NOTHING.format(name=name) for name, one in refused if one.well is False)
        return
    for op, went in plain.items():
        only = ",".join(name for name, one in went.items() if one.well)
        if only:
            wrong = (name for name, one in went.items() if one.well is False)
            yield from (NOT_MADE_FOR_IT[op].format(name=name, only=only) for name in wrong)


def _miscalled(op: str, went: Mapping[str, Went], takes: str) -> Iterator[str]:
    """A testee that never goes well, and complains of what it is given, is perhaps given the wrong thing."""
    name, one = next(((name, one) for name, one in went.items() if one.error in MISCALLED), ("", None))
    if one is not None and not any(other.well for other in went.values()):
        yield CALLED[op].format(error=one.error, name=name, takes=TAKES[takes])


def unused(accepted: Mapping[str, str], notes: Iterable[str]) -> Iterator[str]:
    """Lines on what was accepted and never came, by the notes of all results."""
    shown = "; ".join(notes)
    for dtype, given in accepted.items():
        if said_of(dtype, given) not in shown:
            yield f"nothing came as --accept={dtype}={given} says: leave it out, if that is always so"
