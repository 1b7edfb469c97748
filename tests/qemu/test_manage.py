"""Installing into guests, removing them, and what is left of others."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time

import pytest

from endianproof.qemu import (
    GuestError,
    _wheels,
    exclusive,
    guest,
    install,
    last_use,
    leavings,
    other_trees,
    prune,
    remove,
)
from endianproof.qemu._added import Added, read_added
from endianproof.qemu._process import Finished
from endianproof.qemu._setup import FACTS
from endianproof.qemu._store import removing

USE = "import pathlib, sys; from endianproof.qemu._store import use; use(pathlib.Path(sys.argv[1]))"


def ignore(_):
    pass


def added_to(cache, name="trixie"):
    return read_added(cache, name)


def test_what_is_installed_is_part_of_the_guest_from_then_on(small, cache, programs):
    before = small.setup(ignore)
    whole = install(small, ["nodejs"], ignore)
    assert whole.tree != before
    assert before.is_dir()
    assert "nodejs" in json.loads(programs.runs()[-1])[-3].split(",")
    assert guest("trixie").recipe.packages == whole.recipe.packages
    assert guest("bookworm").recipe.packages == guest("bookworm").recipe.packages
    assert "nodejs" not in guest("bookworm").recipe.packages


def test_more_is_added_to_what_was_added(small, cache):
    install(small, ["nodejs"], ignore)
    install(small, ["mono-runtime", "nodejs"], ignore)
    assert added_to(cache) == Added(("nodejs", "mono-runtime"), ())


def test_a_failed_installation_changes_nothing(small, cache, monkeypatch):
    tree = small.setup(ignore)
    monkeypatch.setenv("FAKE_FAILURES", json.dumps({"online": "E: Unable to locate package nosuch"}))
    with pytest.raises(GuestError, match="Debian trixie has no package nosuch"):
        install(small, ["nosuch"], ignore)
    assert added_to(cache) == Added()
    assert guest("trixie").tree == tree


@pytest.mark.parametrize(
    ("offered", "known"), [("none", "check the name"), ("0.4.2, 0.4.5", "versions that have one: 0.4.2, 0.4.5")]
)
def test_a_wheel_that_there_is_not_is_told_with_what_can_be_installed(small, cache, monkeypatch, offered, known):
    said = f"ERROR: Could not find a version that satisfies the requirement x==9 (from versions: {offered})"
    monkeypatch.setattr(_wheels, "run", lambda *_, **__: Finished(1, (said,)))
    with pytest.raises(GuestError, match="there is no wheel of x==9 for Python") as caught:
        install(small, ["x==9"], ignore)
    first, *others = caught.value.hint.splitlines()
    assert first.startswith(known)
    assert "endianproof guest install trixie python3-NAME" in others[0]
    assert [line for line in others if "--" in line and "pytest" not in line] == []
    assert added_to(cache) == Added()


def test_another_version_of_a_wheel_takes_its_place():
    added = Added().and_these(["ml_dtypes==0.5.3", "python3-yaml"]).and_these(["ML.dtypes==0.5.4"])
    assert added == Added(("python3-yaml",), ("ML.dtypes==0.5.4",))


def test_a_wheel_takes_the_place_of_the_recipes_own():
    recipe = guest("bookworm").recipe
    assert recipe.wheels == ("safetensors==0.7.0",)
    assert Added((), ("safetensors==0.4.2",)).to(recipe).wheels == ("safetensors==0.4.2",)


@pytest.mark.parametrize("text", ["ml_dtypes>=0.5", "--arch=x", "a,b", "Nodejs", "", "x==1.*"])
def test_what_cannot_be_installed_is_refused_before_anything_is_done(small, programs, text):
    with pytest.raises(GuestError, match="neither a Debian package's name nor a wheel as NAME==VERSION"):
        install(small, [text], ignore)
    assert programs.runs() == []


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"packages": ["--x"], "wheels": []}', '{"packages": 1, "wheels": 1}']
)
def test_a_damaged_record_of_what_was_added_is_named(small, cache, text):
    small.setup(ignore)
    path = cache / "guests" / "trixie.added.json"
    path.write_text(text)
    with pytest.raises(GuestError, match="is damaged") as caught:
        guest("trixie")
    assert caught.value.hint == f"remove {path}"


def test_a_removed_guest_is_absent_and_forgets_what_was_installed(small, cache):
    whole = install(small, ["nodejs"], ignore)
    assert remove(whole, ignore) > 0
    assert not whole.is_ready()
    assert added_to(cache) == Added()
    assert [path.suffix for path in (cache / "guests").iterdir()] == [".lock", ".lock"]
    assert remove(whole, ignore) == 0


def test_a_removal_takes_the_trees_from_before_each_installation_and_no_other_guests(small, cache):
    trees = [small.setup(ignore)]
    trees += [install(small, [text], ignore).tree for text in ("nodejs", "mono-runtime")]
    other = cache / "guests" / "trixie-0123456789ab"
    other.mkdir()
    remove(guest("trixie"), ignore)
    assert len(set(trees)) == 3
    assert [tree for tree in trees if tree.exists()] == []
    assert other_trees() == (other,)


def test_a_removal_that_was_cut_short_leaves_no_guest(small, monkeypatch):
    tree = small.setup(ignore)

    def interrupted(path):
        if path.exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("endianproof.qemu._manage.remove_tree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            remove(small, ignore)
    assert not tree.exists()
    assert not small.is_ready()


@contextlib.contextmanager
def another_process_in(tree):
    """A process that says that it runs something in a tree, until the end of the block."""
    argv = [sys.executable, "-c", f"{USE}; print(1, flush=True); input()", tree]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield
        process.communicate()


def test_a_guest_in_which_another_process_runs_something_is_not_removed(small):
    tree = small.setup(ignore)
    with another_process_in(tree):
        with pytest.raises(GuestError, match=f"another process runs something in {tree}"):
            remove(small, ignore)
        assert small.is_ready()
    assert remove(small, ignore) > 0


def test_the_process_that_used_a_guest_may_remove_it(small):
    tree = small.setup(ignore)
    small.command(["python3"], {})
    assert remove(small, ignore) > 0
    assert not tree.exists()


def test_a_tree_of_others_is_no_leaving_while_something_runs_in_it(cache):
    tree = cache / "guests" / "sid-0123"
    tree.mkdir(parents=True)
    with another_process_in(tree):
        assert other_trees() == ()
    assert other_trees() == (tree,)
    assert last_use(tree) == pytest.approx(time.time(), abs=60)


def test_a_guest_that_is_being_removed_starts_nothing(small):
    tree = small.setup(ignore)
    small.command(["python3"], {})
    with removing(tree):
        argv = [sys.executable, "-c", USE, tree]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "BlockingIOError" in done.stderr


def test_other_trees_are_removed_and_known_ones_are_not(small, cache):
    tree = small.setup(ignore)
    (cache / "guests" / "sid.partial" / "usr").mkdir(parents=True)
    (cache / "guests" / "sid-0123").mkdir()
    assert [path.name for path in other_trees()] == ["sid-0123", "sid.partial"]
    assert prune(other_trees()) > 0
    assert other_trees() == ()
    assert (tree / FACTS).is_file()


def test_a_tree_in_the_making_is_left_alone(cache):
    (cache / "guests" / "sid.partial").mkdir(parents=True)
    with exclusive(cache / "guests" / "sid.lock", ignore):
        assert other_trees() == ()
    assert [path.name for path in other_trees()] == ["sid.partial"]


def test_downloads_and_overlays_are_what_can_be_fetched_again(cache):
    for name in ("downloads/trixie", "overlays/cp311", "guests/sid-0"):
        (cache / name).mkdir(parents=True)
    assert [path.name for path in leavings()] == ["trixie", "cp311"]


@pytest.mark.parametrize(
    ("leaving", "lock"),
    [("downloads/sid", "guests/sid"), ("built/cp313", "built/cp313"), ("overlays/cp313", "overlays/cp313")],
)
def test_what_another_process_fills_is_no_leaving(cache, leaving, lock):
    (cache / leaving).mkdir(parents=True)
    with exclusive(cache / f"{lock}.lock", ignore):
        assert leavings() == ()
    assert leavings() == (cache / leaving,)
    (cache / f"{lock}.lock").unlink()
    assert leavings() == (cache / leaving,)
