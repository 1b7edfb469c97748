"""Named testees: loaders that this suite knows, by a short name or by their own dotted path."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NAMED", "NamedTestee", "formats_of", "named"]


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
            ("safetensors", "torch-legacy", "torch-zip"),
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
        NamedTestee("torch.load", "torch:load", ("torch-legacy", "torch-zip"), ("torch",)),
    )
}


def named(loader: str) -> NamedTestee | None:
    """Return the named testee that `--loader` means: its name or its path, written with a dot or a colon."""
    dotted = loader.replace(":", ".")
    return next((t for t in NAMED.values() if dotted in (t.name, t.loader.replace(":", "."))), None)


def formats_of(loader: str) -> tuple[str, ...] | None:
    """Return the formats that a named testee reads; None for a loader that is not known here."""
    found = named(loader)
    return found.formats if found else None
