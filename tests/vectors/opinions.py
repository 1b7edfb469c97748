"""What independent readers make of a golden file: real loaders, and one of the standard library and numpy alone.

`python tests/vectors/opinions.py [GLOB...]` prints, for the vectors that must or may be refused, who refuses them.
"""

from __future__ import annotations

import contextlib
import fnmatch
import io
import json
import pickle
import sys
import tarfile
import warnings
import zipfile
from collections import OrderedDict

import numpy as np

from endianproof.vectors import load_vectors

# Element types by swap unit and number of units to an element, as numpy's documentation has them.
UNITS = {
    **dict.fromkeys(("bool", "uint8", "int8"), (1, 1)),
    **dict.fromkeys(("uint16", "int16", "float16", "bfloat16"), (2, 1)),
    **dict.fromkeys(("uint32", "int32", "float32"), (4, 1)),
    **dict.fromkeys(("uint64", "int64", "float64"), (8, 1)),
    **dict.fromkeys(
        ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"), (1, 1)
    ),
    "complex32": (2, 2),
    "complex64": (4, 2),
    "complex128": (8, 2),
}
PACKED = ("float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn")
SAFETENSORS = {
    "BOOL": "bool",
    **{
        f"{letter}{bits}": f"{name}{bits}"
        for letter, name in (("U", "uint"), ("I", "int"))
        for bits in (8, 16, 32, 64)
    },
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "BF16": "bfloat16",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
    "F6_E2M3": "float6_e2m3fn",
    "F6_E3M2": "float6_e3m2fn",
    "F4": "float4_e2m1fn",
}
STORAGES = {
    "Byte": "uint8",
    "Char": "int8",
    "Short": "int16",
    "Int": "int32",
    "Long": "int64",
    "Half": "float16",
    "Float": "float32",
    "Double": "float64",
    "BFloat16": "bfloat16",
    "Bool": "bool",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
    # Classes that only TorchScript names.
    **{f"UInt{bits}": f"uint{bits}" for bits in (16, 32, 64)},
    "ComplexHalf": "complex32",
    **{name.capitalize(): name for name in UNITS if name.startswith("float8_")},
    "Float4_e2m1fn_x2": "float4_e2m1fn_x2",
}
PAIRS = "_x2"  # behind a dtype's name: two elements in a byte, counted as one


class NoOpinionError(Exception):
    """The reader does not know this kind of file: it says nothing about it."""


def flat(value, is_tensor, path=(), seen=None):
    """The tensors of nested containers, by their names joined with dots.

    What was `seen` holds itself, or holds no tensors: once through it is enough.
    """
    if is_tensor(value):
        return {".".join(path): value}
    seen = {} if seen is None else seen
    if id(value) in seen:
        return {}
    seen[id(value)] = value
    items = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    )
    found = {}
    for key, item in items:
        found |= flat(item, is_tensor, (*path, str(key)), seen)
    if found:
        del seen[id(value)]
    return found


# The standard library and numpy


