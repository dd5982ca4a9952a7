"""Planted skews of served features raise an alert, and others do not."""

import datetime
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.anomaly_gate.schema import SERVED_SCHEMA
from pipeline.list_log.files import NoListsError
from pipeline.list_log.redaction import Redaction
from pipeline.served_features.comparison import Wanted, compare
from tests.support.served_lists import (
    NOON,
    log,
    served,
    trained_users,
    write_training,
)

HOUR = datetime.timedelta(hours=1)
WANTED = Wanted("hour", 1, 200, SERVED_SCHEMA)
USERS = trained_users()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    write_training(out, USERS)
    return out


@pytest.fixture
def out(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "out")
    return tmp_path / "out"


def drawn(seed, number=250):
    """Users of an hour, the same user several times."""
    random = np.random.default_rng(seed)
    names = random.choice(list(USERS), number, replace=False)
    return [*names, *random.choice(names, 50)]


def alerts(out, wanted=WANTED):
    """The features with an alert, by what they are compared with."""
    found = compare(out, wanted)
    assert found.problems == []
    return {
        (alert.between, alert.feature)
        for period in found.compared
        for alert in period.alerts
    }


@pytest.mark.parametrize("seed", range(4))
def test_own_histories_raise_no_alert(out, seed):
    for hour in range(3):
        log(out, served(USERS, drawn(10 * seed + hour), NOON + hour * HOUR))
    [compared] = compare(out, WANTED).compared
    assert compared.alerts == []
    assert compared.period == "2026-11-20T14:00Z"
    assert (compared.users, compared.trained_on) == (250, 250)
    by = {(d.between, d.feature): d.value for d in compared.distances}
    assert {value for (between, _), value in by.items() if between == "skew"} == {0.0}
    assert by["drift", "history_item_id"] > 0
    assert compared.not_compared == compared.too_few == []
    assert len(compare(out, Wanted("hour", 9, 200, SERVED_SCHEMA)).compared) == 3
    assert compare(out, Wanted("day", 1, 200, SERVED_SCHEMA)).compared[0].users > 250


def without(feature):
    return lambda page: page._replace(
        user_features=[
            text for text in page.user_features if not text.startswith(f"{feature}=")
        ]
    )


def with_other(feature, scale):
    return lambda page: page._replace(
        user_features=[
            f"{feature}={scale(float(text.partition('=')[2]))}"
            if text.startswith(f"{feature}=")
            else text
            for text in page.user_features
        ]
    )


