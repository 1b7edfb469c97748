"""Entry points of libraries that need a line or two to be loaders: the table of named testees calls them.

Each module imports its library when it is imported itself, so that a library that is missing is told as such.
"""

from __future__ import annotations
