"""Workers that are processes of this machine, and find each other by loopback."""

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from trainer_modules.workers.reports import Report

WORKER = "trainer_modules.worker"
LAST_LINES = 15  # of a worker's output, in messages


class LocalWorkers:
    """The processes of one attempt; all of them have ended when it is left.

    Attributes:
        reports: What is heard from the workers, in the order of arrival.
    """

    def __init__(self, order: str, addresses: Sequence[str], numbers: Sequence[int]):
        """Starts the processes.

        Args:
            order: File with the arguments of the Trainer.
            addresses: Host and port of each worker, the chief first.
            numbers: Which of them to start here.
        """
        self.reports: queue.Queue[Report] = queue.Queue()
        self._outputs = tempfile.TemporaryDirectory()
        self._processes = {
            number: self._start(order, addresses, number) for number in numbers
        }
        for number, process in self._processes.items():
            threading.Thread(
                target=self._read, args=[number, process], daemon=True
            ).start()

    @classmethod
    def together(cls, order: str, count: int) -> "LocalWorkers":
        """Starts all workers of a training."""
        addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
        return cls(order, addresses, range(count))

    def __enter__(self) -> "LocalWorkers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()  # also one that is stopped; what counts is in checkpoints
        for process in self._processes.values():
            process.wait()
        self._outputs.cleanup()

    def last_lines(self, number: int) -> str:
        """Returns the end of what a worker has written to its standard streams."""
        text = self._output(number).read_text(errors="replace")
        return "\n".join(text.splitlines()[-LAST_LINES:])

    def _output(self, number: int) -> Path:
        return Path(self._outputs.name, f"worker-{number}.log")

    def _start(
        self, order: str, addresses: Sequence[str], number: int
    ) -> subprocess.Popen[str]:
        """Starts a worker, which learns from TensorFlow's variable who it is."""
        variables = {
            "TF_CONFIG": tf_config(addresses, number - 1 if number else None),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        with self._output(number).open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", WORKER, order, str(os.getpid())],
                env=os.environ | variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )

    def _read(self, number: int, process: subprocess.Popen[str]) -> None:
        """Passes on the reports of a worker until it ends."""
        assert process.stdout
        for line in process.stdout:
            # A process that is killed may leave half a line, and imports may print.
            with contextlib.suppress(ValueError, TypeError):
                self.reports.put(Report(number, **json.loads(line)))
        self.reports.put(Report(number, status=process.wait()))


def tf_config(addresses: Sequence[str], index: int | str | None) -> str:
    """Returns the value of ``TF_CONFIG`` for a worker.

    Args:
        addresses: Host and port of each worker, the chief first.
        index: Number of the worker among those after the chief; None for the chief.
    """
    chief, *others = addresses
    task = {"type": "worker", "index": index}
    if index is None:
        task = {"type": "chief", "index": 0}
    return json.dumps({"cluster": {"chief": [chief], "worker": others}, "task": task})


def free_ports(count: int) -> list[int]:
    """Returns ports that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