def elements(data, dtype, shape, order, *, offset=0, stride=None):
    """Canonical bytes of elements that lie in `data`."""
    if dtype in PACKED:
        return dtype, tuple(shape), bytes(data)
    unit, parts = UNITS[dtype]
    size = unit * parts
    if stride is None:
        stride = [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
    if 0 in shape:
        return dtype, tuple(shape), b""
    steps = [0 if n == 1 else step * size for n, step in zip(shape, stride, strict=True)]
    kind = {"little": "<", "big": ">"}[order] + f"u{unit}"
    array = np.ndarray((*shape, parts), kind, bytes(data), offset * size, (*steps, unit))
    return dtype, tuple(shape), array.astype(f"<u{unit}").tobytes()


def read_safetensors(path):
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        found[name] = elements(
            data[start + begin : start + end], SAFETENSORS[entry["dtype"]], entry["shape"], "little"
        )
    return found


class Named(str):
    """A name of module torch, which nothing is imported for."""

    __slots__ = ()


class Rebuilt(tuple):
    """The arguments of a call that rebuilds a tensor."""

    __slots__ = ()


class Module(dict):
    """An object of a class that TorchScript compiled: its attributes."""

    __setstate__ = dict.update


class Reader(pickle.Unpickler):
    """Python's own unpickler, with names in the place of torch's classes and functions."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils" and name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"):
            return lambda *arguments: Rebuilt(arguments)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *_: tensor
        if module.partition(".")[0] == "__torch__":
            return Module
        if module in ("torch", "torch.storage") and (
            name in UNITS or name.removesuffix(PAIRS) in PACKED or name.endswith(("Storage", "Tensor"))
        ):
            return Named(name)
        raise NoOpinionError(f"{module} {name}")

    def persistent_load(self, pid):
        return Named(pid) if isinstance(pid, str) else pid  # a tar file's are keys of tensors


def size_of(typed):
    """Bytes of what a storage counts: elements of its type; bytes if it has none, or if elements share one."""
    return int(np.prod(UNITS[typed])) if typed in UNITS else 1


def conjugated(data, unit):
    """Canonical bytes of complex numbers with the sign of each second part turned."""
    parts = np.frombuffer(data, f"<u{unit}").reshape(-1, 2).copy()
    parts[:, 1] ^= np.array(1 << (8 * unit - 1), parts.dtype)
    return parts.tobytes()


def rebuild(arguments, order, bytes_of):
    (_, kind, key, _, numel, *view), offset, shape, stride = arguments[:4]
    bits = next((argument for argument in arguments[6:] if isinstance(argument, dict)), {})
    if bits not in ({}, {"conj": True}):
        raise NoOpinionError("negative bits")
    typed = STORAGES.get(kind.removesuffix("Storage"))
    dtype, counted = typed or arguments[6], size_of(typed)
    data = bytes_of(key)
    if len(data) != numel * counted:
        raise ValueError(f"{len(data)} bytes for {numel} elements of {counted}")
    if view and view[0]:
        _, begin, count = view[0]
        data = data[begin * counted : (begin + count) * counted]
    if dtype.endswith(PAIRS):
        _, _, pairs = elements(data, "uint8", shape, order, offset=offset, stride=stride)
        return dtype.removesuffix(PAIRS), (*shape[:-1], 2 * shape[-1]), pairs
    found = elements(data, dtype, shape, order, offset=offset, stride=stride)
    return (*found[:2], conjugated(found[2], UNITS[dtype][0])) if bits else found


def read_torch_zip(path):
    with zipfile.ZipFile(path) as archive:
        folder = archive.namelist()[0].partition("/")[0] + "/"
        order = "little"
        if folder + "byteorder" in archive.namelist():
            order = archive.read(folder + "byteorder").decode()
        root = Reader(io.BytesIO(archive.read(folder + "data.pkl")), encoding="utf-8").load()
        tensors = flat(root, lambda value: isinstance(value, Rebuilt))
        return {
            name: rebuild(call, order, lambda key: archive.read(f"{folder}data/{key}"))
            for name, call in tensors.items()
        }


def read_torch_legacy(path):
    stream = io.BytesIO(path.read_bytes())
    for _ in range(3):
        Reader(stream, encoding="utf-8").load()
    root = Reader(stream, encoding="utf-8").load()
    keys = Reader(stream, encoding="utf-8").load()
    calls = flat(root, lambda value: isinstance(value, Rebuilt))
    kinds = {call[0][2]: call[0][1].removesuffix("Storage") for call in calls.values()}
    data = {}
    for key in keys:
        if key not in kinds:
            raise NoOpinionError("a storage that no tensor names")
        count = int.from_bytes(stream.read(8), "little")
        data[key] = stream.read(count * size_of(STORAGES.get(kinds[key])))
    return {name: rebuild(call, "little", data.__getitem__) for name, call in calls.items()}


def number(stream, size):
    return int.from_bytes(stream.read(size), "little", signed=True)


def tar_storages(stream):
    """Element type and bytes of each storage, and of each view of one, by its key."""
    found = {}
    for _ in range(Reader(stream).load()):
        key, _, kind = Reader(stream).load()
        typed = STORAGES[kind.removesuffix("Storage")]
        found[key] = typed, stream.read(number(stream, 8) * size_of(typed))
    for key, root, begin, count in Reader(stream).load():
        typed, data = found[root]
        found[key] = typed, data[begin * size_of(typed) : (begin + count) * size_of(typed)]
    return found


def tar_tensors(stream, storages):
    found = {}
    for _ in range(Reader(stream).load()):
        key, storage, _ = Reader(stream).load()
        rank, _ = number(stream, 4), stream.read(4)
        shape, stride = ([number(stream, 8) for _ in range(rank)] for _ in range(2))
        typed, data = storages[storage]
        found[str(key)] = elements(data, typed, shape, "little", offset=number(stream, 8), stride=stride)
    return found


def read_torch_tar(path):
    with tarfile.open(path) as archive:
        members = ("pickle", "tensors", "storages")
        objects, tensors, storages = (io.BytesIO(archive.extractfile(name).read()) for name in members)
    described = tar_tensors(tensors, tar_storages(storages))
    ids = flat(Reader(objects).load(), lambda value: isinstance(value, Named))
    return {name: described[one] for name, one in ids.items()}


OWN = {
    "safetensors": read_safetensors,
    "torch-zip": read_torch_zip,
    "torch-legacy": read_torch_legacy,
    "torch-tar": read_torch_tar,
    "torchscript": read_torch_zip,
}


def by_the_standard_library(vector):
    if vector.format not in OWN:
        raise NoOpinionError(vector.format)
    return OWN[vector.format](vector.path)


# Real loaders


def of_torch(tensor, torch):
    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    data = plain.flatten().view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    name = str(tensor.dtype).removeprefix("torch.")
    if name.endswith(PAIRS):
        return name.removesuffix(PAIRS), (*tensor.shape[:-1], 2 * tensor.shape[-1]), data
    return name, tuple(tensor.shape), data


def by_torch(vector):
    import torch

    if (vector.format, vector.verdict) == ("torch-tar", "reject"):
        raise NoOpinionError("without weights_only, torch would run the code that some of these files name")
    loaded = torch.load(vector.path, weights_only=vector.format != "torch-tar")  # which only this setting reads
    found = flat(loaded, lambda value: isinstance(value, torch.Tensor))
    return {name: of_torch(tensor, torch) for name, tensor in found.items()}


def by_torch_jit(vector):
    import torch

    return {name: of_torch(tensor, torch) for name, tensor in torch.jit.load(vector.path).state_dict().items()}


def by_safetensors_for_torch(vector):
    import safetensors.torch
    import torch

    return {name: of_torch(tensor, torch) for name, tensor in safetensors.torch.load_file(vector.path).items()}


def by_safetensors_for_numpy(vector):
    import ml_dtypes  # noqa: F401 (where nobody imported it, safetensors 0.8.0 knows no bfloat16)
    import safetensors.numpy

    found = {}
    for name, array in safetensors.numpy.load_file(vector.path).items():
        found[name] = array.dtype.name, array.shape, np.ascontiguousarray(array).tobytes()
    return found


def by_the_reference(vector):
    from endianproof.reference import load

    return {name: (one.dtype, one.shape, bytes(one.canonical)) for name, one in load(vector.path).items()}


OPINIONS = {
    "reference": (by_the_reference, ("safetensors", "torch")),
    "standard library": (by_the_standard_library, ("safetensors", "torch")),
    "safetensors.torch": (by_safetensors_for_torch, ("safetensors",)),
    "safetensors.numpy": (by_safetensors_for_numpy, ("safetensors",)),
    "torch.load": (by_torch, ("torch-",)),
    "torch.jit.load": (by_torch_jit, ("torchscript",)),
}


def asked(vector):
    """The opinions that there are on a vector's format."""
    return [name for name, (_, formats) in OPINIONS.items() if vector.format.startswith(formats)]


def opinion(name, vector):
    """`agrees`, `refuses`, `other-values`, `other-form` (names, dtypes or shapes), or None for no opinion."""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            found = OPINIONS[name][0](vector)
    except NoOpinionError:
        return None
    except Exception:  # noqa: BLE001 (a refusal, of whatever class the library chose)
        return "refuses"
    if {one: form[:2] for one, form in found.items()} != {t.name: (t.dtype, t.shape) for t in vector.tensors}:
        return "other-form"
    same = {one: data for one, (_, _, data) in found.items()} == {t.name: t.canonical for t in vector.tensors}
    return "agrees" if same else "other-values"


def main(globs):
    for vector in load_vectors():
        if vector.verdict != "accept" and any(fnmatch.fnmatchcase(vector.id, glob) for glob in globs or ["*"]):
            said = {name: opinion(name, vector) for name in asked(vector)}
            loads = {"agrees": "loads", "other-form": "loads", "other-values": "loads"}
            shown = ", ".join(f"{name} {loads.get(what, what)}" for name, what in said.items() if what)
            print(f"{vector.id} ({vector.verdict}): {shown}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
