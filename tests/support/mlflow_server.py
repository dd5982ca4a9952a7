"""A real MLflow server on loopback, and what its own client finds there."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.databases import free_port

_BIN = Path(__file__).parents[2] / "build" / "mlflow" / "bin"
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


@contextlib.contextmanager
def mlflow(folder: Path) -> Iterator[str]:
    """MLflow in a folder, on SQLite; yields its address."""
    if not (_BIN / "mlflow").exists():
        pytest.skip("no MLflow: run make build/mlflow/.ready")
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    command = [str(_BIN / "mlflow"), "server", "--workers", "1", "--port", str(port)]
    places = {
        "--backend-store-uri": f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination": str(folder / "artifacts"),
    }
    with open(folder / "mlflow.log", "w") as log:
        server = subprocess.Popen(
            [*command, *(word for pair in places.items() for word in pair)],
            stdout=log,
            stderr=log,
            env=os.environ | _QUIET,
            start_new_session=True,  # it starts others, which end with it
        )
    try:
        end = time.monotonic() + 240
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{uri}/health").status_code == 200:
                    break
            if server.poll() is not None or time.monotonic() > end:
                pytest.fail((folder / "mlflow.log").read_text()[-3000:])
            time.sleep(0.2)
        yield uri
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def seen_by_its_client(uri: str, expression: str) -> Any:
    """Returns a value that MLflow's own client computes.

    Args:
        uri: Address of the server.
        expression: Python with the client as ``c``, whose value JSON can express.
    """
    code = (
        "import json, sys; from mlflow import MlflowClient\n"
        f"c = MlflowClient(sys.argv[1]); print(json.dumps({expression}))"
    )
    printed = subprocess.run(
        [str(_BIN / "python"), "-c", code, uri],
        env=os.environ | _QUIET,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return json.loads(printed.splitlines()[-1])
