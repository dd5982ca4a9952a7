"""The real server, in a process of its own on loopback."""

import contextlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def serving(
    out: Path, *options: str, env: Mapping[str, str] | None = None, wait: bool = True
) -> Iterator[httpx.Client]:
    """Runs ``marquee serve`` in a process of its own, and ends it by SIGTERM.

    Args:
        out: The output folder whose live model is served.
        options: More options of the command.
        env: The environment of the process, if not this one's.
        wait: Whether to wait until the server is healthy.

    Yields:
        A client of the server, with its ``process`` and the path of its ``log``.
    """
    with socket.socket() as any_free:
        any_free.bind(("127.0.0.1", 0))
        port = any_free.getsockname()[1]
    log = (out / "server.log").open("ab")
    command = [sys.executable, "-m", "pipeline", "serve", "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--port", str(port), *options],
        cwd=ROOT,
        env=env,
        stdout=log,
        stderr=log,
    )
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
    client.process, client.log = process, out / "server.log"
    try:
        if wait:
            until(client, "/healthz")
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(60)
        log.close()


def until(
    client: httpx.Client, path: str, status: int = 200, seconds: float = 120
) -> httpx.Response:
    """Requests a path until the answer has a status; returns the answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and client.process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if (answer := client.get(path)).status_code == status:
                return answer
        time.sleep(0.1)
    raise AssertionError(f"{path} is never {status}:\n{client.log.read_text()[-3000:]}")


def until_served(client: httpx.Client, version: int, seconds: float = 300) -> None:
    """Waits until a version has taken over."""
    end = time.monotonic() + seconds
    while client.get("/healthz").json()["version"] != version:
        assert time.monotonic() < end, client.log.read_text()[-3000:]
        time.sleep(0.1)


def metric(client: httpx.Client, name: str) -> float:
    """Returns a metric of the server, with its labels in the name; 0 without it."""
    text = client.get("/metrics").text
    found = re.search(rf"^{re.escape(name)} (\S+)", text, re.MULTILINE)
    return float(found[1]) if found else 0.0
