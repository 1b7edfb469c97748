"""The user's options, checked: everything that can be refused without starting a testee is refused here.

Every refusal is a `pytest.UsageError` with one message, which pytest prints as such and ends with exit code 4.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from endianproof._whole_file import unwritable
from endianproof.conformance.accepting import LISTS, AcceptError, read_accepted
from endianproof.conformance.baseline import Baseline, BaselineError, read_baseline
from endianproof.conformance.large import NoRoomError, roomy_folder
from endianproof.conformance.limits import LimitError, Limits, read_limits
from endianproof.conformance.named import named, named_program, named_saver, named_testees
from endianproof.conformance.packages import OverlayError, parse
from endianproof.conformance.processors import too_many
from endianproof.conformance.report import check_place
from endianproof.conformance.selecting import (
    EXPLORE,
    all_tasks,
    chosen_formats,
    chosen_policies,
    chosen_rules,
    fitting,
    near,
    ops_of,
    selected,
)
from endianproof.conformance.tasks import load_tasks
from endianproof.conformance.unsupported import Unsupported
from endianproof.qemu import GuestError, guest
from endianproof.spec import load_spec
from endianproof.vectors import load_large

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from endianproof.conformance.given import Given
    from endianproof.conformance.named import NamedTestee
    from endianproof.conformance.tasks import Task

__all__ = [
    "Exploring",
    "Settings",
    "checked_builds",
    "checked_requirements",
    "checked_takes",
    "guest_name",
    "read_settings",
]


@dataclass(frozen=True)
class Exploring:
    """`--explore`: how many files to draw of each format, from which seed, and where to keep what fails."""

    count: int
    seed: int
    folder: Path
    formats: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """One conformance run as the user asked for it.

    Just one of `loader`, `saver` and `testee` is set. `tasks` are those selected, vectors in the manifests' order,
    then saves in the specification's; `narrowed` says whether the user chose formats. `ops` are what the testee
    may be asked for. `gives` is the framework of a saver's tensors, None for the default. `guest` is a guest's
    name, None for this machine; where it `builds`, it makes wheels of packages that have none. `workers` is how
    many testees work at a time, `in_process` says that the only one is in pytest's own process. `project` says
    which settings the project has for it, "" for none, and `folder` where they are. `all_tasks` are all that there
    are, the large ones only where they were asked for; `left_out` counts the large ones of the same selection
    where they were not.
    """

    loader: str | None
    saver: str | None
    testee: str | None
    guest: str | None
    requirements: tuple[str, ...]
    builds: bool
    takes: str
    gives: str | None
    ops: tuple[str, ...]
    tasks: tuple[Task, ...]
    narrowed: bool
    policies: Mapping[str, str]
    baseline: Baseline | None
    update: bool
    limits: Limits
    unsupported: Unsupported
    accepted: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    workers: int = 1
    in_process: bool = False
    project: str = ""
    folder: Path | None = None
    report: Path | None = None
    exploring: Exploring | None = None
    all_tasks: tuple[Task, ...] = ()
    left_out: int = 0

    @property
    def lists(self) -> bool:
        """Whether plain lists of numbers are tensors."""
        return LISTS in self.accepted


def _accepted(asked: Given, known: NamedTestee | None) -> Mapping[str, str]:
    """What the user accepts, and what the table says of a named testee."""
    texts, what = asked["accept"], asked.called("accept")
    if texts and asked["saver"] is not None:
        raise pytest.UsageError(f"{what} goes with --loader and --testee: it says as what a loader gives a type")
    try:
        own = {} if known is None else known.accept
        return read_accepted([*(f"{dtype}={given}" for dtype, given in own.items()), *texts])
    except AcceptError as error:
        raise pytest.UsageError(f"{what}: {error}") from error


def _exploring(asked: Given, formats: Sequence[str], ids: set[tuple[str, str]]) -> Exploring | None:
    count, seed, folder = asked["explore"], asked["explore_seed"], asked["explore_into"]
    if count is None:
        if seed is not None or folder is not None:
            raise pytest.UsageError("--explore-seed and --explore-into go with --explore=N")
        return None
    if asked["saver"] is not None:
        raise pytest.UsageError("--explore goes with --loader and --testee: files are drawn to be loaded")
    if count < 0:
        raise pytest.UsageError(f"--explore={count}: the number of files to draw, 0 or more")
    known = formats or load_spec().formats
    chosen = tuple(name for name in known if not ids or (name, EXPLORE) in ids)
    return Exploring(count, seed or 0, Path(folder or "endianproof-found"), chosen)


def guest_name(given: str | None, what: str = "--guest") -> str | None:
    """The guest's own name, for one that was given by an alias. Raises pytest.UsageError for an unknown one."""
    try:
        return guest(given).name if given is not None else None
    except GuestError as error:
        message = "\n".join(filter(None, (f"{what}: {error}", error.hint)))
        raise pytest.UsageError(message) from error


