"""The user's options, read and checked: everything that can be refused without starting a testee is refused here.

Every refusal is a `pytest.UsageError` with one message, which pytest prints as such and ends with exit code 4.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from endianproof.conformance.baseline import Baseline, BaselineError, read_baseline
from endianproof.conformance.large import NoRoomError, roomy_folder
from endianproof.conformance.named import named, named_program, named_saver, named_testees
from endianproof.conformance.packages import OverlayError, parse
from endianproof.conformance.report import check_place
from endianproof.conformance.tasks import OPS, load_tasks
from endianproof.conformance.whole_file import unwritable
from endianproof.qemu import GuestError, guest
from endianproof.spec import load_spec
from endianproof.vectors import load_large

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from endianproof.conformance.named import NamedTestee
    from endianproof.conformance.tasks import Task
    from endianproof.spec import Policy

__all__ = [
    "EXPLORE",
    "Exploring",
    "Settings",
    "checked_requirements",
    "checked_takes",
    "choose",
    "guest_name",
    "near",
    "read_settings",
]

EXPLORE = "explore"  # the name of the item that searches beyond a format's vectors


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
    then saves in the specification's; `narrowed` says whether the user chose formats. `gives` is the framework of
    a saver's tensors, None for the default. `guest` is a guest's name, None for this machine. `all_tasks` are all
    that there are, the large ones only where they were asked for; `left_out` counts the large ones of the same
    selection where they were not.
    """

    loader: str | None
    saver: str | None
    testee: str | None
    guest: str | None
    requirements: tuple[str, ...]
    takes: str
    gives: str | None
    tasks: tuple[Task, ...]
    narrowed: bool
    policies: Mapping[str, str]
    baseline: Baseline | None
    update: bool
    report: Path | None = None
    exploring: Exploring | None = None
    all_tasks: tuple[Task, ...] = ()
    left_out: int = 0

    @property
    def ops(self) -> tuple[str, ...]:
        """What a testee of this run may be asked for; a program says itself which of them it can."""
        return _ops(self.loader, self.saver)


def _ops(loader: str | None, saver: str | None) -> tuple[str, ...]:
    return ("load",) if loader is not None else ("save",) if saver is not None else tuple(OPS)


