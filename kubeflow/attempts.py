"""Tries a step several times within one pod, and succeeds whatever the result.

``python -m kubeflow.attempts ATTEMPTS BACKOFF TIMEOUT MODULE ARGUMENTS``, in seconds,
with a timeout of 0 for none. Kubeflow Pipelines runs nothing that depends on a pod that
failed, so a step whose failure the run outlives must not fail its pod. Its failure is
in the metadata store, where ``kubeflow.verdict`` finds it.
"""

import signal
import subprocess
import sys
import time

# The exit status of a step whose command can never succeed, such as one of other
# sources. It fails the pod too.
HOPELESS = 2
BACKOFF_FACTOR = 2  # by which the wait before a further attempt grows


def main(attempts: int, backoff: float, timeout: float, command: list[str]) -> int:
    """Runs the command until it succeeds; returns the exit status of the pod.

    Args:
        attempts: At most.
        backoff: Seconds before the second attempt; twice as many before each further.
        timeout: Seconds that one attempt may take; 0 for any number.
        command: Program and arguments.
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
        "The step failed for good. The pod succeeds all the same, so that the steps "
        "that do not need this one still run; the task verdict will fail the run."
    )
    return 0


def _attempt(command: list[str], timeout: float) -> tuple[str | None, int]:
    process = subprocess.Popen(command)
    try:
        status = process.wait(timeout or None)
    except subprocess.TimeoutExpired:
        return f"took more than {timeout:g} s, and was ended", -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}", status
    return (f"ended with status {status}" if status else None), status


if __name__ == "__main__":
    # Kubernetes stops a pod with it. The step must not go on by itself.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    *numbers, module = sys.argv[1:5]
    step = [sys.executable, "-m", module, *sys.argv[5:]]
    sys.exit(main(int(numbers[0]), float(numbers[1]), float(numbers[2]), step))
