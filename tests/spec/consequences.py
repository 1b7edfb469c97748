"""What a changed specification changes: the reader refuses, a vector is another, the reference reads otherwise."""

from __future__ import annotations

import importlib
import itertools
import re
import sys
from typing import Any

from rereading import Rereading

from endianproof.reference import SpecViolation
from endianproof.reference._load import _reader
from endianproof.spec import Format, Spec, SpecError, bug_gaps, load_spec
from endianproof.spec._reader import _save, _template
from endianproof.vectors._expand import _expand, encode_recipe, recipes
from endianproof.vectors._generate import _entry
from endianproof.vectors._saves import _expand as _expand_save

# Larger vectors are slow to make, and asked last.
LARGE = 20_000
# A word of a changed leaf that may stand in a vector, too.
_WORD = re.compile(r"[a-z0-9]{3,}")


def _handed(save: Any) -> tuple[Any, ...]:
    """All of a save but its description."""
    return save.id, save.rules, save.verdict, save.policy, save.seen_in, save.storages, save.tensors


class Observed:
    """The shipped specification with what follows from it, to hold a changed one against."""

    def __init__(self, documents: dict[str, Any]) -> None:
        self.documents = documents
        self.rereading = Rereading(self.documents)
        self.spec = self.rereading.spec
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
        pairs = [(name, key) for name, found in self.outcomes.items() for key in found]
        self.order = sorted(pairs, key=lambda pair: len(self.made[pair[0]][pair[1]][0]))
        self.words = {(name, key): self._words_of(self.recipes[name][key]) for name, key in pairs}

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
        self.rereading.close()
        for module in self._patched:
            module.load_spec = load_spec

    def _at_work(self, spec: Spec, file: str) -> None:
        """What is kept from call to call depends on element types, patterns and byte orders alone."""
        self._now = spec
        if "/" in file:
            return
        for name, module in list(sys.modules.items()):
            if name.startswith(("endianproof.vectors.", "endianproof.reference.")):
                for value in vars(module).values():
                    if hasattr(value, "cache_clear"):
                        value.cache_clear()

    def _words_of(self, recipe: Any) -> frozenset[str]:
        """What a vector says of itself, and what its file does."""
        data = self.made[recipe.template.format][recipe.id][0][:LARGE].decode("latin-1")
        template = recipe.template
        said = (recipe.id, template.policy, template.rules, recipe.write, recipe.change, data)
        return frozenset(_WORD.findall(" ".join(map(str, said)).lower()))

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

        The cheap come first: a template's own vectors, what the reader says, then the vectors of a format.
        """
        if found := self._of_template(mutation):
            return found
        try:
            spec = self.rereading.read(mutation)
        except SpecError as error:
            return f"refused: {error}"
        try:
            self._at_work(spec, mutation.file)
            return self._of_formats(mutation, spec) or self._of_bugs(spec)
        finally:
            self._at_work(self.spec, mutation.file)

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

    def _formats_of(self, file: str) -> list[str]:
        files = [file, *self.rereading.users(file)]
        return [self.documents[name]["format"] for name in files if name.startswith("formats/")] or list(
            self.spec.formats
        )

    def _of_bugs(self, spec: Spec) -> str | None:
        gaps = bug_gaps(spec)
        return next((f"{bug}: {gap}" for bug, gap in gaps.items() if gap != self.gaps.get(bug)), None)

    def _of_formats(self, mutation: Any, spec: Spec) -> str | None:
        """The vectors of all formats that see the file; none where it is about one vector, which was looked at."""
        if mutation.file == "bugs.yaml" or (mutation.section in ("vectors", "saves") and len(mutation.path) > 1):
            return None
        formats = self._formats_of(mutation.file)
        try:
            changed = {name: self._recipes(spec.formats[name]) for name in formats}
        except Exception as error:  # noqa: BLE001 (whatever it is, it was noticed)
            return f"{type(error).__name__}: {error}"
        listed = (self._of_lists(spec.formats[name], changed[name]) for name in formats)
        return next(filter(None, listed), None) or self._of_vectors(mutation, changed, spec)

    def _recipes(self, form: Format) -> dict[str, Any]:
        """Of a format's vectors; those that there are, where nothing that they are expanded from is another."""
        old = self.spec.formats[form.name]
        sources = [(f.templates, f.element_types, f.layout.get("releases")) for f in (form, old)]
        return self.recipes[form.name] if sources[0] == sources[1] else recipes(form)

    def _of_lists(self, form: Format, changed: dict[str, Any]) -> str | None:
        """Which vectors and saves there are, and the choices that saves depend on."""
        old = self.spec.formats[form.name]
        if list(changed) != list(self.recipes[form.name]):
            return f"other vectors: {sorted(changed.keys() ^ self.recipes[form.name].keys())[:3]}"
        if [one.id for one in form.saves] != [one.id for one in old.saves]:
            return "other saves"
        choices = (one for one in old.saves if form.policies.get(one.policy) != old.policies.get(one.policy))
        return next((f"{one.id}: another choice" for one in choices), None)

    def _of_vectors(self, mutation: Any, changed: dict[str, Any], spec: Spec) -> str | None:
        for name, key in self._likely_first(mutation, changed):
            found = self._difference(changed[name][key], changed[name], spec) or self._read_otherwise(name, key)
            if found:
                if len(self.made[name][key][0]) < LARGE:
                    self.order.remove((name, key))
                    self.order.insert(0, (name, key))
                return found
        return None

    def _likely_first(self, mutation: Any, names: Any) -> list[tuple[str, str]]:
        """The vectors of these formats; before all others those that share words with the changed leaf."""
        words = set(_WORD.findall(" ".join(map(str, (*mutation.path[1:], mutation.what))).lower()))
        pairs = [pair for pair in self.order if pair[0] in names]
        return sorted(pairs, key=lambda pair: -len(words & self.words[pair]))

    def _read_otherwise(self, name: str, key: str) -> str | None:
        try:
            outcome = self._outcome(self.made[name][key][0], name)
        except Exception as error:  # noqa: BLE001 (whatever it is, it was noticed)
            return f"{key}: the reference: {type(error).__name__}: {error}"
        return None if outcome == self.outcomes[name][key] else f"{key}: the reference reads otherwise"
