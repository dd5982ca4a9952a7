"""Runs the probe in a limited process, and judges its answers."""

import dataclasses
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from components.infra_check.figures import Answer, ServingCheck

PROBE = "components.infra_check.probe"
PACKAGES = Path(__file__).parents[2]  # the folder that ours are imported from
# Address space that TensorFlow reserves beyond the memory that it uses.
RESERVED_BYTES = 8 << 30
LAST_LINES = 3  # of the error output of a process that failed
PROCESS = "process"  # the check that this module is

Questions = dict[str, dict[str, list[str]]]


@dataclasses.dataclass(frozen=True)
class Budget:
    """Resource limits that a model must meet.

    Attributes:
        seconds: Time for loading and all requests, including the start of Python.
        memory_bytes: Resident memory, including about 300 MB of TensorFlow itself.
        latency_ms: Median time of an answer, in milliseconds.
        size_bytes: Size of all files on disk.
    """

    seconds: float
    memory_bytes: int
    latency_ms: float
    size_bytes: int


class Probed(msgspec.Struct, frozen=True):
    """What the probe measured; ``ServingCheck`` explains the fields."""

    load_seconds: float
    peak_bytes: int
    answers: dict[str, Answer]


def check(model_folder: Path, questions: Questions, budget: Budget) -> ServingCheck:
    """Sends requests to a model, in a process that cannot harm this one.

    Args:
        model_folder: Folder of the SavedModel.
        questions: Requests by name: ``user``, ``history`` and, for scores,
            ``candidates``.
        budget: Limits that the model must meet.
    """
    files = [file for file in model_folder.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    problems = []
    if size > budget.size_bytes:
        problems.append(
            f"its files have {_mb(size)}, {_mb(budget.size_bytes)} are allowed"
        )
    probed = _probe(model_folder, questions, budget)
    if isinstance(probed, str):
        return ServingCheck(PROCESS, False, [*problems, probed], size)
    problems += _exceeded(probed, budget)
    return ServingCheck(
        check=PROCESS,
        blessed=not problems,
        problems=problems,
        size_bytes=size,
        load_seconds=probed.load_seconds,
        peak_bytes=probed.peak_bytes,
        answers=probed.answers,
    )


def _exceeded(probed: Probed, budget: Budget) -> Iterator[str]:
    """Yields each wrong answer and each exceeded limit."""
    if probed.peak_bytes > budget.memory_bytes:
        yield (
            f"it took {_mb(probed.peak_bytes)} of memory, "
            f"{_mb(budget.memory_bytes)} are allowed"
        )
    for name, answer in probed.answers.items():
        if answer.error is not None:
            yield f"{name}: {answer.error}"
        elif answer.median_ms is not None and answer.median_ms > budget.latency_ms:
            yield (
                f"{name}: an answer takes {answer.median_ms:.1f} ms, "
                f"{budget.latency_ms:g} are allowed"
            )


def _probe(model_folder: Path, questions: Questions, budget: Budget) -> Probed | str:
    """Returns the probe's figures; a description of the problem if it failed."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(questions, file)
        file.flush()
        address_space = budget.memory_bytes + RESERVED_BYTES
        try:
            done = subprocess.run(
                [sys.executable, "-m", PROBE]
                + [model_folder.resolve(), file.name, str(address_space)],
                cwd=PACKAGES,
                capture_output=True,
                encoding="utf-8",
                errors="replace",  # TensorFlow repeats the bytes of a request
                timeout=budget.seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it did not answer all requests in {budget.seconds:g} s"
    if done.returncode == -signal.SIGKILL:
        return (
            "its process was killed, as the kernel does when the memory of the machine "
            "or the container runs out"
        )
    if done.returncode:
        errors = " / ".join(done.stderr.strip().splitlines()[-LAST_LINES:])
        return f"its process ended with {done.returncode}: {errors}"
    # Unlike msgspec, json accepts half of a character, as an error may have it.
    return msgspec.convert(json.loads(done.stdout.splitlines()[-1]), Probed)


def _mb(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.0f} MB"
