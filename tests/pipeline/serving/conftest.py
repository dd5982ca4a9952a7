"""A live folder of a model that answers by rules, and a server of it on loopback."""

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.live_models import push
from trainer_modules import features as f
from trainer_modules.model_card import write_card

ORIGIN = "Trainer_ruled/model/{}"
ROOT = Path(__file__).parents[3]
TITLES = {str(i): f"Film {i} (19{i:02d})" for i in range(1, 31)}
RATED = {  # split -> user -> item -> stars; more than 3 is liked
    "train": {"ann": {"30": 5, "29": 1}, "bob/é": {"28": 4}},
    "test": {"ann": {"27": 4}},
}


class Ruled(tf.Module):
    """Lists items 30, 29, … but for the history; scores are id + 1000 · version."""

    def __init__(self, mark):
        super().__init__()
        self.mark = tf.Variable(float(mark), name="mark")
        self.items = tf.constant([str(i) for i in range(30, 0, -1)])

    def recommend(self, user_id, history_item_id, k):
        seen = tf.reduce_any(
            self.items[None, :, None] == history_item_id[:, None, :], 2
        )
        score = tf.strings.to_number(self.items)[None] + 1000 * self.mark
        score += 0 * tf.cast(tf.strings.length(user_id), tf.float32)[:, None]
        score = tf.where(seen, -float("inf"), score)
        top = tf.math.top_k(score, tf.minimum(k, 30))
        item = tf.gather(self.items, top.indices)
        left = top.values > -float("inf")
        return {"item_id": tf.where(left, item, b""), "score": top.values}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def score(self, examples):
        spec = {"candidate_item_id": tf.io.RaggedFeature(tf.string)}
        told = tf.io.parse_example(examples, spec)["candidate_item_id"]
        told = tf.strings.regex_replace(told.to_tensor("-1"), "[?]", "0")
        score = tf.strings.to_number(told)
        return {"score": tf.where(score < 0, -float("inf"), score)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples):
        """Slow, for those who wait; and with bytes in its answer."""
        work = tf.random.stateless_uniform([1500, 1500], [1, 2])
        for _ in tf.range(tf.strings.length(examples[0])):
            work = tf.linalg.matmul(work, work) / 1e3
        told = tf.reduce_sum(work) * 0
        return {
            "raw_bytes": examples,
            "length": tf.strings.length(examples) + tf.cast(told, tf.int32) * 0,
        }


@pytest.fixture(scope="session")
def write_data(write_ratings, accept):
    """Writes data with which both models were accepted."""

    def write(out, rated, execution):
        examples = out / f"artifacts/RatingsExampleGen/examples/{execution}"
        for split, users in rated.items():
            write_ratings(examples / f"Split-{split}" / "data.gz", users)
        catalogue = out / f"artifacts/CatalogueGen/catalogue/{execution + 1}"
        catalogue.mkdir(parents=True)
        titles = {f.ITEM_ID: list(TITLES), "title": list(TITLES.values())}
        pq.write_table(pa.table(titles), catalogue / f.CATALOGUE_FILE)
        for mark in (1, 2):
            accept(out, execution, model=ORIGIN.format(mark))

    return write


@pytest.fixture(scope="session")
def ruled(tmp_path_factory, save_recommender):
    """Two models that are told apart by their scores."""
    folders = {}
    for mark in (1, 2):
        folder, model = tmp_path_factory.mktemp("model"), Ruled(mark)
        save_recommender(
            model, folder, serving_default=model.score, evaluate=model.evaluate
        )
        write_card(
            str(folder), {"model": f"ruled-{mark}", "origin": ORIGIN.format(mark)}
        )
        folders[mark] = folder
    return folders


@pytest.fixture(scope="module")
def out(tmp_path_factory, ruled, write_data):
    """The folder of a run whose model is live."""
    out = tmp_path_factory.mktemp("out")
    write_data(out, RATED, 9)
    push.push(ruled[1], out / "live", keep=9)
    return out


@contextlib.contextmanager
def serving(out, *options, env=None, wait=True):
    """``marquee serve`` in a process of its own; ends it by SIGTERM."""
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


def until(client, path, status=200, seconds=120):
    """Asks until it is answered so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and client.process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if (answer := client.get(path)).status_code == status:
                return answer
        time.sleep(0.1)
    raise AssertionError(f"{path} is never {status}:\n{client.log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def client(out):
    """A client of a running server that knows the users."""
    with serving(out) as client:
        until(client, "/v1/recommend/ann")
        yield client


@pytest.fixture(name="serving")
def serving_fixture():
    return serving


@pytest.fixture(name="until")
def until_fixture():
    return until
