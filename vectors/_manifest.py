"""Manifests: what a conforming loader makes of each golden file.

One `manifest.json` per format, one vector per line, validated by `manifest.schema.json`. Ids are permanent.
`large.json`, of the same form, lists the vectors whose files are made when they are needed: most are past 4 GiB.
Canonical bytes stand in the manifest itself, or as the named pattern that yields them where that is shorter.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from endianproof.spec import load_spec
from endianproof.vectors._patterns import canonical_pattern
from endianproof.vectors._sparse import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.vectors._sparse import Data

__all__ = [
    "LARGE",
    "MANIFEST",
    "ExpectedTensor",
    "PolicyChoice",
    "Vector",
    "load_large",
    "load_manifest",
    "load_vectors",
]

ROOM = Path(__file__).resolve().parent
MANIFEST, LARGE = "manifest.json", "large.json"


@dataclass(frozen=True)
class ExpectedTensor:
    """What a conforming loader returns under one name, and where the file keeps it.

    `shape`, `storage_offset` and `stride` are in elements. `at` is the byte offset in the file at which the
    tensor's storage begins, `storage_nbytes` its length; `byte_order` is the order on disk. `sha256` is that of
    the canonical bytes, "" for a tensor of a large vector until its file is made.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str
    at: int
    storage_nbytes: int
    byte_order: str
    storage_offset: int
    stride: tuple[int, ...]
    source: Mapping[str, Any]

    @property
    def nbytes(self) -> int:
        """How many canonical bytes there are."""
        return (math.prod(self.shape) * load_spec().element_types[self.dtype].bits + 7) // 8

    @property
    def contents(self) -> Data:
        """The canonical bytes, as a run of zeros and what follows it where they are very many."""
        if "zeros" not in self.source:
            return self.canonical
        return run(0, self.source["zeros"]) + base64.b64decode(self.source["data"], validate=True)

    @property
    def canonical(self) -> bytes:
        """The canonical bytes: C order, each element little-endian."""
        if "zeros" in self.source:
            raise ValueError(f"the canonical bytes of {self.name!r} are too many: {self.nbytes}")
        if "data" in self.source:
            data = base64.b64decode(self.source["data"], validate=True)
        else:
            element = load_spec().element_types[self.dtype]
            data = canonical_pattern(
                element, self.source["pattern"], self.source["count"], self.source.get("skip", 0)
            )
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise ValueError(f"manifest is damaged: canonical bytes of {self.name!r} do not match their sha256")
        return data


@dataclass(frozen=True)
class PolicyChoice:
    """The policy a `may` vector depends on: which choice loads it, which refuses it, which is recommended."""

    name: str
    accept: str
    reject: str
    recommended: str | None


@dataclass(frozen=True)
class Vector:
    """One golden file and its verdict: `accept`, `reject`, or `may` (then `policy` is there).

    `derived_from` and `change` name the sibling it differs from and the one stated change; `seen_in` are ids
    of real bugs it would have caught. A `may` vector has the tensors of a loader that accepts it. The file of a
    `large` one is not there, and has no digest: `endianproof.vectors.make` makes it.
    """

    id: str
    format: str
    path: Path
    sha256: str
    size: int
    rules: tuple[str, ...]
    verdict: str
    description: str
    tensors: tuple[ExpectedTensor, ...]
    policy: PolicyChoice | None = None
    derived_from: str | None = None
    change: str | None = None
    seen_in: tuple[str, ...] = ()
    large: bool = False

    @property
    def kind(self) -> str:
        """The word for it in reports."""
        return "vector"


def _tensor(entry: Mapping[str, Any]) -> ExpectedTensor:
    source = {key: entry[key] for key in ("data", "pattern", "count", "skip", "zeros") if key in entry}
    return ExpectedTensor(
        name=entry["name"],
        dtype=entry["dtype"],
        shape=tuple(entry["shape"]),
        sha256=entry.get("sha256", ""),
        at=entry["at"],
        storage_nbytes=entry["storage_nbytes"],
        byte_order=entry["byte_order"],
        storage_offset=entry["storage_offset"],
        stride=tuple(entry["stride"]),
        source=MappingProxyType(source),
    )


def _vector(entry: Mapping[str, Any], format_name: str, folder: Path) -> Vector:
    return Vector(
        id=entry["id"],
        format=format_name,
        path=folder / entry["file"],
        sha256=entry.get("sha256", ""),
        size=entry["size"],
        rules=tuple(entry["rules"]),
        verdict=entry["verdict"],
        description=entry["description"],
        tensors=tuple(_tensor(tensor) for tensor in entry["tensors"]),
        policy=PolicyChoice(**entry["policy"]) if "policy" in entry else None,
        derived_from=entry.get("from"),
        change=entry.get("change"),
        seen_in=tuple(entry.get("seen_in", ())),
        large=entry.get("large", False),
    )


def load_manifest(path: Path) -> tuple[Vector, ...]:
    """Read one manifest, in its order. Raises OSError, or ValueError where it is not one."""
    document = json.loads(path.read_text(encoding="utf-8"))
    if document.get("manifest") != 1:
        raise ValueError(f"{path.name}: manifest version {document.get('manifest')!r} found, 1 expected")
    return tuple(_vector(entry, document["format"], path.parent) for entry in document["vectors"])


@functools.cache
def load_vectors() -> tuple[Vector, ...]:
    """Every committed vector of every format, formats in the specification's order."""
    return tuple(vector for name in load_spec().formats for vector in load_manifest(ROOM / name / MANIFEST))


@functools.cache
def load_large() -> tuple[Vector, ...]:
    """Every vector whose file is made when it is needed, in the same order."""
    paths = (ROOM / name / LARGE for name in load_spec().formats)
    return tuple(vector for path in paths if path.exists() for vector in load_manifest(path))
