"""Times of histories in requests: for models with and without the input."""

import numpy as np
import pytest

from components.live_models import push
from pipeline.serving.json_tensors import TensorSpec, inputs
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.settings import ServingSettings
from tests.support.recommender import Echo, save_recommender
from tests.support.ruled_model import ORIGIN, RATED, write_data
from tests.support.server import serving, until
from trainer_modules.model_card import ModelCard, write_card

TIMES = "history_timestamp"
SPECS = {
    "user_id": TensorSpec(np.dtype(object), (None,)),
    "history_item_id": TensorSpec(np.dtype(object), (None, None)),
}
WITH_TIMES = {**SPECS, TIMES: TensorSpec(np.dtype(np.int64), (None, None))}
GIVEN = {"user_id": ["ann", "bob"], "history_item_id": [["1", "2"], ["3", ""]]}


def parsed(columns, specs):
    found, _ = inputs({"inputs": columns}, specs, ServingSettings())
    return found


def test_a_request_may_leave_out_the_times():
    found = parsed(GIVEN, WITH_TIMES)
    assert found[TIMES].shape == (2, 0)
    assert found[TIMES].dtype == np.int64


def test_times_of_a_request_are_read_by_a_model_with_the_input_only():
    given = {**GIVEN, TIMES: [[7], [8]]}
    assert parsed(given, WITH_TIMES)[TIMES].tolist() == [[7], [8]]
    assert set(parsed(given, SPECS)) == set(SPECS)


def request(items, times):
    return {
        "user_id": np.array([b"ann"], object),
        "history_item_id": np.array([items], object),
        "history_rating": np.zeros([1, 0], np.float32),
        "user_features": np.zeros([1, 0], object),
        "history_timestamp": np.array([times], np.int64),
        "k": np.array(5, np.int32),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save_recommender(Echo(), folder, reads_times=True)
    return folder


def test_joined_requests_keep_their_own_times(folder):
    model = LoadedModel(str(folder), threads=1)
    model.warm(4)
    requests = [request(["a", "b", "c"], [7, 8]), request(["d"], []), request([], [])]
    found = [
        answer["score"].tolist() for answer in model.answers("recommend", requests)
    ]
    assert found == [[[7, 8, 0]], [[0, 0, 0]], [[0, 0, 0]]]  # 0 also pads


def test_the_server_gives_the_times_of_the_accepted_ratings(folder, tmp_path):
    write_card(str(folder), ModelCard("echo", 1, {}, origin=ORIGIN.format(1)))
    hours = {"30": 5, "29": 3, "27": 9}
    write_data(tmp_path, RATED, 9, times=hours)
    push.push(folder, tmp_path / "live", keep=9)
    with serving(tmp_path) as client:
        until(client, "/v1/recommend/ann")
        answer = client.get("/v1/recommend/ann?like=1&like=2").json()
    found = [(item["item_id"], item["score"]) for item in answer["items"]]
    assert found == [("29", 3), ("30", 5), ("27", 9), ("1", 0), ("2", 0)]
