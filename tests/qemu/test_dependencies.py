"""What packages in a folder need beyond what is there already."""

from __future__ import annotations

import pytest

from endianproof.qemu import GuestError
from endianproof.qemu._dependencies import needs, versions_of
from endianproof.qemu._wheels import guest_platform


def put(folder, name, version, *requires):
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {one}" for one in requires)]) + "\n")


@pytest.fixture
def side(tmp_path):
    """A guest's packages: numpy 2.2.4 and Debian's own version of torch."""
    put(tmp_path / "side", "numpy", "2.2.4")
    put(tmp_path / "side", "torch", "2.6.0+debian")
    return tmp_path / "side"


def needed(tmp_path, side, *requires, extras=()):
    folder = tmp_path / "folder"
    put(folder, "My.Pkg", "1.0", *requires)
    platform = guest_platform("3.13", "2.41", [side])
    return [str(need.requirement) for need in needs(folder, platform, {"my-pkg": frozenset(extras)})]


@pytest.mark.parametrize("requirement", ["numpy", "NumPy>=2", "torch>=2.6", "torch==2.6.0"])
def test_what_is_there_is_not_needed(tmp_path, side, requirement):
    assert needed(tmp_path, side, requirement) == []


@pytest.mark.parametrize("requirement", ["tabulate>=0.9", "numpy>=2.3", "torch<2"])
def test_what_is_absent_or_too_old_is_needed(tmp_path, side, requirement):
    assert needed(tmp_path, side, requirement) == [requirement]


@pytest.mark.parametrize(
    ("marker", "applies"),
    [
        ("platform_machine == 's390x'", True),
        ("platform_machine == 'x86_64'", False),
        ("python_version >= '3.13'", True),
        ("python_full_version < '3.13'", False),
        ("sys_platform == 'win32'", False),
    ],
)
def test_conditions_are_those_of_the_guest(tmp_path, side, marker, applies):
    assert bool(needed(tmp_path, side, f"tabulate; {marker}")) is applies


def test_extras_count_where_they_were_asked_for(tmp_path, side):
    assert needed(tmp_path, side, "tabulate; extra == 'nice'", "rich; extra == 'all'", extras=["nice"]) == [
        'tabulate; extra == "nice"'
    ]


def test_a_neighbour_of_the_wrong_version_is_an_error(tmp_path, side):
    put(tmp_path / "folder", "tabulate", "0.8")
    with pytest.raises(GuestError, match=r"My.Pkg 1.0 needs tabulate>=0.9, and 0.8 was taken") as caught:
        needed(tmp_path, side, "tabulate>=0.9")
    assert "--with=tabulate==VERSION" in caught.value.hint


def test_a_neighbour_that_fits_is_enough(tmp_path, side):
    put(tmp_path / "folder", "numpy", "2.4.0")
    assert needed(tmp_path, side, "numpy>=2.3") == []


def test_what_a_broken_uninstallation_left_is_no_package(side):
    (side / "gone-1.0.dist-info").mkdir()
    assert versions_of([str(side)]) == {"numpy": "2.2.4", "torch": "2.6.0+debian"}


def test_a_version_from_before_there_were_rules_satisfies_nothing(tmp_path, side):
    put(side, "tabulate", "0.9.dfsg")
    assert needed(tmp_path, side, "tabulate>=0.8") == ["tabulate>=0.8"]


def test_a_requirement_that_is_none_is_named_and_so_is_who_has_it(tmp_path, side):
    with pytest.raises(GuestError, match=r"My.Pkg 1.0 asks for 'numpy \(>=2.0.\*\)', which is no requirement"):
        needed(tmp_path, side, "numpy (>=2.0.*)")
