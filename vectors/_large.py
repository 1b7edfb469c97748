"""Makes the file of a large vector, sparse, when it is needed. Nothing of that size is ever held in memory."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from endianproof.spec import load_spec
from endianproof.vectors._expand import encode_recipe, recipes
from endianproof.vectors._sparse import sha256, write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from endianproof.vectors._expand import Recipe
    from endianproof.vectors._manifest import Vector

__all__ = ["make"]


@functools.cache
def _recipes(format_name: str) -> Mapping[str, Recipe]:
    return recipes(load_spec().formats[format_name])


def make(vector: Vector, folder: Path) -> Vector:
    """Write the file of a large vector into `folder`, and return the vector with that file and all its digests.

    The file has holes where zeros are. Raises OSError; ValueError where the manifest is another specification's.
    """
    spec = load_spec()
    found = _recipes(vector.format)
    encoded = encode_recipe(found[vector.id], found, spec.formats[vector.format], spec)
    if len(encoded.contents) != vector.size:
        raise ValueError(f"manifest is damaged: {vector.id} has {len(encoded.contents)} bytes, not {vector.size}")
    path = folder / vector.path.name
    write(encoded.contents, path)
    tensors = (replace(tensor, sha256=tensor.sha256 or sha256(tensor.contents)) for tensor in vector.tensors)
    return replace(vector, path=path, tensors=tuple(tensors))
