"""The dotted path of a loader to the loader: `mypkg.load`, `mypkg.sub:obj.method`."""

from __future__ import annotations

import importlib
import re
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LoaderPathError", "resolve", "top_level"]

PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*(\.[^\W\d]\w*)*)?")


class LoaderPathError(Exception):
    """The path names nothing that can be called. The message says how far it led."""


def top_level(path: str) -> str:
    """The top-level module's name: what is installed, and has a version."""
    return re.split(r"[.:]", path, maxsplit=1)[0]


def _submodule(name: str) -> ModuleType | None:
    """Import a submodule. None where there is none of that name; any error inside it passes through."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return None
        raise


def _member(found: Any, walked: str, name: str) -> Any:
    """Attribute or submodule `name` of what `walked` led to.

    The attribute wins, as for `import` users (`mypkg.load` may be a function and the module it comes from), unless
    it is just another module that the package imported: `mypkg.torch` is a submodule though mypkg imports torch.
    """
    member = getattr(found, name, None)
    foreign = isinstance(member, ModuleType) and member.__name__ != f"{walked}.{name}"
    if isinstance(found, ModuleType) and (foreign or not hasattr(found, name)):
        member = _submodule(f"{walked}.{name}") or member
    if member is None:
        raise LoaderPathError(f"{walked} has no attribute {name!r}")
    return member


def resolve(path: str) -> Callable[[Any], Any]:
    """Import what `path` names. Raises LoaderPathError, or whatever the import raises."""
    if not PATH.fullmatch(path) or not ("." in path or ":" in path):
        raise LoaderPathError(
            f"{path!r} names no loader; expected package.module.function or package.module:function"
        )
    start, colon, rest = path.partition(":")
    start, *names = (start, *rest.split(".")) if colon else start.split(".")
    found: Any = importlib.import_module(start)
    walked = start
    for name in names:
        found, walked = _member(found, walked, name), f"{walked}.{name}"
    if not callable(found):
        raise LoaderPathError(f"{walked} is a {type(found).__name__}, which cannot be called")
    called: Callable[[Any], Any] = found
    return called
