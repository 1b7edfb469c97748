"""What no schema can say of a specification: every rule is tested, every policy used, every name defined."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.spec._model import Format, SaveTemplate, Spec, VectorTemplate

__all__ = ["SpecError", "bugs_seen", "check"]


class SpecError(ValueError):
    """The specification contradicts itself or its schema. The message names the file and the key."""


def _entries(form: Format) -> tuple[VectorTemplate | SaveTemplate, ...]:
    return (*form.templates, *form.saves)


def check(spec: Spec) -> Spec:
    """What no schema can say: every rule is tested, every policy used, every name defined."""
    tested = {conversion.rule for conversion in spec.conversions}
    # A policy of a part is used where any format that uses the part has a vector or a save for it.
    used = {form.policies.get(e.policy or "") for form in spec.formats.values() for e in _entries(form)}
    for form in spec.formats.values():
        for policy in form.policies.values():
            if policy not in used:
                raise SpecError(f"{form.name}: policy {policy.name!r} is used by no vector and no save")
        for template in form.templates:
            _check_template(template, form, spec)
        for save in form.saves:
            _check_save(save, form, spec)
        tested.update(rule for entry in _entries(form) for rule in entry.rules)
    untested = [rule.id for rule in spec.rules.values() if rule.id not in tested and not rule.withdrawn]
    if untested:
        raise SpecError(f"rule {untested[0]} has no vector and no save")
    _check_bugs(spec)
    return spec


def bugs_seen(spec: Spec) -> Mapping[str, tuple[str, ...]]:
    """By each bug's id, what names it in `seen_in`: ids of vector and save templates, and rules of conversions."""
    seen: dict[str, dict[str, None]] = {}
    for form in spec.formats.values():
        for entry in _entries(form):
            for bug in entry.seen_in:
                seen.setdefault(bug, {})[entry.id] = None
    for conversion in spec.conversions:
        for bug in conversion.seen_in:
            seen.setdefault(bug, {})[conversion.rule] = None
    return {bug: tuple(entries) for bug, entries in seen.items()}


def _check_bugs(spec: Spec) -> None:
    for bug, entries in bugs_seen(spec).items():
        if bug not in spec.bugs:
            raise SpecError(f"{entries[0]}: seen_in names {bug!r}, which is not in bugs.yaml: add it there")
        if spec.bugs[bug].uncovered:
            raise SpecError(f"bugs.yaml: {bug}: {entries[0]} sees it, so `uncovered` is no longer true: remove it")


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
