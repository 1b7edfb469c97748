"""Recipes: the shipped ones, and what is refused in one."""

from __future__ import annotations

import dataclasses

import pytest
from packaging.requirements import Requirement

from endianproof.qemu import GuestError, guest, guests
from endianproof.qemu._recipe import read_recipe

GOOD = """
suite: sid
aliases: []
packages: [python3]
wheels: []
imports: []
disk_mb: 5
"""


def test_the_guests_are_three_debian_releases():
    assert sorted(guests()) == ["bookworm", "forky", "trixie"]
    assert all(name == one.name == one.suite for name, one in guests().items())


def test_s390x_means_trixie():
    assert guest("s390x") == guest("trixie")


def test_every_guest_has_what_the_job_needs():
    for one in guests().values():
        assert {"python3", "python3-numpy", "python3-torch"} <= set(one.recipe.packages)
        has_safetensors = "python3-safetensors" in one.recipe.packages
        assert has_safetensors != any(wheel.startswith("safetensors==") for wheel in one.recipe.wheels)
        assert {"torch", "safetensors.torch"} <= set(one.recipe.imports)


def test_wheels_are_pinned():
    wheels = [Requirement(wheel) for one in guests().values() for wheel in one.recipe.wheels]
    assert wheels
    assert all(str(wheel.specifier).startswith("==") for wheel in wheels)


def test_a_recipe_is_named_by_its_file(tmp_path):
    (tmp_path / "mine.yaml").write_text(GOOD)
    recipe = read_recipe(tmp_path / "mine.yaml")
    assert (recipe.name, recipe.suite, recipe.packages) == ("mine", "sid", ("python3",))


@pytest.mark.parametrize(
    ("line", "changed", "complaint"),
    [
        ("suite: sid", "", "'suite' is missing"),
        ("suite: sid", "suite: 13", "suite is 13, a Debian suite's name was expected"),
        ("suite: sid", "suite: sid\nsweet: sid", "'sweet' is no field of a recipe"),
        ("packages: [python3]", "packages: []", "at least one"),
        ("packages: [python3]", "packages: python3", "a list of Debian packages"),
        ("disk_mb: 5", "disk_mb: true", "a whole number of megabytes"),
        (GOOD, "- suite", "a mapping was expected, list was found"),
        (GOOD, "{", "cannot be read"),
    ],
)
def test_anything_unexpected_in_a_recipe_is_refused(tmp_path, line, changed, complaint):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace(line, changed))
    with pytest.raises(GuestError, match=r"mine\.yaml") as caught:
        read_recipe(path)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"suite": "sid"}, False),
        ({"packages": ("python3",)}, False),
        ({"wheels": ("safetensors==0.4.5",)}, False),
        ({"imports": ()}, False),
        ({"aliases": ("x",)}, True),
        ({"disk_mb": 7}, True),
    ],
)
def test_the_digest_changes_with_what_changes_the_tree_alone(change, same):
    recipe = guest("trixie").recipe
    assert (dataclasses.replace(recipe, **change).digest == recipe.digest) is same
