"""`endianproof explain`: a rule, policy, vector, save, known bug or named testee for people to read."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import click

from endianproof.conformance.cli.lookup import matching
from endianproof.conformance.cli.testees import lines_of
from endianproof.conformance.counting import counted
from endianproof.conformance.named import named_testees
from endianproof.spec import Bug, Policy, Rule, load_spec
from endianproof.vectors import Save, Vector, load_large, load_saves, load_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["command"]


@dataclass(frozen=True)
class _Entry:
    """What an id means: in a line, and in full."""

    line: str
    lines: Callable[[], list[str]]


def _wrapped(label: str, text: str) -> str:
    # Only between words: what is broken anywhere else (a path, a link, an option) cannot be copied.
    return textwrap.fill(
        f"{label}: {text}", 100, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def _all() -> tuple[Vector | Save, ...]:
    return (*load_vectors(), *load_large(), *load_saves())


def _list(title: str, found: Iterable[Vector | Save]) -> list[str]:
    """A heading with the number of vectors or saves, and a line for each; nothing where there are none."""
    lines = [f"  {one.id:<34} {one.verdict:<7} {one.description}" for one in found]
    return [f"{title}: {len(lines)}", *lines] if lines else []


def _tests(holds: Callable[[Vector | Save], bool]) -> list[str]:
    vectors, large, saves = (filter(holds, load()) for load in (load_vectors, load_large, load_saves))
    return _list("Vectors", vectors) + _list("Large vectors, made by --large", large) + _list("Saves", saves)


def _choices(policy: Policy) -> str:
    preferred = f" The specification recommends {policy.recommended!r}." if policy.recommended else ""
    return f"{policy.statement} {policy.accept!r} loads or writes it, {policy.reject!r} refuses it.{preferred}"


def _policies() -> dict[str, Policy]:
    return {name: policy for form in load_spec().formats.values() for name, policy in form.policies.items()}


def _rule_lines(rule: Rule) -> list[str]:
    entries = [one for one in _all() if rule.id in one.rules]
    cases = [conversion for conversion in load_spec().conversions if conversion.rule == rule.id]
    seen = dict.fromkeys(bug for one in (*entries, *cases) for bug in one.seen_in)
    policies = dict.fromkeys(one.policy.name for one in entries if one.policy and one.rules[0] == rule.id)
    known, named = load_spec().bugs, _policies()
    return [
        f"{rule.id} ({rule.level}, {rule.format or 'every format'}, since {rule.since})",
        _wrapped("Statement", rule.statement),
        _wrapped("Why", rule.why),
        *(_wrapped("Source", source) for source in rule.sources),
        *([_wrapped("Withdrawn", rule.withdrawn)] if rule.withdrawn else []),
        *(_wrapped(f"Policy {name}", _choices(named[name])) for name in policies),
        *(_wrapped("Known bug", _headline(known[bug])) for bug in seen),
        *([f"Conversion cases: {len(cases)}"] if cases else []),
        *_tests(lambda one: rule.id in one.rules),
    ]


def _headline(bug: Bug) -> str:
    where = f" {bug.url}" if bug.url else ""
    return f"{bug.id}: {bug.title} ({bug.package} {bug.versions}){where}"


def _bug_lines(bug: Bug) -> list[str]:
    cases = dict.fromkeys(case.rule for case in load_spec().conversions if bug.id in case.seen_in)
    return [
        f"{bug.id} ({bug.package} {bug.versions}; {', '.join(bug.roles)}; {', '.join(bug.formats)})",
        _wrapped("Title", bug.title),
        _wrapped("Mechanism", bug.mechanism),
        _wrapped("Symptom", bug.symptom),
        *([f"Reported: {bug.url}"] if bug.url else []),
        f"Known from: {'running it' if bug.measured else 'its report'}",
        *([_wrapped("Not covered", bug.uncovered)] if bug.uncovered else []),
        *([f"Conversions: {', '.join(cases)}"] if cases else []),
        *_tests(lambda one: bug.id in one.seen_in),
    ]


def _policy_lines(policy: Policy) -> list[str]:
    rules = dict.fromkeys(one.rules[0] for one in _all() if one.policy and one.policy.name == policy.name)
    return [
        f"{policy.name} (a policy: --policy={policy.name}={policy.accept}, or ={policy.reject})",
        _wrapped("Statement", _choices(policy)),
        *(_wrapped(f"Rule {rule}", load_spec().rules[rule].statement) for rule in rules),
        *_tests(lambda one: one.policy is not None and one.policy.name == policy.name),
    ]


def _vector_lines(vector: Vector) -> list[str]:
    rules, known = load_spec().rules, load_spec().bugs
    lines = [
        f"{vector.id} ({vector.verdict}, {vector.format}, {counted(vector.size, 'byte')})",
        _wrapped("Description", vector.description),
        *(_wrapped(f"Rule {rule} ({rules[rule].level})", rules[rule].statement) for rule in vector.rules),
        _wrapped("File", "made by --large" if vector.large else str(vector.path)),
    ]
    if vector.policy:
        policy = load_spec().formats[vector.format].policies[vector.policy.name]
        lines.append(_wrapped(f"Policy {policy.name}", _choices(policy)))
    if vector.derived_from:
        lines.append(_wrapped("One change", f"to {vector.derived_from}: {vector.change}"))
    lines += [_wrapped("Known bug", _headline(known[bug])) for bug in vector.seen_in]
    tensors = [
        f"  {one.name!r}: {one.dtype} {list(one.shape)}, storage at byte {one.at}, {one.byte_order}-endian"
        for one in vector.tensors
    ]
    return lines + tensors


def _save_lines(save: Save) -> list[str]:
    rules, known = load_spec().rules, load_spec().bugs
    return [
        f"{save.id} ({save.verdict}, {save.format}, a save)",
        _wrapped("Description", save.description),
        *(_wrapped(f"Rule {rule} ({rules[rule].level})", rules[rule].statement) for rule in save.rules),
        *(
            [_wrapped(f"Policy {save.policy.name}", _choices(_policies()[save.policy.name]))]
            if save.policy
            else []
        ),
        *(_wrapped("Known bug", _headline(known[bug])) for bug in save.seen_in),
        *(f"  {one.name!r}: {one.dtype} {list(one.shape)}" for one in save.tensors),
    ]


def _everything() -> dict[str, _Entry]:
    """What can be explained, by its id. No two kinds share an id."""
    found: dict[str, _Entry] = {}
    for rule_id, rule in load_spec().rules.items():
        found[rule_id] = _Entry(f"rule    {rule.level:<7} {rule.statement}", partial(_rule_lines, rule))
    for name, policy in _policies().items():
        found[name] = _Entry(f"policy          {policy.statement}", partial(_policy_lines, policy))
    for bug_id, bug in load_spec().bugs.items():
        found[bug_id] = _Entry(f"bug             {bug.title} ({bug.package})", partial(_bug_lines, bug))
    for vector in load_vectors() + load_large():
        found[vector.id] = _Entry(_test_line("vector", vector), partial(_vector_lines, vector))
    for save in load_saves():
        found[save.id] = _Entry(_test_line("save", save), partial(_save_lines, save))
    for testee in named_testees():
        found[testee.name] = _Entry(f"testee          {','.join(testee.formats)}", partial(lines_of, testee))
    return found


def _test_line(kind: str, one: Vector | Save) -> str:
    return f"{kind:<7} {one.verdict:<7} {one.description}"


def _bare(name: str) -> str:
    """The id of a vector or save that is written as pytest prints it, FORMAT::ID; else the name as it is."""
    form, colons, bare = name.partition("::")
    return bare if colons and form.lower() in load_spec().formats else name


@click.command(name="explain")
@click.argument("names", metavar="ID...", nargs=-1)
@click.option("--list", "listed", is_flag=True, help="One line for each; without IDs, for all there is.")
def command(names: tuple[str, ...], *, listed: bool) -> None:
    """Print what an id means: a rule, a policy, a vector, a save, a known bug, a named testee.

    Globs and any capitals will do, and so will safetensors::st-plain, as pytest prints it.

    Examples: ST-END-01, pt-zip-*, duplicate-names, st-plain, safetensors#448, --list "BF-*"
    """
    if not names and not listed:
        raise click.UsageError("name an id, or list them all with --list; globs will do: --list 'ST-*'")
    known = _everything()
    for name in names or ("*",):
        for one in matching(
            _bare(name), known, "rule, policy, vector, save, bug or testee", "`endianproof explain --list`"
        ):
            click.echo(f"{one:<34} {known[one].line}" if listed else "\n".join(known[one].lines()) + "\n")