def near(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` where one of the known words resembles it, else ""."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _split(values: Iterable[str]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def _formats(values: Iterable[str], known: Sequence[str]) -> list[str]:
    wanted = _split(values)
    for name in wanted:
        if name not in known:
            raise pytest.UsageError(f"--format: unknown format {name!r}: the formats are {', '.join(known)}")
    return wanted


def _rules(values: Iterable[str], known: Iterable[str]) -> list[str]:
    wanted, rules = [pattern.upper() for pattern in _split(values)], list(known)  # as ids are written
    for pattern in wanted:
        if not any(fnmatchcase(rule, pattern) for rule in rules):
            raise pytest.UsageError(f"--rule: no rule is called {pattern}{near(pattern, rules)}")
    return wanted


def _policies(values: Iterable[str], known: Mapping[str, Policy]) -> dict[str, str]:
    pinned: dict[str, str] = {}
    for value in values:
        name, _, choice = value.partition("=")
        if name not in known:
            listed = ", ".join(known) or "there are none"
            raise pytest.UsageError(
                f"--policy: unknown policy {name!r}{near(name, known) or '.'} The policies are {listed}"
            )
        choices = (known[name].accept, known[name].reject)
        if choice not in choices:
            raise pytest.UsageError(f"--policy: {name} is {' or '.join(choices)}, not {choice!r}")
        if pinned.setdefault(name, choice) != choice:
            raise pytest.UsageError(f"--policy: {name} is given twice, as {pinned[name]} and as {choice}")
    return pinned


def _own_id(argument: str, config: pytest.Config, formats: Iterable[str]) -> tuple[str, str] | None:
    """The format and vector of an argument that is one of our node ids, as pytest prints them; else None."""
    path, mark, name = argument.partition("::")
    here = config.invocation_params.dir
    if not mark or (here / path).exists():
        return None
    shown = os.path.relpath(here / path, config.rootpath)
    return next(((own, name) for own in (path, shown) if own in formats), None)


def _all_tasks(config: pytest.Config) -> tuple[Task, ...]:
    ops = _ops(config.getoption("endianproof_loader"), config.getoption("endianproof_saver"))
    return load_tasks(ops, large=config.getoption("endianproof_large"))


def choose(config: pytest.Config) -> tuple[set[tuple[str, str]], bool]:
    """Take our own node ids out of the arguments, and settle what pytest is to collect beside the vectors.

    Returns the ids, and whether any paths of the user's are left. Without paths, pytest would collect the folder
    it stands in or `testpaths`: a conformance run collects nothing but vectors and saves then.
    """
    given = config.args_source is pytest.Config.ArgsSource.ARGS
    tasks = _all_tasks(config)
    known = {name: {task.id for task in tasks if task.format == name} for name in load_spec().formats}
    if config.getoption("endianproof_explore") is not None:
        for names in known.values():
            names.add(EXPLORE)
    ids = {argument: _own_id(argument, config, known) for argument in config.args} if given else {}
    for own in ids.values():
        if own is not None and own[1] not in known[own[0]]:
            large = any(vector.id == own[1] for vector in load_large())
            missing = f"there is no such {_what(tasks)}{near(own[1], known[own[0]])}"
            why = "it is made only with --large" if large else missing
            raise pytest.UsageError(f"{own[0]}::{own[1]}: {why}")
    config.args[:] = [argument for argument, own in ids.items() if own is None]
    return {own for own in ids.values() if own is not None}, bool(config.args)


def _what(tasks: Iterable[Task]) -> str:
    return " or ".join(dict.fromkeys(task.kind for task in tasks))


def _those(
    tasks: Iterable[Task], formats: Sequence[str], rules: Sequence[str], ids: set[tuple[str, str]]
) -> tuple[Task, ...]:
    return tuple(
        task
        for task in tasks
        if (not formats or task.format in formats)
        and (not rules or any(fnmatchcase(rule, pattern) for rule in task.rules for pattern in rules))
        and (not ids or (task.format, task.id) in ids)
    )


def _selected(
    tasks: Sequence[Task], formats: Sequence[str], rules: Sequence[str], ids: set[tuple[str, str]]
) -> tuple[Task, ...]:
    chosen = _those(tasks, formats, rules, ids)
    if not chosen and not any(name == EXPLORE for _, name in ids):
        asked = (
            ("--format", formats),
            ("--rule", rules),
            ("node ids", sorted("::".join(own) for own in ids)),
        )
        said = ", ".join(f"{what} {', '.join(values)}" for what, values in asked if values)
        raise pytest.UsageError(f"no {_what(tasks)} is selected by {said or 'these options'}")
    return chosen


def _exploring(
    config: pytest.Config, formats: Sequence[str], ids: set[tuple[str, str]], saver: str | None
) -> Exploring | None:
    count, seed = config.getoption("endianproof_explore"), config.getoption("endianproof_explore_seed")
    folder = config.getoption("endianproof_explore_into")
    if count is None:
        if seed is not None or folder is not None:
            raise pytest.UsageError("--explore-seed and --explore-into go with --explore=N")
        return None
    if saver is not None:
        raise pytest.UsageError("--explore goes with --loader and --testee: files are drawn to be loaded")
    if count < 0:
        raise pytest.UsageError(f"--explore={count}: the number of files to draw, 0 or more")
    known = formats or load_spec().formats
    chosen = tuple(name for name in known if not ids or (name, EXPLORE) in ids)
    return Exploring(count, seed or 0, Path(folder or "endianproof-found"), chosen)


def guest_name(given: str | None) -> str | None:
    """The guest's own name, for one that was given by an alias. Raises pytest.UsageError for an unknown one."""
    try:
        return guest(given).name if given is not None else None
    except GuestError as error:
        raise pytest.UsageError("\n".join(filter(None, (f"--guest: {error}", error.hint)))) from error


def checked_requirements(given: Iterable[str], testee: str | None) -> tuple[str, ...]:
    """Check now what would otherwise be refused only after a guest was set up. Raises pytest.UsageError."""
    for text in given:
        if testee is not None:
            raise pytest.UsageError(
                "--with goes with --loader and --saver: a program given by --testee has its own packages"
            )
        try:
            parse(text)
        except OverlayError as error:
            raise pytest.UsageError(f"--with: {error}\n{error.hint}") from error
    return tuple(given)


# An option whose value is an unset variable of a script asks for something, and nobody can tell what.
NEVER_EMPTY = ("guest", "with", "format", "rule", "policy", "baseline", "report")


def _refuse_empty(config: pytest.Config) -> None:
    for name in NEVER_EMPTY:
        given = config.getoption(f"endianproof_{name}")
        if any(not value.strip() for value in ([given] if isinstance(given, str) else given or ())):
            raise pytest.UsageError(f"--{name} is empty")


def _baseline(config: pytest.Config) -> Baseline | None:
    given: str | None = config.getoption("endianproof_baseline")
    update: bool = config.getoption("endianproof_update")
    if given is None:
        if update:
            raise pytest.UsageError("--update-baseline needs --baseline=FILE, the file to write")
        return None
    path = Path(given)
    if update and (why := unwritable(path)):
        raise pytest.UsageError(f"--baseline: {why}")
    if update and not path.exists():
        return Baseline(path)
    try:
        return read_baseline(path, load_tasks(large=True))
    except BaselineError as error:
        raise pytest.UsageError(str(error)) from error


def _check_room() -> None:
    try:
        roomy_folder()
    except NoRoomError as error:
        raise pytest.UsageError(str(error)) from error


def _one_testee(config: pytest.Config) -> tuple[str | None, str | None, str | None]:
    """The loader, the saver and the program under test, just one of which is given."""
    loader, saver, testee = (config.getoption(f"endianproof_{kind}") for kind in ("loader", "saver", "testee"))
    given = {"--loader": loader, "--saver": saver, "--testee": testee}
    both = [name for name, value in given.items() if value is not None]
    if len(both) > 1:
        raise pytest.UsageError(f"{both[0]} and {both[1]} exclude each other: one run tests one testee")
    return loader, saver, testee


def _known(loader: str | None, saver: str | None, testee: str | None) -> NamedTestee | None:
    """The entry of the table that is meant. Raises UsageError for a name of one word that is none of them."""
    if testee is not None:
        return named_program(testee)
    option, given, found = ("loader", loader, named) if loader is not None else ("saver", saver, named_saver)
    assert given is not None, "just one of the three is given"
    known = found(given)
    if known is None and not {".", ":"} & set(given):
        if other := named_program(given):
            raise pytest.UsageError(f"--{option}={given}: it is a program: --testee={other.name}")
        names = [one.name for one in named_testees() if one.option == option]
        raise pytest.UsageError(
            f"--{option}={given} names no {option}{near(given, names)}\n"
            f"write mypkg.{given}, mypkg:{given}, or a name that `endianproof testees` lists"
        )
    return known


def checked_takes(given: str | None, loader: str | None) -> str:
    """What the loader is given. Raises pytest.UsageError where none is tested, or a named one takes another."""
    if given is not None and loader is None:
        raise pytest.UsageError(
            "--loader-takes goes with --loader: a program given by --testee always gets a path, and a saver too"
        )
    known = named(loader) if loader is not None else None
    if known is not None and given not in {None, known.takes}:
        raise pytest.UsageError(f"--loader-takes={given}: the named testee {known.name} takes {known.takes}")
    return given or "path"


def _gives(given: str | None, saver: str | None) -> str | None:
    if given is not None and saver is None:
        raise pytest.UsageError("--saver-gives goes with --saver: it says whose tensors a saver is given")
    known = named_saver(saver) if saver is not None else None
    if known is not None and given not in {None, known.gives}:
        raise pytest.UsageError(f"--saver-gives={given}: the named testee {known.name} is given {known.gives}")
    return given


def read_settings(config: pytest.Config, ids: set[tuple[str, str]]) -> Settings:
    """Read every option; `ids` are vectors and saves named on the command line.

    Raises pytest.UsageError for what is unknown, for options that exclude each other, and for an empty selection.
    """
    _refuse_empty(config)
    loader, saver, testee = _one_testee(config)
    known = _known(loader, saver, testee)
    spec = load_spec()
    wanted = _formats(config.getoption("endianproof_format"), list(spec.formats))
    rules = _rules(config.getoption("endianproof_rule"), spec.rules)
    policies = {name: policy for each in spec.formats.values() for name, policy in each.policies.items()}
    formats, large = wanted or (known.formats if known else ()), config.getoption("endianproof_large")
    if large:
        _check_room()
    return Settings(
        loader=loader,
        saver=saver,
        testee=testee,
        guest=guest_name(config.getoption("endianproof_guest")),
        requirements=checked_requirements(config.getoption("endianproof_with"), testee),
        takes=checked_takes(config.getoption("endianproof_takes"), loader),
        gives=_gives(config.getoption("endianproof_gives"), saver),
        tasks=_selected(_all_tasks(config), formats, rules, ids),
        narrowed=bool(wanted),
        policies=_policies(config.getoption("endianproof_policy"), policies),
        baseline=_baseline(config),
        update=config.getoption("endianproof_update"),
        report=check_place(Path(given)) if (given := config.getoption("endianproof_report")) else None,
        exploring=_exploring(config, formats, ids, saver),
        all_tasks=_all_tasks(config),
        left_out=0 if large or saver is not None else len(_those(load_large(), formats, rules, ids)),
    )
