"""Advice on repeats: settings that do not fit, and evidence for others."""

import pytest

from components.ratings_example_gen import inspect
from pipeline.config.data_settings import data_settings
from pipeline.config.load import load_config
from pipeline.repeats_advice import (
    describe_repeats,
    propose_repeats,
    warnings_of_repeats,
)

EVENTS = "events.types={view: {role: context}, buy: {}}"
AGAIN = "lists.recommend_again"


def test_the_settings_in_use_are_shown():
    assert describe_repeats(load_config(None, [f"{AGAIN}=after 36h"])) == (
        "lists.recommend_again: after 36h, data.repeats: latest"
    )
    shown = describe_repeats(load_config(None, ["data.repeats=all", f"{AGAIN}=true"]))
    assert shown == "lists.recommend_again: true, data.repeats: all"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([], []),
        (["data.repeats=all"], ["set lists.recommend_again=true"]),
        ([f"{AGAIN}=after 7d"], ["set data.repeats=all"]),
        (["data.repeats=all", f"{AGAIN}=true"], []),
        ([EVENTS], ["set split.kind=temporal"]),
        ([EVENTS, "split.kind=temporal"], []),
        (["events.types={buy: {}, like: {}}"], []),
    ],
)
def test_settings_that_do_not_fit_are_warned_of(settings, words):
    warnings = list(warnings_of_repeats(load_config(None, settings)))
    assert len(warnings) == len(words)
    assert all(word in text for word, text in zip(words, warnings, strict=True))


def proposed(tmp_path, rows, settings=()):
    log = tmp_path / "log.csv"
    log.write_text("\n".join(["user_id,item_id,event", *rows]) + "\n")
    config = load_config(None, settings)
    return propose_repeats(config, inspect(log, data_settings(config)))


def test_many_repeats_are_evidence_for_a_proposal_that_can_be_used(tmp_path):
    rows = ["u,a,buy", "u,a,buy", "u,b,buy", "v,a,buy", "u,a,buy"]
    text = proposed(tmp_path, rows)
    assert text.startswith("# 2 of 5 rows (40%) are of an item that the user had")
    (tmp_path / "proposed.yaml").write_text(text)
    config = load_config(tmp_path / "proposed.yaml")
    assert config.lists.again_after == 0
    assert config.data.repeats == "all"
    assert proposed(tmp_path, rows, ["data.repeats=all"]) is None
    assert proposed(tmp_path, rows[2:4]) is None


def test_only_repeats_of_judged_events_count(tmp_path):
    rows = ["u,a,view"] * 9 + ["u,a,buy", "v,a,buy"]
    assert proposed(tmp_path, rows) is None  # the types are not configured
    assert proposed(tmp_path, rows, [EVENTS]) is None
    text = proposed(tmp_path, [*rows, "u,a,buy"], [EVENTS])
    assert text.startswith("# 1 of 3 rows (33%)")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("never", None), ("true", 0), ("false", None), ("after 7d", 604_800)],
)
def test_the_time_after_which_an_item_is_recommended_again(value, seconds):
    config = load_config(None, [f"{AGAIN}={value}"])
    assert config.lists.again_after == seconds


def test_a_random_split_has_no_time_before_a_target():
    with pytest.raises(Exception, match=r"split.kind=random.*leave_last_out"):
        load_config(None, ["split.kind=random", f"{AGAIN}=after 2h"])
    load_config(None, ["split.kind=random", f"{AGAIN}=true"])
    with pytest.raises(Exception, match="'never' or a time such as 'after 7d'"):
        load_config(None, [f"{AGAIN}=7d"])
