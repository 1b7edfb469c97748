"""Reads the specification anew after one change: what did not change is read, and held to the schema, once."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import jsonschema
from leaves import walk

from endianproof.spec import Spec, SpecError, _contents, _reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType


# Keys that say which sections a document has, and of whom.
_NAMES = ("format", "part", "uses")


def _key(arguments: Iterable[Any]) -> tuple[Any, ...]:
    """Strings by themselves, the rest by which object it is: nobody changes those, or lets them go."""
    return tuple(one if isinstance(one, str) else id(one) for one in arguments)


@functools.cache
def _validator(kind: str) -> Any:
    """Of a schema that asks for no section, to hold single ones against."""
    schema = json.loads((_reader.ROOM / "schemas" / f"{kind}.schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator({**schema, "required": []})


class Rereading:
    """The reader, of the shipped documents and then of changed ones, until it is closed.

    While it is open, the reader's own functions remember what they made of the pieces of the shipped documents.
    """

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self.documents = documents
        self._kept: list[tuple[ModuleType, str, Any]] = []
        nodes = [node for document in documents.values() for _, node in walk(document)]
        self._keep(_reader, "_frozen", [(node,) for node in nodes if isinstance(node, (dict, list))])
        forms = [document for name, document in documents.items() if name.startswith("formats/")]
        for name, section in (("_template", "vectors"), ("_save", "saves")):
            entries = [(entry, form["format"]) for form in forms for entry in form.get(section, ())]
            self._keep(_reader, name, entries)
        self.spec = _reader.spec_of(documents)
        entries = [
            (f"{form.name}: {what} {entry.id}", entry)
            for form in self.spec.formats.values()
            for what, found in (("vector", form.templates), ("save", form.saves))
            for entry in found
        ]
        self._keep(_contents, "_placeholders", entries, tuple)

    def _keep(
        self,
        room: ModuleType,
        name: str,
        calls: Iterable[tuple[Any, ...]],
        whole: Callable[[Any], Any] = lambda v: v,
    ) -> None:
        function = getattr(room, name)
        known = {_key(arguments): whole(function(*arguments)) for arguments in calls}

        def remembered(*arguments: Any) -> Any:
            key = _key(arguments)
            return known[key] if key in known else function(*arguments)

        self._kept.append((room, name, function))
        setattr(room, name, remembered)

    def close(self) -> None:
        """Give the reader its own functions back."""
        for room, name, function in self._kept:
            setattr(room, name, function)

    def users(self, part: str) -> list[str]:
        """The files of the formats that use a part, or what another format has."""
        document = self.documents[part]
        name = document.get("part", document.get("format", "element types"))
        return [file for file, document in self.documents.items() if name in document.get("uses", ())]

    def read(self, mutation: Any) -> Spec:
        """The specification with a mutation. Raises SpecError where the reader refuses it."""
        documents = {**self.documents, mutation.file: mutation.document}
        for file in [mutation.file, *self.users(mutation.file)]:
            if not mutation.path or mutation.section in _NAMES:
                _reader.validate_document(file, documents)
            else:
                self._validate_section(file, mutation.path[0], documents)
        return _reader.spec_of(documents)

    def _validate_section(self, file: str, section: str, documents: Mapping[str, Any]) -> None:
        """Hold one section against its part of the schema: the others are what they were."""
        document = documents[file]
        kind = {"formats": "format", "parts": "part"}.get(file.partition("/")[0], file.removesuffix(".yaml"))
        if kind == "format":
            document = _reader._whole(document, _reader._shared(documents))
        plain = json.loads(json.dumps({key: document[key] for key in ("format", section) if key in document}))
        for error in _validator(kind).iter_errors(plain):
            where = "/".join(map(str, error.absolute_path))
            raise SpecError(f"{file}: at {where}: {error.message}")
