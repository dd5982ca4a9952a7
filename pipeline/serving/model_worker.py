"""What runs in a version's own process; TensorFlow is imported only there."""

import logging
import os
import signal
import threading
from multiprocessing.connection import Connection


def work(folder: str, threads: int, rows: int, connections: list[Connection]) -> None:
    """Loads a model, tells about it on the first connection, then answers on all.

    Args:
        folder: Of a SavedModel.
        threads: That one call may use.
        rows: Of the largest batch.
        connections: Each is asked for one call at a time; their end ends the process.
    """
    # The server ends us when its last request has ended, whoever else is told to stop.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    from components.saved_model_scan import HostileModelError
    from pipeline.serving.loaded_model import LoadedModel

    try:
        model = LoadedModel(folder, threads)
        model.warm(rows)
    except Exception as error:  # whatever it is, the server hears of it
        is_final = isinstance(error, HostileModelError)
        connections[0].send((f"{type(error).__name__}: {error}", is_final))
        return
    connections[0].send(
        {"inputs": model.inputs, "signature_defs": model.signature_defs}
    )

    def answer(connection: Connection) -> None:
        while True:
            try:
                signature, requests = connection.recv()
            except (EOFError, OSError):
                return
            connection.send(model.answers(signature, requests))

    answering = [
        threading.Thread(target=answer, args=(connection,), daemon=True)
        for connection in connections
    ]
    for thread in answering:
        thread.start()
    for thread in answering:
        thread.join()
