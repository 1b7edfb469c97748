"""What the testee says of itself, and the samples from which the runner proves its conversion."""

from __future__ import annotations

import platform
import sys
import warnings
from importlib import metadata
from typing import TYPE_CHECKING, Any

from endianproof.conformance.testee.canonical import SWAP_UNITS
from endianproof.conformance.testee.convert import elements_of
from endianproof.conformance.testee.resolve import top_level
from endianproof.conformance.testee.tinygrad_tensors import own_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PROTOCOL", "Prover", "introduction"]

PROTOCOL = 1

# Whose versions explain a result, beside the loader's own.
PACKAGES = (
    "cupy",
    "jax",
    "jaxlib",
    "ml_dtypes",
    "mlx",
    "numpy",
    "paddle",
    "safetensors",
    "tensorflow",
    "tinygrad",
    "torch",
)


def _version(module: str) -> str:
    """An imported module's version: its own word, else that of the distribution of its name; "" where unknown."""
    own = getattr(sys.modules.get(module), "__version__", None)
    if isinstance(own, str):
        return own
    try:
        found: Any = metadata.version(module)
    except (ImportError, LookupError, OSError, ValueError):  # what is left of an uninstallation has no METADATA
        return ""
    return found or ""  # or None, by the release of Python


def introduction(loader: str) -> dict[str, Any]:
    """The reply to hello, for a loader that has been imported from `loader`."""
    package = top_level(loader)
    known = dict.fromkeys((package, *PACKAGES))
    versions = {name: _version(name) for name in known if name in sys.modules}
    return {
        "protocol": PROTOCOL,
        "name": loader,
        "version": versions.get(package, ""),
        "byteorder": sys.byteorder,
        "machine": platform.machine(),
        "runtime": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: version for name, version in versions.items() if version},
    }


def _by_value(name: str) -> list[Any]:
    """Values whose bits every correct implementation agrees on, and whose bytes are no palindrome."""
    if name == "bool":
        return [False, True]
    return [1 + 2j] if "complex" in name else [1, 2]


def _torch(torch: Any, name: str) -> Any:
    dtype = getattr(torch, name, None)
    return torch.tensor(_by_value(name)).to(dtype) if isinstance(dtype, torch.dtype) else None


def _numpy(numpy: Any, name: str) -> Any:
    kind = getattr(numpy, name + ("_" if name == "bool" else ""), None)
    return numpy.array(_by_value(name)).astype(kind) if isinstance(kind, type) else None


def _ml_dtypes(ml_dtypes: Any, name: str) -> Any:
    kind = getattr(ml_dtypes, name, None)
    return sys.modules["numpy"].array(_by_value(name)).astype(kind) if isinstance(kind, type) else None


def _tinygrad(tinygrad: Any, name: str) -> Any:
    dtype = getattr(tinygrad.dtypes, own_name(name), None)
    return tinygrad.Tensor(_by_value(name), dtype=dtype) if dtype is not None else None


def _jax(jax: Any, name: str) -> Any:
    """None of 64 bits, unless the user has told jax to keep them: it makes others of 32 instead."""
    made = jax.numpy.asarray(_by_value(name)).astype(name)
    return made if made.dtype.name == name else None


def _mlx(mlx: Any, name: str) -> Any:
    dtype = getattr(mlx, name + ("_" if name == "bool" else ""), None)
    return mlx.array(_by_value(name)).astype(dtype, stream=mlx.cpu) if isinstance(dtype, mlx.Dtype) else None


def _paddle(paddle: Any, name: str) -> Any:
    dtype = getattr(paddle, name, None)
    return paddle.to_tensor(_by_value(name)).astype(dtype) if isinstance(dtype, paddle.dtype) else None


def _tensorflow(tensorflow: Any, name: str) -> Any:
    return tensorflow.cast(tensorflow.constant(_by_value(name)), name)


MAKERS = {
    "torch": _torch,
    "numpy": _numpy,
    "ml_dtypes": _ml_dtypes,
    "tinygrad": _tinygrad,
    "jax": _jax,
    "mlx.core": _mlx,
    "paddle": _paddle,
    "tensorflow": _tensorflow,
}


def _sample(framework: str, name: str) -> dict[str, str] | None:
    """One sample through one framework, or None where it has no such dtype or makes none of its values."""
    try:
        made = MAKERS[framework](sys.modules[framework], name)
    except Exception:  # noqa: BLE001 (frameworks name dtypes that they cannot compute with, each with its own error)
        return None
    return None if made is None else {"via": framework, "dtype": name, "data": elements_of(made).base64()}


def _samples(framework: str) -> Iterator[dict[str, str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "ComplexHalf is experimental", which a user may have made an error
        for name in SWAP_UNITS:
            sample = _sample(framework, name)
            if sample is not None:
                yield sample


class Prover:
    """Makes each framework's samples once, when the framework has been imported."""

    def __init__(self) -> None:
        self._proven: set[str] = set()

    def samples(self) -> list[dict[str, str]]:
        """Return the samples of frameworks imported since the last call.

        A loader may import its framework on its first call, so replies to load carry what hello could not.
        """
        fresh = [name for name in MAKERS if name in sys.modules and name not in self._proven]
        self._proven.update(fresh)
        return [sample for name in fresh for sample in _samples(name)]
