"""`[tool.endianproof]` in the project's pyproject.toml: its testees, and what is to be asked of each.

The nearest pyproject.toml counts, in the folder one stands in or above it, as for a project's own guests. What the
table itself says holds for each testee, and gives way to what the testee's own table says. Paths in it are taken
from the folder that the file is in.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema

from endianproof.conformance.packages import from_folder
from endianproof.conformance.selecting import near
from endianproof.qemu import project_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["KINDS", "Project", "ProjectError", "ProjectTestee", "read_project", "settings_table"]

SCHEMA = Path(__file__).resolve().parent / "schemas" / "settings-1.schema.json"
KINDS = ("loader", "saver", "testee")
TABLE = "tool.endianproof"


class ProjectError(Exception):
    """The settings cannot be used. The message says which file and key, what was found and what was expected."""


@dataclass(frozen=True)
class ProjectTestee:
    """One testee of the settings. `values` are its options by their keys, `places` where in the file each stands.

    `kind` is loader, saver or testee. One that stands in the table itself is called by what it tests.
    """

    name: str
    kind: str
    values: Mapping[str, Any]
    places: Mapping[str, str]

    @property
    def tested(self) -> str:
        """The loader, the saver or the command line."""
        return str(self.values[self.kind])


@dataclass(frozen=True)
class Project:
    """The settings of one file."""

    path: Path
    testees: tuple[ProjectTestee, ...]

    @property
    def shown(self) -> str:
        """The file, as seen from where the user stands."""
        return _shown(self.path)

    def find(self, kind: str, text: str) -> ProjectTestee | None:
        """The testee that an option means: by its name, else by the path of its loader or saver.

        `--testee=NAME` means one of any kind. Raises ProjectError for a name of another kind, and for a path that
        several have.
        """
        named = next((one for one in self.testees if one.name == text), None)
        if named is not None and kind not in (named.kind, "testee"):
            raise ProjectError(f"--{kind}={text}: in {self.shown} it is a {named.kind}: --{named.kind}={text}")
        if named is not None:
            return named
        alike = [one for one in self.testees if one.kind == kind and _dotted(one.tested) == _dotted(text)]
        if len(alike) > 1:
            names = " or ".join(f"--{kind}={one.name}" for one in alike)
            raise ProjectError(f"--{kind}={text}: several testees of {self.shown} have it: say {names}")
        return alike[0] if alike else None


def _dotted(path: str) -> str:
    return path.replace(":", ".")


def _shown(path: Path) -> str:
    return os.path.relpath(path) if path.is_absolute() else str(path)


def _texts(key: str) -> Callable[[Any, Path], dict[str, Any]]:
    return lambda value, _: {key: list(value)}


def _plain(key: str) -> Callable[[Any, Path], dict[str, Any]]:
    return lambda value, _: {key: value}


def _with(value: list[str], folder: Path) -> dict[str, Any]:
    """Projects and wheels are looked for in the file's folder."""
    return {"with": [_place(one, folder) for one in value]}


def _place(text: str, folder: Path) -> str:
    whole = from_folder(text, folder)
    return text if whole == text else _shown(Path(whole))


def _limits(value: Mapping[str, Any], _: Path) -> dict[str, Any]:
    return {key.replace("-", "_"): str(limit) for key, limit in value.items()}


# What a key says, as the options would say it.
OPTIONS: Mapping[str, Callable[[Any, Path], dict[str, Any]]] = {
    **{kind: _plain(kind) for kind in KINDS},
    "formats": _texts("format"),
    "unsupported": _texts("unsupported"),
    "policies": lambda value, _: {"policy": [f"{name}={choice}" for name, choice in value.items()]},
    "accept": lambda value, _: {"accept": [f"{dtype}={given}" for dtype, given in value.items()]},
    "baseline": lambda value, folder: {"baseline": _shown(folder / value)},
    "takes": _plain("takes"),
    "gives": _plain("gives"),
    "guest": _plain("guest"),
    "with": _with,
    "build-in-guest": _plain("builds"),
    "large": _plain("large"),
    "workers": _plain("workers"),
    "limits": _limits,
}


