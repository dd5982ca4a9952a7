"""Failures while the server runs, with real processes."""

import contextlib
import json
import shutil
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import tensorflow as tf

from components.live_models import push, rollback
from tests.support.recommender import save_recommender
from tests.support.server import metric
from trainer_modules.model_card import ModelCard, write_card

pytestmark = pytest.mark.integration

MODEL = "/v1/models/recommender"
PATIENCE = 300  # seconds: a model is loaded slowly where others use the machine
LIST = "/v1/recommend/ann?k=1"  # Film 28: 28 + 1000 · the model's mark


def model_process(client):
    """Returns the version's process, after the one that read the ratings has ended."""
    end, found = time.monotonic() + PATIENCE, []
    while len(found) != 1 and time.monotonic() < end:
        found = []
        for child in psutil.Process(client.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):  # it ends just now
                found += [child] if "spawn_main" in " ".join(child.cmdline()) else []
        time.sleep(0.1)
    [only] = found
    return only


def refused(client):
    return metric(client, 'marquee_load_failures_total{what="version"}')


def score(client):
    answer = client.get(LIST)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"][0]["score"]


def until_answered_by(client, number):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        answer = client.get(LIST)
        if answer.status_code == 200 and answer.json()["version"] == number:
            return
        time.sleep(0.1)
    raise AssertionError(f"{number} never answers:\n{client.log.read_text()[-3000:]}")


def connect(client):
    address = (client.base_url.host, client.base_url.port)
    return socket.create_connection(address, timeout=60)


def head(length):
    return (
        f"POST {MODEL}:predict HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"
    ).encode()


def send_slowly(client):
    """Sends a byte of the body per second; returns the response and the seconds."""
    started = time.monotonic()
    with connect(client) as raw:
        raw.sendall(head(1000))
        raw.settimeout(1)
        answer = b""
        while time.monotonic() < started + 60:
            try:
                received = raw.recv(4096)
            except TimeoutError:
                raw.sendall(b" ")
                continue
            if not received:  # it has hung up
                break
            answer += received
    return answer, time.monotonic() - started


def test_ten_seconds_are_the_most_that_a_request_takes(client):
    def ask():
        started = time.monotonic()
        return client.get(LIST), time.monotonic() - started

    process = model_process(client)
    process.suspend()
    try:
        with ThreadPoolExecutor() as pool:
            asking, sending = pool.submit(ask), pool.submit(send_slowly, client)
            answer, seconds = asking.result()
            slow_answer, slow_seconds = sending.result()
    finally:
        process.resume()
    assert (answer.status_code, answer.json()) == (
        504,
        {"error": "no answer within 10 s"},
    )
    assert 10 <= seconds < 20
    assert slow_answer.startswith(b"HTTP/1.1 408 ")
    body = slow_answer.partition(b"\r\n\r\n")[2]
    assert json.loads(body) == {"error": "timed out reading the body after 10 s"}
    assert 10 <= slow_seconds < 20
    # The next request gets its own answer, not the abandoned one.
    assert score(client) == 1028
    told = client.get("/v1/recommend/nobody?k=1").json()
    assert told["items"][0]["item_id"] == "30"
    assert metric(client, "marquee_queue_length") == 0


def test_a_client_that_hangs_up_is_no_fault_of_ours(client):
    with connect(client) as raw:
        raw.sendall(head(1000) + b"half")
    deadline = time.monotonic() + 20
    counted = f'marquee_requests_total{{path="{MODEL}:predict",status="400"}}'
    while not metric(client, counted) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert metric(client, counted) == 1
    assert "Traceback" not in client.log.read_text()


def test_a_model_whose_process_dies_is_started_again(client):
    before = score(client)
    process = model_process(client)
    process.kill()
    seen, served = [], set()
    end = time.monotonic() + PATIENCE
    while (not seen or 503 not in seen or seen[-1] != 200) and time.monotonic() < end:
        seen.append(client.get(LIST).status_code)
        if seen[-1] == 503:
            served.add(metric(client, "marquee_version_served"))
        if seen[-1] == 503 and seen.count(503) == 1:
            assert client.get("/healthz").status_code == 503
        time.sleep(0.1)
    assert set(seen) <= {200, 503}
    assert (503 in seen, seen[-1]) == (True, 200)
    assert 0 in served  # once the server has seen it
    assert score(client) == before
    assert client.get("/healthz").json() == {"ready": True, "version": 1}
    assert metric(client, "marquee_version_served") == 1
    assert model_process(client).pid != process.pid
    assert "version 1: its process has ended" in client.log.read_text()


