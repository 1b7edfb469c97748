"""docs/guests.md names every command, and no message that nothing gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from endianproof.conformance.cli.guest import command
from endianproof.qemu._failures import CAUSES

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "guests.md").read_text(encoding="utf-8")
SOURCE = "".join(
    path.read_text(encoding="utf-8") for room in ("qemu", "conformance") for path in (PROJECT / room).glob("*.py")
)
ROWS = [row.split(" | ")[0] for row in PAGE.partition("## When it fails")[2].splitlines() if row.startswith("| `")]
MESSAGES = [message for row in ROWS for message in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize("name", sorted(command.commands))
def test_every_command_is_on_the_page(name):
    assert f"`endianproof guest {name}" in PAGE


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_of_the_table_is_one_that_the_suite_gives(message):
    pieces = [piece.strip(" (,") for piece in message.split("...")]
    assert all(piece in SOURCE for piece in pieces), pieces


def test_the_table_has_the_causes_that_a_second_try_mends():
    mended = [cause for cause in CAUSES if cause.kind]
    assert mended
    for cause in mended:
        beginning = cause.message.partition("{name}")[0].strip()
        assert any(message.startswith(beginning) for message in MESSAGES), cause.message
