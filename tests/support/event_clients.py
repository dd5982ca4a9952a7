"""Clients that send events to a server until it is killed."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

NUM_CLIENTS = 4


def send_until_killed(client: httpx.Client, prefix: str, seconds: float) -> list[str]:
    """Sends events from four threads, and kills the server.

    Args:
        client: A client of the server, with its ``process``.
        prefix: Prefix of the events' IDs, which are their items' IDs, too.
        seconds: When the server is killed.

    Returns:
        The IDs of the acknowledged events. Of each client, one more may be on disk.
    """
    with ThreadPoolExecutor(NUM_CLIENTS) as pool:
        running = [
            pool.submit(_send, client, f"{prefix}-{number}")
            for number in range(NUM_CLIENTS)
        ]
        time.sleep(seconds)
        client.process.kill()
        return [name for thread in running for name in thread.result()]


def _send(client: httpx.Client, prefix: str) -> list[str]:
    acknowledged: list[str] = []
    with contextlib.suppress(httpx.TransportError):
        while True:
            name = f"{prefix}-{len(acknowledged)}"
            event = {
                "event_id": name,
                "user_id": "killed",
                "item_id": name,
                "rating": 4,
            }
            client.post("/v1/events", json=event).raise_for_status()
            acknowledged.append(name)
    return acknowledged
