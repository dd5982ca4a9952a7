"""Limits of the server, its start without a model, and its end."""

import os
import signal
import socket
import threading
import time

import httpx

from components.live_models import push
from pipeline.cli.serve import TOKEN_VARIABLE
from tests.support.ruled_model import write_data
from tests.support.server import serving, until


def test_without_a_model_it_waits_for_one_and_refuses_a_broken_one(tmp_path, ruled):
    with serving(
        tmp_path, env={**os.environ, TOKEN_VARIABLE: "s3cret"}, wait=False
    ) as c:
        assert until(c, "/healthz", 503).json() == {"ready": False, "version": 0}
        assert c.get("/v1/recommend/ann").status_code == 401
        assert (
            c.get("/metrics", headers={"authorization": "Bearer no"}).status_code == 401
        )
        c.headers["authorization"] = "Bearer s3cret"
        assert c.get("/v1/recommend/ann").status_code == 503
        # A version whose files are not those of its checksums is never served.
        staged = push.push(ruled[1], tmp_path / "staged", keep=9)
        (staged.folder / "saved_model.pb").write_bytes(b"broken")
        (tmp_path / "live").mkdir()
        staged.folder.rename(tmp_path / "live" / "1")
        told = until_failed(c)
        assert "not as it was pushed" in told["status"]["error_message"]
        assert c.get("/healthz").status_code == 503
        push.push(ruled[2], tmp_path / "live", keep=9)
        assert until(c, "/healthz").json() == {"ready": True, "version": 2}
        counted = c.get("/metrics").text
        assert 'marquee_load_failures_total{what="version"} 1.0' in counted
        # Ratings that come later are read when they come.
        write_data(tmp_path, {"train": {"ann": {"30": 5.0}}}, 3)
        told = until(c, "/v1/recommend/ann?k=1").json()
        assert (told["items"][0]["item_id"], told["rated"]) == ("29", 1)
        refuses_long_bodies(c)
        drains(c)


def until_failed(client):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        answer = client.get("/v1/models/recommender")
        if answer.status_code == 200:
            [told] = answer.json()["model_version_status"]
            if told["state"] == "END":
                return told
        time.sleep(0.1)
    raise AssertionError("version 1 was not refused")


def refuses_long_bodies(client):
    path = "/v1/models/recommender:predict"
    address = (client.base_url.host, client.base_url.port)
    with socket.create_connection(address) as raw:  # refused by what is announced
        raw.sendall(
            f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {5 << 20}\r\n"
            "authorization: Bearer s3cret\r\n\r\n".encode()
        )
        raw.settimeout(20)
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")

    def endless():  # without a length, it is rejected while it is read
        for _ in range(1 << 20):
            yield b"x" * (1 << 16)

    sent = 0
    with socket.create_connection(address) as raw:
        raw.sendall(
            f"POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
            "authorization: Bearer s3cret\r\n\r\n".encode()
        )
        raw.settimeout(20)
        try:
            for chunk in endless():
                raw.sendall(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                sent += len(chunk)
                if sent > 64 << 20:
                    break
        except OSError:
            pass  # it has hung up
        assert sent < 64 << 20


def drains(client):
    """A request that runs when SIGTERM comes is answered, and the process ends well."""
    answers = []

    def ask():
        answers.append(
            httpx.post(
                f"{client.base_url}/v1/models/recommender:predict",
                json={"signature_name": "evaluate", "instances": ["0123456789"]},
                headers=client.headers,
                timeout=60,
            )
        )

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.3)
    client.process.send_signal(signal.SIGTERM)
    asking.join()
    assert answers[0].status_code == 200
    assert client.process.wait(60) == 0


# What Python does without /dev/shm: no process can create a semaphore.
NO_SEMAPHORES = """
import _multiprocessing

class SemLock(_multiprocessing.SemLock):
    def __new__(cls, *_):
        raise FileNotFoundError(2, "No such file or directory")

_multiprocessing.SemLock = SemLock
"""


def test_without_dev_shm_it_serves_lists(out, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(NO_SEMAPHORES)
    with serving(out, env={**os.environ, "PYTHONPATH": str(tmp_path)}) as client:
        assert until(client, "/v1/recommend/ann").json()["known"]


def test_it_is_ready_once_the_ratings_are_read(tmp_path, ruled, rated):
    """The ratings are in a pipe: reading them waits until they are written to it."""
    write_data(tmp_path, rated, 9)
    push.push(ruled[1], tmp_path / "live", keep=9)
    examples = tmp_path / "artifacts/RatingsExampleGen/examples/9"
    ratings = examples / "Split-train/data.gz"
    content = ratings.read_bytes()
    ratings.unlink()
    os.mkfifo(ratings)
    with serving(tmp_path, wait=False) as client:
        while (health := until(client, "/healthz", 503).json())["version"] == 0:
            time.sleep(0.1)
        assert health == {"ready": False, "version": 1}
        ratings.write_bytes(content)
        assert until(client, "/healthz").json() == {"ready": True, "version": 1}
        assert client.get("/v1/recommend/ann").status_code == 200
