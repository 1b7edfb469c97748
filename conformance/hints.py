"""What to try, or to mind, where even the plainest task of a format goes wrong, or nothing was judged at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from endianproof.conformance.accepting import said_of
from endianproof.conformance.named import named_saver

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from endianproof.conformance.settings import Settings
    from endianproof.conformance.starting import Went
    from endianproof.conformance.summary import Result
    from endianproof.conformance.tasks import Task

__all__ = ["hints", "nothing_judged", "unused", "whose_tensors"]

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

UNSUPPORTED = {
    "load": "even the plainest {name} file is unsupported: what a testee declines is not judged",
    "save": "even the plainest {name} save is unsupported",
}
OTHERS = {"torch": "numpy", "numpy": "torch"}

NOTHING_PASSED = "nothing was judged: every one is unsupported, which proves nothing; the exit code says so"
NOTHING_VALID = (
    "nothing valid was judged: what passed was to be refused or has no tensors, and that proves nothing; "
    "the exit code says so"
)


def hints(
    settings: Settings, plain: Mapping[str, Mapping[str, Went]], packages: Collection[str] = ()
) -> Iterator[str]:
    """Lines for the summary; `plain` is how the plainest task of each format went, by operation.

    `packages` are the names of those that the testee has imported.
    """
    for op, went in plain.items():
        yield from _miscalled(op, went, settings.takes)
        yield from _declined(op, went, whose_tensors(settings, packages))
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


def _declined(op: str, went: Mapping[str, Went], whose: str) -> Iterator[str]:
    """A testee that declines the plainest of every format was perhaps given what it cannot take."""
    if went and all(one.unsupported for one in went.values()):
        yield "; ".join(filter(None, [UNSUPPORTED[op].format(name=next(iter(went))), whose]))


def whose_tensors(settings: Settings, packages: Collection[str]) -> str:
    """Whose tensors a saver is given, and what gives it another's; "" for a loader and a program.

    The default is the testee's: torch where it is installed, and then among the `packages` that it has imported.
    """
    if settings.saver is None:
        return ""
    if known := named_saver(settings.saver):
        return f"the saver is given {known.gives}'s tensors"
    gives = settings.gives or ("torch" if "torch" in packages else "numpy")
    return f"the saver is given {gives}'s tensors; --saver-gives={OTHERS[gives]} gives it {OTHERS[gives]}'s"


def nothing_judged(
    results: Iterable[Result], tasks: Iterable[Task], plain: Mapping[str, Mapping[str, Went]]
) -> str:
    """The line that says why all that was tried is as good as no test at all; "" where it is not.

    That is so where every one is unsupported, and where the plainest of every format is, and nothing else was
    judged than what is to be refused or has no tensors.
    """
    judged = list(results)
    kinds = {result.kind for result in judged}
    if kinds == {"unsupported"}:
        return NOTHING_PASSED
    went = [one for of_op in plain.values() for one in of_op.values()]
    if not {"passed"} <= kinds <= {"passed", "unsupported"} or not all(one.unsupported for one in went):
        return ""
    valid = {(task.format, task.id) for task in tasks if task.verdict != "reject" and task.tensors}
    passed = {(result.format, result.task) for result in judged if result.kind == "passed"}
    return NOTHING_VALID if went and not valid & passed else ""


def unused(accepted: Mapping[str, str], notes: Iterable[str]) -> Iterator[str]:
    """Lines on what was accepted and never came, by the notes of all results."""
    shown = "; ".join(notes)
    for dtype, given in accepted.items():
        if said_of(dtype, given) not in shown:
            yield f"nothing came as --accept={dtype}={given} says: leave it out, if that is always so"