@pytest.mark.parametrize("name", ["saved_model.pb", "assets.extra/marquee.json"])
def test_a_version_that_is_damaged_is_refused_and_the_old_one_goes_on(
    client, out, ruled, name
):
    before, count = score(client), refused(client)
    client.process.send_signal(signal.SIGSTOP)  # it does not see the whole version
    try:
        pushed = push.push(ruled[2], out / "live", keep=9)
        path = pushed.folder / name
        *most, last = path.read_bytes()
        path.write_bytes(bytes([*most, last ^ 1]))
    finally:
        client.process.send_signal(signal.SIGCONT)
    end, told = time.monotonic() + PATIENCE, {}
    while told.get("state") != "END" and time.monotonic() < end:
        answer = client.get(f"{MODEL}/versions/{pushed.number}").json()
        [told] = answer.get("model_version_status", [{}])
        time.sleep(0.1)
    why = f"{pushed.folder / name} is not as it was pushed"
    assert told["state"] == "END"
    assert why in told["status"]["error_message"]
    assert f"version {pushed.number} is refused: {why}" in client.log.read_text()
    time.sleep(2)  # it is looked at no more
    assert refused(client) == count + 1
    assert score(client) == before
    shutil.rmtree(pushed.folder)  # with its card broken nothing could be pushed


def test_what_was_live_before_answers_where_the_live_version_is_lost(
    client, out, ruled
):
    newest = push.push(ruled[2], out / "live", keep=9)
    until_answered_by(client, newest.number)
    (newest.folder / "saved_model.pb").write_bytes(b"damaged")
    assert score(client) == 2028  # what is in memory is whole
    model_process(client).kill()
    until_answered_by(client, 1)
    assert score(client) == 1028
    told = client.get(MODEL).json()["model_version_status"]
    states = {int(version["version"]): version for version in told}
    lost = states[newest.number]
    assert lost["state"] == "END"
    assert "saved_model.pb is not as it was pushed" in lost["status"]["error_message"]
    assert states[1]["state"] == "AVAILABLE"


def children(client):
    return {
        child.pid
        for child in psutil.Process(client.process.pid).children()
        if "spawn_main" in " ".join(child.cmdline())
    }


def test_a_version_whose_process_is_killed_while_it_loads_is_tried_again(
    client, out, ruled
):
    model_process(client)  # no other process is being started
    before = children(client)
    pushed = push.push(ruled[2], out / "live", keep=9)
    end, new = time.monotonic() + PATIENCE, set()
    while not new and time.monotonic() < end:
        with contextlib.suppress(psutil.NoSuchProcess):
            new = children(client) - before
    [pid] = new
    psutil.Process(pid).kill()
    until_answered_by(client, pushed.number)
    assert score(client) == 2028
    log = client.log.read_text()
    assert f"version {pushed.number} cannot be loaded: its process ended with -9" in log
    assert "Next attempt in 1 s" in log
    until_answered_by(client, rollback.roll_back(out / "live", 1).number)


def test_a_version_is_tried_again_when_there_are_file_descriptors_again(
    client, out, ruled
):
    before = score(client)
    process = psutil.Process(client.process.pid)
    limit = process.rlimit(psutil.RLIMIT_NOFILE)
    process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds(), limit[1]))
    failed = "Too many open files. Next attempt in"
    try:
        pushed = push.push(ruled[2], out / "live", keep=9)
        end = time.monotonic() + PATIENCE
        while client.log.read_text().count(failed) < 2 and time.monotonic() < end:
            time.sleep(0.1)
        assert client.log.read_text().count(failed) >= 2
    finally:
        process.rlimit(psutil.RLIMIT_NOFILE, limit)
    until_answered_by(client, pushed.number)
    assert (before, score(client)) == (1028, 2028)


def test_a_version_that_writes_files_is_refused_by_name(client, out, tmp_path, ruled):
    class Hostile(tf.Module):
        def recommend(self, user_id, history_item_id, k):
            tf.io.write_file(str(tmp_path / "written"), "by the model")
            return {"item_id": history_item_id, "score": history_item_id}

    before = score(client)
    save_recommender(Hostile(), tmp_path / "hostile")
    write_card(
        str(tmp_path / "hostile"), ModelCard("hostile", 1, {}, origin="elsewhere")
    )
    pushed = push.push(tmp_path / "hostile", out / "live", keep=9)
    end, told = time.monotonic() + PATIENCE, {}
    while told.get("state") != "END" and time.monotonic() < end:
        answer = client.get(f"{MODEL}/versions/{pushed.number}").json()
        [told] = answer.get("model_version_status", [{}])
        time.sleep(0.1)
    assert "operation WriteFile" in told["status"]["error_message"]
    assert not (tmp_path / "written").exists()
    assert score(client) == before


@pytest.mark.slow
def test_a_model_that_hangs_does_not_keep_the_server_from_ending(client):
    """The last test of this file."""
    process = model_process(client)
    process.suspend()
    try:
        with ThreadPoolExecutor() as pool:
            asking = pool.submit(client.get, LIST)
            time.sleep(0.5)
            client.process.send_signal(signal.SIGTERM)
            assert asking.result().status_code == 504
        assert client.process.wait(60) == 0
        assert not process.is_running()
    finally:
        if process.is_running():
            process.kill()