def settings_table(path: Path) -> Any:
    """What a file has under `[tool.endianproof]`, None where it has no such table. Raises ProjectError."""
    try:
        document: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # undecodable text and bad TOML are ValueErrors
        raise ProjectError(f"{_shown(path)} cannot be read: {error}") from error
    tool = document.get("tool", {})
    return tool.get("endianproof") if isinstance(tool, dict) else None


def read_project(folder: Path, given: str | None = None) -> Project | None:
    """Read the settings of the project that a folder belongs to, or of the file `given`; None where it has none.

    Raises ProjectError.
    """
    path = Path(given).absolute() if given else project_file(folder)
    if path is None:
        return None
    table = settings_table(path)
    if table is None:
        if given:
            raise ProjectError(f"{given} has no table [{TABLE}]: endianproof init writes one")
        return None
    _check(table, path)
    return Project(path, tuple(_testees(table, path)))


def _testees(table: Mapping[str, Any], path: Path) -> Iterator[ProjectTestee]:
    """One in the table itself, or those below it."""
    shared = {key: value for key, value in table.items() if key not in {"testees", "guests", *KINDS}}
    own = {key: value for key, value in table.items() if key in KINDS}
    below: Mapping[str, Any] = table.get("testees", {})
    if own and below:
        raise ProjectError(
            f"{_shown(path)}, [{TABLE}] has a {next(iter(own))}, and testees below it: "
            f"give it a name, too: [{TABLE}.testees.NAME]"
        )
    if own:
        yield _testee(None, own, shared, path)
    for name, told in below.items():
        yield _testee(name, told, shared, path)


def _testee(name: str | None, own: Mapping[str, Any], shared: Mapping[str, Any], path: Path) -> ProjectTestee:
    where = f"[{TABLE}.testees.{name}]" if name else f"[{TABLE}]"
    kinds = [kind for kind in KINDS if kind in own]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none of them"
        raise ProjectError(f"{_shown(path)}, {where}: one of loader, saver and testee was expected, {found} found")
    values, places = dict[str, Any](), dict[str, str]()
    for table, place in ((_fitting(shared, kinds[0]), f"[{TABLE}]"), (own, where)):
        for key, value in table.items():
            said = OPTIONS[key](value, path.parent)
            values.update(said)
            places.update(dict.fromkeys(said, f"{_shown(path)}, {place} {key}"))
    return ProjectTestee(name or str(own[kinds[0]]), kinds[0], values, places)


# What holds for testees of one kind alone: among the settings for all, it is no mistake where there are others.
OF_KIND = {"accept": ("loader", "testee"), "takes": ("loader",), "gives": ("saver",), "with": ("loader", "saver")}


def _fitting(shared: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {key: value for key, value in shared.items() if kind in OF_KIND.get(key, KINDS)}


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def _check(table: Any, path: Path) -> None:
    faults = sorted(_validator().iter_errors(table), key=lambda fault: list(map(str, fault.absolute_path)))
    for fault in faults[:1]:
        place = ".".join((TABLE, *map(str, fault.absolute_path)))
        raise ProjectError(f"{_shown(path)}, {place}: {_complaint(fault)}")


def _complaint(fault: jsonschema.ValidationError) -> str:
    """What is wrong; a key that there is not, with the one that may be meant."""
    schema: Any = fault.schema
    if fault.validator != "additionalProperties":
        expected = schema.get("description")
        return f"{fault.message}; expected: {expected}" if expected else fault.message
    known: Mapping[str, Any] = schema["properties"]
    instance: Any = fault.instance
    strange = next(key for key in instance if key not in known)
    return f"there is no key {strange!r}{near(strange, known) or '; the keys are ' + ', '.join(sorted(known))}"
