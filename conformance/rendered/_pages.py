"""The pages: element types, each format and shared part, known bugs; and a first one on how to read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from endianproof.conformance.rendered._blocks import Heading, Items, Page, Table, Text, anchor_of
from endianproof.conformance.rendered._layout import layout_blocks
from endianproof.spec import sightings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from endianproof.conformance.rendered._blocks import Block
    from endianproof.spec import ElementType, Format, Policy, Rule, Spec

__all__ = ["pages"]

_RULES = """A rule has a permanent id, a level, and the reason it is there. MUST: a loader that does otherwise is
wrong, and a vector of the suite says so. SHOULD and MAY: the format's text leaves it open, or text and
implementations disagree; then a policy names the ways and, for SHOULD, the one that is recommended."""
_VECTORS = """Vectors are golden files. `accept`: load exactly these bits. `reject`: refuse; the file differs in
one thing from one that is accepted. `may`: either, as the policy has it. Saves are tensors that a saver is given.
Names in braces stand for several vectors, one for each value."""


def _tests(rule: Rule, spec: Spec) -> list[str]:
    return [
        f"`{entry.id}` ({entry.verdict})"
        for form in spec.formats.values()
        for entries in (form.templates, form.saves)
        for entry in entries
        if rule.id in entry.rules
    ]


def _policies_of(rule: Rule, spec: Spec) -> dict[str, Policy]:
    return {
        entry.policy: form.policies[entry.policy]
        for form in spec.formats.values()
        for entries in (form.templates, form.saves)
        for entry in entries
        if entry.policy and entry.rules[0] == rule.id
    }


def _rule(rule: Rule, spec: Spec) -> Iterator[Block]:
    yield Heading(3, f"{rule.id} ({rule.level})", anchor_of(rule.id))
    yield Text(rule.statement)
    yield Text(rule.why, "Why")
    yield Text(f"{'; '.join(rule.sources)}. Since {rule.since}.", "Source")
    if rule.withdrawn:
        yield Text(rule.withdrawn, "Withdrawn")
    for name, policy in _policies_of(rule, spec).items():
        yield Text(f"{name}. {_choices(policy)}", "Policy")
    cases = [
        f"0x{c.code:X} to {'NaN' if c.result is None else f'0x{c.result:X}'}"
        for c in spec.conversions
        if c.rule == rule.id
    ]
    if cases:
        yield Text(", ".join(cases), "Cases")
    tests = _tests(rule, spec)
    if tests:
        yield Text(", ".join(tests), "Tested by")


def _choices(policy: Policy) -> str:
    preferred = f" Recommended: `{policy.recommended}`." if policy.recommended else ""
    return f"{policy.statement} `{policy.accept}` accepts it, `{policy.reject}` refuses it.{preferred}"


def _rules(rules: Mapping[str, Rule], spec: Spec) -> Iterator[Block]:
    yield Heading(2, "Rules")
    rows = tuple((rule.id, rule.level, rule.statement) for rule in rules.values())
    yield Table(("id", "level", "statement"), rows, of_rules=True)
    for rule in rules.values():
        yield from _rule(rule, spec)


def _bits(element: ElementType) -> str:
    fields = element.float_fields
    if fields is None:
        return f"{element.bits // 2} + {element.bits // 2}" if element.component else f"{element.bits}"
    return " ".join(
        letter * width
        for letter, width in zip("SEF", (fields.sign, fields.exponent, fields.fraction), strict=True)
        if width
    )


def _element_types(spec: Spec) -> Page:
    kinds = Table(
        ("name", "kind", "bits", "swap unit", "bias", "specials"),
        tuple(
            (
                name,
                f"complex of {element.component}" if element.component else element.kind,
                f"{element.bits}",
                f"{element.swap_unit}",
                f"{element.float_fields.bias}" if element.float_fields else "",
                element.float_fields.specials if element.float_fields else "",
            )
            for name, element in spec.element_types.items()
        ),
    )
    drawn = [(n, f"`{_bits(e)}`") for n, e in spec.element_types.items() if e.float_fields and e.bits <= 32]
    specials = (
        "`ieee`: an exponent of all ones is infinity with a fraction of zero, else NaN",
        "`fn`: all ones is NaN, and there is no infinity",
        "`fnuz`: the code of minus zero is the one NaN",
        "`e8m0`: all ones is NaN; no zero, no sign",
        "`none`: every code is a number",
    )
    own = {rule_id: rule for rule_id, rule in spec.rules.items() if rule.format is None}
    return Page("element-types", "Element types and byte order", (
        Text("What the bits of one element mean, whatever the file. The swap unit is how many bytes reverse "
             "together when byte order changes. Canonical bytes, in which tensors are compared, are "
             f"{spec.canonical_byte_order}-endian, elements in C order."),
        Table(("byte order", "means"), tuple(spec.byte_orders.items())),
        Heading(2, "Types"), kinds,
        Heading(2, "Bit fields of floats"),
        Text("From the most significant bit: sign, exponent, fraction."),
        Table(("name", "bits"), tuple(drawn)), Items(specials),
        Heading(2, "Patterns of values"),
        Items(tuple(f"`{name}`: {pattern.statement}" for name, pattern in spec.patterns.items())),
        *_rules(own, spec),
    ))  # fmt: skip


def _names(form: Format, spec: Spec) -> Table:
    rows = (
        (f"`{own}`", element, f"{spec.element_types[element].bits}") for own, element in form.element_types.items()
    )
    return Table(("name in the file", "element type", "bits"), tuple(rows))


def _format(form: Format, spec: Spec) -> Page:
    own = {rule_id: rule for rule_id, rule in spec.rules.items() if rule.format == form.name}
    shared = {rule.format for rule in spec.rules.values() if rule.format and rule.format not in spec.formats}
    uses = [
        part
        for part in sorted(shared)
        if any(part == spec.rules[r].format for t in form.templates for r in t.rules)
    ]
    policies = tuple((name, _choices(policy)) for name, policy in form.policies.items())
    return Page(form.name, form.title, (
        Text(" ".join(form.doc.split())),
        *([Text(f"The rules of {', '.join(uses)} hold too: they stand on their own page.")] if uses else []),
        Heading(2, "Layout"), *layout_blocks(form.layout),
        Heading(2, "Element types"), _names(form, spec),
        *_rules(own, spec),
        Heading(2, "Policies"), Table(("policy", "the choice"), policies),
    ))  # fmt: skip


def _part(name: str, spec: Spec) -> Page:
    own = {rule_id: rule for rule_id, rule in spec.rules.items() if rule.format == name}
    return Page(name, f"{name}: rules that several formats share", (
        Text("The layout that these rules speak of stands on the page of each format that uses them."),
        *_rules(own, spec),
    ))  # fmt: skip


def _bugs(spec: Spec) -> Page:
    seen: dict[str, dict[str, None]] = {}
    for sighting in sightings(spec):
        seen.setdefault(sighting.bug, {})[f"`{sighting.place}`"] = None
    blocks: list[Block] = [
        Text("Real bugs of real loaders, savers and conversions, and what would have caught each.")
    ]
    for bug in spec.bugs.values():
        blocks += [
            Heading(3, f"{bug.id}: {bug.title}"),
            Text(f"{bug.package}, {bug.versions}; {', '.join(bug.roles)}; {', '.join(bug.formats)}."),
            Text(f"{bug.mechanism} {bug.symptom}"),
            Text(bug.url or "No report was found; it was reproduced.", "Reported"),
            Text(", ".join(seen.get(bug.id, ())) or bug.uncovered or "nothing yet", "Seen in"),
        ]
    return Page("bugs", "Known bugs", tuple(blocks))


def pages(spec: Spec) -> tuple[Page, ...]:
    """Every page of a specification; the first is the way in."""
    parts = dict.fromkeys(r.format for r in spec.rules.values() if r.format and r.format not in spec.formats)
    rest = (
        _element_types(spec),
        *(_format(form, spec) for form in spec.formats.values()),
        *(_part(name, spec) for name in parts if name),
        _bugs(spec),
    )
    listed = Table(("page", "about"), tuple((f"`{page.name}.md`", page.title) for page in rest))
    return (
        Page(
            "README", "The specification", (*(Text(" ".join(text.split())) for text in (_RULES, _VECTORS)), listed)
        ),
        *rest,
    )
