"""Reads the YAML of this room into frozen values.

`load_spec` reads the shipped files, once. `read_spec` reads any folder of the same form and can validate it
against the JSON Schemas first; it refuses what is inconsistent, naming the file and the key. Between the two stand
the documents: the YAML as plain dicts and lists, by file name.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml

from endianproof.spec._checks import SpecError, check
from endianproof.spec._model import (
    Bug,
    Conversion,
    ElementType,
    FloatFields,
    Format,
    Pattern,
    Policy,
    Rule,
    SaveTemplate,
    Spec,
    VectorTemplate,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Documents = Mapping[str, Mapping[str, Any]]

__all__ = ["load_spec", "read_documents", "read_spec", "read_yaml", "spec_of", "validate_document"]

ROOM = Path(__file__).resolve().parent
_SINGLE = ("bugs.yaml", "byte_order.yaml", "element_types.yaml", "prose.yaml")
# libyaml's parser is ten times faster, and PyYAML has it wherever it was built with libyaml.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _UniqueKeyLoader(_Loader):  # type: ignore[misc]  # whichever of the two PyYAML has
    """YAML says that keys are unique; PyYAML keeps the last one silently."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise SpecError(f"{node.start_mark.name}:{node.start_mark.line + 1}: key {key!r} occurs twice")
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def read_yaml(path: Path) -> dict[str, Any]:
    """One YAML file as plain dicts and lists. Raises SpecError where a key occurs twice."""
    with path.open("rb") as file:
        document: dict[str, Any] = yaml.load(file, Loader=_UniqueKeyLoader)  # noqa: S506 (a SafeLoader)
    return document


