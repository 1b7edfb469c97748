"""runai-model-streamer: every tensor of a stream, copied, because the stream uses its buffers again."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["stream"]

streamer: Any = importlib.import_module("runai_model_streamer")


def stream(path: str) -> dict[str, Any]:
    """Every tensor by its name."""
    with streamer.SafetensorsStreamer() as stream:
        stream.stream_file(path)
        return {name: tensor.clone() for name, tensor in stream.get_tensors()}
