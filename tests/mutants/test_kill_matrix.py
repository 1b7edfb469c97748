"""The suite bites: every loader that is wrong on purpose is killed, for the right reason, by every rule."""

from __future__ import annotations

import convert
import pytest
from family import FAMILY, UNMAPPED
from matrix import PAGE, kill_matrix, kills_of, page, telling
from mutant import changed_source
from right import RECOMMENDED, observe, right
from saver import Saver
from torch_saver import TorchSaver

from endianproof.conformance.examine import conclude
from endianproof.spec import load_spec
from endianproof.vectors import load_vectors

RULES = tuple(load_spec().rules.values())
# Rules that allow both ways, and whose vectors prefer none, refuse nothing and demand nothing.
OF_LOADERS = {
    rule for vector in load_vectors() for rule in vector.rules if not vector.policy or vector.policy.recommended
}


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id):
    """A folder of this run, which all of pytest-xdist's workers see: together they make the matrix once."""
    if worker_id == "master":
        return None
    folder = tmp_path_factory.getbasetemp().parent / "kill-matrix"
    folder.mkdir(exist_ok=True)
    return folder


def test_the_right_loader_is_killed_by_nothing():
    """What a mutant dies of is its own mistake: the loader that it was made from passes every vector."""
    for vector in load_vectors():
        for machine in ("little", "big"):
            assert not conclude(observe(vector, machine, right(vector.id)), RECOMMENDED).failed, vector.id


def test_the_right_conversion_is_killed_by_nothing():
    for case in load_spec().conversions:
        if (case.source, case.target) == ("float32", "bfloat16") and case.result is not None:
            assert convert.right(case.code) == case.result


@pytest.mark.parametrize("saver", [Saver(), TorchSaver(format="torch-zip"), TorchSaver(format="torch-legacy")])
def test_the_right_saver_is_killed_by_nothing(saver):
    for save in saver.saves():
        for machine in ("little", "big"):
            assert not conclude(saver.observe(save, machine), RECOMMENDED).failed, save.id


@pytest.mark.parametrize("mutant", FAMILY, ids=lambda mutant: mutant.id)
def test_a_mutant_is_killed_by_a_rule_and_with_the_words_that_it_names(mutant, shared):
    changed_source(mutant)
    kills = kills_of(mutant, shared)
    assert kills, f"no vector sees that {mutant.what}"
    named = [kill for kill in kills if set(kill.rules) & set(mutant.rules)]
    assert named, f"killed only by vectors of other rules: {kills[0]}"
    assert telling(mutant, kills), f"the first lines say: {sorted({kill.headline for kill in named})[:5]}"


CONVERTED = {case.rule for case in load_spec().conversions if case.target == "bfloat16"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_has_a_vector_that_kills_a_mutant(rule, shared):
    if rule.withdrawn or (rule.id not in OF_LOADERS and rule.id not in CONVERTED):
        pytest.skip("no rule for loaders")
    assert any(rule.id in kill.rules for _, kills in kill_matrix(shared) for kill in kills), rule.statement


def test_every_known_bug_of_our_formats_is_of_one_class_or_says_why_of_none():
    classes = [bug for mutant in FAMILY for bug in mutant.bugs] + list(UNMAPPED)
    assert sorted(classes) == sorted(load_spec().bugs), (
        "bugs.yaml and the family name different bugs, or one twice"
    )


def test_the_page_of_the_matrix_is_current(shared):
    assert PAGE.read_text(encoding="utf-8") == page(kill_matrix(shared)), (
        "run: python tests/mutants/matrix.py --write"
    )
