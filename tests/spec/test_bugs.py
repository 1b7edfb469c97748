"""Every known bug would have been caught by the suite, or says why not; and its own findings are among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from endianproof.spec import bug_gaps, load_spec

ROOT = Path(__file__).resolve().parents[2]
SPEC = load_spec()
FINDINGS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "findings").glob("*.md"))


@pytest.mark.parametrize("bug", SPEC.bugs.values(), ids=lambda bug: bug.id)
def test_a_known_bug_is_seen_in_a_vector_a_save_or_a_conversion(bug):
    gap = bug_gaps(SPEC).get(bug.id)
    assert gap is None, f"{bug.id} ({bug.title}): {gap}"


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_of_this_suite_is_a_known_bug(finding):
    assert finding in {bug.url for bug in SPEC.bugs.values()}, (
        f"{finding} is no known bug: add it to spec/bugs.yaml with this path as its url"
    )


def test_the_findings_that_known_bugs_link_to_are_there():
    linked = {bug.url for bug in SPEC.bugs.values() if bug.url and not bug.url.startswith("https:")}
    assert FINDINGS
    assert linked == set(FINDINGS)
