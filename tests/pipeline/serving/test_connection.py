"""Limits of what a client may send, with real sockets and a real server."""

import re
import resource
import socket
import time

import psutil
import pytest

from tests.support.server import serving, until

PREDICT = "/v1/models/recommender:predict"
HEAD_BYTES = 64 << 10
POST = f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\n".encode()
GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"


def connect(client):
    url = client.base_url
    return socket.create_connection((url.host, url.port), timeout=60)


def send_until_closed(raw, start, piece, most=64 << 20):
    """Sends a piece repeatedly; returns the number of bytes sent and the response."""
    sent, answer = 0, b""
    try:
        raw.sendall(start)
        while sent < most:
            raw.sendall(piece)
            sent += len(piece)
    except OSError:
        pass
    raw.settimeout(30)
    try:
        while received := raw.recv(1 << 16):
            answer += received
    except OSError:
        pass  # reset: it did not read all that was sent
    return sent, answer


def resident(client):
    return psutil.Process(client.process.pid).memory_info().rss


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET /healthz HTTP/1.1\r\nx: ", b"y" * 65536),  # a header without an end
        (b"GET /healthz HTTP/1.1\r\n", b"a: b\r\n" * 10_000),  # headers without an end
        (b"GET /", b"y" * 65536),  # a path without an end
        (b"", b"\r\n" * 30_000),  # blank lines before a request
        (POST + b"transfer-encoding: chunked\r\n\r\n1;x=", b"y" * 65536),
        (POST + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10_000),
        (POST + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n" * 10_000),
        (POST + b"transfer-encoding: chunked\r\n\r\n0\r\nx: ", b"y" * 65536),
        # Refused at once, for another reason; the body goes on.
        (b"POST /x HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", b"y" * 65536),
    ],
)
def test_what_never_ends_is_cut_off(client, start, piece):
    before = resident(client)
    with connect(client) as raw:
        sent, answer = send_until_closed(raw, start, piece)
    assert sent < 32 << 20  # with what the kernel holds for both
    assert answer == b"" or answer[9:12] in (b"400", b"404", b"408", b"413", b"431")
    assert resident(client) - before < 24 << 20
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("name", ["x", "authorization"])
def test_a_head_of_more_than_64_kb_is_431(client, name):
    for size, status in ((HEAD_BYTES - 1000, b"200"), (HEAD_BYTES, b"431")):
        head = b"GET /healthz HTTP/1.1\r\n%s: %s\r\n\r\n" % (name.encode(), b"y" * size)
        with connect(client) as raw:
            raw.sendall(head)
            assert raw.recv(4096)[9:12] == status
    counted = 'marquee_requests_total{path="other",status="431"}'
    assert counted in client.get("/metrics").text


def test_requests_of_one_connection_are_answered_in_order_up_to_a_bound(client):
    with connect(client) as raw:
        raw.sendall(GET * 50)
        answer = b""
        while answer.count(b"HTTP/1.1 200") < 50:
            answer += raw.recv(1 << 16)
    before = resident(client)
    with connect(client) as raw:
        send_until_closed(raw, b"", GET * 10_000, most=8 << 20)
    assert resident(client) - before < 48 << 20
    assert client.get("/healthz").status_code == 200


def test_an_upgrade_is_no_way_round(client):
    before = client.log.read_text().count("\n")
    with connect(client) as raw:
        head = b"GET /healthz HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        sent, answer = send_until_closed(raw, head + b"\r\n", b"y" * 1000, most=4 << 20)
    assert answer[9:12] in (b"200", b"400")
    assert client.log.read_text().count("\n") - before < 50


def closed_after(raw, drip, seconds=45):
    """Returns when the server disconnects a client that sends a byte now and then."""
    started, answer = time.monotonic(), b""
    raw.settimeout(0.5)
    while time.monotonic() - started < seconds:
        try:
            if drip:
                raw.sendall(drip)
            received = raw.recv(4096)
        except TimeoutError:
            continue
        except OSError:
            break
        if not received:
            break
        answer += received
    return time.monotonic() - started, answer


def test_slow_clients_are_disconnected(client):
    cases = {
        "nothing": (b"", b"", b""),
        "head": (b"GET / HTTP/1.1\r\nx: ", b"y", b"408"),
        "body": (POST + b"content-length: 1000\r\n\r\n", b" ", b"408"),
        # Answered 404 at once, and its body goes on.
        "refused": (b"POST /x HTTP/1.1\r\ncontent-length: 1000\r\n\r\n", b" ", b"404"),
        "chunks": (POST + b"transfer-encoding: chunked\r\n\r\n1", b"0", b"408"),
        "second": (GET + b"GET / HTTP/1.1\r\nx: ", b"y", b"200"),
    }
    raws, ended = {}, {}
    for name, (start, _, _) in cases.items():
        raws[name] = connect(client)
        raws[name].sendall(start)
    for name, (_, drip, status) in cases.items():
        ended[name], answer = closed_after(raws[name], drip)
        assert answer[9:12] == status, (name, answer)
        raws[name].close()
    # Each is watched after the one before it: whatever it sent, it was not waited for.
    assert max(ended.values()) < 45, ended
    assert client.get("/healthz").status_code == 200


def test_without_many_descriptors_there_are_fewer_connections(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, limits[1]))
    try:
        with serving(tmp_path, wait=False) as other:
            until(other, "/healthz", 503)
            files = psutil.Process(other.process.pid).rlimit(psutil.RLIMIT_NOFILE)
            assert files[0] == min(1280, limits[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_connection_too_many_is_told_so(client):
    raws = [connect(client) for _ in range(1024)]
    try:
        with connect(client) as raw:
            assert re.match(rb"HTTP/1.1 503 .*try again", raw.recv(4096), re.S)
    finally:
        for raw in raws:
            raw.close()
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with connect(client) as raw:
            raw.sendall(GET)
            if raw.recv(4096).startswith(b"HTTP/1.1 200"):
                return
    raise AssertionError("it serves nobody any more")
