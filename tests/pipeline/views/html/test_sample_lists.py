import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.live_models import push, versions
from pipeline.lineage import NoAcceptedDataError
from pipeline.views.html.sample_lists import examples
from tests.support.metadata_store import accept
from tests.support.recommender import save_recommender
from trainer_modules import features as f


class AllItems(tf.Module):
    """Recommends i0, i1, … but for what is in the history; scores fall."""

    def recommend(self, user_id, history_item_id, k):
        items = tf.strings.join(["i", tf.strings.as_string(tf.range(60))])
        seen = tf.reduce_any(items[:, None] == history_item_id[:, None], 2)
        score = tf.where(seen, -1.0, 1 / tf.range(1.0, 61.0))
        top = tf.math.top_k(score, k)
        left = tf.where(top.values > 0, tf.gather(items, top.indices), "")
        return {"item_id": left, "score": top.values}


def record(user, history, targets):
    def feature(values):
        if isinstance(values[0], float):
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        values = [value.encode() for value in values]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    named = {f.USER_ID: feature([user])}
    for prefix, rated in ((f.HISTORY_PREFIX, history), ("", targets)):
        if not rated:
            continue
        named[prefix + f.ITEM_ID] = feature([item for item, _ in rated])
        named[prefix + f.RATING] = feature([stars for _, stars in rated])
    return tf.train.Example(features=tf.train.Features(feature=named))


@pytest.fixture
def data(tmp_path):
    """Twenty users, of whom u<n> has rated i0 … i<n> and the target; odd ones liked."""
    examples = tmp_path / "artifacts/RatingsExampleGen/examples/1"
    for split in ("train", "test"):
        file = examples / f"Split-{split}" / "data.gz"
        file.parent.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            for n in reversed(range(20)):
                before = [(f"i{i}", 5.0 if i % 2 else 1.0) for i in range(n + 1)]
                rated = ([], before) if split == "train" else (before, [("i59", 5.0)])
                writer.write(record(f"u{n:02}", *rated).SerializeToString())
    catalogue = tmp_path / "artifacts/CatalogueGen/catalogue/2"
    catalogue.mkdir(parents=True)
    ids = [f"i{n}" for n in range(60)]
    titles = [f"Title {n}" for n in range(60)]
    table = pa.table({f.ITEM_ID: ids, "title": titles})
    pq.write_table(table, catalogue / f.CATALOGUE_FILE)
    return examples


@pytest.fixture
def out(tmp_path, data):
    """A folder of runs in which that model is live, accepted with those users."""
    folder = tmp_path / "model"
    save_recommender(AllItems(), folder)
    card = folder / f.CARD_FILE
    card.parent.mkdir(exist_ok=True)
    card.write_text(json.dumps({"model": "all", "origin": accept(tmp_path, 1)}))
    push.push(folder, tmp_path / "live", keep=5)
    return tmp_path


def test_three_users_by_what_they_rated_and_what_is_new_to_them(out):
    little, most, much = examples(out)
    # The tenth, half and nine tenths of twenty users.
    assert [each.user for each in (little, most, much)] == ["u02", "u10", "u18"]
    assert (most.rated, most.num_liked) == (12, 6)
    # Rated 1.0 are i0, i2 …: seen, if not liked, and on no list.
    assert [title for title, _ in most.items] == [f"Title {n}" for n in range(11, 21)]
    assert most.liked == ["Title 59", *(f"Title {n}" for n in (9, 7, 5, 3, 1))]
    scores = [score for _, score in most.items]
    assert scores == sorted(scores, reverse=True)
    assert examples(out) == [little, most, much]


def test_without_a_live_model_there_are_none(tmp_path):
    assert examples(tmp_path) == []


def test_without_the_data_that_it_was_accepted_with_it_is_an_error(out, data):
    shutil.rmtree(data)
    with pytest.raises(
        NoAcceptedDataError, match=r"examples/1 is missing.*marquee run"
    ):
        examples(out)


def test_a_live_model_that_was_changed_is_not_asked(out):
    (out / "live" / "1" / "saved_model.pb").write_bytes(b"")
    with pytest.raises(versions.VersionError):
        examples(out)
