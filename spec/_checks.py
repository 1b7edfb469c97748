"""What no schema can say of a specification: every rule is tested, every policy used, every name defined."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from endianproof.spec._contents import complaints

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from endianproof.spec._model import Bug, Format, Policy, SaveTemplate, Spec, VectorTemplate

__all__ = ["Sighting", "SpecError", "bug_gaps", "check", "sightings"]


_TESTS = {"loader": "a vector", "saver": "a save", "conversion": "a conversion"}


class Sighting(NamedTuple):
    """One bug in one `seen_in`: of which vector, save or rule of conversion; the role and the format it tests."""

    bug: str
    place: str
    role: str
    format: str | None


class SpecError(ValueError):
    """The specification contradicts itself or its schema. The message names the file and the key."""


def _entries(form: Format) -> tuple[VectorTemplate | SaveTemplate, ...]:
    return (*form.templates, *form.saves)


def check(spec: Spec) -> Spec:
    """What no schema can say: every rule is tested, every policy used, every name defined."""
    _check_types(spec)
    tested = {conversion.rule for conversion in spec.conversions}
    # A policy of a part is used where any format that uses the part has a vector or a save for it.
    used = {form.policies.get(e.policy or "") for form in spec.formats.values() for e in _entries(form)}
    for form in spec.formats.values():
        for policy in form.policies.values():
            if policy not in used:
                raise SpecError(f"{form.name}: policy {policy.name!r} is used by no vector and no save")
        _check_fields(form.layout, f"{form.name}: layout")
        for complaint in complaints(form, spec.element_types):
            raise SpecError(complaint)
        for template in form.templates:
            _check_template(template, form, spec)
        for save in form.saves:
            _check_save(save, form, spec)
        tested.update(rule for entry in _entries(form) for rule in entry.rules)
    untested = [rule.id for rule in spec.rules.values() if rule.id not in tested and not rule.withdrawn]
    if untested:
        raise SpecError(f"rule {untested[0]} has no vector and no save")
    withdrawn = [rule.id for rule in spec.rules.values() if rule.id in tested and rule.withdrawn]
    if withdrawn:
        raise SpecError(
            f"rule {withdrawn[0]} is withdrawn, and still has a vector or a save: take it from `rules`"
        )
    _check_bugs(spec)
    return spec


def _check_fields(value: Any, where: str) -> None:
    """Sequences of fields, wherever a layout has them: ids are unique, and a size names an integer before it."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_fields(item, f"{where}/{key}")
    if not isinstance(value, tuple) or not all(isinstance(field, Mapping) for field in value):
        return
    ids = [field["id"] for field in value if "id" in field]
    integers: set[str] = set()
    for field in value:
        problems = {
            f"the field {field.get('id')!r} is there twice": ids.count(field.get("id")) > 1,
            f"size {field.get('size')!r} is no integer field before it": isinstance(field.get("size"), str)
            and field["size"] not in integers,
        }
        _refuse(problems, where)
        if "type" in field and "id" in field:
            integers.add(field["id"])


