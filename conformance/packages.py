"""What `--with` asks for: names with versions, projects' folders and wheels, made one request for pip."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from endianproof.qemu import build_in_guest, build_wheel, cache_root, copy_source, host_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from endianproof.qemu import Guest, WheelPlatform

__all__ = ["OverlayError", "Request", "content_of", "from_folder", "parse", "request_of"]

EXAMPLE = "write it as safetensors==0.4.2, as a range: safetensors<0.5, or as a path: . or dist/mypkg.whl"


class OverlayError(Exception):
    """An overlay cannot be had. The message says what happened, `hint` what to do about it (may be "")."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Request:
    """What was asked for, in one normal form, and for which platform.

    `requirements` are for pip, by normal name: names with versions, and paths of wheels. `exact` tells whether the
    same request means the same tomorrow, `content` one wheel from another of the same version. `builder` is the
    guest that builds what has no wheel, None where nothing is built.
    """

    requirements: Mapping[str, str]
    extras: Mapping[str, frozenset[str]]
    exact: bool
    content: str
    platform: WheelPlatform
    folder: Path
    builder: Guest | None = None

    @property
    def record(self) -> Path:
        """The file that remembers the answer."""
        named = sorted(text for text in self.requirements.values() if not text.endswith(".whl"))
        built = [f"built in {self.builder.name}"] if self.builder else []  # dependencies, too
        key = hashlib.sha256("\n".join([*named, self.content, *built]).encode()).hexdigest()[:16]
        return self.folder / f"{key}.json"

    @property
    def shown(self) -> str:
        """What is asked for, for people."""
        return ", ".join(Path(text).name for _, text in sorted(self.requirements.items()))


@dataclass(frozen=True)
class _Local:
    """A project's folder or a wheel, with the extras that are wanted."""

    path: Path
    extras: frozenset[str]


# An @ comes before a URL.
LOCAL = re.compile(r"(?P<path>\.\.?|~|[^@]*/[^@\[]*|[^@]*\.whl)(\[(?P<extras>[^\]]*)\])?")


def parse(text: str) -> Requirement | _Local:
    """Read one package as the user gave it. Raises OverlayError."""
    if match := LOCAL.fullmatch(text):
        return _local(Path(match["path"]).expanduser(), match["extras"] or "")
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise OverlayError(f"{text!r} is not a package with a version: {reason}", EXAMPLE) from error
    if requirement.url or requirement.marker:
        unwanted = "a URL" if requirement.url else "a condition"
        raise OverlayError(f"{text!r} has {unwanted}; only a name and versions are taken", EXAMPLE)
    return requirement


def from_folder(text: str, folder: Path) -> str:
    """The same package, a project or wheel by its whole path where it was named from this folder."""
    match = LOCAL.fullmatch(text)
    return f"{folder / Path(match['path']).expanduser()}{text[match.end('path') :]}" if match else text


def _local(path: Path, extras: str) -> _Local:
    expected = "a wheel" if path.suffix == ".whl" else "a folder with a pyproject.toml"
    files = [path] if path.suffix == ".whl" else [path / name for name in ("pyproject.toml", "setup.py")]
    try:
        if not any(file.is_file() for file in files):
            raise OverlayError(f"{path}: {expected} was expected there, and is not", EXAMPLE)
        if path.suffix == ".whl":
            _name_and_platforms(path)
            content_of(path)
    except OSError as error:  # it, or a folder above it that may not be searched
        raise OverlayError(f"{path} cannot be read: {error.strerror}", "make it readable") from error
    return _Local(path.absolute(), frozenset(extra.strip() for extra in extras.split(",") if extra.strip()))


def _is_exact(requirement: Requirement) -> bool:
    return any(
        specifier.operator in {"==", "==="} and "*" not in specifier.version for specifier in requirement.specifier
    )


def _name_and_platforms(wheel: Path) -> tuple[str, list[str]]:
    """What a wheel's name says: of which package it is, in its normal name, and for what. Raises OverlayError."""
    try:
        name, _, _, tags = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as error:
        why = f"{wheel.name} is no wheel's name: NAME-VERSION-PYTHON-ABI-PLATFORM.whl was expected"
        raise OverlayError(why, "give it the name back that it was built under") from error
    return name, sorted({tag.platform for tag in tags})


def _wheel_of(
    local: _Local, guest: Guest | None, builder: Guest | None, made: Path, progress: Callable[[str], None]
) -> Path:
    """The wheel that was given, or that the project becomes; for a guest it must not be built for this machine."""
    wheel = local.path
    if wheel.suffix != ".whl":
        folder = Path(tempfile.mkdtemp(dir=made))
        wheel = _built(local.path, builder, folder, progress)
    _, platforms = _name_and_platforms(wheel)
    if guest is not None and not any(name == "any" or name.endswith("_s390x") for name in platforms):
        raise OverlayError(
            f"{wheel.name} is compiled for {', '.join(platforms)}, and guest {guest.name} is s390x",
            "--build-in-guest has the guest compile it; or build its wheel for s390x, and give the path: "
            "--with=dist/NAME-VERSION-...-linux_s390x.whl",
        )
    return wheel


def _built(project: Path, builder: Guest | None, folder: Path, progress: Callable[[str], None]) -> Path:
    """The wheel of a project, built here or by a guest."""
    if builder is None:
        progress(f"building a wheel of {project}")
        return build_wheel(project, folder)
    copy_source(project, folder / "source")
    return build_in_guest(builder, folder / "source", str(project.resolve()), progress)


def content_of(wheel: Path) -> str:
    """What is in a wheel, whenever it was built: names, sizes and checksums, without their times.

    Raises OverlayError where it is none, OSError where it cannot be read.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            entries = sorted((one.filename, one.file_size, one.CRC) for one in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        found = str(error) if wheel.stat().st_size else "it is empty"
        why = f"{wheel} is damaged: {found}; a wheel, which is a zip file, was expected"
        raise OverlayError(why, "build it anew, or fetch it again") from error
    return json.dumps(entries)


def request_of(
    wanted: Sequence[str],
    guest: Guest | None,
    made: Path,
    progress: Callable[[str], None],
    *,
    builds: bool = False,
) -> Request:
    """Make one request of what the user gave; wheels of projects are built in `made`, or by a guest that `builds`.

    Raises OverlayError, and GuestError where a project cannot be built or the guest is not set up.
    """
    asked: dict[str, str] = {}
    extras: dict[str, frozenset[str]] = {}
    exact, content, builder = True, [], guest if builds else None
    for one in map(parse, wanted):
        if isinstance(one, _Local):
            wheel = _wheel_of(one, guest, builder, made, progress)
            (name, _), text = _name_and_platforms(wheel), str(wheel)
            content.append(content_of(wheel))
        else:
            name, text = canonicalize_name(one.name), str(one)
            exact = exact and _is_exact(one)
        if name in asked:
            raise OverlayError(f"{name} is asked for twice: {asked[name]} and {text}", "ask for it once")
        asked[name], extras[name] = text, frozenset(one.extras)
    platform = guest.wheel_platform if guest else host_platform()
    return Request(
        requirements=asked,
        extras=extras,
        exact=exact,
        content="\n".join(content),
        platform=platform,
        folder=cache_root() / "overlays" / platform.tag,
        builder=builder,
    )
