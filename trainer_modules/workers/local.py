"""Workers that are processes of this machine, and find each other by loopback."""

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
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

    def __init__(self, order: Path, count: int):
        """Starts the processes.

        Args:
            order: File with the arguments of the Trainer; the output of the workers is
                written beside it.
            count: Number of workers.
        """
        self.reports: queue.Queue[Report] = queue.Queue()
        self._outputs = [
            order.with_name(f"worker-{number}.log") for number in range(count)
        ]
        addresses = [f"127.0.0.1:{port}" for port in _free_ports(count)]
        self._processes = [
            self._start(order, addresses, number) for number in range(count)
        ]
        for number, process in enumerate(self._processes):
            threading.Thread(
                target=self._read, args=[number, process], daemon=True
            ).start()

    def __enter__(self) -> "LocalWorkers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()  # also one that is stopped; what counts is in checkpoints
        for process in self._processes:
            process.wait()

    def last_lines(self, number: int) -> str:
        """Returns the end of what a worker has written to its standard streams."""
        text = self._outputs[number].read_text(errors="replace")
        return "\n".join(text.splitlines()[-LAST_LINES:])

    def _start(
        self, order: Path, addresses: Sequence[str], number: int
    ) -> subprocess.Popen[str]:
        """Starts a worker, which learns from TensorFlow's variable who it is."""
        task = {"type": "worker", "index": number}
        variables = {
            "TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task}),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        with self._outputs[number].open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", WORKER, str(order), str(os.getpid())],
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


def _free_ports(count: int) -> list[int]:
    """Returns ports that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
