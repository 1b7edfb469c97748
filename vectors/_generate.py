"""Writes golden files and manifests from the specification, or compares those that are there with it."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endianproof.spec import load_spec
from endianproof.vectors._expand import encode_recipe, recipes
from endianproof.vectors._manifest import LARGE, MANIFEST
from endianproof.vectors._patterns import ZerosFirst, encode_all
from endianproof.vectors._sparse import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from endianproof.spec import Format, Spec
    from endianproof.vectors._encoded import Encoded, Placed
    from endianproof.vectors._expand import Recipe
    from endianproof.vectors._sparse import Data

__all__ = ["Drift", "check", "generate"]

ROOM = Path(__file__).resolve().parent
# Longer canonical bytes stand in the manifest by the name of their pattern.
_INLINE_BYTES = 768


@dataclass(frozen=True)
class Drift:
    """A file that is not what the specification makes: `missing`, `different` or `unexpected`."""

    path: Path
    kind: str


def _values(tensor: Placed, canonical: Data) -> dict[str, Any]:
    """What the manifest says of the elements, with their digest; that of 4 GiB is left to those who need it."""
    if not isinstance(canonical, bytes):
        assert isinstance(tensor.codes, ZerosFirst), "nothing else is that long"
        rest = plain(encode_all(tensor.element, tensor.codes.rest, "little"))
        return {"zeros": len(canonical) - len(rest), "data": base64.b64encode(rest).decode("ascii")}
    return {**_plain_values(tensor, canonical), "sha256": hashlib.sha256(canonical).hexdigest()}


def _plain_values(tensor: Placed, canonical: bytes) -> dict[str, Any]:
    if tensor.pattern is not None and (len(canonical) > _INLINE_BYTES or tensor.skip):
        values = {"pattern": tensor.pattern, "count": len(tensor.codes)}
        return {**values, "skip": tensor.skip} if tensor.skip else values
    return {"data": base64.b64encode(canonical).decode("ascii")}


def _tensor_entry(tensor: Placed) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "dtype": tensor.element.name,
        "shape": list(tensor.shape),
        **_values(tensor, tensor.contents()),
        "at": tensor.at,
        "storage_nbytes": tensor.storage_nbytes,
        "byte_order": tensor.byte_order,
        "storage_offset": tensor.storage_offset,
        "stride": list(tensor.stride),
    }


def _plain(value: Any) -> Any:
    """A frozen value as JSON has it."""
    return dict(value) if isinstance(value, Mapping) else list(value)


def _change_in_words(change: Mapping[str, Any]) -> str:
    text = json.dumps(change, ensure_ascii=True, sort_keys=True, default=_plain)
    return text if len(text) <= 200 else text[:200] + " ..."


def _entry(recipe: Recipe, encoded: Encoded, file: str, form: Format) -> dict[str, Any]:
    template = recipe.template
    entry: dict[str, Any] = {
        "id": recipe.id,
        "file": file,
        **({"large": True} if template.large else {"sha256": hashlib.sha256(encoded.data).hexdigest()}),
        "size": len(encoded.contents),
        "rules": list(template.rules),
        "verdict": template.verdict,
        "description": recipe.description,
    }
    if template.policy is not None:
        policy = form.policies[template.policy]
        entry["policy"] = {
            "name": policy.name,
            "accept": policy.accept,
            "reject": policy.reject,
            "recommended": policy.recommended,
        }
    if recipe.derived_from is not None and recipe.change is not None:
        entry["from"] = recipe.derived_from
        entry["change"] = _change_in_words(recipe.change)
    if template.seen_in:
        entry["seen_in"] = list(template.seen_in)
    entry["tensors"] = [_tensor_entry(tensor) for tensor in encoded.tensors]
    return entry


def _manifest(form: Format, entries: list[dict[str, Any]]) -> bytes:
    """One vector a line, so that a change shows as the lines it touches."""
    lines = ",\n".join(json.dumps(entry, ensure_ascii=True) for entry in entries)
    head = json.dumps({"manifest": 1, "format": form.name})[:-1]
    return f'{head}, "vectors": [\n{lines}\n]}}\n'.encode()


def _files(spec: Spec) -> Iterator[tuple[str, bytes]]:
    """Every file of the room that the specification makes: relative name and bytes."""
    for form in spec.formats.values():
        found = recipes(form)
        entries: dict[str, list[dict[str, Any]]] = {MANIFEST: [], LARGE: []}
        for recipe in found.values():
            encoded = encode_recipe(recipe, found, form, spec)
            name = f"{recipe.id}.{form.extension}"
            entries[LARGE if recipe.template.large else MANIFEST].append(_entry(recipe, encoded, name, form))
            if not recipe.template.large:
                yield f"{form.name}/{name}", encoded.data
        for manifest, listed in entries.items():
            if listed:
                yield f"{form.name}/{manifest}", _manifest(form, listed)


def _write(path: Path, data: bytes) -> None:
    """Write beside, then rename: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        file.write(data)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def _stale(root: Path, spec: Spec, made: Mapping[str, bytes]) -> list[Path]:
    return [
        path
        for name in spec.formats
        for path in sorted((root / name).glob("*"))
        if path.relative_to(root).as_posix() not in made
    ]


def check(root: Path | None = None) -> list[Drift]:
    """How the files below `root` (None: this room) differ from what the specification makes; writes nothing."""
    root, spec = root or ROOM, load_spec()
    made = dict(_files(spec))
    drifts = [Drift(path, "unexpected") for path in _stale(root, spec, made)]
    for name, data in made.items():
        path = root / name
        if not path.exists():
            drifts.append(Drift(path, "missing"))
        elif path.read_bytes() != data:
            drifts.append(Drift(path, "different"))
    return drifts


def generate(root: Path | None = None) -> int:
    """Write every golden file and manifest below `root` (None: this room), and return their number.

    Files there that no vector has are removed. All are made before the first is written. Raises ValueError where
    the specification cannot be encoded, OSError.
    """
    root, spec = root or ROOM, load_spec()
    made = dict(_files(spec))
    for path in _stale(root, spec, made):
        path.unlink()
    for name, data in made.items():
        _write(root / name, data)
    return len(made)
