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
from packaging.requirements import InvalidRequirement, Requirement

from endianproof.conformance.baseline import Baseline, BaselineError, read_baseline
from endianproof.conformance.large import NoRoomError, roomy_folder
from endianproof.conformance.named import named
from endianproof.qemu import GuestError, guest
from endianproof.spec import load_spec
from endianproof.vectors import load_large, load_vectors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from endianproof.spec import Policy
    from endianproof.vectors import Vector

__all__ = ["Settings", "choose", "near", "read_settings"]


@dataclass(frozen=True)
class Settings:
    """One conformance run as the user asked for it.

    Just one of `loader` and `testee` is set. `vectors` are those selected, in the manifests' order; `narrowed`
    says whether the user chose formats. `guest` is a guest's name, None for this machine. `all_vectors` are those
    that there are, the large ones only where they were asked for; `left_out` counts the large ones of the same
    selection where they were not.
    """

    loader: str | None
    testee: str | None
    guest: str | None
    requirements: tuple[str, ...]
    takes: str
    vectors: tuple[Vector, ...]
    narrowed: bool
    policies: Mapping[str, str]
    baseline: Baseline | None
    update: bool
    all_vectors: tuple[Vector, ...] = ()
    left_out: int = 0


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
    wanted, rules = _split(values), list(known)
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
            raise pytest.UsageError(f"--policy: unknown policy {name!r}: the policies are {listed}")
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


def _all_vectors(config: pytest.Config) -> tuple[Vector, ...]:
    return load_vectors() + (load_large() if config.getoption("endianproof_large") else ())


def choose(config: pytest.Config) -> tuple[set[tuple[str, str]], bool]:
    """Take our own node ids out of the arguments, and settle what pytest is to collect beside the vectors.

    Returns the ids, and whether any paths of the user's are left. Without paths, pytest would collect the folder
    it stands in or `testpaths`: a conformance run collects nothing but vectors then.
    """
    given = config.args_source is pytest.Config.ArgsSource.ARGS
    there_are = _all_vectors(config)
    known = {vector.format: set[str]() for vector in there_are}
    for vector in there_are:
        known[vector.format].add(vector.id)
    ids = {argument: _own_id(argument, config, known) for argument in config.args} if given else {}
    for own in ids.values():
        if own is not None and own[1] not in known[own[0]]:
            large = any(vector.id == own[1] for vector in load_large())
            why = (
                "it is made only with --large"
                if large
                else f"there is no such vector{near(own[1], known[own[0]])}"
            )
            raise pytest.UsageError(f"{own[0]}::{own[1]}: {why}")
    config.args[:] = [argument for argument, own in ids.items() if own is None]
    return {own for own in ids.values() if own is not None}, bool(config.args)


def _those(
    vectors: Iterable[Vector], formats: Sequence[str], rules: Sequence[str], ids: set[tuple[str, str]]
) -> tuple[Vector, ...]:
    return tuple(
        vector
        for vector in vectors
        if (not formats or vector.format in formats)
        and (not rules or any(fnmatchcase(rule, pattern) for rule in vector.rules for pattern in rules))
        and (not ids or (vector.format, vector.id) in ids)
    )


def _selected(
    vectors: Iterable[Vector], formats: Sequence[str], rules: Sequence[str], ids: set[tuple[str, str]]
) -> tuple[Vector, ...]:
    chosen = _those(vectors, formats, rules, ids)
    if not chosen:
        asked = (
            ("--format", formats),
            ("--rule", rules),
            ("node ids", sorted("::".join(own) for own in ids)),
        )
        said = ", ".join(f"{what} {', '.join(values)}" for what, values in asked if values)
        raise pytest.UsageError(f"no vector is selected by {said or 'these options'}")
    return chosen


def _guest_name(given: str | None) -> str | None:
    """The guest's own name, for one that was given by an alias."""
    try:
        return guest(given).name if given is not None else None
    except GuestError as error:
        raise pytest.UsageError("\n".join(filter(None, (f"--guest: {error}", error.hint)))) from error


def _requirements(given: Iterable[str], testee: str | None) -> tuple[str, ...]:
    """Check now what would otherwise be refused only after a guest was set up, minutes later."""
    for text in given:
        if testee is not None:
            raise pytest.UsageError("--with goes with --loader: a program given by --testee has its own packages")
        try:
            Requirement(text)
        except InvalidRequirement:
            raise pytest.UsageError(f"--with: {text!r} is no package: write it as safetensors==0.4.2") from None
    return tuple(given)


def _baseline(config: pytest.Config) -> Baseline | None:
    given: str | None = config.getoption("endianproof_baseline")
    update: bool = config.getoption("endianproof_update")
    if given is None:
        if update:
            raise pytest.UsageError("--update-baseline needs --baseline=FILE, the file to write")
        return None
    path = Path(given)
    if update and not path.parent.is_dir():
        raise pytest.UsageError(f"--baseline: there is no folder {path.parent}")
    if update and not path.exists():
        return Baseline(path)
    try:
        return read_baseline(path, load_vectors() + load_large())
    except BaselineError as error:
        raise pytest.UsageError(str(error)) from error


def _check_room() -> None:
    try:
        roomy_folder()
    except NoRoomError as error:
        raise pytest.UsageError(str(error)) from error


def read_settings(config: pytest.Config, ids: set[tuple[str, str]]) -> Settings:
    """Read every option; `ids` are vectors named on the command line.

    Raises pytest.UsageError for what is unknown, for options that exclude each other, and for an empty selection.
    """
    loader, testee = config.getoption("endianproof_loader"), config.getoption("endianproof_testee")
    if loader is not None and testee is not None:
        raise pytest.UsageError("--loader and --testee exclude each other: one run tests one testee")
    takes = config.getoption("endianproof_takes")
    if testee is not None and takes is not None:
        raise pytest.UsageError(
            "--loader-takes goes with --loader: a program given by --testee always gets a path"
        )
    known_testee = named(loader) if loader is not None else None
    if known_testee is not None and takes not in {None, known_testee.takes}:
        raise pytest.UsageError(
            f"--loader-takes={takes}: the named testee {known_testee.name} takes {known_testee.takes}"
        )
    spec = load_spec()
    wanted = _formats(config.getoption("endianproof_format"), list(spec.formats))
    rules = _rules(config.getoption("endianproof_rule"), spec.rules)
    known = {name: policy for each in spec.formats.values() for name, policy in each.policies.items()}
    formats, large = (
        wanted or (known_testee.formats if known_testee else ()),
        config.getoption("endianproof_large"),
    )
    if large:
        _check_room()
    return Settings(
        loader=loader,
        testee=testee,
        guest=_guest_name(config.getoption("endianproof_guest")),
        requirements=_requirements(config.getoption("endianproof_with"), testee),
        takes=takes or "path",
        vectors=_selected(_all_vectors(config), formats, rules, ids),
        narrowed=bool(wanted),
        policies=_policies(config.getoption("endianproof_policy"), known),
        baseline=_baseline(config),
        update=config.getoption("endianproof_update"),
        all_vectors=_all_vectors(config),
        left_out=0 if large else len(_those(load_large(), formats, rules, ids)),
    )