@functools.cache
def _validator(schema_name: str) -> Any:
    import jsonschema  # noqa: PLC0415 (only needed here, and not at all by those who read the shipped spec)

    schema = json.loads((ROOM / "schemas" / f"{schema_name}.schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def validate_document(name: str, documents: Documents) -> None:
    """Hold one document, with the parts that it uses, against its schema. Raises SpecError."""
    document = documents[name]
    kind = {"formats": "format", "parts": "part"}.get(name.partition("/")[0], name.removesuffix(".yaml"))
    if kind == "format":  # parts keep their shape within the formats that use them
        document = _whole(document, _shared(documents))
    # JSON has string keys only; YAML's widths (16:) are compared as strings.
    plain = json.loads(json.dumps(document))
    for error in _validator(kind).iter_errors(plain):
        where = "/".join(str(part) for part in error.absolute_path)
        raise SpecError(f"{name}: at {where or 'the top'}: {error.message}")


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return value


def _element_type(name: str, entry: Mapping[str, Any]) -> ElementType:
    fields = entry.get("fields")
    return ElementType(
        name=name,
        kind=entry["kind"],
        bits=entry["bits"],
        swap_unit=entry["swap_unit"],
        float_fields=FloatFields(**fields, specials=entry["specials"]) if fields else None,
        component=entry.get("component"),
    )


def _rules(document: Mapping[str, Any], format_name: str | None) -> dict[str, Rule]:
    sources = document["sources"]
    found = {}
    for rule_id, entry in document["rules"].items():
        unknown = [key for key in entry["sources"] if key not in sources]
        if unknown:
            raise SpecError(f"rule {rule_id}: source {unknown[0]!r} is not among the file's sources")
        found[rule_id] = Rule(
            id=rule_id,
            level=entry["level"],
            statement=entry["statement"].strip(),
            why=entry["why"].strip(),
            sources=tuple(sources[key] for key in entry["sources"]),
            since=entry["since"],
            format=format_name,
            withdrawn=entry.get("withdrawn"),
        )
    unused = set(sources) - {key for entry in document["rules"].values() for key in entry["sources"]}
    if unused:
        raise SpecError(f"{format_name or 'element_types'}: source {min(unused)!r} is used by no rule")
    return found


def _task_fields(entry: Mapping[str, Any], format_name: str) -> dict[str, Any]:
    """What vectors and saves have alike."""
    return {
        "id": entry["id"],
        "format": format_name,
        "rules": tuple(entry["rules"]),
        "verdict": entry.get("verdict", "accept"),
        "description": entry["description"],
        "policy": entry.get("policy"),
        "each": _frozen(entry.get("each", {})),
        "seen_in": tuple(entry.get("seen_in", ())),
    }


def _template(entry: Mapping[str, Any], format_name: str) -> VectorTemplate:
    return VectorTemplate(
        **_task_fields(entry, format_name),
        write=_frozen(entry["write"]) if "write" in entry else None,
        derived_from=entry.get("from"),
        change=_frozen(entry["change"]) if "change" in entry else None,
        renames=_frozen(entry.get("renames", {})),
        reshapes=_frozen(entry.get("reshapes", {})),
        large=entry.get("large", False),
    )


def _save(entry: Mapping[str, Any], format_name: str) -> SaveTemplate:
    return SaveTemplate(
        **_task_fields(entry, format_name),
        write=_frozen(entry["write"]),
    )


_SHARED = ("layout", "element_types", "policies")


def _is_format(name: str) -> bool:
    return name.startswith("formats/")


def _parts(documents: Documents) -> dict[str, Any]:
    parts = {name: document for name, document in documents.items() if name.startswith("parts/")}
    return {document.get("part", name): document for name, document in parts.items()}


def _shared(documents: Documents) -> dict[str, Any]:
    """What a format can use: the parts, and what another format has of its own."""
    named = {name: document for name, document in documents.items() if _is_format(name)}
    formats = {document.get("format", name): document for name, document in named.items()}
    return {**_parts(documents), **formats}


def _with_parts(document: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A format's document with what the parts that it uses share; sources and rules keep to their own files."""
    whole, form = dict(document), document.get("format", "a format without a name")
    used = list(whole.pop("uses", ()))
    if used != sorted(used):
        raise SpecError(f"{form}: uses is in alphabetical order")
    for name in used:
        if name not in parts:
            raise SpecError(f"{form}: uses {name!r}, which is no file of spec/parts, and no format")
        for section in _SHARED:
            own, shared = whole.get(section, {}), parts[name].get(section, {})
            if twice := own.keys() & shared.keys():
                raise SpecError(f"{form}: {section}: {min(twice)!r} is in {name} too")
            whole[section] = {**own, **shared}
    return whole


def _whole(document: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """For the schema only: the document of `_with_parts`, with the rules and sources of the parts as well."""
    whole = _with_parts(document, parts)
    for section in ("sources", "rules"):
        shared = [parts[name].get(section, {}) for name in document.get("uses", ())]
        if section in document:  # what is missing, the schema says
            whole[section] = {
                key: entry for entries in (*shared, document[section]) for key, entry in entries.items()
            }
    return whole


def _bug(bug_id: str, entry: Mapping[str, Any]) -> Bug:
    return Bug(
        id=bug_id,
        title=entry["title"],
        mechanism=entry["mechanism"],
        symptom=entry["symptom"],
        package=entry["package"],
        versions=entry["versions"],
        formats=tuple(entry["formats"]),
        roles=tuple(entry["roles"]),
        measured=entry["measured"],
        url=entry.get("url"),
        uncovered=entry.get("uncovered"),
    )


def _format(document: Mapping[str, Any], known: Iterable[str]) -> Format:
    name = document["format"]
    for own, element in document["element_types"].items():
        if element not in known:
            raise SpecError(f"{name}: {own} names {element!r}, which is no element type")
    return Format(
        name=name,
        title=document["title"],
        extension=document["extension"],
        doc=document["doc"],
        element_types=_frozen(document["element_types"]),
        layout=_frozen(document["layout"]),
        rules=_frozen(_rules(document, name)),
        policies=_frozen({key: Policy(name=key, **entry) for key, entry in document["policies"].items()}),
        templates=tuple(_template(entry, name) for entry in document["vectors"]),
        saves=tuple(_save(entry, name) for entry in document.get("saves", ())),
    )


def _conversions(entries: Iterable[Mapping[str, Any]]) -> tuple[Conversion, ...]:
    return tuple(
        Conversion(
            entry["from"],
            entry["to"],
            rule,
            code,
            None if result == "nan" else result,
            tuple(entry.get("seen_in", ())),
        )
        for entry in entries
        for rule, cases in entry["cases"].items()
        for code, result in cases
    )


def read_documents(folder: Path) -> dict[str, Any]:
    """The YAML files of a folder by their names in it, such as `formats/a-b.yaml`. Raises OSError, SpecError."""
    paths = [folder / name for name in _SINGLE]
    for kind in ("formats", "parts"):
        paths += sorted((folder / kind).glob("*.yaml"))
    return {path.relative_to(folder).as_posix(): read_yaml(path) for path in paths}


def spec_of(documents: Documents) -> Spec:
    """The specification that the documents say, checked for contradictions. Raises SpecError."""
    elements, order = documents["element_types.yaml"], documents["byte_order.yaml"]
    parts, shared = _parts(documents), _shared(documents)
    types = {name: _element_type(name, entry) for name, entry in elements["element_types"].items()}
    formats = [
        _format(_with_parts(document, shared), types) for name, document in documents.items() if _is_format(name)
    ]
    rules = _rules(elements, None)
    for name, part in parts.items():
        rules.update(_rules(part, name))
    for form in formats:
        rules.update(form.rules)
    patterns = {
        name: Pattern(name, entry["statement"], _frozen({k: v for k, v in entry.items() if k != "statement"}))
        for name, entry in elements["patterns"].items()
    }
    bugs = documents["bugs.yaml"]["bugs"]
    return check(
        Spec(
            element_types=_frozen(types),
            patterns=_frozen(patterns),
            byte_orders=_frozen(order["byte_orders"]),
            canonical_byte_order=order["canonical"],
            conversions=_conversions(elements["conversions"]),
            formats=_frozen({form.name: form for form in formats}),
            rules=_frozen(rules),
            bugs=_frozen({bug_id: _bug(bug_id, entry) for bug_id, entry in bugs.items()}),
        )
    )


def read_spec(folder: Path, *, validate: bool) -> Spec:
    """Read a specification folder; with `validate`, against the JSON Schemas first. Raises SpecError, OSError."""
    documents = read_documents(folder)
    if validate:
        # Parts first: a format is validated with the parts that it uses.
        for name in sorted(documents, key=lambda name: not name.startswith("parts/")):
            validate_document(name, documents)
    return spec_of(documents)


@functools.cache
def load_spec() -> Spec:
    """The shipped specification, read once."""
    return read_spec(ROOM, validate=False)
