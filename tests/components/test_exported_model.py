"""A prepared call of an exported model, beside ``Session.run`` of the same graph."""

import numpy as np
import pytest
import tensorflow as tf

from components.exported_model import ExportedModel
from components.tensorflow_runtime import errors
from tests.support.recommender import save_recommender


class BestOfUsers(tf.Module):
    """Recommends the users themselves, with the scores 2, 1 and 0."""

    def recommend(self, user_id, history_item_id, k):
        score, place = tf.math.top_k(tf.constant([[1.0, 2.0, 0.0]]), k)
        return {"item_id": tf.gather(user_id, place), "score": score}


INPUTS = {
    "user_id": np.array([b"ann", b"bob\0", "zoë".encode()], object),
    "history_item_id": np.full((3, 2), b"", object),
    "history_rating": np.full((3, 1), np.nan),  # float64: converted to the input's type
    "user_features": np.full((3, 1), b"", object),
    "k": 2,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save_recommender(BestOfUsers(), folder)
    return ExportedModel(folder)


def run(model, inputs):
    """Returns what ``Session.run`` returns."""
    definition = model.signature_defs["recommend"]
    names = {name: info.name for name, info in definition.outputs.items()}
    feeds = {definition.inputs[name].name: value for name, value in inputs.items()}
    return model._session.run(names, feeds)


def test_a_prepared_call_returns_what_the_session_returns(model):
    answer, expected = model.function("recommend")(INPUTS), run(model, INPUTS)
    assert answer.keys() == expected.keys()
    assert answer["item_id"].tolist() == [[b"bob\0", b"ann"]]
    assert answer["score"].tolist() == expected["score"].tolist() == [[2.0, 1.0]]


def test_a_refused_call_has_the_message_of_the_session(model):
    refused = INPUTS | {"k": -1}
    with pytest.raises(errors.InvalidArgumentError) as expected:
        run(model, refused)
    with pytest.raises(errors.InvalidArgumentError) as raised:
        model.function("recommend")(refused)
    assert raised.value.message == expected.value.message
    assert "Need k >= 0, got -1" in raised.value.message