def _check_types(spec: Spec) -> None:
    types = spec.element_types
    for name, element in types.items():
        part = types.get(element.component or name, element)
        fields = element.float_fields
        _refuse(
            {
                f"its component {element.component!r} is no float of half its width": element.component is not None
                and (part.kind, part.bits * 2) != ("float", element.bits),
                f"its swap unit is that of its parts, {max(1, part.bits // 8)}": element.swap_unit
                != max(1, part.bits // 8),
                "its fields do not add up to its bits": fields is not None
                and fields.sign + fields.exponent + fields.fraction != element.bits,
                "only e8m0 has no sign and no fraction": fields is not None
                and (fields.specials == "e8m0") != (fields.sign + fields.fraction == 0),
            },
            f"element_types.yaml: {name}",
        )
    pairs = [(case.source, case.target) for case in spec.conversions]
    _refuse({"conversions are in alphabetical order": pairs != sorted(pairs)}, "element_types.yaml")
    for case in spec.conversions:
        problems = {
            "seen_in is in alphabetical order": list(case.seen_in) != sorted(case.seen_in),
            f"there is no element type {case.source!r}": case.source not in types,
            f"there is no element type {case.target!r}, to convert to": case.target not in types,
            f"there is no rule {case.rule!r}": case.rule not in spec.rules,
        }
        _refuse(problems, f"element_types.yaml: conversions: {case.rule}: 0x{case.code:X}")


def sightings(spec: Spec) -> Iterator[Sighting]:
    """Every bug that a vector, a save or a conversion names in `seen_in`, once for each of them."""
    for form in spec.formats.values():
        for template in form.templates:
            yield from (Sighting(bug, template.id, "loader", form.name) for bug in template.seen_in)
        for save in form.saves:
            yield from (Sighting(bug, save.id, "saver", form.name) for bug in save.seen_in)
    for conversion in spec.conversions:
        yield from (Sighting(bug, conversion.rule, "conversion", None) for bug in conversion.seen_in)


def bug_gaps(spec: Spec) -> dict[str, str]:
    """The bugs that nothing sees, or that are seen otherwise than bugs.yaml says: what to do, in words.

    A bug is covered when something sees it in each of its formats that the specification has, and in each of its
    roles that something tests there: vectors test loaders, saves test savers, and cases test conversions.
    """
    seen: dict[str, list[Sighting]] = {}
    for sighting in sightings(spec):
        seen.setdefault(sighting.bug, []).append(sighting)
    gaps = {bug.id: _gap(bug, seen.get(bug.id, []), spec) for bug in spec.bugs.values()}
    return {bug: gap for bug, gap in gaps.items() if gap}


def _gap(bug: Bug, seen: Sequence[Sighting], spec: Spec) -> str | None:
    for _, place, role, form in seen:
        if role not in bug.roles:
            return f"{place} sees it: add {role} to its roles in spec/bugs.yaml"
        if form and form not in bug.formats and "any" not in bug.formats:
            return f"{place} sees it: add {form} to its formats in spec/bugs.yaml"
    named = [spec.formats[name] for name in bug.formats if name in spec.formats]
    ours = list(spec.formats.values()) if "any" in bug.formats else named
    tested = {
        "loader": bool(ours),
        "saver": any(form.saves for form in ours),
        "conversion": bool(spec.conversions),
    }
    roles = [role for role in bug.roles if tested[role] and role not in {one.role for one in seen}]
    of_files = [form for form in named if "loader" in bug.roles or ("saver" in bug.roles and form.saves)]
    formats = [form.name for form in of_files if form.name not in {one.format for one in seen}]
    if bug.uncovered or not (roles or formats):
        return None
    missing = _TESTS[roles[0]] if roles else f"a vector or a save of {formats[0]}"
    return f"name it in `seen_in` of {missing} that sees it, or say in spec/bugs.yaml why none can: `uncovered`"


def _check_bugs(spec: Spec) -> None:
    for bug, place, _, _ in sightings(spec):
        if bug not in spec.bugs:
            raise SpecError(f"{place}: seen_in names {bug!r}, which is not in bugs.yaml: add it there")
        if spec.bugs[bug].uncovered:
            raise SpecError(f"bugs.yaml: {bug}: {place} sees it, so `uncovered` is no longer true: remove it")
    for bug_id, known in spec.bugs.items():
        lists = {"formats": known.formats, "roles": known.roles}
        problems = {f"{key} are in alphabetical order": list(v) != sorted(v) for key, v in lists.items()}
        _refuse(problems, f"bugs.yaml: {bug_id}")


def _refuse(problems: Mapping[str, bool], where: str) -> None:
    for statement, broken in problems.items():
        if broken:
            raise SpecError(f"{where}: {statement}")


def _check_shared(entry: VectorTemplate | SaveTemplate, what: str, form: Format, spec: Spec) -> None:
    """What holds for vectors and saves alike."""
    for rule in entry.rules:
        if rule not in spec.rules:
            raise SpecError(f"{form.name}: {what} {entry.id} names rule {rule!r}, which does not exist")
    first, level = spec.rules[entry.rules[0]], _level(form.policies.get(entry.policy or ""))
    # Of a writer, a policy may also say what it may choose within a rule that it must keep.
    fits = first.level in (level, "MUST" if what == "save" else level)
    _refuse(
        {
            f"a refused {what} breaks exactly one rule": entry.verdict == "reject" and len(entry.rules) != 1,
            "`may` and a policy go together": (entry.verdict == "may") != (entry.policy is not None),
            f"policy {entry.policy!r} is not defined": entry.policy not in (None, *form.policies),
            f"its verdict and policy need a rule of level {level}, and {first.id} is {first.level}": not fits,
            "its id is lower case, digits, and -": not re.fullmatch(r"(\{\w+\}|[a-z0-9-])+", entry.id),
        },
        f"{form.name}: {what} {entry.id}",
    )


def _level(policy: Policy | None) -> str:
    """The level of what is tested: MUST without a policy, SHOULD where the policy recommends a way, else MAY."""
    if policy is None:
        return "MUST"
    return "SHOULD" if policy.recommended else "MAY"


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
