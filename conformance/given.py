"""What the user asked for: each option's value, and how a message calls the place where it was written."""

from __future__ import annotations

import itertools
import string
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from endianproof.conformance.options import OPTIONS
from endianproof.conformance.project import KINDS, ProjectError, read_project

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from endianproof.conformance.project import Project

__all__ = ["Given", "given_of", "given_twice"]

FLAGS = {option.key: option.flag for option in OPTIONS}
NONE: Mapping[str, Any] = {
    option.key: [] if option.repeatable else False if option.switch else None for option in OPTIONS
}


@dataclass(frozen=True)
class Given:
    """The options of one run. `values` has those that were given, by their keys.

    `places` says for some of them where else than on the command line they were written: in the settings of the
    testee of that `name`, in `file`.
    """

    values: Mapping[str, Any]
    places: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    file: Path | None = None

    def __getitem__(self, key: str) -> Any:
        """The value; None, [] or False where none was given."""
        return self.values.get(key, NONE[key])

    def has(self, key: str) -> bool:
        """Whether it was given."""
        return key in self.values

    def called(self, key: str) -> str:
        """How a message calls this option."""
        return self.places.get(key, FLAGS[key])

    @property
    def testee(self) -> tuple[str | None, str | None, str | None]:
        """The loader, the saver and the program under test, just one of which is there."""
        return self["loader"], self["saver"], self["testee"]

    def refuse_empty(self) -> None:
        """Refuse what is empty: an unset variable of a script asks for something, and nobody can tell what."""
        for key, value in self.values.items():
            texts = value if isinstance(value, list) else [value]
            nothing = BLANKS + "," if key in COMMA_SEPARATED else BLANKS
            if key not in MAY_BE_EMPTY and any(
                isinstance(text, str) and not text.strip(nothing) for text in texts
            ):
                raise pytest.UsageError(f"{self.called(key)} is empty")


BLANKS = string.whitespace
COMMA_SEPARATED = ("format", "rule", "unsupported")
MAY_BE_EMPTY = ("loader", "saver", "testee")  # what is wrong with these, the testee's side says better


NOTHING = "none"  # what `--guest` and `--settings` are given where the settings are not to count


def given_of(config: pytest.Config) -> Given:
    """Read the options of a run that names a testee, and what the project's settings say of that testee.

    Raises pytest.UsageError for more than one testee, and for settings that cannot be read.
    """
    every = {option.key: config.getoption(option.dest) for option in OPTIONS}
    values = {option.key: every[option.key] for option in OPTIONS if option.is_given(every[option.key])}
    _refuse_two(config.invocation_params.args)
    both = [FLAGS[key] for key in KINDS if key in values]
    if len(both) > 1:
        raise pytest.UsageError(f"{both[0]} and {both[1]} exclude each other: one run tests one testee")
    project = _project(values.get("settings"), config.invocation_params.dir)
    return _without_none(_merged(values, project) if project else Given(values))


def _refuse_two(arguments: Sequence[object]) -> None:
    """Refuse two loaders on the command line, of which pytest would take the last; it may override `addopts`."""
    words = [str(one) for one in arguments]
    for flag in (FLAGS[key] for key in KINDS):
        given = [word.partition("=")[2] for word in words if word.startswith(f"{flag}=")]
        given += [after for word, after in itertools.pairwise(words) if word == flag]
        if len(set(given)) > 1:
            raise pytest.UsageError(given_twice(flag, given))


def given_twice(flag: str, given: Iterable[str]) -> str:
    """What is said of two loaders, two savers or two programs."""
    return f"{flag} is given twice, as {' and as '.join(given)}: one run tests one testee"


def _project(given: str | None, folder: Path) -> Project | None:
    try:
        return None if given == NOTHING else read_project(folder, given)
    except ProjectError as error:
        raise pytest.UsageError(str(error)) from error


def _merged(values: Mapping[str, Any], project: Project) -> Given:
    """What the command line says, and what the settings say where it does not."""
    (kind,) = [key for key in KINDS if key in values]
    try:
        chosen = project.find(kind, values[kind])
    except ProjectError as error:
        raise pytest.UsageError(str(error)) from error
    if chosen is None:
        return Given(values)
    ours = {key: value for key, value in values.items() if key not in KINDS}
    for key in {"policy", "accept"} & ours.keys():
        ours[key] = _pairs(ours[key], chosen.values.get(key, ()))
    places = {key: place for key, place in chosen.places.items() if key not in ours}
    return Given({**chosen.values, **ours}, places, chosen.name, project.path)


def _pairs(ours: list[str], theirs: Iterable[str]) -> list[str]:
    """The user's NAME=VALUE, and of the settings' those whose names the user does not give."""
    names = {pair.partition("=")[0] for pair in ours}
    return [*(pair for pair in theirs if pair.partition("=")[0] not in names), *ours]


def _without_none(given: Given) -> Given:
    if given["guest"] != NOTHING:
        return given
    return replace(given, values={key: value for key, value in given.values.items() if key != "guest"})
