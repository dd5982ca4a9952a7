"""Clients of ``marquee serve`` for the benchmark: one that measures, and a flood.

The measuring client is a process of its own (``python -m benchmarks.serving_clients``),
so that its work does not delay the server's. It sends requests by the clock and not
when the last response has arrived: if the server stalls for a second, every request
that was due in that second is late, and each latency counts from the due time.
"""

import asyncio
import collections
import contextlib
import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

CONNECTIONS = 64
CAPACITY_CONNECTIONS = 32
FLOOD_CLIENTS = 4
PREDICT = "/v1/models/recommender:predict"


class Measured(msgspec.Struct):
    """The result of a measuring client.

    Attributes:
        seconds: From the first request to the last response.
        cpu_seconds: CPU time of the client itself.
        milliseconds: Latency of each request, counted from when it was due.
        versions: Number of responses by the version that gave them.
        errors: Descriptions of the failed requests.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    milliseconds: list[float] = msgspec.field(default_factory=list)
    versions: dict[int, int] = msgspec.field(default_factory=dict)
    errors: list[str] = msgspec.field(default_factory=list)

    def percentile(self, percent: float) -> float:
        """Returns a percentile of the latencies, in milliseconds."""
        return float(np.percentile(self.milliseconds, percent))


class Connection:
    """A connection that is kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader, self._writer = reader, writer

    async def get(self, path: str) -> tuple[int, bytes]:
        """Returns the status and the body of a response."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        [length] = [line[15:] for line in lines if line.startswith(b"content-length:")]
        return int(lines[0].split()[1]), await self._reader.readexactly(int(length))


async def measure(
    port: int, users: list[str], seconds: float, rate: float | None
) -> Measured:
    """Requests lists of users and measures each response.

    Args:
        port: Port of the server.
        users: IDs, one of which is drawn at random for each request.
        seconds: Time during which requests are sent.
        rate: Requests per second. None sends each request as soon as a connection is
            free.
    """
    random = np.random.default_rng(2017)
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS if rate else CAPACITY_CONNECTIONS):
        free.put_nowait(Connection(*await asyncio.open_connection("127.0.0.1", port)))
    measured = Measured()

    async def send(due: float, user: str) -> None:
        connection = await free.get()
        try:
            status, body = await connection.get(f"/v1/recommend/{user}?k=10")
            recommended = json.loads(body)
            if status != 200 or len(recommended["items"]) != 10:
                raise ValueError(f"{status} {body[:200]!r}")
            version = recommended["version"]
            measured.versions[version] = measured.versions.get(version, 0) + 1
        except (OSError, EOFError, ValueError, KeyError) as error:
            measured.errors.append(repr(error))
        measured.milliseconds.append(1000 * (time.perf_counter() - due))
        free.put_nowait(connection)

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
        task = asyncio.create_task(send(due, users[random.integers(len(users))]))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
        num_sent += 1
    if waiting:
        await asyncio.wait(waiting)
    measured.seconds = time.perf_counter() - started
    measured.cpu_seconds = time.process_time() - cpu_before
    return measured


def start(
    port: int, users: Path, seconds: float, rate: float | None
) -> Callable[[], Measured]:
    """Starts a measuring client and returns the function that waits for its result.

    Args:
        port: Port of the server.
        users: File with a user ID per line.
        seconds: See ``measure``.
        rate: See ``measure``.
    """
    arguments = [str(port), str(users), str(seconds), str(rate or 0)]
    client = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.serving_clients", *arguments],
        stdout=subprocess.PIPE,
    )
    return lambda: msgspec.json.decode(client.communicate()[0], type=Measured)


@dataclass
class Flood:
    """Clients that send the same large requests without a pause.

    Attributes:
        statuses: Number of responses by status.
        seconds: Duration of the flood, known when it has ended.
    """

    statuses: collections.Counter[int] = field(default_factory=collections.Counter)
    seconds: float = 0.0


@contextlib.contextmanager
def flood(port: int, bodies: list[bytes]) -> Iterator[Flood]:
    """Floods ``:predict`` from four connections until the block ends.

    Args:
        port: Port of the server.
        bodies: Request bodies; each client sends them in turn. Without any, nothing
            is sent.
    """
    flooding, ended = Flood(), threading.Event()
    lock = threading.Lock()

    def send(seed: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        number = seed
        while bodies and not ended.is_set():
            connection.request("POST", PREDICT, bodies[number % len(bodies)])
            response = connection.getresponse()
            response.read()
            with lock:
                flooding.statuses[response.status] += 1
            number += 1
        connection.close()

    started = time.perf_counter()
    with ThreadPoolExecutor(FLOOD_CLIENTS) as pool:
        clients = [pool.submit(send, seed) for seed in range(FLOOD_CLIENTS)]
        try:
            yield flooding
        finally:
            ended.set()
    flooding.seconds = time.perf_counter() - started
    for client in clients:
        client.result()


def main() -> None:
    """Measures with the arguments PORT USERS SECONDS RATE; prints JSON."""
    port, users, seconds, rate = sys.argv[1:]
    names = Path(users).read_text().split()
    measuring = measure(int(port), names, float(seconds), float(rate) or None)
    print(msgspec.json.encode(asyncio.run(measuring)).decode())


if __name__ == "__main__":
    main()
