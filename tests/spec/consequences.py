"""What a changed specification changes: the reader refuses, a vector is another, the reference reads otherwise."""

from __future__ import annotations

import importlib
import itertools
import sys
from dataclasses import replace
from typing import Any

from endianproof.reference import SpecViolation
from endianproof.reference._load import _reader
from endianproof.spec import Policy, Spec, SpecError, bug_gaps, load_spec
from endianproof.spec._reader import (
    ROOM,
    _frozen,
    _save,
    _shared,
    _template,
    _with_parts,
    read_documents,
    spec_of,
    validate_document,
)
from endianproof.vectors._expand import _expand, encode_recipe, recipes
from endianproof.vectors._generate import _entry
from endianproof.vectors._saves import _expand as _expand_save

# Larger vectors are slow to make, and asked last.
LARGE = 20_000
# The sections of a format that its vectors are made from and read by, and what the reader makes of each.
_VALUES = {
    "layout": _frozen,
    "element_types": _frozen,
    "policies": lambda table: {name: Policy(name=name, **entry) for name, entry in table.items()},
}


def _handed(save: Any) -> tuple[Any, ...]:
    """All of a save but its description."""
    return save.id, save.rules, save.verdict, save.policy, save.seen_in, save.storages, save.tensors


class Observed:
    """The shipped specification with what follows from it, to hold a changed one against."""

    def __init__(self) -> None:
        self.documents = read_documents(ROOM)
        self.spec = spec_of(self.documents)
        self.gaps = bug_gaps(self.spec)
        self._now = self.spec
        self._substitute()
        self.recipes = {form.name: recipes(form) for form in self.spec.formats.values()}
        self.made = {
            name: {key: self._make(recipe, found, self.spec) for key, recipe in found.items()}
            for name, found in self.recipes.items()
        }
        self.outcomes = {
            name: {key: self._outcome(data, name) for key, (data, _) in made.items() if isinstance(data, bytes)}
            for name, made in self.made.items()
        }
        # The vectors that fit in memory, cheap ones first; one that noticed something is asked first next time.
        self.order = {
            name: sorted(self.outcomes[name], key=lambda key: len(made[key][0]))
            for name, made in self.made.items()
        }

    def _substitute(self) -> None:
        """Let every module of ours see the specification at work in place of the shipped one."""
        for name in self.spec.formats:
            for room in ("vectors", "reference"):
                importlib.import_module(f"endianproof.{room}._{name.replace('-', '_')}")
        self._patched = [
            module
            for name, module in list(sys.modules.items())
            if name.startswith("endianproof.") and getattr(module, "load_spec", None) is load_spec
        ]
        for module in self._patched:
            module.load_spec = lambda: self._now

    def close(self) -> None:
        """Give the modules the shipped specification back."""
        for module in self._patched:
            module.load_spec = load_spec

    def _at_work(self, spec: Spec) -> None:
        self._now = spec
        for name, module in list(sys.modules.items()):
            if name.startswith(("endianproof.vectors.", "endianproof.reference.")):
                for value in vars(module).values():
                    if hasattr(value, "cache_clear"):
                        value.cache_clear()

    def _make(self, recipe: Any, siblings: Any, spec: Spec) -> tuple[Any, dict[str, Any]]:
        """A vector's bytes, and its line in the manifest without its description."""
        form = spec.formats[recipe.template.format]
        encoded = encode_recipe(recipe, siblings, form, spec)
        entry = _entry(recipe, encoded, f"{recipe.id}.{form.extension}", form)
        del entry["description"]
        return encoded.contents, entry

    def _outcome(self, data: bytes, format_name: str) -> Any:
        """What the reference makes of a file: tensors, or rule and byte; and whether it knows the format."""
        form = self._now.formats[format_name]
        reader, view = _reader(form), memoryview(data)
        known = reader.recognizes(view, form)
        try:
            tensors = reader.read(view, form)
            return known, [(n, t.dtype, t.shape, bytes(t.canonical)) for n, t in tensors.items()]
        except SpecViolation as violation:
            return known, violation.rule, violation.offset

    def consequence(self, mutation: Any) -> str | None:
        """The first thing that a mutation changes, in words; None where nothing does.

        The cheap come first: a template's own vectors, the vectors of a changed layout, what the reader says.
        """
        documents = {**self.documents, mutation.file: mutation.document}
        return (
            self._of_template(mutation)
            or self._of_layout(mutation)
            or self._of_reading(mutation.file, documents)
            or self._of_spec(mutation, spec_of(documents))
        )

    def _of_template(self, mutation: Any) -> str | None:
        """A changed template changes its own vectors: nothing else need be looked at."""
        section, *rest = mutation.path or (None,)
        if section == "saves" and rest:
            return self._of_save(mutation, rest[0])
        if section != "vectors" or not rest:
            return None
        form = self.spec.formats[mutation.document["format"]]
        found, original = self.recipes[form.name], form.templates[rest[0]]
        try:
            template = _template(mutation.document["vectors"][rest[0]], form.name)
            changed = list(_expand(template, form))
        except Exception as error:  # noqa: BLE001 (whatever it is, it was noticed)
            return f"{type(error).__name__}: {error}"
        if [recipe.id for recipe in changed] != [key for key, old in found.items() if old.template is original]:
            return "other vectors"
        if original.large or template.large:  # never built here: another recipe is another file
            same = template == original and [(r.write, r.change) for r in changed] == [
                (r.write, r.change) for r in found.values() if r.template is original
            ]
            return None if same else "another large file"
        return next(filter(None, (self._difference(recipe, found, self.spec) for recipe in changed)), None)

    def _of_save(self, mutation: Any, at: int) -> str | None:
        """A changed save hands over other tensors, or says something else of them."""
        form = self.spec.formats[mutation.document["format"]]
        try:
            changed = map(_handed, _expand_save(_save(mutation.document["saves"][at], form.name), form))
            before = map(_handed, _expand_save(form.saves[at], form))
            pairs = itertools.zip_longest(changed, before)
            return next((f"{old and old[0]} is another save" for new, old in pairs if new != old), None)
        except Exception as error:  # noqa: BLE001 (whatever it is, it was noticed)
            return f"{type(error).__name__}: {error}"

    def _difference(self, recipe: Any, siblings: Any, spec: Spec) -> str | None:
        name = recipe.template.format
        try:
            if self._make(recipe, siblings, spec) != self.made[name][recipe.id]:
                return f"{recipe.id} changes"
        except Exception as error:  # noqa: BLE001 (whatever it is, it was noticed)
            return f"{recipe.id}: {type(error).__name__}: {error}"
        return None

    def _of_reading(self, file: str, documents: dict[str, Any]) -> str | None:
        try:
            for name in [file, *self._users(file)]:
                validate_document(name, documents)
            spec_of(documents)
        except SpecError as error:
            return f"refused: {error}"
        return None

    def _users(self, part: str) -> list[str]:
        document = self.documents[part]
        name = document.get("part", document.get("format", "element types"))
        return [file for file, document in self.documents.items() if name in document.get("uses", ())]

    def _of_layout(self, mutation: Any) -> str | None:
        """A changed layout, table of names or policy changes the vectors of a format that has it, or uses it."""
        section = mutation.path[0] if mutation.path else None
        if "/" not in mutation.file or section not in _VALUES:
            return None
        parts = _shared({**self.documents, mutation.file: mutation.document})
        try:
            for file in [mutation.file, *self._users(mutation.file)]:
                if file.startswith("formats/"):
                    document = mutation.document if file == mutation.file else self.documents[file]
                    form = self.spec.formats[document["format"]]
                    value = _VALUES[section](_with_parts(document, parts)[section])
                    spec = replace(
                        self.spec, formats={**self.spec.formats, form.name: replace(form, **{section: value})}
                    )
                    self._now = spec  # what is kept from call to call depends on element types and patterns alone
                    if found := self._of_format(form.name, spec):
                        return found
        except Exception as error:  # noqa: BLE001 (whatever it is, it was noticed)
            return f"{type(error).__name__}: {error}"
        finally:
            self._now = self.spec
        return None

    def _of_spec(self, mutation: Any, spec: Spec) -> str | None:
        """What is left: the vectors, unless they were looked at, and what is said of bugs."""
        section, *rest = mutation.path or (None,)
        looked_at = "/" in mutation.file and (section in _VALUES or (section in ("vectors", "saves") and rest))
        try:
            self._at_work(spec)
            for name in () if looked_at or mutation.file == "bugs.yaml" else self._formats_of(mutation.file):
                if found := self._of_format(name, spec):
                    return found
            return self._of_bugs(spec)
        finally:
            self._at_work(self.spec)

    def _formats_of(self, file: str) -> list[str]:
        files = [file, *self._users(file)]
        return [self.documents[name]["format"] for name in files if name.startswith("formats/")] or list(
            self.spec.formats
        )

    def _of_bugs(self, spec: Spec) -> str | None:
        gaps = bug_gaps(spec)
        return next((f"{bug}: {gap}" for bug, gap in gaps.items() if gap != self.gaps.get(bug)), None)

    def _of_format(self, name: str, spec: Spec) -> str | None:
        try:
            changed = recipes(spec.formats[name])
        except Exception as error:  # noqa: BLE001 (whatever it is, it was noticed)
            return f"{type(error).__name__}: {error}"
        if [one.id for one in spec.formats[name].saves] != [one.id for one in self.spec.formats[name].saves]:
            return "other saves"
        policies = [form.policies for form in (spec.formats[name], self.spec.formats[name])]
        for save in self.spec.formats[name].saves:
            if policies[0].get(save.policy) != policies[1].get(save.policy):
                return f"{save.id}: another choice"
        if list(changed) != list(self.recipes[name]):
            return f"other vectors: {sorted(changed.keys() ^ self.recipes[name].keys())[:3]}"
        order = self.order[name]
        for key in order:
            found = self._difference(changed[key], changed, spec) or self._read_otherwise(name, key)
            if found:
                if len(self.made[name][key][0]) < LARGE:
                    order.remove(key)
                    order.insert(0, key)
                return found
        return None

    def _read_otherwise(self, name: str, key: str) -> str | None:
        try:
            outcome = self._outcome(self.made[name][key][0], name)
        except Exception as error:  # noqa: BLE001 (whatever it is, it was noticed)
            return f"{key}: the reference: {type(error).__name__}: {error}"
        return None if outcome == self.outcomes[name][key] else f"{key}: the reference reads otherwise"
