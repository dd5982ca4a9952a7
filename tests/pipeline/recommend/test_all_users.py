"""Lists for all users, from a model whose scores are a formula."""

import subprocess
import sys
import time
import zlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.live_models import push, versions
from pipeline.recommend import all_users
from pipeline.recommend.one_user import recommend
from pipeline.runs import lock
from tests.support.examples import write_ratings
from tests.support.metadata_store import accept
from tests.support.recommender import save_recommender
from tests.support.run_record import write_record
from trainer_modules import features as f
from trainer_modules.model_card import ModelCard, write_card

ROOT = Path(__file__).parents[3]
NUM_ITEMS = 40
ITEMS = [str(number) for number in range(NUM_ITEMS)]


def score(user, item):
    """Returns scores that differ for all items of a user, in an order of each user."""
    return (7 * len(user) + zlib.crc32(user.encode()) % 37 + 17 * int(item)) % 41 / 41


class Formula(tf.Module):
    """``score`` in TensorFlow, with the contract of ``signatures.Served.recommend``."""

    def __init__(self, users):
        super().__init__()
        self.users = tf.constant(sorted(users))
        table = [[score(u, i) for i in ITEMS] for u in sorted(users)]
        self.scores = tf.constant(table, tf.float32)
        self.items = tf.constant(ITEMS)

    def recommend(self, user_id, history_item_id, k):
        row = tf.argmax(user_id[:, None] == self.users[None], 1)
        seen = tf.reduce_any(history_item_id[:, :, None] == self.items, 1)
        scores = tf.where(seen, -float("inf"), tf.gather(self.scores, row))
        top = tf.math.top_k(scores, tf.minimum(k, NUM_ITEMS))
        ids = tf.gather(self.items, top.indices)
        ids = tf.where(top.values > -float("inf"), ids, "")
        return {"item_id": ids, "score": top.values}


def rated(user, number):
    """Returns the stars of a user, by split and item."""
    if user == "everything":
        return {"train": dict.fromkeys(ITEMS[:-1], 5), "test": {ITEMS[-1]: 1}}
    items = [str((3 * number + 7 * step) % NUM_ITEMS) for step in range(4 + number % 9)]
    stars = {item: 1 + (number + step) % 5 for step, item in enumerate(items)}
    *train, target = stars
    held = {"eval": {target: stars[target]}} if number % 2 else {}
    held = held or {"test": {target: stars[target]}}
    return {"train": {item: stars[item] for item in train}, **held}


USERS = [*(f"u{number}" for number in range(30)), "everything", "zoë"]
RATED = {user: rated(user, number) for number, user in enumerate(USERS)}


@pytest.fixture
def out(tmp_path):
    """Returns the folder of a run with a live model and three files per split."""
    out = tmp_path / "out"
    examples = out / "artifacts" / "RatingsExampleGen" / "examples" / "2"
    for split in f.SPLITS:
        for shard in range(3):
            name = f"data_tfrecord-{shard:05}-of-00003.gz"
            users = USERS[shard::3]
            rated = {u: RATED[u][split] for u in users if split in RATED[u]}
            write_ratings(examples / f"Split-{split}" / name, rated)
    catalogue = out / "artifacts" / "CatalogueGen" / "catalogue" / "3"
    catalogue.mkdir(parents=True)
    titles = {f.ITEM_ID: ITEMS, "title": ITEMS}
    pq.write_table(pa.table(titles), catalogue / f.CATALOGUE_FILE)
    write_record(out, "r1")
    folder = tmp_path / "model"
    save_recommender(Formula(USERS), folder)
    write_card(str(folder), ModelCard("formula", 1, {}, origin=accept(out, 2)))
    push.push(folder, out / "live", keep=5)
    return out


def lists(path):
    """Returns the items and scores by user, in the order of the file."""
    rows = pd.read_parquet(path)
    return {
        user: list(zip(of_user.item_id, of_user.score, strict=True))
        for user, of_user in rows.groupby("user_id", sort=False)
    }


