"""Calls one saver with the tensors of a request, and looks at them again afterwards."""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any

from endianproof.conformance.testee.building import build
from endianproof.conformance.testee.convert import tensor_messages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Saver"]


def _takes_a_path(save: Callable[..., Any]) -> bool:
    """Whether a saver can be called with tensors and a path; where its signature cannot be had, yes."""
    try:
        inspect.signature(save).bind({}, "")
    except TypeError:
        return False
    except ValueError:
        return True
    return True


class Saver:
    """One saver. `gives` is the framework of the tensors that it is handed; `returns` is file, bytes or auto."""

    def __init__(self, save: Callable[..., Any], gives: str, returns: str, keywords: Mapping[str, Any]) -> None:
        self._save = save
        self._gives = gives
        self._with_path = _takes_a_path(save) if returns == "auto" else returns == "file"
        self._keywords = dict(keywords)

    def build(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The tensors to save. Raises what `building.build` raises."""
        return build(request, self._gives)

    def write(self, tensors: dict[str, Any], path: str) -> list[dict[str, Any]]:
        """Have them saved, and return them as they are then. Raises whatever the saver raises.

        Bytes that a saver returns instead of writing a file are written to the path.
        """
        handed = dict(tensors)  # what a saver does to its dict is no change of a tensor
        given = (handed, path) if self._with_path else (handed,)
        written = self._save(*given, **self._keywords)
        if isinstance(written, (bytes, bytearray, memoryview)) and not os.path.exists(path):  # noqa: PTH110 (pathlib would be one more import in an emulated guest)
            with open(path, "wb") as file:  # noqa: PTH123 (as above)
                file.write(written)
        return tensor_messages(tensors, "data")
