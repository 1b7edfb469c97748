"""Which vectors and saves a run is about: by format, by rule, and by the node ids on the command line."""

from __future__ import annotations

import difflib
import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest

from endianproof.conformance.tasks import OPS, load_tasks
from endianproof.spec import load_spec
from endianproof.vectors import load_large

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from endianproof.conformance.given import Given
    from endianproof.conformance.tasks import Task

__all__ = [
    "EXPLORE",
    "all_tasks",
    "chosen_formats",
    "chosen_policies",
    "chosen_rules",
    "fitting",
    "near",
    "ops_of",
    "own_ids",
    "selected",
]

EXPLORE = "explore"  # the name of the item that searches beyond a format's vectors


def near(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` where one of the known words resembles it, else ""."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def ops_of(asked: Given) -> tuple[str, ...]:
    """What a testee of this run may be asked for; a program says itself which of them it can."""
    loader, saver, _ = asked.testee
    return ("load",) if loader is not None else ("save",) if saver is not None else tuple(OPS)


def all_tasks(asked: Given) -> tuple[Task, ...]:
    """All that there are for such a testee, the large ones only where they were asked for."""
    return load_tasks(ops_of(asked), large=asked["large"])


def _split(values: Iterable[str]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def chosen_formats(asked: Given) -> list[str]:
    """The formats that were asked for, none for all. Raises pytest.UsageError."""
    wanted, known = _split(asked["format"]), list(load_spec().formats)
    for name in wanted:
        if name not in known:
            raise pytest.UsageError(
                f"{asked.called('format')}: unknown format {name!r}{near(name, known) or '.'} "
                f"The formats are {', '.join(known)}"
            )
    return wanted


def chosen_rules(asked: Given) -> list[str]:
    """The rules' ids and globs that were asked for, as ids are written. Raises pytest.UsageError."""
    wanted, rules = [pattern.upper() for pattern in _split(asked["rule"])], list(load_spec().rules)
    for pattern in wanted:
        if not any(fnmatchcase(rule, pattern) for rule in rules):
            raise pytest.UsageError(f"{asked.called('rule')}: no rule is called {pattern}{near(pattern, rules)}")
    return wanted


def chosen_policies(asked: Given) -> dict[str, str]:
    """The choices that were pinned for `may` vectors and saves, by their policies. Raises pytest.UsageError."""
    what = asked.called("policy")
    known = {name: policy for form in load_spec().formats.values() for name, policy in form.policies.items()}
    pinned: dict[str, str] = {}
    for value in asked["policy"]:
        name, _, choice = value.partition("=")
        if name not in known:
            listed = ", ".join(known) or "there are none"
            raise pytest.UsageError(
                f"{what}: unknown policy {name!r}{near(name, known) or '.'} The policies are {listed}"
            )
        choices = (known[name].accept, known[name].reject)
        if choice not in choices:
            raise pytest.UsageError(f"{what}: {name} is {' or '.join(choices)}, not {choice!r}")
        if pinned.setdefault(name, choice) != choice:
            raise pytest.UsageError(f"{what}: {name} is given twice, as {pinned[name]} and as {choice}")
    return pinned


def _own_id(argument: str, config: pytest.Config, formats: Iterable[str]) -> tuple[str, str] | None:
    """The format and vector of an argument that is one of our node ids, as pytest prints them; else None."""
    path, mark, name = argument.partition("::")
    here = config.invocation_params.dir
    if not mark or (here / path).is_file():  # a folder has no ids: one may be called as a format is
        return None
    shown = os.path.relpath(here / path, config.rootpath)
    return next(((own, name) for own in (path, shown) if own in formats), None)


def _meant(argument: str, config: pytest.Config, known: Mapping[str, Collection[str]]) -> str:
    """Our node id that an argument, which is no file, looks like; "" for none."""
    path, mark, name = argument.partition("::")
    if (config.invocation_params.dir / path).exists():
        return ""
    wanted = name if mark else path
    return next((f"{own}::{wanted}" for own, ids in known.items() if wanted in ids), "")


def own_ids(config: pytest.Config, asked: Given) -> set[tuple[str, str]]:
    """Take our own node ids out of the arguments, so that pytest collects the user's paths beside the vectors.

    Without paths, pytest would collect the folder it stands in or `testpaths`: a conformance run collects nothing
    but vectors and saves then. Raises pytest.UsageError for an id that there is not.
    """
    given = config.args_source is pytest.Config.ArgsSource.ARGS
    tasks = all_tasks(asked)
    known = {name: {task.id for task in tasks if task.format == name} for name in load_spec().formats}
    if asked["explore"] is not None:
        for names in known.values():
            names.add(EXPLORE)
    ids = {argument: _own_id(argument, config, known) for argument in config.args} if given else {}
    for argument, own in ids.items():
        if own is None and (meant := _meant(argument, config, known)):
            raise pytest.UsageError(f"{argument}: there is no such file; did you mean {meant}?")
        if own is not None and own[1] not in known[own[0]]:
            large = any(vector.id == own[1] for vector in load_large())
            missing = f"there is no such {_what(tasks)}{near(own[1], known[own[0]])}"
            why = "it is made only with --large" if large else missing
            raise pytest.UsageError(f"{own[0]}::{own[1]}: {why}")
    config.args[:] = [argument for argument, own in ids.items() if own is None]
    return {own for own in ids.values() if own is not None}


def _what(tasks: Iterable[Task]) -> str:
    return " or ".join(dict.fromkeys(task.kind for task in tasks))


def fitting(
    tasks: Iterable[Task], formats: Sequence[str], rules: Sequence[str], ids: set[tuple[str, str]]
) -> tuple[Task, ...]:
    """Those of the tasks that the user's choices let through; an empty choice lets everything through."""
    return tuple(
        task
        for task in tasks
        if (not formats or task.format in formats)
        and (not rules or any(fnmatchcase(rule, pattern) for rule in task.rules for pattern in rules))
        and (not ids or (task.format, task.id) in ids)
    )


def selected(
    asked: Given, formats: Sequence[str], rules: Sequence[str], ids: set[tuple[str, str]]
) -> tuple[Task, ...]:
    """The tasks of this run. Raises pytest.UsageError where there are none, and nothing to explore."""
    tasks = all_tasks(asked)
    chosen = fitting(tasks, formats, rules, ids)
    if not chosen and not any(name == EXPLORE for _, name in ids):
        given = (
            (asked.called("format"), formats),
            (asked.called("rule"), rules),
            ("node ids", sorted("::".join(own) for own in ids)),
        )
        said = ", ".join(f"{what} {', '.join(values)}" for what, values in given if values)
        raise pytest.UsageError(f"no {_what(tasks)} is selected by {said or 'these options'}")
    return chosen
