"""Loaders that give data.pkl to Python's unpickler, as a careless one does; and one that is careful."""

from __future__ import annotations

import io
import os
import pickle
import signal
import zipfile
from collections import OrderedDict

from wrong_loaders import GOOD


class Plain(pickle.Unpickler):
    """Imports whatever the pickle names, but for torch, which nobody needs here."""

    def find_class(self, module, name):
        return (lambda *_: None) if module.split(".")[0] == "torch" else super().find_class(module, name)

    def persistent_load(self, pid):  # noqa: ARG002 (as the unpickler calls it)
        return None


class Careful(Plain):
    """Imports nothing that the format does not name."""

    def find_class(self, module, name):
        if module == "collections":
            return OrderedDict
        if module.split(".")[0] != "torch":
            raise pickle.UnpicklingError(f"{module} {name} is forbidden")
        return super().find_class(module, name)


def _unpickled(path, unpickler):
    with zipfile.ZipFile(path) as archive:
        unpickler(io.BytesIO(archive.read("archive/data.pkl"))).load()
    return GOOD


def plain(path):
    return _unpickled(path, Plain)


def careful(path):
    return _unpickled(path, Careful)


def plain_and_refuse(path):
    plain(path)
    raise ValueError("unexpected result")


def plain_and_crash(path):
    plain(path)
    os.kill(os.getpid(), signal.SIGSEGV)


def torch_without_restrictions(path):
    import torch

    return torch.load(path, weights_only=False)
