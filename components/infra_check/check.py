"""Runs the probe in a limited process, and judges what it tells."""

import dataclasses
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROBE = Path(__file__).with_name("probe.py")
# Address space that TensorFlow reserves beyond what it ever touches.
RESERVED_BYTES = 8 << 30
LAST_LINES = 3  # of what a process said that gave no answer

Questions = dict[str, dict[str, list[str]]]


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a model may take.

    Attributes:
        seconds: For loading and all questions together, the start of Python included.
        memory_bytes: Resident, TensorFlow's own some 400 MB included.
        latency_ms: Median of one answer.
        size_bytes: Of all files on disk.
    """

    seconds: float
    memory_bytes: int
    latency_ms: float
    size_bytes: int


@dataclasses.dataclass(frozen=True)
class Checked:
    """What came of it.

    Attributes:
        problems: In words; a model without any is fit to serve.
        figures: What was measured, as far as it came: ``size_bytes``, ``load_seconds``,
            ``peak_bytes`` and ``answers``.
    """

    problems: tuple[str, ...]
    figures: Mapping[str, Any]


def check(model_folder: Path, questions: Questions, budget: Budget) -> Checked:
    """Asks the model in a process that can take down nothing but itself.

    Args:
        model_folder: A SavedModel.
        questions: Name → ``user``, ``history`` and, for scores, ``candidates``.
        budget: What is allowed.
    """
    files = [file for file in model_folder.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    figures: dict[str, Any] = {"size_bytes": size}
    problems = []
    if size > budget.size_bytes:
        problems.append(
            f"its files have {_mb(size)}, {_mb(budget.size_bytes)} are allowed"
        )
    told = _ask(model_folder, questions, budget)
    if isinstance(told, str):
        return Checked((*problems, told), figures)
    figures |= told
    if told["peak_bytes"] > budget.memory_bytes:
        problems.append(
            f"it took {_mb(told['peak_bytes'])} of memory, "
            f"{_mb(budget.memory_bytes)} are allowed"
        )
    for name, answer in told["answers"].items():
        if "error" in answer:
            problems.append(f"{name}: {answer['error']}")
        elif answer.get("median_ms", 0.0) > budget.latency_ms:
            problems.append(
                f"{name}: an answer takes {answer['median_ms']:.1f} ms, "
                f"{budget.latency_ms:g} are allowed"
            )
    return Checked(tuple(problems), figures)


def _ask(
    model_folder: Path, questions: Questions, budget: Budget
) -> dict[str, Any] | str:
    """What the probe told; in words if it came to no end."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(questions, file)
        file.flush()
        most = budget.memory_bytes + RESERVED_BYTES
        try:
            done = subprocess.run(
                [sys.executable, PROBE, model_folder, file.name, str(most)],
                capture_output=True,
                encoding="utf-8",
                errors="replace",  # TensorFlow repeats what it was asked
                timeout=budget.seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it did not answer everything in {budget.seconds:g} s"
    if done.returncode == -signal.SIGKILL:
        return (
            "its process was killed, as the kernel does when the memory of the machine "
            "or the container runs out"
        )
    if done.returncode:
        said = " / ".join(done.stderr.strip().splitlines()[-LAST_LINES:])
        return f"its process ended with {done.returncode}: {said}"
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _mb(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.0f} MB"
