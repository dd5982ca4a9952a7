"""Lists with rules: the same in the Evaluator, batch, a single list and the server.

The expected lists are made by tests/reference/list_rules.py from the scores of
``serving_default``, which no rule touches.
"""

import base64
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import yaml
from click.testing import CliRunner

from components.live_models import push, versions
from pipeline.cli.command import main
from pipeline.recommend.all_users import recommend_to_all
from pipeline.recommend.list_rules import FilterError
from pipeline.recommend.one_item import similar_items
from pipeline.recommend.one_user import recommend
from pipeline.runs.step_outputs import newest_output
from tests.reference import judging, list_rules
from tests.support.judged_models import (
    MIN_RATINGS,
    example,
    exported,
    judged_by_pipeline,
    served_from,
    wait_for,
    write_log,
)
from tests.support.server import serving, until
from trainer_modules.item_feed import FeedError

pytestmark = pytest.mark.integration
NUM_ITEMS = 52
NAMES = ["popularity", "mf_als"]
RULES = """
deny: [3]
deny_values: {genres: [Western]}
limits:
  - {field: genres, at_most: 3, in_first: 8}
diversity: {field: genres, lambda: 0.77, in_first: 5}
boosts: [{field: genres, value: Comedy, places: 2}]
minimum_age: {item_field: fsk, item_field_in: feed, user_field: age}
pool: 20
"""
TEXTS = ("Drama", "War|Comedy", "Comedy", "Western|Drama", "War", "", "Sci-Fi")
GENRES = {str(i): set(TEXTS[i % 7].split("|")) - {""} for i in range(1, NUM_ITEMS + 1)}
GENRES["8"] = {"Sci-Fi", "Noir"}  # by the feed
SOLD_OUT_IN_TRAINING = {"7"}
MINIMUM = {"5": "21", "11": "12", "12": "30", "16": "35.5", "18": "25"}  # by the feed
AGES = ("18", "25", "35")


def write_feed(path, sold_out, more=""):
    """Writes a feed as it should be: another process never sees half of it."""
    rows = "".join(
        f"{item},{item not in sold_out},,{MINIMUM.get(item, '')}\n"
        for item in sorted(sold_out | set(MINIMUM))
    )
    replace(path, f"item_id,available,genres,fsk\n8,true,Sci-Fi|Noir,\n{rows}{more}")


def replace(path, text):
    path.with_suffix(".new").write_text(text)
    os.replace(path.with_suffix(".new"), path)


