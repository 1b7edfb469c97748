"""What a matrix's file means: its testees, and the cells that they, their versions and the guests make."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from endianproof.conformance.given import Given
from endianproof.conformance.matrix._cell import HOST, INSTALLED, OPTIONS, Cell, Testee
from endianproof.conformance.matrix._error import MatrixError
from endianproof.conformance.packages import OverlayError, from_folder, parse
from endianproof.conformance.selecting import chosen_formats, chosen_policies, chosen_rules, near
from endianproof.conformance.strict_yaml import Document, read_document
from endianproof.qemu import guests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["Matrix", "read_matrix"]

EXAMPLE = "a matrix was expected: matrix: 1, guests: [host, s390x], testees: [{loader: mypkg.load}]"
KINDS = ("loader", "saver", "testee")
# Ids are names of files, and globs: a dotted path is one that begins neither with a dot nor with a dash.
DOTTED = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True)
class Matrix:
    """A file's cells, in its order; those that it excludes are among them, with the reason."""

    path: Path
    name: str
    cells: tuple[Cell, ...]

    def select(self, globs: Sequence[str], factors: Sequence[str]) -> tuple[Cell, ...]:
        """Return the cells whose id one of the globs matches and which have every factor.

        Without globs, and without factors, all. Raises MatrixError where a glob, a factor or all of them together
        select nothing.
        """
        ids = [cell.id for cell in self.cells]
        for glob in globs:
            if not any(fnmatchcase(one, glob) for one in ids):
                raise MatrixError(f"{self.path}: there is no cell {glob!r}{near(glob, ids)}")
        words = sorted({word for cell in self.cells for word in cell.words})
        for factor in factors:
            if factor not in words:
                hint = f"{near(factor, words)}; of {', '.join(words)}"
                raise MatrixError(f"{self.path}: no cell has the factor {factor!r}{hint}")
        chosen = [cell for cell in self.cells if not globs or any(fnmatchcase(cell.id, glob) for glob in globs)]
        chosen = [cell for cell in chosen if cell.words.issuperset(factors)]
        if not chosen:
            asked = " and ".join(filter(None, (" or ".join(globs), " with ".join(factors))))
            raise MatrixError(f"{self.path}: no cell is {asked}")
        return tuple(chosen)


def _guest_names() -> dict[str, str]:
    """The names that a matrix may use for guests, and the guest's own name of each. Raises GuestError."""
    known = {alias: one.name for one in guests().values() for alias in (one.name, *one.aliases)}
    return {HOST: HOST, **known}


def _guests(
    document: Document, value: Mapping[str, Any], steps: Sequence[str | int], known: Mapping[str, str]
) -> tuple[str, ...]:
    meant = dict[str, str]()
    for number, name in enumerate(value.get("guests", ())):
        place = (*steps, "guests", number)
        if name not in known:
            message = f"there is no guest {name!r}{near(name, known)}; there are {', '.join(known)}"
            raise document.error(place, message)
        if (other := meant.setdefault(known[name], name)) != name or list(meant).index(known[name]) != number:
            raise document.error(place, f"{name!r} is the same guest as {other!r}, which is there already")
    return tuple(meant.values())


def _kind(document: Document, value: Mapping[str, Any], steps: Sequence[str | int]) -> str:
    given = [kind for kind in KINDS if kind in value]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise document.error(steps, f"one of loader, saver and testee was expected, {found} was found")
    return given[0]


def _versions(document: Document, value: Mapping[str, Any], steps: Sequence[str | int]) -> tuple[str, ...]:
    if ("package" in value) != ("versions" in value):
        raise document.error(steps, "package and versions go together: whose versions, and which")
    if "versions" in value and "testee" in value:
        raise document.error(steps, "versions go with loader and saver: a program has its own packages")
    for number, version in enumerate(value.get("versions", ())):
        if version != INSTALLED and not _is_version(version):
            message = f"{version!r} is no version: write a release, such as '0.4.2', or {INSTALLED}"
            raise document.error((*steps, "versions", number), message)
    return tuple(value.get("versions", ("",)))


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


# What a run, too, holds these keys to.
CHOICES: Mapping[str, Callable[[Given], object]] = {
    "format": chosen_formats,
    "rule": chosen_rules,
    "policy": chosen_policies,
}


def _check_choice(key: str, values: Sequence[str], place: str) -> None:
    try:
        Given({key: list(values)}, {key: f"{place}: {key}"}).refuse_empty()
        CHOICES[key](Given({key: values}, {key: place}))
    except pytest.UsageError as error:
        raise MatrixError(str(error)) from error


