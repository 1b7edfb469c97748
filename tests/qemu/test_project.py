"""A project's own guests, in its pyproject.toml."""

from __future__ import annotations

import pytest

from endianproof.qemu import GuestError, guest, guests


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder in a project; what is written is its pyproject.toml."""
    inner = tmp_path / "project" / "tests"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)

    def write(text):
        (inner.parent / "pyproject.toml").write_text(text, encoding="utf-8")

    return write


def test_a_table_makes_a_guest(project):
    project('[tool.endianproof.guests.mine]\nsuite = "sid"\npackages = ["nodejs"]\nwheels = ["ml_dtypes==0.5.4"]')
    mine = guest("mine").recipe
    assert (mine.suite, mine.packages, mine.wheels) == ("sid", ("python3", "nodejs"), ("ml_dtypes==0.5.4",))
    assert "trixie" in guests()


def test_a_suite_is_all_that_a_guest_needs(project):
    project('[tool.endianproof.guests.bare]\nsuite = "forky"')
    assert guest("bare").recipe.packages == ("python3",)


@pytest.mark.parametrize("text", ["", "[tool.other]\nx = 1", "[tool.endianproof]\n"])
def test_a_project_without_guests_has_the_suites_own(project, text):
    project(text)
    assert sorted(guests()) == ["bookworm", "forky", "trixie"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[tool.endianproof.guests.mine]\npackages = ["nodejs"]', r"mine\] in .*: 'suite' is missing"),
        ('[tool.endianproof.guests.mine]\nsuite = "sid"\npackage = ["x"]', "'package' is no field"),
        ('[tool.endianproof.guests.mine]\nsuite = "--x"', "suite is '--x'"),
        ('[tool.endianproof.guests.mine]\nsuite = "sid"\npackages = "nodejs"', "a list of Debian packages"),
        ('[tool.endianproof.guests.mine]\nsuite = "sid"\npackages = ["no de"]', "a list of Debian packages"),
        ('[tool.endianproof.guests.mine]\nsuite = "sid"\nwheels = ["torch>2"]', "a list of NAME==VERSION"),
        ('[tool.endianproof.guests]\nmine = "sid"', "a mapping was expected, str was found"),
        ('[tool.endianproof]\nguests = ["sid"]', "a table for each guest was expected"),
        ('[tool.endianproof.guests."my guest"]\nsuite = "sid"', "'my guest' is no name for a guest"),
        ('[tool.endianproof.guests.trixie]\nsuite = "sid"', "two guests are called 'trixie'"),
        ('[tool.endianproof.guests.mine]\nsuite = "sid"\naliases = ["s390x"]', "two guests are called 's390x'"),
        (
            '[tool.endianproof.guests.none]\nsuite = "sid"',
            r"none\] in .*: no guest can be called 'none', .* machine",
        ),
        ('[tool.endianproof.guests.host]\nsuite = "sid"', "no guest can be called 'host'"),
        ('[tool.endianproof.guests.mine]\nsuite = "sid"\naliases = ["host"]', "no guest can be called 'host'"),
        ("[tool.endianproof", "pyproject.toml cannot be read"),
        ("tool = 1", "a table for each guest was expected"),
    ],
)
def test_a_wrong_table_is_refused_with_its_place(project, text, complaint):
    project(text)
    with pytest.raises(GuestError, match=complaint):
        guests()
