"""Named testees: loaders and savers that this suite knows, by a short name or by their own dotted path.

They are a table: a YAML file for each library in `testees/`, of the form of `schemas/testees-1.schema.json`. It is
read when the first name is looked up, and not before.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from endianproof.spec import SpecError, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "Availability",
    "NamedTestee",
    "formats_of",
    "named",
    "named_program",
    "named_saver",
    "named_testees",
    "read_testees",
]

FOLDER = Path(__file__).resolve().with_name("testees")
SCHEMA = Path(__file__).resolve().with_name("schemas") / "testees-1.schema.json"
# Modules of ours that turn what is no plain function into one: `libraries.MODULE:function`, `node/FILE.mjs`.
GLUE = "endianproof.conformance.testee."
PROGRAMS = Path(__file__).resolve().with_name("testee")
_PACKAGE = re.compile(r"@?[^@<>=!~\[; ]+")
KINDS = {"loaders": "load", "savers": "save", "programs": "load"}
OPTIONS = {"load": "loader", "save": "saver"}


@dataclass(frozen=True)
class Availability:
    """Whether a library can be had for a kind of machine: `by` says how ("" if it cannot), `why` why not.

    By `wheel`: from its package index, ready to use. By `guest`: the guests have it. By `source`: pip compiles it.
    """

    by: str
    why: str = ""


@dataclass(frozen=True)
class NamedTestee:
    """One entry point. `formats` are those it reads or writes, `needs` packages, as pip or npm writes them.

    Of `calls`, a dotted path, and `program`, a command line, one is set; `keywords` are given to what is called
    besides. `takes` is what a loader is given, and `accept` what `--accept` says of it; `gives` whose tensors a
    saver is given, and `returns` whether it writes a file or returns its bytes. `imports` are modules that the
    library imports when it first loads, whose versions are to be told before. `tried` is the release of the
    library that the entry was written for.
    """

    name: str
    op: str
    library: str
    language: str
    link: str
    tried: str
    formats: tuple[str, ...]
    needs: tuple[str, ...]
    x86_64: Availability
    s390x: Availability
    calls: str = ""
    program: tuple[str, ...] = ()
    takes: str = "path"
    gives: str = ""
    returns: str = "file"
    keywords: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    imports: tuple[str, ...] = ()
    accept: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    note: str = ""

    @property
    def option(self) -> str:
        """The option that names it: loader, saver or testee."""
        return "testee" if self.program else OPTIONS[self.op]

    @property
    def by_glue(self) -> bool:
        """Whether a function of ours stands between the protocol and the library."""
        return self.calls.startswith(GLUE)


def _availability(value: str | Mapping[str, str]) -> Availability:
    return Availability(value) if isinstance(value, str) else Availability("", " ".join(value["absent"].split()))


def _calls(name: str, entry: Mapping[str, Any]) -> str:
    """What to call: the name's own path, unless the entry says another, which may be one of ours."""
    path: str = entry.get("calls", ":".join(name.rsplit(".", 1)))
    return GLUE + path if path.startswith("libraries.") else path


def _needs(common: Iterable[str], own: Iterable[str]) -> tuple[str, ...]:
    """What the file and the entry need; of a package that both name, what the entry says of it."""
    return tuple({_PACKAGE.findall(need)[0]: need for need in (*common, *own)}.values())


def _testee(name: str, op: str, file: Mapping[str, Any], entry: Mapping[str, Any]) -> NamedTestee:
    """One entry; what it leaves out, the file says. It needs what the file needs, and more."""
    known = {**{key: file[key] for key in ("formats", "x86_64", "s390x") if key in file}, **entry}
    known["needs"] = _needs(file.get("needs", ()), entry.get("needs", ()))
    program = tuple(str(PROGRAMS / word) if word.endswith(".mjs") else word for word in known.get("program", ()))
    known |= {"program": program, "calls": "" if program else _calls(name, entry)}
    known |= {place: _availability(known[place]) for place in ("x86_64", "s390x")}
    known |= {"formats": tuple(known["formats"]), "imports": tuple(known.get("imports", ()))}
    known |= {key: MappingProxyType(known.get(key, {})) for key in ("keywords", "accept")}
    known["note"] = " ".join(known.get("note", "").split())
    language, tried = file.get("language", "Python"), file["tried"]
    return NamedTestee(
        name=name, op=op, library=file["library"], language=language, link=file["link"], tried=tried, **known
    )


def _validate(path: Path, document: Mapping[str, Any]) -> None:
    import jsonschema  # noqa: PLC0415 (the shipped table needs no validation to be read)

    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for error in jsonschema.Draft202012Validator(schema).iter_errors(document):
        where = "/".join(map(str, error.absolute_path))
        raise SpecError(f"{path.name}: at {where or 'the top'}: {error.message}")


def _entries(folder: Path, *, validate: bool) -> Iterator[NamedTestee]:
    for path in sorted(folder.glob("*.yaml")):
        document = read_yaml(path)
        if validate:
            _validate(path, document)
        for kind, op in KINDS.items():
            for name, entry in document.get(kind, {}).items():
                yield _testee(name, op, document, entry or {})


def read_testees(folder: Path = FOLDER, *, validate: bool = False) -> tuple[NamedTestee, ...]:
    """Read a folder of such files, in the order of their names; `validate` holds them against the schema.

    Raises SpecError for a file that is not of the form, and for a name that stands for two loaders or two savers.
    """
    found = tuple(_entries(folder, validate=validate))
    seen = set()
    for one in found:
        if (one.op, one.name) in seen:
            raise SpecError(f"{folder}: two {one.option}s are called {one.name}")
        seen.add((one.op, one.name))
    return found


@functools.cache
def named_testees() -> tuple[NamedTestee, ...]:
    """Return all that are shipped."""
    return read_testees()


def _find(option: str, given: str) -> NamedTestee | None:
    """Find an entry by its name, or by the path it calls, with a dot or a colon, if it adds no keywords."""
    dotted = given.replace(":", ".")
    ours = [testee for testee in named_testees() if testee.option == option]
    plain = [testee for testee in ours if not testee.keywords and not testee.program]
    by_path = (testee for testee in plain if testee.calls.replace(":", ".") == dotted)
    return next((testee for testee in ours if testee.name == dotted), None) or next(by_path, None)


def named(loader: str) -> NamedTestee | None:
    """Return the named testee that `--loader` means: its name or its path, written with a dot or a colon."""
    return _find("loader", loader)


def named_saver(saver: str) -> NamedTestee | None:
    """Return the named saver that `--saver` means, likewise."""
    return _find("saver", saver)


def named_program(command_line: str) -> NamedTestee | None:
    """Return the named testee that `--testee` means: a program that has this name here."""
    return _find("testee", command_line)


def formats_of(loader: str) -> tuple[str, ...] | None:
    """Return the formats that a named testee reads; None for a loader that is not known here."""
    found = named(loader)
    return found.formats if found else None
