"""The compilers and interpreters that the example adapters are built with, as Debian and Ubuntu package them."""

from __future__ import annotations

import sys

from endianproof.qemu import GuestError
from endianproof.qemu._tools import Tool, ensure

CPP = (
    Tool("a C++ compiler", packages=("g++",), programs=("g++",)),
    Tool("a C++ compiler for s390x", packages=("g++-s390x-linux-gnu",), programs=("s390x-linux-gnu-g++",)),
    Tool("nlohmann's JSON for C++", packages=("nlohmann-json3-dev",), files=("/usr/include/nlohmann/json.hpp",)),
)
GO = (Tool("Go", packages=("golang-go",), programs=("go",)),)
JAVASCRIPT = (Tool("Node", packages=("nodejs",), programs=("node",)),)
CSHARP = (
    Tool("Mono's compiler", packages=("mono-mcs",), programs=("mcs",)),
    Tool("Mono", packages=("mono-runtime",), programs=("mono",)),
)
TOOLCHAINS = {"cpp": CPP, "go": GO, "javascript": JAVASCRIPT, "csharp": CSHARP}


def install(languages=TOOLCHAINS):
    """Install, as root, what is missing for some languages. Raises GuestError, which says what to install."""
    ensure([tool for language in languages for tool in TOOLCHAINS[language]], print)


if __name__ == "__main__":
    try:
        install()
    except GuestError as error:
        sys.exit(f"{error}\n{error.hint}")