def test_every_user_has_the_best_of_what_is_unrated(out, tmp_path, monkeypatch):
    monkeypatch.setattr(all_users, "_MAX_USERS_AT_ONCE", 4)
    monkeypatch.setattr(all_users, "ROW_GROUP", 30)
    path = tmp_path / "recs.parquet"
    written = all_users.recommend_to_all(out, path, 5)
    expected = {}
    for user in USERS:
        seen = {item for split in RATED[user].values() for item in split}
        unseen = [item for item in ITEMS if item not in seen]
        best = sorted(unseen, key=lambda item: -score(user, item))[:5]
        expected[user] = [(i, pytest.approx(score(user, i))) for i in best]
    assert expected.pop("everything") == []
    assert lists(path) == expected
    assert (written.users, written.rows) == (len(USERS), 5 * (len(USERS) - 1))


def test_it_says_what_recommend_says(out, tmp_path):
    path = tmp_path / "recs.parquet"
    all_users.recommend_to_all(out, path, 12)
    found = lists(path)
    for user in ("u0", "u7", "zoë"):
        answer = recommend(out, user, 12, [], why=False)
        assert found[user] == [
            (i.item_id, pytest.approx(i.score)) for i in answer.items
        ]


def test_a_catalogue_with_less_than_k_items_gives_shorter_lists(out, tmp_path):
    path = tmp_path / "recs.parquet"
    all_users.recommend_to_all(out, path, 1000)
    found = lists(path)
    for user in set(USERS) - {"everything"}:
        seen = {item for split in RATED[user].values() for item in split}
        assert {item for item, _ in found[user]} == set(ITEMS) - seen


def test_the_file_is_what_a_store_can_load(out, tmp_path, monkeypatch):
    monkeypatch.setattr(all_users, "ROW_GROUP", 20)
    path = tmp_path / "recs.parquet"
    all_users.recommend_to_all(out, path, 5)
    table = pq.read_table(path)
    assert table.schema.equals(all_users.SCHEMA)
    assert table.schema.metadata[b"marquee.model"] == b"formula"
    assert table.schema.metadata[b"marquee.version"] == b"1"
    told = pq.read_metadata(path)
    groups = [told.row_group(i).num_rows for i in range(told.num_row_groups)]
    assert max(groups) <= 20
    for ranks in table.to_pandas().groupby("user_id")["rank"]:
        assert list(ranks[1]) == [1, 2, 3, 4, 5]


def test_a_failing_run_leaves_the_file_before_it_and_nothing_else(out, tmp_path):
    folder = tmp_path / "there"
    folder.mkdir()
    path = folder / "recs.parquet"
    path.write_text("the file of yesterday")
    [shard] = out.glob("artifacts/*/*/*/Split-train/*-00002-of-*")
    shard.write_bytes(b"no records")
    with pytest.raises(Exception, match="record|gzip|header|truncated|inflate"):
        all_users.recommend_to_all(out, path, 5)
    assert path.read_text() == "the file of yesterday"
    assert list(folder.iterdir()) == [path]


def test_what_a_killed_one_left_is_removed_by_the_next(out, tmp_path):
    folder = tmp_path / "th[e]re"
    folder.mkdir()
    path = folder / "recs.parquet"
    command = [sys.executable, "-m", "pipeline", "batch", "--runs", str(out)]
    killed = subprocess.Popen([*command, "--out", str(path)], cwd=ROOT)
    while not list(folder.glob(".recs.parquet.unfinished-*/batch.lock")):
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    [left] = folder.iterdir()
    at_work = folder / ".recs.parquet.unfinished-at-work"
    of_another = folder / ".other.parquet.unfinished-x"
    of_another.mkdir()
    with lock.held(at_work / "batch.lock", "batch"):
        all_users.recommend_to_all(out, path, 5)
    assert set(folder.iterdir()) == {path, at_work, of_another}
    assert not left.exists()
    assert len(lists(path)) == len(USERS) - 1  # of whom one has rated everything


def test_a_changed_model_is_not_asked(out, tmp_path):
    (out / "live" / "1" / "saved_model.pb").write_bytes(b"")
    with pytest.raises(versions.VersionError, match="not as it was pushed"):
        all_users.recommend_to_all(out, tmp_path / "recs.parquet", 5)


def test_without_a_live_model_it_says_what_to_do(tmp_path):
    with pytest.raises(versions.VersionError, match="marquee run"):
        all_users.recommend_to_all(tmp_path, tmp_path / "recs.parquet", 5)