class Ruled:
    """The judged models, and what their lists should be."""

    def __init__(self, folder):
        write_log(folder / "log")
        (folder / "log" / "movies.dat").write_text(
            "".join(
                f"{i}::Film {i} (1999)::{TEXTS[i % 7] or '(no genres listed)'}\n"
                for i in range(1, NUM_ITEMS + 1)
            )
        )
        self.feed, rules = folder / "feed.csv", folder / "rules.yaml"
        write_feed(self.feed, SOLD_OUT_IN_TRAINING, "999,no,,\n")
        rules.write_text(f"{RULES}feed: {{path: {self.feed}, stale_after: 2h}}\n")
        settings = [f"lists.rules={rules}"]
        self.out = judged_by_pipeline(folder, "leave_last_out", True, NAMES, settings)
        self.served = served_from(self.out, folder / "served")
        for name in NAMES:
            self.served.push(name)
        rows = judging.parse((folder / "log" / "ratings.dat").read_text())
        splits = judging.split(rows, "leave_last_out")
        self.histories = {
            user: [row for split in (train, eval_split) for row in split]
            for user, (train, eval_split, test) in splits.items()
            if test
        }
        graph = newest_output(self.out, "Transform", "transform_graph")
        names = tft.TFTransformOutput(str(graph)).vocabulary_by_name("item_id")
        self.items = [name.decode() for name in names]

    def judged(self, name, sold_out):
        """User → first items, target, its rank, and the number of candidates."""
        model = tf.saved_model.load(str(exported(self.out, name)))
        if sold_out is not None:  # since the training
            others = [*(sold_out | set(MINIMUM))]
            model.signatures["update_items"](
                item_id=tf.constant([*others, "8"]),
                available=tf.constant([*(i not in sold_out for i in others), True]),
                item_genres=tf.constant(
                    [["", ""]] * len(others) + [["Sci-Fi", "Noir"]]
                ),
                item_fsk=tf.constant(
                    [[MINIMUM.get(item, "")] for item in [*others, "8"]]
                ),
            )
        made = newest_output(self.out, "RatingsExampleGen", "examples")
        files = [str(path) for path in Path(made, "Split-test").iterdir()]
        records = list(tf.data.TFRecordDataset(files, "GZIP"))
        answer = model.signatures["evaluate"](examples=tf.stack(records))
        found = {}
        for row, record in enumerate(records):
            features = tf.train.Example.FromString(record.numpy()).features.feature
            [user] = features["user_id"].bytes_list.value
            [target] = features["item_id"].bytes_list.value
            top = [self.items[i - 2] for i in answer["top_item"][row].numpy() if i]
            numbers = (answer["rank"][row, 0], answer["num_candidates"][row])
            found[user.decode()] = top, target.decode(), *map(int, numbers)
        return found

    def expected(self, client, user, sold_out):
        """The whole list of a user, and how many items without a row are ahead."""
        history = self.histories[user]
        rated = {item for item, *_ in history}
        items = [
            item
            for item in self.items
            if item not in rated | sold_out | {"3"} and "Western" not in GENRES[item]
            if list_rules.may_see(MINIMUM.get(item), AGES[int(user) % 3], {})
        ]
        asked = base64.b64encode(example(user, history, [*items, "none"])).decode()
        body = {"instances": [{"b64": asked}]}
        answer = client.post("/v1/models/recommender:predict", json=body)
        [[*scores, unknown]] = answer.json()["predictions"]
        scores = dict(zip(items, map(np.float32, scores), strict=True))
        num_others = NUM_ITEMS - len({*self.items} | rated)
        listed = list_rules.ordered(scores, {"genres": GENRES}, yaml.safe_load(RULES))
        ahead = {item: num_others * (unknown >= scores[item]) for item in listed}
        return listed, ahead

    def assert_the_same_everywhere(self, client, name, sold_out):
        everyone = self.served.out / "all.parquet"
        recommend_to_all(self.served.out, everyone, 1000)
        batch = pd.read_parquet(everyone).groupby("user_id").item_id.agg(list)
        judged = self.judged(name, sold_out)
        assert set(judged) == set(self.histories)
        num_placed = 0
        for user in self.histories:
            wanted, ahead = self.expected(client, user, sold_out)
            answer = client.get(f"/v1/recommend/{user}?k=1000").json()
            assert answer["model"] == name
            found = [item["item_id"] for item in answer["items"]]
            assert found == wanted
            assert "\n".join(batch.get(user, [])).encode() == "\n".join(found).encode()
            top, target, rank, num_candidates = judged[user]
            assert top == found[:10]
            if target in found[:20]:
                assert rank == found.index(target) + 1 + ahead[target]
                num_placed += 1
            elif target in self.items and target not in found:  # the rules block it
                assert rank == max(num_candidates, 10) + 1
        assert num_placed > 5
        for user in (min(self.histories), max(self.histories)):
            alone = recommend(self.served.out, user, 1000, [], why=False)
            answer = client.get(f"/v1/recommend/{user}?k=1000").json()
            assert [item.item_id for item in alone.items] == [
                item["item_id"] for item in answer["items"]
            ]
            assert alone.short == answer["short"]
            assert "limit on genres" in alone.short


@pytest.fixture(scope="module")
def ruled(tmp_path_factory):
    return Ruled(tmp_path_factory.mktemp("ruled"))


@pytest.fixture(scope="module")
def client(ruled):
    with serving(ruled.served.out) as client:
        until(client, "/v1/recommend/1")
        wait_for(client, len(NAMES))
        yield client


@pytest.fixture
def user(ruled):
    return min(ruled.histories)


def ids_of(client, query):
    answer = client.get(f"/v1/recommend/{query}").json()
    return [item["item_id"] for item in answer["items"]]


def test_the_evaluator_judges_with_the_feed_as_it_was_in_training(ruled):
    for name in NAMES:
        for top, *_ in ruled.judged(name, None).values():
            assert not set(top) & SOLD_OUT_IN_TRAINING


def test_every_way_to_a_list_gives_the_same(ruled, client):
    ruled.assert_the_same_everywhere(client, NAMES[-1], SOLD_OUT_IN_TRAINING)


def test_a_request_excludes_items(ruled, client, user):
    [first, second, *_] = ids_of(client, user)
    listed = ids_of(client, f"{user}?exclude={second}&exclude=unknown")
    assert listed[0] == first
    assert second not in listed
    alone = recommend(
        ruled.served.out, user, 10, [], False, exclude=[f"Film {second} (1999)"]
    )
    assert [item.item_id for item in alone.items] == listed


