"""`endianproof explain`: a rule or a vector, in full, for a person to read."""

from __future__ import annotations

import click

from endianproof.spec import Rule, load_spec
from endianproof.vectors import Vector, load_vectors

__all__ = ["command"]


def _wrapped(label: str, text: str) -> str:
    return click.wrap_text(f"{label}: {text}", 100, subsequent_indent="    ")


def _rule_lines(rule: Rule) -> list[str]:
    tested = [vector for vector in load_vectors() if rule.id in vector.rules]
    cases = [conversion for conversion in load_spec().conversions if conversion.rule == rule.id]
    bugs = dict.fromkeys(bug for vector in tested for bug in vector.seen_in)
    lines = [
        f"{rule.id} ({rule.level}, {rule.format or 'every format'}, since {rule.since})",
        _wrapped("Statement", rule.statement),
        _wrapped("Why", rule.why),
        *(_wrapped("Source", source) for source in rule.sources),
        *(_wrapped("Known bug", bug) for bug in bugs),
    ]
    if cases:
        lines.append(f"Conversion cases: {len(cases)}")
    if tested:
        lines.append(f"Vectors: {len(tested)}")
    return [*lines, *(f"  {vector.id:<34} {vector.verdict:<7} {vector.description}" for vector in tested)]


def _vector_lines(vector: Vector) -> list[str]:
    lines = [
        f"{vector.id} ({vector.verdict}, {vector.format}, {vector.size} bytes)",
        _wrapped("Description", vector.description),
        _wrapped("Rules", ", ".join(vector.rules)),
        _wrapped("File", str(vector.path)),
    ]
    if vector.policy:
        policy = load_spec().formats[vector.format].policies[vector.policy.name]
        choices = f"{policy.accept!r} loads it, {policy.reject!r} refuses it"
        lines.append(_wrapped(f"Policy {policy.name}", f"{policy.statement} {choices}."))
    if vector.derived_from:
        lines.append(_wrapped("One change", f"to {vector.derived_from}: {vector.change}"))
    tensors = [
        f"  {one.name!r}: {one.dtype} {list(one.shape)}, storage at byte {one.at}, {one.byte_order}-endian"
        for one in vector.tensors
    ]
    return lines + tensors


@click.command(name="explain")
@click.argument("names", metavar="RULE|VECTOR...", nargs=-1, required=True)
def command(names: tuple[str, ...]) -> None:
    """Print rules (ST-END-01) and vectors (st-plain): statement, reason, sources, vectors, known bugs."""
    rules = load_spec().rules
    vectors = {vector.id: vector for vector in load_vectors()}
    for name in names:
        if name.upper() in rules:
            lines = _rule_lines(rules[name.upper()])
        elif name in vectors:
            lines = _vector_lines(vectors[name])
        else:
            raise click.UsageError(
                f"{name!r} is neither a rule nor a vector; `endianproof vectors list` shows all of them"
            )
        click.echo("\n".join(lines) + "\n")
