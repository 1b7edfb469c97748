"""Reads the YAML of this room into frozen values.

`load_spec` reads the shipped files, once. `read_spec` reads any folder of the same form and can validate it
against the JSON Schemas first; it refuses what is inconsistent, naming the file and the key.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml

from endianproof.spec._model import (
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

__all__ = ["SpecError", "load_spec", "read_spec"]

ROOM = Path(__file__).resolve().parent
# libyaml's parser is ten times faster, and PyYAML has it wherever it was built with libyaml.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class SpecError(ValueError):
    """The specification contradicts itself or its schema. The message names the file and the key."""


class _UniqueKeyLoader(_Loader):  # type: ignore[misc]  # whichever of the two PyYAML has
    """YAML says that keys are unique; PyYAML keeps the last one silently."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise SpecError(f"{node.start_mark.name}:{node.start_mark.line + 1}: key {key!r} occurs twice")
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def _read_yaml(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        document: dict[str, Any] = yaml.load(file, Loader=_UniqueKeyLoader)  # noqa: S506 (a SafeLoader)
    return document


def _validate(document: Any, schema_name: str, path: Path) -> None:
    import jsonschema  # noqa: PLC0415 (only needed here, and not at all by those who read the shipped spec)

    schema = json.loads((ROOM / "schemas" / f"{schema_name}.schema.json").read_text(encoding="utf-8"))
    # JSON has string keys only; YAML's widths (16:) are compared as strings.
    plain = json.loads(json.dumps(document))
    for error in jsonschema.Draft202012Validator(schema).iter_errors(plain):
        where = "/".join(str(part) for part in error.absolute_path)
        raise SpecError(f"{path.name}: at {where or 'the top'}: {error.message}")


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return value


def _element_type(name: str, entry: Mapping[str, Any]) -> ElementType:
    fields = entry.get("fields")
    if fields and fields["sign"] + fields["exponent"] + fields["fraction"] != entry["bits"]:
        raise SpecError(f"element_types.yaml: {name}: the fields do not add up to {entry['bits']} bits")
    if entry["swap_unit"] > max(1, entry["bits"] // 8):
        raise SpecError(f"element_types.yaml: {name}: the swap unit is wider than the element")
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


def _template(entry: Mapping[str, Any], format_name: str) -> VectorTemplate:
    return VectorTemplate(
        id=entry["id"],
        format=format_name,
        rules=tuple(entry["rules"]),
        verdict=entry.get("verdict", "accept"),
        description=entry["description"],
        policy=entry.get("policy"),
        each=_frozen(entry.get("each", {})),
        write=_frozen(entry["write"]) if "write" in entry else None,
        derived_from=entry.get("from"),
        change=_frozen(entry["change"]) if "change" in entry else None,
        renames=_frozen(entry.get("renames", {})),
        reshapes=_frozen(entry.get("reshapes", {})),
        seen_in=tuple(entry.get("seen_in", ())),
    )


def _save(entry: Mapping[str, Any], format_name: str) -> SaveTemplate:
    return SaveTemplate(
        id=entry["id"],
        format=format_name,
        rules=tuple(entry["rules"]),
        verdict=entry.get("verdict", "accept"),
        description=entry["description"],
        policy=entry.get("policy"),
        each=_frozen(entry.get("each", {})),
        write=_frozen(entry["write"]),
        seen_in=tuple(entry.get("seen_in", ())),
    )


_SHARED = ("layout", "element_types", "policies")


def _with_parts(document: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A format's document with what the parts that it uses share; sources and rules keep to their own files."""
    whole = dict(document)
    for name in whole.pop("uses", ()):
        if name not in parts:
            raise SpecError(f"{document['format']}: uses {name!r}, which is no file of spec/parts")
        for section in _SHARED:
            own, shared = whole.get(section, {}), parts[name].get(section, {})
            if twice := own.keys() & shared.keys():
                raise SpecError(f"{document['format']}: {section}: {min(twice)!r} is in {name} too")
            whole[section] = {**own, **shared}
    return whole


def _whole(document: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """For the schema only: the document of `_with_parts`, with the rules and sources of the parts as well."""
    whole = _with_parts(document, parts)
    for section in ("sources", "rules"):
        shared = [parts[name][section] for name in document.get("uses", ())]
        whole[section] = {key: entry for entries in (*shared, document[section]) for key, entry in entries.items()}
    return whole


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
        Conversion(entry["from"], entry["to"], rule, code, None if result == "nan" else result)
        for entry in entries
        for rule, cases in entry["cases"].items()
        for code, result in cases
    )


def _check(spec: Spec) -> Spec:
    """What no schema can say: every rule is tested, every policy used, every name defined."""
    tested = {conversion.rule for conversion in spec.conversions}
    # A policy of a part is used where any format that uses the part has a vector or a save for it.
    used = {
        *(form.policies.get(t.policy or "") for form in spec.formats.values() for t in form.templates),
        *(form.policies.get(s.policy or "") for form in spec.formats.values() for s in form.saves),
    }
    for form in spec.formats.values():
        entries: tuple[VectorTemplate | SaveTemplate, ...] = (*form.templates, *form.saves)
        for policy in form.policies.values():
            if policy not in used:
                raise SpecError(f"{form.name}: policy {policy.name!r} is used by no vector and no save")
        for template in form.templates:
            _check_template(template, form, spec)
        for save in form.saves:
            _check_save(save, form, spec)
        tested.update(rule for entry in entries for rule in entry.rules)
    untested = [rule.id for rule in spec.rules.values() if rule.id not in tested and not rule.withdrawn]
    if untested:
        raise SpecError(f"rule {untested[0]} has no vector and no save")
    return spec


def _refuse(problems: Mapping[str, bool], where: str) -> None:
    for statement, broken in problems.items():
        if broken:
            raise SpecError(f"{where}: {statement}")


def _check_shared(entry: VectorTemplate | SaveTemplate, what: str, form: Format, spec: Spec) -> None:
    """What holds for vectors and saves alike."""
    for rule in entry.rules:
        if rule not in spec.rules:
            raise SpecError(f"{form.name}: {what} {entry.id} names rule {rule!r}, which does not exist")
    _refuse(
        {
            f"a refused {what} breaks exactly one rule": entry.verdict == "reject" and len(entry.rules) != 1,
            "`may` and a policy go together": (entry.verdict == "may") != (entry.policy is not None),
            f"policy {entry.policy!r} is not defined": entry.policy not in (None, *form.policies),
            "its id is lower case, digits, and -": not re.fullmatch(r"(\{\w+\}|[a-z0-9-])+", entry.id),
        },
        f"{form.name}: {what} {entry.id}",
    )


def _check_save(save: SaveTemplate, form: Format, spec: Spec) -> None:
    _check_shared(save, "save", form, spec)
    named = re.match(r"[a-z]+-save-", save.id) is not None
    _refuse({"a save's id says so: st-save-...": not named}, f"{form.name}: save {save.id}")


def _check_template(template: VectorTemplate, form: Format, spec: Spec) -> None:
    _check_shared(template, "vector", form, spec)
    problems = {
        "a refused vector is an accepted sibling with one change": template.verdict == "reject"
        and not (template.derived_from and template.change and len(template.change) == 1),
        "it is either written or derived": (template.write is None) == (template.derived_from is None),
        "the word save stands in the ids of saves only": "-save-" in template.id,
    }
    _refuse(problems, f"{form.name}: vector {template.id}")


def read_spec(folder: Path, *, validate: bool) -> Spec:
    """Read a specification folder; with `validate`, against the JSON Schemas first. Raises SpecError, OSError."""
    elements_path, order_path = folder / "element_types.yaml", folder / "byte_order.yaml"
    format_paths = sorted((folder / "formats").glob("*.yaml"))
    elements, order = _read_yaml(elements_path), _read_yaml(order_path)
    documents = [_read_yaml(path) for path in format_paths]
    parts = {part["part"]: part for part in map(_read_yaml, sorted((folder / "parts").glob("*.yaml")))}
    if validate:
        _validate(elements, "element_types", elements_path)
        _validate(order, "byte_order", order_path)
        for document, path in zip(documents, format_paths, strict=True):
            _validate(_whole(document, parts), "format", path)
    types = {name: _element_type(name, entry) for name, entry in elements["element_types"].items()}
    formats = {document["format"]: _format(_with_parts(document, parts), types) for document in documents}
    rules = _rules(elements, None)
    for name, part in parts.items():
        rules.update(_rules(part, name))
    for form in formats.values():
        rules.update(form.rules)
    patterns = {
        name: Pattern(name, entry["statement"], _frozen({k: v for k, v in entry.items() if k != "statement"}))
        for name, entry in elements["patterns"].items()
    }
    return _check(
        Spec(
            element_types=_frozen(types),
            patterns=_frozen(patterns),
            byte_orders=_frozen(order["byte_orders"]),
            canonical_byte_order=order["canonical"],
            conversions=_conversions(elements["conversions"]),
            formats=_frozen(formats),
            rules=_frozen(rules),
        )
    )


@functools.cache
def load_spec() -> Spec:
    """The shipped specification, read once."""
    return read_spec(ROOM, validate=False)
