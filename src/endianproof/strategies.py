"""Hypothesis strategies for a library's own tests: tensors, tensor files, damaged tensor files.

`@given(files("safetensors"))` draws whole files with the tensors that a loader must return; `damaged_files` draws
what it must survive, and `tensors` single tensors in every layout. Importing this module imports Hypothesis.
"""

from __future__ import annotations

from endianproof.vectors.strategies import DrawnTensor, File, damaged_files, files, tensors

__all__ = ["DrawnTensor", "File", "damaged_files", "files", "tensors"]
