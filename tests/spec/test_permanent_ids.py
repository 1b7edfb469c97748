"""Ids are permanent: what was published once is never renamed, given to another format, or used again."""

from __future__ import annotations

import pytest
from permanent_ids import PUBLISHED, lines, present, publish

from endianproof.spec import load_spec
from endianproof.vectors import load_large, load_saves, load_vectors

LINES = lines()
NOW = present()


def _moved(published, now):
    return [f"{owner} {one}" for owner, one, *rest in published if not rest and now.get(one) != owner]


def test_what_was_published_keeps_its_id_and_its_place():
    assert LINES
    assert not _moved(LINES, NOW), (
        "these were published, and are gone or in another format: bring them back; where one had to go, write "
        "`withdrawn` and the reason behind its line in tests/spec/permanent_ids.txt"
    )


@pytest.mark.parametrize("one", ["st-plain", "pt-large-offset", "pt-save-byteorder", "ST-HDR-01", "BF-RND-01"])
def test_an_id_that_is_gone_or_elsewhere_is_missed(one):
    """Vectors, large ones, saves and rules, those of element types among them."""
    gone = {key: owner for key, owner in NOW.items() if key != one}
    assert [line.split()[1] for line in _moved(LINES, gone)] == [one]
    assert [line.split()[1] for line in _moved(LINES, {**NOW, one: "nowhere"})] == [one]


def test_a_withdrawn_id_is_not_used_again_and_says_why():
    withdrawn = [line for line in LINES if len(line) > 2]
    assert not [line for line in withdrawn if line[1] in NOW or line[2] != "withdrawn" or len(line) < 4]


def test_what_is_new_is_published_behind_what_is_there(tmp_path):
    first, *_, last = (f"{owner} {one}\n" for one, owner in NOW.items())
    path = tmp_path / "ids.txt"
    path.write_text(f"{last}torch-zip pt-gone withdrawn it was twice there\n", encoding="utf-8", newline="\n")
    before = path.read_bytes()
    assert publish(path) == len(NOW) - 1
    assert path.read_bytes().startswith(before + first.encode())
    assert publish(path) == 0
    assert sorted(one for _, one, *_ in lines(path)) == sorted([*NOW, "pt-gone"])


def test_the_list_has_each_id_once():
    assert PUBLISHED.read_bytes().endswith(b"\n")
    ids = [one for _, one, *_ in LINES]
    assert len(ids) == len(set(ids))


def test_no_two_things_share_an_id():
    things = (*load_vectors(), *load_large(), *load_saves())
    ids = [*(one.id for one in things), *load_spec().rules, *load_spec().bugs]
    assert len(ids) == len(set(ids)) == len({one.lower() for one in ids})


def test_a_rule_keeps_to_the_prefixes_of_its_file():
    """The first letters of an id say where to look: no two files share both words of a prefix."""
    owners: dict[str, set[str | None]] = {}
    for rule in load_spec().rules.values():
        owners.setdefault(rule.id.rpartition("-")[0], set()).add(rule.format)
    assert {prefix: files for prefix, files in owners.items() if len(files) > 1} == {}
