"""Beam's workers on this machine: processes in which TFX is already imported.

Beam's own ``multi_processing`` starts a Python for each worker of each step, and each
imports TFX again: some 10 seconds of CPU. These are forked from the process that the
workers of steps are forked from (``runs.workers``; docs/adr/0035), which has imported
everything once.
"""

import json
import logging
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from typing import Any

from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_fn_api_pb2, endpoints_pb2
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.worker import sdk_worker_main
from google.protobuf import json_format, text_format

from pipeline import main_module

_SECONDS_TO_END = 10.0
_SECONDS_BETWEEN_FAILURES = 0.5


def register() -> None:
    """Makes Beam start these workers where it would start its own processes."""
    worker_handlers.WorkerHandler.register_environment(
        python_urns.SUBPROCESS_SDK, bytes
    )(_ForkedWorker)


class _ForkedWorker(worker_handlers.GrpcWorkerHandler):
    """Starts and ends one worker of a Beam pipeline."""

    def __init__(self, command: bytes, *args: Any):
        del command  # that starts Beam's own worker
        super().__init__(*args)
        self._is_ending = False

    def start_worker(self) -> None:
        """Starts the process; called by Beam."""
        control = endpoints_pb2.ApiServiceDescriptor(url=self.control_address)
        options = self.provision_info.provision_info.pipeline_options
        environment = {
            "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(control),
            "PIPELINE_OPTIONS": json.dumps(json_format.MessageToDict(options)),
            "WORKER_ID": self.worker_id,
        }
        errors = Connection(os.dup(2), readable=False)
        self._process = multiprocessing.get_context("forkserver").Process(
            target=_work,
            args=(environment, errors, os.getcwd()),
            name="Beam worker",
            daemon=True,
        )
        with main_module.hidden():
            self._process.start()
        errors.close()
        threading.Thread(target=self._fail_with_process, daemon=True).start()

    def stop_worker(self) -> None:
        """Waits until the process has ended; called by Beam, which has stopped it."""
        self._is_ending = True
        self._process.join(_SECONDS_TO_END)
        self._process.kill()

    def close(self) -> None:
        """Ends the connections and the process; called by Beam."""
        self._is_ending = True
        super().close()

    def _fail_with_process(self) -> None:
        """Fails the requests to a worker that ended before its time.

        Beam would wait for its answers forever.
        """
        connection.wait([self._process.sentinel])
        error = (
            f"a Beam worker ended (exit status {self._process.exitcode}), perhaps "
            "because memory ran out. Set beam.processes to fewer"
        )
        while not self._is_ending:
            for number, future in dict(self.control_conn._futures_by_id).items():
                future.set(
                    beam_fn_api_pb2.InstructionResponse(
                        instruction_id=number, error=error
                    )
                )
            time.sleep(_SECONDS_BETWEEN_FAILURES)


def _work(environment: dict[str, str], errors: Connection, folder: str) -> None:
    """Runs bundles until the pipeline ends.

    Args:
        environment: What Beam's own worker reads from environment variables.
        errors: Takes what the process writes to its standard streams.
        folder: The working directory.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the step is interrupted, and ends us
    threading.Thread(target=_end_with_step, daemon=True).start()
    os.chdir(folder)
    for number in (1, 2):
        os.dup2(errors.fileno(), number)
    logging.disable(logging.INFO)  # Beam's reports about its connections
    _, harness, _ = sdk_worker_main.create_harness(environment)
    harness.run()


def _end_with_step() -> None:
    """Ends this process when that of the step has ended."""
    step = parent_process()
    if step is not None:
        connection.wait([step.sentinel])
        os._exit(1)
