"""The exit handler: reports to a webhook that a run, or one of its steps, failed.

``python -m kubeflow.notify WORKFLOW STATUS FAILURES`` takes Argo's ``workflow.name``,
``workflow.status`` and ``workflow.failures``. The URL is in ``MARQUEE_WEBHOOK_URL``,
from a Secret. This module imports nothing of the pipeline, which may be broken. On
Kubeflow Pipelines, ``kubeflow.verdict`` replaces it and uses ``send``.
"""

import json
import os
import re
import sys
import urllib.request
from collections.abc import Mapping
from typing import Any

URL = "MARQUEE_WEBHOOK_URL"
SECONDS = 30  # until an answer is given up on
_ATTEMPT = re.compile(r"(.+)\(\d+\)$")


def failed_steps(workflow: str, failures: str) -> dict[str, str]:
    """Returns the steps that failed for good, each with the reason.

    Args:
        workflow: Name of the workflow, which Argo lists among the failures.
        failures: Argo's list of failures, as JSON or as a JSON string of JSON. It
            contains each failed attempt, with its reason, beside the step itself.
    """
    inner: Any = json.loads(failures or "null")
    nodes: list[dict[str, str]] = json.loads(inner) if isinstance(inner, str) else inner
    steps: dict[str, str] = {}
    attempts: dict[str, str] = {}
    for node in sorted(nodes or [], key=lambda node: node["finishedAt"] or ""):
        name, why = node["displayName"], node["message"]
        if attempt := _ATTEMPT.match(name):
            attempts[attempt[1]] = why
        elif name != workflow:
            steps[name] = why
    return {name: attempts.get(name) or why for name, why in steps.items()}


def main(workflow: str, status: str, failures: str) -> int:
    """Reports a failed run; returns the exit status of the pod."""
    failed = failed_steps(workflow, failures)
    if status == "Succeeded" and not failed:
        print(f"{workflow}: nothing failed")
        return 0
    send(workflow, status, failed)
    return 0


def send(run: str, status: str, failed: Mapping[str, str]) -> None:
    """Sends a message to the webhook.

    Args:
        run: Name of the run.
        status: Final status of the run.
        failed: Name of a failed step → the reason, empty if it is not known.
    """
    steps = "; ".join(f"{name}: {why}" if why else name for name, why in failed.items())
    message = {
        "text": f"Marquee run {run}: {status}. Failed: {steps or 'no step'}",
        "workflow": run,
        "status": status,
        "failed": failed,
    }
    request = urllib.request.Request(
        os.environ[URL],
        json.dumps(message).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        print(f"{run}: reported, and the webhook answered {answer.status}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
