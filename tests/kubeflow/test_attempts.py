"""Attempts within a pod, run as processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Each attempt adds its process id to a file, and ends as planned for it.
STEP = """
import os, sys, time
plan, log = sys.argv[1].split(","), open(sys.argv[2], "a+")
log.seek(0)
ending = plan[len(log.readlines())]
print(os.getpid(), file=log, flush=True)
if ending == "hangs":
    time.sleep(60)
sys.exit(int(ending))
"""


@pytest.fixture
def start(tmp_path):
    """Starts a step with a limit of attempts, a timeout and planned endings."""
    (tmp_path / "a_step.py").write_text(STEP)
    processes = []

    def run(at_most, timeout, plan):
        processes.append(
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "kubeflow.attempts", str(at_most), "0"),
                    *(str(timeout), "a_step", plan, str(tmp_path / "log")),
                ],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{tmp_path}"},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def attempts(tmp_path):
    """The process ids of the attempts."""
    log = tmp_path / "log"
    return lambda: list(map(int, log.read_text().split())) if log.exists() else []


def test_a_step_that_succeeds_is_not_tried_again(start, attempts):
    process = start(3, 0, "0")
    assert process.communicate()[0] == ""
    assert process.returncode == 0
    assert len(attempts()) == 1


def test_a_step_is_tried_until_it_succeeds(start, attempts):
    process = start(3, 0, "1,0")
    output = process.communicate()[0]
    assert output == "Attempt 1 of 3 ended with status 1.\n"
    assert (process.returncode, len(attempts())) == (0, 2)


def test_a_step_that_fails_for_good_does_not_fail_its_pod(start, attempts):
    process = start(2, 0, "1,3,0")
    output = process.communicate()[0]
    assert "Attempt 2 of 2 ended with status 3." in output
    assert "the task verdict will fail the run" in output
    assert (process.returncode, len(attempts())) == (0, 2)


def test_a_step_whose_command_is_wrong_fails_its_pod_at_once(start, attempts):
    process = start(3, 0, "2,0")
    process.communicate()
    assert (process.returncode, len(attempts())) == (2, 1)


def test_an_attempt_that_takes_too_long_is_ended(start, attempts):
    process = start(2, 1, "hangs,0")
    output = process.communicate()[0]
    assert "Attempt 1 of 2 took more than 1 s and was killed." in output
    assert (process.returncode, len(attempts())) == (0, 2)


def test_a_pod_that_is_stopped_fails_and_its_step_is_ended(start, attempts):
    process = start(3, 0, "hangs,0")
    while not attempts():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143
    [step] = attempts()
    with pytest.raises(ProcessLookupError):
        os.kill(step, 0)
