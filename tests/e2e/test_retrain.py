"""Spans that arrive one after the other, with a retraining after each."""

import json
from types import SimpleNamespace

import pytest

from tests.support.command import ROOT, marquee
from tests.support.logs import SPAN_RATINGS, write_span

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Retrains on four nights, and repeats or corrects some of them in between."""
    folder = tmp_path_factory.mktemp("nights")
    spans, out = folder / "spans", folder / "out"

    def retrain(*more):
        return marquee(
            ROOT,
            *("retrain", "--data", str(spans), "--out", str(out)),
            *("--models", "mf_als", "--set", "models.mf_als.embedding_dim=8"),
            *more,
        )

    for day in range(3):
        write_span(spans, day)
    nights = SimpleNamespace(out=out, spans=spans)
    nights.first = retrain()
    nights.again = retrain()
    # The next night: ratings of the last span are repeated, and a span is incomplete.
    repeated = write_span(folder / "elsewhere", 2)[:20]
    write_span(spans, 4, rows=repeated)
    write_span(spans, 5, whole=False)
    nights.second = retrain()
    # A span of fives; then the missing day comes late, and an old one is edited.
    write_span(spans, 6, stars=5)
    nights.fives = retrain()
    (spans / "2026-11-21" / "_SUCCESS").unlink()
    write_span(spans, 3)
    edited = spans / "2026-11-15" / "ratings.csv"
    edited.write_text(edited.read_text().replace(",5,", ",1,"))
    nights.edited = retrain()
    nights.live = sorted(path.name for path in (out / "live").glob("[0-9]*"))
    nights.taken_in = json.loads((out / "spans.json").read_text())
    nights.accepted = retrain("--accept", "2026-11-15")
    # The span of fives has been held back; now a person takes it.
    (spans / "2026-11-21" / "_SUCCESS").touch()
    nights.held = retrain()
    nights.taken = retrain("--accept", "2026-11-21")
    nights.after = retrain()
    return nights


def test_the_first_retraining_takes_all_in_and_puts_a_model_live(story):
    assert story.first.status == 0, story.first.text
    spans = story.first.run["spans"]
    assert spans["names"] == spans["new"] == ["2026-11-15", "2026-11-16", "2026-11-17"]
    assert spans["drift"]["not_compared"] == "nothing is live"
    assert story.first.run["live"]["model"] == "mf_als"


def test_asked_twice_it_does_nothing_and_says_so(story):
    assert story.again.status == 0, story.again.text
    assert "Nothing new since run" in story.again.text
    assert story.again.run["run"]["id"] == story.first.run["run"]["id"]


def test_odd_spans_are_named_and_no_rating_counts_twice(story):
    assert story.second.status in (0, 5), story.second.text
    run = story.second.run
    assert run["spans"]["new"] == ["2026-11-19"]
    assert run["spans"]["unfinished"] == ["2026-11-20"]
    assert run["spans"]["missing"] == [
        "between 2026-11-17 and 2026-11-19 (2 days, usual is 1)"
    ]
    [overlap] = run["spans"]["overlaps"]
    assert overlap["spans"] == ["2026-11-17", "2026-11-19"]
    assert 15 <= overlap["ratings"] <= 20  # some pairs were rated anew that day
    assert "occur in 2026-11-19 again" in story.second.text
    assert run["rows"]["read"] == 4 * SPAN_RATINGS + 20
    measured = {m["feature"]: m for m in run["spans"]["drift"]["measured"]}
    assert not any(each["is_drift"] for each in measured.values())


def test_a_span_of_fives_stops_the_run_before_anything_is_trained(story):
    assert story.fives.status == 4, story.fives.text
    assert "2026-11-21 are not like those of span" in story.fives.text
    states = {step["name"]: step["state"] for step in story.fives.run["steps"]}
    assert states["DriftGate"] == "failed"
    assert states["Trainer_mf_als"] == "skipped"
    assert story.fives.run["live"] == story.second.run["live"]


def test_an_edited_span_is_an_anomaly_until_it_is_accepted(story):
    assert story.edited.status == 4, story.edited.text
    assert "--accept 2026-11-15" in story.edited.text
    assert story.accepted.status in (0, 5), story.accepted.text
    spans = story.accepted.run["spans"]
    assert spans["late"] == ["2026-11-18"]
    assert "late, and included: 2026-11-18" in story.accepted.text


def test_a_span_that_drifted_is_held_back_until_it_is_accepted(story):
    assert story.held.status == 0, story.held.text
    assert "held back because of drift, until --accept: 2026-11-21" in story.held.text
    assert "Nothing new since run" in story.held.text
    assert story.taken.status in (0, 5), story.taken.text
    assert story.taken.run["spans"]["new"] == ["2026-11-21"]
    measured = story.taken.run["spans"]["drift"]["measured"]
    assert [m["feature"] for m in measured if m["is_drift"]] == ["rating"]
    assert "Nothing new since run" in story.after.text


def test_nothing_that_went_wrong_reached_the_live_model(story):
    live = story.second.run["live"]["version"]
    assert story.live[-1] == live
    assert "2026-11-21" not in story.taken_in["spans"]
    assert list(story.taken_in["held"]) == ["2026-11-21"]