def _check_options(document: Document, value: Mapping[str, Any], steps: Sequence[str | int]) -> None:
    """Refuse now what the runs of this testee would refuse one after the other."""
    pinned = [f"{name}={choice}" for name, choice in value.get("policy", {}).items()]
    for key, values in (("format", value.get("format")), ("rule", value.get("rule")), ("policy", pinned)):
        if values:
            _check_choice(key, values, document.place((*steps, key)))
    folder = document.path.resolve().parent
    if "baseline" in value and not (folder / value["baseline"]).is_file():
        raise document.error((*steps, "baseline"), f"there is no file {folder / value['baseline']}")
    for number, text in enumerate(value.get("with", ())):
        if why := _unusable(from_folder(text, folder)):
            raise document.error((*steps, "with", number), why)


def _unusable(package: str) -> str:
    """What is wrong with a package that is to be put in front; nothing, if nothing is."""
    try:
        parse(package)
    except OverlayError as error:
        return f"{error}; {error.hint}"
    return ""


def _testee(document: Document, number: int, known: Mapping[str, str]) -> Testee:
    value, steps = document.value["testees"][number], ("testees", number)
    kind = _kind(document, value, steps)
    target = value[kind]
    if kind == "testee" and "name" not in value:
        raise document.error(steps, "a testee that is a command needs a name, which begins the ids of its cells")
    name = value.get("name", target.replace(":", "."))
    if not DOTTED.fullmatch(name):
        message = (
            f"{kind}: {target!r} is no dotted path, which would begin the ids of its cells: give it a name, too"
        )
        raise document.error((*steps, kind), message)
    _check_options(document, value, steps)
    return Testee(
        name=name,
        kind=kind,
        target=target,
        package=value.get("package", ""),
        versions=_versions(document, value, steps),
        guests=_guests(document, value, steps, known) or _guests(document, document.value, (), known) or (HOST,),
        options={key: value[key] for key in OPTIONS if key in value},
    )


def _words(matrix: str, testee: Testee, version: str, names: Iterable[str]) -> frozenset[str]:
    """What tox's factors and --factors select a cell by. tox takes names apart at each `-`, and so do we."""
    said = (matrix, testee.kind, testee.name, testee.name.split(".")[0], version, *names)
    return frozenset(word for text in said for word in text.split("-") if word)


def _cells(document: Document, name: str, number: int, known: Mapping[str, str]) -> list[Cell]:
    testee = _testee(document, number, known)
    return [
        Cell(
            matrix=name,
            testee=testee,
            version=version,
            guest=guest,
            folder=document.path.resolve().parent,
            words=_words(name, testee, version, (guest, known[guest])),
        )
        for version in testee.versions
        for guest in testee.guests
    ]


def _covers(entry: Mapping[str, str], cell: Cell, known: Mapping[str, str]) -> bool:
    guest = entry.get("guest", cell.guest)
    return (
        fnmatchcase(cell.testee.name, entry.get("testee", "*"))
        and known.get(guest, guest) == known[cell.guest]
        and _is_of(cell.version, entry.get("version", cell.version))
    )


def _is_of(version: str, wanted: str) -> bool:
    """Whether a version is the one that is wanted, or in the range."""
    if version == wanted:
        return True
    try:
        return _is_version(version) and SpecifierSet(wanted).contains(version, prereleases=True)
    except InvalidSpecifier:
        return False


def _excluding(document: Document, cells: Iterable[Cell], known: Mapping[str, str]) -> tuple[Cell, ...]:
    """The cells, those that the file excludes with the reason. An entry that excludes nothing is an error."""
    entries = document.value.get("exclude", [])
    used = set[int]()
    found = []
    for cell in cells:
        covering = [number for number, entry in enumerate(entries) if _covers(entry, cell, known)]
        used.update(covering)
        found.append(replace(cell, excluded=entries[covering[0]]["reason"]) if covering else cell)
    for number in range(len(entries)):
        if number not in used:
            raise document.error(("exclude", number), "this excludes no cell: remove it, or correct it")
    return tuple(found)


def read_matrix(path: Path) -> Matrix:
    """Read a matrix. Raises MatrixError, and GuestError where the project's own guests cannot be read."""
    document = read_document(path, "matrix-1.schema.json", MatrixError, EXAMPLE)
    name, known = document.value.get("name", path.stem), _guest_names()
    numbers = range(len(document.value["testees"]))
    made = [(number, cell) for number in numbers for cell in _cells(document, name, number, known)]
    seen = set[str]()
    for number, cell in made:
        if cell.id in seen:
            raise document.error(
                ("testees", number), f"two cells are called {cell.id!r}: give this testee a name of its own"
            )
        seen.add(cell.id)
    return Matrix(path, name, _excluding(document, [cell for _, cell in made], known))
