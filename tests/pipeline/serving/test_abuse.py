"""Hostile requests in large numbers, with real processes."""

import contextlib
import http.client
import json
import random
import signal
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import psutil
import pytest

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(1800)]

NUM_MALFORMED = 10_000
NUM_GARBAGE = 500
NUM_REQUESTS = 50_000
NUM_CONNECTIONS = 500
MAX_GROWTH = 48 << 20  # bytes of resident memory, over all processes
# What openapi.json documents, a path or method that is none, and a header that is none.
EXPECTED = {200, 400, 404, 405, 408, 413, 429, 503, 504}
PREDICT = "/v1/models/recommender:predict"
ODD = [
    "",
    "0",
    "-1",
    "1e3",
    "9" * 5000,
    "0" * 9 + "9" * 30,
    "²",
    "\0",
    "é",
    "../..",
    "%",
]
ODD += [
    "a" * 30_000,
    "' OR 1=1 --",
    "<script>",
    "\ud7ff\uffff",
    "null",
    "1;2",
    "{{7*7}}",
]
VALUES = [None, True, -1, 0, 2**63, 1e308, "", "x", "é\0", [], {}, [[]], {"b64": "!"}]
VALUES += [{"b64": "eA=="}, [1, "x"], [[1], [1, 2]], "x" * 5000]


def connect(client):
    url = client.base_url
    return socket.create_connection((url.host, url.port), timeout=60)


def is_well(client):
    answer = client.get("/v1/recommend/ann?k=1")
    return (answer.status_code, answer.json()["items"][0]["item_id"]) == (200, "28")


def paths_of(client):
    """Returns method and path of all routes in the server's OpenAPI document."""
    document = client.get("/openapi.json").json()
    return [(m.upper(), p) for p, of in document["paths"].items() for m in of]


def value(chance, depth=0):
    if depth < 4 and chance.random() < 0.4:
        if chance.random() < 0.5:
            return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
        names = ["instances", "inputs", "signature_name", "user_id", "k", "b64", ""]
        return {
            chance.choice(names): value(chance, depth + 1)
            for _ in range(chance.randrange(4))
        }
    return chance.choice(VALUES)


def body(chance):
    told = {
        chance.choice(["instances", "inputs"]): value(chance),
        "signature_name": chance.choice(["recommend", "", "nothing", 5, "evaluate"]),
    }
    if chance.random() < 0.3:
        told = value(chance)
    text = bytearray(json.dumps(told).encode())
    for _ in range(chance.choice((0, 0, 1, 5))):
        at = chance.randrange(len(text) + 1)
        text[at : at + chance.randrange(3)] = chance.choice(
            (b"\0", b"\xff", b"{", b"]", b'"', b"[" * 3000, b"1e999", b"\\ud800", b"")
        )
    return bytes(text)


