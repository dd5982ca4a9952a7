"""Titles, likes and reasons, on a live model with fixed answers."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.live_models import push, versions
from components.saved_model_scan import HostileModelError
from pipeline.recommend.item_titles import UnknownItemError
from pipeline.recommend.list_rules import FilterError
from pipeline.recommend.one_user import load_recommend, recommend
from pipeline.recommend.user_history import SignatureError
from tests.support.examples import write_ratings
from tests.support.metadata_store import accept
from tests.support.recommender import save_recommender
from trainer_modules import features as f
from trainer_modules.model_card import ModelCard, write_card

ROOT = Path(__file__).parents[3]
TITLES = {
    "1": "Toy Story (1995)",
    "2": "Toy Story 2 (1999)",
    "3": "Heat (1995)",
    "4": None,
    "5": "Alien (1979)",
}
# User -> split -> item -> stars; more than 3 is liked.
RATED = {
    "ann": {"train": {"1": 5, "3": 2}, "test": {"2": 4}},
    "bob": {"train": {"1": 4, "2": 5, "5": 5}, "test": {}},
    "cat": {"train": {"1": 4, "5": 4}, "test": {}},
    "dan": {"train": {"4": 5}, "test": {}},
}


class Fixed(tf.Module):
    """Lists the items by falling ID for every user, without the history."""

    def recommend(self, user_id, history_item_id, k):
        del user_id
        items = tf.constant(["5", "4", "3", "2", "1"])
        left = tf.boolean_mask(
            items, ~tf.reduce_any(items[:, None] == history_item_id[0][None], 1)
        )[:k]
        score = tf.cast(tf.strings.to_number(left), tf.float32) / 10
        return {"item_id": left[None], "score": score[None]}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Returns the folder of a run whose model is live."""
    out = tmp_path_factory.mktemp("out")
    artifacts = out / "artifacts"
    examples = artifacts / "RatingsExampleGen" / "examples" / "9"
    for split in ("train", "test"):
        rated = {user: splits[split] for user, splits in RATED.items() if splits[split]}
        write_ratings(examples / f"Split-{split}" / "data.gz", rated)
    catalogue = artifacts / "CatalogueGen" / "catalogue" / "10"
    catalogue.mkdir(parents=True)
    titles = {f.ITEM_ID: list(TITLES), "title": list(TITLES.values())}
    pq.write_table(pa.table(titles), catalogue / f.CATALOGUE_FILE)
    origin = accept(out, 9)
    save_recommender(Fixed(), out / "model")
    write_card(str(out / "model"), ModelCard("fixed", 1, {}, origin=origin))
    push.push(out / "model", out / "live", keep=5)
    return out


def ids(answer):
    return [item.item_id for item in answer.items]


def test_what_was_rated_in_any_split_is_left_out_liked_or_not(out):
    answer = recommend(out, "ann", 10, [], why=False)
    assert answer.known
    assert answer.rated == 3
    assert answer.liked == ["Toy Story (1995)", "Toy Story 2 (1999)"]
    assert ids(answer) == ["5", "4"]  # 3 was disliked
    assert [item.title for item in answer.items] == ["Alien (1979)", "4"]
    assert (answer.model, answer.version) == ("fixed", 1)


def test_what_a_run_is_about_to_write_is_not_read(out):
    before = recommend(out, "ann", 10, [], why=True)
    artifacts = out / "artifacts"
    half = artifacts / "RatingsExampleGen" / "examples" / "20" / "Split-train"
    half.mkdir(parents=True)
    (half / "data.gz").write_bytes(b"half a rec")
    (artifacts / "CatalogueGen" / "catalogue" / "21").mkdir()
    assert recommend(out, "ann", 10, [], why=True) == before


def test_a_model_of_an_earlier_release_does_not_list_what_is_to_be_excluded(out):
    with pytest.raises(SignatureError, match="cannot exclude items: train"):
        recommend(out, "new", 3, [], why=False, exclude=["5"])


def test_a_filter_that_the_model_does_not_have_is_refused(out):
    with pytest.raises(FilterError, match="'genres'; it has no filters"):
        recommend(out, "new", 3, [], why=False, filters=["genres:Drama"])


def test_a_list_that_is_too_short_has_a_reason(out):
    assert recommend(out, "ann", 3, [], why=False).short.startswith("2 of 3 items")
    assert recommend(out, "ann", 2, [], why=False).short == ""


def test_a_list_is_as_long_as_was_asked(out):
    assert ids(recommend(out, "ann", 1, [], why=False)) == ["5"]
    assert len(recommend(out, "nobody", 4, [], why=False).items) == 4


def test_an_unknown_user_has_only_the_given_likes(out):
    answer = recommend(out, "nobody", 10, ["heat (1995)", "5"], why=False)
    assert not answer.known
    assert answer.liked == ["Heat (1995)", "Alien (1979)"]
    assert ids(answer) == ["4", "2", "1"]


def test_reasons_are_what_others_liked_together(out):
    [alien, four] = recommend(out, "ann", 10, [], why=True).items
    # bob and cat like 1 and 5; bob likes 2 and 5; 1 has three likers, 2 and 5 two.
    first, second = alien.reasons
    assert (first.title, first.users) == ("Toy Story (1995)", 2)
    assert first.cosine == pytest.approx(2 / (2 * 3) ** 0.5)
    assert (second.title, second.users) == ("Toy Story 2 (1999)", 1)
    assert second.cosine == pytest.approx(1 / (2 * 2) ** 0.5)
    assert four.reasons == []


@pytest.mark.parametrize(
    ("like", "said"),
    [
        ("Story", "more than one item.*1 Toy Story .1995.; 2 Toy Story 2"),
        ("Tpy Story (1995)", "no item.*1 Toy Story"),
        ("xyzzy", "no item$"),
    ],
)
def test_a_like_that_is_no_one_item_is_refused(out, like, said):
    with pytest.raises(UnknownItemError, match=said):
        recommend(out, "ann", 10, [like], why=False)


def test_a_part_of_one_title_is_enough(out):
    answer = recommend(out, "nobody", 10, ["alien"], why=False)
    assert answer.liked == ["Alien (1979)"]


def test_a_model_that_writes_files_is_not_loaded(tmp_path):
    """``batch`` and the report load it in the same way."""
    written = tmp_path / "written"

    class Hostile(tf.Module):
        def recommend(self, user_id, history_item_id, k):
            tf.io.write_file(str(written), "by the model")
            return {"item_id": history_item_id, "score": history_item_id}

    save_recommender(Hostile(), tmp_path / "model")
    with pytest.raises(HostileModelError, match="WriteFile"):
        load_recommend(tmp_path / "model")
    assert not written.exists()


def test_without_a_live_model_it_says_what_to_do(tmp_path):
    with pytest.raises(versions.VersionError, match="marquee run"):
        recommend(tmp_path, "ann", 10, [], why=False)


@pytest.mark.parametrize("option", [[], ["-v"]])
def test_what_is_logged_is_shown_where_it_is_asked_for(out, option):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pipeline", "recommend", "--user", "ann"),
            *("--out", str(out), *option),
        ],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"},  # it logs its CPU features
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Alien (1979)" in done.stdout
    assert ("This TensorFlow binary is optimized" in done.stderr) == bool(option)
