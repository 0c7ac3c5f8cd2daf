"""A runner for the pipeline's workflow on this machine: its jobs in their order, each step's script as it stands there.

Of GitHub's language what the workflow uses: `needs`, `if` of comparisons joined by `&&`, `env` at its three places,
outputs, and expressions that name one value (GitHub Docs, "Workflow syntax for GitHub Actions", "Contexts reference").
What it does not know is an error. A step's script runs as `bash -e`, in a folder of the job's own.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Context = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Done:
    """How a job ended: success, failure or skipped; its outputs, what it wrote, and its summary."""

    result: str
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs `workflow` in `folder`. `environment` is the machine's; `signed_in` is what a job has that may have a token.

    `settings` are the repository's `vars` and `secrets`.
    """

    workflow: Mapping[Any, Any]
    folder: Path
    environment: Mapping[str, str]
    signed_in: Mapping[str, str]
    settings: Context

    def run(self, event: Context) -> dict[str, Done]:
        """Every job; `event` is the context `github`."""
        done: dict[str, Done] = {}
        jobs = dict(self.workflow["jobs"])
        while jobs:
            name = next(one for one, job in jobs.items() if set(_needed(job)) <= set(done))
            job = jobs.pop(name)
            needs = {one: {"result": done[one].result, "outputs": done[one].outputs} for one in _needed(job)}
            context = {"github": event, **self.settings, "needs": needs}
            ready = all(one["result"] == "success" for one in needs.values())
            done[name] = self._job(name, job, context) if ready and _holds(job.get("if"), context) else _SKIPPED
        return done

    def _job(self, name: str, job: Mapping[str, Any], context: Context) -> Done:
        place = self.folder / f"{name}-{context['github']['sha'][:7]}-{len(list(self.folder.iterdir()))}"
        place.mkdir(parents=True)
        said = {**self.environment, **self._event(context["github"])}
        if job.get("permissions", {}).get("id-token") == "write":
            said |= self.signed_in
        said |= filled({**self.workflow.get("env", {}), **job.get("env", {})}, context)
        done, steps = Done(result="success"), Context()
        for number, step in enumerate(job["steps"]):
            files = {what: self.folder / f"{place.name}.{number}.{what}" for what in ("output", "summary")}
            for file in files.values():
                file.touch()
            told = {f"GITHUB_{'STEP_SUMMARY' if what == 'summary' else 'OUTPUT'}": str(files[what]) for what in files}
            own = filled(step.get("env", {}), {**context, "steps": steps})
            command = ["bash", "-e", "-c", filled({"run": step["run"]}, {**context, "steps": steps})["run"]]
            ran = subprocess.run(
                command, cwd=place, env={**said, **told, **own}, capture_output=True, text=True, check=False
            )
            done.log += ran.stdout + ran.stderr
            done.summary += files["summary"].read_text()
            lines = files["output"].read_text().splitlines()
            steps[step.get("id", str(number))] = {"outputs": dict(line.split("=", 1) for line in lines)}
            if ran.returncode:
                done.result = "failure"
                return done
        done.outputs = filled(job.get("outputs", {}), {**context, "steps": steps})
        return done

    def _event(self, event: Context) -> dict[str, str]:
        names = {"GITHUB_SHA": "sha", "GITHUB_REPOSITORY": "repository", "GITHUB_SERVER_URL": "server_url"}
        return {name: event[member] for name, member in names.items()} | {"HOME": str(self.folder)}


_SKIPPED = Done(result="skipped")


def _needed(job: Mapping[str, Any]) -> list[str]:
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else list(needs)


def _value(text: str, context: Context) -> str:
    """An operand: a text in quotation marks, or a name in the contexts; one that is not there is empty."""
    if re.fullmatch(r"'[^']*'", text):
        return text[1:-1]
    assert re.fullmatch(r"[a-z_]+(\.[\w-]+)+", text, re.ASCII), text
    first, *rest = text.split(".")
    found: Any = context[first]
    for member in rest:
        found = found.get(member, "") if isinstance(found, dict) else ""
    return str(found)


def _holds(condition: str | None, context: Context) -> bool:
    if condition is None:
        return True
    pairs = [one.split(" == ") for one in condition.split(" && ")]
    return all(_value(left.strip(), context) == _value(right.strip(), context) for left, right in pairs)


def filled(values: Mapping[str, str], context: Context) -> dict[str, str]:
    """Texts with their expressions evaluated."""
    return {
        name: re.sub(r"\$\{\{ (.*?) \}\}", lambda found: _value(found[1], context), str(value))
        for name, value in values.items()
    }


def machine() -> dict[str, str]:
    """What a runner has of its own, without anything of whoever runs the suite."""
    return {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
