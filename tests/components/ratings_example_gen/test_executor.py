"""The component's executor, run by Beam on small files."""

import csv
import glob
import json
import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from ml_metadata.proto import metadata_store_pb2
from tfx.components.example_gen import utils
from tfx.orchestration.metadata import Metadata
from tfx.types import standard_artifacts

from components.ratings_example_gen import Settings, ingest, input_errors, inspect
from components.ratings_example_gen.component import RatingsExampleGen
from components.ratings_example_gen.counts import Counts
from components.ratings_example_gen.driver import RatingsDriver
from components.ratings_example_gen.execution_input import read_settings
from components.ratings_example_gen.executor import Executor, check
from components.ratings_example_gen.fingerprints import fingerprint
from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.spans import SpansError

BEAM = [
    "--direct_running_mode=in_memory",
    "--direct_num_workers=1",
    # TFX packs its own sources for remote workers, 2 seconds each time, unless an image
    # that has them is named; in this process, no image is used.
    "--sdk_container_image=unused",
]
SPLITS = ("train", "eval", "test")


def empty_store() -> Metadata:
    config = metadata_store_pb2.ConnectionConfig()
    config.fake_database.SetInParent()
    return Metadata(config)


def resolve(component: RatingsExampleGen, store: Metadata | None = None) -> dict:
    """Returns the properties as the driver hands them to the executor."""
    return RatingsDriver(store or empty_store()).resolve_exec_properties(
        dict(component.exec_properties), None, None
    )


def run(folder: Path, out: Path, pattern: str = "*", **settings):
    """Runs driver and executor; returns the artifact and its counts."""
    component = RatingsExampleGen(str(folder), Settings(**settings), pattern)
    return execute(resolve(component), out)


def execute(resolved: dict, out: Path):
    """Runs the executor alone, with what the driver resolved."""
    artifact = standard_artifacts.Examples()
    artifact.uri = str(out)
    context = Executor.Context(beam_pipeline_args=BEAM, tmp_dir=str(out), unique_id="1")
    Executor(context).Do({}, {"examples": [artifact]}, resolved)
    return artifact, json.loads((out / "counts.json").read_text("utf-8"))


def read_split(out: Path, split: str) -> dict[str, dict[str, list]]:
    """Returns user → feature → values; every user at most once."""
    files = sorted(str(path) for path in (out / f"Split-{split}").iterdir())
    users: dict[str, dict[str, list]] = {}
    for raw in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        values = {}
        for name, feature in tf.train.Example.FromString(raw).features.feature.items():
            found = getattr(feature, feature.WhichOneof("kind")).value
            values[name] = [v.decode() if isinstance(v, bytes) else v for v in found]
        (user,) = values.pop("user_id")
        assert user not in users
        users[user] = values
    return users


SINCE = 416_667 * 3600  # a whole hour of 2017


def write_movielens(folder: Path) -> Path:
    """A folder like ml-1m, small, with duplicates and out of order."""
    folder.mkdir()
    rows = [
        f"{user}::{(user * step) % 11}::{step % 5 + 1}::"
        f"{SINCE + (step * 7919) % 40 * 3600}"
        for step in range(1, 15)
        for user in range(1, 30)
    ]
    (folder / "ratings.dat").write_text("\n".join([*rows, f"77::1::3::{SINCE + 5}"]))
    users = [f"{user}::{'MF'[user % 2]}::25::4::0{user}" for user in range(1, 29)]
    (folder / "users.dat").write_text("\n".join(users) + "\n")
    (folder / "README").write_text("not a rating")
    return folder


@pytest.fixture
def movielens(tmp_path) -> Path:
    return write_movielens(tmp_path / "tiny")


MAX_HISTORY = 8


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """(input, output, artifact, counts) of one run, which tests only look at."""
    folder = write_movielens(tmp_path_factory.mktemp("in") / "tiny")
    out = tmp_path_factory.mktemp("out")
    return folder, out, *run(folder, out, max_history=MAX_HISTORY)


