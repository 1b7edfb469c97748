"""A loader's path is found as `import` would find it, and what is wrong with it is said."""

from __future__ import annotations

import sys
import textwrap

import pytest

from endianproof.conformance.testee.resolve import LoaderPathError, resolve, top_level


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a function named like a submodule, and a submodule named like a module that it imports."""
    files = {
        "__init__.py": "import json\nfrom eppkg.load import load\n",
        "load.py": "def load(path):\n    return 'function'\n",
        "json.py": "def load(path):\n    return 'own json'\n",
        "deep.py": """
            class Reader:
                class Inner:
                    @staticmethod
                    def load(path):
                        return 'inner'
        """,
        "broken.py": "import a_module_that_nobody_has\n",
        "failing.py": "raise OSError('no such device')\n",
    }
    (tmp_path / "eppkg").mkdir()
    for name, text in files.items():
        (tmp_path / "eppkg" / name).write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "eppkg"]:
        del sys.modules[name]


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("eppkg.load", "function"),
        ("eppkg:load", "function"),
        ("eppkg.load:load", "function"),
        ("eppkg.json.load", "own json"),
        ("eppkg.json:load", "own json"),
        ("eppkg.deep.Reader.Inner.load", "inner"),
        ("eppkg.deep:Reader.Inner.load", "inner"),
    ],
)
def test_a_path_leads_to_its_loader(path, result):
    assert resolve(path)("file") == result


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("path", "error", "said"),
    [
        ("eppkg.broken.load", ModuleNotFoundError, "a_module_that_nobody_has"),
        ("eppkg.failing.load", OSError, "no such device"),
        ("eppkg.deep.Writer", LoaderPathError, "eppkg.deep has no attribute 'Writer'"),
        ("eppkg.absent.load", LoaderPathError, "eppkg has no attribute 'absent'"),
        ("eppkg.deep", LoaderPathError, "eppkg.deep is a module, which cannot be called"),
        ("eppkg", LoaderPathError, "expected package.module.function"),
        ("eppkg:", LoaderPathError, "names no loader"),
        ("../eppkg.load", LoaderPathError, "names no loader"),
    ],
)
def test_a_path_that_leads_nowhere_says_how_far_it_led(path, error, said):
    with pytest.raises(error, match=said.replace(".", r"\.")):
        resolve(path)


def test_the_top_level_module_is_what_has_a_version():
    assert [top_level(path) for path in ("a.b.c", "a:b", "a.b:c.d")] == ["a", "a", "a"]