def test_a_request_filters_items(ruled, client, user):
    query = f"{user}?filter=genres:War&filter=genres:Noir&k=50"
    listed = ids_of(client, query)
    assert listed
    assert all(GENRES[item] & {"War", "Noir"} for item in listed)
    short = client.get(f"/v1/recommend/{query}").json()["short"]
    assert short.startswith(f"{len(listed)} of 50 items; ")
    assert "filter" in short
    filters = ["genres:War", "genres:Noir"]
    alone = recommend(ruled.served.out, user, 50, [], False, filters=filters)
    assert [item.item_id for item in alone.items] == listed
    refused = client.get(f"/v1/recommend/{user}?filter=colour:red")
    assert refused.status_code == 400
    assert "choose from genres" in refused.json()["error"]
    assert client.get(f"/v1/recommend/{user}?filter=genres").status_code == 400
    assert client.get(f"/v1/recommend/{user}?{'exclude=1&' * 1001}").status_code == 400
    with pytest.raises(FilterError, match="field:value"):
        recommend(ruled.served.out, user, 50, [], False, filters=["War"])


def test_the_age_of_a_request_decides(ruled, client):
    grown_up = next(user for user in ruled.histories if int(user) % 3 == 2)
    for user, query, age in (
        ("new", "", None),
        ("new", "&age=25", "25"),
        (grown_up, "&age=12", "12"),
        (grown_up, "&age=40", "40"),
        (grown_up, "", "35"),
    ):
        rated = {item for item, *_ in ruled.histories.get(user, ())}
        seen = {i for i in MINIMUM if list_rules.may_see(MINIMUM[i], age, {})}
        found = ids_of(client, f"{user}?k=1000{query}")
        candidates = set(listed_items(ruled)) & set(MINIMUM) - rated
        assert candidates
        assert set(found) & set(MINIMUM) <= seen
        asked = query.partition("=")[2] or None
        alone = recommend(ruled.served.out, user, 1000, [], False, age=asked)
        assert [item.item_id for item in alone.items] == found
        assert "the minimum age" in alone.short
    for wrong in ("-3", "old", "1e2", ""):
        refused = client.get(f"/v1/recommend/new?age={wrong}")
        assert refused.status_code == 400
        assert f"age={wrong!r}: expected an age" in refused.json()["error"]
        with pytest.raises(FilterError, match="expected an age"):
            recommend(ruled.served.out, "new", 5, [], False, age=wrong)


def test_clients_cannot_change_what_is_available(client):
    body = {"signature_name": "update_items", "inputs": {"item_id": ["1"]}}
    answer = client.post("/v1/models/recommender:predict", json=body)
    assert answer.status_code == 403
    assert "feed" in answer.json()["error"]


def test_an_item_that_is_out_of_stock_disappears_within_a_second(
    ruled, client, user, capsys
):
    item = ids_of(client, user)[0]
    sold_out = SOLD_OUT_IN_TRAINING | {item}
    write_feed(ruled.feed, sold_out)
    started = time.monotonic()
    while item in ids_of(client, user):
        assert time.monotonic() < started + 30, client.log.read_text()[-3000:]
        time.sleep(0.01)
    with capsys.disabled():
        print(f" (after {time.monotonic() - started:.2f} s) ", end="")
    ruled.assert_the_same_everywhere(client, NAMES[-1], sold_out)
    # An item that the feed no longer names is available again.
    write_feed(ruled.feed, SOLD_OUT_IN_TRAINING)
    end = time.monotonic() + 30
    while item not in ids_of(client, user):
        assert time.monotonic() < end, client.log.read_text()[-3000:]
        time.sleep(0.01)


BAD_FEEDS = ("", "item_id\n1\n", "item_id,available\n1,maybe\n", None)