PLANTED = {
    "category missing": (without("user_city"), {"user_city"}),
    "number missing": (without("user_income"), {"user_income"}),
    "number in thousands": (
        with_other("user_income", lambda income: income / 1000),
        {"user_income"},
    ),
    "ratings from 0 to 1": (
        lambda page: page._replace(
            history_ratings=[r / 5 for r in page.history_ratings]
        ),
        {"history_rating"},
    ),
    "times in ms": (
        lambda page: page._replace(
            history_times=[1000 * t for t in page.history_times]
        ),
        {"newest_event"},
    ),
    "times in days": (
        lambda page: page._replace(
            history_times=[t // 86_400 for t in page.history_times]
        ),
        {"newest_event"},
    ),
    "time of the request in ms": (
        lambda page: page._replace(at=1000 * page.at),
        {"newest_event"},
    ),
    "items in another case": (
        lambda page: page._replace(
            history_items=[item.title() for item in page.history_items]
        ),
        {"history_item_id"},
    ),
    "users in another case": (
        lambda page: page._replace(user=page.user.upper()),
        {"user_id"},
    ),
    "histories cut off": (
        lambda page: page._replace(
            history_items=page.history_items[-1:],
            history_ratings=page.history_ratings[-1:],
            history_times=page.history_times[-1:],
        ),
        {"history_length"},
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_skew_raises_an_alert(out, planted):
    change, features = PLANTED[planted]
    log(out, served(USERS, drawn(1), NOON, change))
    assert alerts(out) == {("skew", feature) for feature in features}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_skew_that_begins_is_drift_as_well(out, planted):
    change, features = PLANTED[planted]
    log(out, served(USERS, drawn(1), NOON - HOUR))
    log(out, served(USERS, drawn(2), NOON, change))
    found = {feature for between, feature in alerts(out) if between == "drift"}
    assert found >= features
    log(out, served(USERS, drawn(3), NOON + HOUR, change))
    assert {between for between, _ in alerts(out)} == {"skew"}


def test_few_users_are_not_compared(out):
    log(out, served(USERS, drawn(1), NOON - HOUR, without("user_city")))
    log(out, served(USERS, drawn(2, number=199), NOON, without("user_city")))
    [compared] = compare(out, WANTED).compared
    assert compared.period == "2026-11-20T11:00Z"  # the newest with enough of them
    wanted = Wanted("hour", 1, 251, SERVED_SCHEMA)
    found = compare(out, wanted)
    assert found.compared == []
    assert found.problems == []
    assert "no hour has lists of 251 users" in found.too_few[0]


def test_lists_of_a_clock_that_was_ahead_are_left_out(out):
    """They would be the newest ones until that time has come."""
    log(out, served(USERS, drawn(1), NOON, without("user_city")))
    ahead = datetime.datetime.now(datetime.UTC) + 24 * HOUR
    log(out, served(USERS, drawn(2), ahead))
    found = compare(out, WANTED)
    [compared] = found.compared
    assert compared.period == "2026-11-20T12:00Z"
    assert {alert.feature for alert in compared.alerts} == {"user_city"}
    [problem] = found.problems
    assert problem.startswith("300 lists have a time later than now")


def test_what_users_did_since_training_is_no_skew(out):
    def later(page):
        seconds = page.at - 60
        return page._replace(
            history_items=[*page.history_items, "item-3", "new"],
            history_ratings=[*page.history_ratings, 4.0, 2.0],
            history_times=[*page.history_times, seconds, seconds],
        )

    log(out, served(USERS, drawn(1), NOON, later))
    [compared] = compare(out, WANTED).compared
    assert compared.alerts == []
    values = {d.feature: d.value for d in compared.distances}
    assert 0 < values["history_item_id"] < 0.1


def test_likes_of_the_request_are_left_out(out):
    """They have the largest float as their rating."""
    most = float(np.finfo(np.float32).max)

    def liking(page):
        return page._replace(
            history_items=[*page.history_items, "item-1"],
            history_ratings=[*page.history_ratings, most],
        )

    log(out, served(USERS, drawn(1), NOON, liking))
    assert {d.value for d in compare(out, WANTED).compared[0].distances} == {0.0}


def test_the_newest_list_of_a_user_counts(out):
    names = drawn(1)
    newest = served(USERS, names, NOON + HOUR / 2)
    log(out, [*newest[:100], *served(USERS, names, NOON, without("user_city"))])
    log(out, newest[100:])
    [compared] = compare(out, WANTED).compared
    assert (compared.users, compared.alerts) == (250, [])


def test_lists_that_failed_are_left_out(out):
    def failing(page):
        return page._replace(
            failed=True, history_items=(), history_ratings=(), user_features=()
        )

    log(out, served(USERS, drawn(1), NOON))
    log(out, served(USERS, USERS, NOON + HOUR / 2, failing))
    [compared] = compare(out, WANTED).compared
    assert (compared.users, compared.alerts) == (250, [])


def test_logs_of_earlier_releases_are_read(out):
    path = log(out, served(USERS, drawn(1), NOON, without("user_city")))
    table = pq.read_table(path)
    pq.write_table(table.drop(["arm", "seconds", "failed", "redacted"]), path)
    assert alerts(out) == {("skew", "user_city")}


def test_a_damaged_file_is_named_and_others_count(out):
    damaged = log(out, served(USERS, drawn(1), NOON))
    damaged.write_bytes(damaged.read_bytes()[:500])
    log(out, served(USERS, drawn(2), NOON, without("user_city")))
    found = compare(out, WANTED)
    assert [alert.feature for alert in found.compared[0].alerts] == ["user_city"]
    [problem] = found.problems
    assert str(damaged) in problem
    assert "\n" not in problem


def test_versions_whose_data_is_gone_are_named(out):
    log(out, served(USERS, drawn(1), NOON))
    shutil.rmtree(out / "artifacts/RatingsExampleGen")
    gone = served(USERS, drawn(1), NOON, lambda page: page._replace(version=7))
    log(out, gone)
    found = compare(out, WANTED)
    assert found.compared == []
    assert found.problems == [
        "version 1 (mf_als): the data from which it learned was removed with run r1",
        "version 7 has been removed",
    ]


def test_hashed_users_are_joined_and_what_is_left_out_is_named(out):
    redaction = Redaction(out, ["user", "features"])

    def skewed(page):
        ratings = [rating / 5 for rating in page.history_ratings]
        return redaction.of(page._replace(history_ratings=ratings))

    log(out, served(USERS, drawn(1), NOON - HOUR))
    log(out, served(USERS, drawn(2), NOON, skewed))
    [compared] = compare(out, WANTED).compared
    assert (compared.users, compared.trained_on) == (250, 250)
    alerts = {(alert.between, alert.feature) for alert in compared.alerts}
    assert alerts == {("skew", "history_rating"), ("drift", "history_rating")}
    assert compared.not_compared == ["features: redacted in 250 of 250 lists"]
    features = {distance.feature for distance in compared.distances}
    assert features.isdisjoint({"user_city", "user_income"})
    (out / "list_log.key").unlink()
    [compared] = compare(out, WANTED).compared
    assert "users are hashed, and list_log.key is missing" in compared.not_compared[1]
    assert {distance.between for distance in compared.distances} == {"drift"}


def test_a_history_that_is_left_out_is_named(out):
    redaction = Redaction(out, ["history"])
    half = [lambda page: page, redaction.of]
    users = drawn(1)
    for change, names in zip(half, (users[:125], users[125:]), strict=True):
        log(out, served(USERS, names, NOON, change))
    [compared] = compare(out, WANTED).compared
    assert compared.alerts == []
    assert "history: redacted in" in compared.not_compared[0]
    assert {distance.feature for distance in compared.distances} == {
        *("user_id", "user_city", "user_income")
    }


def test_without_a_log(trained):
    with pytest.raises(NoListsError, match="--log-lists"):
        compare(trained, WANTED)
