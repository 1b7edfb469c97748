"""The Python testee: a process that loads files with one loader and says what came out, byte by byte.

It runs on the other side of the testee protocol, often inside an emulated guest, beside a library that may do
anything. Therefore the modules of this folder import the standard library and each other, nothing else, run on
Python 3.9 and later, and touch numpy or torch only where the loader has imported it or its result asks for it.

    __main__    the command line; makes this package importable where nothing is installed
    resolve     the dotted path of a loader -> the loader
    serve       requests in, replies out
    stdio       keeps the protocol's streams out of the library's reach
    convert     what a loader returned -> named tensors
    torch_tensors, numpy_arrays    one tensor -> its elements, as they lie in memory
    canonical   elements in memory -> canonical bytes
    handshake   what the testee says of itself, and the samples that prove its conversion
"""

from __future__ import annotations
