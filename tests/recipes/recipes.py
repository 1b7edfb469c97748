"""The recipes for other people's CI, and the scripts that are in them: what is linted and what tests run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
ACTION = ROOT / "action.yml"
TEMPLATE = ROOT / "templates" / "endianproof.gitlab-ci.yml"
WORKFLOWS = tuple(
    sorted((*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("examples/*/.github/workflows/*.yml")))
)
PIPELINES = (TEMPLATE, *sorted(ROOT.glob("examples/*/.gitlab-ci.yml")))


@dataclass(frozen=True)
class Script:
    """A shell script, and what names it for people."""

    name: str
    text: str


def read(path: Path) -> dict:
    """A recipe's YAML; the key `on` stays a word."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in document.items()}


def action_steps() -> list[dict]:
    """The steps of the composite action."""
    return read(ACTION)["runs"]["steps"]


def _step_scripts(path: Path, steps: list[dict]) -> list[Script]:
    name = path.relative_to(ROOT)
    return [Script(f"{name}: {step.get('name', step['run'])}", step["run"]) for step in steps if "run" in step]


def pipeline_scripts(path: Path) -> list[Script]:
    """The scripts of a GitLab pipeline's jobs."""
    jobs = {name: job for name, job in read(path).items() if isinstance(job, dict)}
    return [
        Script(f"{path.relative_to(ROOT)}: {name}.{key}", "\n".join(job[key]))
        for name, job in jobs.items()
        for key in ("before_script", "script", "after_script")
        if key in job
    ]


def scripts() -> list[Script]:
    """Every shell script of every recipe."""
    found = _step_scripts(ACTION, action_steps())
    for path in WORKFLOWS:
        for job in read(path)["jobs"].values():
            found += _step_scripts(path, job.get("steps", []))
    for path in PIPELINES:
        found += pipeline_scripts(path)
    return found


def action_as_workflow() -> dict:
    """The composite action as a workflow: its inputs as the workflow's, its steps as those of one job."""
    action = read(ACTION)
    inputs = {name: {"type": "string", **rest} for name, rest in action["inputs"].items()}
    job = {"runs-on": "ubuntu-24.04", "steps": action["runs"]["steps"]}
    return {"name": action["name"], "on": {"workflow_call": {"inputs": inputs}}, "jobs": {"action": job}}
