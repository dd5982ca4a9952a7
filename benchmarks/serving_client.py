"""Sends requests to ``marquee serve`` for a while, and prints how they went.

A process of its own: ``python -m benchmarks.serving_client PORT USERS SECONDS RATE``,
with a RATE of 0 for as many requests as possible. Prints an ``Answers`` as JSON.
"""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

CONNECTIONS = 64
CAPACITY_CONNECTIONS = 32


class Answers(msgspec.Struct):
    """The answers to a client's requests.

    Attributes:
        requests: Number of requests.
        seconds: Time until the last answer.
        cpu_seconds: CPU time of the client.
        milliseconds: The 50th, 95th, 99th, 99.9th and 100th percentile of the time from
            when a request was due to its answer.
        errors: Descriptions of the errors.
        versions: Number of a live version → its answers.
    """

    requests: int
    seconds: float
    cpu_seconds: float
    milliseconds: list[float]
    errors: list[str]
    versions: dict[int, int]


class Connection:
    """A connection that is kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader, self._writer = reader, writer

    async def get(self, path: str) -> tuple[int, bytes]:
        """Returns the status and the body of an answer."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        [length] = [line[15:] for line in lines if line.startswith(b"content-length:")]
        return int(lines[0].split()[1]), await self._reader.readexactly(int(length))


class Client:
    """Requests the lists of users, and records the answers."""

    def __init__(self, connections: list[Connection]):
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        for connection in connections:
            self._free.put_nowait(connection)
        self.latencies: list[float] = []
        self.versions: dict[int, int] = {}
        self.errors: list[str] = []

    async def request(self, due: float, user: str) -> None:
        """Requests one list, as soon as a connection is free."""
        connection = await self._free.get()
        try:
            status, body = await connection.get(f"/v1/recommend/{user}?k=10")
            answer = json.loads(body)
            if status != 200 or len(answer["items"]) != 10:
                raise ValueError(f"{status} {body[:200]!r}")
            version = answer["version"]
            self.versions[version] = self.versions.get(version, 0) + 1
        except (OSError, EOFError, ValueError, KeyError) as error:
            self.errors.append(repr(error))
        self.latencies.append(time.perf_counter() - due)
        self._free.put_nowait(connection)


async def send(
    port: int, users: list[str], seconds: float, rate: float | None
) -> Answers:
    """Requests users' lists for a while.

    Args:
        port: Port of the server.
        users: IDs of users, one of which is drawn for each request.
        seconds: Time in which requests are sent.
        rate: Requests per second; None sends each as soon as a connection is free.
    """
    random = np.random.default_rng(2017)
    count = CONNECTIONS if rate else CAPACITY_CONNECTIONS
    client = Client(
        [
            Connection(*await asyncio.open_connection("127.0.0.1", port))
            for _ in range(count)
        ]
    )
    started, cpu_before = time.perf_counter(), time.process_time()
    waiting: set[asyncio.Task[None]] = set()
    num_sent = 0
    while (now := time.perf_counter()) < started + seconds:
        due = started + num_sent / rate if rate else now
        if rate and due > now:
            await asyncio.sleep(due - now)
        elif not rate and len(waiting) >= CAPACITY_CONNECTIONS:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            continue
        user = users[random.integers(len(users))]
        task = asyncio.create_task(client.request(due, user))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
        num_sent += 1
    if waiting:
        await asyncio.wait(waiting)
    percentiles = np.percentile(client.latencies, [50, 95, 99, 99.9, 100])
    return Answers(
        requests=len(client.latencies),
        seconds=time.perf_counter() - started,
        cpu_seconds=time.process_time() - cpu_before,
        milliseconds=[1000 * value for value in percentiles.tolist()],
        errors=client.errors,
        versions=client.versions,
    )


def start(
    port: int, users: Path, seconds: float, rate: float | None
) -> "subprocess.Popen[str]":
    """Starts a client; its arguments are those of ``send``, with a file of users."""
    arguments = [str(port), str(users), str(seconds), str(rate or 0)]
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.serving_client", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


def answers(client: "subprocess.Popen[str]") -> Answers:
    """Waits for a client; returns what it printed."""
    return msgspec.json.decode(client.communicate()[0], type=Answers)


def main(port: str, users: str, seconds: str, rate: str) -> None:
    """Sends requests, and prints the answers' figures as JSON."""
    ids = Path(users).read_text().split()
    found = asyncio.run(send(int(port), ids, float(seconds), float(rate) or None))
    print(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
