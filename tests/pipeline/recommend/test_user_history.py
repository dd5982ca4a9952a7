"""Histories with and without times, and the inputs that a model is given of them."""

import numpy as np
import pytest
import tensorflow as tf

from pipeline.recommend.one_user import ask, load_recommend
from pipeline.recommend.user_history import (
    INPUTS,
    Histories,
    History,
    SignatureError,
    check_inputs,
    files_of,
    recommend_inputs,
)
from tests.support.examples import serialize
from tests.support.recommender import Echo, save_recommender
from trainer_modules import features as f
from trainer_modules.request_lists import values_of

HOUR, START = 3600, 978_300_000
# Split → user → (item, stars, hours since START), as in the records.
RATED = {
    "train": {"ann": [("b", 4.0, 5), ("a", 2.0, 7)], "bob": [("c", 1.0, 9)]},
    "eval": {"ann": [("d", 5.0, 6), ("e", 3.0, 7)]},
    "test": {"ann": [("c", 4.0, 1)]},
}


@pytest.fixture(params=[True, False], ids=["times", "no times"])
def histories(request, tmp_path):
    for split, users in RATED.items():
        path = tmp_path / f"Split-{split}" / "data.gz"
        path.parent.mkdir()
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for user, rated in users.items():
                items, stars, hours = zip(*rated, strict=True)
                times = {f.TIMESTAMP: [START + hour * HOUR for hour in hours]}
                record = serialize(
                    user_id=[user.encode()],
                    item_id=[item.encode() for item in items],
                    rating=list(stars),
                    **(times if request.param else {}),
                )
                writer.write(record)
    return request.param, Histories(files_of(str(tmp_path)))


def test_times_are_in_the_order_of_the_items(histories):
    has_times, known = histories
    ann = known.of("ann")
    if has_times:  # a before e, for at equal times train comes before eval
        assert ann.items == ("c", "b", "d", "a", "e")
        assert list(ann.ratings) == [4.0, 4.0, 5.0, 2.0, 3.0]
        assert list(ann.times) == [START + hour * HOUR for hour in (1, 5, 6, 7, 7)]
        assert list(known.of("bob").times) == [START + 9 * HOUR]
    else:
        assert ann.items == ("b", "a", "d", "e", "c")
        assert not ann.times
        assert not known.of("bob").times
    assert known.of("new") == History()


def test_features_are_texts_in_the_form_of_requests(tmp_path):
    path = tmp_path / "Split-train" / "data.gz"
    path.parent.mkdir()
    record = serialize(
        user_id=[b"ann"],
        item_id=[b"a"],
        rating=[4.0],
        user_city=[b"Oslo", b"Bern"],
        user_income=[34.1],
        user_small=[1e-7],
        user_vector=[0.5, 0.25],  # left out
        user_missing=[],
        item_price=[2.0],
    )
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        writer.write(record)
    features = Histories(files_of(str(tmp_path))).of("ann").features
    assert features == (
        *("user_city=Oslo", "user_city=Bern"),
        *("user_income=34.1", "user_small=1e-07"),
    )
    given = values_of("user_small", tf.constant([features]), tf.float32)
    assert given.to_list() == [[np.float32(1e-7)]]


def test_what_is_liked_besides_has_no_time(histories):
    has_times, known = histories
    liking = known.of("bob").liking(["z", "c", "y"])
    assert liking.items == ("c", "z", "y")
    assert list(liking.times) == ([START + 9 * HOUR] if has_times else [])


def test_models_with_and_without_times_are_accepted():
    check_inputs(INPUTS)
    check_inputs({*INPUTS, "history_timestamp"})
    for others in (INPUTS - {"k"}, {*INPUTS, "more"}, {"history_timestamp"}):
        with pytest.raises(SignatureError, match="another release"):
            check_inputs(others)


def test_times_are_given_where_the_model_has_the_input():
    histories = [History("ab", (1.0, 2.0), (), (7, 8)), History("c", (3.0,)), History()]
    users = ["ann", "bob", "new"]
    assert set(recommend_inputs(users, histories, 5)) == INPUTS
    inputs = recommend_inputs(users, histories, 5, {*INPUTS, "history_timestamp"})
    assert inputs["history_timestamp"].dtype == np.int64
    assert inputs["history_timestamp"].tolist() == [[7, 8], [0, 0], [0, 0]]


@pytest.mark.parametrize("reads_times", [True, False])
def test_a_model_is_asked_by_its_own_inputs(reads_times, tmp_path):
    save_recommender(Echo(), tmp_path, reads_times=reads_times)
    histories = [History(("a", "b"), (1.0, 2.0), (), (7, 8)).liking(["z"]), History()]
    lists = ask(load_recommend(tmp_path), ["ann", "new"], histories, 5)
    times = (7.0, 8.0, 0.0) if reads_times else (-1.0,) * 3
    assert lists == [list(zip("abz", times, strict=True)), []]


@pytest.fixture
def events(tmp_path):
    """Events of one user: an item may be viewed before it is bought."""
    rows = {
        "train": [("a", "view", 0.0, 1), ("b", "buy", 4.0, 3)],
        "eval": [("a", "buy", 4.0, 2)],
    }
    for split, own in rows.items():
        path = tmp_path / f"Split-{split}" / "data.gz"
        path.parent.mkdir()
        item, kind, rating, time = zip(*own, strict=True)
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            writer.write(
                serialize(
                    user_id=[b"ann"],
                    item_id=[each.encode() for each in item],
                    rating=list(rating),
                    timestamp=list(time),
                    event_type=[each.encode() for each in kind],
                )
            )
    return Histories(files_of(str(tmp_path))).of("ann")


def test_types_of_events_are_in_the_order_of_the_items(events):
    assert events.items == ("a", "a", "b")
    assert events.event_types == ("view", "buy", "buy")
    assert list(events.ratings) == [0.0, 4.0, 4.0]
    inputs = recommend_inputs(
        ["ann", "new"], [events, History()], 3, {*INPUTS, f.HISTORY_EVENT_TYPE}
    )
    assert inputs[f.HISTORY_EVENT_TYPE].tolist() == [
        [b"view", b"buy", b"buy"],
        [b"", b"", b""],
    ]
    assert f.HISTORY_EVENT_TYPE not in recommend_inputs(["ann"], [events], 3)


def test_an_item_with_several_events_is_liked_once():
    history = History(("a", "b", "a", "c"), (2.0, 4.0, 4.0, 0.0))
    assert history.liked("> 0") == ["b", "a"]


def test_a_like_of_ones_own_has_no_type(events):
    liking = events.liking(["a", "c"])
    assert liking.items == ("a", "a", "b", "c")
    assert liking.event_types == ("", "", "buy")
    assert list(liking.times) == [1, 2, 3]
    assert liking.ratings[2] == 4.0
    assert all(rating > 1e38 for rating in np.array(liking.ratings)[[0, 1, 3]])
