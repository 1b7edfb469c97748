"""How a page of instructions is read, run and held to its word."""

from __future__ import annotations

import os
import re

import pytest
from page import PageError, Shell, blocks, follow, matches
from recipes import ROOT

PAGE = ROOT / "docs" / "big-endian-in-five-minutes.md"


def fence(info, text):
    return f"```{info}\n{text}\n```\n"


@pytest.fixture
def shell(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "work").mkdir()
    return Shell(tmp_path / "work", {**os.environ, "HERE": "here"}, tmp_path / "kept", lambda _: None)


def followed(shell, *fences):
    return [block.language for block in follow("\n\n".join(fences), shell)]


def test_commands_run_and_what_they_print_is_compared(shell):
    assert followed(shell, fence("sh", "echo one\necho two >&2"), fence("text", "one\ntwo")) == ["sh", "text"]
    with pytest.raises(PageError, match=re.compile("line 7: .*shown   7 failed\n *printed 8 failed", re.DOTALL)):
        followed(shell, fence("sh", "echo 8 failed"), fence("text", "7 failed"))


def test_what_is_printed_is_told_only_where_it_is_not_what_is_shown(shell):
    told = []
    shell.say = told.append
    followed(shell, fence("sh", "printf 'FAILED %s' one"), fence("text", "FAILED one"))
    assert told == ["$ printf 'FAILED %s' one\n"]
    for commands in (fence("sh", "echo mine; exit 1"), fence("sh", "echo mine") + fence("text", "yours")):
        with pytest.raises(PageError) as raised:
            followed(shell, commands)
        assert raised.value.printed == "mine\n"


def test_the_folder_and_the_variables_go_on_to_the_next_block(shell):
    first = fence("sh", "mkdir sub\ncd sub\nexport MINE='a b'\nfalse_one=1")
    then = fence("sh", 'basename "$PWD"\necho "$MINE" "$HERE"')
    assert followed(shell, first, then, fence("text", "sub\na b here")) == ["sh", "sh", "text"]


@pytest.mark.parametrize(("info", "command"), [("sh", "exit 3"), ("sh", "false\ntrue"), ("sh fails", "true")])
def test_a_command_ends_as_the_page_says(shell, info, command):
    with pytest.raises(PageError, match=r"line 2: expected to (fail|succeed)"):
        followed(shell, fence(info, command))


def test_a_command_that_is_to_fail_may(shell):
    assert followed(shell, fence("sh fails", "echo red\nexit 1"), fence("text", "red")) == ["sh", "text"]


def test_a_file_that_is_shown_is_compared_with_the_file(shell):
    made = fence("sh", "mkdir sub; cd sub; printf 'a: 1\\nb: 2\\n' > x.yaml")
    assert followed(shell, made, fence("yaml x.yaml", "b: 2")) == ["sh", "yaml"]
    with pytest.raises(PageError, match=r"no part of x\.yaml"):
        followed(shell, fence("sh", "true"), fence("yaml x.yaml", "b: 3"))


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("no fence at all", "nothing is to be run"),
        (fence("text", "shown"), "nothing is to be run"),
        (fence("", "who knows") + fence("sh", "true"), "without a language"),
        (fence("text", "shown") + fence("sh", "true"), "no commands are before"),
        (fence("sh", "true") + fence("yaml", "a: 1"), "shows no file"),
    ],
)
def test_what_is_neither_run_nor_compared_is_an_error(shell, page, why):
    with pytest.raises(PageError, match=why):
        followed(shell, page)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\n...\nz", "a\nz", True),
        ("a\n...\nz", "a\nb\nc\nz", True),
        ("a\n...\nz", "a\nb", False),
        ("a", "a\nb", False),
        ("in ... s", "in 4.2 s", True),
        ("a.b", "axb", False),
        ("491 passed, 7 failed", "502 passed, 7 failed", True),
        ("491 passed, 7 failed", "491 passed, 8 failed", False),
        ("258 (0x0102)", "259 (0x0102)", False),
        ("0 passed", "12 passed", False),
        ("491 passed", "491 failed", False),
        ("   197  elements", "   203  elements", True),
    ],
)
def test_dots_and_counts_stand_for_what_may_change(shown, printed, same):
    assert matches(shown, printed) is same


def test_the_page_shows_what_goes_wrong_and_what_comes_of_it():
    """The run itself is `tox -e page`, which compares all of this."""
    page = blocks(PAGE.read_text(encoding="utf-8"))
    commands = [block for block in page if block.language == "sh"]
    assert [block.note for block in commands].count("fails") == 2
    assert any("--guest=s390x" in block.text for block in commands)
    recipes = {block.note for block in page if block.language == "yaml"}
    assert recipes == {".github/workflows/big-endian.yml", ".gitlab-ci.yml"}