def test_examples_are_those_made_by_hand(ran):
    movielens, out, _, counts = ran
    lines = (movielens / "ratings.dat").read_text().splitlines()
    newest = {}
    for number, line in enumerate(lines):
        user, item, rating, time = line.split("::")
        rated = ((int(time), number), item, float(rating))
        newest[user, item] = max(newest.get((user, item), rated), rated)
    by_user = defaultdict(list)
    for (user, _), rated in newest.items():
        by_user[user].append(rated)
    expected: dict[str, dict] = {split: {} for split in SPLITS}
    for user, ratings in by_user.items():
        ratings[:] = sorted(ratings)[-MAX_HISTORY:]
        held_out = 1 if len(ratings) >= 3 else 0
        eval_at, test_at = len(ratings) - 2 * held_out, len(ratings) - held_out
        side = {}
        if user in map(str, range(1, 29)):
            side = {
                "user_gender": ["MF"[int(user) % 2]],
                "user_age": ["25"],
                "user_occupation": ["4"],
                "user_zip": [f"0{user}"],
            }

        def columns(prefix, chosen):
            return {
                f"{prefix}item_id": [item for _, item, _ in chosen],
                f"{prefix}rating": [rating for _, _, rating in chosen],
                f"{prefix}timestamp": [time for (time, _), _, _ in chosen],
            }

        train = columns("", ratings[:eval_at])
        expected["train"][user] = {**side, **train}
        if held_out:
            for split, at in (("eval", eval_at), ("test", test_at)):
                expected[split][user] = {
                    **side,
                    **columns("", ratings[at : at + 1]),
                    **columns("history_", ratings[:at]),
                }
    for split in SPLITS:
        assert read_split(out, split) == expected[split]
    assert counts["read"] == len(lines)
    assert counts["kept"] == sum(map(len, by_user.values()))
    assert counts["duplicates"] == len(lines) - len(newest) > 0
    assert counts["truncated"] == len(newest) - counts["kept"] > 0
    assert counts["users"] == len(by_user)
    kept = {item for ratings in by_user.values() for _, item, _ in ratings}
    assert counts["items"] == len(kept)
    assert counts["records"] == {split: len(expected[split]) for split in SPLITS}


def test_artifact_says_what_was_counted(ran):
    *_, artifact, counts = ran
    read = artifact.get_int_custom_property("rows_read")
    rest = ("kept", "quarantined", "duplicates", "truncated")
    assert read == counts["read"] == 14 * 29 + 1
    assert read == sum(artifact.get_int_custom_property(f"rows_{r}") for r in rest)
    assert json.loads(artifact.split_names) == list(SPLITS)


def test_the_same_input_gives_the_same_bytes(ran, tmp_path):
    movielens, out, *_ = ran
    run(movielens, tmp_path, max_history=MAX_HISTORY)
    files = list(out.rglob("*.gz"))
    assert len(files) == 3
    for path in files:
        assert path.read_bytes() == (tmp_path / path.relative_to(out)).read_bytes()


