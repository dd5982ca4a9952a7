"""Main function of a version's process, the only one that imports TensorFlow."""

import dataclasses
import logging
import os
import signal
import socket
import threading
from typing import Any

from pipeline.serving import server_log
from pipeline.serving.json_tensors import TensorSpec
from pipeline.serving.model_messages import packed, receive


@dataclasses.dataclass(frozen=True)
class Loaded:
    """First message of a process whose model is loaded and warm.

    Attributes:
        inputs: Inputs by name, for each signature.
        signature_defs: TensorFlow's description of the signatures, as JSON.
    """

    inputs: dict[str, dict[str, TensorSpec]]
    signature_defs: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Failed:
    """First message of a process that could not load its model.

    Attributes:
        problem: Why not.
        is_final: Whether the model must never be loaded.
    """

    problem: str
    is_final: bool


def work(folder: str, threads: int, rows: int, sockets: list[socket.socket]) -> None:
    """Loads a model, describes it on the first socket, then answers on all.

    Args:
        folder: Folder of a SavedModel.
        threads: Number of threads that one call may use.
        rows: Number of rows of the largest batch.
        sockets: Each transmits one call at a time. The process ends when they are
            closed.
    """
    # The server ends this process after the last request, whatever else gets a signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    server_log.continue_in_process()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    from components.saved_model_scan import HostileModelError
    from pipeline.serving.loaded_model import LoadedModel

    try:
        model = LoadedModel(folder, threads)
        model.warm(rows)
    except Exception as error:  # the server reports it
        is_final = isinstance(error, HostileModelError)
        failed = Failed(f"{type(error).__name__}: {error}", is_final)
        sockets[0].sendall(packed(failed))
        return
    sockets[0].sendall(packed(Loaded(model.inputs, model.signature_defs)))

    def answer(end: socket.socket) -> None:
        stream = end.makefile("rb")
        while True:
            try:
                signature, requests = receive(stream)
                end.sendall(packed(model.answers(signature, requests)))
            except (EOFError, OSError):
                return

    answering = [
        threading.Thread(target=answer, args=(end,), daemon=True) for end in sockets
    ]
    for thread in answering:
        thread.start()
    for thread in answering:
        thread.join()
