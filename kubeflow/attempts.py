"""Tries a step several times within one pod, which succeeds whatever the result.

``python -m kubeflow.attempts ATTEMPTS BACKOFF TIMEOUT MODULE ARGUMENTS``. BACKOFF and
TIMEOUT are in seconds; a TIMEOUT of 0 means no limit. Kubeflow Pipelines runs nothing
that depends on a failed pod, so a step whose failure must not stop the run must not
fail its pod. ``kubeflow.verdict`` finds the failure in the metadata store.
"""

import signal
import subprocess
import sys
import time

# The exit status of a step that no further attempt can help, for example because its
# image has other sources. It fails the pod as well.
HOPELESS = 2
BACKOFF_FACTOR = 2  # factor by which the wait grows with each attempt


def main(attempts: int, backoff: float, timeout: float, command: list[str]) -> int:
    """Runs the command until it succeeds; returns the exit status of the pod.

    Args:
        attempts: Maximum number of attempts.
        backoff: Wait before the second attempt in seconds; it doubles each time.
        timeout: Time limit of one attempt in seconds; 0 for no limit.
        command: Program and its arguments.
    """
    for attempt in range(1, attempts + 1):
        problem, status = _attempt(command, timeout)
        if problem is None:
            return 0
        print(f"Attempt {attempt} of {attempts} {problem}.", flush=True)
        if status == HOPELESS:
            return HOPELESS
        if attempt < attempts:
            time.sleep(backoff)
            backoff *= BACKOFF_FACTOR
    print(
        "The step failed for good. Its pod succeeds nevertheless, so that the steps "
        "that do not need this one still run; the task verdict will fail the run."
    )
    return 0


def _attempt(command: list[str], timeout: float) -> tuple[str | None, int]:
    """Returns how an attempt failed, None if it succeeded, and its exit status."""
    process = subprocess.Popen(command)
    try:
        status = process.wait(timeout or None)
    except subprocess.TimeoutExpired:
        return f"took more than {timeout:g} s and was killed", -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}", status
    return (f"ended with status {status}" if status else None), status


if __name__ == "__main__":
    # Kubernetes stops a pod with SIGTERM. The step must not outlive this process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    *numbers, module = sys.argv[1:5]
    step = [sys.executable, "-m", module, *sys.argv[5:]]
    sys.exit(main(int(numbers[0]), float(numbers[1]), float(numbers[2]), step))
