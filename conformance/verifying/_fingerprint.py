"""A fingerprint: a digest of each tensor's canonical bytes, which depends on neither byte order nor file format.

A JSON document in ASCII, a tensor per line, sorted by the names' UTF-8: the same tensors give the same bytes. What
it says is described in docs/verify.md and schemas/fingerprint-1.schema.json.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endianproof.conformance.outcome import LoadedTensor

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Fingerprint", "FingerprintError", "parse_fingerprint", "read_fingerprint"]

VERSION = 1
SCHEMA = Path(__file__).parents[1] / "schemas" / "fingerprint-1.schema.json"


class FingerprintError(Exception):
    """A file is no fingerprint, or tensors cannot have one. The message says what was found and expected."""


def _key(tensor: LoadedTensor) -> bytes:
    return tensor.name.encode("utf-8", "surrogatepass")


def _line(tensor: LoadedTensor) -> str:
    """What one tensor adds to the digest over all: its digest, dtype, shape, and the digest of its name."""
    shape = ",".join(map(str, tensor.shape))
    name = hashlib.sha256(_key(tensor)).hexdigest()
    return f"{tensor.sha256} {tensor.dtype} [{shape}] {name}\n"


@dataclass(frozen=True)
class Fingerprint:
    """Digests of tensors without their data, sorted by name.

    Raises FingerprintError for a name that is there twice.
    """

    tensors: tuple[LoadedTensor, ...]

    @classmethod
    def of(cls, tensors: Iterable[LoadedTensor]) -> Fingerprint:
        """Of tensors in any order."""
        return cls(tuple(sorted(tensors, key=_key)))

    def __post_init__(self) -> None:
        names = [tensor.name for tensor in self.tensors]
        twice = [one for one, other in itertools.pairwise(names) if one == other]
        if twice:
            raise FingerprintError(f"the tensor {twice[0]!r} is there twice: each file needs its own fingerprint")

    @property
    def sha256(self) -> str:
        """The hex digest over all."""
        return hashlib.sha256("".join(map(_line, self.tensors)).encode("ascii")).hexdigest()

    def text(self) -> str:
        """The document."""
        rows = ",\n".join(
            json.dumps({"name": t.name, "dtype": t.dtype, "shape": list(t.shape), "sha256": t.sha256})
            for t in self.tensors
        )
        body = f"[\n{rows}\n]" if rows else "[]"
        return f'{{\n"fingerprint": {VERSION},\n"sha256": "{self.sha256}",\n"tensors": {body}\n}}\n'


def parse_fingerprint(text: str) -> Fingerprint:
    """Read a document. Raises FingerprintError for what is none, or was damaged."""
    import jsonschema  # noqa: PLC0415 (it takes a while to import)
    from jsonschema.exceptions import best_match  # noqa: PLC0415 (likewise)

    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FingerprintError(f"no JSON: {error}") from error
    if isinstance(document, dict) and document.get("fingerprint", VERSION) != VERSION:
        raise FingerprintError(f"version {document['fingerprint']!r} of the format, {VERSION} was expected")
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    fault = best_match(jsonschema.Draft202012Validator(schema).iter_errors(document))
    if fault is not None:
        where = "/".join(map(str, fault.absolute_path))
        raise FingerprintError(f"no fingerprint: at {where or 'the top'}: {fault.message:.200}")
    tensors = (LoadedTensor(t["name"], t["dtype"], tuple(t["shape"]), t["sha256"]) for t in document["tensors"])
    found = Fingerprint.of(tensors)
    if found.sha256 != document["sha256"]:
        raise FingerprintError(
            f"damaged: its tensors give the digest {found.sha256[:12]}..., it says {document['sha256'][:12]}..."
        )
    return found


def read_fingerprint(path: Path) -> Fingerprint:
    """Read a file. Raises FingerprintError, which names it."""
    try:
        return parse_fingerprint(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FingerprintError(f"{path} cannot be read: {error}") from error
    except FingerprintError as error:
        raise FingerprintError(f"{path}: {error}") from error
