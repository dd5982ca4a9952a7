"""The process of the exit handler, with a receiver on loopback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def failed(name, message, finished):
    return {
        "displayName": name,
        "message": message,
        "templateName": name.partition("(")[0],
        "phase": "Failed",
        "podName": f"marquee-x-{name}",
        "finishedAt": finished,
    }


# Argo's format: each attempt, the step, and the workflow.
FAILURES = [
    failed("marquee-x", "", "2026-11-22T03:09:00Z"),
    failed("trainer-neumf", "No more retries left", "2026-11-22T03:08:00Z"),
    failed("trainer-neumf(1)", "OOMKilled (exit code 137)", "2026-11-22T03:07:00Z"),
    failed("trainer-neumf(0)", "pod deleted", "2026-11-22T03:05:00Z"),
    failed("transform(0)", "pod deleted", "2026-11-22T03:01:00Z"),
]


def notify(url, status, failures):
    return subprocess.run(
        [sys.executable, "-m", "kubeflow.notify", "marquee-x", status, failures],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "MARQUEE_WEBHOOK_URL": url},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("status", ["Failed", "Succeeded"])
def test_what_failed_for_good_is_told_with_its_last_reason(receiver, status):
    url, messages = receiver
    quoted = json.dumps(json.dumps(FAILURES))  # Argo quotes the list
    done = notify(url, status, quoted)
    assert done.returncode == 0, done.stderr
    why = {"trainer-neumf": "OOMKilled (exit code 137)"}
    text = (
        f"Marquee run marquee-x: {status}. "
        "Failed: trainer-neumf: OOMKilled (exit code 137)"
    )
    assert messages == [
        {"text": text, "workflow": "marquee-x", "status": status, "failed": why}
    ]


@pytest.mark.parametrize("failures", ["null", '"null"', json.dumps(FAILURES[-1:])])
def test_a_run_that_came_through_is_no_message(receiver, failures):
    url, messages = receiver
    assert notify(url, "Succeeded", failures).returncode == 0
    assert messages == []


def test_a_run_that_was_stopped_is(receiver):
    url, messages = receiver
    assert notify(url, "Failed", "null").returncode == 0
    assert messages[0]["text"] == "Marquee run marquee-x: Failed. Failed: no step"


def test_a_receiver_that_does_not_answer_is_a_failure(receiver):
    assert notify("http://127.0.0.1:9/", "Failed", "null").returncode != 0