def test_each_bad_feed_is_reported_once_and_the_last_good_one_stays(
    ruled, client, user
):
    before = ids_of(client, user)
    log = client.log.read_text().count("the feed is not used")
    nothing_left = "".join(f"{item},0,,\n" for item in ruled.items)
    for bad in (*BAD_FEEDS, f"item_id,available,genres,fsk\n{nothing_left}"):
        if bad is None:
            ruled.feed.unlink()
        else:
            replace(ruled.feed, bad)
        time.sleep(0.5)
        assert ids_of(client, user) == before
    metrics = client.get("/metrics").text
    number = len(BAD_FEEDS) + 1
    assert f'marquee_load_failures_total{{what="feed"}} {number}.0' in metrics
    assert client.log.read_text().count("the feed is not used") == log + number
    with pytest.raises(FeedError, match="leaves no item to list"):
        recommend(ruled.served.out, user, 10, [], False)
    # Other commands use what was available in training, and report it.
    ruled.feed.unlink()
    alone = recommend(ruled.served.out, user, 10, [], False)
    assert not {item.item_id for item in alone.items} & SOLD_OUT_IN_TRAINING
    assert "available when the model was trained" in alone.feed_problem
    similar = CliRunner().invoke(main, ["similar", "1", "--out", str(ruled.served.out)])
    assert "Warning: lists have what was available when the model" in similar.output
    # A good one is used again; a stale one too, and it is reported.
    write_feed(ruled.feed, SOLD_OUT_IN_TRAINING | {before[0]})
    os.utime(ruled.feed, (time.time() - 9000,) * 2)
    end = time.monotonic() + 30
    while before[0] in ids_of(client, user):
        assert time.monotonic() < end, client.log.read_text()[-3000:]
        time.sleep(0.05)
    # Beside those before: it was missing once more, and is stale.
    stale = f'marquee_load_failures_total{{what="feed"}} {number + 2}.0'
    until_counted(client, stale)
    assert "is stale: it was written 150 minutes ago" in client.log.read_text()
    write_feed(ruled.feed, SOLD_OUT_IN_TRAINING)


def test_a_new_version_gets_the_last_good_feed(ruled, client, user):
    item = ids_of(client, user)[0]
    write_feed(ruled.feed, SOLD_OUT_IN_TRAINING | {item})
    end = time.monotonic() + 30
    while item in ids_of(client, user):
        assert time.monotonic() < end, client.log.read_text()[-3000:]
        time.sleep(0.05)
    replace(ruled.feed, "half of a fi")
    out = ruled.served.out
    push.push(out / "models" / NAMES[-1], out / "live", keep=99)
    wait_for(client, len(NAMES) + 1)
    assert item not in ids_of(client, user)
    write_feed(ruled.feed, SOLD_OUT_IN_TRAINING)


def until_counted(client, line):
    end = time.monotonic() + 30
    while line not in client.get("/metrics").text:
        assert time.monotonic() < end, client.log.read_text()[-3000:]
        time.sleep(0.05)


def test_items_without_a_row_are_unknown_to_the_feed(ruled, client):
    assert MIN_RATINGS > 1
    write_feed(ruled.feed, SOLD_OUT_IN_TRAINING, "998,no,,\n999,no,,\n")
    until_counted(client, "marquee_feed_unknown_items 2.0")
    assert f"marquee_items_listed {float(len(listed_items(ruled)))}" in (
        client.get("/metrics").text
    )


def listed_items(ruled):
    return [
        item
        for item in ruled.items
        if item not in SOLD_OUT_IN_TRAINING | {"3"} and "Western" not in GENRES[item]
    ]


def similar_to(client, item):
    answer = client.get(f"/v1/similar/{item}?k=1000").json()
    return answer["made_of"], [item["item_id"] for item in answer["items"]]


def test_similar_items_follow_the_rules_and_the_feed(ruled, client):
    made_of, vectors = similar_to(client, "1")
    assert made_of == "vectors"
    # The list is for no user in particular, so that no age is known.
    similar = set(listed_items(ruled)) - set(MINIMUM)
    assert sorted(vectors) == sorted(similar - {"1"})
    found, problem = similar_items(ruled.served.out, "1", 1000)
    assert [item.item_id for item in found.items] == vectors
    assert not problem
    # A model without vectors: the users who like both.
    out = ruled.served.out
    push.push(out / "models" / NAMES[0], out / "live", keep=99)
    wait_for(client, max(versions.numbers(out / "live")))
    made_of, likes = similar_to(client, "1")
    assert made_of == "likes"
    liked = [
        {item for item, stars, *_ in rows if stars >= 4}
        for rows in ruled.histories.values()
    ]
    together = set().union(*(items for items in liked if "1" in items)) - {"1"}
    assert together - similar  # some of them are blocked
    assert together & similar <= set(likes) <= similar
    assert [i.item_id for i in similar_items(out, "1", 1000)[0].items] == likes