def write_csv(path: Path, rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def own_rows(num_users: int = 6, num_items: int = 5):
    for user in range(num_users):
        for item in range(num_items):
            time = 1_600_000_000 + user * 10_000 + item * 7_000
            yield f"u{user}", f"i{item}", 3, time


class TestBadRows:
    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        rows = list(own_rows())
        rows[4] = ("u0", "i4", "many", 5)
        write_csv(tmp_path / "own" / "a.csv", rows)
        write_csv(tmp_path / "own" / "b.csv", [("x", "y", 9, 1), *own_rows(3, 2)])
        return tmp_path / "own"

    def test_stop_the_run_and_are_named(self, folder, tmp_path):
        with pytest.raises(BadInputError) as caught:
            run(folder, tmp_path / "out", rating_min=0.5, rating_max=5)
        assert caught.value.counts == {
            input_errors.NON_NUMERIC_RATING: 1,
            input_errors.RATING_OUT_OF_RANGE: 1,
        }
        assert f"{folder}/a.csv:5: " in str(caught.value)
        assert f"{folder}/b.csv:1: " in str(caught.value)

    def test_are_quarantined_when_that_is_allowed(self, folder, tmp_path):
        out = tmp_path / "out"
        _, counts = run(folder, out, max_bad_fraction=0.1, rating_max=5)
        rows = [
            json.loads(line)
            for line in (out / "quarantine.jsonl").read_text("utf-8").splitlines()
        ]
        assert sorted((row["file"], row["line"], row["text"]) for row in rows) == [
            (f"{folder}/a.csv", 5, "u0,i4,many,5"),
            (f"{folder}/b.csv", 1, "x,y,9,1"),
        ]
        assert counts["read"] == 37
        assert counts["quarantined"] == 2
        assert counts["duplicates"] == 6
        assert counts["kept"] == 29

    def test_nothing_is_left_when_all_are_bad(self, tmp_path):
        write_csv(tmp_path / "own" / "a.csv", [("u1", "", 1, 1)])
        with pytest.raises(BadInputError):
            run(tmp_path / "own", tmp_path / "out", max_bad_fraction=0.9)

    def test_bad_users_are_named(self, movielens, tmp_path):
        with (movielens / "users.dat").open("a") as file:
            file.write("29::M::25\n")
        with pytest.raises(BadInputError) as caught:
            run(movielens, tmp_path / "out")
        assert f"{movielens}/users.dat:29: " in str(caught.value)


COUNTS = Counts(
    read=37,
    files=[],
    kept=35,
    duplicates=0,
    truncated=0,
    users=7,
    users_with_features=0,
    users_repeated=0,
    items=7,
    overlaps=[],
    first_users_without=[],
    first=None,
    last=None,
    rating_min=1,
    rating_max=5,
    duplicate_users=0,
    users_file=None,
    quarantined=2,
    records=dict.fromkeys(SPLITS, 5),
    bad_by_kind={input_errors.EMPTY_ID: 2},
    first_problems=[],
    late_keys={},
    fatal_by_kind={},
    fatal=[],
    reading=None,
)


class TestCheck:
    def test_accepts_what_is_allowed(self):
        check(COUNTS, Settings(max_bad_fraction=2 / 37))

    def test_refuses_too_many_bad_rows(self):
        with pytest.raises(BadInputError, match="2 of 37 rows are bad") as caught:
            check(COUNTS, Settings(max_bad_fraction=0.05))
        assert caught.value.counts == {input_errors.EMPTY_ID: 2}

    def test_refuses_a_split_that_stays_empty(self):
        empty = replace(COUNTS, quarantined=0, records={"train": 2, "eval": 0})
        with pytest.raises(BadInputError, match="'eval'") as caught:
            check(empty, Settings())
        assert caught.value.counts == {input_errors.EMPTY_SPLIT: 1}


def test_a_file_without_rows_is_refused(tmp_path):
    write_csv(tmp_path / "a.csv", [("user_id", "item_id", "time")])
    with pytest.raises(BadInputError) as caught:
        inspect(tmp_path)
    assert caught.value.counts == {input_errors.EMPTY_FILE: 1}


def test_temporal_through_beam(tmp_path):
    write_csv(tmp_path / "own" / "a.csv", own_rows(40, 6))
    run(tmp_path / "own", tmp_path / "out", split_kind="temporal", test_fraction=0.25)
    times = sorted(time for _, _, _, time in own_rows(40, 6))
    hours = sorted({time // 3600 * 3600 for time in times}, reverse=True)
    first_test, first_eval = (
        next(h for h in hours if sum(t >= h for t in times) >= share * len(times))
        for share in (0.25, 0.35)
    )
    bounds = {"train": (0, first_eval), "eval": (first_eval, first_test)}
    bounds["test"] = (first_test, times[-1] + 1)
    for split, (begin, end) in bounds.items():
        users = read_split(tmp_path / "out", split)
        found = [time for user in users.values() for time in user["timestamp"]]
        assert sorted(found) == [time for time in times if begin <= time < end]


def test_a_split_by_time_needs_times(tmp_path):
    write_csv(tmp_path / "own" / "a.csv", [("u1", "i1"), ("u2", "i2")])
    with pytest.raises(BadInputError, match="random") as caught:
        run(tmp_path / "own", tmp_path / "out")
    assert input_errors.NO_TIMESTAMPS in caught.value.counts


class TestDriver:
    def test_takes_the_newest_span_and_version(self, tmp_path):
        for name in ("span-1/v-1", "span-2/v-1", "span-2/v-3"):
            write_csv(tmp_path / name / "r.csv", [(name, "i", 1, 1)])
        component = RatingsExampleGen(
            str(tmp_path), pattern="span-{SPAN}/v-{VERSION}/*"
        )
        resolved = resolve(component)
        assert resolved[utils.SPAN_PROPERTY_NAME] == 2
        assert resolved[utils.VERSION_PROPERTY_NAME] == 3
        assert "span-2/v-3/*" in resolved["input_config"]

    def test_a_window_is_of_the_spans_that_are_there_when_it_runs(self, tmp_path):
        component = RatingsExampleGen(str(tmp_path), Settings(window="2 spans"))

        def names() -> tuple[str, ...]:
            return read_settings(resolve(component)).spans

        def arrive(name: str) -> None:
            write_csv(tmp_path / name / "r.csv", [("u", "i", 1, 1)])
            (tmp_path / name / "_SUCCESS").touch()

        with pytest.raises(SpansError, match="no spans"):
            resolve(component)
        for name in ("1", "2"):
            arrive(name)
        assert names() == ("1", "2")
        first = resolve(component)
        assert resolve(component) == first  # or the cache would never serve it
        arrive("3")
        assert names() == ("2", "3")
        assert resolve(component)[utils.SPAN_PROPERTY_NAME] == 3
        # What the driver found stays, whatever arrives before the executor looks.
        assert read_settings(first).spans == ("1", "2")

    def test_fingerprint_follows_the_files_that_are_read(self, movielens):
        component = RatingsExampleGen(str(movielens))

        def fingerprint() -> str:
            return resolve(component)[utils.FINGERPRINT_PROPERTY_NAME]

        first = fingerprint()
        (movielens / "README").write_text("changed, but nobody reads it")
        assert fingerprint() == first
        with (movielens / "users.dat").open("a") as file:
            file.write("29::M::25::1::2\n")
        second = fingerprint()
        assert second != first
        with (movielens / "ratings.dat").open("a") as file:
            file.write("\n1::1::1::1")
        assert fingerprint() not in (first, second)

    def test_fingerprint_is_of_bytes(self, movielens):
        component = RatingsExampleGen(str(movielens))
        before = resolve(component)[utils.FINGERPRINT_PROPERTY_NAME]
        edit_unseen(movielens / "ratings.dat")
        assert resolve(component)[utils.FINGERPRINT_PROPERTY_NAME] != before


def edit_unseen(path: Path) -> None:
    """Changes a file, and neither its length nor its time of change."""
    status = path.stat()
    content = path.read_bytes()
    path.write_bytes(content[:-3] + b"9" + content[-2:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.read_bytes() != content


def test_a_name_with_the_marks_of_a_pattern_is_a_name(tmp_path):
    """As the pipeline gives it for a single file."""
    write_csv(tmp_path / "in" / "ratings[1].csv", own_rows(40, 6))
    write_csv(tmp_path / "in" / "ratings1.csv", own_rows(3, 2))
    _, counts = run(tmp_path / "in", tmp_path / "out", glob.escape("ratings[1].csv"))
    assert counts["users"] == 40


class TestChangedFiles:
    def test_after_the_driver_saw_them(self, movielens, tmp_path):
        resolved = resolve(RatingsExampleGen(str(movielens)))
        edit_unseen(movielens / "ratings.dat")
        with pytest.raises(BadInputError, match="changed while it was read"):
            execute(resolved, tmp_path / "out")

    @pytest.mark.parametrize("change", [edit_unseen, Path.unlink])
    def test_while_they_are_read(self, movielens, tmp_path, monkeypatch, change):
        resolved = resolve(RatingsExampleGen(str(movielens)))
        build = ingest.ingest

        def build_and_change(*arguments):
            build(*arguments)
            change(movielens / "ratings.dat")

        monkeypatch.setattr(ingest, "ingest", build_and_change)
        with pytest.raises(BadInputError, match="ratings.dat: the file changed"):
            execute(resolved, tmp_path / "out")


def test_movielens_100k(movielens_dir, tmp_path):
    _, counts = run(movielens_dir / "ml-100k", tmp_path / "out")
    assert counts["read"] == counts["kept"] == 100_000
    assert counts["records"] == dict.fromkeys(SPLITS, 943)
    assert counts["items"] == 1_682
    summary = inspect(movielens_dir / "ml-100k")
    assert (summary.users, summary.items, summary.kept) == (943, 1682, 100_000)
    assert summary.first.timestamp() == counts["first"] == 874_724_710
    assert summary.last.timestamp() == counts["last"] == 893_286_638
    assert summary.sparsity == pytest.approx(1 - 100_000 / (943 * 1682))


def test_spans_are_read_in_their_order_with_users_beside_them(tmp_path):
    """Three spans in MovieLens's layout; the newest rating of a pair is kept."""
    spans = {
        "9": ["1::7::2::900", "1::8::4::901", "2::7::3::902"],
        "10": ["1::7::5::1000", "1::8::4::901", "2::8::1::1001", "2::9::1::1002"],
        "11": ["1::9::1::1100", "2::6::4::1101", "1::8::4::901"],
        "12": ["3::1::1::1"],  # outside the window
    }
    folder = tmp_path / "spans"
    for name, rows in spans.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "ratings.dat").write_text("\n".join(rows) + "\n")
    (folder / "users.dat").write_text("1::F::25::4::01\n2::M::35::7::02\n")
    window = ("9", "10", "11")
    artifact, counts = run(folder, tmp_path / "out", spans=window)
    assert (counts["read"], counts["kept"], counts["duplicates"]) == (10, 7, 3)
    # One rating of user 1 and item 8 is in all three; item 7 was rated anew.
    assert counts["overlaps"] == [
        {"spans": ["9", "10"], "ratings": 1},
        {"spans": ["10", "11"], "ratings": 1},
    ]
    test = read_split(tmp_path / "out", "test")
    assert test["1"]["history_item_id"] == ["8", "7"]
    assert test["1"]["history_rating"] == [4.0, 5.0]
    assert {user: row["user_gender"] for user, row in test.items()} == {
        "1": ["F"],
        "2": ["M"],
    }
    component = RatingsExampleGen(str(folder), Settings(spans=window))
    assert resolve(component)["span"] == 11
    assert artifact.get_string_custom_property("newest_span") == "11"
    assert artifact.get_string_custom_property("newest_span_fingerprint") == (
        fingerprint([str(folder / "11" / "ratings.dat")])
    )


def test_without_spans_nothing_overlaps(movielens, tmp_path):
    _, counts = run(movielens, tmp_path / "out")
    assert counts["overlaps"] == []
    assert counts["duplicates"] > 0


def test_a_user_without_a_history_has_no_feature_of_it(tmp_path):
    """If all lists were empty, TFDV would report 0 as their least value."""
    folder = tmp_path / "new"
    folder.mkdir()
    rows = [
        f"{user}::{item}::4::{SINCE + user * 3600}"
        for user in range(20)
        for item in (1, 2)
    ]
    (folder / "ratings.dat").write_text("\n".join(rows) + "\n")
    run(folder, tmp_path / "out", split_kind="temporal")
    found = read_split(tmp_path / "out", "test")
    assert found
    for values in found.values():
        assert set(values) == {"item_id", "rating", "timestamp"}


def test_files_of_one_number_hold_the_same_users_in_every_split(
    movielens, tmp_path, monkeypatch
):
    """What ``pipeline/recommend/all_users.py`` relies on."""
    monkeypatch.setattr(ingest, "BUCKET_BYTES", 100)
    run(movielens, tmp_path / "out")
    shard_of: dict[str, str] = {}
    for split in SPLITS:
        names = sorted(
            path.name for path in (tmp_path / f"out/Split-{split}").iterdir()
        )
        assert len(names) > 3
        for name in names:
            path = str(tmp_path / f"out/Split-{split}" / name)
            for raw in tf.data.TFRecordDataset(path, "GZIP").as_numpy_iterator():
                example = tf.train.Example.FromString(raw)
                [user] = example.features.feature["user_id"].bytes_list.value
                assert shard_of.setdefault(user, name) == name
    assert len(set(shard_of.values())) > 3


def test_a_users_file_beside_the_ratings_and_how_well_it_fits(tmp_path):
    folder = tmp_path / "own"
    write_csv(folder / "ratings.csv", [("user", "item", "rating", "time"), *own_rows()])
    known = [("id", "city"), ("u1", "old"), ("u0", "Oslo"), ("u1", "Bergen"), ("x", "")]
    write_csv(folder / "users.csv", known)
    _, counts = run(folder, tmp_path / "out", pattern="ratings.csv")
    assert counts["users_file"] == str(folder / "users.csv")
    assert counts["users_with_features"] == 2
    assert counts["first_users_without"] == ["u2", "u3", "u4"]
    assert counts["users_repeated"] == 1
    train = read_split(tmp_path / "out", "train")
    assert {user: row.get("user_city") for user, row in train.items()} == {
        **{"u0": ["Oslo"], "u1": ["Bergen"]},
        **dict.fromkeys(["u2", "u3", "u4", "u5"]),
    }


def test_users_with_the_very_ratings_of_another_are_counted(tmp_path):
    random = np.random.default_rng(0)
    lines = []
    for user in range(8):
        for item in range(7):
            time = 1000 * user + item
            stars = 1 + (user + item) % 5
            lines.append(f"u{user},i{item},{stars},{time}")
            if user == 3:  # two more ids of one person; and one who differs in a time
                lines += [f"{name},i{item},{stars},{time}" for name in ("x", "y")]
                lines.append(f"z,i{item},{stars},{time + (item == 2)}")
            if user == 4 and item < 4:  # too few to tell
                lines += [f"{name},i{item},{stars},{time}" for name in ("p", "q")]
    random.shuffle(lines)
    header = "user_id,item_id,rating,timestamp"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ratings.csv").write_text("\n".join([header, *lines]) + "\n")
    _, counts = run(tmp_path / "in", tmp_path / "out")
    assert counts["duplicate_users"] == 2
