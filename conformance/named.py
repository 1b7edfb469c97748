"""Named testees: loaders and savers that this suite knows, by a short name or by their own dotted path."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NAMED", "NAMED_SAVERS", "NamedSaver", "NamedTestee", "formats_of", "named", "named_saver"]


@dataclass(frozen=True)
class NamedTestee:
    """One entry point. `formats` are those it reads, `needs` the packages it imports, `takes` what it is given."""

    name: str
    loader: str
    formats: tuple[str, ...]
    needs: tuple[str, ...]
    takes: str = "path"


NAMED = {
    testee.name: testee
    for testee in (
        NamedTestee(
            "reference",
            "endianproof.reference:load",
            ("safetensors", "torch-legacy", "torch-tar", "torch-zip", "torchscript"),
            ("numpy", "pyyaml"),
        ),
        NamedTestee(
            "safetensors.numpy.load", "safetensors.numpy:load", ("safetensors",), ("safetensors", "numpy"), "bytes"
        ),
        NamedTestee(
            "safetensors.numpy.load_file",
            "safetensors.numpy:load_file",
            ("safetensors",),
            ("safetensors", "numpy"),
        ),
        NamedTestee(
            "safetensors.torch.load", "safetensors.torch:load", ("safetensors",), ("safetensors", "torch"), "bytes"
        ),
        NamedTestee(
            "safetensors.torch.load_file",
            "safetensors.torch:load_file",
            ("safetensors",),
            ("safetensors", "torch"),
        ),
        NamedTestee("torch.jit.load", "torch.jit:load", ("torchscript",), ("torch",)),
        NamedTestee("torch.load", "torch:load", ("torch-legacy", "torch-tar", "torch-zip"), ("torch",)),
    )
}


@dataclass(frozen=True)
class NamedSaver:
    """One entry point that writes. `formats` are those it writes, `gives` whose tensors it is given.

    `returns` says whether it writes a file or returns its bytes; `keywords` are given to it besides.
    """

    name: str
    saver: str
    formats: tuple[str, ...]
    gives: str
    returns: str = "file"
    keywords: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


_SAFETENSORS = ("safetensors",)

NAMED_SAVERS = {
    saver.name: saver
    for saver in (
        NamedSaver("safetensors.numpy.save", "safetensors.numpy:save", _SAFETENSORS, "numpy", "bytes"),
        NamedSaver("safetensors.numpy.save_file", "safetensors.numpy:save_file", _SAFETENSORS, "numpy"),
        NamedSaver("safetensors.torch.save", "safetensors.torch:save", _SAFETENSORS, "torch", "bytes"),
        NamedSaver("safetensors.torch.save_file", "safetensors.torch:save_file", _SAFETENSORS, "torch"),
        NamedSaver("torch.save", "torch:save", ("torch-zip",), "torch"),
        NamedSaver(
            "torch.save-legacy",
            "torch:save",
            ("torch-legacy",),
            "torch",
            keywords=MappingProxyType({"_use_new_zipfile_serialization": False}),
        ),
    )
}


def named(loader: str) -> NamedTestee | None:
    """Return the named testee that `--loader` means: its name or its path, written with a dot or a colon."""
    dotted = loader.replace(":", ".")
    return next((t for t in NAMED.values() if dotted in (t.name, t.loader.replace(":", "."))), None)


def named_saver(saver: str) -> NamedSaver | None:
    """Return the named saver that `--saver` means, likewise."""
    dotted = saver.replace(":", ".")
    return next((s for s in NAMED_SAVERS.values() if dotted in (s.name, s.saver.replace(":", "."))), None)


def formats_of(loader: str) -> tuple[str, ...] | None:
    """Return the formats that a named testee reads; None for a loader that is not known here."""
    found = named(loader)
    return found.formats if found else None
