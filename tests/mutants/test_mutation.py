"""Mutation testing of the reference: a fixed sample here, the whole by `tox -e mutation`."""

from __future__ import annotations

import hashlib

import pytest
from mutate import every_mutation, explained, kill, run, still_open
from mutations import mutations
from oracle import questions, wrong
from variant import FILES, variant

SAMPLE = 60


def mixed(mutation):
    """The same order everywhere, in which neighbours come from different places."""
    return hashlib.sha256(repr(mutation.key).encode()).digest()


def test_the_reference_as_it_is_answers_every_question_right():
    with variant({}) as reference:
        assert not [question.id for question in questions() if wrong(question, reference)]


def test_every_survivor_of_the_table_is_a_mutation_of_the_code_as_it_is():
    gone = set(explained()) - {mutation.key for mutation in every_mutation()}
    assert not gone, f"not in the code any more: {sorted(gone)}"


def test_a_sample_of_mutations_is_killed_by_vectors_or_in_the_table():
    chosen = sorted(every_mutation(FILES), key=mixed)[:SAMPLE]
    known = explained().keys() | still_open()
    assert [one.key for one in run(chosen) if one.key not in known] == []


class Endless:
    """A mutation of the zip reader that never comes to an end."""

    file = "_zip.py"

    @staticmethod
    def apply(text):
        start = "def read_directory(data: memoryview, layout: Mapping[str, Any]) -> dict[str, Record]:\n"
        assert start in text
        return compile(
            text.replace(start, f"{start}    while True:\n        pass\n"), "_zip.py", "exec", dont_inherit=True
        )


def test_a_mutation_that_never_ends_is_killed_by_its_time(monkeypatch):
    monkeypatch.setattr("mutate.SECONDS", 1)
    zipped = [question for question in questions() if question.id.startswith("pt-")]
    assert kill(Endless, zipped) == "time or memory"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("if a < b:\n    pass\n", {"a < b -> a <= b", "a < b -> a >= b"}),
        ("x = a + 1\n", {"a + 1 -> a - 1", "1 -> 2", "1 -> 0"}),
        ("x = a and b\n", {"a and b -> a or b", "a and b -> a", "a and b -> b"}),
        ("x = a[1:]\n", {"1: -> :"}),
        ("x = max(a, b)\n", {"max(a, b) -> min(a, b)"}),
        ("def f():\n    return a\n", {"return a -> return None"}),
    ],
)
def test_operators_change_what_decides(source, expected):
    assert expected <= {one.change for one in mutations("x.py", source)}


def test_docstrings_annotations_and_the_words_of_refusals_are_left_alone():
    source = "def f(x: int = 1) -> 2:\n    'a docstring'\n    raise A(1 + 1, f'{x + 1}')\n"
    changes = {one.change for one in mutations("x.py", source)}
    assert changes == {"1 -> 2", "1 -> 0", "raise A(1 + 1, f'{x + 1}') -> pass"}
