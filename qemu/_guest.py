"""A guest, as the rest of the suite sees it."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from endianproof.qemu._added import read_added
from endianproof.qemu._error import GuestError
from endianproof.qemu._launch import guest_argv, guest_environment
from endianproof.qemu._project import project_recipes
from endianproof.qemu._recipe import Recipe, read_recipes
from endianproof.qemu._setup import FACTS, set_up
from endianproof.qemu._store import CACHE_VARIABLE, cache_root, use
from endianproof.qemu._tools import QEMU, TO_SET_UP, ensure
from endianproof.qemu._wheels import WheelPlatform, guest_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Guest", "guest", "guests", "recipes"]


@dataclass(frozen=True)
class Guest:
    """One emulated s390x system, made by its recipe; whether it is set up is looked up each time."""

    recipe: Recipe

    @property
    def name(self) -> str:
        """The recipe's file name: "trixie"."""
        return self.recipe.name

    @property
    def suite(self) -> str:
        """The Debian suite that its packages come from."""
        return self.recipe.suite

    @property
    def aliases(self) -> tuple[str, ...]:
        """Its other names."""
        return self.recipe.aliases

    @property
    def tree(self) -> Path:
        """Where its tree is, or would be."""
        return cache_root() / "guests" / f"{self.name}-{self.recipe.digest}"

    def is_ready(self) -> bool:
        """Whether it is set up: a tree has its name only when it is complete."""
        try:
            return (self.tree / FACTS).is_file()
        except OSError as error:  # a folder above it that may not be searched
            hint = f"make {cache_root()} readable, or set {CACHE_VARIABLE} to a folder of your own"
            raise GuestError(f"guest {self.name} cannot be looked up: {error}", hint) from error

    def facts(self) -> Mapping[str, Any]:
        """Return what set-up found: python, glibc, packages (by module), bytes. Raises GuestError."""
        try:
            facts = json.loads((self.tree / FACTS).read_text(encoding="utf-8"))
        except FileNotFoundError:
            hint = f"run: endianproof guest setup {self.name}"
            raise GuestError(f"guest {self.name} is not set up", hint) from None
        except (OSError, ValueError) as error:
            hint = f"remove {self.tree}, then run: endianproof guest setup {self.name}"
            raise GuestError(f"guest {self.name} is damaged: {error}", hint) from error
        return MappingProxyType(dict(facts))

    def age(self) -> float:
        """Seconds since it was set up. Raises OSError when it is not."""
        return time.time() - (self.tree / FACTS).stat().st_mtime

    @property
    def python_version(self) -> str:
        """The guest's Python, such as "3.13". Raises GuestError when it is not set up."""
        return str(self.facts()["python"])

    @property
    def wheel_platform(self) -> WheelPlatform:
        """What a wheel must be built for to run in it. Raises GuestError when it is not set up."""
        facts = self.facts()
        python = facts["python"]
        local = self.tree / "usr" / "local" / "lib" / f"python{python}" / "dist-packages"
        return guest_platform(
            python, facts["glibc"], (local, self.tree / "usr" / "lib" / "python3" / "dist-packages")
        )

    def setup(self, progress: Callable[[str], None]) -> Path:
        """Set it up unless it is, telling `progress` each step, and return its tree. Raises GuestError."""
        ready = self.is_ready()
        ensure((QEMU,) if ready else TO_SET_UP, progress)
        if not ready:
            self._make(progress)
        return self.tree

    def _make(self, progress: Callable[[str], None]) -> None:
        try:
            set_up(self.recipe, cache_root(), self.tree, self._qemu(), progress)
        except OSError as error:
            raise GuestError(
                f"guest {self.name} cannot be set up in {cache_root()}: {error}",
                f"make that folder writable, with room for {self.recipe.disk_mb} MB, or set {CACHE_VARIABLE}",
            ) from error

    def _qemu(self) -> str:
        qemu = QEMU.find()
        if qemu is None:
            hint = f"run: endianproof guest setup {self.name}"
            raise GuestError(f"{QEMU.what} ({' or '.join(QEMU.programs)}) is not installed here", hint)
        return qemu

    def _use(self) -> None:
        try:
            use(self.tree)
        except BlockingIOError:
            hint = f"run: endianproof guest setup {self.name}"
            raise GuestError(f"guest {self.name} is being removed by another process", hint) from None

    def command(self, argv: Sequence[str], env: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
        """Return the host's command line and environment that run `argv` inside the guest.

        `argv[0]` is a program of the guest's ("python3"), or the path of one that is built for s390x; a
        script is run by the guest's interpreter. Files are the host's, under the host's paths. The guest is
        not removed while this process lives. Raises GuestError, also when the guest is not set up.
        """
        self._use()
        self.facts()
        return guest_argv(self._qemu(), self.tree, argv), self.environment(env)

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of the guest's processes, where its programs are the first on PATH.

        A process of the host's that has it starts the guest's programs, too. The guest is not removed while
        this process lives. Raises GuestError.
        """
        self._use()
        return guest_environment(self._qemu(), self.tree, env)


def recipes() -> Mapping[str, Recipe]:
    """Every guest's recipe by its name, without what was installed into it. Raises GuestError."""
    found = (*read_recipes(), *project_recipes(Path.cwd()))
    names = [name for recipe in found for name in (recipe.name, *recipe.aliases)]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise GuestError(
            f"two guests are called {twice[0]!r}", f"these are taken: {', '.join(sorted(set(names)))}"
        )
    return MappingProxyType({recipe.name: recipe for recipe in found})


def guests() -> Mapping[str, Guest]:
    """Every guest by its name: the suite's own, and those of the project that one stands in. Raises GuestError."""
    root = cache_root()
    found = {name: Guest(read_added(root, name).to(recipe)) for name, recipe in recipes().items()}
    return MappingProxyType(found)


def guest(name: str) -> Guest:
    """Return the guest of that name or alias. Raises GuestError, which lists the known ones."""
    known = guests()
    names = {alias: found for found in known.values() for alias in (found.name, *found.aliases)}
    if name not in names:
        raise GuestError(f"there is no guest called {name!r}", f"the guests are {', '.join(names)}")
    return names[name]
