"""What a retraining does about a skew, by the setting."""

import json
import re
import shutil

import pytest

from components.anomaly_gate.schema import SERVED_SCHEMA
from pipeline.config.sections import PipelineConfig, RetrainConfig, SchemaConfig
from pipeline.served_features.before_retraining import ServedSkewError, check_served
from tests.support.served_lists import NOON, log, served, trained_users, write_training

USERS = trained_users()
STOP = RetrainConfig(served_skew="stop")


@pytest.fixture(scope="module")
def skewed(tmp_path_factory):
    """A folder of runs whose server has given lists without a feature."""
    out = tmp_path_factory.mktemp("skewed")
    write_training(out, USERS)
    log(out, served(USERS, list(USERS)[:250], NOON, without_features))
    return out


def without_features(page):
    return page._replace(
        user_features=(), history_ratings=[r / 5 for r in page.history_ratings]
    )


def config(out, retrain, **schema):
    return PipelineConfig(out=str(out), retrain=retrain, schema=SchemaConfig(**schema))


def test_it_stops_with_one_line_that_names_what_to_do(skewed):
    with pytest.raises(ServedSkewError) as stopped:
        check_served(config(skewed, STOP))
    assert re.fullmatch(
        r"served features of version 1 \(mf_als\), 2026-11-20: skew of user_city: "
        r"largest difference of a value's share 1\.000, allowed 0\.1; most different "
        r"is the share of '\(missing\)' \(and 3 more\)\. Look with: marquee skew --out "
        r"\S+\. If it is right, go on with: --set retrain\.served_skew=warn, or set "
        r"other thresholds in the schema \(schema\.served\)",
        str(stopped.value),
    )


def test_it_warns(skewed):
    warnings = check_served(config(skewed, RetrainConfig()))
    assert [warning.partition(": ")[2].partition(":")[0] for warning in warnings] == [
        *("skew of user_city", "skew of user_income", "skew of user_income"),
        "skew of history_rating",
    ]


@pytest.mark.parametrize(
    "retrain",
    [
        RetrainConfig(served_skew="off"),
        RetrainConfig(served_skew="stop", min_served_users=251),
    ],
    ids=["off", "few users"],
)
def test_it_goes_on_without_a_warning(skewed, retrain):
    assert check_served(config(skewed, retrain)) == []


def test_a_new_version_without_lists_is_named(tmp_path):
    write_training(tmp_path, USERS)
    log(tmp_path, served(USERS, ["u1"], NOON, lambda page: page._replace(version=9)))
    assert check_served(config(tmp_path, STOP)) == [
        "served features were not compared: no list of version 1 has been logged"
    ]


def test_without_lists_or_a_live_version_nothing_is_compared(tmp_path, skewed):
    assert check_served(config(tmp_path, STOP)) == []
    shutil.copytree(skewed / "live", tmp_path / "live")
    assert check_served(config(tmp_path, STOP)) == []


def test_other_thresholds(skewed, tmp_path):
    schema = tmp_path / "served.pbtxt"
    schema.write_text(
        re.sub(r"threshold: \S+", "threshold: 1", SERVED_SCHEMA.read_text())
    )
    assert check_served(config(skewed, STOP, served=str(schema))) == []


def test_the_command(marquee, skewed):
    ended = marquee("skew", "--out", str(skewed), "--json")
    assert ended.status == 4
    [period] = json.loads(ended.out)["compared"]
    assert (period["users"], period["trained_on"]) == (250, 250)
    shown = marquee("skew", "--out", str(skewed), "--per", "hour")
    assert shown.status == 4
    assert "2026-11-20T12:00Z: 250 users" in shown.out
    assert shown.out.count("Alert: ") == 4
    few = marquee("skew", "--out", str(skewed), "--set", "retrain.min_served_users=999")
    assert (few.status, "999 users" in " ".join(few.out.split())) == (0, True)


def test_the_command_without_a_log(marquee, tmp_path):
    ended = marquee("skew", "--out", str(tmp_path))
    assert (ended.status, len(ended.err.strip().splitlines())) == (2, 2)
