"""The reference makes of every golden vector what the vector says, and refuses by its rule and no other."""

from __future__ import annotations

import pytest

from endianproof.reference import SpecViolation, load
from endianproof.vectors import load_vectors


def of(verdict):
    found = [vector for vector in load_vectors() if vector.verdict == verdict]
    assert found
    return found


def contents(path):
    return {name: (t.name, t.dtype, t.shape, bytes(t.canonical)) for name, t in load(path).items()}


def expected(vector):
    return {t.name: (t.name, t.dtype, t.shape, t.canonical) for t in vector.tensors}


@pytest.mark.parametrize("vector", of("accept"), ids=lambda vector: vector.id)
def test_an_accepted_vector_loads_bit_for_bit(vector):
    assert contents(vector.path) == expected(vector)


@pytest.mark.parametrize("vector", of("reject"), ids=lambda vector: vector.id)
def test_a_refused_vector_is_refused_by_its_one_rule(vector):
    with pytest.raises(SpecViolation) as caught:
        contents(vector.path)
    assert caught.value.rule == vector.rules[0]
    assert 0 <= caught.value.offset <= vector.size


@pytest.mark.parametrize("vector", of("may"), ids=lambda vector: vector.id)
def test_a_may_vector_goes_the_recommended_way(vector):
    ways = {vector.policy.accept: expected(vector), vector.policy.reject: vector.rules[0]}
    try:
        outcome = contents(vector.path)
    except SpecViolation as violation:
        outcome = violation.rule
    way = vector.policy.reject if isinstance(outcome, str) else vector.policy.accept
    assert outcome == ways[way]
    assert vector.policy.recommended in (None, way)
