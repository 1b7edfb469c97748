"""`endianproof testees`: the table as people, programs and the documentation have it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from endianproof.conformance.cli import main
from endianproof.conformance.installed import how_to_get, installed
from endianproof.conformance.named import named, named_testees

DOCS = Path(__file__).resolve().parents[2] / "docs"


def output(*arguments):
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_every_entry_is_listed_with_what_is_here():
    lines = output("testees").splitlines()
    for testee in named_testees():
        (line,) = {line for line in lines if line.split()[:2] == [testee.name, ",".join(testee.formats)]}
        assert line.split()[2] == (installed(testee) or "no")


def test_what_is_missing_is_listed_with_the_line_that_installs_it():
    said = output("testees")
    for testee in named_testees():
        if installed(testee) is None and testee.x86_64.by:
            assert how_to_get(testee, in_guest=False).removeprefix(testee.name).strip() in said


def test_what_s390x_does_not_have_says_why():
    said = output("testees")
    for testee in named_testees():
        assert testee.s390x.by or testee.s390x.why in said


def test_a_glob_chooses():
    said = output("testees", "torch.load*", "reference")
    assert "torch.load-mmap" in said
    assert "reference" in said
    assert "safetensors.torch.load_file" not in said


def test_a_glob_that_matches_nothing_is_refused_with_the_nearest_name():
    result = CliRunner().invoke(main, ["testees", "safetensors.torch.loadfile"])
    assert result.exit_code == 2
    assert "safetensors.torch.load_file" in result.output


def test_programs_read_the_table_as_json():
    found = {(one["option"], one["name"]): one for one in json.loads(output("testees", "--json"))}
    assert len(found) == len(named_testees())
    entry = found["--loader", "reference"]
    assert entry["formats"] == list(named("reference").formats)
    assert entry["x86_64"] == {"by": "wheel"}


def test_the_committed_page_is_what_the_table_makes():
    assert (DOCS / "testees.md").read_text(encoding="utf-8") == output("testees", "--markdown")


def test_an_entry_is_explained_in_full():
    said = output("explain", "torch.load-mmap-unrestricted")
    for part in ("torch:load", "mmap=True, weights_only=False", "torch-zip", "can run code", "pip install"):
        assert part in said
