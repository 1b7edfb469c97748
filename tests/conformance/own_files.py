"""A user's own files, written by hand: safetensors of any tensors, and its shards with an index."""

from __future__ import annotations

import json
import math

# Bits of the element types that are used, and the format's names for them.
TYPES = {
    "bfloat16": ("BF16", 16),
    "float32": ("F32", 32),
    "float4_e2m1fn": ("F4", 4),
    "float8_e4m3fn": ("F8_E4M3", 8),
    "uint8": ("U8", 8),
}


def patterned(count, seed=1):
    """So many bytes, of which no short run is repeated, and none is 0."""
    state, made = seed, bytearray()
    while len(made) < count:
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        made += bytes(1 + byte % 255 for byte in (state >> 16).to_bytes(6, "little"))
    return bytes(made[:count])


def safetensors(path, tensors):
    """Write `tensors`, name to (dtype, shape, data or None for patterned bytes), and return each one's data."""
    entries, parts, at = {}, {}, 0
    for number, (name, (dtype, shape, data)) in enumerate(tensors.items(), 1):
        word, bits = TYPES[dtype]
        size = math.prod(shape) * bits // 8
        parts[name] = patterned(size, number) if data is None else data
        assert len(parts[name]) == size
        entries[name] = {"dtype": word, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"".join(parts.values()))
    return parts


def shards(folder, groups):
    """Write each group of tensors to a file, and an index of all."""
    weights = {}
    for number, group in enumerate(groups, 1):
        name = f"model-{number:05}-of-{len(groups):05}.safetensors"
        safetensors(folder / name, group)
        weights |= dict.fromkeys(group, name)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weights}), encoding="utf-8")
    return index
