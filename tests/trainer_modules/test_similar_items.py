"""The signature ``similar``, compared with cosines in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.item_index import item_index

pytestmark = pytest.mark.integration

ALL = 99  # more than the catalogue has


def naive_lists(serving, item_ids):
    """Returns (item, cosine) for each item, best first."""
    places = np.arange(f.NUM_RESERVED, serving.num_items)
    vectors = serving.model.items(tf.constant(places)).numpy().astype(np.float64)
    known = serving.item_ids.numpy()[f.NUM_RESERVED :].tolist()
    for item_id in item_ids:
        found = []
        if item_id in known:
            own = vectors[known.index(item_id)]
            for other, vector in zip(known, vectors, strict=True):
                lengths = np.linalg.norm(own) * np.linalg.norm(vector)
                cosine = own @ vector / lengths if lengths else 0.0
                if other != item_id:
                    found.append((other, cosine))
        yield sorted(found, key=lambda pair: -pair[1])


def check(answer, expected):
    rows = zip(answer["item_id"].numpy(), answer["score"].numpy(), strict=True)
    for (items, scores), wanted in zip(rows, expected, strict=True):
        np.testing.assert_allclose(
            scores[: len(wanted)], [cosine for _, cosine in wanted], atol=1e-5
        )
        assert not items[len(wanted) :].any()
        assert np.isneginf(scores[len(wanted) :]).all()
        cosines = dict(wanted)  # almost equal ones may be in another order
        assert sorted(items[: len(wanted)]) == sorted(cosines)
        for item, score in zip(items[: len(wanted)], scores, strict=False):
            assert cosines[item] == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize("name", ["mf_als", "two_tower", "sasrec"])
@pytest.mark.parametrize("with_index", [False, True])
def test_similar_items_have_the_largest_cosines(
    name, with_index, served, serve, tmp_path
):
    serving = served(name)
    if with_index:
        index = item_index(serving.model, serving.num_items, num_probes=1)
        serving = serve(serving.model, serving.unit, index=index)
    serving.save(str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path)).signatures["similar"]
    asked = [b"b03", b"never", b"", b"w07", *serving.item_ids.numpy()[-1:]]
    expected = list(naive_lists(serving, asked))
    assert [len(wanted) > 0 for wanted in expected] == [True, False, False, True, True]
    check(loaded(item_id=tf.constant(asked), k=tf.constant(ALL)), expected)
    few = loaded(item_id=tf.constant(asked), k=tf.constant(3))
    check(few, [wanted[:3] for wanted in expected])


class Angles(tf.keras.Model):
    """Gives each item a direction and a length of its own; the first one has none."""

    def users(self, features):
        return tf.zeros([tf.shape(features[f.USER_INDEX])[0], 2])

    def items(self, item_index):
        place = tf.cast(item_index - f.NUM_RESERVED, tf.float32)
        angle = tf.stack([tf.cos(place / 20), tf.sin(place / 20)], -1)
        return place[..., tf.newaxis] ** 2 * angle

    def call(self, features, training=False):
        return tf.linalg.matvec(
            self.items(features[f.ITEM_INDEX]), self.users(features)
        )


def test_new_items_are_similar_to_others_and_have_similar_ones(serve):
    serving = serve(Angles(), "order", new_items=[b"n1", b"n2"])
    last = serving.item_ids.numpy()[-3]
    answer = serving.similar(tf.constant([b"n2", b"n1"]), tf.constant(2))
    assert answer["item_id"].numpy()[0].tolist() == [b"n1", last]
    assert set(answer["item_id"].numpy()[1]) == {last, b"n2"}  # equally far
    steps = np.array([[1, 2], [1, 1]])
    np.testing.assert_allclose(answer["score"], np.cos(steps / 20), rtol=1e-5)
    first = serving.item_ids.numpy()[f.NUM_RESERVED]
    answer = serving.similar(tf.constant([first]), tf.constant(ALL))
    assert answer["score"].numpy()[0, :-1].tolist() == [0.0] * 25
    assert first not in answer["item_id"].numpy()


def test_other_models_have_no_vectors_to_compare(served, tmp_path):
    served("fm").save(str(tmp_path))
    assert "similar" not in tf.saved_model.load(str(tmp_path)).signatures
