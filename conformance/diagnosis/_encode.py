"""Values to codes: rounding to the float types that numpy's arithmetic covers, and to bfloat16."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from endianproof.conformance.elements import Codes

__all__ = ["ENCODE", "bfloat16_codes"]


def bfloat16_codes(values: npt.NDArray[Any]) -> Codes:
    """Round float32 values to the nearest bfloat16, ties to even (rules BF-RND-01, BF-RND-02); NaN to 0x7FC0."""
    wide = values.astype(np.float32)
    bits = wide.view(np.uint32).astype(np.uint64)
    rounded = (bits + np.uint64(0x7FFF) + ((bits >> np.uint64(16)) & np.uint64(1))) >> np.uint64(16)
    codes: Codes = np.where(np.isnan(wide), np.uint64(0x7FC0), rounded).astype("<u2")
    return codes


def _ieee_codes(values: npt.NDArray[Any], kind: str) -> Codes:
    codes: Codes = values.astype(f"<{kind}").view(f"<u{kind[1:]}")
    return codes


ENCODE: dict[str, Callable[[npt.NDArray[Any]], Codes]] = {
    "float16": partial(_ieee_codes, kind="f2"),
    "bfloat16": bfloat16_codes,
    "float32": partial(_ieee_codes, kind="f4"),
    "float64": partial(_ieee_codes, kind="f8"),
}
