"""Every known bug would have been caught by the suite, or says why not; and its own findings are among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from endianproof.spec import bugs_seen, load_spec

ROOT = Path(__file__).resolve().parents[2]
SPEC = load_spec()
FORMATS = SPEC.formats
FINDINGS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "findings").glob("*.md"))


def is_ours(bug):
    """Whether the specification has a format that the bug shows in, and something that tests a role it has."""
    formats = [FORMATS[name] for name in bug.formats if name in FORMATS] or (
        list(FORMATS.values()) if "any" in bug.formats else []
    )
    tested = {"loader": bool(formats), "saver": any(form.saves for form in formats), "conversion": True}
    return any(tested[role] for role in bug.roles)


OURS = [bug for bug in SPEC.bugs.values() if is_ours(bug)]


@pytest.mark.parametrize("bug", OURS, ids=lambda bug: bug.id)
def test_a_known_bug_is_seen_in_a_vector_a_save_or_a_conversion(bug):
    assert bug.uncovered or bug.id in bugs_seen(SPEC), (
        f"no vector, save or conversion would have caught {bug.id} ({bug.title}). Name it in `seen_in` of one "
        f"that does, in spec/formats/{'|'.join(bug.formats)}.yaml, or write one; where none can, say why under "
        f"`uncovered` in spec/bugs.yaml"
    )


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_of_this_suite_is_a_known_bug(finding):
    assert finding in {bug.url for bug in SPEC.bugs.values()}, (
        f"{finding} is no known bug: add it to spec/bugs.yaml with this path as its url"
    )


def test_the_findings_that_known_bugs_link_to_are_there():
    linked = {bug.url for bug in SPEC.bugs.values() if bug.url and not bug.url.startswith("https:")}
    assert FINDINGS
    assert linked == set(FINDINGS)
