"""`endianproof explain` and `vectors list` answer to every id, in any capitals, by globs, and guess at a slip."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from endianproof.conformance.cli import main
from endianproof.spec import load_spec
from endianproof.vectors import load_vectors


def run(*arguments):
    return CliRunner().invoke(main, list(arguments))


def text(*arguments):
    result = run("explain", *arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_a_rule_says_its_reason_its_vectors_and_their_bugs():
    rule = load_spec().rules["ST-HDR-10"]
    found = text("st-hdr-10")
    for part in (rule.level, rule.statement, rule.why, *rule.sources, rule.since, "st-unpadded-3"):
        assert part in found
    bug = load_spec().bugs["llama.cpp#18282/PR18291"]
    assert f"{bug.id}: {bug.title} ({bug.package} {bug.versions}) {bug.url}" in found


def test_a_rule_that_depends_on_a_policy_says_which_way_is_recommended():
    found = text("ST-JSON-02")
    assert "Policy duplicate-names" in found
    assert "recommends 'refuse'" in found


def test_a_policy_says_how_to_choose_and_lists_its_vectors():
    found = text("duplicate-names")
    assert "--policy=duplicate-names=last" in found
    assert "Rule ST-JSON-02" in found
    assert "st-duplicate-same" in found


def test_a_bug_says_what_went_wrong_and_what_would_have_caught_it():
    bug = load_spec().bugs["safetensors#448"]
    found = text("SafeTensors#448")
    for part in (bug.title, bug.mechanism, bug.symptom, bug.url, "st-bfloat16-448"):
        assert part in found


def test_a_save_is_explained():
    assert "a save" in text("st-save-name-metadata")


def test_a_glob_means_all_that_it_matches():
    found = text("st-hdr-0*")
    for number in range(1, 10):
        assert f"ST-HDR-0{number} (" in found


@pytest.mark.parametrize(("slip", "meant"), [("ST-HDR-1O", "ST-HDR-10"), ("safetensor#448", "safetensors#448")])
def test_a_slip_is_answered_with_what_was_meant(slip, meant):
    result = run("explain", slip)
    assert result.exit_code == 2
    assert f"{slip!r}; did you mean " in result.output
    assert meant in result.output


def test_vectors_are_listed_by_globs_of_ids_rules_and_formats():
    result = run("vectors", "list", "ST-UNPADDED-*", "--rule=st-hdr-1*", "--format=safe*")
    ids = [line.split()[0] for line in result.output.splitlines()]
    assert ids
    assert all(one.startswith("st-unpadded-") for one in ids)
    assert "did you mean safetensors?" in run("vectors", "list", "--format=safetensor").output


def test_several_formats_and_rules_are_listed_with_commas_as_pytest_takes_them():
    both = run("vectors", "list", "--format=torch-tar,safetensors", "--rule=ST-END-*,PTL-TAR-*").output
    assert both.count("ST-END-01") == run("vectors", "list", "--rule=ST-END-*").output.count("ST-END-01")
    assert "PTL-TAR-01" in both


def test_all_that_can_be_explained_is_listed_a_line_each():
    lines = run("explain", "--list").output.splitlines()
    spec = load_spec()
    listed = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert {*spec.rules, *spec.formats["safetensors"].policies} <= set(listed)
    assert len(lines) == len(set(lines))


def test_a_list_can_be_narrowed_by_a_glob():
    lines = run("explain", "--list", "st-end-*").output.splitlines()
    assert lines
    assert all(line.startswith(("ST-END-", "st-end-")) for line in lines)


def test_neither_an_id_nor_a_list_is_answered_with_both():
    result = run("explain")
    assert result.exit_code == 2
    assert "--list" in result.output


def test_an_id_is_explained_as_pytest_prints_it():
    assert run("explain", "safetensors::st-plain").output == run("explain", "st-plain").output
    assert run("explain", "Safetensors::st-save-*").output == run("explain", "st-save-*").output
    assert run("explain", "gguf::st-plain").exit_code == 2


def test_a_path_is_not_broken_in_two():
    vector = next(vector for vector in load_vectors() if "-" in vector.path.name)
    assert str(vector.path) in run("explain", vector.id).output
