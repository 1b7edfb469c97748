"""The rendered specification: current, complete, and safe from its own punctuation."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from endianproof.conformance.cli import main
from endianproof.conformance.rendered import as_html, as_markdown, pages
from endianproof.spec import load_spec

DOCS = Path(__file__).resolve().parents[2] / "docs" / "spec"


def test_the_committed_pages_are_what_the_specification_makes():
    result = CliRunner().invoke(main, ["spec", "check", "--in", str(DOCS)])
    assert result.exit_code == 0, result.output


def test_a_stale_page_is_named_and_the_message_says_what_to_run(tmp_path):
    runner = CliRunner()
    assert runner.invoke(main, ["spec", "render", "--to", str(tmp_path)]).exit_code == 0
    (tmp_path / "bugs.md").write_text("old", encoding="utf-8")
    result = runner.invoke(main, ["spec", "check", "--in", str(tmp_path)])
    assert result.exit_code == 1
    assert "bugs.md" in result.output
    assert "endianproof spec render" in result.output


def test_every_rule_has_an_anchor_in_both_forms():
    found = pages(load_spec())
    markdown, page = "".join(map(as_markdown, found)), as_html(found)
    for rule_id in load_spec().rules:
        assert markdown.count(f'<a id="{rule_id.lower()}"></a>') == 1
        assert page.count(f' id="{rule_id.lower()}"') == 1


def test_a_rules_id_in_a_table_is_a_link_to_the_rule():
    found = pages(load_spec())
    markdown, page = "".join(map(as_markdown, found)), as_html(found)
    for rule_id in load_spec().rules:
        assert markdown.count(f"| [{rule_id}](#{rule_id.lower()}) | ") == 1
        assert page.count(f'<td><a href="#{rule_id.lower()}">{rule_id}</a></td>') == 1


def test_names_with_underscores_are_not_read_as_emphasis():
    (page,) = (page for page in pages(load_spec()) if page.name == "safetensors")
    assert r"\_\_metadata\_\_, when present" in as_markdown(page)
