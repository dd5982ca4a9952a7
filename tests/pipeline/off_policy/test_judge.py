"""A version is judged by places that were drawn from another one's lists."""

import datetime
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tensorflow as tf

from components.live_models import push, versions
from pipeline.config.sections import PipelineConfig
from pipeline.list_log.files import FILES, FOLDER
from pipeline.off_policy import judge as judging
from pipeline.off_policy.drawn_lists import NoDrawnListsError, read_lists
from pipeline.off_policy.judge import (
    LATER_PAGE,
    NOT_DRAWN,
    NOT_OVER,
    OLDER,
    REDACTED,
    judge,
    judge_all,
)
from pipeline.off_policy.run_candidates import judge_run
from pipeline.off_policy.subject import version_of
from pipeline.serving.exploration import Exploration
from pipeline.serving.list_cursor import Cursor
from pipeline.views.terminal.off_policy import lines
from tests.support.examples import write_ratings
from tests.support.metadata_store import StoreWriter
from tests.support.online_logs import shown, write_events, write_lists
from tests.support.recommender import save_recommender
from tests.support.ruled_model import ORIGIN, RATED, Ruled, save_ruled, write_data
from tests.support.run_record import write_record
from tests.support.server import serving, until
from trainer_modules.model_card import ModelCard, write_card

pytestmark = pytest.mark.integration

DAY = 86_400
ITEMS = [str(number) for number in range(30, 0, -1)]  # as version 1 lists them
USERS = [f"u{number}" for number in range(400)]
K, PLACES = 10, 3
HEAD = K - PLACES


