"""The Python testee: a process that has one loader or one saver at work, and says what came out, byte by byte.

It runs on the other side of the testee protocol, often inside an emulated guest, beside a library that may do
anything. Therefore the modules of this folder import the standard library and each other, nothing else, run on
Python 3.9 and later, and touch numpy or torch only where the loader has imported it, its result asks for it, or
tensors are built for a saver.

    __main__    makes this package importable where nothing is installed; serves, or says why it cannot
    arguments   the command line -> one loader or one saver
    libraries/  entry points of libraries that need a line or two to be loaders
    node/       the same for npm packages, each a program
    resolve     the dotted path of a loader or saver -> the function
    serve       requests in, replies out
    stdio       keeps the protocol's streams out of the library's reach
    building    the tensors of a save request, as torch's or numpy's
    saving      calls the saver
    opened      what a loader returned, awaited, entered, gathered
    nested      a checkpoint -> its tensors by name
    convert     one tensor -> its elements, by the first module below that knows it
    torch_tensors, numpy_arrays, tinygrad_tensors, plain_lists, dlpack (by strided), buffers
    canonical   elements in memory -> canonical bytes
    digesting   digests of many tensors at once
    handshake   what the testee says of itself, and the samples that prove its conversion
"""

from __future__ import annotations