def malformed(chance, paths):
    method, path = chance.choice(paths)
    for name in ("{user}", "{item}", "{version}"):
        path = path.replace(name, quote(chance.choice(ODD), safe=chance.choice("/ ")))
    if chance.random() < 0.5:
        names = [
            chance.choice(["k", "like", "at", "why", "cursor", "K", ""])
            for _ in range(chance.randrange(4))
        ]
        path += "?" + "&".join(
            f"{name}={quote(chance.choice(ODD)[:9000])}" for name in names
        )
    if chance.random() < 0.1:
        path = "/" + quote(chance.choice(ODD)) + path
    if chance.random() < 0.1:
        method = chance.choice(["DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "POST"])
    headers = {"content-type": chance.choice(["application/json", "text/xml", "\xff"])}
    if chance.random() < 0.1:
        headers[chance.choice(["accept", "x", "range", "expect"])] = "\xff" * 300
    return method, path.replace(" ", "%20"), body(chance), headers


def ask(connection, method, path, content=None, headers=None):
    connection.request(method, path, content, headers or {})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_malformed_requests_are_refused_in_json(client):
    chance, statuses, unexpected = random.Random(0), Counter(), []
    paths = paths_of(client)
    assert len(paths) >= 7
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port)
    for _ in range(NUM_MALFORMED):
        method, path, content, headers = malformed(chance, paths)
        try:
            status, told = ask(connection, method, path, content, headers)
        except (http.client.HTTPException, OSError) as error:
            unexpected.append((repr(error), method, path[:200]))
            connection.close()
            continue
        statuses[status] += 1
        if status not in EXPECTED:
            unexpected.append((status, method, path[:200], content[:200], told[:200]))
        elif status in (400, 404, 413) and method != "HEAD" and told[:1] != b"{":
            # Anything but HTTP is rejected before the paths are considered.
            assert told == b"Invalid HTTP request received.", told
    assert unexpected == []
    assert sum(statuses.values()) == NUM_MALFORMED
    assert (
        statuses[200]
        < NUM_MALFORMED // 2
        < statuses[400] + statuses[404] + statuses[405]
    )
    assert "failed" not in client.log.read_text()
    assert is_well(client)


def test_bytes_that_are_no_http_are_refused(client):
    chance = random.Random(1)
    good = (
        f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}".encode()
    )
    first = Counter()
    for _ in range(NUM_GARBAGE):
        kind = chance.randrange(4)
        if kind == 0:
            told = chance.randbytes(chance.randrange(1, 4000))
        elif kind == 1:
            told = bytearray(good)
            for _ in range(3):
                told[chance.randrange(len(told))] = chance.randrange(256)
        elif kind == 2:
            told = good[: chance.randrange(1, len(good))]
        else:
            more = chance.choice(
                (
                    b"content-length: 3\r\n",
                    b"content-length: -1\r\n",
                    b"transfer-encoding: chunked\r\n",
                    b"x: " + b"y" * 200_000 + b"\r\n",
                    b"a: b\r\n" * 20_000,
                )
            )
            told = good.replace(b"host: x\r\n", more)
        with connect(client) as raw, contextlib.suppress(OSError):
            raw.sendall(bytes(told))
            raw.shutdown(socket.SHUT_WR)
            first[raw.recv(12)[9:12] or b"hung up"] += 1
    assert not [status for status in first if status[:1] == b"5"], first
    assert first[b"400"] > NUM_GARBAGE // 5
    assert is_well(client)


def test_slow_clients_keep_nobody_waiting(client):
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(client)) for _ in range(200)]
        for number, raw in enumerate(slow):
            head = f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n"
            raw.sendall(head.encode() + (b"\r\n{" if number % 2 else b"x-"))
        waits = []
        for _ in range(50):
            started = time.monotonic()
            assert is_well(client)
            waits.append(time.monotonic() - started)
        assert sorted(waits)[25] < 2
        for raw in slow[1::2]:  # their bodies do not come
            assert raw.recv(100).startswith(b"HTTP/1.1 408 ")


def test_five_hundred_connections_at_once(client):
    with contextlib.ExitStack() as stack:
        raws = [stack.enter_context(connect(client)) for _ in range(NUM_CONNECTIONS)]
        for raw in raws:
            raw.sendall(b"GET /v1/recommend/ann?k=3 HTTP/1.1\r\nhost: x\r\n\r\n")
        statuses = Counter(raw.recv(65536)[9:12] for raw in raws)
        assert set(statuses) <= {b"200", b"429", b"504"}, statuses
        assert statuses[b"200"] > 0
        assert is_well(client)  # while they are still open


def large_requests():
    """Small requests for large answers, and the largest that are answered."""

    def columns(rows, k):
        inputs = {
            "user_id": [""] * rows,
            "history_item_id": [[]] * rows,
            "history_rating": [[]] * rows,
            "user_features": [[]] * rows,
            "k": k,
        }
        return {"signature_name": "recommend", "inputs": inputs}

    told = [columns(20_000, 10), columns(1024, 10), columns(1000, 1000)]
    told += [{"instances": [""] * 20_000}, {"inputs": ["\n"] * 1024}]
    told += [{"instances": [[[] for _ in range(200)] for _ in range(1000)]}]
    return [json.dumps(each).encode() for each in told]


