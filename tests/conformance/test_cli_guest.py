"""The command line's table, and `endianproof guest`."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from endianproof import __version__, qemu
from endianproof.conformance.cli import COMMANDS, main
from endianproof.qemu import Guest, GuestError


def run(*arguments):
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ENDIANPROOF_CACHE", str(tmp_path))
    return tmp_path


def make_ready(monkeypatch, ready=lambda _: True):
    facts = {"python": "3.13", "bytes": 612_000_000, "packages": {"torch": "2.6.0", "safetensors": "0.4.5"}}
    monkeypatch.setattr(Guest, "is_ready", ready)
    monkeypatch.setattr(Guest, "facts", lambda _: facts)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_of_the_table_can_be_imported(name):
    with click.Context(main) as context:
        command = main.get_command(context, name)
    assert isinstance(command, click.Command)


def test_help_lists_the_commands_and_imports_none_of_them():
    code = (
        "import sys; from endianproof.conformance.cli import COMMANDS, main\n"
        "main(['--help'], standalone_mode=False)\n"
        "sys.exit(any(one.module in sys.modules for one in COMMANDS.values()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


def test_version_is_the_packages():
    assert run("--version").output == f"endianproof, version {__version__}\n"


def test_an_unknown_command_is_a_usage_error():
    result = run("guset")
    assert result.exit_code == 2
    assert "guset" in result.output


def test_list_shows_every_guest_and_where_they_are_kept(cache):
    result = run("guest", "list")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["bookworm", "forky", "trixie"]
    assert all("not set up" in line for line in lines[:3])
    assert "(s390x)" in lines[2]
    assert lines[-1] == f"kept in {cache}"


def test_list_shows_what_is_in_a_guest(cache, monkeypatch):
    make_ready(monkeypatch)
    line = run("guest", "list").output.splitlines()[2]
    assert "s390x, big-endian, Python 3.13, torch 2.6.0, safetensors 0.4.5, 612 MB" in line


def test_list_shows_trees_that_are_no_guests(cache):
    (cache / "guests" / "trixie-0123456789ab").mkdir(parents=True)
    assert str(cache / "guests" / "trixie-0123456789ab") in run("guest", "list").output


def test_setup_shows_progress_and_what_came_of_it(cache, monkeypatch):
    make_ready(monkeypatch)
    monkeypatch.setattr(Guest, "setup", lambda one, say: (say("unpacking packages"), one.tree)[1])
    result = run("guest", "setup", "s390x")
    assert result.exit_code == 0
    assert "unpacking packages" in result.output
    assert "trixie: s390x, big-endian, Python 3.13" in result.output


def test_a_failed_setup_is_one_message_with_what_to_do_and_exit_code_2(cache, monkeypatch):
    def fail(_one, _say):
        raise GuestError("no network", "connect this machine")

    monkeypatch.setattr(qemu.Guest, "setup", fail)
    result = run("guest", "setup", "trixie")
    assert result.exit_code == 2
    assert result.output == "Error: no network\nconnect this machine\n"


def test_an_unknown_guest_is_named_before_any_is_set_up(cache, monkeypatch):
    monkeypatch.setattr(Guest, "setup", pytest.fail)
    result = run("guest", "setup", "trixie", "sarge")
    assert result.exit_code == 2
    assert "no guest called 'sarge'" in result.output
    assert "the guests are bookworm, forky, trixie, s390x" in result.output
