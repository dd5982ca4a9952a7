"""Similar items of a model with vectors and of one without: server and command."""

import asyncio
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from components.live_models import push
from pipeline.recommend.item_titles import UnknownItemError
from pipeline.recommend.one_item import similar_items
from pipeline.serving.errors import RequestError
from pipeline.serving.settings import ServingSettings
from pipeline.serving.similar_api import COUNTED_AT_ONCE, SimilarApi
from tests.support.recommender import save_recommender
from tests.support.ruled_model import ORIGIN, RATED_ALIKE, Ruled, write_data
from tests.support.server import serving, until
from trainer_modules.model_card import ModelCard, write_card

ROOT = Path(__file__).parents[3]


@tf.function(
    input_signature=[
        tf.TensorSpec([None], tf.string, name="item_id"),
        tf.TensorSpec([], tf.int32, name="k"),
    ]
)
def next_numbers(item_id, k):
    """Lists the next numbers up to 30, padded with ""."""
    number = tf.strings.to_number(tf.strings.regex_replace(item_id, "[?]", "29"))
    steps = 1 + tf.cast(tf.range(k), tf.float32)
    following = number[:, tf.newaxis] + steps
    is_item = following <= 30
    text = tf.strings.as_string(tf.cast(following, tf.int32))
    return {
        "item_id": tf.where(is_item, text, ""),
        "score": tf.where(is_item, 1 / (1 + steps), -float("inf")),
    }


@pytest.fixture(scope="module")
def live(tmp_path_factory, ruled):
    """Returns the folder and a client of a server, for each kind of model."""
    outs = {kind: tmp_path_factory.mktemp(kind) for kind in ("likes", "vectors")}
    vectors = tmp_path_factory.mktemp("model")
    model = Ruled(1)
    save_recommender(model, vectors, serving_default=model.score, similar=next_numbers)
    write_card(str(vectors), ModelCard("numbers", 1, {}, origin=ORIGIN.format(1)))
    for kind, folder in (("likes", ruled[1]), ("vectors", vectors)):
        write_data(outs[kind], RATED_ALIKE, 9)
        push.push(folder, outs[kind] / "live", keep=9)
    with serving(outs["likes"]) as likes, serving(outs["vectors"]) as vectors:
        clients = {"likes": likes, "vectors": vectors}
        for client in clients.values():
            until(client, "/v1/recommend/ann")
        yield outs, clients


def test_a_model_with_vectors_compares_them(live):
    outs, clients = live
    answer = clients["vectors"].get("/v1/similar/28?k=3").json()
    assert answer == {
        **{"item_id": "28", "title": "Film 28 (1928)", "made_of": "vectors"},
        **{"model": "numbers", "version": 1},
        "items": [
            {"item_id": "29", "title": "Film 29 (1929)", "score": 0.5},
            {"item_id": "30", "title": "Film 30 (1930)", "score": pytest.approx(1 / 3)},
        ],
    }
    assert dataclasses.asdict(similar_items(outs["vectors"], "28", 3)[0]) == answer
    predicted = clients["vectors"].post(
        "/v1/models/recommender:predict",
        json={
            "signature_name": "similar",
            "inputs": {"item_id": ["1", "29"], "k": 2},
        },
    )
    assert predicted.json()["outputs"]["item_id"] == [["2", "3"], ["30", ""]]


def test_any_other_model_has_what_the_same_users_like(live):
    outs, clients = live
    answer = clients["likes"].get("/v1/similar/film%2027%20(1927)").json()
    # ann and cat like 27; ann, bob and cat 30; bob and cat 28; bob alone 29.
    assert (answer["item_id"], answer["made_of"]) == ("27", "likes")
    assert [(item["item_id"], item["score"]) for item in answer["items"]] == [
        ("30", pytest.approx(2 / 6**0.5)),
        ("28", pytest.approx(1 / 2)),
    ]
    assert dataclasses.asdict(similar_items(outs["likes"], "27", 10)[0]) == answer
    assert clients["likes"].get("/v1/similar/26").json()["items"] == []


@pytest.mark.parametrize("kind", ["likes", "vectors"])
def test_an_unknown_item_is_refused_with_the_nearest(live, kind):
    outs, clients = live
    answer = clients[kind].get("/v1/similar/Film%2028%20(1929)")
    assert answer.status_code == 404
    assert "Film 28 (1928)" in answer.json()["error"]
    with pytest.raises(UnknownItemError, match="Film 28"):
        similar_items(outs[kind], "Film 28 (1929)", 10)


@pytest.mark.parametrize("path", ["30?k=0", "30?k=1001", "30?k=x", "x" * 201])
def test_a_malformed_request_is_refused(live, path):
    assert live[1]["likes"].get(f"/v1/similar/{path}").status_code == 400


def test_the_command_prints_them(live):
    command = [sys.executable, "-m", "pipeline", "similar", "Film 27 (1927)"]
    command += ["--out", str(live[0]["likes"])]
    for options in ([], ["--json", "-k", "1"]):
        done = subprocess.run(
            [*command, *options], cwd=ROOT, capture_output=True, text=True, check=True
        )
        if options:
            [item] = json.loads(done.stdout)["items"]
            assert item["item_id"] == "30"
        else:
            assert "Similar to Film 27 (1927)" in done.stdout
            assert "Film 28 (1928)" in done.stdout


def test_what_waits_too_long_to_be_counted_is_answered_with_504():
    async def run():
        api = SimilarApi(None, None, None, ServingSettings(timeout=0.01))
        for _ in range(COUNTED_AT_ONCE):
            await api._turns.acquire()
        with pytest.raises(RequestError, match="no answer within 0.01 s") as raised:
            await api._by_likes(None, None, "1", 5)
        assert raised.value.status == 504

    asyncio.run(run())


def test_if_too_many_wait_to_be_counted_the_next_ones_are_answered_with_429():
    async def run():
        limits = ServingSettings(timeout=0.2, max_waiting=3)
        api = SimilarApi(None, None, None, limits)
        for _ in range(COUNTED_AT_ONCE):
            await api._turns.acquire()
        for _ in range(2):  # those that have ended do not wait any more
            answers = await asyncio.gather(
                *(api._by_likes(None, None, "1", 5) for _ in range(5)),
                return_exceptions=True,
            )
            assert [answer.status for answer in answers] == [504] * 3 + [429] * 2

    asyncio.run(run())
