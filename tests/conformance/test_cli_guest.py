"""The command line's table, and `endianproof guest`."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from endianproof import __version__, qemu
from endianproof.conformance.cli import COMMANDS, main
from endianproof.qemu import Guest, GuestError, guest, programs_folder
from endianproof.qemu._tools import QEMU

S390X = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x02\x00\x16" + bytes(44)


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
    monkeypatch.setattr(Guest, "age", lambda _: 0.0)


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
    assert lines[3] == f"kept in {cache}"


def test_list_says_which_way_programs_run(cache):
    *_, direct, others = run("guest", "list").output.splitlines()
    assert (f"run by {qemu.ways()[0]}", f"what a guest's program starts itself runs {qemu.ways()[1]}") == (
        direct,
        others,
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (119, "just now"),
        (120, "2 minutes ago"),
        (7199, "120 minutes ago"),
        (7200, "2 hours ago"),
        (9e5, "10 days ago"),
    ],
)
def test_list_says_how_long_ago_a_guest_was_set_up(cache, monkeypatch, seconds, said):
    make_ready(monkeypatch)
    monkeypatch.setattr(Guest, "age", lambda _: seconds)
    assert f", set up {said}\n" in run("guest", "list").output


def test_list_shows_what_was_fetched_and_can_be_fetched_again(cache):
    archives = cache / "downloads" / "trixie" / "archives"
    archives.mkdir(parents=True)
    (archives / "a.deb").write_bytes(bytes(5_000_000))
    assert "removed by endianproof guest prune --all: 5 MB\n" in run("guest", "list").output


def test_list_shows_what_is_in_a_guest(cache, monkeypatch):
    make_ready(monkeypatch)
    line = run("guest", "list").output.splitlines()[2]
    assert "s390x, big-endian, Python 3.13, torch 2.6.0, safetensors 0.4.5, 612 MB" in line


def test_list_shows_the_trees_that_guests_build_in(cache, monkeypatch):
    monkeypatch.setattr(Guest, "is_ready", lambda one: "g++" in one.recipe.packages)
    monkeypatch.setattr(Guest, "facts", lambda _: {"bytes": 844_000_000})
    assert "trixie has a tree beside it to build in, 844 MB\n" in run("guest", "list").output


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


@pytest.fixture
def started(monkeypatch):
    """What `exec` and `shell` would have become."""
    calls = []
    monkeypatch.setattr(os, "execvpe", lambda file, argv, env: calls.append((file, argv, env)))
    monkeypatch.setattr(Guest, "setup", lambda one, _say: one.tree)
    monkeypatch.setattr(QEMU.__class__, "find", lambda _: "/usr/bin/qemu")
    return calls


def test_exec_becomes_the_program_with_every_option_its_own(cache, monkeypatch, started):
    make_ready(monkeypatch)
    program = guest("trixie").tree / "usr" / "bin" / "node"
    program.parent.mkdir(parents=True)
    program.write_bytes(S390X)
    assert run("guest", "exec", "trixie", "node", "--help", "-x", "--", "a b").exit_code == 0
    ((file, argv, env),) = started
    assert file == argv[0] == "/usr/bin/qemu"
    assert argv[-5:] == [str(program), "--help", "-x", "--", "a b"]
    assert env["PATH"].startswith(str(programs_folder(guest("trixie").tree)))


def test_exec_of_a_program_that_the_guest_lacks_says_how_to_get_it(cache, monkeypatch, started):
    make_ready(monkeypatch)
    result = run("guest", "exec", "trixie", "ruby")
    assert result.exit_code == 2
    assert "ruby: there is no such program in the guest" in result.output
    assert "endianproof guest install" in result.output
    assert started == []


def test_a_shell_is_the_users_own_with_the_guests_programs_first(cache, monkeypatch, started):
    monkeypatch.setenv("SHELL", "/bin/zsh")
    result = run("guest", "shell", "trixie")
    ((file, argv, env),) = started
    assert (file, argv) == ("/bin/zsh", ["/bin/zsh"])
    folder = programs_folder(guest("trixie").tree)
    assert env["PATH"].split(":")[0] == str(folder)
    assert str(folder) in result.output


def test_install_shows_the_guest_that_came_of_it(cache, monkeypatch):
    make_ready(monkeypatch)
    monkeypatch.setattr(Guest, "setup", lambda one, _say: one.tree)
    before = guest("trixie").tree
    result = run("guest", "install", "trixie", "nodejs", "ml_dtypes==0.5.4")
    assert result.exit_code == 0
    assert guest("trixie").tree != before
    assert f"in {guest('trixie').tree}" in result.output


def test_install_refuses_what_is_neither_package_nor_wheel(cache):
    result = run("guest", "install", "trixie", "ml_dtypes>=0.5")
    assert result.exit_code == 2
    assert "'ml_dtypes>=0.5' is neither a Debian package's name nor a wheel as NAME==VERSION" in result.output


def test_a_list_that_nobody_reads_to_its_end_is_no_complaint_about_the_cache(cache, monkeypatch):
    def closed(*_arguments, **_options):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(click, "echo", closed)
    result = run("guest", "list")
    assert (result.exit_code, result.output) == (1, "")


def test_remove_says_what_became_free(cache):
    (guest("trixie").tree / "usr").mkdir(parents=True)
    (guest("trixie").tree / "usr" / "file").write_bytes(bytes(3_000_000))
    lines = run("guest", "remove", "trixie", "forky").output.splitlines()
    assert lines == ["trixie: 3 MB freed", "forky: was not set up"]
    assert not guest("trixie").tree.exists()


def test_prune_removes_other_trees_and_says_so_first(cache):
    tree = cache / "guests" / "trixie-0123456789ab"
    tree.mkdir(parents=True)
    assert f"would remove {tree}, 0 MB" in run("guest", "prune", "--dry-run").output
    assert tree.is_dir()
    assert f"removing {tree}" in run("guest", "prune").output
    assert not tree.exists()
    assert run("guest", "prune").output == "there is nothing to remove\n"


def test_prune_all_removes_downloads_too(cache):
    folder = cache / "downloads" / "trixie"
    folder.mkdir(parents=True)
    run("guest", "prune")
    assert folder.is_dir()
    run("guest", "prune", "--all")
    assert not folder.exists()


def test_a_cache_that_is_no_folder_is_one_message(cache, monkeypatch):
    (cache / "file").write_text("")
    monkeypatch.setenv("ENDIANPROOF_CACHE", str(cache / "file"))
    result = run("guest", "remove", "trixie")
    assert result.exit_code == 2
    assert "ENDIANPROOF_CACHE names another folder" in result.output
