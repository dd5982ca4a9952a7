"""Starts a real Kafka broker on loopback, and sends events to it."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import wait_until

_ROOT = Path(__file__).parents[2]
_JARS, _PRODUCE = _ROOT / "build/kafka/broker", _ROOT / "tests/kafka/Produce.java"
_JAVA = ["java", "-XX:TieredStopAtLevel=1", "-Xmx512m", "-cp", f"{_JARS}/*"]


@contextlib.contextmanager
def kafka(folder: Path) -> Iterator[str]:
    """A broker that makes each topic with two partitions; its ``host:port``."""
    if shutil.which("java") is None or not _JARS.exists():
        pytest.skip("no Kafka: run make kafka (openjdk-17-jdk, maven)")
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        port, controller = one.getsockname()[1], other.getsockname()[1]
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "log.dirs": folder / "data",
        "num.partitions": 2,
        "offsets.topic.replication.factor": 1,
        # The events of tests have times in the past.
        "log.retention.ms": -1,
    }
    configuration = folder / "server.properties"
    configuration.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
    format_folder = ["kafka.tools.StorageTool", "format", "--config", configuration]
    with open(folder / "log", "w") as log:
        subprocess.run(
            [*_JAVA, *format_folder, "--cluster-id", "MkU3OEVBNTcwNTJENDM2Qk"],
            stdout=log,
            stderr=log,
            check=True,
        )
        server = subprocess.Popen(
            [*_JAVA, "kafka.Kafka", configuration], stdout=log, stderr=log
        )
    try:
        wait_until(lambda: server.poll() is not None or _is_open(port))
        assert server.poll() is None, (folder / "log").read_text()
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait(60)


@contextlib.contextmanager
def producer(broker: str, topic: str) -> Iterator[subprocess.Popen[str]]:
    """A process whose input is lines ``PARTITION MILLISECONDS VALUE``.

    At the end, all of them are stored by the broker.
    """
    process = subprocess.Popen(
        [*_JAVA, _PRODUCE, broker, topic],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    finally:
        process.kill()
        process.wait(60)


def _is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False
