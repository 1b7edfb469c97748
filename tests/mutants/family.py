"""The family of loaders that are wrong on purpose: every table, and the known bugs that no loader stands for."""

from __future__ import annotations

from family_safetensors import SAFETENSORS
from family_savers import SAVERS
from family_streams import STREAMS
from family_tensors import CONVERSIONS, TENSORS
from family_torch import TORCH
from family_torch_savers import TORCH_SAVERS

__all__ = ["FAMILY", "UNMAPPED"]

FAMILY = (*TENSORS, *CONVERSIONS, *SAFETENSORS, *TORCH, *STREAMS, *SAVERS, *TORCH_SAVERS)
assert len({mutant.id for mutant in FAMILY}) == len(FAMILY), "two mutants of one id"

# Known bugs of our formats that no mutant stands for, and why.
UNMAPPED = {
    "safetensors#353/#333": "a matter of speed: no value is wrong",
    "pytorch#184652 (GHSA-jg6j-8w4h-2pg2)": "quantized tensors are not specified",
    "OBSERVED-PT-7": "any NaN is right: the bits of a converted NaN are not specified",
}