class Reversed(Ruled):
    """Lists items 1, 2, … without those of the history."""

    def recommend(self, user_id, history_item_id, k):
        seen = tf.reduce_any(
            self.items[None, :, None] == history_item_id[:, None, :], 2
        )
        score = -tf.strings.to_number(self.items)[None]
        score += 0 * tf.cast(tf.strings.length(user_id), tf.float32)[:, None]
        score = tf.where(seen, -float("inf"), score)
        top = tf.math.top_k(score, tf.minimum(k, 30))
        left = top.values > -float("inf")
        item = tf.where(left, tf.gather(self.items, top.indices), b"")
        return {"item_id": item, "score": top.values}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Exports a model that lists 30, 29, …, and one that lists 1, 2, …"""
    folders = [tmp_path_factory.mktemp("model") for _ in range(2)]
    save_ruled(folders[0], 1)
    model = Reversed(1)
    signatures = {"serving_default": model.score, "evaluate": model.evaluate}
    save_recommender(model, folders[1], **signatures)
    write_card(str(folders[1]), ModelCard("reversed", 1, {}, origin=ORIGIN.format(2)))
    return folders


@pytest.fixture
def out(tmp_path, exported):
    for folder in exported:
        push.push(folder, tmp_path / "live", keep=9)
    return tmp_path


def pushed(out):
    """Returns when version 2 was pushed, in the next full second."""
    text = versions.versions(out / "live")[-1].pushed
    return int(datetime.datetime.fromisoformat(text).timestamp()) + 1


def chance(item, place):
    """Returns with which probability an item is clicked at a place, from 0."""
    return (0.7 - 0.02 * int(item)) * 0.9**place


def log(out, pool, begin, num_lists=5):
    """Writes lists and events of users who have seen items 30 and 1."""
    random = np.random.default_rng(1)
    exploration = Exploration(PLACES, pool)
    item_ids, pages, events = ITEMS[1:-1], [], []
    for number, user in enumerate(USERS * num_lists):
        second = begin + number // len(USERS)
        place = Cursor(user, 1, 0, [], seed=exploration.seed())
        page = exploration.page(item_ids, place, K)
        items = [item_ids[rank] for rank in page.ranks]
        pages.append(
            shown(user, items, second)._replace(
                probabilities=page.probabilities,
                ranks=page.ranks,
                pool=[item_ids[rank] for rank in page.pool],
                history_items=["30", "1"],
                history_ratings=[5.0, 5.0],
            )
        )
        events += [
            (user, item, second)
            for position, item in enumerate(items)
            if random.random() < chance(item, position)
        ]
    write_lists(out, pages)
    write_events(out, events, now=begin)


def expected(items):
    return np.mean([chance(item, HEAD + place) for place, item in enumerate(items)])


def test_estimates_have_the_truth(out):
    begin = pushed(out)
    log(out, 21, begin)
    found = judge(out, version_of(out, 2), 1, 1, begin + DAY)
    assert (found.version, found.model, found.logged_by) == (2, "reversed", [1])
    assert (found.lists, found.skipped) == (5 * len(USERS), {})
    assert found.candidate.overlap.uncovered == found.logged.overlap.uncovered == 0
    # The head has items 29 to 23; version 2 lists items 2, 3 and 4 next.
    for judged, items in ((found.logged, "22 21 20"), (found.candidate, "2 3 4")):
        assert judged.overlap.places == 15 * len(USERS)
        assert judged.overlap.effective == pytest.approx(15 * len(USERS) / 21, rel=0.2)
        truth = expected(items.split())
        for estimate in (judged.ips, judged.snips, judged.dr):
            assert estimate.lower < truth < estimate.upper
            assert estimate.value == pytest.approx(truth, rel=0.3)
    pools = [expected([item] * PLACES) for item in ITEMS[1 + HEAD : -1]]
    assert found.drawn.value == pytest.approx(np.mean(pools), rel=0.05)
    gain = expected(["2", "3", "4"]) - expected(["22", "21", "20"])
    assert found.difference.lower < gain < found.difference.upper
    assert found.difference.lower > 0


def test_several_models_are_judged_by_one_reading(out, monkeypatch):
    begin = pushed(out)
    log(out, 21, begin)
    subjects = [replace(version_of(out, number), since=begin) for number in (1, 2)]
    alone = [judge(out, subject, 1, 1, begin + DAY) for subject in subjects]
    read = []
    monkeypatch.setattr(
        judging,
        "read_lists",
        lambda *args: read.append(args) or read_lists(*args),
    )
    assert judge_all(out, subjects, 1, 1, begin + DAY) == alone
    assert alone[0].candidate != alone[1].candidate
    assert len(read) == 1


def test_a_damaged_file_is_named_and_the_others_count(out):
    begin = pushed(out)
    log(out, 21, begin)
    damaged = out / FOLDER / "lists-0.parquet"
    damaged.write_bytes(b"PAR1 cut short")
    found = judge(out, version_of(out, 2), 1, 1, begin + DAY)
    assert found.lists == 5 * len(USERS)
    [line] = found.damaged
    assert line.startswith(f"{damaged} cannot be read: ")
    assert line in lines(found)
    for path in (out / FOLDER).glob(FILES):
        path.write_bytes(b"PAR1 cut short")
    with pytest.raises(NoDrawnListsError, match=r"lists-0\.parquet cannot be read"):
        judge(out, version_of(out, 2), 1, 1, begin + DAY)


def test_the_own_version_needs_no_model_to_be_the_same(out, exported):
    push.push(exported[0], out / "live", keep=9)  # version 3, which is version 1 again
    begin = pushed(out)
    log(out, 21, begin)
    found = judge(out, version_of(out, 3), 1, 1, begin + DAY)
    assert found.candidate == found.logged
    assert found.difference.value == 0


def test_a_server_s_log_has_what_is_needed(out):
    """The version that served lists would have shown what it ranked next."""
    write_data(out, RATED, 9)
    options = ("--log-lists", "1", "--explore", "3/15", "--events", str(out / "spans"))
    with serving(out, *options) as client:
        until(client, "/v1/recommend/ann")
        for number in range(90):
            user = f"user {number % 30}"
            page = client.get(f"/v1/recommend/{user}?k=8").json()
            item = page["items"][-1]["item_id"]
            event = {"event_id": f"e{number}", "user_id": user, "item_id": item}
            body = {"events": [event | {"rating": 5}]}
            assert client.post("/v1/events", json=body).status_code == 200
    found = judge(out, version_of(out, 2), 60, 1, time.time() + 60)
    assert found.lists >= 90
    assert found.candidate.overlap.places == 3 * found.lists
    assert found.candidate == found.logged
    # An event follows one of the three places of each list but that of ann.
    assert 0.2 < found.drawn.value <= 1 / 3


def test_items_outside_the_pool_give_no_estimate(out):
    begin = pushed(out)
    log(out, 15, begin)  # items 22 to 8, and version 2 would list 2, 3 and 4
    found = judge(out, version_of(out, 2), 1, 1, begin + DAY)
    assert found.candidate.overlap.uncovered == 1
    assert "100% of the items that it would list could not be drawn" in (
        found.candidate.problem
    )
    assert found.candidate.dr is found.difference is None
    assert found.logged.dr is not None


def test_few_lists_or_events_give_no_estimate(out):
    begin = pushed(out)
    log(out, 21, begin, 1)
    found = judge(out, version_of(out, 2), 1, 1, begin + DAY)
    assert "100 of 50 users are needed: log more lists" in found.candidate.problem
    (out / "events.sqlite").unlink()
    log(out, 21, begin)
    assert judge(out, version_of(out, 2), 1, 1, begin + DAY).candidate.problem == ""
    (out / "events.sqlite").unlink()
    write_events(out, [])
    found = judge(out, version_of(out, 2), 1, 1, begin + DAY)
    assert "0 events followed its items" in found.candidate.problem
    assert found.candidate.ips is found.difference is None


def test_lists_that_cannot_be_used_are_counted(out):
    begin = pushed(out)
    drawn = {"pool": ["b", "c"], "probabilities": [1.0, 0.5], "ranks": [0, 1]}
    write_lists(
        out,
        [
            shown("ann", "ab", begin, **drawn),
            shown("ann", "ab", begin),
            shown("ann", "ab", begin, start=2, **drawn),
            shown("ann", "ab", begin - DAY, **drawn),
            shown("ann", "ab", begin + DAY, **drawn),
            shown("hmac:1f", "ab", begin, redacted=["user"], **drawn),
            shown("ann", "ab", begin, arm="shadow", **drawn),
            shown("ann", "", begin, failed=True),
        ],
    )
    write_events(out, [])
    found = judge(out, version_of(out, 2), 10, 1, begin + DAY)
    assert found.lists == 1
    reasons = (REDACTED, NOT_DRAWN, LATER_PAGE, OLDER, NOT_OVER)
    assert found.skipped == dict.fromkeys(reasons, 1)


def test_the_command_prints_the_estimates(out, marquee):
    begin = pushed(out)
    log(out, 21, begin)
    time.sleep(max(0, begin + 7 - time.time()))
    options = ("off-policy", "--version", "2", "--within", "1s", "--out", str(out))
    ended = marquee(*options, "--json")
    assert ended.status == 0, ended.err
    found = json.loads(ended.out)
    assert found["candidate"]["dr"]["value"] > found["logged"]["dr"]["value"]
    ended = marquee(*options)
    assert ended.status == 0, ended.err
    value = f"{found['candidate']['snips']['value']:.4f}"
    assert f"SNIPS                   {value}" in ended.out
    assert "6,000 places of 2,000 lists of 400 users were drawn" in ended.out


def test_candidates_of_a_run_are_judged_by_lists_after_their_training(
    out, exported, marquee
):
    begin = pushed(out)
    log(out, 21, begin)  # 400 lists in each of five seconds
    record = write_record(out)
    [mf_als] = record.models
    record = write_record(out, models=[msgspec.structs.replace(mf_als, name="m")])
    store = StoreWriter(out)
    data = store.read(record.run.id, 1)
    store.judge(record.run.id, data, 1)
    examples = Path(data.examples.uri)
    for split, second in (("train", begin - DAY), ("eval", begin), ("test", begin + 9)):
        path = examples / f"Split-{split}" / "data.gz"
        write_ratings(path, {"ann": {"30": 5.0}}, {"30": second})
    shutil.copytree(exported[1], Path(data.model.uri) / "Format-Serving")

    [found] = judge_run(out, record, 1, 1, begin + DAY).candidates
    assert (found.model, found.measured, found.problem) == ("m", 0.1213, "")
    assert found.estimates.version is None
    assert found.estimates.skipped == {OLDER: len(USERS)}
    assert found.estimates.lists == 4 * len(USERS)
    truth = found.estimates.candidate.dr
    assert truth.lower < expected(["2", "3", "4"]) < truth.upper

    time.sleep(max(0, begin + 7 - time.time()))
    options = ("off-policy", "--within", "1s", "--out", str(out))
    ended = marquee(*options)
    assert ended.status == 0, ended.err
    assert "m: live, ndcg@10 0.1213" in ended.out
    assert f"DR                      {truth.value:.4f}" in ended.out
    shutil.rmtree(examples)
    ended = marquee(*options)
    assert (ended.status, "was removed" in ended.err) == (2, True)


def test_the_window_is_that_of_the_settings(out, marquee):
    begin = pushed(out)
    log(out, 21, begin)
    time.sleep(max(0, begin + 7 - time.time()))
    options = ("off-policy", "--version", "2", "--out", str(out), "--json")
    ended = marquee(*options)
    assert ended.status == 2
    assert "Warning: online.* has its defaults" in ended.err
    assert "2,000 whose time for events is not over" in ended.err  # of a day
    write_data(out, RATED, 9)
    config = msgspec.to_builtins(PipelineConfig())
    write_record(out, "r1", config=config | {"online": {"attribution_window": "1s"}})
    ended = marquee(*options)
    assert (ended.status, ended.err) == (0, "")
    assert json.loads(ended.out)["window"] == 1


def test_bad_input_is_named(out, marquee):
    def error(version="2", within="1d"):
        ended = marquee(
            *("off-policy", "--version", version, "--within", within),
            *("--out", str(out)),
        )
        assert ended.status == 2
        return " ".join(ended.err.split())

    assert "No lists" in error()
    write_lists(out, [shown("ann", "abc", pushed(out))])
    assert "1 without drawn places" in error()
    assert "--explore 3/20" in error()
    assert "No version 7" in error(version="7")
    assert "'soon' is not a time such as 30m, 6h or 1d" in error(within="soon")
    drawn = {"pool": ["b", "c"], "probabilities": [1.0, 0.5]}
    redacted = shown("ann", "ab", pushed(out), redacted=["history"], **drawn)
    write_lists(out, [redacted])
    assert "without the inputs of the model" in error()
    write_lists(out, [shown("ann", "ab", time.time() - 9, **drawn)])
    assert "may have been trained" in error(within="1s")
    write_lists(out, [shown("ann", "ab", time.time() + 9, **drawn)])
    assert "is not over" in error(within="1s")


def test_a_folder_without_events_is_named(out):
    begin = pushed(out)
    drawn = {"pool": ["b", "c"], "probabilities": [1.0, 0.5]}
    write_lists(out, [shown("ann", "ab", begin, **drawn)])
    with pytest.raises(RuntimeError, match="'marquee serve --events DIR'"):
        judge(out, version_of(out, 2), 1, 1, begin + DAY)
