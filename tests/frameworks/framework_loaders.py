"""Loaders that give the reference's tensors as each framework's own, bit by bit and without arithmetic.

Each framework is imported when it is first called, in the testee's process. What it has not raises
NotImplementedError.
"""

from __future__ import annotations

import importlib

from endianproof.reference import load


def _numpy(tensor):
    try:
        return tensor.numpy()
    except TypeError as error:
        raise NotImplementedError(str(error)) from error


def jax(path):
    """jax's arrays, with 64 bits."""
    module = importlib.import_module("jax")
    module.config.update("jax_enable_x64", True)
    return {name: module.numpy.asarray(_numpy(tensor)) for name, tensor in load(path).items()}


def tensorflow(path):
    """TensorFlow's tensors."""
    module = importlib.import_module("tensorflow")

    def made(tensor):
        array = _numpy(tensor)
        try:
            module.dtypes.as_dtype(array.dtype)
        except TypeError as error:
            raise NotImplementedError(f"TensorFlow has no {tensor.dtype}") from error
        return module.constant(array)

    return {name: made(tensor) for name, tensor in load(path).items()}


def paddle(path):
    """Paddle's tensors; it takes numpy's uint16 for bfloat16."""
    module = importlib.import_module("paddle")

    def made(tensor):
        array = _numpy(tensor)
        if tensor.dtype in ("uint16", "uint32", "uint64") or not hasattr(module, tensor.dtype):
            raise NotImplementedError(f"paddle has no {tensor.dtype}")
        if tensor.dtype == "bfloat16":
            return module.to_tensor(array.view("u2"))
        if tensor.dtype.startswith("float8"):
            return module.to_tensor(array.view("i1")).view(getattr(module, tensor.dtype))
        return module.to_tensor(array)

    return {name: made(tensor) for name, tensor in load(path).items()}


def mlx(path):
    """MLX's arrays."""
    core = importlib.import_module("mlx.core")

    def made(tensor):
        array = _numpy(tensor)
        if tensor.dtype == "bfloat16":
            return core.array(array.view("u2")).view(core.bfloat16)
        if not hasattr(core, tensor.dtype + ("_" if tensor.dtype == "bool" else "")):
            raise NotImplementedError(f"MLX has no {tensor.dtype}")
        return core.array(array, dtype=core.float64) if tensor.dtype == "float64" else core.array(array)

    return {name: made(tensor) for name, tensor in load(path).items()}