def checked_builds(asked: Given) -> bool:
    """Whether a guest is to build packages. Raises pytest.UsageError where it has none, or there is no guest."""
    builds: bool = asked["builds"]
    for needed, example in (("guest", "s390x"), ("with", ".")):
        if builds and not asked[needed]:
            raise pytest.UsageError(
                f"{asked.called('builds')} goes with --guest and --with, which it builds: add --{needed}={example}"
            )
    return builds


def checked_requirements(given: Iterable[str], testee: str | None, what: str = "--with") -> tuple[str, ...]:
    """Check now what would otherwise be refused only after a guest was set up. Raises pytest.UsageError."""
    for text in given:
        if testee is not None:
            raise pytest.UsageError(
                f"{what} goes with --loader and --saver: a program given by --testee has its own packages"
            )
        try:
            parse(text)
        except OverlayError as error:
            raise pytest.UsageError(f"{what}: {error}\n{error.hint}") from error
    return tuple(given)


def _baseline(asked: Given) -> Baseline | None:
    given: str | None = asked["baseline"]
    update: bool = asked["update"]
    if given is None:
        if update:
            raise pytest.UsageError("--update-baseline needs --baseline=FILE, the file to write")
        return None
    path = Path(given)
    if update and (why := unwritable(path)):
        raise pytest.UsageError(f"{asked.called('baseline')}: {why}")
    try:
        there = path.exists()
    except OSError as error:  # a folder above it that may not be searched
        raise pytest.UsageError(f"{asked.called('baseline')}: {path} cannot be read: {error.strerror}") from error
    if not there:
        if update:
            return Baseline(path)
        raise pytest.UsageError(
            f"{asked.called('baseline')}: there is no file {path}: --update-baseline writes it from what fails"
        )
    try:
        return read_baseline(path, load_tasks(large=True))
    except BaselineError as error:
        raise pytest.UsageError(str(error)) from error


def _check_room() -> None:
    try:
        roomy_folder()
    except NoRoomError as error:
        raise pytest.UsageError(str(error)) from error


OF_MYPKG = {"loader": "load", "saver": "save"}  # what stands for the user's function where nothing was given


def _known(asked: Given) -> NamedTestee | None:
    """The entry of the table that is meant. Raises UsageError for a name of one word that is none of them."""
    loader, saver, testee = asked.testee
    if testee is not None:
        return named_program(testee)
    option, given, found = ("loader", loader, named) if loader is not None else ("saver", saver, named_saver)
    assert given is not None, "just one of the three is given"
    known = found(given)
    if known is None and not {".", ":"} & set(given):
        if other := named_program(given):
            raise pytest.UsageError(f"{asked.called(option)}={given}: it is a program: --testee={other.name}")
        names = [one.name for one in named_testees() if one.option == option]
        name = given or OF_MYPKG[option]
        raise pytest.UsageError(
            f"{asked.called(option)}={given} names no {option}{near(given, names)}\n"
            f"write mypkg.{name}, mypkg:{name}, or a name that `endianproof testees` lists"
        )
    return known


def checked_takes(given: str | None, loader: str | None, what: str = "--loader-takes") -> str:
    """What the loader is given. Raises pytest.UsageError where none is tested, or a named one takes another."""
    if given is not None and loader is None:
        raise pytest.UsageError(
            f"{what} goes with --loader: a program given by --testee always gets a path, and a saver too"
        )
    known = named(loader) if loader is not None else None
    if known is not None and given not in {None, known.takes}:
        raise pytest.UsageError(f"{what}={given}: the named testee {known.name} takes {known.takes}")
    return given or "path"