def test_large_requests_keep_nobody_waiting_and_take_no_memory(client):
    process, bodies = psutil.Process(client.process.pid), large_requests()

    def slowest_of_a_hundred():
        waits = []
        for _ in range(200):
            started = time.monotonic()
            assert is_well(client)
            waits.append(time.monotonic() - started)
        return sorted(waits)[197]

    def flood(seed):
        url, statuses = client.base_url, Counter()
        connection = http.client.HTTPConnection(url.host, url.port)
        while not ended.is_set():
            content = bodies[(seed + sum(statuses.values())) % len(bodies)]
            statuses[ask(connection, "POST", PREDICT, content)[0]] += 1
        return statuses

    ended, alone = threading.Event(), slowest_of_a_hundred()
    with ThreadPoolExecutor(4) as pool:
        flooding = [pool.submit(flood, seed) for seed in range(4)]
        time.sleep(5)
        before = resident(process)
        beside = slowest_of_a_hundred()
        growth = resident(process) - before
        ended.set()
        statuses = sum((each.result() for each in flooding), Counter())
    print(f"p99 {alone * 1e3:.0f} ms alone, {beside * 1e3:.0f} ms beside {statuses}")
    assert set(statuses) <= {200, 400, 413, 429, 504}
    assert statuses[413]
    assert statuses[200]
    assert beside < 2
    assert growth < MAX_GROWTH
    assert is_well(client)


def resident(process):
    return sum(
        each.memory_info().rss for each in (process, *process.children(recursive=True))
    )


def test_memory_stays_over_fifty_thousand_requests(client):
    process = psutil.Process(client.process.pid)
    paths = paths_of(client)

    def work(seed, count):
        chance = random.Random(seed)
        url = client.base_url
        connection = http.client.HTTPConnection(url.host, url.port)
        statuses = Counter()
        for number in range(count):
            if number % 10 == 0:
                asked = malformed(chance, paths)
            else:
                asked = ("GET", f"/v1/recommend/user-{chance.random()}?k=5")
            try:
                statuses[ask(connection, *asked)[0]] += 1
            except (http.client.HTTPException, OSError):
                connection.close()
                statuses["hung up"] += 1
        return statuses

    def together(count, seed):
        with ThreadPoolExecutor(4) as pool:
            done = [pool.submit(work, seed + n, count // 4) for n in range(4)]
            return sum((each.result() for each in done), Counter())

    together(NUM_REQUESTS // 5, 10)
    before = resident(process)
    statuses = together(NUM_REQUESTS, 20)
    growth = resident(process) - before
    assert sum(statuses.values()) == NUM_REQUESTS
    assert set(statuses) <= EXPECTED, statuses
    assert statuses[200] > NUM_REQUESTS * 0.8
    print(f"resident memory grew by {growth / 2**20:.1f} MB")
    assert growth < MAX_GROWTH
    assert len(process.connections()) < 20
    assert is_well(client)


def test_requests_in_flight_are_answered_when_it_is_asked_to_end(client):
    """The last test of this file: it ends the server; some requests may time out."""
    started = threading.Barrier(9)

    def work():
        with connect(client) as raw:
            content = json.dumps(
                {"signature_name": "evaluate", "instances": ["01"]}
            ).encode()
            raw.sendall(
                f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\n"
                f"content-length: {len(content)}\r\n\r\n".encode()
                + content
            )
            started.wait()
            return raw.recv(65536)[9:12]

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(work) for _ in range(8)]
        started.wait()
        time.sleep(0.3)
        client.process.send_signal(signal.SIGTERM)
        answered = Counter(each.result() for each in asking)
    assert set(answered) <= {b"200", b"504"}
    assert answered[b"200"] > 0
    assert client.process.wait(60) == 0
