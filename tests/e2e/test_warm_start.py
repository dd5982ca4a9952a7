"""Warm starts: with nothing live, with nothing new, and with new ratings."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.command import ROOT, marquee
from tests.support.logs import own_ratings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Runs three times into one folder, the last time with a new user and item."""
    folder = tmp_path_factory.mktemp("warm")
    ratings = folder / "ratings.csv"
    ratings.write_text(own_ratings())
    out = folder / "out"
    run = ("run", "--data", str(ratings), "--out", str(out))
    run += ("--models", "popularity,gmf", "--set", "label.threshold=all")
    run += ("--set", "train.warm_start=true")
    first, again = marquee(ROOT, *run), marquee(ROOT, *run)
    new = [f"new,i{2 * n},5,{1_600_000_100 + n}" for n in range(5)]
    # A user's last two ratings are held out; only older ones give an item a row.
    new += [f"u{2 * n},new,5,{1_500_000_000 + n}" for n in range(5)]
    ratings.write_text(own_ratings() + "\n".join(new) + "\n")
    return SimpleNamespace(out=out, first=first, again=again, more=marquee(ROOT, *run))


def states(result):
    return {step["name"]: step["state"] for step in result.run["steps"]}


def cards(out):
    made = Path(out, "artifacts", "Trainer_gmf", "model").iterdir()
    folders = sorted(made, key=lambda folder: int(folder.name))
    return [
        json.loads((folder / "Format-Serving/assets.extra/marquee.json").read_text())
        for folder in folders
    ]


def test_without_a_live_model_training_starts_from_scratch_and_says_so(story):
    assert story.first.status == 0, story.first.text
    assert story.first.run["live"]["model"] == "gmf"
    reason = "there is no live model, or it was trained on the same data"
    assert f"gmf starts from scratch: {reason}" in story.first.text
    card, _ = cards(story.out)
    assert (card["warm_start"], card["from_scratch"]) == (None, reason)


def test_a_run_with_nothing_new_trains_nothing_though_its_model_is_live(story):
    assert story.again.status == 0, story.again.text
    assert set(states(story.again).values()) == {"cached"}


def test_new_ratings_start_from_the_live_model(story):
    # Whether it goes live is up to the gate: it may not be better than the first.
    assert story.more.status in (0, 5), story.more.text
    assert states(story.more)["Trainer_gmf"] == "done"
    first, card = cards(story.out)
    assert card["from_scratch"] is None
    trainer = Path(card["warm_start"].pop("from"))
    assert trainer.parent.parent.name == "Trainer_gmf"
    # All 240 users and 40 items of the first run are still there.
    assert card["warm_start"] == {
        "users_kept": 240,
        "items_kept": 40,
        "new_users": 1,
        "new_items": 1,
    }
    assert "gmf starts from the live model, with 240 of its users" in story.more.text
    assert card["parameters"] == first["parameters"] + 2 * 8
