"""Shell steps of the action and of workflows, run as GitHub runs them: outputs and the summary go to files.

What it cannot do it refuses: an `if:` or an expression that is not in the tables below fails the test.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recipes import ACTION, ROOT, action_steps, read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

EXPRESSION = re.compile(r"\$\{\{ *(.*?) *\}\}")


@dataclass
class Job:
    """One use of the action in one job: `folder` is the caller's project, `temp` the runner's own folder."""

    folder: Path
    temp: Path
    env: Mapping[str, str] = field(default_factory=dict)
    ran: dict[str, subprocess.CompletedProcess] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""

    def run(self, only: tuple[str, ...], **inputs: str) -> subprocess.CompletedProcess:
        """Run the steps of these names, in their order, until one fails; returns the last one that ran."""
        given = {name: one["default"] for name, one in read(ACTION)["inputs"].items()}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        steps = [step for step in action_steps() if step.get("name") in only]
        assert [step["name"] for step in steps] == list(only), "a step was renamed"
        for step in steps:
            if not self._wanted(step, given):
                continue
            done = self.step(step, {f"inputs.{name}": text for name, text in given.items()})
            self.ran[step["name"]] = done
            if done.returncode:
                break
        return done

    def _wanted(self, step: dict, given: dict[str, str]) -> bool:
        conditions = {
            None: True,
            "inputs.guest != ''": given["guest"] != "",
            "inputs.set-up-only != 'true'": given["set-up-only"] != "true",
        }
        return conditions[step.get("if")]

    def step(self, step: dict, values: Mapping[str, str]) -> subprocess.CompletedProcess:
        """Run one step; `values` are those of the expressions in it, as "inputs.loader"."""

        def value(text: str) -> str:
            return EXPRESSION.sub(lambda found: values[found[1]], text)

        files = {name: self.temp / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for path in files.values():
            path.write_text("")
        own = {name: value(text) for name, text in step.get("env", {}).items()}
        runner = {
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_ACTION_PATH": str(ROOT),
            **{k: str(v) for k, v in files.items()},
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder / value(step.get("working-directory", ".")),
            env={**os.environ, **runner, **self.env, **own},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = files["GITHUB_OUTPUT"].read_text().splitlines()
        self.outputs |= dict(line.split("=", 1) for line in lines)
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        return done
