"""Runs commands in processes of their own, and measures their memory."""

import contextlib
import ctypes
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click
import psutil

from pipeline.runs import finished_runs
from pipeline.runs.model_record import ModelRecord
from pipeline.runs.record import RunRecord
from pipeline.runs.status import Status

MODULE = (sys.executable, "-m")
MARQUEE = Path(sys.executable).with_name("marquee")
SECONDS_BETWEEN_SAMPLES = 0.2
# Pauses last as many times as long as a sample, which takes 50 ms for a run that trains
# on MovieLens 1M, and holds it up: five in a second took a fifth of a core.
PAUSE_PER_SAMPLE = 30
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def adopt_orphans() -> None:
    """Makes processes whose parents end children of this one.

    A run's workers come from a process that the run does not wait for, so that their
    CPU seconds would be missing.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def wait_for_orphans() -> None:
    """Waits until every child has ended."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def cpu_seconds() -> float:
    """Returns the CPU seconds of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@dataclass(frozen=True)
class Finished:
    """The result of a process.

    Attributes:
        last_line: Last line of its standard output.
        peak_bytes: Peak of the memory of all its processes together, as far as regular
            samples saw it.
    """

    last_line: str
    peak_bytes: int


@dataclass(frozen=True)
class MarqueeRun:
    """A ``marquee run``.

    Attributes:
        record: The run's record.
        peak_bytes: Peak of the memory of its processes.
    """

    record: RunRecord
    peak_bytes: int

    def seconds(self, names: Iterable[str]) -> dict[str, float]:
        """Returns the seconds of the named steps."""
        steps = {step.name: step.seconds for step in self.record.steps}
        return {name: steps[name] for name in names}

    def model(self, name: str) -> ModelRecord:
        """Returns the result of one model."""
        return next(model for model in self.record.models if model.name == name)

    def metrics(self, name: str) -> dict[str, float]:
        """Returns the metrics of one model that could be measured."""
        found = self.model(name).metrics.items()
        return {metric: value for metric, value in found if value is not None}


def run_process(*command: object) -> Finished:
    """Runs a command in a process of its own.

    Raises:
        click.ClickException: If it fails; the message has the end of its output.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([*map(str, command)], stdout=out, stderr=log)
        peak = 0
        while (waited := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            started = time.monotonic()
            peak = max(peak, resident_bytes(process.pid))
            pause = PAUSE_PER_SAMPLE * (time.monotonic() - started)
            time.sleep(max(SECONDS_BETWEEN_SAMPLES, pause))
        _, status, usage = waited
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        log.seek(0)
        lines = out.read().splitlines()
        # `marquee run` pushes no model if only popularity is trained.
        if process.returncode not in (0, Status.REFUSED.exit_status):
            output = "\n".join([*log.read().splitlines()[-15:], *lines[-15:]])
            raise click.ClickException(f"{command} failed:\n{output}")
    bytes_per_unit = 1 if sys.platform == "darwin" else 1024
    # The kernel reports the peak of the largest process, samples or not.
    peak = max(peak, usage.ru_maxrss * bytes_per_unit)
    return Finished(lines[-1] if lines else "", peak)


def resident_bytes(pid: int) -> int:
    """Returns the resident memory of a process and of all its descendants.

    On Linux, memory that processes share counts once (the proportional set size).
    """
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                memory = process.memory_full_info()
                total += getattr(memory, "pss", memory.rss)
    return total


def marquee(
    out: Path, data: str, models_to_train: str | None, *settings: str
) -> MarqueeRun:
    """Runs ``marquee run`` in a process of its own.

    Args:
        out: Folder of the runs.
        data: Data set, file or folder.
        models_to_train: Value of ``--models``; None for the default.
        *settings: Values of ``--set``.
    """
    arguments = ["--data", data, "--out", out]
    if models_to_train:
        arguments += ["--models", models_to_train]
    for setting in settings:
        arguments += ["--set", setting]
    peak = run_process(MARQUEE, "run", *arguments).peak_bytes
    return MarqueeRun(finished_runs.read(out), peak)