def _gives(asked: Given) -> str | None:
    saver, what = asked["saver"], asked.called("gives")
    given: str | None = asked["gives"]
    if given is not None and saver is None:
        raise pytest.UsageError(f"{what} goes with --saver: it says whose tensors a saver is given")
    known = named_saver(saver) if saver is not None else None
    if known is not None and given not in {None, known.gives}:
        raise pytest.UsageError(f"{what}={given}: the named testee {known.name} is given {known.gives}")
    return given


def _limits(asked: Given) -> Limits:
    try:
        return read_limits(asked.values, asked.places)
    except LimitError as error:
        raise pytest.UsageError(f"{asked.called(error.key)}: {error}") from error


def _unsupported(asked: Given) -> Unsupported:
    dtypes = [name for text in asked["unsupported"] for name in text.replace(",", " ").split()]
    what, known = asked.called("unsupported"), load_spec().element_types
    for name in dtypes:
        if name not in known:
            raise pytest.UsageError(f"{what}: there is no element type {name!r}{near(name, known)}")
    return Unsupported(frozenset(dtypes), what)


def _project(asked: Given) -> str:
    """Which settings are used, and what of them."""
    if asked.file is None:
        return ""
    keys = list(dict.fromkeys(place.rpartition(" ")[2] for place in asked.places.values()))
    return f"settings of {asked.name} in {os.path.relpath(asked.file)}: {', '.join(keys)}"


def _workers(asked: Given) -> int:
    given: int | None = asked["workers"]
    if given is not None and given < 1:
        raise pytest.UsageError(f"{asked.called('workers')}={given}: the number of testees at a time, 1 or more")
    if given is not None and (why := too_many(given)):
        raise pytest.UsageError(f"{asked.called('workers')}={given}: {why}")
    return given or 1


# What needs a process of its own, and why.
APART = {
    "testee": "a program is a process of its own",
    "guest": "a guest is another machine",
    "with": "what pytest has imported stays as it is",
    "workers": "there is one process, and one debugger",
}


def _in_process(asked: Given) -> bool:
    apart = next((key for key in APART if asked.has(key)), None)
    if asked["in_process"] and apart:
        raise pytest.UsageError(f"--in-process and {asked.called(apart)} exclude each other: {APART[apart]}")
    return bool(asked["in_process"])


def read_settings(asked: Given, ids: set[tuple[str, str]]) -> Settings:
    """Check what was asked for; `ids` are vectors and saves named on the command line.

    Raises pytest.UsageError for what is unknown, for options that exclude each other, and for an empty selection.
    """
    asked.refuse_empty()
    loader, saver, testee = asked.testee
    known, wanted, rules, large = _known(asked), chosen_formats(asked), chosen_rules(asked), asked["large"]
    formats = wanted or (known.formats if known else ())
    if large:
        _check_room()
    return Settings(
        loader=loader,
        saver=saver,
        testee=testee,
        guest=guest_name(asked["guest"], asked.called("guest")),
        requirements=checked_requirements(asked["with"], testee, asked.called("with")),
        builds=checked_builds(asked),
        takes=checked_takes(asked["takes"], loader, asked.called("takes")),
        gives=_gives(asked),
        ops=ops_of(asked),
        tasks=selected(asked, formats, rules, ids),
        narrowed=bool(wanted),
        policies=chosen_policies(asked),
        baseline=_baseline(asked),
        update=asked["update"],
        limits=_limits(asked),
        accepted=_accepted(asked, known),
        workers=_workers(asked),
        in_process=_in_process(asked),
        unsupported=_unsupported(asked),
        project=_project(asked),
        folder=asked.file.parent if asked.file else None,
        report=check_place(Path(given)) if (given := asked["report"]) else None,
        exploring=_exploring(asked, formats, ids),
        all_tasks=all_tasks(asked),
        left_out=0 if large or saver is not None else len(fitting(load_large(), formats, rules, ids)),
    )
