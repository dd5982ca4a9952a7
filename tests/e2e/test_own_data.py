"""MovieLens 100K, and errors that a user's own file may have."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.catalogue_gen import read_catalogue
from pipeline.recommend.item_titles import Titles
from tests.support.command import ROOT, marquee
from tests.support.logs import own_ratings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


@pytest.mark.movielens
def test_movielens_100k_goes_live(movielens_dir, tmp_path):
    result = marquee(
        ROOT,
        *("run", "--data", str(movielens_dir / "ml-100k"), "--out", str(tmp_path)),
        *("--models", "mf_als", "--set", "models.mf_als.embedding_dim=64"),
    )
    assert result.status == 0, result.text
    data, rows = result.run["data"], result.run["rows"]
    assert (data["users"], data["items"], rows["kept"]) == (943, 1682, 100_000)
    metrics = {m["name"]: m["metrics"] for m in result.run["models"]}
    assert metrics["mf_als"]["ndcg@10"] > metrics["popularity"]["ndcg@10"]
    assert result.run["live"]["model"] == "mf_als"


@pytest.fixture
def ratings(tmp_path):
    """Writes the log, with more rows if a test needs them; returns its path."""

    def write(more: str = "") -> str:
        path = tmp_path / "ratings.csv"
        path.write_text(own_ratings() + more)
        return str(path)

    return write


def test_bad_rows_stop_the_run_and_are_named(ratings, tmp_path):
    path = ratings("u1,i1,five,1600000000\nu2,i2\n")
    result = marquee(ROOT, "run", "--data", path, "--out", str(tmp_path))
    assert result.status == 3, result.text
    assert "ratings.csv:2882" in result.text
    assert "ratings.csv:2883" in result.text
    assert result.run["live"]["version"] is None


def test_allowed_bad_rows_are_quarantined_and_items_have_their_titles(
    ratings, tmp_path
):
    path = ratings("u1,i1,five,1600000000\n")
    # A table dump in which a row's id is the item_id of another row.
    rows = "".join(f"i{39 - n},i{n},Title of {n}\n" for n in range(39))
    (tmp_path / "items.csv").write_text(f"id,item_id,title\n{rows}")
    result = marquee(
        ROOT,
        *("run", "--data", path, "--out", str(tmp_path), "--models", "mf_als"),
        *("--set", "data.max_bad_fraction=0.01", "--set", "label.threshold=all"),
        *("--set", "models.mf_als.embedding_dim=4"),
    )
    assert result.status in (0, 5), result.text
    rows = result.run["rows"]
    assert (rows["read"], rows["quarantined"]) == (2881, 1)
    [quarantine] = tmp_path.glob("artifacts/RatingsExampleGen/*/*/quarantine.jsonl")
    assert '"line": 2882' in quarantine.read_text()
    [catalogue] = tmp_path.glob("artifacts/CatalogueGen/catalogue/*")
    titles = Titles(read_catalogue(str(catalogue)))
    assert [titles.of(f"i{n}") for n in (0, 1, 38)] == [
        *("Title of 0", "Title of 1", "Title of 38")
    ]
    assert titles.of("i39") == "i39"  # not in the file
    assert result.run["data"]["items_file"] == {
        "file": str(tmp_path / "items.csv"),
        **{"rated": 40, "matched": 39, "first_missing": ["i39"], "repeated": 0},
    }
    words = " ".join(result.text.split())
    assert "items.csv: 39 of 40 rated items found in it (98%)" in words


def test_a_person_with_two_ids_is_reported(tmp_path):
    """After a random split, a model may learn from one ID what it is tested on."""
    header, *rows = own_ratings().splitlines()
    lines = [  # at other times for each user, so that no two have the same ratings
        f"{user},{item},{stars},{int(time) + 100 * int(user[1:])}"
        for user, item, stars, time in (row.split(",") for row in rows)
    ]
    lines += [f"twin-{line}" for line in lines if line.startswith("u1,")]
    (tmp_path / "ratings.csv").write_text("\n".join([header, *lines]) + "\n")
    result = marquee(
        ROOT,
        *("run", "--data", str(tmp_path / "ratings.csv"), "--out", str(tmp_path)),
        *("--models", "popularity", "--set", "split.kind=random"),
        *("--set", "label.threshold=all"),
    )
    assert result.run["data"]["duplicate_users"] == 1, result.text
    words = " ".join(result.text.split())
    assert "Duplicates 1 user has exactly the ratings of another user" in words
    assert "a model learns from one what the other is tested on" in words


def test_anomaly_stops_the_run(ratings, tmp_path):
    """The schema requires a side feature that is missing from the data."""
    schema = tmp_path / "schema.pbtxt"
    curated = (ROOT / "schema" / "ratings.pbtxt").read_text()
    schema.write_text(
        curated + 'feature { name: "user_country" type: BYTES '
        "presence { min_fraction: 1.0 min_count: 1 } }\n"
    )
    result = marquee(
        ROOT,
        *("run", "--data", ratings(), "--out", str(tmp_path / "out")),
        *("--set", f"schema.path={schema}"),
    )
    assert result.status == 4, result.text
    assert "user_country" in result.text
    assert not (tmp_path / "out" / "live").exists()


@pytest.mark.slow
def test_what_was_removed_by_hand_goes_live_again(ratings, tmp_path):
    live = tmp_path / "out" / "live"
    run = (
        *("run", "--data", ratings(), "--out", str(tmp_path / "out")),
        *("--models", "mf_als", "--set", "label.threshold=all"),
        *("--set", "models.mf_als.embedding_dim=4"),
        *("--set", "gate.min_score_std=0.001"),
    )
    first = marquee(ROOT, *run)
    assert first.run["live"]["model"] == "mf_als", first.text
    shutil.rmtree(live)
    refilled = marquee(ROOT, *run)
    assert refilled.run["live"]["model"] == "mf_als", refilled.text
    ran = {s["name"] for s in refilled.run["steps"] if s["state"] == "done"}
    assert ran == {"Champion", "InfraCheck", "Pusher"}
    again = marquee(ROOT, *run)
    assert {s["state"] for s in again.run["steps"]} == {"cached"}
    assert again.run["live"] == refilled.run["live"]


@pytest.mark.slow
def test_features_of_every_kind_go_live_by_the_proposed_schema(ratings, tmp_path):
    """The output of ``schema propose`` is used as it is; then the schema is edited."""
    data, schema = ratings(), tmp_path / "schema.pbtxt"
    (tmp_path / "users.csv").write_text(
        "user_id,income,joined,bio,country,taste\n"
        + "".join(
            f"u{n},{'' if n == 7 else n * 12.5},2020-{n % 12 + 1:02}-{n % 28 + 1:02},"
            f"I am number {n} of all,NO,{'' if n == 9 else f'{n}.5|{n % 7}'}\n"
            for n in range(240)
        )
    )
    items = [
        {
            "item_id": f"i{n}",
            "price": n + 0.5,
            "colour": ("red", "blue")[n % 2],
            "cover": [n / 10, -2.0, n % 3],
        }
        for n in range(40)
    ]
    pq.write_table(pa.Table.from_pylist(items), tmp_path / "items.parquet")
    proposed = marquee(ROOT, "schema", "propose", data, "--to", str(schema))
    assert proposed.status == 0, proposed.text
    assert "vocabulary.leave_out=[user_country]" in schema.read_text()
    run = (
        *("run", "--data", data, "--out", str(tmp_path / "out"), "--models", "deepfm"),
        *("--set", f"schema.path={schema}", "--set", "label.threshold=all"),
        *("--set", "vocabulary.leave_out=[user_country]"),
        *("--set", "models.deepfm.num_negatives=2", "--set", "models.deepfm.epochs=2"),
    )
    first = marquee(ROOT, *run)
    assert first.status in (0, 5), first.text
    assert fields_of(tmp_path / "out") == [
        *("user_bio_index", "user_income_index", "user_joined_index"),
        *("user_taste_vector", "item_price", "item_colour", "item_cover"),
    ]
    words = " ".join(first.text.split())
    assert "item_price from 'price' (numeric, 10 buckets)" in words
    assert "user_joined from 'joined' (time, 10 buckets)" in words
    assert "user_taste from 'taste' (vector, 2 numbers)" in words
    assert "item_cover from 'cover' (vector, 3 numbers)" in words
    text = schema.read_text()
    assert text.count('tag: "time"') == 1
    schema.write_text(text.replace('tag: "time"', 'tag: "time" tag: "buckets:3"'))
    again = marquee(ROOT, *run)
    ran = {s["name"] for s in again.run["steps"] if s["state"] == "done"}
    assert {"ImportSchemaGen", "Transform", "Trainer_deepfm"} <= ran


def fields_of(out):
    """The fields on the card of the newest deepfm."""
    cards = out.glob("artifacts/Trainer_deepfm/model/*/**/assets.extra/marquee.json")
    newest = max(cards, key=lambda path: path.stat().st_mtime)
    return json.loads(newest.read_text())["fields"]
