"""The table of known mistakes as a whole, held against the golden vectors."""

from __future__ import annotations

import numpy as np
import pytest
from planted import TYPES, plant

from endianproof.conformance.diagnosis import MISTAKES, Case, explain
from endianproof.conformance.elements import codes_of, scalar_of
from endianproof.vectors import load_vectors

# Baselines hold these names: one may be added, none may change.
NAMES = [
    "through-float16-around-swap",
    "swapped-per-view",
    "not-swapped",
    "tail-not-swapped",
    "swapped-needlessly",
    "complex-swapped-as-one-unit",
    "swapped-by-wrong-unit",
    "half-bytes-exchanged",
    "storage-offset-ignored",
    "storage-offset-in-bytes",
    "strides-ignored",
    "strides-in-bytes",
    "column-major",
    "other-tensor",
    "shifted",
    "shifted-past-the-end",
    "shifted-and-not-swapped",
    "rolled",
    "conjugate-bit-ignored",
    "negative-bit-ignored",
    "bool-made-plain",
    "nan-rewritten",
    "nan-became-infinity",
    "zero-sign-lost",
    "subnormals-flushed",
    "read-as-float16",
    "read-as-bfloat16",
    "through-float16",
    "through-bfloat16",
    "through-float32",
    "through-float64",
    "zeroed",
    "truncated",
]

# These take what came back as their measure, so nothing can be planted without a loader that made the mistake.
MEASURED = {"shifted", "shifted-and-not-swapped", "nan-rewritten", "truncated", "rolled", "shifted-past-the-end"}
# These show in vectors of `may`, or of few elements; test_diagnosis_values.py plants them.
SMALL = {"conjugate-bit-ignored", "negative-bit-ignored", "bool-made-plain"}


def golden_cases():
    """Every tensor of at least 8 different elements of every valid vector."""
    for vector in load_vectors():
        for tensor in vector.tensors if vector.verdict == "accept" else ():
            element = TYPES[tensor.dtype]
            codes = codes_of(tensor.canonical, element)
            siblings = tuple(other for other in vector.tensors if other is not tensor)
            if len(set(codes.tolist())) >= 8:
                scalar = scalar_of(element, TYPES)
                yield Case(tensor, element, scalar, codes, codes, vector.path.read_bytes(), siblings, "big")


CASES = tuple(golden_cases())


def returned(case, codes):
    return Case(case.tensor, case.element, case.scalar, case.expected, codes, case.file, case.siblings, "big")


def test_names_of_mistakes_are_permanent():
    assert [mistake.name for mistake in MISTAKES] == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if name not in MEASURED | SMALL])
def test_a_mistake_planted_in_golden_vectors_is_among_their_explanations(name):
    mistake = next(mistake for mistake in MISTAKES if mistake.name == name)
    seen = 0
    for case in CASES:
        with np.errstate(all="ignore"):
            candidates = list(mistake.produce(case))
        for candidate in candidates:
            wrong = returned(case, candidate.codes)
            if not (wrong.differing & ~candidate.unspecified).any():
                continue
            explanation = explain(wrong)
            assert explanation is not None, (case.tensor, candidate.detail)
            seen += name in {explanation.name, *explanation.also}
    assert seen, f"no golden vector shows {name}"


def test_a_tensor_without_a_mistake_has_no_explanation():
    assert all(explain(case) is None for case in CASES)


def test_random_bytes_are_explained_by_nothing():
    source = np.random.default_rng(20261121)
    planted = plant([0x3F80 + step for step in range(32)], "bfloat16")
    assert not any(planted.explain(source.integers(0, 0x10000, 32)) for _ in range(50))


def test_an_explanation_of_every_element_outranks_one_that_spares_some():
    # Zero for the one subnormal is "subnormals flushed" throughout, and "zeroed" for one element of three.
    explanation = plant([0x3F80, 0x0001, 0x4000], "bfloat16").explain([0x3F80, 0x0000, 0x4000])
    assert (explanation.name, explanation.spared) == ("subnormals-flushed", 0)


def test_no_sentence_leaves_its_detail_open():
    for case in CASES:
        for mistake in MISTAKES:
            with np.errstate(all="ignore"):
                for candidate in mistake.produce(case):
                    assert candidate.detail or "{detail}" not in mistake.sentence
