"""Ids are permanent: what was published once is never renamed, given to another format, or used again."""

from __future__ import annotations

from pathlib import Path

from endianproof.spec import load_spec
from endianproof.vectors import load_saves, load_vectors

# One line for each published vector, `format id`. A release adds its own; a line is never taken away. A vector
# that had to go keeps its line with `withdrawn` and the reason behind it.
PUBLISHED = (Path(__file__).parent / "permanent_ids.txt").read_text(encoding="utf-8")
LINES = [line.split(maxsplit=3) for line in PUBLISHED.splitlines()]
NOW = {vector.id: vector.format for vector in load_vectors()}


def test_a_published_vector_keeps_its_id_and_its_format():
    assert LINES
    moved = [f"{form} {one}" for form, one, *rest in LINES if not rest and NOW.get(one) != form]
    assert not moved, (
        "these vectors were published, and are gone or in another format: bring them back; where one had to go, "
        "write `withdrawn` and the reason behind its line in tests/spec/permanent_ids.txt"
    )


def test_a_withdrawn_id_is_not_used_again_and_says_why():
    withdrawn = [line for line in LINES if len(line) > 2]
    assert not [line for line in withdrawn if line[1] in NOW or line[2] != "withdrawn" or len(line) < 4]


def test_no_two_things_share_an_id():
    ids = [*NOW, *(save.id for save in load_saves()), *load_spec().rules, *load_spec().bugs]
    assert len(ids) == len(set(ids)) == len({one.lower() for one in ids})
    assert len(NOW) == len(load_vectors())


def test_a_rule_keeps_to_the_prefixes_of_its_file():
    """The first letters of an id say where to look: no two files share both words of a prefix."""
    owners: dict[str, set[str | None]] = {}
    for rule in load_spec().rules.values():
        owners.setdefault(rule.id.rpartition("-")[0], set()).add(rule.format)
    assert {prefix: files for prefix, files in owners.items() if len(files) > 1} == {}
